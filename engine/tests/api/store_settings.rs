//! Settings of a key store.

use claviger_algorithm::Algorithm;
use claviger_engine::change::StoreSettings;
use claviger_engine::key::id::StoreId;
use claviger_engine::limits::DELETION_WAIT_DEFAULT;
use claviger_engine::{Error, KeyRecord, Quota, Quotas};

use crate::support::clock::{HOUR, milliseconds};

fn wait(hours: u16) -> StoreSettings {
    StoreSettings { deletion_wait_hours: Some(hours), ..StoreSettings::default() }
}

fn open(open: bool) -> StoreSettings {
    StoreSettings { open_public_keys: Some(open), ..StoreSettings::default() }
}

fn waits_ms(record: &KeyRecord) -> u64 {
    let deletion = record.deletion.unwrap();
    deletion.deadline_ms - deletion.requested_ms
}

on_every_storage! {
    // R-K10
    fn a_deletion_waits_as_its_store_says_unless_said_otherwise(installation) {
        let engine = &installation.engine;
        let keys = ["default", "set", "said"].map(|name| installation.create(name, Algorithm::HmacSha256));
        assert_eq!(waits_ms(&engine.request_deletion(keys[0], None).unwrap()), milliseconds(DELETION_WAIT_DEFAULT));
        assert_eq!(engine.set_store_settings(installation.store, wait(240)).unwrap().deletion_wait_hours, 240);
        assert_eq!(waits_ms(&engine.request_deletion(keys[1], None).unwrap()), milliseconds(HOUR * 240));
        assert_eq!(waits_ms(&engine.request_deletion(keys[2], HOUR * 24).unwrap()), milliseconds(HOUR * 24));
        // What was requested before waits as it did.
        assert_eq!(waits_ms(&engine.describe_key(keys[0]).unwrap()), milliseconds(DELETION_WAIT_DEFAULT));
    }

    // R-K10
    fn a_wait_out_of_bounds_is_refused(installation) {
        let engine = &installation.engine;
        for hours in [0, 23, 721, u16::MAX] {
            let settings = StoreSettings { open_public_keys: Some(true), ..wait(hours) };
            assert!(matches!(engine.set_store_settings(installation.store, settings), Err(Error::DeletionWait)));
        }
        let record = engine.describe_store(installation.store).unwrap();
        assert_eq!((record.deletion_wait_hours, record.open_public_keys), (72, false));
        let nowhere = engine.set_store_settings(StoreId([9; 16]), wait(24));
        assert!(matches!(nowhere, Err(Error::KeyStoreNotFound(_))));
    }

    // R-K6
    fn settings_are_in_force_when_they_are_acknowledged_and_leave_the_others_as_they_are(installation) {
        let engine = &installation.engine;
        let policy = || engine.store_by_id(installation.store).unwrap().policy().open_public_keys;
        assert!(!policy());
        engine.set_store_settings(installation.store, wait(48)).unwrap();
        let record = engine.set_store_settings(installation.store, open(true)).unwrap();
        assert!(policy() && record.open_public_keys);
        assert_eq!(record.deletion_wait_hours, 48);
        assert_eq!(engine.describe_store(installation.store).unwrap(), record);
        engine.set_store_settings(installation.store, open(false)).unwrap();
        assert!(!policy());
    }

    // R-A11
    fn quotas_are_in_force_when_they_are_acknowledged_and_none_until_then(installation) {
        let engine = &installation.engine;
        let policy = || engine.store_by_id(installation.store).unwrap().policy().quotas;
        let quota = Quota::new(500_000, 1_000_000);
        assert_eq!(policy(), Quotas::default());
        let set = |settings| engine.set_store_settings(installation.store, settings).unwrap().quotas;
        let both = Quotas { store: quota, client: Quota::new(1, 1) };
        set(StoreSettings { quota: Some(both.store), client_quota: Some(both.client), ..StoreSettings::default() });
        assert_eq!(policy(), both);
        assert_eq!(set(open(true)), both, "what is not given stays");
        assert_eq!(engine.describe_store(installation.store).unwrap().quotas, both);
        set(StoreSettings { quota: Some(None), ..StoreSettings::default() });
        assert_eq!(policy(), Quotas { store: None, ..both });
    }
}

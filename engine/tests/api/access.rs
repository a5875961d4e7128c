//! Who may come in to a key store: rows of authentication data, access methods, and stopping.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use claviger_algorithm::{Algorithm, Operation};
use claviger_engine::access::{NewAccess, NewPermit};
use claviger_engine::emergency::UnwrittenStop;
use claviger_engine::key::id::{AccessRowId, KeyId, StoreId};
use claviger_engine::key::state::KeyState;
use claviger_engine::limits::{ACCESS_ROWS_MAX, DELETION_WAIT_DEFAULT, DELETION_WAIT_MAX, DELETION_WAIT_MIN};
use claviger_engine::storage::{Call, FailingStorage, MemoryStorage};
use claviger_engine::{
    AccessData, AccessMethod, AccessMethods, AccessRow, Act, Engine, Error, IssuedCertificate, PermittedOperations,
    StoreState,
};

use crate::support::clock::{DAY, HOUR, milliseconds};
use crate::support::installation::create_store;
use crate::support::tamper::all_records;
use crate::support::{Installation, name};

pub(crate) fn network(text: &str) -> AccessData {
    AccessData::Network(text.parse().unwrap())
}

pub(crate) fn issued(serial: u8, key: u8) -> AccessData {
    AccessData::IssuedCertificate(IssuedCertificate {
        serial: vec![serial],
        public_key_sha256: [key; 32],
        common_name: "billing".to_owned(),
    })
}

pub(crate) fn new(data: AccessData) -> NewAccess {
    NewAccess { data, description: String::new(), ends_ms: None, permit: NewPermit::default() }
}

fn add(installation: &Installation, data: AccessData) -> AccessRow {
    installation.engine.add_access(installation.store, new(data)).unwrap()
}

/// The rows by which an address comes in as the policy in force has it.
fn admitting(installation: &Installation, address: &str) -> Vec<AccessRowId> {
    let policy = installation.engine.store_by_id(installation.store).unwrap().policy().clone();
    let rows = policy.access.networks(address.parse().unwrap());
    rows.filter(|held| held.row().passes(installation.clock.shows())).map(|held| held.row().id).collect()
}

on_every_storage! {
    // R-A3, R-A6
    fn a_row_lets_in_from_its_addition_until_it_is_disabled_and_again_when_it_is_enabled(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        assert!(admitting(installation, "192.0.2.7").is_empty());
        let row = add(installation, network("192.0.2.0/24"));
        assert_eq!((row.state, row.creator.as_str()), (KeyState::Available, "engine"));
        assert_eq!(engine.describe_access(store, row.id).unwrap(), (row.clone(), None));
        for _ in 0..2 {
            assert_eq!(admitting(installation, "192.0.2.7"), [row.id]);
            assert!(admitting(installation, "192.0.3.7").is_empty());
            assert!(engine.stop_access(store, row.id).unwrap().not_durable.is_none());
            assert!(admitting(installation, "192.0.2.7").is_empty());
            assert_eq!(engine.describe_access(store, row.id).unwrap().0.state, KeyState::Disabled);
            engine.enable_access(store, row.id).unwrap();
        }
    }

    // R-A3
    fn an_address_comes_in_by_each_network_that_it_lies_in(installation) {
        let wide = add(installation, network("192.0.0.0/16")).id;
        let near = add(installation, network("192.0.2.0/24")).id;
        let alone = add(installation, network("192.0.2.7")).id;
        let v6 = add(installation, network("::/0")).id;
        let all = |address| admitting(installation, address).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(all("192.0.2.7"), BTreeSet::from([wide, near, alone]));
        assert_eq!(all("::ffff:192.0.2.8"), BTreeSet::from([wide, near]));
        assert_eq!(all("192.0.3.7"), BTreeSet::from([wide]));
        assert_eq!(all("2001:db8::1"), BTreeSet::from([v6]));
        assert_eq!(all("192.1.0.1"), BTreeSet::new());
    }

    // R-A6
    fn who_has_added_a_row_is_told(installation) {
        let act = Act::new("Ada\n".to_owned(), "add");
        let engine = installation.engine.on_behalf_of(act);
        let row = engine.add_access(installation.store, new(network("192.0.2.1"))).unwrap();
        assert_eq!(row.creator, "Ada?");
    }

    // R-A6
    fn what_lets_in_the_same_is_refused_so_that_ending_one_row_ends_it(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let pinned = AccessData::PinnedKey([3; 32]);
        let hardware = AccessData::HardwareAddress("02:00:5e:10:00:01".parse().unwrap());
        for data in [network("192.0.2.0/24"), hardware.clone(), issued(1, 1), pinned.clone()] {
            add(installation, data);
        }
        let other = create_store(engine, "other").unwrap();
        for data in [network("192.0.2.0/24"), network("::ffff:192.0.2.0/120"), hardware, issued(1, 9), AccessData::PinnedKey([1; 32]), issued(2, 3), pinned] {
            assert!(matches!(engine.add_access(store, new(data.clone())), Err(Error::AccessRowExists { .. })), "{data}");
            engine.add_access(other, new(data)).ok();
        }
        // Another certificate of the same key is ended by itself; another network is another row.
        for data in [issued(2, 1), network("192.0.2.0/25")] {
            add(installation, data);
        }
    }

    // R-A6
    fn what_cannot_be_is_refused_and_nothing_is_written(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let mine = installation.create("mine", Algorithm::Xaes256Gcm);
        let other = create_store(engine, "other").unwrap();
        let before = all_records(&*installation.storage);
        let with = |permit| NewAccess { permit, ..new(network("192.0.2.1")) };
        let keys = |keys: &[KeyId]| NewPermit { keys: Some(keys.iter().copied().collect()), operations: None };
        let add = |store, new| engine.add_access(store, new).unwrap_err();
        assert!(matches!(add(StoreId([9; 16]), new(network("192.0.2.1"))), Error::KeyStoreNotFound(_)));
        assert!(matches!(add(store, with(keys(&[]))), Error::InvalidPermit));
        assert!(matches!(add(store, with(keys(&[KeyId([9; 16])]))), Error::KeyNotFound(_)));
        assert!(matches!(add(other, with(keys(&[mine]))), Error::KeyNotFound(_)));
        let many: Vec<_> = (0..101).map(|byte| KeyId([byte; 16])).collect();
        assert!(matches!(add(store, with(keys(&many))), Error::InvalidPermit));
        let nothing = NewPermit { operations: Some(PermittedOperations::NONE), keys: None };
        assert!(matches!(add(store, with(nothing)), Error::InvalidPermit));
        for bad in ["a\nb".to_owned(), "x".repeat(257)] {
            let described = NewAccess { description: bad, ..new(network("192.0.2.1")) };
            assert!(matches!(add(store, described), Error::InvalidAccessDescription));
        }
        let unnamed = IssuedCertificate { serial: vec![1], public_key_sha256: [1; 32], common_name: String::new() };
        assert!(matches!(add(store, new(AccessData::IssuedCertificate(unnamed))), Error::InvalidAccessData(_)));
        assert_eq!(all_records(&*installation.storage), before);
    }

    // R-A12
    fn a_row_is_narrowed_and_made_wide_again(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let key = installation.create("key", Algorithm::Xaes256Gcm);
        let row = add(installation, network("192.0.2.1"));
        let operations = PermittedOperations::NONE.with(Operation::Encrypt);
        let narrow = NewPermit { operations: Some(operations), keys: Some(BTreeSet::from([key])) };
        let narrowed = engine.narrow_access(store, row.id, narrow).unwrap();
        assert!(narrowed.permit.allows(Operation::Encrypt, key) && !narrowed.permit.allows(Operation::Decrypt, key));
        assert_eq!(engine.describe_access(store, row.id).unwrap().0, narrowed);
        let nothing = NewPermit { operations: Some(PermittedOperations::NONE), keys: None };
        assert!(matches!(engine.narrow_access(store, row.id, nothing), Err(Error::InvalidPermit)));
        assert_eq!(engine.narrow_access(store, row.id, NewPermit::default()).unwrap(), row);
    }

    // R-A5, R-A6
    fn a_row_ends_by_itself(installation) {
        let (engine, store, clock) = (&installation.engine, installation.store, &installation.clock);
        clock.hold();
        let ends_ms = clock.shows() + milliseconds(HOUR);
        let row = engine.add_access(store, NewAccess { ends_ms: Some(ends_ms), ..new(network("192.0.2.1")) }).unwrap();
        clock.pass(HOUR - Duration::from_millis(1));
        assert_eq!(admitting(installation, "192.0.2.1"), [row.id]);
        clock.pass(Duration::from_millis(1));
        assert!(admitting(installation, "192.0.2.1").is_empty());
        // A network may be given more time, an issued certificate may not.
        engine.end_access_at(store, row.id, None).unwrap();
        assert_eq!(admitting(installation, "192.0.2.1"), [row.id]);
        let certificate = engine.add_access(store, NewAccess { ends_ms: Some(ends_ms), ..new(issued(1, 1)) }).unwrap();
        engine.end_access_at(store, certificate.id, Some(ends_ms - 1)).unwrap();
        for later in [Some(ends_ms), None] {
            assert!(matches!(engine.end_access_at(store, certificate.id, later), Err(Error::AccessEndTooLate)));
        }
    }

    // R-A6
    fn a_deletion_waits_for_both_clocks_as_that_of_a_key_does(installation) {
        let (engine, store, clock) = (&installation.engine, installation.store, &installation.clock);
        clock.hold();
        let row = add(installation, network("192.0.2.1"));
        let before = all_records(&*installation.storage).len();
        let requested = engine.request_access_deletion(store, row.id, None).unwrap();
        let deletion = requested.deletion.unwrap();
        assert_eq!(deletion.deadline_ms - deletion.requested_ms, milliseconds(DELETION_WAIT_DEFAULT));
        assert!(admitting(installation, "192.0.2.1").is_empty());
        let is_there = || engine.describe_access(store, row.id).is_ok();
        // The wall clock alone does not do it.
        clock.pass_on_the_wall(DELETION_WAIT_DEFAULT + HOUR);
        engine.do_due().unwrap();
        assert!(is_there());
        // Nor does running time alone.
        clock.put_back(DELETION_WAIT_DEFAULT + HOUR);
        clock.pass(DELETION_WAIT_DEFAULT);
        clock.put_back(Duration::from_millis(1));
        engine.do_due().unwrap();
        assert!(is_there());
        clock.pass(Duration::from_millis(1));
        engine.do_due().unwrap();
        assert!(matches!(engine.describe_access(store, row.id), Err(Error::AccessRowNotFound(_))));
        assert_eq!(all_records(&*installation.storage).len(), before - 1);
    }

    // R-A6
    fn each_step_of_a_deletion_is_taken_from_its_own_states_only(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let row = add(installation, network("192.0.2.1")).id;
        let wrong = |result: Result<AccessRow, Error>| assert!(matches!(result, Err(Error::AccessStateWrong { .. })));
        wrong(engine.cancel_access_deletion(store, row));
        for wait in [DELETION_WAIT_MIN - Duration::from_millis(1), DELETION_WAIT_MAX + Duration::from_millis(1)] {
            assert!(matches!(engine.request_access_deletion(store, row, Some(wait)), Err(Error::DeletionWait)));
        }
        engine.request_access_deletion(store, row, Some(DAY)).unwrap();
        wrong(engine.request_access_deletion(store, row, Some(DAY)));
        wrong(engine.enable_access(store, row));
        assert!(matches!(engine.stop_access(store, row), Err(Error::AccessStateWrong { .. })));
        assert_eq!(engine.cancel_access_deletion(store, row).unwrap().state, KeyState::Disabled);
        installation.clock.pass(DAY * 100);
        engine.do_due().unwrap();
        engine.enable_access(store, row).unwrap();
        assert_eq!(admitting(installation, "192.0.2.1"), [row]);
        let other = create_store(engine, "other").unwrap();
        assert!(matches!(engine.enable_access(other, row), Err(Error::AccessRowNotFound(_))), "of another store");
    }

    // R-A1
    fn the_last_method_is_not_taken_away(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let methods = || engine.store_by_id(store).unwrap().policy().methods.unwrap();
        let remove = |method| engine.change_access_methods(store, &[], &[method]);
        let refused = remove(AccessMethod::ClientCertificate).unwrap_err();
        assert!(matches!(refused, Error::LastAccessMethod(AccessMethod::ClientCertificate)));
        assert_eq!(methods(), AccessMethods::CLIENT_CERTIFICATE);
        engine.change_access_methods(store, &[AccessMethod::Address], &[]).unwrap();
        assert_eq!(methods(), AccessMethods::CLIENT_CERTIFICATE.with(AccessMethod::Address));
        remove(AccessMethod::ClientCertificate).unwrap();
        assert_eq!(methods(), AccessMethods::of(AccessMethod::Address));
        remove(AccessMethod::HardwareAddress).unwrap();
        assert!(remove(AccessMethod::Address).is_err());
        assert_eq!(engine.describe_store(store).unwrap().methods, AccessMethods::of(AccessMethod::Address));
    }

    // R-A13
    fn a_store_is_disabled_and_enabled(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let state = || engine.store_by_id(store).unwrap().policy().state;
        assert!(engine.stop_store(store).unwrap().not_durable.is_none());
        assert_eq!((state(), engine.describe_store(store).unwrap().state), (StoreState::Disabled, StoreState::Disabled));
        assert_eq!(engine.unwritten_stops(), []);
        // Everything else goes on.
        installation.create("key", Algorithm::Xaes256Gcm);
        add(installation, network("192.0.2.1"));
        assert_eq!(state(), StoreState::Disabled);
        engine.enable_store(store).unwrap();
        assert_eq!((state(), engine.describe_store(store).unwrap().state), (StoreState::Available, StoreState::Available));
        assert!(matches!(engine.stop_store(StoreId([9; 16])), Err(Error::KeyStoreNotFound(_))));
        assert!(matches!(engine.stop_access(store, AccessRowId([9; 16])), Err(Error::AccessRowNotFound(_))));
    }

    // R-A6
    fn rows_are_listed_page_by_page(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let mut ids: Vec<_> = (1..=5).map(|last| add(installation, network(&format!("192.0.2.{last}"))).id).collect();
        ids.push(add(installation, issued(1, 1)).id);
        ids.sort_unstable();
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let page = engine.list_access(store, |_| true, after, 4).unwrap();
            listed.extend(page.rows.iter().map(|(row, _)| row.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(listed, ids);
        let certificates = |row: &AccessRow| row.data.method() == AccessMethod::ClientCertificate;
        assert_eq!(engine.list_access(store, certificates, None, 4).unwrap().rows.len(), 1);
        let other = create_store(engine, "other").unwrap();
        assert!(engine.list_access(other, |_| true, None, 4).unwrap().rows.is_empty());
    }
}

// R-A13
#[test]
fn what_cannot_be_written_is_stopped_all_the_same_and_written_when_that_is_possible() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(Arc::<FailingStorage<MemoryStorage>>::clone(&storage));
    let (engine, store) = (&installation.engine, installation.store);
    let row = add(&installation, network("192.0.2.1")).id;
    let bystander = add(&installation, network("192.0.2.2")).id;
    let state = || engine.store_by_id(store).unwrap().policy().state;
    storage.fail(Call::Transact, 1);
    assert!(matches!(engine.stop_access(store, row).unwrap().not_durable.as_deref(), Some(Error::Storage(_))));
    assert!(admitting(&installation, "192.0.2.1").is_empty());
    assert_eq!(admitting(&installation, "192.0.2.2"), [bystander]);
    assert_eq!(engine.unwritten_stops(), [UnwrittenStop::Row(store, row)]);
    // Reading does not work either.
    storage.fail(Call::Get, 1);
    assert!(engine.stop_store(store).unwrap().not_durable.is_some());
    assert_eq!(state(), StoreState::Disabled);
    // Other changes of the store bring neither back.
    add(&installation, network("192.0.2.3"));
    assert_eq!(state(), StoreState::Disabled);
    assert!(admitting(&installation, "192.0.2.1").is_empty());
    assert_eq!(engine.describe_access(store, row).unwrap().0.state, KeyState::Available, "not written yet");
    engine.do_due().unwrap();
    assert_eq!(engine.unwritten_stops(), []);
    assert_eq!(engine.describe_access(store, row).unwrap().0.state, KeyState::Disabled);
    assert_eq!((state(), engine.describe_store(store).unwrap().state), (StoreState::Disabled, StoreState::Disabled));
    let installation = installation.restarted(|_| {});
    assert!(admitting(&installation, "192.0.2.1").is_empty());
}

// R-A13
#[test]
fn what_is_stopped_in_memory_alone_is_let_in_again_only_when_that_is_written() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(Arc::<FailingStorage<MemoryStorage>>::clone(&storage));
    let (engine, store) = (&installation.engine, installation.store);
    let row = add(&installation, network("192.0.2.1")).id;
    storage.fail(Call::Transact, 1);
    assert!(engine.stop_access(store, row).unwrap().not_durable.is_some());
    storage.fail(Call::Transact, 1);
    assert!(engine.enable_access(store, row).is_err());
    assert!(admitting(&installation, "192.0.2.1").is_empty());
    engine.enable_access(store, row).unwrap();
    assert_eq!(admitting(&installation, "192.0.2.1"), [row]);
    assert_eq!(engine.unwritten_stops(), []);
}

// R-A6
#[test]
fn the_last_use_of_a_row_is_written_each_minute_and_known_after_a_restart() {
    let installation = Installation::in_memory();
    let row = add(&installation, network("192.0.2.1")).id;
    let last_used = |engine: &Engine, store| engine.describe_access(store, row).unwrap().1;
    assert_eq!(last_used(&installation.engine, installation.store), None);
    let policy = installation.engine.store_by_id(installation.store).unwrap().policy().clone();
    let [held] = policy.access.rows() else { panic!() };
    held.note_use(7_000);
    held.note_use(6_000);
    assert_eq!(last_used(&installation.engine, installation.store), Some(7_000));
    // Another policy of the store goes on with it.
    installation.engine.describe_access_as(installation.store, row, "the till".to_owned()).unwrap();
    assert_eq!(last_used(&installation.engine, installation.store), Some(7_000));
    installation.engine.do_due().unwrap();
    drop(policy);
    let installation = installation.restarted(|_| {});
    assert_eq!(last_used(&installation.engine, installation.store), Some(7_000));
}

// R-A6
#[test]
fn rows_of_a_store_are_bounded() {
    let installation = Installation::in_memory();
    for number in 0..ACCESS_ROWS_MAX {
        add(&installation, network(&format!("10.0.{}.{}", number / 256, number % 256)));
    }
    let one_more = installation.engine.add_access(installation.store, new(network("192.0.2.1")));
    assert!(matches!(one_more, Err(Error::TooManyAccessRows)));
    let other = create_store(&installation.engine, "other").unwrap();
    installation.engine.add_access(other, new(network("192.0.2.1"))).unwrap();
    assert_eq!(
        installation.engine.store_by_name(&name("store")).unwrap().policy().access.rows().len(),
        ACCESS_ROWS_MAX
    );
}

// R-A6, R-H1
#[test]
fn a_row_that_was_altered_lets_nobody_in_and_the_others_do() {
    let installation = Installation::in_memory();
    let [bad, good] = ["192.0.2.1", "192.0.2.2"].map(|text| add(&installation, network(text)).id);
    let records = all_records(&*installation.storage);
    let (place, value) =
        records.iter().find(|(place, _)| place.key.ends_with(&bad.0) && place.key.len() == 33).unwrap();
    let mut altered = value.value.clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    let write = claviger_engine::storage::Write::Put { address: place.clone(), value: altered };
    installation.storage.transact(&[], &[write]).unwrap();
    let installation = installation.restarted(|_| {});
    assert!(admitting(&installation, "192.0.2.1").is_empty());
    assert_eq!(admitting(&installation, "192.0.2.2"), [good]);
    let listed = installation.engine.list_access(installation.store, |_| true, None, 10).unwrap();
    assert_eq!(listed.rows.iter().map(|(row, _)| row.id).collect::<Vec<_>>(), [good]);
    assert!(matches!(installation.engine.describe_access(installation.store, bad), Err(Error::Damaged(_))));
}

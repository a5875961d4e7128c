//! Deletion without the rest of the wait: not of a key that somebody has used in the last 24 hours, unless it is forced.

use std::time::Duration;

use claviger_algorithm::Algorithm;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::{Engine, Error};

use crate::support::client::client_name;
use crate::support::clock::{DAY, HOUR};
use crate::support::tamper::{all_records, put};
use crate::support::{Client, Installation};

const MOMENT: Duration = Duration::from_millis(1);

/// A key that `billing` has just used, and whose deletion is requested.
fn used(installation: &Installation) -> KeyId {
    installation.clock.hold();
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    Client::named(&installation.engine, "billing").encrypt_one(id, b"", b"1");
    installation.engine.write_uses();
    installation.engine.request_deletion(id, DAY * 3).unwrap();
    id
}

fn refusal(engine: &Engine, id: KeyId) -> String {
    let refused = engine.delete_now(id, false).unwrap_err();
    assert!(matches!(refused, Error::UsedLately { .. }), "{refused}");
    assert_eq!(engine.describe_key(id).unwrap().state, KeyState::DeletionRequested);
    refused.to_string()
}

on_every_storage! {
    // R-K10
    fn a_key_that_was_used_in_the_last_24_hours_is_not_deleted_at_once(installation) {
        let (engine, id) = (&installation.engine, used(installation));
        let said = refusal(engine, id);
        assert!(said.contains(&format!("less than a minute ago by {}", client_name("billing"))), "{said}");
        for (passed, ago) in [
            (HOUR / 60, "a minute ago"),
            (HOUR / 2, "31 minutes ago"),
            (HOUR, "an hour ago"),
            (HOUR * 22, "23 hours ago"),
        ] {
            installation.clock.pass(passed);
            assert!(refusal(engine, id).contains(ago), "{ago}");
        }
        installation.clock.pass(HOUR * 24 - HOUR * 23 - HOUR / 2 - HOUR / 60 - MOMENT);
        refusal(engine, id);
        installation.clock.pass(MOMENT);
        assert_eq!(engine.delete_now(id, false).unwrap().state, KeyState::Deleted);
    }

    // R-K10
    fn force_deletes_it_all_the_same_and_only_from_its_state(installation) {
        let (engine, id) = (&installation.engine, used(installation));
        refusal(engine, id);
        engine.cancel_deletion(id).unwrap();
        assert!(matches!(engine.delete_now(id, true), Err(Error::KeyStateWrong { .. })));
        engine.request_deletion(id, None).unwrap();
        assert_eq!(engine.delete_now(id, true).unwrap().state, KeyState::Deleted);
    }

    // R-K10
    fn a_clock_that_was_put_back_deletes_nothing_at_once(installation) {
        let (engine, id) = (&installation.engine, used(installation));
        installation.clock.put_back(DAY * 100);
        assert!(refusal(engine, id).contains("less than a minute ago"));
        installation.clock.pass_on_the_wall(DAY * 100);
        refusal(engine, id);
        // Put forward, the time has passed: what nobody uses since the request is guarded by that alone.
        installation.clock.pass_on_the_wall(DAY);
        assert!(engine.delete_now(id, false).is_ok());
    }

    // R-K10
    fn a_key_that_was_never_used_is_deleted_at_once(installation) {
        let (engine, id) = (&installation.engine, installation.create("key", Algorithm::Ed25519));
        Client::new(engine).with(id, |key| key.public_key(None).unwrap());
        engine.request_deletion(id, DAY).unwrap();
        assert_eq!(engine.delete_now(id, false).unwrap().state, KeyState::Deleted);
    }
}

// R-K10
#[test]
fn a_use_before_a_restart_counts() {
    let installation = Installation::on_lmdb();
    let id = used(&installation);
    let installation = installation.restarted(|clock| clock.pass(HOUR * 23));
    refusal(&installation.engine, id);
    let installation = installation.restarted(|clock| clock.pass(HOUR));
    assert!(installation.engine.delete_now(id, false).is_ok());
}

// R-K10
#[test]
fn a_key_whose_last_use_is_not_known_is_deleted_by_force_only() {
    let installation = Installation::in_memory();
    let (engine, id) = (&installation.engine, used(&installation));
    let usage = all_records(&*installation.storage).into_iter().find(|(address, _)| address.database.name() == "usage");
    let (address, mut record) = usage.unwrap();
    record.value[20] ^= 1;
    put(&*installation.storage, &address, record.value);
    installation.clock.pass(DAY);
    assert!(matches!(engine.delete_now(id, false), Err(Error::Damaged(_))));
    assert!(engine.delete_now(id, true).is_ok());
}

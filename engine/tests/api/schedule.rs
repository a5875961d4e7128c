//! When a deletion is made: two clocks have to agree, and whatever is done to one of them it is never early.

use std::sync::Arc;
use std::time::Duration;

use claviger_algorithm::Algorithm;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::limits::DELETION_WAIT_MIN;
use claviger_engine::storage::{Address, Call, Database, FailingStorage, MemoryStorage};
use claviger_engine::{Error, LoadError};

use crate::support::client::load;
use crate::support::clock::{DAY, HOUR, milliseconds};
use crate::support::log::warnings_of;
use crate::support::tamper::{all_records, key_address, put, run_address};
use crate::support::{Client, Installation};

const MOMENT: Duration = Duration::from_millis(1);

on_every_storage! {
    // R-K10
    fn deletion_is_made_when_its_wait_is_over_and_not_before(installation) {
        let id = requested(installation, "key", DELETION_WAIT_MIN);
        let mut client = Client::new(&installation.engine);
        client.with(id, |_| ());
        installation.clock.pass(DELETION_WAIT_MIN - MOMENT);
        waits(installation, id);
        installation.clock.pass(MOMENT);
        is_made(installation, id);
        assert_eq!(client.cached_state(id), Some(KeyState::Deleted));
        assert_eq!(installation.engine.describe_key(id).unwrap().deleted.map(|deleted| deleted.at_ms), Some(installation.clock.shows()));
    }

    // R-K10
    fn wall_clock_put_forward_by_days_deletes_nothing_early(installation) {
        let id = requested(installation, "key", DELETION_WAIT_MIN);
        installation.clock.pass_on_the_wall(DAY * 100);
        waits(installation, id);
        installation.clock.pass(DELETION_WAIT_MIN - MOMENT);
        waits(installation, id);
        installation.clock.pass(MOMENT);
        is_made(installation, id);
    }

    // R-K10
    fn wall_clock_put_back_by_days_makes_a_deletion_late(installation) {
        let id = requested(installation, "key", DELETION_WAIT_MIN);
        installation.clock.put_back(DAY * 10);
        installation.clock.pass(DELETION_WAIT_MIN);
        waits(installation, id);
        installation.clock.pass(DAY * 10 - MOMENT);
        waits(installation, id);
        installation.clock.pass(MOMENT);
        is_made(installation, id);
    }

    // R-K10
    fn wall_clock_that_goes_to_and_fro_deletes_nothing_early(installation) {
        let id = requested(installation, "key", DELETION_WAIT_MIN);
        for _ in 0..23 {
            installation.clock.pass_on_the_wall(DAY * 400);
            waits(installation, id);
            installation.clock.put_back(DAY * 400);
            installation.clock.pass(HOUR);
            waits(installation, id);
        }
        installation.clock.pass(HOUR);
        is_made(installation, id);
    }

    // R-K10
    fn wait_that_was_cancelled_does_not_count_for_the_next_one(installation) {
        let id = requested(installation, "key", DELETION_WAIT_MIN);
        installation.clock.pass(DELETION_WAIT_MIN - MOMENT);
        installation.engine.cancel_deletion(id).unwrap();
        installation.engine.request_deletion(id, DELETION_WAIT_MIN).unwrap();
        installation.clock.pass(DELETION_WAIT_MIN - MOMENT);
        waits(installation, id);
        installation.clock.pass_on_the_wall(DAY);
        waits(installation, id);
        installation.clock.pass(MOMENT);
        is_made(installation, id);
    }

    // R-K11
    fn deleted_key_is_described_for_365_days_and_then_gone(installation) {
        let id = requested(installation, "key", DELETION_WAIT_MIN);
        let record = installation.engine.delete_now(id, false).unwrap();
        installation.clock.pass(DAY * 365 - MOMENT);
        assert_eq!(installation.engine.do_due().unwrap(), 0);
        assert_eq!(installation.engine.describe_key(id).unwrap(), record);
        assert_eq!(load(&installation.engine, id), Ok(()));
        installation.clock.pass(MOMENT);
        assert_eq!(installation.engine.do_due().unwrap(), 1);
        assert!(matches!(installation.engine.describe_key(id), Err(Error::KeyNotFound(_))));
        assert_eq!(load(&installation.engine, id), Err(LoadError::NotFound));
        assert_eq!(Client::new(&installation.engine).cached_state(id), None);
        let left = all_records(&*installation.storage);
        assert!(left.iter().all(|(address, _)| !address.key.windows(16).any(|part| part == id.0)));
        assert_eq!(installation.engine.do_due().unwrap(), 0);
    }

    // R-K11
    fn wall_clock_put_forward_by_years_forgets_nothing_for_a_month(installation) {
        let id = requested(installation, "key", DELETION_WAIT_MIN);
        let record = installation.engine.delete_now(id, false).unwrap();
        installation.clock.pass_on_the_wall(DAY * 4_000);
        installation.clock.pass(DAY * 30 - MOMENT);
        assert_eq!(installation.engine.do_due().unwrap(), 0);
        assert_eq!(installation.engine.describe_key(id).unwrap(), record);
        installation.clock.pass(MOMENT);
        assert_eq!(installation.engine.do_due().unwrap(), 1);
        assert!(matches!(installation.engine.describe_key(id), Err(Error::KeyNotFound(_))));
    }

    fn nothing_is_due_for_keys_that_are_only_used(installation) {
        for (at, algorithm) in [Algorithm::Xaes256Gcm, Algorithm::Aes256Gcm, Algorithm::Opaque].into_iter().enumerate() {
            installation.create(&format!("key-{at}"), algorithm);
        }
        installation.clock.pass(DAY * 10_000);
        let revision = installation.storage.revision();
        assert_eq!(installation.engine.do_due().unwrap(), 0);
        assert_eq!(installation.storage.revision(), revision);
    }

    // R-K10
    fn each_key_waits_for_itself(installation) {
        installation.clock.hold();
        let ids = [1, 2, 3].map(|days| requested(installation, &format!("key-{days}"), DAY * days));
        for made in 1..=3 {
            installation.clock.pass(DAY);
            assert_eq!(installation.engine.do_due().unwrap(), 1);
            for (at, id) in ids.iter().enumerate() {
                let state = installation.engine.describe_key(*id).unwrap().state;
                assert_eq!(state == KeyState::Deleted, at < made, "{at} after {made}");
            }
        }
    }

    fn damaged_record_of_one_key_does_not_hold_up_the_others(installation) {
        let ids = [1, 2, 3].map(|at| requested(installation, &format!("key-{at}"), DELETION_WAIT_MIN));
        installation.clock.pass(DELETION_WAIT_MIN);
        put(&*installation.storage, &key_address(ids[1]), b"damaged".to_vec());
        assert_eq!(installation.engine.do_due().unwrap(), 2);
        for id in [ids[0], ids[2]] {
            assert_eq!(installation.engine.describe_key(id).unwrap().state, KeyState::Deleted);
        }
    }

    // R-H1
    fn what_is_altered_in_the_schedule_deletes_nothing_early(installation) {
        let id = requested(installation, "key", DELETION_WAIT_MIN);
        let other = installation.create("other", Algorithm::Ed25519);
        // Entries that say that it is time, for a key that waits, for one that does not, and for none.
        for id in [id, other, KeyId([7; 16])] {
            let entry = Address::new(Database::Keys, [&b"d"[..], &[0; 8], &id.0].concat());
            put(&*installation.storage, &entry, Vec::new());
        }
        assert_eq!(installation.engine.do_due().unwrap(), 0);
        waits(installation, id);
        assert_eq!(installation.engine.describe_key(other).unwrap().state, KeyState::Available);
    }
}

// R-K10
#[test]
fn deadline_that_passes_while_the_daemon_is_down_waits_for_the_running_time() {
    for installation in [Installation::in_memory(), Installation::on_lmdb()] {
        let id = requested(&installation, "key", DELETION_WAIT_MIN);
        installation.clock.pass(HOUR * 10);
        let installation = installation.restarted(|clock| clock.pass(DAY * 5));
        waits(&installation, id);
        installation.clock.pass(HOUR * 13);
        waits(&installation, id);
        // The wall clock is wrong for a while, and put right while nothing runs.
        installation.clock.pass_on_the_wall(DAY * 50);
        waits(&installation, id);
        let installation = installation.restarted(|clock| clock.put_back(DAY * 50));
        waits(&installation, id);
        installation.clock.pass(HOUR - MOMENT);
        waits(&installation, id);
        installation.clock.pass(MOMENT);
        is_made(&installation, id);
    }
}

// R-K10
#[test]
fn wall_clock_put_back_between_runs_makes_a_deletion_late() {
    let installation = Installation::on_lmdb();
    let id = requested(&installation, "key", DELETION_WAIT_MIN);
    let installation = installation.restarted(|clock| clock.put_back(DAY * 3));
    installation.clock.pass(DELETION_WAIT_MIN);
    waits(&installation, id);
    let installation = installation.restarted(|clock| clock.pass(DAY * 3));
    is_made(&installation, id);
}

// R-K10
#[test]
fn running_time_that_was_put_back_makes_deletions_late_which_the_log_says_once() {
    let installation = Installation::in_memory();
    let before = installation.storage.get(&run_address()).unwrap().unwrap().value;
    installation.clock.pass(DAY * 10);
    let ids = ["key", "other"].map(|name| requested(&installation, name, DELETION_WAIT_MIN));
    let storage = Arc::clone(&installation.storage);
    let installation = installation.restarted(|_| put(&*storage, &run_address(), before));
    let quiet = warnings_of(|| waits(&installation, ids[0]));
    assert!(quiet.is_empty(), "nothing is late yet: {quiet:?}");
    installation.clock.pass(DELETION_WAIT_MIN);
    let said = warnings_of(|| {
        for id in ids {
            waits(&installation, id);
        }
    });
    assert_eq!(said.len(), 1, "once, for all keys and looks: {said:?}");
    assert!(said[0].contains("running time of the installation was put back"), "{said:?}");
    installation.clock.pass(DAY * 10 - MOMENT);
    waits(&installation, ids[0]);
    installation.clock.pass(MOMENT);
    let quiet = warnings_of(|| assert_eq!(installation.engine.do_due().unwrap(), 2));
    assert!(quiet.is_empty(), "{quiet:?}");
}

// R-K10
#[test]
fn a_deletion_that_only_waits_is_not_worth_a_word_in_the_log() {
    let installation = Installation::in_memory();
    let id = requested(&installation, "key", DELETION_WAIT_MIN);
    let installation = installation.restarted(|clock| clock.pass_on_the_wall(DAY * 30));
    let said = warnings_of(|| waits(&installation, id));
    assert!(said.is_empty(), "it is late, but running time stands where it stood: {said:?}");
}

// R-K11
#[test]
fn purge_that_was_missed_while_nothing_ran_is_made_at_the_next_look() {
    let installation = Installation::on_lmdb();
    let id = requested(&installation, "key", DELETION_WAIT_MIN);
    installation.engine.delete_now(id, false).unwrap();
    installation.clock.pass(DAY * 30);
    let installation = installation.restarted(|clock| clock.pass(DAY * 1_000));
    assert_eq!(installation.engine.do_due().unwrap(), 1);
    assert!(matches!(installation.engine.describe_key(id), Err(Error::KeyNotFound(_))));
}

// R-K10
#[test]
fn deletion_is_made_at_the_next_look_if_the_schedule_cannot_be_read() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let id = requested(&installation, "key", DELETION_WAIT_MIN);
    installation.clock.pass(DELETION_WAIT_MIN);
    for _ in 0..3 {
        storage.fail(Call::Scan, 1);
        assert!(matches!(installation.engine.do_due(), Err(Error::Storage(_))));
        assert_eq!(installation.engine.describe_key(id).unwrap().state, KeyState::DeletionRequested);
    }
    is_made(&installation, id);
}

/// A key whose deletion is requested, at a moment that the clock still shows.
fn requested(installation: &Installation, key_name: &str, wait: Duration) -> KeyId {
    installation.clock.hold();
    let id = installation.create(key_name, Algorithm::Aes256Gcm);
    let deletion = installation.engine.request_deletion(id, wait).unwrap().deletion.unwrap();
    assert_eq!(deletion.deadline_ms, installation.clock.shows() + milliseconds(wait));
    id
}

#[track_caller]
fn waits(installation: &Installation, id: KeyId) {
    assert_eq!(installation.engine.do_due().unwrap(), 0);
    assert_eq!(installation.engine.describe_key(id).unwrap().state, KeyState::DeletionRequested);
}

#[track_caller]
fn is_made(installation: &Installation, id: KeyId) {
    assert_eq!(installation.engine.do_due().unwrap(), 1);
    assert_eq!(installation.engine.describe_key(id).unwrap().state, KeyState::Deleted);
    assert_eq!(installation.engine.do_due().unwrap(), 0);
}

// R-K12
#[test]
fn a_schedule_that_does_not_come_to_its_end_is_noticed() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let engine = &installation.engine;
    assert!(!engine.schedule_is_stalled());
    installation.clock.pass(Duration::from_mins(3));
    assert!(!engine.schedule_is_stalled());
    installation.clock.pass(MOMENT);
    assert!(engine.schedule_is_stalled());
    storage.fail(Call::Scan, 1);
    engine.do_due().unwrap_err();
    assert!(engine.schedule_is_stalled());
    engine.do_due().unwrap();
    assert!(!engine.schedule_is_stalled());
}

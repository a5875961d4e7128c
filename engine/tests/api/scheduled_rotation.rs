//! Rotation by the clock: its schedule, what it does not do, and that no wrong clock loses it.

use std::time::Duration;

use claviger_algorithm::Algorithm;
use claviger_engine::Error;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::limits::{DELETION_WAIT_MIN, ROTATION_PERIOD_DAYS_MAX, SCHEDULE_STEPS, VERSIONS_MAX};

use crate::support::clock::{DAY, HOUR, milliseconds};
use crate::support::{Client, Installation, calls};

const MOMENT: Duration = Duration::from_millis(1);

on_every_storage! {
    // R-K12
    fn key_is_rotated_when_its_period_is_over_and_not_before(installation) {
        let id = scheduled(installation, 30);
        let mut client = Client::new(&installation.engine);
        let before = client.encrypt_one(id, b"", b"plaintext");
        installation.clock.pass(DAY * 30 - MOMENT);
        rotates(installation, id, 0);
        for cycle in 1..=3 {
            installation.clock.pass(MOMENT);
            rotates(installation, id, 1);
            assert_eq!(calls::version_of(&client.encrypt_one(id, b"", b"")), cycle + 1);
            assert!(client.decrypt(id, &[(b"", &before)]).unwrap()[0].is_ok());
            installation.clock.pass(DAY * 30 - MOMENT);
            rotates(installation, id, 0);
        }
    }

    // R-K12
    fn cycles_that_were_missed_rotate_once_and_stay_in_their_rhythm(installation) {
        let id = scheduled(installation, 7);
        let begin = installation.clock.shows();
        installation.clock.pass(DAY * 7 * 10 + HOUR);
        rotates(installation, id, 1);
        rotates(installation, id, 0);
        assert_eq!(next(installation, id), begin + milliseconds(DAY * 7 * 11));
    }

    // R-K12
    fn rotation_by_hand_does_not_move_the_schedule(installation) {
        let id = scheduled(installation, 7);
        let planned = next(installation, id);
        installation.clock.pass(DAY * 6);
        installation.engine.rotate(id).unwrap();
        assert_eq!(next(installation, id), planned);
        installation.clock.pass(DAY);
        rotates(installation, id, 1);
    }

    // R-K12
    fn schedule_is_changed_and_ended_by_hand(installation) {
        let id = scheduled(installation, 7);
        installation.clock.pass(DAY * 6);
        installation.engine.set_rotation(id, Some(2)).unwrap();
        assert_eq!(next(installation, id), installation.clock.shows() + milliseconds(DAY * 2));
        installation.clock.pass(DAY * 2 - MOMENT);
        rotates(installation, id, 0);
        assert_eq!(installation.engine.set_rotation(id, None).unwrap().rotation, None);
        installation.clock.pass(DAY * 1_000);
        rotates(installation, id, 0);
    }

    // R-K12
    fn period_is_of_1_to_730_days_and_secrets_have_none(installation) {
        let id = installation.create("key", Algorithm::HmacSha256);
        for period in [0, ROTATION_PERIOD_DAYS_MAX + 1, u16::MAX] {
            let refused = installation.engine.set_rotation(id, Some(period)).unwrap_err();
            assert!(matches!(refused, Error::RotationPeriod));
            assert_eq!(refused.to_string(), "a key is rotated every 1 to 730 days, or not by itself");
        }
        for period in [1, ROTATION_PERIOD_DAYS_MAX] {
            assert_eq!(installation.engine.set_rotation(id, Some(period)).unwrap().rotation.unwrap().period_days, period);
        }
        let secret = installation.create("secret", Algorithm::Opaque);
        assert!(matches!(installation.engine.set_rotation(secret, Some(1)), Err(Error::ValueMismatch)));
        assert!(matches!(installation.engine.set_rotation(KeyId([7; 16]), Some(1)), Err(Error::KeyNotFound(_))));
    }

    // R-K13
    fn disabled_key_follows_its_cycle(installation) {
        let id = scheduled(installation, 1);
        installation.engine.set_state(id, KeyState::Disabled).unwrap();
        installation.clock.pass(DAY);
        rotates(installation, id, 1);
        assert_eq!(installation.engine.describe_key(id).unwrap().state, KeyState::Disabled);
    }

    // R-K13
    fn key_whose_deletion_is_requested_follows_its_cycle_up_to_the_deadline(installation) {
        let id = scheduled(installation, 1);
        installation.engine.request_deletion(id, DAY * 3).unwrap();
        for _ in 0..2 {
            installation.clock.pass(DAY);
            rotates(installation, id, 1);
        }
        // The deadline has come, and the second witness does not agree yet: neither rotated nor deleted.
        installation.clock.pass_on_the_wall(DAY * 5);
        rotates(installation, id, 0);
        assert_eq!(installation.engine.describe_key(id).unwrap().state, KeyState::DeletionRequested);
        // What was left out is not lost.
        installation.engine.cancel_deletion(id).unwrap();
        rotates(installation, id, 1);
    }

    // R-K13
    fn deletion_comes_before_a_rotation_that_is_due_at_the_same_time(installation) {
        let id = scheduled(installation, 1);
        installation.engine.request_deletion(id, DELETION_WAIT_MIN).unwrap();
        installation.clock.pass(DAY);
        assert_eq!(installation.engine.do_due().unwrap(), 1);
        let record = installation.engine.describe_key(id).unwrap();
        assert_eq!((record.state, record.versions.len()), (KeyState::Deleted, 1));
        installation.clock.pass(DAY * 10);
        assert_eq!(installation.engine.do_due().unwrap(), 0);
    }

    // R-K12
    fn wall_clock_put_forward_and_back_again_loses_no_rotation(installation) {
        let id = scheduled(installation, 7);
        installation.clock.pass_on_the_wall(DAY * 400);
        rotates(installation, id, 1);
        rotates(installation, id, 0);
        installation.clock.put_back(DAY * 400);
        rotates(installation, id, 0);
        // A day later it is still so: not rotated, but planned anew, for one period from now.
        installation.clock.pass(DAY);
        assert_eq!(installation.engine.do_due().unwrap(), 1);
        assert_eq!(next(installation, id), installation.clock.shows() + milliseconds(DAY * 7));
        installation.clock.pass(DAY * 7 - MOMENT);
        rotates(installation, id, 0);
        installation.clock.pass(MOMENT);
        rotates(installation, id, 1);
    }

    // R-K12
    fn key_that_was_scheduled_by_a_clock_ahead_is_rotated_after_one_period(installation) {
        installation.clock.pass_on_the_wall(DAY * 1_000);
        let id = scheduled(installation, 7);
        installation.clock.put_back(DAY * 1_000);
        for _ in 0..3 {
            installation.engine.do_due().unwrap();
            installation.clock.pass(DAY);
        }
        installation.clock.pass(DAY * 7);
        rotates(installation, id, 1);
    }

    // R-K12
    fn clock_that_begins_years_behind_and_is_put_right_rotates_nothing_early(installation) {
        let id = scheduled(installation, 90);
        let planned = next(installation, id);
        installation.clock.put_back(DAY * 1_000);
        rotates(installation, id, 0);
        installation.clock.pass(HOUR * 23);
        rotates(installation, id, 0);
        installation.clock.pass_on_the_wall(DAY * 1_000);
        rotates(installation, id, 0);
        assert_eq!(next(installation, id), planned);
        // Nor is the day counted on from there the next time.
        installation.clock.put_back(DAY * 1_000);
        installation.clock.pass(HOUR * 23);
        rotates(installation, id, 0);
        assert_eq!(next(installation, id), planned);
    }

    // R-K12
    fn period_that_is_said_again_does_not_put_the_rotation_off(installation) {
        let id = scheduled(installation, 7);
        let planned = next(installation, id);
        for _ in 0..6 {
            installation.clock.pass(DAY);
            installation.engine.set_rotation(id, Some(7)).unwrap();
            assert_eq!(next(installation, id), planned);
        }
        installation.clock.pass(DAY);
        rotates(installation, id, 1);
    }

    // R-K14
    fn key_with_100_versions_is_rotated_no_more(installation) {
        let id = scheduled(installation, 1);
        for _ in 1..VERSIONS_MAX {
            installation.clock.pass(DAY);
            rotates(installation, id, 1);
        }
        let planned = next(installation, id);
        installation.clock.pass(DAY);
        assert_eq!(installation.engine.do_due().unwrap(), 1);
        let record = installation.engine.describe_key(id).unwrap();
        assert_eq!(record.versions.len(), VERSIONS_MAX);
        // Said again a period later, not each minute.
        assert_eq!(next(installation, id), planned + milliseconds(DAY));
        assert_eq!(installation.engine.do_due().unwrap(), 0);
        assert_eq!(installation.engine.version_warnings(), [id]);
    }
}

// R-K12
#[test]
fn cycles_that_were_missed_while_nothing_ran_rotate_once() {
    for installation in [Installation::in_memory(), Installation::on_lmdb()] {
        let id = scheduled(&installation, 7);
        let installation = installation.restarted(|clock| clock.pass(DAY * 100));
        rotates(&installation, id, 1);
        rotates(&installation, id, 0);
    }
}

// R-K12
#[test]
fn wall_clock_put_back_between_runs_loses_no_rotation() {
    let installation = Installation::on_lmdb();
    let id = scheduled(&installation, 7);
    installation.clock.pass_on_the_wall(DAY * 400);
    rotates(&installation, id, 1);
    let installation = installation.restarted(|clock| clock.put_back(DAY * 400));
    rotates(&installation, id, 0);
    installation.clock.pass(DAY);
    assert_eq!(installation.engine.do_due().unwrap(), 1);
    installation.clock.pass(DAY * 7);
    rotates(&installation, id, 1);
}

// R-K12
#[test]
fn check_of_what_is_far_away_goes_round_all_keys() {
    let installation = Installation::in_memory();
    installation.clock.hold();
    let ids: Vec<_> = (0..2_500)
        .map(|at| {
            let id = installation.create(&format!("key-{at}"), Algorithm::Xaes256Gcm);
            installation.engine.set_rotation(id, Some(7)).unwrap();
            id
        })
        .collect();
    installation.clock.put_back(DAY * 30);
    assert_eq!(installation.engine.do_due().unwrap(), 0);
    installation.clock.pass(DAY);
    // At each look some of them, so that no look takes long.
    for _ in 0..12 {
        assert!(installation.engine.do_due().unwrap() <= SCHEDULE_STEPS);
    }
    let closest = installation.clock.shows() + milliseconds(DAY * 7);
    assert!(ids.iter().all(|id| next(&installation, *id) == closest));
}

/// A key that is rotated every so many days, from the moment on that the clock still shows.
fn scheduled(installation: &Installation, days: u16) -> KeyId {
    installation.clock.hold();
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    installation.engine.set_rotation(id, Some(days)).unwrap();
    assert_eq!(next(installation, id), installation.clock.shows() + milliseconds(DAY * u32::from(days)));
    id
}

fn next(installation: &Installation, id: KeyId) -> u64 {
    installation.engine.describe_key(id).unwrap().rotation.unwrap().next_ms
}

/// One look at the clock, in which the key is rotated so many times, and nothing else happens.
#[track_caller]
fn rotates(installation: &Installation, id: KeyId, times: usize) {
    let before = installation.engine.describe_key(id).unwrap().versions.len();
    assert_eq!(installation.engine.do_due().unwrap(), times);
    assert_eq!(installation.engine.describe_key(id).unwrap().versions.len(), before + times);
}

//! Changes while workers are busy: once a change is acknowledged, nothing completes under the state before (R-K9).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use claviger_algorithm::Algorithm;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::limits::DELETION_WAIT_DEFAULT;
use claviger_engine::operation::SignForm;
use claviger_engine::{Engine, Error, KeyEntry, KeyRecord};

use crate::support::{Client, Installation, calls, only};

on_every_storage! {
    // R-K9
    fn nothing_is_encrypted_under_the_state_before_an_acknowledged_change(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        under_load(installation, id, &DISABLING, encrypt);
    }

    // R-K9, R-K10
    fn nothing_is_encrypted_once_a_deletion_is_requested_or_made(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        under_load(installation, id, &DELETING, encrypt);
    }
}

// R-K9
#[test]
fn nothing_is_signed_under_the_state_before_an_acknowledged_change() {
    let installation = Installation::in_memory();
    let id = installation.create("key", Algorithm::Ed25519);
    under_load(&installation, id, &DISABLING, |key| {
        let signed = only(calls::sign(key, SignForm::Message, &[b"message"])?).unwrap();
        Ok(calls::split_version(&signed).0)
    });
}

fn encrypt(key: &KeyEntry) -> Result<u32, Error> {
    let sealed = only(calls::encrypt(key, &[(b"", b"plaintext")])?).unwrap();
    Ok(calls::version_of(&sealed))
}

/// Two workers use the key without a pause, inside frames and by pins, while it is changed over and over.
fn under_load(installation: &Installation, id: KeyId, plan: &Plan, act: Act) {
    Client::new(&installation.engine).with(id, |_| ());
    let acknowledged = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let rounds = [const { AtomicU64::new(0) }; 2];
    thread::scope(|scope| {
        let workers = rounds.each_ref().map(|rounds| {
            let (acknowledged, stop) = (&acknowledged, &stop);
            scope.spawn(move || {
                let mut client = Client::new(&installation.engine);
                while !stop.load(Ordering::Relaxed) {
                    in_a_frame(&mut client, id, plan, act, acknowledged);
                    by_a_pin(&mut client, id, plan, act, acknowledged);
                    rounds.fetch_add(1, Ordering::Relaxed);
                    // Between frames, where a worker would wait for its sockets: others want the processor too.
                    thread::yield_now();
                }
            })
        });
        for change in 1..=CHANGES {
            if workers.iter().any(|worker| worker.is_finished()) {
                break;
            }
            let record = (plan.make)(&installation.engine, id, change).unwrap();
            let current = record.current().map_or(0, |version| version.get().into());
            assert_eq!((record.state, current), (plan.state_after)(change));
            acknowledged.store(change, Ordering::SeqCst);
            // Every worker meets every state, however the system shares out its time.
            for (rounds, worker) in rounds.iter().zip(&workers) {
                let before = rounds.load(Ordering::Relaxed);
                while rounds.load(Ordering::Relaxed) == before && !worker.is_finished() {
                    thread::yield_now();
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.join().unwrap();
        }
    });
    assert_eq!(acknowledged.into_inner(), CHANGES);
}

/// Changes over and over, so that no two following states are alike.
struct Plan {
    /// State and current version of the key after so many changes.
    state_after: fn(u64) -> (KeyState, u64),
    /// Makes the change of this number; the first is 1.
    make: fn(&Engine, KeyId, u64) -> Result<KeyRecord, Error>,
}

/// Disabled, rotated, enabled.
const DISABLING: Plan = Plan {
    state_after: |changes| {
        let state = if changes.is_multiple_of(3) { KeyState::Available } else { KeyState::Disabled };
        (state, (changes + 1) / 3 + 1)
    },
    make: |engine, id, change| match change % 3 {
        1 => engine.set_state(id, KeyState::Disabled),
        2 => engine.rotate(id),
        _ => engine.set_state(id, KeyState::Available),
    },
};

/// Deletion requested, rotated, cancelled, enabled; deleted in the end.
const DELETING: Plan = Plan {
    state_after: |changes| match changes % 4 {
        _ if changes >= CHANGES => (KeyState::Deleted, 0),
        0 => (KeyState::Available, changes / 4 + 1),
        1 => (KeyState::DeletionRequested, changes / 4 + 1),
        2 => (KeyState::DeletionRequested, changes / 4 + 2),
        _ => (KeyState::Disabled, changes / 4 + 2),
    },
    make: |engine, id, change| match change % 4 {
        _ if change == CHANGES => engine.delete_now(id, true),
        0 => engine.set_state(id, KeyState::Available),
        1 => engine.request_deletion(id, DELETION_WAIT_DEFAULT),
        2 => engine.rotate(id),
        _ => engine.cancel_deletion(id),
    },
};

/// What is done with the key; gives the version that did it.
type Act = fn(&KeyEntry) -> Result<u32, Error>;

/// Uses the key in a frame; before the frame ends, looks at what has been acknowledged by then.
fn in_a_frame(client: &mut Client, id: KeyId, plan: &Plan, act: Act, acknowledged: &AtomicU64) {
    let frame = client.worker().enter();
    let found = frame.key(id);
    let key = found.entry().expect("a changed key stays loaded");
    let result = act(key);
    // Completing: from here on the result would be in the reply.
    check(plan, key.state(), result, acknowledged.load(Ordering::SeqCst));
}

/// Uses the key outside of frames, as a lane does; completes in a frame, if the key is still in force there.
fn by_a_pin(client: &mut Client, id: KeyId, plan: &Plan, act: Act, acknowledged: &AtomicU64) {
    let pinned = client.worker().enter().pin(id).expect("a changed key stays loaded");
    let result = act(pinned.entry());
    let _frame = client.worker().enter();
    if pinned.is_in_force() {
        check(plan, pinned.entry().state(), result, acknowledged.load(Ordering::SeqCst));
    }
}

/// At most one change is under way: what is used is the key as of the last acknowledged change, or as of the one after it.
fn check(plan: &Plan, state: KeyState, result: Result<u32, Error>, acknowledged: u64) {
    let allowed = [(plan.state_after)(acknowledged), (plan.state_after)(acknowledged + 1)];
    match result {
        Ok(version) => {
            assert!(
                allowed.contains(&(KeyState::Available, version.into())),
                "version {version} used after {allowed:?}"
            );
        }
        Err(Error::KeyNotUsable { state: refused, .. }) => {
            assert!(
                refused == state && allowed.iter().any(|(allowed, _)| *allowed == state),
                "{state} after {allowed:?}"
            );
        }
        Err(other) => panic!("{other}"),
    }
}

/// As many as a key has versions for, where one in three is a rotation. The last one of four comes after a rotation with deletion requested.
const CHANGES: u64 = 295;

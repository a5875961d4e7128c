//! Rotations of the system key while keys are used, made, changed and deleted: no operation fails, and nothing stale is served.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use claviger_algorithm::Algorithm;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::limits::DELETION_WAIT_DEFAULT;
use claviger_engine::{Error, SystemKeyState};

use crate::support::client::load;
use crate::support::installation::new_key;
use crate::support::{Client, Installation, calls, only};

on_every_storage! {
    // R-H6, R-K9
    fn no_operation_and_no_change_fails_while_the_system_key_is_rotated(installation) {
        under_load(installation);
    }
}

/// Keys that are used all the time, and rotations of the system key beside that.
const USED: usize = 40;
const ROTATIONS: u32 = 6;

fn under_load(installation: &Installation) {
    let new = |n| new_key(&format!("used-{n}"), ALGORITHMS[n % ALGORITHMS.len()]);
    let keys = installation.engine.create_keys(installation.store, (0..USED).map(new).collect()).unwrap();
    let ids: Vec<_> = keys.iter().map(|key| key.id).collect();
    // More records, so that a walk takes its time.
    for part in 0..3 {
        let new = (0..500).map(|n| new_key(&format!("idle-{part}-{n}"), Algorithm::HmacSha256)).collect();
        installation.engine.create_keys(installation.store, new).unwrap();
    }
    let (stop, rounds) = (AtomicBool::new(false), [const { AtomicU64::new(0) }; 2]);
    thread::scope(|scope| {
        let users = [0, 1].map(|_| {
            let (ids, stop, rounds) = (&ids, &stop, &rounds[0]);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    use_all(installation, ids);
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let changer = scope.spawn(|| {
            let mut client = Client::new(&installation.engine);
            for round in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                live(installation, &mut client, round);
                rounds[1].fetch_add(1, Ordering::Relaxed);
            }
        });
        let tree = installation.places.tree();
        let is_over = || users.iter().any(|user| user.is_finished()) || changer.is_finished();
        for rotation in 0..ROTATIONS {
            let before = rounds.each_ref().map(|rounds| rounds.load(Ordering::Relaxed));
            let version = installation.engine.rotate_system_key(&tree, None).unwrap();
            assert_eq!(version, rotation + 2);
            // Whatever is going on meets each of the rotations.
            while !is_over()
                && (installation.engine.renewal().is_some()
                    || rounds.iter().zip(before).any(|(rounds, before)| rounds.load(Ordering::Relaxed) == before))
            {
                thread::yield_now();
            }
            // What was on its way meanwhile may have come after the walk: then it is told, and protected anew.
            while !is_over() && installation.engine.destroy_system_key(&tree, version - 1, None).is_err() {
                thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
        for user in users {
            user.join().unwrap();
        }
        changer.join().unwrap();
    });
    let keys = installation.engine.system_keys();
    assert_eq!(keys.len(), 1);
    assert_eq!((keys[0].version, keys[0].state), (ROTATIONS + 1, SystemKeyState::Current));
}

/// Encrypts with each key and decrypts again, by the version that is the current one.
fn use_all(installation: &Installation, ids: &[KeyId]) {
    let mut client = Client::new(&installation.engine);
    for (n, id) in ids.iter().enumerate() {
        match ALGORITHMS[n % ALGORITHMS.len()] {
            Algorithm::HmacSha256 => {
                let tag = client.with(*id, |key| only(calls::make_mac(key, &[b"message"]).unwrap()).unwrap());
                assert_eq!(calls::split_version(&tag).0, 1);
            }
            _ => {
                let sealed = client.encrypt_one(*id, b"context", b"plaintext");
                let opened = client.decrypt(*id, &[(b"context", &sealed)]).unwrap();
                assert_eq!(only(opened).unwrap(), b"plaintext");
            }
        }
        thread::yield_now();
    }
}

/// The life of one key, from its creation to its deletion; after each change it is in force.
fn live(installation: &Installation, client: &mut Client, round: u64) {
    let engine = &installation.engine;
    let id = installation.create(&format!("lives-{round}"), Algorithm::Xaes256Gcm);
    let sealed = client.encrypt_one(id, b"", b"plaintext");
    engine.rotate(id).unwrap();
    assert_eq!(calls::version_of(&client.encrypt_one(id, b"", b"plaintext")), 2);
    engine.set_state(id, KeyState::Disabled).unwrap();
    let refused = client.decrypt(id, &[(b"", &sealed)]);
    assert!(matches!(refused, Err(Error::KeyNotUsable { state: KeyState::Disabled, .. })), "{refused:?}");
    engine.set_state(id, KeyState::Available).unwrap();
    assert_eq!(only(client.decrypt(id, &[(b"", &sealed)]).unwrap()).unwrap(), b"plaintext");
    engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
    engine.delete_now(id, true).unwrap();
    assert!(load(engine, id).is_ok(), "it is described as deleted");
    assert!(matches!(client.decrypt(id, &[(b"", &sealed)]), Err(Error::KeyNotUsable { state: KeyState::Deleted, .. })));
}

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Xaes256Gcm, Algorithm::Aes256Gcm, Algorithm::HmacSha256];

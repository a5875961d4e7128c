//! New values of secrets (R-K2, R-K14).

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use claviger_algorithm::Algorithm;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::state::{KeyState, VersionState};
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::{DELETION_WAIT_DEFAULT, SECRET_SIZE_MAX, SECRET_VERSIONS_MAX};
use claviger_engine::{Engine, Error, KeyRecord};

use crate::support::installation::VALUE;
use crate::support::tamper::all_records;
use crate::support::{Client, Installation};

fn update(engine: &Engine, id: KeyId, value: &[u8]) -> Result<KeyRecord, Error> {
    engine.update_secret(id, SecretBytes::from(value.to_vec()), None)
}

/// The value of a version, or of the current one; and the number of that.
fn read(client: &mut Client, id: KeyId, version: Option<u32>) -> Result<(u32, Vec<u8>), Error> {
    let version = version.map(number);
    client.with(id, |key| {
        key.secret(&mut crate::support::calls::uncounted(), version)
            .map(|read| (read.version.get(), read.value.to_vec()))
    })
}

fn number(number: u32) -> KeyVersion {
    KeyVersion::new(number).unwrap()
}

/// How many records there are of the material of a key's versions.
fn materials(installation: &Installation, id: KeyId) -> usize {
    let start = [b"v", &id.0[..]].concat();
    all_records(&*installation.storage).iter().filter(|(address, _)| address.key.starts_with(&start)).count()
}

on_every_storage! {
    // R-K2
    fn an_update_is_the_current_version_and_those_before_can_be_read_by_their_numbers(installation) {
        let id = installation.create("secret", Algorithm::Opaque);
        let mut client = Client::new(&installation.engine);
        assert_eq!(read(&mut client, id, None).unwrap(), (1, VALUE.to_vec()));
        let record = update(&installation.engine, id, b"second").unwrap();
        assert_eq!(record.current(), Some(number(2)));
        assert_eq!(read(&mut client, id, None).unwrap(), (2, b"second".to_vec()));
        assert_eq!(read(&mut client, id, Some(1)).unwrap(), (1, VALUE.to_vec()));
        assert_eq!(update(&installation.engine, id, b"").unwrap().current(), Some(number(3)));
        assert_eq!(read(&mut client, id, None).unwrap(), (3, Vec::new()));
    }

    // R-K14
    fn updates_are_unlimited_and_the_newest_ten_versions_are_kept(installation) {
        let id = installation.create("secret", Algorithm::Opaque);
        let mut client = Client::new(&installation.engine);
        for version in 2..=120_u32 {
            let record = update(&installation.engine, id, &version.to_be_bytes()).unwrap();
            let kept: Vec<_> = record.versions.iter().map(|summary| summary.version.get()).collect();
            assert_eq!(kept, (version.saturating_sub(9).max(1)..=version).collect::<Vec<_>>());
            assert!(!record.is_near_version_limit());
        }
        assert_eq!(materials(installation, id), SECRET_VERSIONS_MAX, "what is not kept is gone from storage too");
        for version in 111..=120_u32 {
            assert_eq!(read(&mut client, id, Some(version)).unwrap(), (version, version.to_be_bytes().to_vec()));
        }
        for gone in [1, 2, 100, 110, 121] {
            assert!(matches!(read(&mut client, id, Some(gone)), Err(Error::KeyVersionNotFound { .. })), "{gone}");
        }
    }

    // R-K8, R-K14
    fn versions_keep_their_states_until_they_are_too_old(installation) {
        let (engine, id) = (&installation.engine, installation.create("secret", Algorithm::Opaque));
        update(engine, id, b"second").unwrap();
        update(engine, id, b"third").unwrap();
        engine.set_version_state(id, number(1), VersionState::Disabled).unwrap();
        engine.destroy_version(id, number(2)).unwrap();
        let states = |record: &KeyRecord| record.versions.iter().map(|summary| (summary.version.get(), summary.state)).take(2).collect::<Vec<_>>();
        for version in 4..=10_u8 {
            let record = update(engine, id, &[version]).unwrap();
            assert_eq!(states(&record), [(1, VersionState::Disabled), (2, VersionState::Destroyed)]);
        }
        assert_eq!(materials(installation, id), 9);
        assert_eq!(states(&update(engine, id, b"11").unwrap())[0], (2, VersionState::Destroyed));
        assert_eq!(states(&update(engine, id, b"12").unwrap())[0], (3, VersionState::Active));
        assert_eq!(materials(installation, id), 10);
    }

    // R-K2
    fn of_two_who_update_at_the_same_time_one_is_told_who_is_ahead(installation) {
        let (engine, id) = (&installation.engine, installation.create("secret", Algorithm::Opaque));
        let following = |value: &[u8], expected| engine.update_secret(id, SecretBytes::from(value.to_vec()), Some(number(expected)));
        assert_eq!(following(b"second", 1).unwrap().current(), Some(number(2)));
        for ahead in [1, 3, u32::MAX] {
            match following(b"lost", ahead) {
                Err(error @ Error::SecretMoved { expected, current, .. }) => {
                    assert_eq!((expected, current), (number(ahead), number(2)));
                    assert!(error.to_string().contains("is at version 2"), "{error}");
                }
                other => panic!("{:?}", other.map(|record| record.versions)),
            }
        }
        assert_eq!(read(&mut Client::new(engine), id, None).unwrap(), (2, b"second".to_vec()));
        assert_eq!(following(b"third", 2).unwrap().current(), Some(number(3)));
    }

    // R-K13
    fn secrets_are_updated_in_the_states_in_which_keys_are_rotated(installation) {
        let (engine, id) = (&installation.engine, installation.create("secret", Algorithm::Opaque));
        engine.set_state(id, KeyState::Disabled).unwrap();
        assert_eq!(update(engine, id, b"second").unwrap().state, KeyState::Disabled);
        engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
        assert_eq!(update(engine, id, b"third").unwrap().state, KeyState::DeletionRequested);
        engine.delete_now(id, false).unwrap();
        assert_eq!(materials(installation, id), 0);
        assert!(matches!(update(engine, id, b"late"), Err(Error::KeyStateWrong { state: KeyState::Deleted, .. })));
    }

    // R-K2
    fn what_is_no_secret_or_too_large_is_not_updated(installation) {
        let engine = &installation.engine;
        let (secret, key) = (installation.create("secret", Algorithm::Opaque), installation.create("key", Algorithm::Xaes256Gcm));
        assert!(matches!(update(engine, key, b"value"), Err(Error::ValueMismatch)));
        assert!(matches!(engine.rotate(secret), Err(Error::ValueMismatch)));
        assert!(matches!(update(engine, secret, &vec![7; SECRET_SIZE_MAX + 1]), Err(Error::SecretTooLarge)));
        assert!(matches!(update(engine, KeyId([9; 16]), b"value"), Err(Error::KeyNotFound(_))));
        for id in [secret, key] {
            assert_eq!(engine.describe_key(id).unwrap().versions.len(), 1);
        }
        update(engine, secret, &vec![7; SECRET_SIZE_MAX]).unwrap();
    }

    // R-K9
    fn once_an_update_is_acknowledged_nobody_reads_the_value_before(installation) {
        let id = installation.create("secret", Algorithm::Opaque);
        Client::new(&installation.engine).with(id, |_| ());
        let (acknowledged, stop) = (AtomicU32::new(1), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut client = Client::new(&installation.engine);
                    while !stop.load(Ordering::Relaxed) {
                        let acknowledged = acknowledged.load(Ordering::SeqCst);
                        let (version, value) = read(&mut client, id, None).unwrap();
                        assert!(version >= acknowledged, "version {version} after {acknowledged}");
                        assert!(version == 1 || value == version.to_be_bytes());
                        thread::yield_now();
                    }
                });
            }
            for version in 2..=300_u32 {
                update(&installation.engine, id, &version.to_be_bytes()).unwrap();
                acknowledged.store(version, Ordering::SeqCst);
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}

//! Rotation by use: items or bytes of the current version bring the next one.

use claviger_algorithm::Algorithm;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::limits::{DELETION_WAIT_MIN, VERSIONS_MAX};
use claviger_engine::operation::{MacItem, SignForm, SignItem};
use claviger_engine::storage::{Call, FailingStorage, MemoryStorage};
use claviger_engine::{Engine, Error, RotationByUse};

use crate::support::calls::collect;
use crate::support::clock::DAY;
use crate::support::{Client, Installation};

const fn items(items: u64) -> Option<RotationByUse> {
    Some(RotationByUse { items: Some(items), bytes: None })
}

const fn bytes(bytes: u64) -> Option<RotationByUse> {
    Some(RotationByUse { items: None, bytes: Some(bytes) })
}

/// How many versions the key has when its uses have been written and looked at.
fn versions(engine: &Engine, id: KeyId) -> usize {
    engine.write_uses();
    engine.do_due().unwrap();
    engine.describe_key(id).unwrap().versions.len()
}

fn use_once(client: &mut Client, id: KeyId) {
    client.counted(id, |scope, key| match key.algorithm() {
        Algorithm::HmacSha256 => {
            drop(collect(|sink| key.make_mac(scope, [MacItem(b"12345")].into_iter(), sink)).unwrap())
        }
        Algorithm::Ed25519 => {
            let items = [SignItem(b"12345")].into_iter();
            drop(collect(|sink| key.sign(scope, SignForm::Message, items, sink)).unwrap());
        }
        _ => drop(crate::support::calls::encrypt_in(scope, key, &[(b"", b"12345")]).unwrap()),
    });
}

on_every_storage! {
    // R-K12
    fn key_is_rotated_when_its_bound_is_reached_and_not_before(installation) {
        let engine = &installation.engine;
        let mut client = Client::new(engine);
        let algorithms = [Algorithm::Xaes256Gcm, Algorithm::Aes256Gcm, Algorithm::HmacSha256, Algorithm::Ed25519];
        for algorithm in algorithms {
            for bound in [items(3), bytes(15), Some(RotationByUse { items: Some(100), bytes: Some(11) })] {
                let id = installation.create(&format!("{algorithm}-{:?}", bound.unwrap().bytes.unwrap_or(0)), algorithm);
                engine.set_rotation_by_use(id, bound).unwrap();
                for cycle in 1..3 {
                    (0..2).for_each(|_| use_once(&mut client, id));
                    assert_eq!(versions(engine, id), cycle, "{algorithm} {bound:?}");
                    use_once(&mut client, id);
                    assert_eq!(versions(engine, id), cycle + 1, "{algorithm} {bound:?}");
                }
            }
        }
    }

    // R-K12
    fn uses_of_older_versions_rotate_nothing(installation) {
        let engine = &installation.engine;
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(engine);
        let sealed = client.encrypt_one(id, b"", b"12345");
        engine.rotate(id).unwrap();
        engine.set_rotation_by_use(id, items(3)).unwrap();
        (0..10).for_each(|_| drop(client.decrypt(id, &[(b"", &sealed)]).unwrap()));
        assert_eq!(versions(engine, id), 2);
    }

    // R-K12
    fn what_was_used_before_counts_and_a_bound_that_is_ended_does_not(installation) {
        let engine = &installation.engine;
        let id = installation.create("key", Algorithm::HmacSha256);
        let mut client = Client::new(engine);
        (0..5).for_each(|_| use_once(&mut client, id));
        assert_eq!(engine.set_rotation_by_use(id, items(6)).unwrap().rotation_by_use, items(6));
        assert_eq!(versions(engine, id), 1);
        engine.set_rotation_by_use(id, items(5)).unwrap();
        assert_eq!(versions(engine, id), 2);
        assert_eq!(engine.set_rotation_by_use(id, None).unwrap().rotation_by_use, None);
        (0..9).for_each(|_| use_once(&mut client, id));
        assert_eq!(versions(engine, id), 2);
    }

    // R-K12
    fn schedule_by_the_clock_is_not_moved(installation) {
        let engine = &installation.engine;
        let id = installation.create("key", Algorithm::HmacSha256);
        let planned = engine.set_rotation(id, Some(7)).unwrap().rotation;
        engine.set_rotation_by_use(id, items(1)).unwrap();
        use_once(&mut Client::new(engine), id);
        assert_eq!(versions(engine, id), 2);
        assert_eq!(engine.describe_key(id).unwrap().rotation, planned);
    }

    // R-K12
    fn bounds_are_at_least_1_and_secrets_have_none(installation) {
        let engine = &installation.engine;
        let id = installation.create("key", Algorithm::HmacSha256);
        let none = Some(RotationByUse { items: None, bytes: None });
        for bounds in [items(0), bytes(0), Some(RotationByUse { items: Some(0), bytes: Some(1) }), none] {
            assert!(matches!(engine.set_rotation_by_use(id, bounds), Err(Error::RotationByUse)), "{bounds:?}");
        }
        let secret = installation.create("secret", Algorithm::Opaque);
        assert!(matches!(engine.set_rotation_by_use(secret, items(1)), Err(Error::ValueMismatch)));
        assert_eq!(engine.describe_key(id).unwrap().rotation_by_use, None);
    }

    // R-K12, R-K13
    fn disabled_keys_are_rotated_and_none_past_the_deadline_of_its_deletion(installation) {
        let engine = &installation.engine;
        let mut client = Client::new(engine);
        let ids = ["disabled", "requested", "past", "deleted"].map(|name| installation.create(name, Algorithm::HmacSha256));
        for id in ids {
            use_once(&mut client, id);
        }
        engine.set_state(ids[0], KeyState::Disabled).unwrap();
        ids[1..].iter().for_each(|id| drop(engine.request_deletion(*id, DELETION_WAIT_MIN).unwrap()));
        engine.delete_now(ids[3], true).unwrap();
        for id in &ids[..2] {
            engine.set_rotation_by_use(*id, items(1)).unwrap();
            assert_eq!(versions(engine, *id), 2);
        }
        // By the wall clock alone: the key is not deleted yet, and rotated no more.
        installation.clock.pass_on_the_wall(DAY * 2);
        engine.set_rotation_by_use(ids[2], items(1)).unwrap();
        assert_eq!(versions(engine, ids[2]), 1);
        assert!(matches!(engine.set_rotation_by_use(ids[3], items(1)), Err(Error::KeyStateWrong { .. })));
    }

    // R-K14
    fn key_with_100_versions_is_rotated_no_more_and_goes_on_working(installation) {
        let engine = &installation.engine;
        let id = installation.create("key", Algorithm::HmacSha256);
        (1..VERSIONS_MAX).for_each(|_| drop(engine.rotate(id).unwrap()));
        engine.set_rotation_by_use(id, items(1)).unwrap();
        let mut client = Client::new(engine);
        for _ in 0..3 {
            use_once(&mut client, id);
            assert_eq!(versions(engine, id), VERSIONS_MAX);
        }
        assert_eq!(engine.version_warnings(), [id]);
    }
}

// R-K12
#[test]
fn a_bound_that_is_reached_across_a_restart_rotates() {
    let installation = Installation::on_lmdb();
    let id = installation.create("key", Algorithm::HmacSha256);
    installation.engine.set_rotation_by_use(id, items(3)).unwrap();
    use_once(&mut Client::new(&installation.engine), id);
    use_once(&mut Client::new(&installation.engine), id);
    let installation = installation.restarted(|_| ());
    assert_eq!(versions(&installation.engine, id), 1);
    use_once(&mut Client::new(&installation.engine), id);
    assert_eq!(versions(&installation.engine, id), 2);
}

// R-K12
#[test]
fn a_rotation_that_fails_is_made_at_the_next_look() {
    let storage = std::sync::Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let engine = &installation.engine;
    let id = installation.create("key", Algorithm::HmacSha256);
    use_once(&mut Client::new(engine), id);
    engine.write_uses();
    // What rotates cannot be written once; the thread and this test look until it is.
    storage.fail(Call::Transact, 2);
    engine.set_rotation_by_use(id, items(1)).unwrap();
    while versions(engine, id) == 1 {
        std::thread::yield_now();
    }
    assert_eq!(engine.describe_key(id).unwrap().versions.len(), 2);
}

// R-K12
#[test]
fn the_schedule_is_told_at_once() {
    let installation = Installation::in_memory();
    let engine = &installation.engine;
    let id = installation.create("key", Algorithm::HmacSha256);
    engine.set_rotation_by_use(id, items(1)).unwrap();
    use_once(&mut Client::new(engine), id);
    engine.write_uses();
    // Nobody looks but the thread of the engine, whose minute is far from over.
    let begin = std::time::Instant::now();
    while engine.describe_key(id).unwrap().versions.len() == 1 {
        assert!(begin.elapsed() < std::time::Duration::from_secs(50));
        std::thread::yield_now();
    }
}

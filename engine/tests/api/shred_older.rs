//! Mirrors of the shred table that were all put back from older copies: no key loses by it what a newer mirror can bring back.

use std::collections::BTreeMap;
use std::fs;

use claviger_algorithm::Algorithm;
use claviger_engine::Error;
use claviger_engine::change::NewKey;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::limits::DELETION_WAIT_MIN;
use claviger_engine::shred::ShredError;
use claviger_engine::transfer::Import;

use crate::support::tamper::{all_records, put};
use crate::support::{Client, Installation, calls, name, only};
use crate::system_key::wait_until_renewed;

/// One mirror as it was at some moment.
struct Mirror(Vec<u8>);

fn mirror_of(installation: Installation) -> (Installation, Mirror) {
    let path = installation.places.mirrors()[0].clone();
    let mut copy = Vec::new();
    let installation = installation.restarted(|_| copy = fs::read(path).unwrap());
    (installation, Mirror(copy))
}

/// Opened again with what was on these mirrors; gives what was on the first before.
fn with_mirrors(installation: Installation, mirrors: [Option<&Mirror>; 2]) -> (Installation, Mirror) {
    let paths = installation.places.mirrors();
    let mut before = Vec::new();
    let installation = installation.restarted(|_| {
        before = fs::read(&paths[0]).unwrap();
        for (path, mirror) in paths.iter().zip(mirrors) {
            mirror.map_or(Ok(()), |mirror| fs::write(path, &mirror.0)).unwrap();
        }
    });
    (installation, Mirror(before))
}

/// Some keys, more than one word of the map of slots has bits.
fn create_many(installation: &Installation, of: &str) -> Vec<KeyId> {
    let keys = (0..70).map(|number| NewKey::new(name(&format!("{of}-{number}")), Algorithm::HmacSha256));
    let records = installation.engine.create_keys(installation.store, keys.collect()).unwrap();
    records.into_iter().map(|record| record.id).collect()
}

fn mac(installation: &Installation, id: KeyId) -> Vec<u8> {
    let made = Client::new(&installation.engine).with(id, |key| calls::make_mac(key, &[b"message"]));
    only(made.unwrap()).unwrap()
}

fn delete(installation: &Installation, id: KeyId) {
    installation.engine.request_deletion(id, DELETION_WAIT_MIN).unwrap();
    installation.engine.delete_now(id, true).unwrap();
}

/// Neither usable nor taken for destroyed.
fn is_missing(installation: &Installation, id: KeyId) {
    let refused = installation.engine.rotate(id);
    assert!(matches!(refused, Err(Error::ShredTable(ShredError::Older(_) | ShredError::Damaged(_)))), "{refused:?}");
    let record = installation.engine.describe_key(id).unwrap();
    assert!(installation.engine.shred_table().is_shredded(&record).is_err());
}

fn reserved(installation: &Installation) -> u32 {
    installation.engine.shred_table().reserved()
}

/// No two keys, nor the import, have one slot.
fn no_slot_is_given_twice(installation: &Installation, keys: &[KeyId]) {
    let slot = |id: &KeyId| installation.engine.describe_key(*id).unwrap().shred_slot;
    let mut holders = BTreeMap::<u32, u32>::new();
    keys.iter().for_each(|id| *holders.entry(slot(id)).or_default() += 1);
    let imports = all_records(&*installation.storage).into_iter().filter(|(address, _)| address.key[0] == b't');
    let places = imports.map(|(address, _)| u32::from_be_bytes(*address.key.last_chunk().unwrap()));
    places.for_each(|slot| *holders.entry(slot).or_default() += 1);
    assert!(holders.values().all(|count| *count == 1), "{holders:?}");
}

/// What was made after the mirror was copied.
struct Scene {
    installation: Installation,
    /// A key from before.
    kept: (KeyId, Vec<u8>),
    /// Since: in a slot that was free then, and at the end.
    since: Vec<(KeyId, Vec<u8>)>,
    import: Import,
    older: Mirror,
}

impl Scene {
    fn new() -> Self {
        let installation = Installation::on_lmdb();
        let [deleted, kept] = ["deleted", "kept"].map(|key| installation.create(key, Algorithm::HmacSha256));
        delete(&installation, deleted);
        let (installation, older) = mirror_of(installation);
        let with_mac = |id| (id, mac(&installation, id));
        let since = ["inside", "at-the-end"].map(|key| with_mac(installation.create(key, Algorithm::HmacSha256)));
        let kept = with_mac(kept);
        let import = installation.begin_key("imported", Algorithm::HmacSha256);
        let slot = |id| installation.engine.describe_key(id).unwrap().shred_slot;
        assert!(slot(since[0].0) < slot(kept.0) && slot(since[1].0) > slot(kept.0));
        Self { installation, kept, since: since.into(), import, older }
    }

    fn ids(&self) -> Vec<KeyId> {
        self.since.iter().map(|(id, _)| *id).collect()
    }
}

// R-K11
#[test]
fn no_slot_of_a_key_is_given_to_another_and_a_newer_mirror_brings_back_all_that_was_missing() {
    let scene = Scene::new();
    let (kept, since, ids) = (scene.kept.clone(), scene.since.clone(), scene.ids());
    let older = &scene.older;
    let (installation, newer) = with_mirrors(scene.installation, [Some(older), Some(older)]);
    assert_eq!(reserved(&installation), 3, "two keys and an import");
    let mut created = create_many(&installation, "first");
    // By then the mirrors have been written again, and go on from there. What was left out at their end is a hole now, which is taken for damage.
    let (installation, _) = with_mirrors(installation, [None, None]);
    assert_eq!((reserved(&installation), installation.engine.shred_table().taken().1), (1, 2));
    created.extend(create_many(&installation, "second"));
    no_slot_is_given_twice(&installation, &[&ids[..], &created, &[kept.0]].concat());
    ids.iter().for_each(|id| is_missing(&installation, *id));
    assert_eq!(mac(&installation, kept.0), kept.1);
    let of_created: Vec<_> = created.iter().map(|id| mac(&installation, *id)).collect();

    let (installation, _) = with_mirrors(installation, [None, Some(&newer)]);
    assert_eq!((reserved(&installation), installation.engine.shred_table().taken().1), (0, 0));
    for (id, expected) in since.iter().chain([&kept]) {
        assert_eq!(mac(&installation, *id), *expected);
    }
    for (id, expected) in created.iter().zip(of_created) {
        assert_eq!(mac(&installation, *id), expected);
    }
    installation.complete(&scene.import, b"material that was made elsewhere").unwrap();
    installation.create("next", Algorithm::HmacSha256);
}

// R-K11
#[test]
fn slots_are_kept_over_restarts_though_keys_were_destroyed_meanwhile() {
    let scene = Scene::new();
    let ids = scene.ids();
    let (mut installation, _) = with_mirrors(scene.installation, [Some(&scene.older), Some(&scene.older)]);
    delete(&installation, scene.kept.0);
    for _ in 0..2 {
        (installation, _) = with_mirrors(installation, [None, None]);
        assert_eq!(reserved(&installation), 3, "two keys and an import");
        ids.iter().for_each(|id| is_missing(&installation, *id));
    }
    let created = create_many(&installation, "created");
    no_slot_is_given_twice(&installation, &[&ids[..], &created].concat());
    let (installation, _) = with_mirrors(installation, [None, None]);
    ids.iter().for_each(|id| is_missing(&installation, *id));
}

// R-K11
#[test]
fn a_key_in_whose_slot_older_mirrors_have_another_key_is_not_taken_for_destroyed() {
    let installation = Installation::on_lmdb();
    let before = installation.create("before", Algorithm::HmacSha256);
    let slot = |installation: &Installation, id| installation.engine.describe_key(id).unwrap().shred_slot;
    let contested = slot(&installation, before);
    let (installation, older) = mirror_of(installation);
    delete(&installation, before);
    let since = create_many(&installation, "since");
    let id = *since.iter().find(|id| slot(&installation, **id) == contested).unwrap();
    let [lives, deleted] = [since[1], since[2]];
    let expected = mac(&installation, lives);
    let (installation, newer) = with_mirrors(installation, [Some(&older), Some(&older)]);
    is_missing(&installation, id);
    assert_eq!(reserved(&installation), 70);
    delete(&installation, deleted);
    let (installation, _) = with_mirrors(installation, [None, None]);
    is_missing(&installation, id);
    delete(&installation, id);
    let destroyed =
        |installation: &Installation, id| installation.engine.describe_key(id).unwrap().deleted.unwrap().destroyed;
    assert!([id, deleted].iter().all(|id| destroyed(&installation, *id).is_none()));
    let (installation, _) = with_mirrors(installation, [Some(&newer), Some(&newer)]);
    assert!([id, deleted].iter().all(|id| destroyed(&installation, *id).is_some()));
    assert_eq!((mac(&installation, lives), reserved(&installation)), (expected, 0));
}

// R-K11, R-H6
#[test]
fn a_rotation_of_the_system_key_leaves_the_material_of_keys_whose_secrets_are_missing() {
    let scene = Scene::new();
    let (since, ids) = (scene.since.clone(), scene.ids());
    let (installation, newer) = with_mirrors(scene.installation, [Some(&scene.older), Some(&scene.older)]);
    let tree = installation.places.tree();
    installation.engine.rotate_system_key(&tree, None).unwrap();
    crate::system_key::wait_until(|| installation.engine.renewal().is_some_and(|renewal| renewal.failing.is_some()));
    assert!(matches!(installation.engine.destroy_system_key(&tree, 1, None), Err(Error::SystemKeyNeeded { .. })));
    ids.iter().for_each(|id| is_missing(&installation, *id));
    let (installation, _) = with_mirrors(installation, [Some(&newer), None]);
    wait_until_renewed(&installation.engine);
    for (id, expected) in &since {
        assert_eq!(mac(&installation, *id), *expected);
    }
}

// R-K11
#[test]
fn a_key_that_is_deleted_while_its_secret_is_missing_is_not_told_to_be_destroyed_and_is_when_a_newer_mirror_is_back() {
    let scene = Scene::new();
    let ids = scene.ids();
    let (installation, newer) = with_mirrors(scene.installation, [Some(&scene.older), Some(&scene.older)]);
    ids.iter().for_each(|id| delete(&installation, *id));
    for id in &ids {
        assert_eq!(installation.engine.describe_key(*id).unwrap().deleted.unwrap().destroyed, None);
    }
    let created = create_many(&installation, "other");
    no_slot_is_given_twice(&installation, &created);
    let (installation, _) = with_mirrors(installation, [None, Some(&newer)]);
    for id in &ids {
        let record = installation.engine.describe_key(*id).unwrap();
        assert!(record.state == KeyState::Deleted && record.deleted.unwrap().destroyed.is_some());
    }
    assert_eq!(reserved(&installation), 0);
    created.iter().for_each(|id| drop(mac(&installation, *id)));
}

// R-K11
#[test]
fn mirrors_that_lack_nothing_are_not_taken_for_older() {
    let installation = Installation::on_lmdb();
    let [id, deleted] = ["key", "deleted"].map(|key| installation.create(key, Algorithm::HmacSha256));
    delete(&installation, deleted);
    let (installation, older) = mirror_of(installation);
    // What was only destroyed since is in no record.
    installation.engine.rotate(id).unwrap();
    installation.engine.destroy_version(id, claviger_engine::key::version::KeyVersion::FIRST).unwrap();
    let (installation, newer) = with_mirrors(installation, [Some(&older), None]);
    assert_eq!(reserved(&installation), 0);
    mac(&installation, id);
    // A record that says how far they were written, and cannot be read, costs a look.
    let (address, mut noted) =
        all_records(&*installation.storage).into_iter().find(|(address, _)| address.key == b"X").unwrap();
    noted.value[8] ^= 1;
    put(&*installation.storage, &address, noted.value);
    let (installation, _) = with_mirrors(installation, [Some(&newer), None]);
    assert_eq!(reserved(&installation), 0);
    installation.create("next", Algorithm::HmacSha256);
    mac(&installation, id);
}

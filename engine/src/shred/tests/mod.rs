//! The table on files that fail, are damaged, go away and come back.

mod damage;
pub(crate) mod disk;
mod older;

use disk::{Call, MemoryDisk, ONE, TWO};

use super::slot::{SLOT_SIZE, write_taken};
use super::{MirrorError, ShredClass, ShredError, ShredSecret, ShredTable, Slot};
use crate::crypto::random::SystemRandom;
use crate::key::id::KeyId;
use crate::limits::SHRED_MERGE_SLOTS;

const HERE: [u8; 16] = [9; 16];

/// Keys that were put into a table, with their slots and secrets.
struct Put(Vec<(KeyId, Slot, ShredSecret)>);

fn secret() -> ShredSecret {
    ShredSecret::generate(&SystemRandom::new()).unwrap()
}

fn write(table: &ShredTable, keys: &[(KeyId, &ShredSecret)]) -> Result<Vec<Slot>, ShredError> {
    let slots = table.put(keys, |_, _, _| Ok::<_, ShredError>(()))?;
    table.land(&slots);
    Ok(slots)
}

fn put(table: &ShredTable, ids: impl IntoIterator<Item = u32>) -> Put {
    let keys: Vec<_> = ids.into_iter().map(|number| (id(number), secret())).collect();
    let slots = write(table, &keys.iter().map(|(id, secret)| (*id, secret)).collect::<Vec<_>>()).unwrap();
    Put(keys.into_iter().zip(slots).map(|((id, secret), slot)| (id, slot, secret)).collect())
}

fn id(number: u32) -> KeyId {
    let mut id = [1; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    KeyId(id)
}

impl Put {
    fn is_whole_in(&self, table: &ShredTable) {
        for (id, slot, secret) in &self.0 {
            assert_eq!(table.secret(*slot, *id).unwrap().unwrap().expose(), secret.expose(), "{id}");
        }
    }

    fn is_gone_from(&self, table: &ShredTable) {
        for (id, slot, _) in &self.0 {
            assert!(table.secret(*slot, *id).unwrap().is_none(), "{id}");
        }
    }

    fn is_nowhere_on(&self, disk: &MemoryDisk) {
        for path in [ONE, TWO] {
            let bytes = disk.bytes(path);
            // Some stand for all: looking for one takes a while.
            for (id, _, secret) in self.0.iter().take(20) {
                assert!(!bytes.windows(32).any(|part| part == secret.expose()), "{id} on {path}");
            }
        }
    }

    fn slots(&self) -> Vec<(Slot, KeyId)> {
        self.0.iter().map(|(id, slot, _)| (*slot, *id)).collect()
    }
}

/// The mirrors are equal, and the table takes a key and destroys it.
fn is_well(disk: &MemoryDisk, table: &ShredTable) {
    assert!(table.status().iter().all(|mirror| mirror.fault.is_none()));
    assert_eq!(disk.bytes(ONE), disk.bytes(TWO));
    let another = put(table, [u32::MAX]);
    another.is_whole_in(table);
    table.destroy(&another.slots()).unwrap();
    another.is_gone_from(table);
    another.is_nowhere_on(disk);
    assert_eq!(disk.bytes(ONE), disk.bytes(TWO));
}

fn slot_range(slot: Slot) -> std::ops::Range<usize> {
    let start = usize::try_from(slot.offset()).unwrap();
    start..start + SLOT_SIZE
}

/// Alters the bytes of one mirror.
fn alter(disk: &MemoryDisk, path: &str, alter: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disk.bytes(path);
    alter(&mut bytes);
    disk.set(path, bytes);
}

/// The mirror that an error names.
fn named<T>(result: Result<T, ShredError>) -> String {
    match result.err() {
        Some(ShredError::Mirror { path, .. }) => path.display().to_string(),
        Some(other) => panic!("{other}"),
        None => panic!("it was done"),
    }
}

// R-K11
#[test]
fn secrets_are_on_every_mirror_and_there_after_a_start_and_gone_when_they_are_destroyed() {
    let disk = MemoryDisk::default();
    let table = disk.table(HERE);
    // More than are looked at at once.
    let many = put(&table, 0..SHRED_MERGE_SLOTS * 2 + 7);
    many.is_whole_in(&table);
    drop(table);
    let table = disk.open(HERE).unwrap();
    many.is_whole_in(&table);
    assert_eq!(table.taken(), (SHRED_MERGE_SLOTS * 2 + 7, 0));
    let (some, others) = {
        let mut some = many.0;
        let others = some.split_off(SHRED_MERGE_SLOTS as usize + 3);
        (Put(some), Put(others))
    };
    table.destroy(&some.slots()).unwrap();
    // Said again, it is as it was.
    table.destroy(&some.slots()).unwrap();
    some.is_gone_from(&table);
    some.is_nowhere_on(&disk);
    others.is_whole_in(&table);
    drop(table);
    let table = disk.open(HERE).unwrap();
    some.is_gone_from(&table);
    others.is_whole_in(&table);
    assert_eq!(table.taken().0 as usize, others.0.len());
    is_well(&disk, &table);
}

// R-K11
#[test]
fn a_slot_is_read_for_its_own_key_only_and_destroyed_for_its_own_key_only() {
    let disk = MemoryDisk::default();
    let table = disk.table(HERE);
    let one = put(&table, [1]);
    let (_, slot, _) = one.0[0];
    assert!(table.secret(slot, id(2)).unwrap().is_none());
    table.destroy(&[(slot, id(2))]).unwrap();
    one.is_whole_in(&table);
    // And one that was destroyed is another key's then.
    table.destroy(&one.slots()).unwrap();
    let other = put(&table, 2..70);
    table.destroy(&one.slots()).unwrap();
    other.is_whole_in(&table);
}

// R-K11
#[test]
fn creation_is_refused_whichever_write_or_sync_of_a_mirror_fails_and_leaves_nothing() {
    for path in [ONE, TWO] {
        for call in [Call::Write(path), Call::Sync(path)] {
            // The first such call, only it or it and all later ones: what is undone then cannot be undone there either.
            for for_good in [false, true] {
                let disk = MemoryDisk::default();
                let table = disk.table(HERE);
                let before = put(&table, 0..5);
                disk.fail(call.clone(), 1, for_good);
                let secrets: Vec<_> = (10..13).map(|number| (id(number), secret())).collect();
                let keys: Vec<_> = secrets.iter().map(|(id, secret)| (*id, secret)).collect();
                let what = format!("{call:?} {for_good}");
                let refused = write(&table, &keys).err().unwrap();
                assert!(
                    refused.to_string().contains(&format!("mirror {path} of the shred table cannot be written")),
                    "{what}: {refused}"
                );
                assert!(refused.to_string().contains("check its disk"), "{refused}");
                // Refused until it is back, and the keys go on.
                assert_eq!(named(write(&table, &keys)), path, "{what}");
                before.is_whole_in(&table);
                disk.fail(call.clone(), 0, false);
                // By a start, or while it runs.
                let table = if for_good {
                    drop(table);
                    disk.open(HERE).unwrap()
                } else {
                    table.tend().unwrap();
                    table
                };
                before.is_whole_in(&table);
                let left = Put(secrets
                    .into_iter()
                    .zip(6..)
                    .map(|((id, secret), slot)| (id, Slot::new(slot).unwrap(), secret))
                    .collect());
                left.is_gone_from(&table);
                left.is_nowhere_on(&disk);
                assert_eq!(table.taken(), (5, 0), "{what}");
                is_well(&disk, &table);
            }
        }
    }
}

// R-K11
#[test]
fn destruction_is_not_yet_made_whichever_write_or_sync_of_a_mirror_fails_and_is_made_later() {
    for path in [ONE, TWO] {
        for call in [Call::Write(path), Call::Sync(path)] {
            let disk = MemoryDisk::default();
            let table = disk.table(HERE);
            let (old, kept) = (put(&table, 0..3), put(&table, 5..8));
            disk.fail(call.clone(), 1, true);
            assert_eq!(named(table.destroy(&old.slots())), path, "{call:?}");
            assert_eq!(named(table.destroy(&old.slots())), path, "{call:?}");
            // Not given to another key as long as it may be there.
            assert_eq!(table.taken().0, 6);
            table.tend().unwrap();
            assert_eq!(named(table.destroy(&old.slots())), path, "{call:?}");
            disk.fail(call.clone(), 0, false);
            table.tend().unwrap();
            table.destroy(&old.slots()).unwrap();
            old.is_nowhere_on(&disk);
            kept.is_whole_in(&table);
            is_well(&disk, &table);
        }
    }
}

// R-K11
#[test]
fn a_read_that_fails_is_answered_by_the_other_mirror() {
    for path in [ONE, TWO] {
        let disk = MemoryDisk::default();
        let table = disk.table(HERE);
        let keys = put(&table, 0..3);
        disk.fail(Call::Read(path), 1, true);
        keys.is_whole_in(&table);
        // What the other one does not have is not known to be destroyed.
        assert_eq!(named(table.secret(Slot::new(50).unwrap(), id(1)).map(drop)), path);
        drop(table);
        let table = disk.open(HERE).unwrap();
        keys.is_whole_in(&table);
        assert_eq!(table.status().iter().filter(|mirror| mirror.fault.is_some()).count(), 1);
        disk.fail(Call::Read(path), 0, false);
        table.tend().unwrap();
        is_well(&disk, &table);
    }
}

// R-K11
#[test]
fn a_mirror_that_is_away_lets_keys_be_used_and_none_be_created_and_catches_up() {
    for path in [ONE, TWO] {
        let disk = MemoryDisk::default();
        let table = disk.table(HERE);
        let (old, kept) = (put(&table, 0..3), put(&table, 5..8));
        disk.take_away(path, true);
        let refused = write(&table, &[(id(9), &secret())]).err().unwrap();
        assert!(refused.to_string().contains("was removed or replaced"), "{refused}");
        assert_eq!(named(table.destroy(&old.slots())), path);
        table.tend().unwrap();
        let status = table.status();
        let away = status.iter().find(|mirror| mirror.path.to_str() == Some(path)).unwrap();
        assert!(matches!(away.fault, Some(MirrorError::Missing)));
        kept.is_whole_in(&table);
        // It stays away through a start, which does not make it anew.
        drop(table);
        let table = disk.open(HERE).unwrap();
        kept.is_whole_in(&table);
        assert_eq!(named(table.destroy(&old.slots())), path);
        assert_eq!(named(write(&table, &[(id(9), &secret())])), path);
        // What is not on the mirrors that are there may be on the one that is not.
        assert_eq!(named(table.secret(old.0[0].1, old.0[0].0).map(drop)), path);
        disk.take_away(path, false);
        table.tend().unwrap();
        old.is_gone_from(&table);
        old.is_nowhere_on(&disk);
        table.destroy(&old.slots()).unwrap();
        kept.is_whole_in(&table);
        is_well(&disk, &table);
    }
}

// R-K11
#[test]
fn start_without_any_mirror_is_refused_and_names_each() {
    let disk = MemoryDisk::default();
    drop(disk.table(HERE));
    for path in [ONE, TWO] {
        disk.take_away(path, true);
    }
    let refused = disk.open(HERE).err().unwrap().to_string();
    for part in [
        "no mirror of the shred table can be used",
        "\n  one is missing",
        "\n  two is missing",
        "bring one of them back",
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    // While it runs, nothing is made up either.
    disk.take_away(ONE, false);
    let table = disk.open(HERE).unwrap();
    disk.take_away(ONE, true);
    assert!(matches!(table.tend(), Err(ShredError::NoMirror { .. })));
    assert!(write(&table, &[(id(1), &secret())]).is_err());
    assert!(table.secret(Slot::new(1).unwrap(), id(1)).is_err());
    for path in [ONE, TWO] {
        disk.take_away(path, false);
    }
    table.tend().unwrap();
    is_well(&disk, &table);
}

// R-K11
#[test]
fn a_table_belongs_to_one_process_and_one_installation() {
    let disk = MemoryDisk::default();
    let table = disk.table(HERE);
    let refused = disk.open(HERE).err().unwrap().to_string();
    assert!(refused.contains("is in use: another clavigerd has it"), "{refused}");
    assert!(table.must_belong_to(HERE).is_ok());
    assert!(table.must_belong_to([8; 16]).is_err());
}

// R-K11
#[test]
fn a_read_that_fails_destroys_nothing_and_is_tried_again() {
    let disk = MemoryDisk::default();
    let table = disk.table(HERE);
    let (one, other) = (put(&table, [1]), put(&table, [2]));
    let before = disk.bytes(TWO);
    let (_, slot, _) = other.0[0];
    disk.fail(Call::Read(ONE), 1, true);
    // The slot belongs to another key, which the mirror that fails does not tell.
    assert_eq!(named(table.destroy(&[(slot, id(1))])), ONE);
    assert_eq!(disk.bytes(TWO), before);
    disk.fail(Call::Read(ONE), 0, false);
    table.tend().unwrap();
    table.destroy(&[(slot, id(1))]).unwrap();
    one.is_whole_in(&table);
    other.is_whole_in(&table);
    is_well(&disk, &table);
}

// R-K11
#[test]
fn mirrors_that_were_all_deleted_while_in_use_are_read_on_and_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["one", "two"].map(|name| folder.path().join(name));
    ShredTable::create(&paths, HERE).unwrap();
    let table = ShredTable::open(&paths, HERE, ShredClass::File).unwrap();
    let (old, kept) = (put(&table, 0..3), put(&table, 3..6));
    for path in &paths {
        std::fs::remove_file(path).unwrap();
    }
    assert!(table.destroy(&old.slots()).is_err());
    assert!(write(&table, &[(id(9), &secret())]).is_err());
    kept.is_whole_in(&table);
    table.tend().unwrap();
    table.destroy(&old.slots()).unwrap();
    drop(table);
    let table = ShredTable::open(&paths, HERE, ShredClass::File).unwrap();
    kept.is_whole_in(&table);
    old.is_gone_from(&table);
    // One that was moved is no deleted one: its disk may be away.
    std::fs::rename(&paths[0], folder.path().join("away")).unwrap();
    table.tend().unwrap();
    assert!(!paths[0].exists());
    std::fs::rename(folder.path().join("away"), &paths[0]).unwrap();
    table.tend().unwrap();
    assert!(table.status().iter().all(|mirror| mirror.fault.is_none()));
}

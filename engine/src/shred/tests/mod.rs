//! The table on files that fail, are damaged, go away and come back.

pub(crate) mod disk;

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
    let slots = table.put(keys, |_| Ok::<_, ShredError>(()))?;
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
fn damaged_slots_are_healed_by_the_other_mirror() {
    type Damage = fn(&mut Vec<u8>, [std::ops::Range<usize>; 2]);
    let damages: [Damage; 6] = [
        |bytes, [one, _]| bytes[one.start + 30] ^= 1,
        // As a disk does that has lost a sector.
        |bytes, [one, other]| bytes[one.start..other.end].fill(0),
        |bytes, [one, other]| {
            let moved = bytes[one.clone()].to_vec();
            bytes.copy_within(other.clone(), one.start);
            bytes[other].copy_from_slice(&moved);
        },
        |bytes, [one, other]| bytes.copy_within(one, other.start),
        |bytes, [one, _]| bytes.truncate(one.start + 10),
        |bytes, [_, _]| bytes.truncate(SLOT_SIZE),
    ];
    for damage in damages {
        for path in [ONE, TWO] {
            let disk = MemoryDisk::default();
            let table = disk.table(HERE);
            let (old, keys) = (put(&table, [7]), put(&table, 20..30));
            table.destroy(&old.slots()).unwrap();
            alter(&disk, path, |bytes| damage(bytes, [1, 4].map(|at: usize| slot_range(keys.0[at].1))));
            // Read past at once, healed by the next start.
            keys.is_whole_in(&table);
            drop(table);
            let table = disk.open(HERE).unwrap();
            keys.is_whole_in(&table);
            old.is_gone_from(&table);
            assert_eq!(table.taken(), (10, 0));
            is_well(&disk, &table);
        }
    }
}

// R-K11
#[test]
fn slot_that_is_damaged_on_every_mirror_is_named_and_neither_used_nor_taken_for_destroyed() {
    let disk = MemoryDisk::default();
    let table = disk.table(HERE);
    let keys = put(&table, 0..4);
    let (lost, slot, _) = keys.0[2];
    for path in [ONE, TWO] {
        alter(&disk, path, |bytes| bytes[slot_range(slot)].fill(0x55));
    }
    drop(table);
    let table = disk.open(HERE).unwrap();
    assert_eq!(table.taken(), (4, 1));
    let said = table.secret(slot, lost).err().unwrap().to_string();
    assert_eq!(
        said,
        "slot 3 of the shred table is damaged on every mirror: bring back an earlier copy of one, if there is any"
    );
    assert!(put(&table, 10..100).0.iter().all(|(_, used, _)| *used != slot));
    // Whatever is in it, it is destroyed by order.
    table.destroy(&[(slot, lost)]).unwrap();
    assert!(table.secret(slot, lost).unwrap().is_none());
    is_well(&disk, &table);
}

// R-K11
#[test]
fn an_earlier_copy_of_one_mirror_brings_nothing_back_and_loses_nothing() {
    for path in [ONE, TWO] {
        let disk = MemoryDisk::default();
        let table = disk.table(HERE);
        let (old, kept) = (put(&table, 0..3), put(&table, 5..8));
        let copy = disk.bytes(path);
        table.destroy(&old.slots()).unwrap();
        let new = put(&table, 10..20);
        drop(table);
        disk.set(path, copy);
        let table = disk.open(HERE).unwrap();
        for keys in [&kept, &new] {
            keys.is_whole_in(&table);
        }
        old.is_gone_from(&table);
        old.is_nowhere_on(&disk);
        is_well(&disk, &table);
    }
}

// R-K11
#[test]
fn an_earlier_copy_of_every_mirror_opens_what_was_destroyed_since_which_is_the_limit_of_it() {
    let disk = MemoryDisk::default();
    let table = disk.table(HERE);
    let old = put(&table, 0..3);
    let copy = disk.bytes(ONE);
    table.destroy(&old.slots()).unwrap();
    drop(table);
    for path in [ONE, TWO] {
        disk.set(path, copy.clone());
    }
    old.is_whole_in(&disk.open(HERE).unwrap());
}

// R-K11
#[test]
fn mirrors_that_were_used_apart_are_not_guessed_at() {
    let disk = MemoryDisk::default();
    let table = disk.table(HERE);
    let keys = put(&table, 0..2);
    drop(table);
    alter(&disk, TWO, |bytes| {
        let slot = Slot::new(2).unwrap();
        // The same turn, another key.
        write_taken(&mut bytes[slot_range(slot)], slot, &HERE, 1, (id(99), &secret()));
    });
    let before = [ONE, TWO].map(|path| disk.bytes(path));
    let refused = disk.open(HERE).err().unwrap();
    assert!(matches!(refused, ShredError::Disagree { .. }));
    let said = refused.to_string();
    assert!(said.starts_with("mirrors one and two of the shred table differ in slot 2"), "{said}");
    assert!(said.contains("move away the one that was not used last"), "{said}");
    assert_eq!([ONE, TWO].map(|path| disk.bytes(path)), before);
    disk.take_away(TWO, true);
    keys.is_whole_in(&disk.open(HERE).unwrap());
}

// R-K11
#[test]
fn mirror_of_another_installation_or_a_newer_format_is_refused_and_left_as_it_is() {
    let disk = MemoryDisk::default();
    drop(disk.table(HERE));
    let theirs = MemoryDisk::default();
    put(&theirs.table([8; 16]), [1]);
    let mut newer = disk.bytes(ONE);
    newer[16..20].copy_from_slice(&2_u32.to_be_bytes());
    for (bytes, said) in [
        (theirs.bytes(ONE), "mirror two of the shred table belongs to another installation"),
        (
            newer,
            "mirror two of the shred table has format 2, and this program knows formats up to 1: start the version that wrote it",
        ),
    ] {
        disk.set(TWO, bytes.clone());
        let refused = disk.open(HERE).err().unwrap().to_string();
        assert!(refused.starts_with(said), "{refused}");
        assert_eq!(disk.bytes(TWO), bytes);
    }
}

// R-K11
#[test]
fn mirror_whose_head_is_damaged_takes_no_part_and_is_left_as_it_is() {
    let disk = MemoryDisk::default();
    let keys = put(&disk.table(HERE), 0..3);
    let good = disk.bytes(TWO);
    for at in [0, 15, 16, 20, 35, 36, 47, 48, 63] {
        let mut bytes = good.clone();
        // Not a newer format, which is another fault.
        bytes[at] = if at == 16 { 0x80 } else { bytes[at] ^ 1 };
        if at == 16 {
            bytes.truncate(20);
        }
        disk.set(TWO, bytes.clone());
        let table = disk.open(HERE).unwrap();
        keys.is_whole_in(&table);
        assert!(matches!(table.status()[1].fault, Some(MirrorError::Damaged(_))), "byte {at}");
        assert_eq!(named(write(&table, &[(id(9), &secret())])), TWO);
        assert_eq!(disk.bytes(TWO), bytes, "byte {at}");
    }
    for bytes in [Vec::new(), good[..SLOT_SIZE - 1].to_vec()] {
        disk.set(TWO, bytes);
        assert!(disk.open(HERE).unwrap().status()[1].fault.is_some());
    }
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
fn a_slot_beyond_the_end_is_not_taken_for_destroyed_and_its_number_is_not_given_again() {
    let disk = MemoryDisk::default();
    let table = disk.table(HERE);
    let kept = put(&table, 0..3);
    let copy = disk.bytes(ONE);
    let newer = put(&table, 3..6);
    let real = disk.bytes(ONE);
    drop(table);
    for path in [ONE, TWO] {
        disk.set(path, copy.clone());
    }
    let table = disk.open(HERE).unwrap();
    kept.is_whole_in(&table);
    for (id, slot, _) in &newer.0 {
        let said = table.secret(*slot, *id).err().unwrap();
        assert!(matches!(said, ShredError::Older(beyond) if beyond == *slot), "{said}");
        assert!(said.to_string().contains("bring back a newer mirror"), "{said}");
        assert!(matches!(table.destroy(&[(*slot, *id)]), Err(ShredError::Older(_))));
        // What was never known to be written is none.
        table.take_back(&[(*slot, *id)]).unwrap();
    }
    let other = put(&table, 10..60);
    assert!(other.0.iter().all(|(_, slot, _)| newer.0.iter().all(|(_, named, _)| named != slot)));
    for (id, slot, _) in &newer.0 {
        assert!(matches!(table.secret(*slot, *id), Err(ShredError::Damaged(_))));
    }
    drop(table);
    // A mirror of that time turns up.
    disk.set(TWO, real);
    let table = disk.open(HERE).unwrap();
    newer.is_whole_in(&table);
    other.is_whole_in(&table);
    // What is beyond the end does not hold up the rest.
    let beyond = (Slot::new(1_000_000).unwrap(), id(1));
    assert!(matches!(table.destroy(&[beyond, kept.slots()[0]]), Err(ShredError::Older(_))));
    assert!(table.secret(kept.0[0].1, kept.0[0].0).unwrap().is_none());
}

// R-K11
#[test]
fn mirrors_that_gave_one_slot_to_different_keys_are_not_guessed_at() {
    for destroyed in [false, true] {
        for (older, newer) in [(ONE, TWO), (TWO, ONE)] {
            let disk = MemoryDisk::default();
            let table = disk.table(HERE);
            put(&table, 0..2);
            let copy = disk.bytes(ONE);
            put(&table, 2..4);
            let lives = disk.bytes(ONE);
            drop(table);
            for path in [ONE, TWO] {
                disk.set(path, copy.clone());
            }
            let table = disk.open(HERE).unwrap();
            for number in 10..20 {
                let other = put(&table, [number]);
                if destroyed {
                    table.destroy(&other.slots()).unwrap();
                }
            }
            drop(table);
            // Later by its numbers, and not the history of the key that lives.
            disk.set(older, lives.clone());
            let before = [ONE, TWO].map(|path| disk.bytes(path));
            assert!(matches!(disk.open(HERE), Err(ShredError::Disagree { .. })), "{newer} {destroyed}");
            assert_eq!([ONE, TWO].map(|path| disk.bytes(path)), before);
        }
    }
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
fn a_slot_that_is_damaged_everywhere_is_left_on_each_mirror_as_it_is() {
    let disk = MemoryDisk::default();
    let table = disk.table(HERE);
    let keys = put(&table, 0..4);
    drop(table);
    for (path, byte) in [(ONE, 0x55), (TWO, 0x66)] {
        alter(&disk, path, |bytes| bytes[slot_range(keys.0[2].1)].fill(byte));
    }
    let before = [ONE, TWO].map(|path| disk.bytes(path));
    let table = disk.open(HERE).unwrap();
    assert_eq!(table.taken(), (4, 1));
    assert_eq!([ONE, TWO].map(|path| disk.bytes(path)), before);
    table.destroy(&[(keys.0[2].1, keys.0[2].0)]).unwrap();
    assert_eq!(table.taken(), (3, 0));
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

//! Older copies of mirrors, and mirrors that were used apart from each other.

use super::*;

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
    table.reserve(newer.slots());
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
        assert!(matches!(table.secret(*slot, *id), Err(ShredError::Older(_))));
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
fn a_slot_in_which_older_mirrors_have_another_key_is_not_taken_for_destroyed() {
    let disk = MemoryDisk::default();
    let table = disk.table(HERE);
    let before = put(&table, 0..64);
    let copy = disk.bytes(ONE);
    table.destroy(&before.slots()[..1]).unwrap();
    let since = put(&table, 100..101);
    assert_eq!(since.0[0].1, before.0[0].1);
    let real = disk.bytes(ONE);
    drop(table);
    for path in [ONE, TWO] {
        disk.set(path, copy.clone());
    }
    let table = disk.open(HERE).unwrap();
    table.reserve(before.slots());
    assert_eq!(table.reserved(), 0, "what the mirrors have is not missing");
    table.reserve(since.slots());
    assert_eq!((table.reserved(), table.taken()), (1, (64, 0)));
    let is_missing = || {
        let (id, slot, _) = &since.0[0];
        assert!(matches!(table.secret(*slot, *id), Err(ShredError::Older(_))));
        assert!(matches!(table.destroy(&since.slots()), Err(ShredError::Older(_))));
        table.take_back(&since.slots()).unwrap();
    };
    is_missing();
    before.is_whole_in(&table);
    // Nor is the slot given away when the other key is destroyed there once more.
    table.destroy(&before.slots()[..1]).unwrap();
    let other = put(&table, 200..400);
    assert!(other.0.iter().all(|(_, slot, _)| *slot != since.0[0].1));
    is_missing();
    drop(table);
    for path in [ONE, TWO] {
        disk.set(path, real.clone());
    }
    since.is_whole_in(&disk.open(HERE).unwrap());
}

// R-K11
#[test]
fn what_is_destroyed_before_it_is_noted_that_secrets_are_missing_makes_mirrors_no_newer() {
    let disk = MemoryDisk::default();
    let table = disk.table(HERE);
    let keys = put(&table, 0..3);
    table.is_behind(1_000);
    table.destroy(&keys.slots()[..1]).unwrap();
    assert_eq!(table.sequence(), 2);
    let secret = secret();
    let refused = table.put(&[(id(7), &secret)], |_, sequence, is_behind| {
        assert!(sequence > 1_000 && is_behind);
        Err(ShredError::Full)
    });
    assert!(refused.is_err());
    table.destroy(&keys.slots()[1..2]).unwrap();
    assert_eq!(table.sequence(), 3);
    put(&table, [8]);
    assert!(table.sequence() > 1_000);
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

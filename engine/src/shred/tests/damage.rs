//! Damage, and files that are no mirrors of this table.

use super::*;

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
        "slot 3 of the shred table is damaged on every mirror: bring back another copy of one, if there is any"
    );
    assert!(put(&table, 10..100).0.iter().all(|(_, used, _)| *used != slot));
    // Whatever is in it, it is destroyed by order.
    table.destroy(&[(slot, lost)]).unwrap();
    assert!(table.secret(slot, lost).unwrap().is_none());
    is_well(&disk, &table);
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

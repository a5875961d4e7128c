//! A disk that is filled to the brim.

use claviger_engine::storage::{LmdbOptions, LmdbStorage, StorageError, TransactError};

use crate::child::Writer;
use crate::disk::Disk;
use crate::failed_write::Fault;
use crate::work::{Acknowledged, check, open, raise, reached};

#[test]
fn full_disk_ends_writes_loses_nothing_and_a_restart_with_room_writes_again() {
    let Some(disk) = Disk::mount() else { return };
    let folder = disk.path().join("data");
    let mut acknowledged = Acknowledged::new();
    let mut writer = Writer::start("writes_until_a_write_fails", &folder, Fault::None);
    let said = writer.rest(&mut acknowledged);
    assert!(writer.succeeded(), "{said:?}");
    assert!(said[0].contains("check the disk and its free space"), "{said:?}");
    assert!(acknowledged.values().sum::<u64>() > 20);

    // A restart on the full disk reads; with room it writes.
    let storage = open(&folder);
    acknowledged = check(&storage, &acknowledged, "on the full disk");
    disk.drop_ballast();
    raise(&storage, 0, acknowledged[&0] + 1).unwrap();
}

#[test]
fn free_space_floor_keeps_writes_from_ending() {
    let Some(disk) = Disk::mount() else { return };
    let options = LmdbOptions { map_size: 0, free_space_floor: 512 * 1024, ..LmdbOptions::default() };
    let storage = LmdbStorage::open(&disk.path().join("data"), &options).unwrap();
    let error = (1..).find_map(|n| raise(&storage, 0, n).err()).unwrap();
    let TransactError::Storage(StorageError::FreeSpaceFloor { free, floor, .. }) = error else { panic!("{error}") };
    assert!(0 < free && free < floor, "{free} bytes free, floor {floor}");
    let last = reached(&storage, 0);
    assert!(last > 20);
    check(&storage, &Acknowledged::from([(0, last)]), "below the floor");
    // The same process goes on once there is room.
    disk.drop_ballast();
    raise(&storage, 0, last + 1).unwrap();
}

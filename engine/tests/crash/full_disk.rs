//! A small disk of our own, filled to the brim.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use claviger_engine::storage::{LmdbOptions, LmdbStorage, StorageError, TransactError};
use tempfile::TempDir;

use crate::child::Writer;
use crate::failed_write::Fault;
use crate::work::{Acknowledged, check, open, raise, reached};

/// Bytes of the disk, and of a file on it that can be deleted to make room.
const DISK_SIZE: usize = 4 * 1024 * 1024;
const BALLAST_SIZE: usize = 1024 * 1024;

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

/// A small file system in memory, with some ballast on it.
pub(crate) struct Disk {
    mount_point: TempDir,
}

impl Disk {
    /// `None`, with a message, where the right to mount is missing; in continuous integration that is a failure.
    pub(crate) fn mount() -> Option<Self> {
        let mount_point = tempfile::tempdir().unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={DISK_SIZE},mode=0700"), "claviger-test"])
            .arg(mount_point.path())
            .status();
        if !status.as_ref().is_ok_and(|status| status.success()) {
            let message = format!("cannot mount a small disk ({status:?}); run this test as root");
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
            eprintln!("SKIPPED: {message}");
            return None;
        }
        let disk = Self { mount_point };
        fs::write(disk.ballast(), vec![0; BALLAST_SIZE]).unwrap();
        Some(disk)
    }

    pub(crate) fn path(&self) -> &Path {
        self.mount_point.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    pub(crate) fn drop_ballast(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Detached at once, and gone with the last open file: storages of a failing test may still be open.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.mount_point.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("could not unmount {}", self.mount_point.path().display());
        }
    }
}

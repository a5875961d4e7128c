//! A small disk of our own, to be filled to the brim.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

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

    /// Fills it until nothing more is taken.
    pub(crate) fn fill(&self) {
        let mut filler = fs::File::create(self.filler()).unwrap();
        for size in [64 * 1024, 1] {
            while filler.write_all(&vec![1; size]).is_ok() {}
        }
    }

    /// Makes room again.
    pub(crate) fn drop_filler(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
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

/// Bytes of the disk, and of a file on it that can be deleted to make room.
const DISK_SIZE: usize = 4 * 1024 * 1024;
const BALLAST_SIZE: usize = 1024 * 1024;

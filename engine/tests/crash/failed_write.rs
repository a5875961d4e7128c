//! Disks whose writes or syncs fail.

use std::collections::BTreeMap;
use std::ffi::OsString;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule};

use crate::child::{TOTAL_BEFORE_FAULT, Writer};
use crate::work::{Acknowledged, check, open};

/// What is wrong with the disk of a child process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Nothing, unless the test sees to it.
    None,
    /// From some moment on the kernel answers every sync with EIO.
    Sync,
    /// From some moment on the kernel answers every write at a position with EIO.
    Write,
    /// The kernel refuses to let a file grow beyond one MiB.
    FileSize,
}

impl Fault {
    const ALL: [Self; 4] = [Self::None, Self::Sync, Self::Write, Self::FileSize];

    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    pub(crate) fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|fault| fault.name() == name).unwrap()
    }

    /// The command that runs `program` with this fault, as far as it is set from outside.
    pub(crate) fn around(self, program: Vec<OsString>) -> Vec<OsString> {
        if self != Self::FileSize {
            return program;
        }
        // The signal that comes with the refusal is ignored, so that the refusal itself is seen. Blocks of 512 bytes.
        let limited = ["sh", "-c", r#"trap "" XFSZ; ulimit -f 2048; exec "$@""#, "sh"].map(OsString::from);
        limited.into_iter().chain(program).collect()
    }

    /// Lets the fault begin in this process, as far as it is set from inside.
    pub(crate) fn begin(self) {
        // Numbers of system calls: pwrite64 and pwritev, fsync and fdatasync.
        #[cfg(target_arch = "x86_64")]
        let (writes, syncs) = ([18, 296], [74, 75]);
        #[cfg(target_arch = "aarch64")]
        let (writes, syncs) = ([68, 70], [82, 83]);
        let calls = match self {
            Self::None | Self::FileSize => return,
            Self::Sync => syncs,
            Self::Write => writes,
        };
        const EIO: u32 = 5;
        let rules: BTreeMap<i64, Vec<SeccompRule>> = calls.into_iter().map(|call| (call, Vec::new())).collect();
        let architecture = std::env::consts::ARCH.try_into().unwrap();
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(EIO), architecture).unwrap();
        let program: BpfProgram = filter.try_into().unwrap();
        seccompiler::apply_filter_all_threads(&program).unwrap();
    }
}

#[test]
fn failed_sync_ends_writes_and_loses_nothing_acknowledged() {
    ends_writes_and_loses_nothing(Fault::Sync, "Input/output error");
}

#[test]
fn failed_write_ends_writes_and_loses_nothing_acknowledged() {
    ends_writes_and_loses_nothing(Fault::Write, "Input/output error");
}

#[test]
fn refused_growth_of_the_file_ends_writes_and_loses_nothing_acknowledged() {
    ends_writes_and_loses_nothing(Fault::FileSize, "");
}

fn ends_writes_and_loses_nothing(fault: Fault, cause: &str) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let mut acknowledged = Acknowledged::new();
    let mut writer = Writer::start("writes_until_a_write_fails", &folder, fault);
    let said = writer.rest(&mut acknowledged);
    assert!(writer.succeeded(), "{said:?}");
    assert_eq!(said.len(), 2, "{said:?}");
    for part in [cause, "have ended because a write failed", "restart clavigerd", folder.to_str().unwrap()] {
        assert!(said[0].contains(part), "{said:?}");
    }
    assert!(acknowledged.values().sum::<u64>() >= TOTAL_BEFORE_FAULT);
    // A restart, with the disk in order again.
    let storage = open(&folder);
    check(&storage, &acknowledged, "after the restart");
}

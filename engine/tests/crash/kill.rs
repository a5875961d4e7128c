//! Processes that are killed.

use claviger_engine::storage::{LmdbOptions, LmdbStorage, StorageError};

use crate::child::{Line, Writer};
use crate::failed_write::Fault;
use crate::work::{Acknowledged, check, open};

/// Cycles of starting, writing and killing, all on one folder.
const CYCLES: u64 = 25;

const SEED: u64 = 0x636c_6176_6967_6572;

#[test]
fn kill_in_the_middle_of_writes_loses_nothing_acknowledged() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let mut acknowledged = Acknowledged::new();
    let mut random = SEED;
    for cycle in 0..CYCLES {
        // A linear congruential generator (Knuth, MMIX); its upper bits are random enough for a moment to kill at.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let acks_before_kill = 1 + (random >> 33) % 150;
        let mut writer = Writer::start("writes_until_killed", &folder, Fault::None);
        for _ in 0..acks_before_kill {
            match writer.next() {
                Some(Line::Acknowledged { thread, n }) => drop(acknowledged.insert(thread, n)),
                other => panic!("cycle {cycle} of seed {SEED:#x}: the child said {other:?}"),
            }
        }
        writer.kill();
        assert!(writer.rest(&mut acknowledged).is_empty());
        assert!(!writer.succeeded());
        acknowledged = check(&open(&folder), &acknowledged, &format!("cycle {cycle} of seed {SEED:#x}"));
    }
    assert!(acknowledged.values().sum::<u64>() > CYCLES, "{acknowledged:?}");
}

// R-O7
#[test]
fn folder_of_another_process_is_refused_until_that_one_is_gone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let mut holder = Writer::start("holds_the_folder_until_killed", &folder, Fault::None);
    assert_eq!(holder.next(), Some(Line::Said("holding".into())));
    let error = LmdbStorage::open(&folder, &LmdbOptions::default()).err().unwrap();
    assert!(matches!(error, StorageError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("another clavigerd has it"), "{error}");
    assert!(error.to_string().contains(folder.to_str().unwrap()), "{error}");
    holder.kill();
    assert!(!holder.succeeded());
    open(&folder);
}

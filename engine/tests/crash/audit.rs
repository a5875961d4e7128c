//! Changes in processes that are killed: what was answered is in the audit log, what was made is there once, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use claviger_algorithm::Algorithm;
use claviger_engine::audit::{AuditFilter, AuditOptions, EventKind};
use claviger_engine::change::NewKey;
use claviger_engine::clock::SystemClock;
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::limits::AUDIT_FILE_SIZE_MIN;
use claviger_engine::list::KeyFilter;
use claviger_engine::{Engine, EngineParts};

use crate::child::{Line, Writer};
use crate::disk::Disk;
use crate::failed_write::Fault;
use crate::place::{Random, shred_table, store, system_keys};
use crate::work::{Acknowledged, open};

/// Cycles of starting, changing and killing, all on one folder.
const CYCLES: u64 = 12;

const SEED: u64 = 0x6175_6469_7473_0001;

/// Threads of a child that make changes.
const THREADS: usize = 3;

// R-O3
#[test]
fn each_change_is_in_the_audit_log_once_after_kills_and_none_that_was_not_made() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path();
    drop(start(folder, &folder.join("audit"), 0));
    let mut random = Random(SEED);
    let mut answered = BTreeSet::new();
    for cycle in 0..CYCLES {
        let context = format!("cycle {cycle} of seed {SEED:#x}");
        let lines_before_kill = 1 + random.below(40);
        let mut child = Writer::start("changes_with_an_audit_log_until_killed", folder, Fault::None);
        let mut told = Vec::new();
        for _ in 0..lines_before_kill {
            match child.next() {
                Some(Line::Said(text)) => told.push(text),
                other => panic!("{context}: the child said {other:?}"),
            }
        }
        child.kill();
        told.extend(child.rest(&mut Acknowledged::new()));
        assert!(!child.succeeded());
        answered.extend(told.iter().map(|id| id.parse::<KeyId>().unwrap()));
        check(folder, &answered, &context);
    }
    assert!(answered.len() > 20, "{answered:?}");
}

// R-O3
#[test]
fn a_full_audit_disk_refuses_changes_beforehand_and_takes_them_when_it_has_room() {
    let Some(disk) = Disk::mount() else { return };
    let parent = tempfile::tempdir().unwrap();
    let (folder, logs) = (parent.path(), disk.path().join("audit"));
    let floor = 512 * 1024;
    let (engine, store) = start(folder, &logs, floor);
    let filler = disk.path().join("filler");
    std::fs::write(&filler, vec![1; 1_500 * 1024]).unwrap();
    let create = |number: u64| {
        let new = NewKey::new(format!("key-{number}").parse().unwrap(), Algorithm::Xaes256Gcm);
        engine.create_keys(store, vec![new])
    };
    let refused = create(1).unwrap_err().to_string();
    for said in ["on the disk of audit log", "nothing was changed", logs.to_str().unwrap()] {
        assert!(refused.contains(said), "{refused}");
    }
    assert_eq!(engine.list_keys(store, &KeyFilter::default(), None, 10).unwrap().keys, []);
    assert!(engine.audit_status().unwrap().failure.is_some());
    std::fs::remove_file(filler).unwrap();
    create(2).unwrap();
    assert_eq!(engine.audit_status().unwrap().failure, None);
    assert!(engine.verify_audit(1).unwrap().unwrap().is_intact());
}

/// What the child does: makes keys, and tells of each when it was answered.
pub(crate) fn change_until_killed(folder: &Path, tell: impl Fn(&str) + Sync) {
    let (engine, store) = start(folder, &folder.join("audit"), 0);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (engine, tell) = (&engine, &tell);
            scope.spawn(move || {
                for round in 0.. {
                    let key_name = format!("{}-{thread}-{round}", std::process::id());
                    let new = NewKey::new(key_name.parse().unwrap(), Algorithm::HmacSha256);
                    let created = engine.create_keys(store, vec![new]).unwrap();
                    tell(&created[0].id.to_string());
                }
            });
        }
    });
}

/// Opens what the killed child has left, and compares keys with records.
fn check(folder: &Path, answered: &BTreeSet<KeyId>, context: &str) {
    let (engine, store) = start(folder, &folder.join("audit"), 0);
    let report = engine.verify_audit(1).unwrap().unwrap();
    assert!(report.is_intact(), "{context}: {:?}", report.findings);
    let filter = AuditFilter { kind: Some(EventKind::Change), ..AuditFilter::default() };
    let (mut told, mut after) = (BTreeMap::new(), Some(0));
    while let Some(begin) = after {
        let page = engine.audit_page(&filter, begin, 1_000).unwrap().unwrap();
        for id in page.records.iter().flat_map(|record| &record.event.keys) {
            *told.entry(*id).or_insert(0) += 1;
        }
        after = page.next;
    }
    let (mut made, mut after) = (BTreeSet::new(), None);
    loop {
        let page = engine.list_keys(store, &KeyFilter::default(), after.as_ref(), 1_000).unwrap();
        made.extend(page.keys.iter().map(|key| key.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(made.is_superset(answered), "{context}");
    assert!(told.values().all(|times| *times == 1), "{context}: {told:?}");
    assert!(told.keys().eq(&made), "{context}: what was made is told, and nothing else");
}

pub(crate) fn start(folder: &Path, logs: &Path, free_space_floor: u64) -> (Arc<Engine>, StoreId) {
    let system_keys = system_keys(folder);
    let options = AuditOptions::at(logs.to_owned(), folder.join("audit-head"));
    let engine = Engine::start(EngineParts {
        storage: Arc::new(open(&folder.join("data"))),
        shred_table: shred_table(folder, &system_keys),
        system_keys,
        random: Arc::new(SystemRandom::new()),
        clock: Arc::new(SystemClock),
        cached_keys_max: 10,
        compute_threads: 1,
        audit: Some(AuditOptions { free_space_floor, file_size: AUDIT_FILE_SIZE_MIN, ..options }),
    });
    let engine = engine.unwrap();
    let store = store(&engine, "store");
    (engine, store)
}

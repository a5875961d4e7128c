//! Keys that come and go in processes that are killed: no key that lives loses its shred secret, no deleted one keeps it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, mpsc};

use claviger_algorithm::Algorithm;
use claviger_engine::change::NewKey;
use claviger_engine::clock::SystemClock;
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::key::name::Name;
use claviger_engine::key::state::KeyState;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::DELETION_WAIT_MIN;
use claviger_engine::list::KeyFilter;
use claviger_engine::{Engine, EngineParts};

use crate::child::{Line, Writer};
use crate::disk::Disk;
use crate::failed_write::Fault;
use crate::place::{Random, mirrors, shred_table, store, system_keys};
use crate::work::{Acknowledged, open};

/// Cycles of starting, changing and killing, all on one folder.
const CYCLES: u64 = 20;

const SEED: u64 = 0x7368_7265_6464_6564;

/// Keys that one round of a child makes.
const ROUND: usize = 3;

// R-K11
#[test]
fn no_living_key_loses_its_secret_and_no_deleted_one_keeps_it_after_kills() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path();
    drop(start(folder));
    let mut random = Random(SEED);
    let mut deleted = BTreeSet::new();
    for cycle in 0..CYCLES {
        let context = format!("cycle {cycle} of seed {SEED:#x}");
        let lines_before_kill = 1 + random.below(25);
        let mut child = Writer::start("creates_and_deletes_until_killed", folder, Fault::None);
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
        deleted.extend(told.iter().filter_map(|text| text.strip_prefix("deleted ").map(str::to_owned)));
        check(folder, &deleted, &context);
    }
    assert!(deleted.len() > 5, "{deleted:?}");
}

// R-K11
#[test]
fn a_full_disk_of_a_mirror_refuses_new_keys_by_its_name_and_takes_them_when_it_has_room() {
    let Some(disk) = Disk::mount() else { return };
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path();
    drop(start(folder));
    let (mirror, elsewhere) = (&mirrors(folder)[1], disk.path().join("mirror"));
    fs::copy(mirror, &elsewhere).unwrap();
    fs::remove_file(mirror).unwrap();
    symlink(&elsewhere, mirror).unwrap();
    let filler = disk.path().join("filler");
    let mut filling = File::create(&filler).unwrap();
    while filling.write_all(&[0; 4_096]).is_ok() {}
    drop(filling);

    let (engine, store) = start(folder);
    let keys = || (0..500).map(|number| NewKey::new(name(&format!("key-{number}")), Algorithm::HmacSha256)).collect();
    let refused = engine.create_keys(store, keys()).unwrap_err().to_string();
    for said in [mirror.to_str().unwrap(), "cannot be written", "No space left", "check its disk and its free space"] {
        assert!(refused.contains(said), "{refused}");
    }
    assert_eq!(engine.list_keys(store, &KeyFilter::default(), None, 10).unwrap().keys, [], "nothing is half made");
    fs::remove_file(filler).unwrap();
    engine.do_due().unwrap();
    assert_eq!(engine.create_keys(store, keys()).unwrap().len(), 500);
    assert_eq!(engine.shred_table().taken(), (500, 0));
    drop(engine);
    assert_eq!(fs::read(&elsewhere).unwrap(), fs::read(&mirrors(folder)[0]).unwrap());
}

/// What the child does: makes keys, destroys a version of one and deletes another one, over and over, and tells of each step.
pub(crate) fn create_and_delete_until_killed(folder: &Path, tell: impl Fn(&str)) {
    let (engine, store) = start(folder);
    for round in 0.. {
        let new =
            |number| NewKey::new(name(&format!("{}-{round}-{number}", std::process::id())), Algorithm::HmacSha256);
        let keys = engine.create_keys(store, (0..ROUND).map(new).collect()).unwrap();
        tell(&format!("created {}", keys[0].id));
        engine.rotate(keys[0].id).unwrap();
        engine.destroy_version(keys[0].id, KeyVersion::FIRST).unwrap();
        tell(&format!("shredded {}", keys[0].id));
        engine.request_deletion(keys[1].id, DELETION_WAIT_MIN).unwrap();
        tell(&format!("requested {}", keys[1].id));
        assert!(engine.delete_now(keys[1].id, true).unwrap().deleted.unwrap().destroyed.is_some());
        tell(&format!("deleted {}", keys[1].id));
    }
}

/// Opens what the killed child has left, and lets go of it.
fn check(folder: &Path, deleted: &BTreeSet<String>, context: &str) {
    let (engine, store) = start(folder);
    let mut live = 0;
    let mut after = None;
    loop {
        let page = engine.list_keys(store, &KeyFilter::default(), after.as_ref(), 1_000).unwrap();
        for key in page.keys.iter().filter(|key| key.state != KeyState::Deleted) {
            live += 1;
            assert!(!engine.shred_table().is_shredded(key).unwrap(), "{context}: {}", key.id);
            let (done, is_done) = mpsc::channel();
            engine.load(key.id, move |result| done.send(result).unwrap());
            is_done.recv().unwrap().unwrap_or_else(|error| panic!("{context}: {}: {error}", key.id));
            let mut worker = engine.worker();
            let frame = worker.enter();
            assert_eq!(frame.key(key.id).entry().unwrap().state(), key.state, "{context}: {}", key.id);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for id in deleted {
        let id: KeyId = id.parse().unwrap();
        let record = engine.describe_key(id).unwrap();
        assert!(record.deleted.unwrap().destroyed.is_some(), "{context}: {id}");
    }
    assert_eq!(engine.pending_destructions().unwrap(), 0, "{context}");
    // Nothing is left of a change that was never made.
    assert_eq!(engine.shred_table().taken(), (live, 0), "{context}");
    drop(engine);
    let [one, other] = mirrors(folder).map(|mirror| fs::read(mirror).unwrap());
    assert_eq!(one, other, "{context}");
    let table = one;
    for id in deleted {
        let id: KeyId = id.parse().unwrap();
        assert!(!table.windows(16).any(|part| part == id.0), "{context}: {id}");
    }
}

fn start(folder: &Path) -> (Arc<Engine>, StoreId) {
    let system_keys = system_keys(folder);
    let engine = Engine::start(EngineParts {
        storage: Arc::new(open(&folder.join("data"))),
        shred_table: shred_table(folder, &system_keys),
        system_keys,
        random: Arc::new(SystemRandom::new()),
        clock: Arc::new(SystemClock),
        cached_keys_max: 10,
        compute_threads: 1,
        audit: None,
    });
    let engine = engine.unwrap();
    let store = store(&engine, "store");
    (engine, store)
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

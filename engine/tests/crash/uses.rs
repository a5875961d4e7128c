//! Uses of a key with a limit, in processes that are killed.

use std::path::Path;
use std::sync::Arc;

use claviger_algorithm::Algorithm;
use claviger_engine::change::NewKey;
use claviger_engine::clock::SystemClock;
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::key::client::ClientName;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::name::Name;
use claviger_engine::limits::UNWRITTEN_USES_MAX;
use claviger_engine::operation::EncryptItem;
use claviger_engine::{Engine, EngineParts, Error, ItemError, ItemSink};

use crate::child::{Line, Writer};
use crate::failed_write::Fault;
use crate::place::{shred_table, store, system_keys};
use crate::work::{Acknowledged, open};

/// Cycles of starting, sealing and killing.
const CYCLES: u64 = 6;

/// Items of one frame.
const BATCH: usize = 1_024;

// R-K3
#[test]
fn a_kill_in_the_middle_of_sealing_under_counts_nothing() {
    let parent = tempfile::tempdir().unwrap();
    drop(start(parent.path()));
    let mut sealed = 0;
    for cycle in 0..CYCLES {
        let mut writer = Writer::start("seals_until_killed", parent.path(), Fault::None);
        let mut acknowledged = Acknowledged::new();
        // More than may be unwritten in some cycles, so that counts are written in the middle; less in others.
        for _ in 0..50 + cycle % 2 * 1_500 {
            match writer.next() {
                Some(Line::Acknowledged { thread, n }) => drop(acknowledged.insert(thread, n)),
                other => panic!("cycle {cycle}: the child said {other:?}"),
            }
        }
        writer.kill();
        assert!(writer.rest(&mut acknowledged).is_empty());
        sealed += acknowledged.values().sum::<u64>() * BATCH as u64;
        assert!(!writer.succeeded());
    }
    let (engine, id) = start(parent.path());
    let counted = engine.use_count(&engine.describe_key(id).unwrap()).unwrap().unwrap().used;
    assert!(counted >= sealed, "{counted} counted, {sealed} sealed");
    assert!(
        counted <= sealed + (CYCLES + 1) * (UNWRITTEN_USES_MAX + BATCH as u64),
        "{counted} counted, {sealed} sealed"
    );
}

// R-K20
#[test]
fn a_kill_loses_only_the_statistics_that_were_not_written() {
    let parent = tempfile::tempdir().unwrap();
    drop(start(parent.path()));
    let mut written = 0;
    for cycle in 0..CYCLES {
        let mut writer = Writer::start("uses_until_killed", parent.path(), Fault::None);
        let mut acknowledged = Acknowledged::new();
        for _ in 0..=cycle {
            match writer.next() {
                Some(Line::Acknowledged { thread, n }) => drop(acknowledged.insert(thread, n)),
                other => panic!("cycle {cycle}: the child said {other:?}"),
            }
        }
        writer.kill();
        assert!(writer.rest(&mut acknowledged).is_empty());
        assert!(!writer.succeeded());
        let frames = acknowledged.values().sum::<u64>();
        let (engine, id) = start(parent.path());
        let usage = engine.key_usage(id).unwrap();
        let counted = usage.versions.iter().map(|version| version.items).sum::<u64>();
        // Beyond what it has told, it may have used, and written, one more round and a part of another.
        let least = written + frames * BATCH as u64;
        assert!((least..=least + 2 * ROUND * BATCH as u64).contains(&counted), "cycle {cycle}: {counted}, {least}");
        assert_eq!(usage.clients.iter().map(|client| client.items).sum::<u64>(), counted);
        written = counted;
    }
}

/// Frames after which the child has statistics written.
const ROUND: u64 = 10;

/// What the child does: tells how many frames there were each time that their use has been written.
pub(crate) fn use_until_killed(folder: &Path, mut tell: impl FnMut(u64)) {
    seal(folder, |engine, count| {
        if count.is_multiple_of(ROUND) {
            engine.write_uses();
            tell(count);
        }
    });
}

/// What the child does: tells after each frame how many there were.
pub(crate) fn seal_until_killed(folder: &Path, mut tell: impl FnMut(u64)) {
    seal(folder, |_, count| tell(count));
}

/// Seals frame after frame.
fn seal(folder: &Path, mut after: impl FnMut(&Engine, u64)) {
    let (engine, id) = start(folder);
    let (done, is_done) = std::sync::mpsc::channel();
    engine.load(id, move |result| done.send(result).unwrap());
    is_done.recv().unwrap().unwrap();
    let mut worker = engine.worker();
    let client = engine.client(ClientName::certificate("client", [1; 32]));
    let mut sealed = 0;
    loop {
        let done = {
            let frame = worker.enter();
            let mut scope = engine.read_scope(&client);
            let items = [EncryptItem { context: b"", plaintext: b"" }; BATCH];
            let found = frame.key(id);
            found.entry().unwrap().encrypt(&mut scope, items.into_iter(), &mut Discarded)
        };
        match done {
            Ok(()) => {
                sealed += 1;
                after(&engine, sealed);
            }
            // The disk is slower than this loop: nothing was sealed.
            Err(Error::UsesNotWritten { .. }) => engine.write_uses(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// The engine on the data folder, and its key.
fn start(folder: &Path) -> (Arc<Engine>, KeyId) {
    let system_keys = system_keys(folder);
    let engine = Engine::start(EngineParts {
        storage: Arc::new(open(&folder.join("data"))),
        shred_table: shred_table(folder, &system_keys),
        system_keys,
        random: Arc::new(SystemRandom::new()),
        clock: Arc::new(SystemClock),
        cached_keys_max: 2,
        compute_threads: 1,
        audit: None,
    });
    let engine = engine.unwrap();
    let name: Name = "name".parse().unwrap();
    let store = store(&engine, "name");
    let id = engine.find_key(store, &name).unwrap().unwrap_or_else(|| {
        let new = NewKey::new(name, Algorithm::Aes256Gcm);
        engine.create_keys(store, vec![new]).unwrap()[0].id
    });
    (engine, id)
}

/// Takes results and keeps none.
struct Discarded;

impl ItemSink for Discarded {
    fn item(&mut self, size_max: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize, ItemError>) {
        fill(&mut vec![0; size_max]).unwrap();
    }
}

//! Creations that are made once, in processes that are killed between being begun, made and answered: whoever sends one again never makes it twice.

use std::collections::BTreeSet;
use std::path::Path;

use claviger_algorithm::Algorithm;
use claviger_engine::change::NewKey;
use claviger_engine::key::id::StoreId;
use claviger_engine::limits::LIST_PAGE_SIZE_MAX;
use claviger_engine::list::KeyFilter;
use claviger_engine::once::{Once, OnceError};
use claviger_engine::{Engine, Error};

use crate::audit::start;
use crate::child::{Line, Writer};
use crate::failed_write::Fault;
use crate::place::Random;
use crate::work::Acknowledged;

/// Cycles of starting, creating and killing, all on one folder.
const CYCLES: u64 = 10;

const SEED: u64 = 0x6f6e_6365_0000_0001;

const CALLER: [u8; 32] = [1; 32];

/// More than all cycles begin.
const NUMBERS_MAX: u64 = 2_000;

// R-O1
#[test]
fn what_was_begun_before_a_kill_is_never_made_twice() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path();
    drop(start(folder, &folder.join("audit"), 0));
    let mut random = Random(SEED);
    for cycle in 0..CYCLES {
        let context = format!("cycle {cycle} of seed {SEED:#x}");
        let lines_before_kill = 1 + random.below(30);
        let mut child = Writer::start("creates_once_until_killed", folder, Fault::None);
        for _ in 0..lines_before_kill {
            assert!(matches!(child.next(), Some(Line::Said(_))), "{context}");
        }
        child.kill();
        drop(child.rest(&mut Acknowledged::new()));
        assert!(!child.succeeded());
        check(folder, &context);
    }
}

/// Whatever is there was begun, and is not made again; whatever was answered is there.
fn check(folder: &Path, context: &str) {
    let (engine, store) = start(folder, &folder.join("audit"), 0);
    let made = names(&engine, store);
    let mut number = 0;
    loop {
        let name = name(number);
        match engine.begin_once(CALLER, &name, hash(number)) {
            Ok(Once::First(first)) => {
                assert!(!made.contains(&name), "{context}: {name} would be made twice");
                engine.forget_once(first).unwrap();
                break;
            }
            Ok(Once::Answered(answer)) => {
                assert_eq!(answer.expose(), name.as_bytes(), "{context}");
                assert!(made.contains(&name), "{context}: {name} was answered and is not there");
            }
            Err(Error::Once(OnceError::Unknown)) => {}
            Err(error) => panic!("{context}: {name}: {error}"),
        }
        number += 1;
    }
    assert!(made.iter().all(|made| (0..number).any(|number| name(number) == *made)), "{context}: {made:?}");
}

/// What the child does: creates keys, each once, and tells of each step.
pub(crate) fn create_once_until_killed(folder: &Path, tell: impl Fn(&str)) {
    let (engine, store) = start(folder, &folder.join("audit"), 0);
    for number in 0..NUMBERS_MAX {
        let name = name(number);
        let first = match engine.begin_once(CALLER, &name, hash(number)) {
            Ok(Once::First(first)) => first,
            Ok(Once::Answered(_)) | Err(Error::Once(OnceError::Unknown)) => continue,
            Err(error) => panic!("{name}: {error}"),
        };
        tell("begun");
        let new = NewKey::new(name.parse().unwrap(), Algorithm::Xaes256Gcm);
        engine.create_keys(store, vec![new]).unwrap();
        tell("made");
        engine.note_answer(&first, Some(name.as_bytes())).unwrap();
        tell("answered");
    }
}

fn names(engine: &Engine, store: StoreId) -> BTreeSet<String> {
    let page = engine.list_keys(store, &KeyFilter::default(), None, LIST_PAGE_SIZE_MAX).unwrap();
    page.keys.into_iter().map(|key| key.name.to_string()).collect()
}

fn name(number: u64) -> String {
    format!("key-{number}")
}

fn hash(number: u64) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    hash
}

//! What was acknowledged of each key, in words that parent and child share.

use std::collections::BTreeMap;
use std::fmt;

use claviger_engine::KeyRecord;
use claviger_engine::key::state::{KeyState, VersionState};

/// All keys that there ever were, by name. The part of the name before its number says which kind a key is of.
pub(super) type Keys = BTreeMap<String, Expected>;

/// Keys whose name begins so are secrets, and the others encrypt: some with an algorithm that limits how often.
pub(super) const SECRET: &str = "secret";
pub(super) const COUNTED: &str = "counted";
pub(super) const PLAIN: &str = "plain";

/// Versions of a secret that are kept.
const VALUES_KEPT: usize = 10;

/// What is known of a key.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    pub(super) life: Life,
    /// Uses of the current version, as the child was told that they are counted: at least so many.
    pub(super) used: u64,
}

/// State and versions of a key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Life {
    /// None before it is created.
    pub(super) state: Option<KeyState>,
    /// Each version that is told of, and whether it is destroyed. None of a deleted key.
    pub(super) versions: BTreeMap<u32, bool>,
}

/// A change of a key, or something else that a child does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verb {
    Create,
    /// A new version; of a secret, with the value that [`value`] says.
    Rotate,
    /// The version of this number.
    Destroy,
    Disable,
    Enable,
    Request,
    Cancel,
    Delete,
    /// So many uses are counted now.
    Use,
    /// A day passes, and what is due is done.
    Day,
    /// What the clock has deleted, in the middle of a day.
    Expire,
    /// The backup of this name was made.
    BackUp,
    /// The journal before the backup of this name goes.
    Prune,
}

/// A verb, what it is done to, and a number if the verb asks for one.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) verb: Verb,
    pub(super) name: String,
    pub(super) number: u64,
}

impl Verb {
    const ALL: [Self; 13] = [
        Self::Create,
        Self::Rotate,
        Self::Destroy,
        Self::Disable,
        Self::Enable,
        Self::Request,
        Self::Cancel,
        Self::Delete,
        Self::Use,
        Self::Day,
        Self::Expire,
        Self::BackUp,
        Self::Prune,
    ];
}

impl Step {
    pub(super) fn new(verb: Verb, name: &str, number: u64) -> Self {
        Self { verb, name: name.to_owned(), number }
    }

    pub(super) fn parse(words: &[&str]) -> Self {
        let [verb, name, number] = words else { panic!("{words:?}") };
        let verb = Verb::ALL.into_iter().find(|known| format!("{known:?}") == *verb).unwrap();
        Self::new(verb, name, number.parse().unwrap())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} {} {}", self.verb, self.name, self.number)
    }
}

impl Life {
    pub(super) fn of(record: &KeyRecord) -> Self {
        let is_destroyed = |state| state == VersionState::Destroyed;
        let versions = record.versions.iter().map(|summary| (summary.version.get(), is_destroyed(summary.state)));
        let is_deleted = record.state == KeyState::Deleted;
        Self { state: Some(record.state), versions: versions.filter(|_| !is_deleted).collect() }
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.state == Some(KeyState::Deleted)
    }

    /// Whether it is of a secret whose first value is not kept any more.
    pub(super) fn has_lost_value(&self) -> bool {
        self.versions.first_key_value().is_some_and(|(version, _)| *version > 1)
    }

    /// The newest version; 0 if there is none.
    pub(super) fn current(&self) -> u32 {
        self.versions.last_key_value().map_or(0, |(version, _)| *version)
    }
}

/// Does a step to the model.
pub(super) fn apply(keys: &mut Keys, step: &Step) {
    if matches!(step.verb, Verb::Day | Verb::BackUp | Verb::Prune) {
        return;
    }
    let Expected { life, used } = keys.entry(step.name.clone()).or_default();
    match step.verb {
        Verb::Create => *life = Life { state: Some(KeyState::Available), versions: [(1, false)].into() },
        Verb::Rotate => {
            life.versions.insert(life.current() + 1, false);
            *used = 0;
            if step.name.starts_with(SECRET) && life.versions.len() > VALUES_KEPT {
                life.versions.pop_first();
            }
        }
        Verb::Destroy => drop(life.versions.insert(u32::try_from(step.number).unwrap(), true)),
        Verb::Disable | Verb::Cancel => life.state = Some(KeyState::Disabled),
        Verb::Enable => life.state = Some(KeyState::Available),
        Verb::Request => life.state = Some(KeyState::DeletionRequested),
        Verb::Delete | Verb::Expire => {
            *life = Life { state: Some(KeyState::Deleted), versions: BTreeMap::new() };
            *used = 0;
        }
        Verb::Use => *used = step.number,
        Verb::Day | Verb::BackUp | Verb::Prune => {}
    }
}

/// What a version of a key encrypts, and the value of that version of a secret.
pub(super) fn value(key: &str, version: u32) -> Vec<u8> {
    format!("version {version} of {key}").into_bytes()
}

//! What can happen to an alias.

use std::fmt;

use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::key::name::Name;
use claviger_engine::{Engine, Error, KeyRecord};

/// What is to happen to an alias. Shown, it goes on after the alias.
pub enum AliasChange {
    /// A key is given one more name.
    Create {
        /// The key.
        key: KeyId,
    },
    /// It stands for another key.
    Move {
        /// The key that it stands for from then on.
        key: KeyId,
        /// The key that it has to stand for before, where who asks does not reach every key.
        of: Option<KeyId>,
    },
    /// It stands for nothing any more.
    Delete {
        /// The key that it has to stand for before, where who asks does not reach every key.
        of: Option<KeyId>,
    },
}

impl AliasChange {
    /// The key that it stands for from then on.
    pub(super) const fn key(&self) -> Option<KeyId> {
        match self {
            Self::Create { key } | Self::Move { key, .. } => Some(*key),
            Self::Delete { of } => *of,
        }
    }

    /// Makes the change; gives the key that the alias stands for, or stood for.
    pub(super) fn apply(self, engine: &Engine, store: StoreId, alias: &Name) -> Result<KeyRecord, Error> {
        match self {
            Self::Create { key } => engine.create_alias(store, alias, key),
            Self::Move { key, of } => engine.move_alias(of, store, alias, key),
            Self::Delete { of } => engine.delete_alias(of, store, alias),
        }
    }
}

impl fmt::Display for AliasChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { key } => write!(f, "created for key {key}"),
            Self::Move { key, .. } => write!(f, "moved to key {key}"),
            Self::Delete { .. } => f.write_str("deleted"),
        }
    }
}

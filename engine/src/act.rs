//! On whose behalf something is changed.

use std::sync::Arc;

use crate::key::id::{KeyId, StoreId};
use crate::storage::Compare;

/// Who changes something, and what, in words. It goes along with the change, down to the transaction that makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Who: a person as he is called and told apart, or the part of the engine that does it by itself.
    pub actor: String,
    /// What is done, by the name of the route or of the part of the engine.
    pub operation: &'static str,
    /// The change in words, without secrets.
    pub shown: String,
    /// The request that asked for it; empty if none did.
    pub trace_id: String,
    /// The key store that it is about, if it is about one; what its writes say counts first.
    pub store: Option<StoreId>,
    /// Keys that it is about, beside those that it writes.
    pub keys: Vec<KeyId>,
    /// What must still be so when it is made, beside what the change itself builds on: that nobody has changed what the actor may do.
    pub guards: Vec<Compare>,
    /// The revision of the key, key store, person, alias or row of authentication data that is changed, as the actor has seen it; `None` if he does not mind.
    pub expected: Option<String>,
}

impl Act {
    /// What somebody does, of which nothing else is told yet.
    #[must_use]
    pub const fn new(actor: String, operation: &'static str) -> Self {
        Self {
            actor,
            operation,
            shown: String::new(),
            trace_id: String::new(),
            store: None,
            keys: Vec::new(),
            guards: Vec::new(),
            expected: None,
        }
    }

    /// What the engine does by itself: `operation` says which part of it.
    pub(crate) fn of_engine(operation: &'static str) -> Arc<Self> {
        Self::of_engine_because(operation, "")
    }

    /// The same, with what it does and why, in words.
    pub(crate) fn of_engine_because(operation: &'static str, shown: &str) -> Arc<Self> {
        Arc::new(Self { shown: shown.to_owned(), ..Self::new("engine".to_owned(), operation) })
    }
}

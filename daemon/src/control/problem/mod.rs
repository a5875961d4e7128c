//! Refusals, in the form of RFC 9457. Each says what is wrong and what to do next.

mod kind;
mod of_error;

use claviger_control::message;
use claviger_engine::key::id::StoreId;

pub use kind::Kind;

/// Why a request is refused.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    is_refusal: bool,
    is_made: bool,
    store: Option<StoreId>,
}

impl Problem {
    /// A problem with what a person should know of it.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), is_refusal: kind.is_refusal(), is_made: false, store: None }
    }

    /// A value that cannot be: of which field, and why.
    pub fn of_field(field: &str, what: impl std::fmt::Display) -> Self {
        Self::new(Kind::InvalidValue, format!("{field}: {what}"))
    }

    /// The same, which keeps somebody from something though its kind does not say so: he is answered as if it were not there, or what was approved is not done.
    #[must_use]
    pub fn refusing(mut self) -> Self {
        self.is_refusal = true;
        self
    }

    /// The same, after the change was made all the same: it is not in the audit log yet.
    #[must_use]
    const fn of_made(mut self) -> Self {
        self.is_made = true;
        self
    }

    /// The same, of something in this key store, which the path does not name.
    #[must_use]
    pub const fn of_store(mut self, store: Option<StoreId>) -> Self {
        self.store = store;
        self
    }

    /// The key store that it is about, if the path does not name it.
    #[must_use]
    pub const fn store(&self) -> Option<StoreId> {
        self.store
    }

    /// Whether the audit log tells of it.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        self.is_refusal
    }

    /// Whether the change was made all the same.
    #[must_use]
    pub const fn is_made(&self) -> bool {
        self.is_made
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What a person should know of it.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// As it is answered to the request with this path and trace id.
    #[must_use]
    pub fn message(&self, path: &str, trace_id: &str) -> message::Problem {
        let (name, status, title) = self.kind.row();
        message::Problem {
            kind: format!("{PROBLEM_PREFIX}{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail.clone(),
            instance: path.to_owned(),
            trace_id: trace_id.to_owned(),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

/// What the names of all kinds begin with.
pub const PROBLEM_PREFIX: &str = "urn:claviger:problem:";

//! What can happen to who may come in to a key store.

use std::fmt;
use std::time::Duration;

use claviger_engine::access::{NewAccess, NewPermit};
use claviger_engine::key::id::{AccessRowId, KeyId, StoreId};
use claviger_engine::{AccessMethod, Engine};

use super::certificate;
use crate::control::access::stopped;
use crate::control::answer::Answer;
use crate::control::describe;
use crate::control::problem::Problem;

/// What is to happen to who may come in. Shown, it goes on after the name of the key store.
pub enum AccessChange {
    /// A row of authentication data is added.
    Add(NewAccess),
    /// What a row permits.
    Narrow {
        /// The row.
        row: AccessRowId,
        /// What it permits from then on.
        permit: NewPermit,
    },
    /// What is said of a row.
    Describe {
        /// The row.
        row: AccessRowId,
        /// What is said from then on.
        description: String,
    },
    /// When a row stops to let in.
    End {
        /// The row.
        row: AccessRowId,
        /// When, in milliseconds since 1970; never, if missing.
        ends_ms: Option<u64>,
    },
    /// A row lets nobody in any more.
    Disable {
        /// The row.
        row: AccessRowId,
    },
    /// A row lets in again.
    Enable {
        /// The row.
        row: AccessRowId,
    },
    /// A row is to be deleted after a wait.
    RequestDeletion {
        /// The row.
        row: AccessRowId,
        /// How long; unless said, what the key store says.
        wait: Option<Duration>,
    },
    /// A row whose deletion was requested is kept, and disabled.
    CancelDeletion {
        /// The row.
        row: AccessRowId,
    },
    /// A certificate is followed by another one.
    Renew {
        /// The row of the certificate.
        row: AccessRowId,
        /// How long the new one is valid.
        lifetime: Duration,
        /// For how long both let in.
        overlap: Duration,
        /// Signing request in PEM; without one, a key is made.
        signing_request: Option<String>,
    },
    /// Which methods are asked for.
    SetMethods {
        /// These too.
        add: Vec<AccessMethod>,
        /// These no longer.
        remove: Vec<AccessMethod>,
    },
    /// The key store lets nobody in any more.
    DisableStore,
    /// The key store lets in again.
    EnableStore,
}

impl AccessChange {
    /// The keys that it names.
    pub(super) fn keys(&self) -> Vec<KeyId> {
        match self {
            Self::Add(NewAccess { permit, .. }) | Self::Narrow { permit, .. } => {
                permit.keys.iter().flatten().copied().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether it changes nothing but records, and answers nothing that only who asked may see.
    pub(super) const fn is_of_records(&self) -> bool {
        !matches!(self, Self::Renew { .. } | Self::Disable { .. } | Self::DisableStore)
    }

    pub(super) fn apply(self, engine: &Engine, store: StoreId) -> Result<Answer, Problem> {
        let row = match self {
            Self::Add(new) => {
                let row = engine.add_access(store, new)?;
                let location = format!("/v1/stores/{store}/access/{}", row.id);
                return Answer::created(location, &describe::access_row(engine, &row, None));
            }
            Self::Renew { row, lifetime, overlap, signing_request } => {
                return certificate::renew(engine, store, row, lifetime, overlap, signing_request.as_deref());
            }
            Self::SetMethods { add, remove } => {
                let record = engine.change_access_methods(store, &add, &remove)?;
                return Answer::ok(&describe::store_of(engine, &record));
            }
            Self::DisableStore => return Answer::ok(&stopped(store.to_string(), &engine.stop_store(store)?)),
            Self::EnableStore => return Answer::ok(&describe::store_of(engine, &engine.enable_store(store)?)),
            Self::Disable { row } => return Answer::ok(&stopped(row.to_string(), &engine.stop_access(store, row)?)),
            Self::Narrow { row, permit } => engine.narrow_access(store, row, permit)?,
            Self::Describe { row, description } => engine.describe_access_as(store, row, description)?,
            Self::End { row, ends_ms } => engine.end_access_at(store, row, ends_ms)?,
            Self::Enable { row } => engine.enable_access(store, row)?,
            Self::RequestDeletion { row, wait } => engine.request_access_deletion(store, row, wait)?,
            Self::CancelDeletion { row } => engine.cancel_access_deletion(store, row)?,
        };
        let last_used_ms = engine.describe_access(store, row.id).ok().and_then(|(_, last_used_ms)| last_used_ms);
        Answer::ok(&describe::access_row(engine, &row, last_used_ms))
    }
}

impl fmt::Display for AccessChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(NewAccess { data, permit, ends_ms, .. }) => {
                write!(f, "lets in by {data}{}{}", Permitted(permit), Until(*ends_ms))
            }
            Self::Narrow { row, permit } => write!(f, "permits by {row} from now on{}", Permitted(permit)),
            Self::Describe { row, .. } => write!(f, "has authentication data {row} described anew"),
            Self::End { row, ends_ms } => write!(f, "lets in by {row}{}", Until(*ends_ms)),
            Self::Disable { row } => write!(f, "lets nobody in by {row}, which is disabled"),
            Self::Enable { row } => write!(f, "lets in by {row} again"),
            Self::RequestDeletion { row, wait: Some(wait) } => {
                write!(f, "has authentication data {row} deleted in {} hours", wait.as_secs() / (60 * 60))
            }
            Self::RequestDeletion { row, wait: None } => {
                write!(f, "has authentication data {row} deleted after its wait")
            }
            Self::CancelDeletion { row } => write!(f, "keeps authentication data {row}"),
            Self::Renew { row, lifetime, overlap, .. } => {
                let (days, hours) = (lifetime.as_secs() / (24 * 60 * 60), overlap.as_secs() / (60 * 60));
                write!(
                    f,
                    "has the certificate of {row} renewed, for {days} days, and the former one lets in for {hours} hours"
                )
            }
            Self::SetMethods { add, remove } => {
                f.write_str("set:")?;
                add.iter().try_for_each(|method| write!(f, " {method} asked for"))?;
                remove.iter().try_for_each(|method| write!(f, " {method} not asked for"))
            }
            Self::DisableStore => f.write_str("disabled: it lets nobody in"),
            Self::EnableStore => f.write_str("enabled"),
        }
    }
}

/// What is permitted, in words that go on after a row or a certificate: as many keys as they have room for.
pub(super) struct Permitted<'p>(pub(super) &'p NewPermit);

impl fmt::Display for Permitted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NewPermit { operations, keys } = self.0;
        match operations {
            Some(operations) => write!(f, ", operations {}", operations.names().collect::<Vec<_>>().join(" "))?,
            None => f.write_str(", all operations")?,
        }
        match keys {
            Some(keys) => {
                let noun = if keys.len() == 1 { "key" } else { "keys" };
                write!(f, ", {} {noun}:", keys.len())?;
                keys.iter().take(SHOWN_KEYS).try_for_each(|key| write!(f, " {key}"))?;
                if keys.len() > SHOWN_KEYS { f.write_str(" and more") } else { Ok(()) }
            }
            None => f.write_str(", all keys"),
        }
    }
}

/// Until when, in words that go on after a row.
struct Until(Option<u64>);

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |ends_ms| write!(f, ", until {}", describe::time(ends_ms)))
    }
}

/// Ids of keys in one line of the log, and of what is asked for.
const SHOWN_KEYS: usize = 20;

//! What can happen to the daemon as a whole in an emergency.

use std::fmt;

use claviger_control::message::LockedNow;
use claviger_engine::Engine;

use crate::control::answer::Answer;
use crate::control::emergency::{describe_lock, describe_stops, durability};
use crate::control::problem::Problem;

/// What is to happen to the daemon as a whole.
pub enum EmergencyChange {
    /// No key is used any more.
    Lock {
        /// Why.
        reason: String,
    },
    /// Keys are used again.
    Unlock,
}

impl EmergencyChange {
    /// Whether it changes nothing but records: locking changes memory first.
    pub(super) const fn is_of_records(&self) -> bool {
        matches!(self, Self::Unlock)
    }

    pub(super) fn apply(self, engine: &Engine) -> Result<Answer, Problem> {
        match self {
            Self::Lock { reason } => {
                let now = engine.lock(&reason)?;
                let (durable, detail) = durability(&now.stopped);
                let keys_left = u64::try_from(now.keys_left).unwrap_or(u64::MAX);
                Answer::ok(&LockedNow { locked: describe_lock(now.locked), durable, detail, keys_left })
            }
            Self::Unlock => {
                engine.unlock()?;
                Answer::ok(&describe_stops(engine))
            }
        }
    }
}

impl fmt::Display for EmergencyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock { reason } if reason.is_empty() => f.write_str("the daemon locked"),
            Self::Lock { reason } => write!(f, "the daemon locked: {reason:?}"),
            Self::Unlock => f.write_str("the daemon unlocked"),
        }
    }
}

//! What can happen to backups and the journal.

use std::fmt;

use claviger_control::message::PrunedJournal;
use claviger_engine::backup::Backups;
use claviger_engine::{Engine, Error};

use crate::control::answer::Answer;
use crate::control::backups::describe_named;
use crate::control::problem::Problem;

/// What is to happen to backups and the journal.
pub enum BackupChange {
    /// A full backup is made.
    Create,
    /// A backup is verified.
    Verify {
        /// Its name.
        name: String,
    },
    /// The journal loses what a verified backup makes superfluous.
    Prune {
        /// The name of the backup.
        name: String,
    },
}

impl BackupChange {
    /// Makes the change, or begins to.
    pub(super) fn apply(self, engine: &Engine, backups: &Backups) -> Result<Answer, Problem> {
        match self {
            Self::Create => {
                let name = backups.create()?;
                Answer::created(format!("/v1/backups/{name}"), &describe_named(backups, &name)?)
            }
            Self::Verify { name } => {
                // It unwraps every key.
                if engine.is_locked() {
                    return Err(Error::Locked.into());
                }
                backups.verify(&name)?;
                Answer::ok(&describe_named(backups, &name)?)
            }
            Self::Prune { name } => {
                let removed = backups.prune(&name)?;
                Answer::ok(&PrunedJournal { backup: name, removed })
            }
        }
    }
}

impl fmt::Display for BackupChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create => f.write_str("a full backup begun"),
            Self::Verify { name } => write!(f, "verification of {name} begun"),
            Self::Prune { name } => write!(f, "journal pruned to what {name} needs"),
        }
    }
}

//! What can happen to the root key and the system keys.

use std::fmt;

use claviger_engine::{Engine, Error};

use crate::control::answer::Answer;
use crate::control::problem::Problem;
use crate::control::system_keys::{describe_root_key, describe_system_keys};
use crate::installation::Installation;

/// What is to happen to the root key or the system keys.
pub enum KeyTreeChange {
    /// A new root key wraps the system keys, and the one before is destroyed.
    RotateRootKey,
    /// A new system key protects all records.
    RotateSystemKey,
    /// An old system key is destroyed.
    DestroySystemKey {
        /// Its version.
        version: u32,
    },
}

impl KeyTreeChange {
    pub(super) fn apply(self, engine: &Engine, installation: &Installation) -> Result<Answer, Problem> {
        let Installation { tree, backups, .. } = installation;
        match self {
            Self::RotateRootKey => {
                tree.rotate_root_key(engine.random()).map_err(Error::from)?;
                return Answer::ok(&describe_root_key(installation)?);
            }
            Self::RotateSystemKey => drop(engine.rotate_system_key(tree, Some(backups))?),
            Self::DestroySystemKey { version } => engine.destroy_system_key(tree, version, Some(backups))?,
        }
        Answer::ok(&describe_system_keys(installation))
    }
}

impl fmt::Display for KeyTreeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RotateRootKey => f.write_str("the root key rotated"),
            Self::RotateSystemKey => f.write_str("the system key rotated"),
            Self::DestroySystemKey { version } => write!(f, "version {version} of the system key destroyed"),
        }
    }
}

//! The key tree above the records: root key custody -> system keys -> the keys derived from each.
//!
//! Root key, system keys and data live in three places; this module reads the first two, `record` the third.
//!
//! `root_key` who wraps the system keys · `system_keys` the wrapped system keys in their file, and what is derived from them · `file` small files,
//! written whole or not at all.

mod file;
pub mod root_key;
pub mod system_keys;

use std::io;
use std::path::{Path, PathBuf};

pub use root_key::{CustodyClass, DevelopmentRootKey, RootKeyCustody};
pub use system_keys::{SystemKeyFile, SystemKeys};

use crate::crypto::random::EntropyError;

/// Why the key tree cannot be read or made. Each message names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum HierarchyError {
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file is there that must not be overwritten.
    #[error("{0} exists already: it is not overwritten, because what it protects would be lost")]
    Exists(PathBuf),
    /// A file is not what this program writes.
    #[error("{path} is damaged ({what}): restore it from your copy")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A file was written by a newer version of this program.
    #[error("{0} was written by a newer version of Claviger: start that version")]
    NewerFormat(PathBuf),
    /// Others than the owner can read a file that holds a key.
    #[error("{0} can be read by others: run `chmod 600` on it")]
    Permissions(PathBuf),
    /// The root key does not unwrap a system key.
    #[error(
        "this root key does not belong to these system keys, or they were altered: give the root key and the system-key file of the same installation"
    )]
    WrongRootKey,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Entropy(#[from] EntropyError),
}

impl HierarchyError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| match error.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists(path),
            _ => Self::File { path, error },
        }
    }
}

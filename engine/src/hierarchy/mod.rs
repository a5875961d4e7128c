//! The key tree above the records: root key custody -> system keys -> the keys derived from each.
//!
//! Root key, system keys and data live in three places; this module reads the first two, `record` the third.
//!
//! `root_key` who wraps the system keys, `development_root_key` the one kind of it that is a file · `system_key_file` the wrapped system keys,
//! `system_keys` what is derived from them · `tree` both together, and how they are replaced · `file` small files, written whole or not at all.

mod development_root_key;
mod file;
mod root_key;
mod system_key_file;
mod system_keys;
#[cfg(test)]
mod tests;
mod tree;

use std::io;
use std::path::{Path, PathBuf};

pub use development_root_key::DevelopmentRootKey;
pub use root_key::{CustodyClass, RootKeyCustody};
pub use system_key_file::SystemKeyFile;
pub use system_keys::SystemKeys;
pub use tree::{KeyTree, RootKeyStatus};

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
    /// The root key has no such version.
    #[error("version {0} of the root key is missing: give the root key and the system-key file of the same time")]
    RootKeyMissing(u32),
    /// The newest version of the root key is in use.
    #[error("version {0} of the root key is the one in use: it is not destroyed")]
    RootKeyInUse(u32),
    /// The system-key file lacks a version that this process uses.
    #[error(
        "version {0} of the system key is in use, and missing from the system-key file: put the file back that was there at the start"
    )]
    SystemKeyNotInFile(u32),
    /// The system-key file is full.
    #[error("the system-key file has no room for another version: destroy old ones that are not used any more")]
    TooManySystemKeys,
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

/// A version number, as it is written: from 1 up, without sign or leading zeros.
fn number(digits: &str) -> Option<u32> {
    digits.parse().ok().filter(|number: &u32| *number > 0 && number.to_string() == digits)
}

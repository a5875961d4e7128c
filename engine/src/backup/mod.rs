//! Backups: the journal, which has every change before it is made; full backups, made while the daemon works; restores of both, and the proof of one.
//!
//! [`journal`] what is written before each change · `create` a full backup · `restore` (with `replay`) both into an empty data folder · `inspect` the proof ·
//! `catalogue` which backups there are · `work` what a daemon does of it, on a thread of its own · `chain`, `header`, `changes` the files, byte by byte · `seal` their keys, `system_key` what
//! becomes of them when the system key is rotated.
//!
//! All files are sealed with keys from the system key. They hold what the data folder holds, wrapped as it is there: never the root key, a system key or a
//! shred secret.

mod bury;
mod catalogue;
mod chain;
mod changes;
mod create;
mod error;
mod file;
mod header;
mod inspect;
pub mod journal;
mod progress;
mod replay;
mod restore;
mod seal;
mod spend;
mod system_key;
mod work;

pub use catalogue::{BackupFile, Verified};
pub use error::BackupError;
pub use inspect::Inventory;
pub use journal::{Journal, JournalOptions};
pub use progress::Progress;
pub use restore::{Restore, Restored};
pub(crate) use seal::Seal;
pub use seal::Sealing;
pub use work::{BackupParts, Backups, Kind, Outcome, Work};

#[cfg(test)]
mod tests;

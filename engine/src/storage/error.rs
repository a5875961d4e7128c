//! What can go wrong in a storage, grouped by who can act; each message names the place and the remedy.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Address, WriteAheadError};

/// Why a storage did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    // The operator can act.
    /// The folder was written by a newer program.
    #[error(
        "data folder {path} has format {found}, and this program knows formats up to {supported}: \
         run the newer program that wrote it, or restore a backup made before the update"
    )]
    NewerFormat {
        /// The data folder.
        path: PathBuf,
        /// Format version of the folder.
        found: u32,
        /// Newest format version that this program reads.
        supported: u32,
    },
    /// The folder was written by a program from before the first release.
    #[error(
        "data folder {path} has format {found}, which was never released, and this program reads format {supported}: \
         make a new data folder, or run the program that wrote this one"
    )]
    OlderFormat {
        /// The data folder.
        path: PathBuf,
        /// Format version of the folder.
        found: u32,
        /// Format version that this program reads.
        supported: u32,
    },
    /// Another process has the folder.
    #[error(
        "data folder {path} is in use: another clavigerd has it; stop that one, or give this one a folder of its own"
    )]
    InUse {
        /// The data folder.
        path: PathBuf,
    },
    /// The system does not let this process at the folder.
    #[error(
        "no permission for data folder {path} ({source}): run clavigerd as the owner of the folder, or change its owner"
    )]
    Permission {
        /// The data folder.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Changes are refused beforehand, so that the disk does not fill up in the middle of one. Reads go on.
    #[error(
        "only {} MiB are free on the disk of data folder {path}, below the floor of {} MiB: \
         nothing was changed; free some space and ask again",
        .free >> 20,
        .floor >> 20
    )]
    FreeSpaceFloor {
        /// The data folder.
        path: PathBuf,
        /// Bytes free for this process.
        free: u64,
        /// Bytes that must be free before a change is taken.
        floor: u64,
    },
    /// What can wait is not written, so that changes find room. Changes and reads go on.
    #[error(
        "only {} MiB are free on the disk of data folder {path}, and what can wait is not written below {} MiB: \
         free some space; it goes on by itself",
        .free >> 20,
        .needed >> 20
    )]
    SpareSpace {
        /// The data folder.
        path: PathBuf,
        /// Bytes free for this process.
        free: u64,
        /// Bytes that must be free: twice what changes need.
        needed: u64,
    },
    /// The data have reached the largest size that the storage takes. Reads go on.
    #[error(
        "data folder {path} has reached its size limit of {limit} bytes: nothing was changed; delete what is not needed"
    )]
    SizeLimit {
        /// The data folder.
        path: PathBuf,
        /// The limit in bytes.
        limit: usize,
    },
    /// A write or sync failed. It is never retried: what a failed sync has really written cannot be known. Reads go on.
    #[error(
        "changes to data folder {path} have ended because a write failed ({source}): \
         check the disk and its free space, then restart clavigerd"
    )]
    WritesEnded {
        /// The data folder.
        path: PathBuf,
        /// The failure that ended them.
        source: Arc<io::Error>,
    },
    /// What is written before each change could not be. Nothing was changed, reads go on, and changes go on as soon as it can be written.
    #[error(transparent)]
    WriteAhead(WriteAheadError),
    /// A restore into the folder has not come to its end.
    #[error(
        "a restore into data folder {path} has not come to its end: run `clavigerd restore` again, which begins anew"
    )]
    RestoreUnfinished {
        /// The data folder.
        path: PathBuf,
    },
    /// What is stored is not what this program writes.
    #[error("data folder {path} is damaged ({what}): restore it from a backup")]
    Damaged {
        /// The data folder.
        path: PathBuf,
        /// What was found.
        what: &'static str,
    },
    /// Any other refusal of the operating system.
    #[error("cannot {action} data folder {path} ({source}): check that the folder and its disk are there and usable")]
    System {
        /// The data folder.
        path: PathBuf,
        /// What was tried, as a verb.
        action: &'static str,
        /// What the system said.
        source: Arc<io::Error>,
    },

    // The calling code can act.
    /// This process has the folder open already.
    #[error("data folder {path} is open in this process already: use the storage that is open, or close it first")]
    AlreadyOpen {
        /// The data folder.
        path: PathBuf,
    },
    /// The key of an address is empty or too long.
    #[error("an address has a key of {size} bytes: keys have 1 to {max} bytes")]
    AddressSize {
        /// Its length in bytes.
        size: usize,
        /// The most a key may have.
        max: usize,
    },
    /// A value is too large.
    #[error("the value for {address} has {size} bytes: a value has at most {max}")]
    ValueTooLarge {
        /// Where it was to stand.
        address: Address,
        /// Its length in bytes.
        size: usize,
        /// The most a value may have.
        max: usize,
    },
    /// A transaction has too many compares and writes.
    #[error("a transaction has {count} compares and writes: at most {max}; split it")]
    TooManyOperations {
        /// How many it has.
        count: usize,
        /// The most it may have.
        max: usize,
    },
    /// The keys and values of a transaction are too large together.
    #[error("a transaction writes {size} bytes: at most {max}; split it")]
    TransactionTooLarge {
        /// Sum of its keys and values in bytes.
        size: usize,
        /// The most it may have.
        max: usize,
    },
    /// A transaction writes one address twice, which would make its outcome depend on an order.
    #[error("a transaction writes {address} twice: write each address once")]
    RepeatedAddress {
        /// The repeated address.
        address: Address,
    },
}

/// Why a transaction was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransactError {
    /// A compare did not hold: somebody else was faster. Read again, and decide again.
    #[error("{address} has been changed in the meantime: read it again and repeat the change if it still applies")]
    Conflict {
        /// The address of the first compare that did not hold.
        address: Address,
    },
    /// The storage could not do it.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

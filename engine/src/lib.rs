//! The engine of Claviger: keys, cryptography, cache and storage, without network and without a runtime.
//!
//! Start at [`engine`] (what an engine is made of), then [`worker`] (how a frame finds a key), [`operation`] (what is done with it) and
//! [`change`] (how keys come and change). Time and randomness come in as arguments.

#![forbid(unsafe_code)]

pub mod access;
mod act;
pub mod approval;
pub mod audit;
pub mod backup;
mod cache;
pub mod change;
pub mod ciphertext;
pub mod clock;
pub mod crypto;
mod deletion;
mod destruction;
pub mod emergency;
pub mod engine;
pub mod epoch;
pub mod error;
mod fair_queue;
mod files;
mod fill;
mod follow;
#[cfg(test)]
mod for_tests;
pub mod fuzzing;
pub mod hierarchy;
pub mod histogram;
pub mod key;
pub mod lane;
mod ledger;
pub mod limits;
pub mod list;
pub mod names;
pub mod once;
pub mod operation;
pub mod person;
pub mod read;
mod record;
mod renewal;
mod reservation;
mod schedule;
pub mod shred;
mod source;
pub mod storage;
pub mod transfer;
mod unreadable;
mod usage;
mod waiters;
pub mod worker;

pub use act::Act;
pub use cache::{CacheActivity, KeyEntry, LoadError, StorePolicy, StoreSlot};
pub use engine::{Engine, EngineParts};
pub use error::{Error, ItemError};
pub use operation::{ItemSink, ReadScope};
pub use record::usage::{ClientUsage, KeyUsage, OthersUsage, VersionUsage};
pub use record::{
    About, AccessData, AccessMethod, AccessMethods, AccessRow, Deleted, Deletion, Destroyed, HardwareAddress,
    InvalidAbout, InvalidAccessData, IssuedCertificate, KeyRecord, KeyStoreRecord, Network, Origin, Permit,
    PermittedOperations, PersonCertificate, PersonRecord, Quota, Quotas, Rotation, RotationByUse, StoreState,
    VersionSummary,
};
pub use renewal::{RenewalStatus, SystemKeyState, SystemKeyStatus};
pub use usage::Client;
pub use waiters::KeyWait;
pub use worker::Worker;

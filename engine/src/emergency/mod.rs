//! Emergency stops: a client, a key store, or everybody is kept out at once, even when nothing can be written.
//!
//! First a stop is in force in memory, on every connection, then it is written. What could not be written stays in force until the process ends, and is written as soon as
//! that can be done.
//!
//! `access` a key store or a row of authentication data is disabled · `lock` no key is used at all · `stops` what is stopped in memory alone · `writing` how that is written, and how it ends.

mod access;
mod lock;
mod stops;
mod writing;

pub(crate) use lock::{Lock, LockRecord, begin};
pub use lock::{Locked, LockedNow};
pub(crate) use stops::Stops;
pub use stops::{Stopped, UnwrittenStop};

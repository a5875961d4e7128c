//! The audit log: who did what, in files that show whether they were altered.
//!
//! Each record is one line of JSON. It names the SHA-256 of the line before it and carries an HMAC under the audit key, which is derived from the system key;
//! checkpoints among them are signed by the installation key, whose public half is told to auditors; and where the log ends is remembered in a file that is kept apart. So a line
//! that was altered, removed or moved is found, and so is a log that was computed anew, or cut at its end. `docs/AUDIT.md` has every byte.
//!
//! `event` what is told · `line` how it stands in a file · `signer` the installation key · `folder` the files · `head` where the log ends · `reader` their lines · `log` appending · `tail` where it had ended, and what a crash left
//! · `outbox` what changes have to tell · `recorder` the thread that writes · `counts` what is counted within a minute · `requests` each request, of stores that want that · `auditor` what the engine holds of it · `engine` what it is asked for · `list` reading it · `verify` whether all of it is as it was written · `error`.

mod auditor;
mod counts;
mod engine;
mod error;
mod event;
mod folder;
mod head;
pub(crate) mod line;
mod list;
mod log;
pub(crate) mod outbox;
mod reader;
mod recorder;
mod requests;
mod signer;
mod tail;
#[cfg(test)]
mod tests;
mod verify;

pub use auditor::AuditStatus;
pub(crate) use auditor::{AuditFeed, Auditor};
pub(crate) use counts::Counts;
pub use counts::Refused;
pub use error::AuditError;
pub use event::{Event, EventKind, Use};
pub use list::{AuditFilter, AuditPage, AuditRecord};
pub use log::AuditOptions;
pub use requests::{RequestQueue, RequestRecord};
pub use signer::InstallationPublicKey;
pub use verify::{Finding, Report, Verification};

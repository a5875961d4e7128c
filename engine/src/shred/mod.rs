//! Shred secrets: one for each key, without which nothing that was ever stored of the key can be unwrapped.
//!
//! Storage keeps what it is told to delete: in free pages, in snapshots, in backups. So the key that wraps a key's material is derived from a secret as well that stands
//! elsewhere, in a table that has a present and no past: two mirrors at least, in files of their own, in no backup. To destroy a key is to overwrite its slot on each of them.
//! Whoever loses all mirrors has lost all keys.
//!
//! `slot` one secret as bytes · `disk` files, behind a trait that tests fail · `mirror` one file of the table · `space` which slots are free · `merge` how mirrors are brought
//! to one state · `table` the table over its mirrors, `lookup` one secret of it, `together` which of them take part, `reserved` what they lack · `class` what a destruction is worth.
//!
//! ```text
//! file    header [64] | slot 1 [64] | slot 2 [64] | ...
//! header  "claviger shred  " [16] | format u32 | installation [16] | zero [12] | checksum [16]
//! slot    sequence u64 | key id [16] | secret [32] | checksum [8]
//! free    sequence u64 | SHA-256 over label, installation and id of the key it held last [16] | zero [32] | checksum [8]
//! ```
//!
//! Integers are big-endian; a checksum is the beginning of a SHA-256 over a label, the installation, the number of the slot, and what is before it. A free slot has zeros for a
//! secret, and a checksum all the same: zeros that a disk makes up are no destruction. Each writing of a slot has a higher sequence number than all before, and where two mirrors
//! differ the higher one is what was meant: so a mirror that was away catches up, slot by slot, with what was written and what was destroyed meanwhile. While one is away none is written,
//! so that it can have missed nothing but destructions of what it holds: whatever else would overwrite a secret comes from mirrors that were used apart, and is refused.

mod class;
mod disk;
mod error;
mod lookup;
mod merge;
mod mirror;
mod reserved;
mod slot;
mod space;
mod table;
#[cfg(test)]
mod tests;
mod together;

pub use class::ShredClass;
pub use error::{MirrorError, ShredError};
pub use slot::{ShredSecret, Slot};
pub use table::{MirrorStatus, ShredTable};

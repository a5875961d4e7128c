//! Storage under real failures, in real processes: killed in the middle of writes, on a full disk, with a disk whose
//! writes or syncs fail. Whatever happens, nothing acknowledged is lost, no transaction is torn, and reads go on.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may be blunt"
)]

mod audit;
mod backup;
mod child;
#[allow(dead_code, reason = "shared with the tests of the data port")]
mod disk;
mod failed_write;
mod full_disk;
mod kill;
mod once;
mod place;
mod shred;
#[allow(dead_code, reason = "shared with the tests of the public interface")]
mod support;
mod system_key;
mod uses;
mod work;

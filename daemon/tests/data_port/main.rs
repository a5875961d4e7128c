//! The data port as a client meets it: real sockets, real certificates, a real engine, on TLS over TCP and on QUIC.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may be blunt"
)]

#[macro_use]
mod support;

#[allow(dead_code, reason = "the reader of the vectors is shared with the codec's tests, which use all of it")]
#[path = "../../../protocol/tests/vector/mod.rs"]
mod vector;

#[allow(dead_code, reason = "shared with the tests of the process")]
#[path = "../process/support.rs"]
mod process;

#[allow(dead_code, reason = "shared with the tests of crashes")]
#[path = "../../../engine/tests/crash/disk.rs"]
mod disk;

mod access;
mod admission;
mod aliases;
mod batches;
mod busy_poll;
mod changes;
mod cold_keys;
mod cut;
mod due;
mod endings;
mod fairness;
mod framing;
mod full_disks;
mod garbage;
mod handshake;
mod hosts;
mod least_privilege;
mod lock;
mod memory;
mod operations;
mod order;
mod quotas;
mod recorded;
mod thousand_changes;
mod vectors;
mod waiting;

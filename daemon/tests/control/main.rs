//! The control port as a client sees it: most through the router without a socket, the rest over real mutual TLS.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may be blunt: a panic is the report"
)]

#[allow(dead_code, reason = "shared with the tests of crashes")]
#[path = "../../../engine/tests/crash/disk.rs"]
mod disk;

mod about;
mod access;
mod approvals;
mod audit;
mod backups;
mod certificates;
mod description;
mod emergency;
mod full_audit_disk;
mod key_life;
mod keys;
mod once;
mod persons;
mod reached_lists;
mod refusals;
mod revisions;
mod roles;
mod routes;
mod shred_table;
mod stores;
mod support;
mod system_key_restore;
mod system_keys;
mod tls;
mod transfer;
mod usage;

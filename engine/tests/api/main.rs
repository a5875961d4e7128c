//! The engine through its public interface: what it promises of keys, on storage in memory and on LMDB.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may be blunt"
)]

#[macro_use]
mod support;

#[allow(dead_code, reason = "shared with the tests of ciphertexts")]
#[path = "../independent/mod.rs"]
mod independent;

mod about;
mod access;
mod aliases;
mod approval_secrets;
mod approvals;
mod approved_access;
mod approved_unlogged;
mod asymmetric;
mod audit;
mod backup;
mod cache;
mod change_under_load;
mod confidentiality;
mod creation;
mod data_keys;
mod delete_now;
mod deletion;
mod encryption;
mod exports;
mod fill;
mod following;
mod imports;
mod life_model;
mod lists;
mod lock;
mod matrix;
mod model;
mod names_model;
mod once;
mod persons;
mod reencryption;
mod restart;
mod rotation_by_use;
mod schedule;
mod scheduled_rotation;
mod secret_updates;
mod secrets;
mod shred;
mod shred_older;
mod signatures;
mod states;
mod stops;
mod store_settings;
mod system_key;
mod system_key_space;
mod system_key_under_load;
mod tamper;
mod use_limits;
mod uses;
mod version_states;
mod versions;

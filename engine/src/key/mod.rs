//! Plain data about keys, and key material.

pub mod algorithm;
pub mod id;
pub mod material;
pub mod name;
pub mod operation;
pub mod state;
pub mod version;

//! Plain data about keys, and key material.

pub mod client;
pub mod id;
pub mod material;
pub mod name;
pub mod state;
pub mod text;
pub mod version;

//! The storages: one suite of behaviour for all of them, a comparison with a plain map, and what only a folder can do.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may be blunt"
)]

mod conformance;
mod durable;
mod failing;
mod model;
mod support;

//! `clavigerd` as a process: what a person starts, sees and ends.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may be blunt: a panic is the report"
)]

mod dev;
mod logs;
mod reload;
mod run;
mod support;

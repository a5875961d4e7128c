//! The built `claviger-loadtest`: against a server that lies, and against real daemons. R-O5.
//!
//! Nothing is said of speed or time: only of what is answered, checked and reported.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may be blunt: a panic is the report"
)]

mod comparing;
mod keys;
mod measuring;
mod running_daemon;
mod server;
mod support;
mod wrong_answers;

//! The data port as a client meets it: real sockets, real certificates, a real engine, on TLS over TCP and on QUIC.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may be blunt"
)]

#[macro_use]
mod support;

mod operations;

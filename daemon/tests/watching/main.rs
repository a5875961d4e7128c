//! A whole daemon as those see it who watch over it: metrics and health, certificates read anew, an end under load.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may be blunt: a panic is the report"
)]

#[allow(dead_code, reason = "shared with the tests of the control port")]
#[path = "../control/support.rs"]
mod support;

mod drain;
mod manual;
mod metrics;
mod reload;
mod world;

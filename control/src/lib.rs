//! The contract of the control port: its messages, and a client that speaks them over HTTPS.
//!
//! The daemon answers with these types, and the command line and `clavigerd dev` ask with them, so that neither side can drift from the other.
//! Start at [`message`] (what is said), then [`client`] (how it is asked).

#![forbid(unsafe_code)]

pub mod client;
pub mod error;
pub mod limits;
pub mod message;
pub mod secret;

pub use client::{AuditFilter, ControlClient, Credentials, KeyFilter};
pub use error::ControlError;

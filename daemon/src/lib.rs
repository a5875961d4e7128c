//! The daemon of Claviger: the only crate that knows both the wire and the engine.

#![forbid(unsafe_code)]

mod access;
pub mod approval_off;
pub mod authority;
pub mod certificates;
pub mod config;
pub mod control;
pub mod data_port;
pub mod dev;
pub mod hardening;
pub mod installation;
pub mod limits;
pub mod logging;
mod neighbours;
pub mod pem;
pub mod restore;
pub mod run;
pub mod shred_table;

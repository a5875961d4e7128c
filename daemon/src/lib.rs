//! The daemon of Claviger: the only crate that knows both the wire and the engine.

pub mod data_port;

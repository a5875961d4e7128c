//! The engine of Claviger: keys, cryptography, cache and storage, without network and without a runtime.

pub mod limits;
pub mod storage;

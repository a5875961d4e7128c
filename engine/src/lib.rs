//! The engine of Claviger: keys, cryptography, cache and storage, without network and without a runtime.

pub mod ciphertext;
pub mod crypto;
pub mod fuzzing;
pub mod key;
pub mod limits;
pub mod storage;

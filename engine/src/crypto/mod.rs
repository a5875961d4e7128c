//! The primitives, on the cryptographic library (aws-lc-rs): the only files that name it.
//!
//! | file | what | standard |
//! |---|---|---|
//! | [`random`] | random bytes | NIST SP 800-90A |
//! | [`symmetric`], [`burst`], [`opener`], `nonces` | sealing and opening of callers' data | C2SP XAES-256-GCM, NIST SP 800-38D |
//! | `gcm`, `xaes`, `ready` | what both are made of | NIST SP 800-38D, SP 800-108r1 |
//! | `checksum` | against accidents, and in chains | FIPS 180-4 |
//! | `commitment` | one ciphertext, one key | FIPS 198-1 |
//! | [`mac`] | message authentication codes | FIPS 198-1 |
//! | [`signature`], `scheme`, `ml_dsa` | signatures | RFC 8017, RFC 8032, FIPS 186-5, FIPS 204 |
//! | [`oaep`] | decryption of what was encrypted to a public key | RFC 8017 |
//! | [`key_wrap`], `foreign`, `der` | keys on their way from one system to another, and how they are checked | RFC 8017, RFC 5649, RFC 5958 |
//! | [`wrap`] | keys that protect other keys | RFC 5869 |
//! | [`record_key`] | keys that authenticate records and the audit log | FIPS 198-1 |
//!
//! Types that are public here hand out no secret byte: what lends them is private to the crate.

pub mod burst;
pub(crate) mod checksum;
mod commitment;
mod der;
mod foreign;
pub(crate) mod gcm;
pub mod key_wrap;
pub mod mac;
mod ml_dsa;
pub(crate) mod nonces;
pub mod oaep;
pub mod opener;
pub mod random;
mod ready;
pub mod record_key;
pub(crate) mod scheme;
pub mod signature;
pub mod symmetric;
pub mod wrap;
mod xaes;

//! Persons: who manages what on the control port, told apart by the public keys of their certificates.
//!
//! `grant` is what a person is let do, `table` the persons in memory, all of them, and `load` how they come there: at start, and by following storage. They change in
//! `change/person.rs`. What a role may do, the one who asks for it decides: here it is only known who has it.

mod error;
mod fingerprint;
mod grant;
mod id;
mod load;
mod table;

pub use error::PersonError;
pub use fingerprint::PublicKeyHash;
pub use grant::{Grant, Role};
pub use id::PersonId;
pub use table::Person;
pub(crate) use table::{AssignedKeys, Persons};

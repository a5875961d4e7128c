//! How key material comes in from elsewhere, and how it leaves: wrapped, both times, and never in plain.
//!
//! What comes in is wrapped to a transport key, which is made for one store, one intended key and one requester, and is used once ([`import`]). What leaves
//! is wrapped to a public key that the request names, if the key was created for that ([`export`]). The form is the same, so that what leaves one installation
//! can be wrapped to the transport key of another one: see [`crate::crypto::key_wrap`].

pub mod export;
pub mod import;
mod transport_key;

pub use export::Exported;
pub use import::{Import, ImportTarget, NewImport, Requester};
pub(crate) use transport_key::secret_id;

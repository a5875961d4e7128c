//! A client of keys, as the tests of the public interface have it.

#[path = "../api/support/calls.rs"]
pub(crate) mod calls;
#[path = "../api/support/client.rs"]
pub(crate) mod client;

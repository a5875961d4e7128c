//! What the tests of the engine share: an installation in temporary places, a client of its keys, and the calls of a client.

pub(crate) mod algorithms;
pub(crate) mod calls;
pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod counting;
pub(crate) mod installation;
pub(crate) mod log;
pub(crate) mod oaep;
pub(crate) mod random;
pub(crate) mod tamper;
pub(crate) mod transfer;

pub(crate) use calls::only;
pub(crate) use client::Client;
pub(crate) use counting::CountingStorage;
pub(crate) use installation::{Installation, Places, name, start};

/// Makes of each function one test per storage.
macro_rules! on_every_storage {
    ($($(#[$attribute:meta])* fn $name:ident($installation:ident) $body:block)*) => {$(
        $(#[$attribute])*
        mod $name {
            use super::*;

            fn check($installation: &$crate::support::Installation) $body

            #[test]
            fn in_memory() {
                check(&$crate::support::Installation::in_memory());
            }

            #[test]
            fn on_lmdb() {
                check(&$crate::support::Installation::on_lmdb());
            }
        }
    )*};
}

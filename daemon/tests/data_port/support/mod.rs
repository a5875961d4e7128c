//! What the tests of the data port share: a server with its engine, certificates, a client of both transports.

pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod messages;
pub(crate) mod network;
pub(crate) mod openssl;
pub(crate) mod server;

pub(crate) use client::{CALL, Client, Reply, Transport, if_ready, request, within};
pub(crate) use server::{Options, Server};

/// Makes of each function one test per transport.
macro_rules! on_both_transports {
    ($($(#[$attribute:meta])* async fn $name:ident($transport:ident) $body:block)*) => {$(
        $(#[$attribute])*
        mod $name {
            #[allow(unused_imports, reason = "not every test needs every import of its file")]
            use super::*;

            async fn check($transport: $crate::support::Transport) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn over_tcp() {
                check($crate::support::Transport::Tcp).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn over_quic() {
                check($crate::support::Transport::Quic).await;
            }
        }
    )*};
}

//! Workers that look for more before they sleep.

use std::time::Duration;

use claviger_algorithm::Algorithm;
use claviger_daemon::config::cores;
use claviger_daemon::limits::BUSY_POLL_MAX;
use claviger_protocol::Status;
use claviger_protocol::message::MessageForm;

use crate::support::messages::{encrypt, sign};
use crate::support::{Client, Options, Server, within};

on_both_transports! {
    // R-O4
    async fn workers_that_look_for_more_serve_fast_and_slow_work_of_several_clients_and_end(transport) {
        // No core is left without a worker: slow work and looking for more take turns.
        let options = Options { busy_poll: BUSY_POLL_MAX, workers: cores(), compute_threads: 1, ..Options::default() };
        let mut server = Server::start_with(options);
        let fast = server.create("fast", Algorithm::Xaes256Gcm);
        let slow = server.create("slow", Algorithm::Rsa2048Pkcs1Sha256);
        let credential = server.authority.client("client");
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(Client::greeted_as(&server, transport, &credential).await);
        }
        for _ in 0..10 {
            for client in &mut clients {
                assert_eq!(client.call(encrypt(fast, &[(b"context", b"plaintext")])).await.status(), Status::Ok);
                assert_eq!(client.call(sign(slow, MessageForm::Message, &[b"m"])).await.only().len(), 4 + 256);
            }
        }
        within(server.drain(Duration::from_secs(30))).await;
        for mut client in clients {
            client.receiver.ended().await;
        }
    }
}

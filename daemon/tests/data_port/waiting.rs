//! Waiting for a newer version of a secret (R-K2).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use claviger_algorithm::Algorithm;
use claviger_daemon::limits::WAITS_PER_STREAM;
use claviger_engine::change::AboutChange;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::state::KeyState;
use claviger_protocol::message::{Message, Ping, ReadSecret, WaitForSecret};
use claviger_protocol::{KeyId, Opcode, Reply as Decoded, RequestHeader, Status};
use tokio::task::JoinSet;

use crate::support::certificates::client_params;
use crate::support::client::request_with;
use crate::support::messages::encrypt;
use crate::support::server::{SECRET, engine_id};
use crate::support::{Client, Options, Reply, Server, request, within};

const fn wait_for(key_id: KeyId, known_version: u32, wait_ms: u32) -> impl Message {
    WaitForSecret { key_id, known_version, wait_ms }
}

/// Version and value.
fn value(reply: &Reply) -> (u32, Vec<u8>) {
    assert_eq!(reply.status(), Status::Ok);
    match Decoded::decode(Opcode::WaitForSecret, &reply.body) {
        Ok(Decoded::ReadSecret(secret)) => (secret.key_version, secret.value.to_vec()),
        _ => panic!("no value"),
    }
}

impl Server {
    /// Updates a secret, whose value is the number of its version then.
    fn update(&self, key: KeyId) -> u32 {
        let next = self.engine.describe_key(engine_id(key)).unwrap().current().unwrap().get() + 1;
        let value = SecretBytes::from(next.to_be_bytes().to_vec());
        self.engine.update_secret(engine_id(key), value, None).unwrap();
        next
    }

    async fn waits(&self, count: usize) {
        within(async {
            while self.engine.waits_for_changes() != count {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

on_both_transports! {
    // R-K2
    async fn a_version_that_is_newer_already_comes_at_once(transport) {
        let server = Server::start();
        let key = server.create("secret", Algorithm::Opaque);
        let mut client = Client::greeted(&server, transport).await;
        assert_eq!(value(&client.call(wait_for(key, 0, LONG)).await), (1, SECRET.to_vec()));
        server.update(key);
        server.update(key);
        for known in [0, 1, 2] {
            assert_eq!(value(&client.call(wait_for(key, known, LONG)).await), (3, vec![0, 0, 0, 3]));
        }
        assert_eq!(server.engine.waits_for_changes(), 0);
    }

    // R-K2
    async fn a_wait_that_is_over_says_that_there_is_no_newer_version(transport) {
        let server = Server::start();
        let key = server.create("secret", Algorithm::Opaque);
        let mut client = Client::greeted(&server, transport).await;
        for (known, wait) in [(1, 0), (2, 0), (u32::MAX, 0), (1, 20), (u32::MAX, 20)] {
            let reply = client.call(wait_for(key, known, wait)).await;
            assert_eq!((reply.status(), reply.body.len()), (Status::NoNewerVersion, 0), "{known} {wait}");
        }
        server.waits(0).await;
    }

    // R-K2
    async fn an_update_ends_the_waits_for_what_is_older_and_no_others(transport) {
        let server = Server::start();
        let [key, other] = ["secret", "other"].map(|name| server.create(name, Algorithm::Opaque));
        let mut client = Client::greeted(&server, transport).await;
        for (id, (key, known)) in (0..).zip([(key, 1), (other, 1), (key, 2), (key, 1)]) {
            client.send(&request(id, wait_for(key, known, LONG))).await;
        }
        server.waits(4).await;
        server.update(key);
        let mut ended = [client.reply().await, client.reply().await].map(|reply| {
            assert_eq!(value(&reply), (2, vec![0, 0, 0, 2]));
            reply.header.request_id
        });
        ended.sort_unstable();
        assert_eq!(ended, [0, 3]);
        server.waits(2).await;
        server.update(key);
        let reply = client.reply().await;
        assert_eq!((reply.header.request_id, value(&reply).0), (2, 3));
        server.update(other);
        assert_eq!(client.reply().await.header.request_id, 1);
    }

    // R-K2
    async fn what_changes_beside_the_value_does_not_end_a_wait(transport) {
        let server = Server::start();
        let key = server.create("secret", Algorithm::Opaque);
        let mut client = Client::greeted(&server, transport).await;
        client.send(&request(7, wait_for(key, 1, LONG))).await;
        // More often than a request that finds no key is begun anew.
        for number in 0..20 {
            server.waits(1).await;
            let about = AboutChange { description: Some(number.to_string()), ..AboutChange::default() };
            server.engine.set_about(engine_id(key), about).unwrap();
            assert_eq!(client.call(Ping { payload: b"" }).await.status(), Status::Ok);
        }
        server.update(key);
        assert_eq!(value(&client.reply().await).0, 2);
    }

    // R-K2, R-K9
    async fn the_end_of_the_key_ends_a_wait_at_once(transport) {
        let server = Server::start();
        let key = server.create("secret", Algorithm::Opaque);
        let mut client = Client::greeted(&server, transport).await;
        for (state, status) in [
            (KeyState::Disabled, Status::KeyDisabled),
            (KeyState::DeletionRequested, Status::KeyDeletionRequested),
        ] {
            client.send(&request(7, wait_for(key, 1, LONG))).await;
            server.waits(1).await;
            server.bring(key, state);
            assert_eq!(client.reply().await.status(), status);
            assert_eq!(client.call(wait_for(key, 1, LONG)).await.status(), status);
            server.bring(key, KeyState::Available);
        }
        server.bring(key, KeyState::Deleted);
        assert_eq!(client.call(wait_for(key, 1, LONG)).await.status(), Status::KeyDeleted);
        server.waits(0).await;
    }

    // R-K2, R-A5
    async fn the_end_of_the_certificate_ends_a_wait(transport) {
        let server = Server::start();
        let key = server.create("secret", Algorithm::Opaque);
        let mut params = client_params("client");
        let end = SystemTime::now() + Duration::from_secs(3);
        params.not_after = end.into();
        let mut client = Client::greeted_as(&server, transport, &server.authority.issue(&params)).await;
        assert_eq!(client.call(wait_for(key, 1, LONG)).await.status(), Status::NotPermitted);
        assert!(SystemTime::now() + Duration::from_secs(1) >= end, "refused before the end");
        server.waits(0).await;
    }

    // R-K2
    async fn who_may_not_read_a_secret_does_not_wait_for_it(transport) {
        let server = Server::start();
        let (elsewhere, _) = server.create_store("elsewhere");
        let foreign = server.create_in(elsewhere, "secret", Algorithm::Opaque);
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        for (key, status) in [
            (foreign, Status::NotPermitted),
            (KeyId([9; 16]), Status::NotPermitted),
            (key, Status::OperationNotAllowed),
        ] {
            assert_eq!(client.call(wait_for(key, 0, LONG)).await.status(), status);
            assert_eq!(client.call(wait_for(key, u32::MAX, LONG)).await.status(), status);
        }
        assert_eq!(server.engine.waits_for_changes(), 0);
    }

    // R-K2, R-P2
    async fn the_deadline_of_a_wait_holds(transport) {
        let server = Server::start();
        let key = server.create("secret", Algorithm::Opaque);
        let mut client = Client::greeted(&server, transport).await;
        let within = |deadline_ms, wait| request_with(RequestHeader { deadline_ms, ..RequestHeader::new(7) }, wait_for(key, 1, wait));
        client.send(&within(20, LONG)).await;
        assert_eq!(client.reply().await.status(), Status::DeadlineExceeded);
        client.send(&within(20_000, 20)).await;
        assert_eq!(client.reply().await.status(), Status::NoNewerVersion);
        client.send(&within(20_000, LONG)).await;
        server.waits(1).await;
        server.update(key);
        assert_eq!(value(&client.reply().await).0, 2);
    }

    // R-P3
    async fn a_connection_that_is_gone_leaves_no_wait_behind(transport) {
        let server = Server::start();
        let key = server.create("secret", Algorithm::Opaque);
        let mut client = Client::greeted(&server, transport).await;
        for id in 0..100 {
            client.send(&request(id, wait_for(key, 1, LONG))).await;
        }
        server.waits(100).await;
        drop(client);
        server.no_connections().await;
        server.waits(0).await;
        server.update(key);
    }

    // R-P3
    async fn a_client_that_has_said_everything_does_not_wait(transport) {
        let server = Server::start();
        let key = server.create("secret", Algorithm::Opaque);
        let mut client = Client::greeted(&server, transport).await;
        for id in 0..100 {
            client.send(&request(id, wait_for(key, 1, LONG))).await;
        }
        server.waits(100).await;
        client.send(&request(100, wait_for(key, 1, LONG))).await;
        client.sender.close().await;
        for _ in 0..101 {
            assert_eq!(client.reply().await.status(), Status::NoNewerVersion);
        }
        client.receiver.ended_regularly().await;
        server.waits(0).await;
    }

    // R-O4
    async fn a_drain_ends_waits_at_once(transport) {
        let mut server = Server::start();
        let key = server.create("secret", Algorithm::Opaque);
        let mut client = Client::greeted(&server, transport).await;
        for id in 0..100 {
            client.send(&request(id, wait_for(key, 1, LONG))).await;
        }
        server.waits(100).await;
        let drain = tokio::spawn(server.drain(Duration::from_secs(30)));
        for _ in 0..100 {
            assert_eq!(client.reply().await.status(), Status::ShuttingDown);
        }
        client.receiver.ended().await;
        within(drain).await.unwrap();
        assert_eq!(server.engine.waits_for_changes(), 0);
    }

    // R-P4
    async fn waits_beyond_their_number_are_refused_and_keep_out_no_work(transport) {
        let server = Server::start();
        let (secret, key) = (server.create("secret", Algorithm::Opaque), server.create("key", Algorithm::Xaes256Gcm));
        let mut client = Client::greeted(&server, transport).await;
        assert_eq!(client.call(ReadSecret { key_id: secret, key_version: 0 }).await.status(), Status::Ok);
        for id in 0..WAITS_PER_STREAM as u64 {
            client.send(&request(id, wait_for(secret, 1, LONG))).await;
        }
        server.waits(WAITS_PER_STREAM).await;
        for _ in 0..10 {
            let refused = client.call(wait_for(secret, 1, LONG)).await;
            assert_eq!(refused.status(), Status::Overloaded);
            assert!(refused.header.retry_ms > 0);
        }
        assert_eq!(client.call(wait_for(secret, 0, LONG)).await.status(), Status::Ok, "what need not wait is answered");
        assert_eq!(client.call(encrypt(key, &[(b"", b"")])).await.status(), Status::Ok);
        server.update(secret);
        for _ in 0..WAITS_PER_STREAM {
            assert_eq!(value(&client.reply().await).0, 2);
        }
        assert_eq!(client.call(wait_for(secret, 2, 0)).await.status(), Status::NoNewerVersion);
    }

    // R-K2
    async fn a_secret_that_left_the_cache_meanwhile_is_waited_for_all_the_same(transport) {
        let server = Server::start_with(Options { cached_keys_max: 2, ..Options::default() });
        let secret = server.create("secret", Algorithm::Opaque);
        let others = [0, 1, 2, 3].map(|number| server.create(&format!("key-{number}"), Algorithm::Xaes256Gcm));
        let mut client = Client::greeted(&server, transport).await;
        client.send(&request(7, wait_for(secret, 1, LONG))).await;
        server.waits(1).await;
        for key in others.iter().cycle().take(40) {
            assert_eq!(client.call(encrypt(*key, &[(b"", b"")])).await.status(), Status::Ok);
        }
        assert!(server.engine.cached_keys() <= 3);
        server.update(secret);
        assert_eq!(value(&client.reply().await), (2, vec![0, 0, 0, 2]));
    }

    // R-K2, R-K9
    async fn a_thousand_who_wait_see_every_update_and_nothing_old_after_its_acknowledgement(transport) {
        let server = Arc::new(Server::start());
        let key = server.create("secret", Algorithm::Opaque);
        let (acknowledged, answered) = (Arc::new(AtomicU32::new(1)), Arc::new(AtomicU32::new(0)));
        let mut clients = JoinSet::new();
        for _ in 0..4 {
            let mut client = Client::greeted(&server, transport).await;
            let (acknowledged, answered) = (Arc::clone(&acknowledged), Arc::clone(&answered));
            clients.spawn(async move {
                // Of each of 250 waits: what was acknowledged when it was sent.
                let mut sent = vec![0; 250];
                for id in 0..sent.len() {
                    client.send(&request(id as u64, wait_for(key, 1, LONG))).await;
                }
                let mut last = 0;
                while last < 250 {
                    let reply = client.reply().await;
                    let (version, found) = value(&reply);
                    assert_eq!(found, version.to_be_bytes());
                    let id = usize::try_from(reply.header.request_id).unwrap();
                    assert!(version >= sent[id], "version {version} after {} was acknowledged", sent[id]);
                    answered.fetch_add(1, Ordering::SeqCst);
                    if version >= LAST {
                        last += 1;
                        continue;
                    }
                    sent[id] = acknowledged.load(Ordering::SeqCst);
                    client.send(&request(reply.header.request_id, wait_for(key, version, LONG))).await;
                }
            });
        }
        server.waits(1_000).await;
        for _ in 2..=LAST {
            let server = Arc::clone(&server);
            let before = answered.load(Ordering::SeqCst);
            // A change blocks: not on a thread of the runtime.
            let version = tokio::task::spawn_blocking(move || server.update(key)).await.unwrap();
            acknowledged.store(version, Ordering::SeqCst);
            if version % 4 == 0 {
                within(async {
                    while answered.load(Ordering::SeqCst) < before + 500 {
                        tokio::task::yield_now().await;
                    }
                })
                .await;
            }
        }
        within(async { while clients.join_next().await.transpose().unwrap().is_some() {} }).await;
        server.waits(0).await;
    }
}

/// Longer than any test takes.
const LONG: u32 = 120_000;

/// The version after the last update.
const LAST: u32 = 41;

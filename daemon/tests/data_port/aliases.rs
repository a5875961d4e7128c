//! Aliases that are moved while clients resolve them (R-K21).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use claviger_algorithm::Algorithm;
use claviger_engine::key::name::Name;
use claviger_engine::key::state::KeyState;
use claviger_protocol::{KeyId, Status};
use tokio::task::JoinSet;

use crate::support::messages::{encrypt, resolve};
use crate::support::server::engine_id;
use crate::support::{Client, Options, Server, request, within};

on_both_transports! {
    // R-K21
    async fn an_alias_is_resolved_like_a_name_and_its_key_works(transport) {
        let server = Server::start();
        let [one, other] = ["one", "other"].map(|name| server.create(name, Algorithm::Xaes256Gcm));
        let alias = "records".parse().unwrap();
        server.engine.create_alias(server.store, &alias, engine_id(one)).unwrap();
        let mut client = Client::greeted(&server, transport).await;
        let [by_name, by_alias] = [b"one" as &[u8], b"records"].map(<[u8]>::to_vec);
        let found = client.call(resolve("store", &[&by_name, &by_alias])).await.results();
        assert_eq!(found[0], found[1]);
        server.engine.move_alias(None, server.store, &alias, engine_id(other)).unwrap();
        let moved = client.call(resolve("store", &[&by_alias])).await.only();
        assert_eq!(moved[..16], other.0);
        // Whoever has the id of the key before goes on with it.
        assert_eq!(client.call(encrypt(one, &[(b"", b"plaintext")])).await.status(), Status::Ok);
        server.engine.delete_alias(None, server.store, &alias).unwrap();
        let gone = client.call(resolve("store", &[&by_alias])).await.items();
        assert_eq!(gone[0].0, Status::KeyNotFound);
    }

    // R-K9, R-K21
    async fn a_moved_alias_is_never_lost_and_never_the_old_one_after_its_acknowledgement(transport) {
        let server = Arc::new(Server::start_with(Options { workers: 2, ..Options::default() }));
        let keys: Arc<Vec<KeyId>> =
            Arc::new((0..=MOVES).map(|number| server.create(&format!("key-{number}"), Algorithm::Xaes256Gcm)).collect());
        let alias = "records".parse().unwrap();
        server.engine.create_alias(server.store, &alias, engine_id(keys[0])).unwrap();
        let (acknowledged, resolved) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for _ in 0..3 {
            let mut client = Client::greeted(&server, transport).await;
            let (keys, acknowledged, resolved) = (Arc::clone(&keys), Arc::clone(&acknowledged), Arc::clone(&resolved));
            let stop = Arc::clone(&stop);
            clients.spawn(async move {
                // Several at once, so that some wait for storage while the alias is moved.
                let mut sent = [0; 8];
                while !stop.load(Ordering::Relaxed) {
                    for (id, sent) in (0..).zip(&mut sent) {
                        *sent = acknowledged.load(Ordering::SeqCst);
                        client.send(&request(id, resolve("store", &[b"records"]))).await;
                    }
                    for _ in 0..sent.len() {
                        let reply = client.reply().await;
                        // Moved again and again while it was looked up: nothing is said, and whoever wants to know asks again.
                        if reply.status() == Status::Overloaded {
                            continue;
                        }
                        let found = reply.only();
                        let at = keys.iter().position(|key| key.0 == found[..16]).unwrap();
                        let before = sent[usize::try_from(reply.header.request_id).unwrap()];
                        let after = acknowledged.load(Ordering::SeqCst) + 1;
                        assert!((before..=after).contains(&at), "{at} when {before}..={after} moves were made");
                        resolved.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for number in 1..=MOVES {
            let seen = resolved.load(Ordering::Relaxed);
            let (server, keys, alias) = (Arc::clone(&server), Arc::clone(&keys), Name::clone(&alias));
            let acknowledged = Arc::clone(&acknowledged);
            // A change blocks: not on a thread of the runtime.
            let changes = move || {
                server.engine.move_alias(None, server.store, &alias, engine_id(keys[number])).unwrap();
                acknowledged.store(number, Ordering::SeqCst);
                // The key before is gone at once: whoever had read its name finds nothing there.
                server.bring(keys[number - 1], KeyState::Deleted);
            };
            tokio::task::spawn_blocking(changes).await.unwrap();
            within(async {
                while resolved.load(Ordering::Relaxed) < seen + 8 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
        stop.store(true, Ordering::Relaxed);
        within(async { while clients.join_next().await.transpose().unwrap().is_some() {} }).await;
    }
}

const MOVES: usize = 50;

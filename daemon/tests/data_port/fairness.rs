//! Fair shares: the clients of one key store, however many and however greedy, leave others their turn and their room.

use std::sync::mpsc;

use claviger_algorithm::Algorithm;
use claviger_engine::lane::Claim;
use claviger_protocol::message::{MessageForm, Ping};
use claviger_protocol::{KeyId, Status};

use crate::order::hold_storage;
use crate::support::client::Transport;
use crate::support::messages::{encrypt, resolve, sign};
use crate::support::server::Gate;
use crate::support::{Client, Options, Server, request};

on_both_transports! {
    // R-A11, R-P4
    async fn a_key_is_loaded_while_names_wait_to_be_looked_up(transport) {
        let server = Server::start_with(Options { cached_keys_max: 2, ..Options::default() });
        let keys: Vec<_> = (0..4).map(|number| server.create(&format!("key-{number}"), Algorithm::Xaes256Gcm)).collect();
        let mut flood = Client::greeted(&server, transport).await;
        let mut other = Client::greeted(&server, transport).await;
        for key in &keys {
            assert_eq!(other.call(encrypt(*key, &[(b"", b"plain")])).await.status(), Status::Ok);
        }
        let gates = hold_storage(&server);
        for id in 0..32 {
            flood.send(&request(id, resolve("store", &[&b"key-0"[..]; 1_024]))).await;
        }
        assert_eq!(flood.call(Ping { payload: b"" }).await.status(), Status::Ok);
        other.send(&request(1, encrypt(keys[0], &[(b"", b"plain")]))).await;
        assert_eq!(other.call(Ping { payload: b"" }).await.status(), Status::Ok);
        drop(gates);
        assert_eq!(other.reply().await.status(), Status::Ok);
        assert!(server.engine.storage_lane().waiting() > 0, "some of 32,768 names wait still");
        for _ in 0..32 {
            assert_eq!(flood.reply().await.status(), Status::Ok);
        }
    }

    // R-A11
    async fn a_store_that_floods_the_compute_pool_waits_in_turn_with_the_others(transport) {
        let server = Server::start_with(Options { compute_threads: 1, ..Options::default() });
        let (mut flood, flooded) = client_of_a_store(&server, "flood", transport).await;
        let (mut other, key) = client_of_a_store(&server, "other", transport).await;
        let gate = Gate::close(&server);
        for id in 0..3 {
            flood.send(&request(id, sign(flooded, MessageForm::Message, &[b"m"]))).await;
        }
        assert_eq!(flood.call(Ping { payload: b"" }).await.status(), Status::Ok);
        other.send(&request(1, sign(key, MessageForm::Message, &[b"m"]))).await;
        assert_eq!(other.call(Ping { payload: b"" }).await.status(), Status::Ok);
        // Behind what the other store waits for, and it costs nothing.
        let (reached, is_reached) = mpsc::channel();
        let store = server.engine.store_by_name(&"other".parse().unwrap()).unwrap().id();
        let claim = Claim { store, connection: u64::MAX, ..Claim::COMMON };
        let second = Gate::at_turn(server.engine.compute(), claim, reached);
        assert_eq!(server.engine.compute().waiting(), 5);
        gate.open();
        is_reached.recv().unwrap();
        assert_eq!(server.engine.compute().waiting(), 2, "one of three has had its turn");
        assert_eq!(other.reply().await.status(), Status::Ok);
        second.open();
        for id in 0..3 {
            let reply = flood.reply().await;
            assert_eq!((reply.header.request_id, reply.status()), (id, Status::Ok), "in the order of their coming");
        }
    }

    // R-A11, R-P4
    async fn a_store_gets_no_more_room_by_more_connections(transport) {
        let server = Server::start_with(Options { compute_threads: 1, ..Options::default() });
        let (mut other, key) = client_of_a_store(&server, "other", transport).await;
        let (first, flooded) = client_of_a_store(&server, "flood", transport).await;
        let mut flood = vec![first];
        for _ in 0..4 {
            flood.push(Client::greeted_as(&server, transport, &server.authority.client("client")).await);
        }
        let gate = Gate::close(&server);
        let batch = request(1, sign(flooded, MessageForm::Message, &[&b"m"[..]; 1_024]));
        let mut taken = 0;
        for client in &mut flood {
            client.send(&batch).await;
            client.send(&request(2, Ping { payload: b"" })).await;
            let first = client.reply().await.header;
            match first.status {
                Status::Ok => assert_eq!(first.request_id, 2),
                Status::Overloaded => assert_eq!((first.request_id, client.reply().await.status()), (1, Status::Ok)),
                status => panic!("{status}"),
            }
            taken += usize::from(first.status == Status::Ok);
        }
        assert_eq!(taken, 2, "half of the places");
        other.send(&request(1, sign(key, MessageForm::Message, &[&b"m"[..]; 64]))).await;
        assert_eq!(other.call(Ping { payload: b"" }).await.status(), Status::Ok, "it waits");
        drop(flood);
        gate.open();
        assert_eq!(other.reply().await.results().len(), 64);
    }
}

/// A client of a new key store with a signing key, which is loaded. The store's clients are those of the server's first one.
async fn client_of_a_store(server: &Server, name: &str, transport: Transport) -> (Client, KeyId) {
    let store = server.create_store_for(name, &server.authority);
    let key = server.create_in(store, "key", Algorithm::Rsa2048Pkcs1Sha256);
    let mut client = Client::greeted(server, transport).await;
    assert_eq!(client.call(sign(key, MessageForm::Message, &[b"m"])).await.status(), Status::Ok);
    (client, key)
}

//! Quotas on live connections: what is used up is refused with an advice that is true, and what belongs to others is not touched.

use std::sync::Arc;
use std::time::Duration;

use claviger_algorithm::{Algorithm, Operation};
use claviger_engine::access::NewPermit;
use claviger_engine::change::StoreSettings;
use claviger_engine::key::id::StoreId;
use claviger_engine::key::state::KeyState;
use claviger_engine::{PermittedOperations, Quota};
use claviger_protocol::message::{DescribeKey, MessageForm, Ping, ReadPublicKey, ReadSecret, WaitForSecret, Whoami};
use claviger_protocol::{KeyId, RequestHeader, Status};

use crate::order::pass_a_deadline;
use crate::support::certificates::client_of;
use crate::support::client::{Reply, Transport, request_with};
use crate::support::messages::{encrypt, random, reencrypt, resolve, sign};
use crate::support::server::{Gate, HandClock};
use crate::support::{Client, Options, Server, request};

on_both_transports! {
    // R-A11, R-P4
    async fn a_client_over_its_quota_is_told_when_to_come_back_and_that_is_true(transport) {
        let world = World::new(Algorithm::Rsa2048Pkcs1Sha256);
        world.set(client_quota(1_000, 1));
        let one = world.server.authority.client("one");
        let mut client = Client::greeted_as(&world.server, transport, &one).await;
        let mut same = Client::greeted_as(&world.server, transport, &one).await;
        let mut other = world.client(transport, "other").await;
        assert_eq!(world.use_key(&mut client).await.status(), Status::Ok, "the key was cold: it is counted once all the same");
        for _ in 0..3 {
            for client in [&mut client, &mut same] {
                let refused = world.use_key(client).await.header;
                assert_eq!(refused.status, Status::Overloaded);
                // A signature costs half a millisecond at least, and a thousandth of that comes in meanwhile.
                assert!(refused.retry_ms > 100, "{} ms", refused.retry_ms);
                world.pass(refused.retry_ms - 1);
                assert_eq!(world.use_key(client).await.header.retry_ms, 1);
                world.pass(1);
                assert_eq!(world.use_key(client).await.status(), Status::Ok);
            }
            assert_eq!(world.use_key(&mut other).await.status(), Status::Ok, "it has a quota of its own");
        }
    }

    // R-A11
    async fn the_clients_of_a_store_use_up_its_quota_together_and_no_other_store_s(transport) {
        let world = World::new(Algorithm::HmacSha256);
        let elsewhere = world.server.create_store_for("elsewhere", &world.server.authority);
        let key = world.server.create_in(elsewhere, "key", Algorithm::Xaes256Gcm);
        world.set(StoreSettings { quota: quota(1, 1), ..StoreSettings::default() });
        let mut one = world.client(transport, "one").await;
        let mut other = world.client(transport, "other").await;
        let store = claviger_protocol::StoreId(world.server.store.0);
        assert_eq!(one.call(random(store, &[1; 16])).await.status(), Status::Ok);
        for client in [&mut one, &mut other] {
            assert_eq!(client.call(random(store, &[1])).await.status(), Status::Overloaded);
            assert_eq!(client.call(encrypt(key, &[(b"", b"plain")])).await.status(), Status::Ok);
        }
    }

    // R-A11, R-A6
    async fn a_change_of_a_quota_counts_from_the_next_frame_on(transport) {
        let world = World::new(Algorithm::Rsa2048Pkcs1Sha256);
        let mut client = world.client(transport, "one").await;
        for burst in 1..5 {
            assert_eq!(world.use_key(&mut client).await.status(), Status::Ok);
            world.set(client_quota(1, burst));
            assert_eq!(world.use_key(&mut client).await.status(), Status::Ok);
            assert_eq!(world.use_key(&mut client).await.status(), Status::Overloaded);
            world.set(StoreSettings { open_public_keys: Some(true), ..StoreSettings::default() });
            assert_eq!(world.use_key(&mut client).await.status(), Status::Overloaded, "what is used up stays so");
            world.set(StoreSettings { client_quota: Some(None), ..StoreSettings::default() });
        }
    }

    // R-A11
    async fn whatever_reads_or_works_is_refused_and_what_is_needed_to_stay_is_not(transport) {
        let world = World::new(Algorithm::Ed25519);
        let secret = world.server.create("secret", Algorithm::Opaque);
        let mut client = world.client(transport, "one").await;
        world.set(client_quota(1, 1));
        assert_eq!(world.use_key(&mut client).await.status(), Status::Ok);
        let store = claviger_protocol::StoreId(world.server.store.0);
        assert_eq!(client.call(ReadSecret { key_id: secret, key_version: 0 }).await.status(), Status::Overloaded);
        assert_eq!(client.call(DescribeKey { key_id: world.key }).await.status(), Status::Overloaded);
        assert_eq!(client.call(resolve("store", &[b"key"])).await.status(), Status::Overloaded);
        assert_eq!(client.call(random(store, &[1])).await.status(), Status::Overloaded);
        assert_eq!(world.use_key(&mut client).await.status(), Status::Overloaded);
        let wait = WaitForSecret { key_id: secret, known_version: 0, wait_ms: 1 };
        assert_eq!(client.call(wait).await.status(), Status::Overloaded);
        let public = ReadPublicKey { key_id: world.key, key_version: 0 };
        assert_eq!(client.call(public).await.status(), Status::Ok);
        assert_eq!(client.call(Ping { payload: b"" }).await.status(), Status::Ok);
        assert_eq!(client.call(Whoami).await.status(), Status::Ok);
        // What is not permitted is that in any case, and costs nothing.
        let nowhere = KeyId([9; 16]);
        assert_eq!(client.call(encrypt(nowhere, &[(b"", b"")])).await.status(), Status::NotPermitted);
    }

    // R-A11, R-A12
    async fn a_quota_that_is_used_up_tells_nothing_of_keys_that_may_not_be_used(transport) {
        let world = World::new(Algorithm::Ed25519);
        let secret = world.server.create("secret", Algorithm::Opaque);
        let (credential, row) = client_of(&world.server);
        let mut client = Client::greeted_as(&world.server, transport, &credential).await;
        let operations = Some(PermittedOperations::NONE.with(Operation::Sign));
        world.server.engine.narrow_access(world.server.store, row, NewPermit { operations, keys: None }).unwrap();
        world.set(client_quota(1, 1));
        assert_eq!(world.use_key(&mut client).await.status(), Status::Ok);
        assert_eq!(world.use_key(&mut client).await.status(), Status::Overloaded);
        for key_id in [secret, KeyId([9; 16])] {
            let wait = WaitForSecret { key_id, known_version: 0, wait_ms: 1 };
            assert_eq!(client.call(wait).await.status(), Status::NotPermitted);
            assert_eq!(client.call(ReadSecret { key_id, key_version: 0 }).await.status(), Status::NotPermitted);
        }
    }

    // R-A11
    async fn what_is_refused_before_its_work_begins_is_not_counted(transport) {
        let world = World::new(Algorithm::Rsa2048Pkcs1Sha256);
        let secret = world.server.create("secret", Algorithm::Opaque);
        let mut client = world.client(transport, "one").await;
        assert_eq!(world.use_key(&mut client).await.status(), Status::Ok);
        assert_eq!(client.call(ReadSecret { key_id: secret, key_version: 0 }).await.status(), Status::Ok);
        for key in [world.key, secret] {
            world.server.set_state(key, KeyState::Disabled);
        }
        world.set(client_quota(1, 1));
        for _ in 0..3 {
            assert_eq!(client.call(sign(world.key, MessageForm::Message, &[&b"m"[..]; 64])).await.status(), Status::KeyDisabled);
            assert_eq!(client.call(ReadSecret { key_id: secret, key_version: 0 }).await.status(), Status::KeyDisabled);
            let wait = WaitForSecret { key_id: secret, known_version: 0, wait_ms: 1 };
            assert_eq!(client.call(wait).await.status(), Status::KeyDisabled);
        }
        world.server.set_state(world.key, KeyState::Available);
        // Late before a thread of the pool was free for it.
        let gate = Gate::close(&world.server);
        let header = RequestHeader { request_id: 1, deadline_ms: 1, ..RequestHeader::default() };
        client.send(&request_with(header, sign(world.key, MessageForm::Message, &[b"m"]))).await;
        pass_a_deadline(&mut client).await;
        gate.open();
        assert_eq!(client.reply().await.status(), Status::DeadlineExceeded);
        assert_eq!(world.use_key(&mut client).await.status(), Status::Ok);
        assert_eq!(world.use_key(&mut client).await.status(), Status::Overloaded);
    }

    // R-A11
    async fn what_finds_no_room_is_not_counted(transport) {
        let world = World::new(Algorithm::Rsa2048Pkcs1Sha256);
        let one = world.server.authority.client("one");
        let mut client = Client::greeted_as(&world.server, transport, &one).await;
        let mut same = Client::greeted_as(&world.server, transport, &one).await;
        assert_eq!(world.use_key(&mut client).await.status(), Status::Ok);
        let batch_cost = world.algorithm.row().cost.make_nanoseconds * 1_024 / 1_000;
        // Enough for two batches, and for little more.
        world.set(client_quota(1, 2 * batch_cost + batch_cost / 100));
        let gate = Gate::close(&world.server);
        for id in 0..5 {
            client.send(&request(id, sign(world.key, MessageForm::Message, &[&b"m"[..]; 1_024]))).await;
        }
        for id in 2..5 {
            let refused = client.reply().await.header;
            assert_eq!((refused.request_id, refused.status), (id, Status::Overloaded));
            assert!(refused.retry_ms <= 1_000, "the queue is full, not the quota used up: {} ms", refused.retry_ms);
        }
        drop(client);
        gate.open();
        assert_eq!(world.use_key(&mut same).await.status(), Status::Ok);
    }

    // R-A11
    async fn re_encryption_counts_in_both_stores_and_in_none_if_one_refuses(transport) {
        let world = World::new(Algorithm::Xaes256Gcm);
        let server = &world.server;
        let target_store = server.create_store_for("target", &server.authority);
        let target = server.create_in(target_store, "key", Algorithm::Xaes256Gcm);
        let mut client = world.client(transport, "one").await;
        let sealed = client.call(encrypt(world.key, &[(b"", b"plain")])).await.only();
        let items: [[&[u8]; 3]; 16] = [[b"", b"", &sealed]; 16];
        let moved = || reencrypt(world.key, target, &items);
        assert_eq!(client.call(moved()).await.status(), Status::Ok);
        set(server, target_store, client_quota(1, 1));
        world.set(client_quota(1, 200));
        assert_eq!(client.call(moved()).await.status(), Status::Ok);
        assert_eq!(client.call(encrypt(target, &[(b"", b"plain")])).await.status(), Status::Overloaded);
        // As often as one likes: nothing of it is counted in the source.
        for _ in 0..100 {
            assert_eq!(client.call(moved()).await.status(), Status::Overloaded);
        }
        assert_eq!(world.use_key(&mut client).await.status(), Status::Ok);
    }
}

/// A server with one key, in a time of its own.
struct World {
    server: Server,
    key: KeyId,
    algorithm: Algorithm,
    clock: Arc<HandClock>,
}

impl World {
    fn new(algorithm: Algorithm) -> Self {
        let clock = HandClock::new();
        let options = Options { clock: Arc::clone(&clock) as _, compute_threads: 1, ..Options::default() };
        let server = Server::start_with(options);
        Self { key: server.create("key", algorithm), server, algorithm, clock }
    }

    fn set(&self, settings: StoreSettings) {
        set(&self.server, self.server.store, settings);
    }

    fn pass(&self, milliseconds: u32) {
        self.clock.pass(Duration::from_millis(milliseconds.into()));
    }

    /// A client with a certificate of its own.
    async fn client(&self, transport: Transport, name: &str) -> Client {
        Client::greeted_as(&self.server, transport, &self.server.authority.client(name)).await
    }

    async fn use_key(&self, client: &mut Client) -> Reply {
        match self.algorithm {
            Algorithm::Xaes256Gcm => client.call(encrypt(self.key, &[(b"", b"plain")])).await,
            _ => client.call(sign(self.key, MessageForm::Message, &[b"m"])).await,
        }
    }
}

fn set(server: &Server, store: StoreId, settings: StoreSettings) {
    server.engine.set_store_settings(store, settings).unwrap();
}

fn quota(units_per_second: u32, burst: u32) -> Option<Option<Quota>> {
    Some(Some(Quota::new(units_per_second, burst).unwrap()))
}

fn client_quota(units_per_second: u32, burst: u32) -> StoreSettings {
    StoreSettings { client_quota: quota(units_per_second, burst), ..StoreSettings::default() }
}

//! The use of keys through both ports: what clients do on the data port, on either transport, is told on the control port, and rotates keys.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may be blunt"
)]

#[allow(dead_code, reason = "shared with the tests of the control port")]
#[path = "control/support.rs"]
mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use claviger_client::{Client, ClientConfig, Context, Identity, ServerCa, Transport};
use claviger_control::message::{
    Access, CreateKeys, CreateStore, IssueCertificate, Key, NewKey, RequestDeletion, SetRotationByUse,
};
use claviger_control::secret::SecretText;
use claviger_control::{ControlClient, ControlError};
use support::Running;

// R-K20
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_key_tells_who_uses_it_and_how_much() {
    let world = World::start().await;
    let (billing, reports) =
        (world.client("billing", Transport::Tcp).await, world.client("reports", Transport::Quic).await);
    let ciphertext = billing.key(STORE, "records").await.unwrap().encrypt(&Context::EMPTY, b"12345").await.unwrap();
    let records = reports.key(STORE, "records").await.unwrap();
    for _ in 0..2 {
        records.decrypt(&Context::EMPTY, &ciphertext).await.unwrap();
    }
    // Slow enough for the compute pool.
    let receipts = reports.key(STORE, "receipts").await.unwrap();
    let signature = receipts.sign(b"123").await.unwrap();
    receipts.verify(b"123", &signature.bytes, None).await.unwrap();
    billing.key(STORE, "password").await.unwrap().read_secret(None).await.unwrap();
    // No uses: what is public, and what is described.
    billing.key(STORE, "receipts").await.unwrap().read_public_key(None).await.unwrap();
    billing.key(STORE, "receipts").await.unwrap().describe().await.unwrap();

    for (key, items, bytes, clients) in [
        ("records", 3, 15, vec![("billing", 1), ("reports", 2)]),
        ("receipts", 2, 6, vec![("reports", 2)]),
        ("password", 1, 28, vec![("billing", 1)]),
    ] {
        let key = world.shown(key).await;
        let version = key.versions[0].usage.unwrap();
        assert_eq!((version.items, version.bytes), (items, bytes), "{}", key.name);
        let usage = key.usage.unwrap();
        assert!(usage.last_used >= key.created && usage.others.is_none());
        assert!(usage.clients.is_sorted_by(|a, b| a.last_used >= b.last_used));
        let mut seen: Vec<_> =
            usage.clients.iter().map(|client| (client.common_name.as_deref().unwrap(), client.items)).collect();
        seen.sort_unstable();
        assert_eq!(seen, clients, "{}", key.name);
        assert!(usage.clients.iter().all(|client| client.certificate_sha256.as_ref().unwrap().len() == 64));
    }
    drop((billing, reports, records, receipts));
    world.running.daemon.stop().await;
}

// R-K10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_just_used_is_not_deleted_at_once_and_the_refusal_says_by_whom() {
    let world = World::start().await;
    let billing = world.client("billing", Transport::Tcp).await;
    billing.key(STORE, "records").await.unwrap().encrypt(&Context::EMPTY, b"1").await.unwrap();
    let administrator = &world.administrator;
    administrator.request_deletion(STORE, "records", &RequestDeletion::default()).await.unwrap();
    let refused = administrator.delete_now(STORE, "records", false).await;
    let Err(ControlError::Refused(problem)) = refused else { panic!("not refused: {refused:?}") };
    assert_eq!((problem.status, problem.kind.as_str()), (409, "urn:claviger:problem:conflict"));
    assert!(problem.detail.contains("\"billing\"") && problem.detail.contains("force"), "{}", problem.detail);
    let deleted = administrator.delete_now(STORE, "records", true).await.unwrap();
    // Who used it is told for a year.
    let shown = administrator.key(STORE, &deleted.id).await.unwrap();
    assert_eq!((shown.state.as_str(), shown.usage.unwrap().clients[0].items), ("deleted", 1));
    drop(billing);
    world.running.daemon.stop().await;
}

// R-K12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_under_load_on_both_transports_and_no_operation_fails() {
    let world = World::start().await;
    let stop = AtomicBool::new(false);
    let clients = [world.client("billing", Transport::Tcp).await, world.client("reports", Transport::Quic).await];
    for key in KEYS {
        let rotation = SetRotationByUse { items: Some(50), bytes: None };
        world.administrator.set_rotation_by_use(STORE, key, &rotation).await.unwrap();
    }
    let (made, ()) = tokio::join!(async { tokio::join!(work(&clients[0], &stop), work(&clients[1], &stop)) }, async {
        let begin = Instant::now();
        for key in KEYS {
            while world.shown(key).await.versions.len() < 4 {
                assert!(begin.elapsed() < Duration::from_secs(60), "{key} is rotated");
                tokio::task::yield_now().await;
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
    for key in KEYS {
        let shown = world.shown(key).await;
        let items: u64 = shown.versions.iter().filter_map(|version| version.usage).map(|usage| usage.items).sum();
        // Each round makes and checks one item of each key. A rotation may have pieces of a batch done again.
        assert!(items >= 2 * (made.0 + made.1), "{key}: {items} counted, {made:?} rounds");
    }
    drop(clients);
    world.running.daemon.stop().await;
}

/// Encrypts, signs and makes MACs until it is told to stop; gives the number of rounds.
async fn work(client: &Client, stop: &AtomicBool) -> u64 {
    let [records, receipts, webhooks] = KEYS;
    let records = client.key(STORE, records).await.unwrap();
    let receipts = client.key(STORE, receipts).await.unwrap();
    let webhooks = client.key(STORE, webhooks).await.unwrap();
    let mut rounds = 0;
    while !stop.load(Ordering::SeqCst) {
        let ciphertext = records.encrypt(&Context::EMPTY, b"12345").await.unwrap();
        assert_eq!(records.decrypt(&Context::EMPTY, &ciphertext).await.unwrap().expose(), b"12345");
        let signature = receipts.sign(b"12345").await.unwrap();
        receipts.verify(b"12345", &signature.bytes, None).await.unwrap();
        let mac = webhooks.make_mac(b"12345").await.unwrap();
        webhooks.verify_mac(b"12345", &mac.bytes, None).await.unwrap();
        rounds += 1;
    }
    rounds
}

/// A daemon with a key store and a key of each kind, and its administrator.
struct World {
    running: Running,
    administrator: ControlClient,
}

impl World {
    async fn start() -> Self {
        let running = Running::start().await;
        let administrator = running.administrator();
        let access = Access { client_certificate: true, ..Access::default() };
        administrator.create_store(&CreateStore { name: STORE.to_owned(), access }).await.unwrap();
        let value = Some(SecretText::base64_of(b"correct horse battery staple"));
        let keys = vec![
            NewKey::new("records", "XAES-256-GCM"),
            NewKey::new("receipts", "ECDSA-P384-SHA384"),
            NewKey::new("webhooks", "HMAC-SHA-256"),
            NewKey { value, ..NewKey::new("password", "OPAQUE") },
        ];
        administrator.create_keys(STORE, &CreateKeys { keys }).await.unwrap();
        Self { running, administrator }
    }

    async fn shown(&self, key: &str) -> Key {
        self.administrator.key(STORE, key).await.unwrap()
    }

    /// A client whom the store admits by a certificate with this common name.
    async fn client(&self, common_name: &str, transport: Transport) -> Client {
        let request = IssueCertificate { common_name: common_name.to_owned(), ..IssueCertificate::default() };
        let issued = self.administrator.issue_certificate(STORE, &request).await.unwrap();
        let key = issued.private_key.unwrap();
        let identity = Identity::from_pem(issued.certificate.as_bytes(), key.expose().as_bytes()).unwrap();
        let server_ca = ServerCa::from_der(self.running.server.certificate().to_vec());
        let mut config = ClientConfig::new(self.running.daemon.data_address().to_string(), server_ca, Some(identity));
        config.transport = transport;
        Client::connect(config).await.unwrap()
    }
}

const STORE: &str = "payments";

/// Keys that are rotated by use.
const KEYS: [&str; 3] = ["records", "receipts", "webhooks"];

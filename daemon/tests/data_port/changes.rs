//! Changes while clients work: nothing completes under the old state once a change is acknowledged, and a rotation fails nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use claviger_algorithm::Algorithm;
use claviger_engine::key::state::KeyState;
use claviger_protocol::Reply as Decoded;
use claviger_protocol::message::{DescribeKey, MessageForm, ReadPublicKey, ReadSecret};
use claviger_protocol::{KeyId, Opcode, Status};
use tokio::task::JoinSet;

use crate::support::client::Receiver;
use crate::support::messages::{decrypt, encrypt, make_mac, reencrypt, sign, unwrap, verify, wrap};
use crate::support::server::{Gate, engine_id};
use crate::support::{Client, Options, Server, request, within};

on_both_transports! {
    // R-K9
    async fn work_in_flight_when_a_key_is_disabled_is_not_given_out(transport) {
        let server = Server::start_with(Options { compute_threads: 1, ..Options::default() });
        let key = server.create("key", Algorithm::Rsa2048Pkcs1Sha256);
        let mut client = Client::greeted(&server, transport).await;
        assert_eq!(client.call(sign(key, MessageForm::Message, &[b"m"])).await.status(), Status::Ok);
        let gate = Gate::close(&server);
        for id in 0..20 {
            client.send(&request(id, sign(key, MessageForm::Message, &[b"m"]))).await;
        }
        client.send(&request(20, DescribeKey { key_id: key })).await;
        assert_eq!(client.reply().await.header.request_id, 20, "the others are in flight by now");
        server.set_state(key, KeyState::Disabled);
        gate.open();
        for _ in 0..20 {
            assert_eq!(client.reply().await.status(), Status::KeyDisabled);
        }
    }

    // R-K9, R-K10
    async fn nothing_sent_after_a_key_was_disabled_or_its_deletion_requested_or_made_succeeds(transport) {
        let server = Arc::new(Server::start());
        let keys = [
            server.create("rsa", Algorithm::Rsa2048Pkcs1Sha256),
            server.create("ed25519", Algorithm::Ed25519),
            server.create("aes", Algorithm::Xaes256Gcm),
        ];
        let mut clients = Vec::new();
        for key in keys.into_iter().cycle().take(6) {
            clients.push(Load::begin(Client::greeted(&server, transport).await, key, keys));
        }
        for state in [KeyState::Disabled, KeyState::DeletionRequested, KeyState::Disabled, KeyState::Deleted] {
            for key in keys {
                let server = Arc::clone(&server);
                // A change blocks: not on a thread of the runtime.
                tokio::task::spawn_blocking(move || server.bring(key, state)).await.unwrap();
            }
            clients.iter().for_each(Load::disabled);
            for client in &clients {
                client.has_been_refused().await;
            }
            if state == KeyState::Deleted {
                break;
            }
            // Before the state changes, so that what succeeds from here on is not taken for old.
            clients.iter().for_each(Load::enabling);
            for key in keys {
                server.bring(key, KeyState::Available);
            }
            for client in &clients {
                client.has_succeeded().await;
            }
        }
        for client in clients {
            client.end().await;
        }
    }

    // R-K9
    async fn a_disabled_key_is_described_and_shows_its_public_key_and_does_nothing_else(transport) {
        let server = Server::start();
        let aes = server.create("aes", Algorithm::Xaes256Gcm);
        let signing = server.create("signing", Algorithm::Ed25519);
        let secret = server.create("secret", Algorithm::Opaque);
        let mac = server.create("mac", Algorithm::HmacSha256);
        let good = server.create("good", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        let ciphertext = client.call(encrypt(aes, &[(b"", b"plain")])).await.only();
        for key in [aes, signing, secret, mac] {
            server.set_state(key, KeyState::Disabled);
            let reply = client.call(DescribeKey { key_id: key }).await;
            let Ok(Decoded::DescribeKey(described)) = Decoded::decode(Opcode::DescribeKey, &reply.body) else { panic!() };
            assert_eq!(described.state, claviger_protocol::KeyState::Disabled.code());
        }
        let form = MessageForm::Message;
        let statuses = [
            client.call(encrypt(aes, &[(b"", b"")])).await.status(),
            client.call(decrypt(aes, &[(b"", &ciphertext)])).await.status(),
            client.call(reencrypt(aes, good, &[[b"", b"", &ciphertext]])).await.status(),
            client.call(reencrypt(good, aes, &[[b"", b"", &ciphertext]])).await.status(),
            client.call(wrap(aes, &[(b"", b"k")])).await.status(),
            client.call(unwrap(aes, &[(b"", b"k")])).await.status(),
            client.call(sign(signing, form, &[b""])).await.status(),
            client.call(verify(signing, 0, form, &[(b"", b"")])).await.status(),
            client.call(make_mac(mac, &[b""])).await.status(),
            client.call(ReadSecret { key_id: secret, key_version: 0 }).await.status(),
            // The state is told before what the kind does not do.
            client.call(sign(aes, form, &[b""])).await.status(),
        ];
        assert_eq!(statuses, [Status::KeyDisabled; 11]);
        assert_eq!(client.call(ReadPublicKey { key_id: signing, key_version: 0 }).await.status(), Status::Ok);
        server.set_state(aes, KeyState::Available);
        assert_eq!(client.call(decrypt(aes, &[(b"", &ciphertext)])).await.only(), b"plain");
    }

    // R-K12, R-K15
    async fn rotation_under_load_fails_nothing(transport) {
        let server = Arc::new(Server::start());
        let aes = server.create("aes", Algorithm::Xaes256Gcm);
        let rsa = server.create("rsa", Algorithm::Rsa2048Pkcs1Sha256);
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..2 {
            let mut client = Client::greeted(&server, transport).await;
            let stop = Arc::clone(&stop);
            tasks.spawn(async move {
                let mut newest = 0;
                let first = client.call(encrypt(aes, &[(b"c", b"first")])).await.only();
                while !stop.load(Ordering::Relaxed) {
                    let ciphertext = client.call(encrypt(aes, &[(&b"c"[..], &b"plain"[..]); 16])).await.results();
                    let version = u32::from_be_bytes(ciphertext[0][2..6].try_into().unwrap());
                    assert!(version >= newest, "version {version} after {newest}");
                    newest = version;
                    let items = [(&b"c"[..], &ciphertext[15][..]), (b"c", &first)];
                    assert_eq!(client.call(decrypt(aes, &items)).await.results(), [&b"plain"[..], b"first"]);
                    let signed = client.call(sign(rsa, MessageForm::Message, &[b"m"])).await.only();
                    let verified = client.call(verify(rsa, 0, MessageForm::Message, &[(b"m", &signed[4..])])).await;
                    assert_eq!(verified.only(), signed[..4]);
                }
                newest
            });
        }
        for _ in 0..20 {
            let server = Arc::clone(&server);
            tokio::task::spawn_blocking(move || server.engine.rotate(engine_id(aes)).unwrap()).await.unwrap();
        }
        let rotating = Arc::clone(&server);
        tokio::task::spawn_blocking(move || rotating.engine.rotate(engine_id(rsa)).unwrap()).await.unwrap();
        stop.store(true, Ordering::Relaxed);
        while let Some(newest) = within(tasks.join_next()).await {
            assert!(newest.unwrap() >= 1);
        }
        let mut client = Client::greeted(&server, transport).await;
        let ciphertext = client.call(encrypt(aes, &[(b"", b"")])).await.only();
        assert_eq!(ciphertext[2..6], 21_u32.to_be_bytes(), "nothing is made under an old version after the rotation");
    }
}

/// A client that has requests in flight all the time, and knows for each whether it was sent while its key was disabled.
struct Load {
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    /// Requests sent so far; the next one has this id.
    sent: AtomicU64,
    /// Requests from this id on were sent while the key was disabled for certain, or [`NEVER`].
    disabled_from: AtomicU64,
    refused: AtomicU64,
    succeeded: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    /// `key` decides what is asked: each of `keys` does another operation.
    fn begin(client: Client, key: KeyId, keys: [KeyId; 3]) -> Self {
        let shared = Arc::new(Shared { disabled_from: AtomicU64::new(NEVER), ..Shared::default() });
        let of_task = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let Client { mut sender, mut receiver, quic: _quic } = client;
            let mut in_flight = 0;
            while !of_task.stop.load(Ordering::SeqCst) {
                while in_flight < 8 {
                    let id = of_task.sent.fetch_add(1, Ordering::SeqCst);
                    sender.send(&ask(id, key, keys)).await;
                    in_flight += 1;
                }
                of_task.take(&mut receiver).await;
                in_flight -= 1;
            }
            for _ in 0..in_flight {
                of_task.take(&mut receiver).await;
            }
        });
        Self { shared, task }
    }

    /// The key is disabled, and that is acknowledged: nothing sent from now on may succeed.
    fn disabled(&self) {
        // Taken after the acknowledgement, and requests get their number before they are sent.
        self.shared.disabled_from.store(self.shared.sent.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// The key will be enabled: anything may succeed again.
    fn enabling(&self) {
        self.shared.disabled_from.store(NEVER, Ordering::SeqCst);
    }

    async fn has_been_refused(&self) {
        self.moves(&self.shared.refused).await;
    }

    async fn has_succeeded(&self) {
        self.moves(&self.shared.succeeded).await;
    }

    /// Waits until a counter has moved by more than may have been under way.
    async fn moves(&self, counter: &AtomicU64) {
        let before = counter.load(Ordering::SeqCst);
        within(async {
            while counter.load(Ordering::SeqCst) < before + 16 {
                assert!(!self.task.is_finished(), "the client has failed");
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    async fn end(self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        within(self.task).await.unwrap();
    }
}

impl Shared {
    async fn take(&self, receiver: &mut Receiver) {
        let header = receiver.reply().await.header;
        match header.status {
            Status::KeyDisabled | Status::KeyDeletionRequested | Status::KeyDeleted => {
                self.refused.fetch_add(1, Ordering::SeqCst)
            }
            Status::Ok => {
                let from = self.disabled_from.load(Ordering::SeqCst);
                assert!(header.request_id < from, "request {} succeeded, disabled from {from} on", header.request_id);
                self.succeeded.fetch_add(1, Ordering::SeqCst)
            }
            status => panic!("{status}"),
        };
    }
}

fn ask(id: u64, key: KeyId, keys: [KeyId; 3]) -> Vec<u8> {
    match keys.iter().position(|it| *it == key) {
        Some(0) => request(id, sign(key, MessageForm::Message, &[b"m"])),
        Some(1) => request(id, sign(key, MessageForm::Message, &[&b"m"[..]; 16])),
        _ => request(id, encrypt(key, &[(b"c", b"plain")])),
    }
}

/// No request has this id.
const NEVER: u64 = u64::MAX;

//! A lock on live connections: nothing but Locked from the moment on in which it is acknowledged, however many requests are on their way.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use claviger_algorithm::Algorithm;
use claviger_protocol::message::{
    DataKeyForm, DescribeKey, MessageForm, Ping, ReadPublicKey, ReadSecret, WaitForSecret, Whoami,
};
use claviger_protocol::{KeyId, Opcode, Status, StoreId};
use tokio::task::{JoinSet, spawn_blocking};

use crate::support::messages::{
    asymmetric_decrypt, decrypt, encrypt, generate, make_mac, random, reencrypt, resolve, sign, unwrap, verify,
    verify_mac, wrap,
};
use crate::support::server::Gate;
use crate::support::{Client, Options, Server, request, within};

on_both_transports! {
    // R-A13
    async fn while_it_is_locked_every_operation_is_answered_locked_but_hello_ping_and_whoami(transport) {
        let server = Server::start();
        let [aes, mac] = [Algorithm::Xaes256Gcm, Algorithm::HmacSha256].map(|one| server.create(one.row().name, one));
        let [signing, decrypting] =
            [Algorithm::Ed25519, Algorithm::Rsa2048OaepSha256].map(|one| server.create(one.row().name, one));
        let secret = server.create("secret", Algorithm::Opaque);
        let mut client = Client::greeted(&server, transport).await;
        let mut stranger = Client::connect(&server, transport, None).await.unwrap();
        let ciphertext = client.call(encrypt(aes, &[(b"", b"plain")])).await.only();
        lock(&server).await;
        stranger.say_hello().await;
        let form = MessageForm::Message;
        for client in [&mut client, &mut stranger] {
            let replies = [
                client.call(encrypt(aes, &[(b"", b"plain")])).await,
                client.call(decrypt(aes, &[(b"", &ciphertext)])).await,
                client.call(reencrypt(aes, aes, &[[b"", b"", &ciphertext]])).await,
                client.call(generate(aes, DataKeyForm::PlainAndWrapped, 32, &[b""])).await,
                client.call(wrap(aes, &[(b"", b"k")])).await,
                client.call(unwrap(aes, &[(b"", b"k")])).await,
                client.call(sign(signing, form, &[b"m"])).await,
                client.call(verify(signing, 0, form, &[(b"m", b"s")])).await,
                client.call(asymmetric_decrypt(decrypting, 0, &[(b"", &[0; 256])])).await,
                client.call(make_mac(mac, &[b"m"])).await,
                client.call(verify_mac(mac, 0, &[(b"m", b"m")])).await,
                client.call(ReadSecret { key_id: secret, key_version: 0 }).await,
                client.call(WaitForSecret { key_id: secret, known_version: 1, wait_ms: 60_000 }).await,
                client.call(ReadPublicKey { key_id: signing, key_version: 0 }).await,
                client.call(random(StoreId(server.store.0), &[1])).await,
                client.call(random(StoreId(server.store.0), &[32_768; 32])).await,
                client.call(resolve("store", &[b"secret"])).await,
                client.call(DescribeKey { key_id: aes }).await,
                client.call(DescribeKey { key_id: KeyId([7; 16]) }).await,
            ];
            for reply in &replies {
                assert_eq!((reply.status(), reply.body.len()), (Status::Locked, 0), "{:#04x}", reply.header.opcode);
            }
            let told: BTreeSet<_> = replies.iter().map(|reply| reply.header.opcode).collect();
            let open = [Opcode::Hello, Opcode::Ping, Opcode::Whoami].map(Opcode::code);
            let all = Opcode::ALL.map(Opcode::code).into_iter().filter(|code| !open.contains(code)).collect();
            assert_eq!(told, all, "every operation");
            assert_eq!(client.call(Ping { payload: b"there" }).await.body, b"there");
            assert_eq!(client.call(Whoami).await.status(), Status::Ok);
        }
        server.engine.unlock().unwrap();
        assert_eq!(client.call(decrypt(aes, &[(b"", &ciphertext)])).await.only(), b"plain");
        assert_eq!(stranger.call(DescribeKey { key_id: aes }).await.status(), Status::NotPermitted);
    }

    // R-A13
    async fn work_in_flight_when_it_is_locked_is_not_given_out(transport) {
        let server = Server::start_with(Options { compute_threads: 1, ..Options::default() });
        let key = server.create("key", Algorithm::Rsa2048Pkcs1Sha256);
        let mut client = Client::greeted(&server, transport).await;
        assert_eq!(client.call(sign(key, MessageForm::Message, &[b"m"])).await.status(), Status::Ok);
        let gate = Gate::close(&server);
        for id in 0..20 {
            client.send(&request(id, sign(key, MessageForm::Message, &[b"m"]))).await;
        }
        for id in 20..30 {
            client.send(&request(id, random(StoreId(server.store.0), &[32_768; 32]))).await;
        }
        client.send(&request(30, DescribeKey { key_id: key })).await;
        assert_eq!(client.reply().await.header.request_id, 30, "the others are in flight by now");
        assert_eq!(lock(&server).await, 1, "the key is in the hands of work that is held up");
        gate.open();
        for _ in 0..30 {
            assert_eq!(client.reply().await.status(), Status::Locked);
        }
        assert_eq!(lock(&server).await, 0);
    }

    // R-A13, R-K2
    async fn a_wait_for_a_secret_ends_when_it_is_locked(transport) {
        let server = Server::start();
        let secret = server.create("secret", Algorithm::Opaque);
        let mut client = Client::greeted(&server, transport).await;
        client.send(&request(1, WaitForSecret { key_id: secret, known_version: 1, wait_ms: 60_000 })).await;
        while server.engine.waits_for_changes() == 0 {
            assert_eq!(client.call(Ping { payload: b"" }).await.status(), Status::Ok);
        }
        lock(&server).await;
        let reply = client.reply().await;
        assert_eq!((reply.header.request_id, reply.status()), (1, Status::Locked));
    }

    // R-A13
    async fn nothing_sent_after_a_lock_is_acknowledged_succeeds_until_it_is_unlocked(transport) {
        let server = Arc::new(Server::start());
        let keys = [
            server.create("aes", Algorithm::Xaes256Gcm),
            server.create("ed25519", Algorithm::Ed25519),
            server.create("rsa", Algorithm::Rsa2048Pkcs1Sha256),
        ];
        let seen = Arc::<Seen>::default();
        let mut clients = JoinSet::new();
        for key in keys.into_iter().cycle().take(6) {
            let client = Client::greeted(&server, transport).await;
            clients.spawn(Arc::clone(&seen).run(client, key, key == keys[0]));
        }
        for _ in 0..5 {
            seen.wait_for_more(&seen.succeeded).await;
            lock(&server).await;
            seen.turn.fetch_add(1, Ordering::SeqCst);
            seen.wait_for_more(&seen.refused).await;
            // Before it is unlocked, so that what succeeds from here on is not taken for a mistake.
            seen.turn.fetch_add(1, Ordering::SeqCst);
            let unlocking = Arc::clone(&server);
            spawn_blocking(move || unlocking.engine.unlock().unwrap()).await.unwrap();
        }
        seen.is_over.store(true, Ordering::SeqCst);
        while let Some(ended) = within(clients.join_next()).await {
            ended.unwrap();
        }
    }
}

/// Locks, and gives the number of keys that are left in memory.
pub(crate) async fn lock(server: &Server) -> usize {
    let engine = Arc::clone(&server.engine);
    // It blocks: not on a thread of the runtime.
    let now = spawn_blocking(move || engine.lock("a theft").unwrap()).await.unwrap();
    assert!(now.stopped.not_durable.is_none());
    now.keys_left
}

/// What clients have seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// Odd while a stop has been acknowledged and no end of it ordered.
    pub(crate) turn: AtomicU64,
    pub(crate) is_over: AtomicBool,
    pub(crate) succeeded: AtomicU64,
    /// Requests that were sent while it was stopped, and refused.
    pub(crate) refused: AtomicU64,
}

impl Seen {
    /// Keeps 32 requests in flight until it is over.
    pub(crate) async fn run(self: Arc<Self>, mut client: Client, key: KeyId, encrypts: bool) {
        let mut sent_in = Vec::new();
        let (mut sent, mut answered) = (0, 0);
        loop {
            let is_over = self.is_over.load(Ordering::SeqCst);
            while sent - answered < 32 && !is_over {
                sent_in.push(self.turn.load(Ordering::SeqCst));
                let bytes = if encrypts {
                    request(sent, encrypt(key, &[(b"", b"plain")]))
                } else {
                    request(sent, sign(key, MessageForm::Message, &[b"m"]))
                };
                client.send(&bytes).await;
                sent += 1;
            }
            if sent == answered {
                return;
            }
            let reply = client.reply().await;
            answered += 1;
            let turn = sent_in[usize::try_from(reply.header.request_id).unwrap()];
            let was_locked = turn % 2 == 1;
            match reply.status() {
                // It may have been unlocked between request and reply.
                Status::Ok => {
                    let is_same = self.turn.load(Ordering::SeqCst) == turn;
                    assert!(!(was_locked && is_same), "a request succeeded that was sent after the acknowledgement");
                    self.succeeded.fetch_add(1, Ordering::SeqCst);
                }
                Status::Locked | Status::NotPermitted => {
                    self.refused.fetch_add(u64::from(was_locked), Ordering::SeqCst);
                }
                status => panic!("{status}"),
            }
        }
    }

    /// Waits until it is at least 100 more.
    pub(crate) async fn wait_for_more(&self, count: &AtomicU64) {
        let enough = count.load(Ordering::SeqCst) + 100;
        within(async {
            while count.load(Ordering::SeqCst) < enough {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

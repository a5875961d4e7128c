//! A thousand changes of keys while clients work: each reply is right for a state that its key was in between request and reply, and none fails for another reason.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use claviger_algorithm::Algorithm;
use claviger_daemon::limits::ATTEMPTS_MAX;
use claviger_engine::key::state::KeyState;
use claviger_protocol::message::MessageForm;
use claviger_protocol::{KeyId, Status};
use parking_lot::Mutex;
use tokio::task::{JoinSet, spawn_blocking};

use crate::support::messages::{decrypt, encrypt, sign, verify};
use crate::support::server::engine_id;
use crate::support::{Client, Server, request, within};

on_both_transports! {
    // R-K9, R-K10, R-K12
    async fn changes_under_load_are_in_force_when_they_are_acknowledged_and_fail_nothing_else(transport) {
        let server = Arc::new(Server::start());
        let mut first = Client::greeted(&server, transport).await;
        let mut keys = Vec::new();
        for (name, algorithm) in ALGORITHMS {
            let id = server.create(name, algorithm);
            let made = match algorithm {
                Algorithm::Ed25519 => first.call(sign(id, MessageForm::Message, &[b"m"])).await.only()[4..].to_vec(),
                Algorithm::Xaes256Gcm => first.call(encrypt(id, &[(b"c", b"plain")])).await.only(),
                _ => Vec::new(),
            };
            keys.push(Watched::new(id, algorithm, made));
        }
        let load = Arc::new(Load { keys, replies: AtomicUsize::new(0), is_over: AtomicBool::new(false) });
        let mut clients = JoinSet::new();
        for _ in 0..4 {
            let client = Client::greeted(&server, transport).await;
            clients.spawn(Arc::clone(&load).run(client));
        }
        let (changing, of_load) = (Arc::clone(&server), Arc::clone(&load));
        spawn_blocking(move || of_load.change(&changing)).await.unwrap();
        load.is_over.store(true, Ordering::SeqCst);
        let mut seen = BTreeMap::new();
        while let Some(of_client) = within(clients.join_next()).await {
            for (status, count) in of_client.unwrap() {
                *seen.entry(status).or_insert(0) += count;
            }
        }
        for status in [Status::Ok, Status::KeyDisabled, Status::KeyDeletionRequested, Status::KeyDeleted] {
            assert!(seen.get(&status.code()).is_some_and(|count| *count > 20), "{status} is rare: {seen:?}");
        }
    }
}

/// What clients work with, and how far they are.
struct Load {
    keys: Vec<Watched>,
    replies: AtomicUsize,
    is_over: AtomicBool,
}

/// A key, and all the states it has been in.
struct Watched {
    id: KeyId,
    algorithm: Algorithm,
    /// A ciphertext or signature of its first version.
    made: Vec<u8>,
    history: Mutex<Vec<KeyState>>,
    /// Place in the history of the state that has been acknowledged last.
    acknowledged: AtomicUsize,
}

impl Load {
    /// Keeps eight requests in flight until it is over, and looks at each reply; gives the number of replies of each status.
    async fn run(self: Arc<Self>, mut client: Client) -> BTreeMap<u8, usize> {
        let (mut waiting, mut seen, mut next_id) = (BTreeMap::new(), BTreeMap::new(), 0);
        loop {
            let is_over = self.is_over.load(Ordering::SeqCst);
            while waiting.len() < 8 && !is_over {
                let key = &self.keys[usize::try_from(next_id).unwrap() % self.keys.len()];
                // Looked at before it is sent: what is acknowledged by now is in force for it.
                waiting.insert(next_id, (key, key.acknowledged.load(Ordering::SeqCst)));
                client.send(&key.ask(next_id)).await;
                next_id += 1;
            }
            if waiting.is_empty() {
                return seen;
            }
            let reply = client.reply().await;
            let (key, from) = waiting.remove(&reply.header.request_id).unwrap();
            key.check(from, reply.status());
            if reply.status() == Status::Ok {
                assert!(reply.items().iter().all(|(status, _)| *status == Status::Ok), "{}", key.algorithm);
            }
            *seen.entry(reply.status().code()).or_insert(0) += 1;
            self.replies.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Changes the keys a thousand times, and deletes those whose states change at the end.
    fn change(&self, server: &Server) {
        let mut random = Random(SEED);
        for _ in 0..CHANGES {
            let key = &self.keys[random.below(self.keys.len())];
            let state = key.state();
            let to = [KeyState::Available, KeyState::Disabled, KeyState::DeletionRequested][random.below(3)];
            if random.below(16) == 0 || !key.changes_its_state() {
                self.rotate(server, key);
            } else if (state, to) != (KeyState::DeletionRequested, KeyState::DeletionRequested) {
                key.change(server, to);
            }
            self.wait_for_replies(4);
        }
        for key in self.keys.iter().filter(|key| key.changes_its_state()) {
            key.change(server, KeyState::Deleted);
        }
        // Those that were in flight, and as many again.
        self.wait_for_replies(8 * 4 * 20);
    }

    fn rotate(&self, server: &Server, key: &Watched) {
        let versions = server.engine.describe_key(engine_id(key.id)).unwrap().versions.len();
        if versions < ROTATED_TO {
            server.engine.rotate(engine_id(key.id)).unwrap();
        }
    }

    /// Until so many replies more have come, so that the clients see something of each state.
    fn wait_for_replies(&self, count: usize) {
        let (goal, began) = (self.replies.load(Ordering::SeqCst) + count, Instant::now());
        while self.replies.load(Ordering::SeqCst) < goal {
            assert!(began.elapsed() < PATIENCE, "the clients do not go on");
            std::thread::yield_now();
        }
    }
}

impl Watched {
    fn new(id: KeyId, algorithm: Algorithm, made: Vec<u8>) -> Self {
        let history = Mutex::new(vec![KeyState::Available]);
        Self { id, algorithm, made, history, acknowledged: AtomicUsize::new(0) }
    }

    /// One of them is rotated only, and never refused.
    fn changes_its_state(&self) -> bool {
        self.algorithm != ROTATED_ONLY
    }

    fn state(&self) -> KeyState {
        *self.history.lock().last().unwrap()
    }

    /// Changes the state step by step, each noted before it begins and again when it is acknowledged.
    fn change(&self, server: &Server, to: KeyState) {
        let steps: &[KeyState] = match (self.state(), to) {
            (KeyState::DeletionRequested, KeyState::Available) => &[KeyState::Disabled, KeyState::Available],
            (KeyState::DeletionRequested, _) => &[to],
            (_, KeyState::Deleted) => &[KeyState::DeletionRequested, KeyState::Deleted],
            _ => &[to],
        };
        let id = engine_id(self.id);
        for step in steps {
            let before = self.state();
            let place = {
                let mut history = self.history.lock();
                history.push(*step);
                history.len() - 1
            };
            match (before, step) {
                (KeyState::DeletionRequested, KeyState::Disabled) => server.engine.cancel_deletion(id),
                (KeyState::DeletionRequested, _) => server.engine.delete_now(id, true),
                (_, KeyState::DeletionRequested) => server.engine.request_deletion(id, Duration::from_hours(24)),
                (_, state) => server.engine.set_state(id, *state),
            }
            .unwrap();
            self.acknowledged.store(place, Ordering::SeqCst);
        }
    }

    /// A reply to a request that was sent when state number `from` was in force.
    fn check(&self, from: usize, status: Status) {
        let history = self.history.lock();
        let states = &history[from..];
        let answer = |state: &KeyState| match state {
            KeyState::Available => Status::Ok,
            KeyState::Disabled => Status::KeyDisabled,
            KeyState::DeletionRequested => Status::KeyDeletionRequested,
            KeyState::Deleted => Status::KeyDeleted,
        };
        // Work that was overtaken by a change as often as it was begun: the client is told to come back.
        let was_overtaken = status == Status::Overloaded && states.len() > usize::from(ATTEMPTS_MAX);
        let is_right = was_overtaken || states.iter().any(|state| answer(state) == status);
        assert!(is_right, "{status} of a key of {} that was {states:?} (seed {SEED:#x})", self.algorithm);
    }

    fn ask(&self, request_id: u64) -> Vec<u8> {
        let form = MessageForm::Message;
        match self.algorithm {
            Algorithm::Xaes256Gcm => request(request_id, decrypt(self.id, &[(b"c", &self.made)])),
            Algorithm::Aes256Gcm => request(request_id, encrypt(self.id, &[(b"c", b"plain")])),
            Algorithm::Ed25519 => request(request_id, verify(self.id, 0, form, &[(b"m", &self.made)])),
            _ => request(request_id, sign(self.id, form, &[b"m"])),
        }
    }
}

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// Worked on in a frame, by lanes, and with counted uses; decrypting, encrypting, signing and verifying.
const ALGORITHMS: [(&str, Algorithm); 4] = [
    ("decrypting", Algorithm::Xaes256Gcm),
    ("encrypting", ROTATED_ONLY),
    ("verifying", Algorithm::Ed25519),
    ("signing", Algorithm::EcdsaP521Sha512),
];

const ROTATED_ONLY: Algorithm = Algorithm::Aes256Gcm;

/// Versions that a key is rotated to: verification may try each of them.
const ROTATED_TO: usize = 8;

const CHANGES: usize = 1_000;

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

const PATIENCE: Duration = Duration::from_secs(30);

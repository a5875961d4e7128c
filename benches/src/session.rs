//! A client and a session of the data port on one thread, without a transport: what a daemon does between reading requests and writing replies.

use std::sync::Arc;

use claviger_algorithm::Algorithm;
use claviger_daemon::data_port::direct::DirectSession;
use claviger_engine::Engine;
use claviger_protocol::deframer::{self, Step};
use claviger_protocol::message::{
    Decrypt, DecryptItem, Encrypt, EncryptItem, Hello, HelloOption, Message, MessageForm, Sign, SignItem,
};
use claviger_protocol::{KeyId, OutputBuffer, Reply, RequestHeader};

use crate::{CONTEXT, engine_with, input, new_key};

/// What a client asks for again and again.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// What it is called, among the benchmarks and in `instructions.toml`.
    pub name: &'static str,
    /// What is asked for.
    pub asked: Asked,
    /// Bytes of each plaintext or message.
    pub size: usize,
    /// Items of one frame.
    pub batch: usize,
    /// Frames that one read of a socket brings.
    pub frames: usize,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    /// To encrypt with XAES-256-GCM.
    Encrypt,
    /// To decrypt what one read of a socket has encrypted, in one burst.
    DecryptOneBurst,
    /// To decrypt items each of which was encrypted in a burst of its own. There are many times as many as a key remembers.
    DecryptOtherBursts,
    /// To sign. The thread signs small batches itself, larger ones go to the compute pool.
    SignEd25519,
}

impl Workload {
    /// Those whose instructions are counted: together they go through the hot path of the daemon.
    pub const ALL: [Self; 7] = [
        Self::new("encrypt/1KiB/16items", Asked::Encrypt, 1_024, 16, 8),
        Self::new("encrypt/1KiB/64items", Asked::Encrypt, 1_024, 64, 2),
        Self::new("encrypt/1KiB/1item", Asked::Encrypt, 1_024, 1, 128),
        Self::new("encrypt/64B/256items", Asked::Encrypt, 64, 256, 4),
        Self::new("decrypt/1KiB/16items/one_burst", Asked::DecryptOneBurst, 1_024, 16, 8),
        Self::new("decrypt/1KiB/16items/other_bursts", Asked::DecryptOtherBursts, 1_024, 16, 8),
        Self::new("sign/Ed25519/64B/4items", Asked::SignEd25519, 64, 4, 16),
    ];

    /// A workload of so many frames a read and items a frame, of so many bytes each.
    #[must_use]
    pub const fn new(name: &'static str, asked: Asked, size: usize, batch: usize, frames: usize) -> Self {
        Self { name, asked, size, batch, frames }
    }

    /// Items that one read of a socket brings.
    #[must_use]
    pub const fn items(&self) -> usize {
        self.batch * self.frames
    }

    const fn algorithm(&self) -> Algorithm {
        match self.asked {
            Asked::SignEd25519 => Algorithm::Ed25519,
            Asked::Encrypt | Asked::DecryptOneBurst | Asked::DecryptOtherBursts => Algorithm::Xaes256Gcm,
        }
    }
}

/// A workload, and a client of an engine of its own that asks for it.
pub struct SessionWork {
    client: DirectClient,
    frames: OutputBuffer,
    /// Bytes of all replies to them.
    reply_size: usize,
}

/// A client that has said Hello.
struct DirectClient(DirectSession);

impl SessionWork {
    /// Sets everything up, and checks what is answered once.
    ///
    /// # Panics
    /// If the engine cannot be started, or answers anything but every item.
    #[must_use]
    pub fn new(workload: &Workload) -> Self {
        let (engine, ids) = engine_with(vec![new_key("key", workload.algorithm())]);
        let key = KeyId(ids.first().expect("a key").0);
        let mut client = DirectClient::greeted(engine);
        let frames = workload.frames(key, &mut client);
        let replies = client.replies(&frames);
        assert_eq!(results(&replies).len(), workload.items(), "every item is answered");
        let mut work = Self { client, frames, reply_size: replies.len() };
        // What grows with its first use has grown after some.
        (0..WARM_UP).for_each(|_| work.once());
        work
    }

    /// Does all of it once, as what one read of a socket brought.
    ///
    /// # Panics
    /// If the replies are not as long as those that were checked.
    #[inline]
    pub fn once(&mut self) {
        let mut size = 0;
        let exchanged = self.client.0.exchange(self.frames.as_bytes(), |replies| size += replies.len());
        exchanged.expect("whole frames are taken");
        assert_eq!(size, self.reply_size, "what is answered is as long as what was checked");
    }
}

impl Workload {
    /// The frames of one read.
    fn frames(&self, key_id: KeyId, client: &mut DirectClient) -> OutputBuffer {
        let inputs: Vec<_> = (0..self.items()).map(|index| input(index, self.size)).collect();
        let encrypt = |plaintexts: &[Vec<u8>]| {
            frames(plaintexts, self.batch, |plaintexts| Encrypt {
                key_id,
                items: plaintexts.iter().map(|plaintext| EncryptItem { context: CONTEXT, plaintext }),
            })
        };
        let decrypt = |ciphertexts: &[Vec<u8>]| {
            frames(ciphertexts, self.batch, |ciphertexts| Decrypt {
                key_id,
                items: ciphertexts.iter().map(|ciphertext| DecryptItem { context: CONTEXT, ciphertext }),
            })
        };
        let mut encrypted = |plaintexts: &[Vec<u8>]| results(&client.replies(&encrypt(plaintexts)));
        match self.asked {
            Asked::Encrypt => encrypt(&inputs),
            Asked::DecryptOneBurst => decrypt(&encrypted(&inputs)),
            Asked::DecryptOtherBursts => decrypt(&inputs.chunks(1).flat_map(&mut encrypted).collect::<Vec<_>>()),
            Asked::SignEd25519 => frames(&inputs, self.batch, |messages| Sign {
                key_id,
                form: MessageForm::Message,
                items: messages.iter().map(|message| SignItem { message }),
            }),
        }
    }
}

impl DirectClient {
    fn greeted(engine: Arc<Engine>) -> Self {
        let mut client = Self(DirectSession::begin(engine).expect("a session"));
        let mut hello = OutputBuffer::new();
        let options = [] as [HelloOption<'_>; 0];
        let written = hello.request(RequestHeader::new(0), Hello { version_min: 1, version_max: 1, options });
        written.expect("a frame");
        client.replies(&hello);
        client
    }

    /// The bytes of all replies to some frames.
    fn replies(&mut self, frames: &OutputBuffer) -> Vec<u8> {
        let mut replies = Vec::new();
        let exchanged = self.0.exchange(frames.as_bytes(), |part| replies.extend_from_slice(part));
        exchanged.expect("whole frames are taken");
        replies
    }
}

/// Items as frames of `batch` each, one after the other.
fn frames<'i, M: Message>(items: &'i [Vec<u8>], batch: usize, message: impl Fn(&'i [Vec<u8>]) -> M) -> OutputBuffer {
    let mut frames = OutputBuffer::new();
    for (id, items) in (0..).zip(items.chunks(batch)) {
        frames.request(RequestHeader::new(id), message(items)).expect("a frame");
    }
    frames
}

/// The results of all items of replies to batches, each of which must be there.
fn results(mut replies: &[u8]) -> Vec<Vec<u8>> {
    let mut results = Vec::new();
    while let Step::Frame(frame) = deframer::reply(replies) {
        replies = replies.get(frame.size..).unwrap_or_default();
        match frame.decode().expect("a reply").expect("status Ok") {
            Reply::Bytes(items) => results.extend(items.map(|item| item.expect("a result").to_vec())),
            Reply::Versioned(items) => results.extend(items.map(|item| item.expect("a result").value.to_vec())),
            _ => {}
        }
    }
    assert!(replies.is_empty(), "replies are whole frames");
    results
}

/// How often work is done before it is measured.
const WARM_UP: usize = 3;

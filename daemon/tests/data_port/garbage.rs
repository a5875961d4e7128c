//! Random bytes on the byte stream: they end at most their own stream, and the server goes on.

use std::path::Path;

use claviger_algorithm::Algorithm;
use claviger_protocol::message::Ping;

use crate::support::{Client, Server};
use crate::vector;

on_both_transports! {
    // R-P3
    async fn noise_ends_at_most_its_own_stream(transport) {
        let server = Server::start();
        let mut random = Random(SEED);
        let noise = (0..60).map(|_| { let size = random.below(2_000); random.bytes(size) }).collect();
        send_all(&server, transport, noise).await;
    }

    // R-P3
    async fn altered_frames_end_at_most_their_own_stream(transport) {
        let server = Server::start();
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let mut random = Random(SEED);
        let vectors = vector::all(Path::new(VECTORS)).unwrap().into_iter();
        let requests = vectors.filter(|it| it.line("direction") == Some("request") && (46..4_096).contains(&it.bytes.len()));
        let alter = |mut bytes: Vec<u8>| {
            // A key that is there lets an alteration reach further.
            if bytes.len() > 56 {
                bytes[40..56].copy_from_slice(&key.0);
            }
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                bytes[at] = random.bytes(1)[0];
            }
            bytes
        };
        // Every third is enough for one run.
        let frames: Vec<_> = requests.map(|it| it.bytes).map(alter).step_by(3).collect();
        assert!(frames.len() > 80);
        send_all(&server, transport, frames).await;
    }
}

/// Sends each of `inputs` on a byte stream of its own, and looks after each whether another one still works.
async fn send_all(server: &Server, transport: crate::support::Transport, inputs: Vec<Vec<u8>>) {
    let credential = server.authority.client("client");
    let mut bystander = Client::greeted_as(server, transport, &credential).await;
    for (index, bytes) in inputs.iter().enumerate() {
        let mut client = Client::connect(server, transport, Some(&credential)).await.unwrap();
        // Every fourth without a greeting.
        if index % 4 > 0 {
            client.say_hello().await;
        }
        // The server may have ended the stream before everything is sent.
        if client.sender.try_send(bytes).await.is_ok() {
            client.sender.close().await;
            while let Ok(Some(_)) = client.receiver.next().await {}
        }
        let reply = bystander.call(Ping { payload: b"unmoved" }).await;
        assert_eq!(reply.body, b"unmoved", "input {index} of seed {SEED:#x}");
    }
}

/// SplitMix64: numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self, size: usize) -> Vec<u8> {
        (0..size).map(|_| self.next().to_be_bytes()[0]).collect()
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

const SEED: u64 = 0xC1A7_16E2;

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../protocol/tests/vectors");

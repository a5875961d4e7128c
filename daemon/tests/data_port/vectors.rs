//! The vectors of the protocol over real connections: the server answers each as it says, and nobody else notices.

use std::path::Path;

use claviger_algorithm::Algorithm;
use claviger_protocol::limits::HEADER_SIZE;
use claviger_protocol::message::Ping;
use claviger_protocol::{Opcode, Status};

use crate::support::certificates::{Credential, let_in};
use crate::support::{Client, Reply, Server, Transport, client};
use crate::vector::{self, Vector};

on_both_transports! {
    // R-P1, R-P3
    async fn every_request_is_answered_as_its_vector_says(transport) {
        let server = Server::start();
        let credential = server.authority.client("client");
        let keys = Keys::create(&server, &credential);
        let mut bystander = Client::greeted_as(&server, transport, &credential).await;
        let mut client = Client::greeted_as(&server, transport, &credential).await;
        let vectors = vector::all(Path::new(ROOT)).unwrap().into_iter();
        let mut count = 0;
        for vector in vectors.filter(|vector| vector.line("direction") == Some("request")) {
            count += 1;
            if vector.line("state").is_some() {
                client = beside(&server, transport, &client, &credential).await;
            }
            client.send(&keys.put_into(&vector)).await;
            let goes_on = match vector.expected_error.as_deref() {
                Some("Incomplete") => {
                    client.sender.close().await;
                    client.receiver.ended_regularly().await;
                    false
                }
                Some(error) => {
                    let reply = client.reply().await;
                    check_refusal(&vector, error, &reply);
                    let ends = vector.line("ends") == Some("yes");
                    if ends {
                        client.receiver.ended_regularly().await;
                    }
                    !ends
                }
                None => {
                    let reply = client.reply().await;
                    check_identity(&vector, &reply);
                    let fits = [Status::Ok, Status::KeyVersionNotFound];
                    assert!(fits.contains(&reply.status()), "{vector}: {}", reply.status());
                    true
                }
            };
            if goes_on && vector.line("state").is_some() {
                client.say_hello().await;
            }
            if goes_on {
                assert_eq!(client.call(Ping { payload: b"on" }).await.body, b"on", "{vector}");
            } else {
                client = beside(&server, transport, &client, &credential).await;
                client.say_hello().await;
            }
            assert_eq!(bystander.call(Ping { payload: b"unmoved" }).await.body, b"unmoved", "{vector}");
        }
        assert!(count > 300, "{count} vectors");
    }
}

/// A new byte stream, on QUIC beside the one that there is.
async fn beside(server: &Server, transport: Transport, client: &Client, credential: &Credential) -> Client {
    match &client.quic {
        Some(quic) => quic.stream().await.unwrap(),
        None => Client::connect(server, transport, Some(credential)).await.unwrap(),
    }
}

/// Keys for the requests of vectors, whose own ids no server has.
struct Keys<'s> {
    server: &'s Server,
    /// Of the client that asks.
    credential: &'s Credential,
    symmetric: [u8; 16],
    mac: [u8; 16],
    signing: [u8; 16],
    decrypting: [u8; 16],
    secret: [u8; 16],
}

impl<'s> Keys<'s> {
    fn create(server: &'s Server, credential: &'s Credential) -> Self {
        let create = |algorithm: Algorithm| server.create(algorithm.row().name, algorithm).0;
        Self {
            server,
            credential,
            symmetric: create(Algorithm::Xaes256Gcm),
            mac: create(Algorithm::HmacSha256),
            signing: create(Algorithm::EcdsaP256Sha256),
            decrypting: create(Algorithm::Rsa2048OaepSha256),
            secret: create(Algorithm::Opaque),
        }
    }

    /// The bytes of a vector with ids and names that the server has, where they are whole and well-formed.
    fn put_into(&self, vector: &Vector) -> Vec<u8> {
        let mut bytes = vector.bytes.clone();
        let Some(opcode) = bytes.get(5).copied().and_then(Opcode::from_code) else { return bytes };
        let ids = match opcode {
            Opcode::Hello | Opcode::Ping | Opcode::Whoami => return bytes,
            Opcode::Resolve => {
                self.create_store(&bytes);
                return bytes;
            }
            Opcode::Reencrypt => [self.symmetric, self.symmetric].concat(),
            Opcode::Sign | Opcode::Verify | Opcode::ReadPublicKey | Opcode::DescribeKey => self.signing.to_vec(),
            Opcode::AsymmetricDecrypt => self.decrypting.to_vec(),
            Opcode::MakeMac | Opcode::VerifyMac => self.mac.to_vec(),
            Opcode::ReadSecret => self.secret.to_vec(),
            // Nothing is known, so that nothing has to be waited for.
            Opcode::WaitForSecret => [&self.secret[..], &[0; 4]].concat(),
            Opcode::RandomBytes => self.server.store.0.to_vec(),
            Opcode::Encrypt
            | Opcode::Decrypt
            | Opcode::GenerateDataKey
            | Opcode::WrapDataKey
            | Opcode::UnwrapDataKey => self.symmetric.to_vec(),
        };
        if let Some(place) = bytes.get_mut(HEADER_SIZE..HEADER_SIZE + ids.len()) {
            place.copy_from_slice(&ids);
        }
        bytes
    }

    /// Makes the store that a request to resolve names, if a store can have that name.
    fn create_store(&self, bytes: &[u8]) {
        let Some((size, rest)) = bytes.get(HEADER_SIZE..).and_then(|body| body.split_first_chunk()) else { return };
        let name = rest.get(..usize::from(u16::from_be_bytes(*size))).map(String::from_utf8_lossy);
        let Some(name) = name.filter(|name| claviger_protocol::message::name_text(name.as_bytes()).is_some()) else {
            return;
        };
        if self.server.engine.store_by_name(&name.parse().unwrap()).is_none() {
            let store = self.server.create_store_for(&name, &self.server.authority);
            let_in(&self.server.engine, store, self.credential);
        }
    }
}

fn check_refusal(vector: &Vector, error: &str, reply: &Reply) {
    match vector.line("where").unwrap().strip_prefix("item ") {
        None => assert_eq!(reply.status().name(), error, "{vector}"),
        Some(index) => {
            let (status, result) = &reply.items()[index.parse::<usize>().unwrap()];
            assert_eq!((status.name(), result.len()), (error, 0), "{vector}");
        }
    }
    match vector.line("answer") {
        Some("zero") => {
            let header = reply.header;
            assert_eq!((header.opcode, header.request_id, header.trace_id.0), (0, 0, [0; 16]), "{vector}");
        }
        _ => check_identity(vector, reply),
    }
}

fn check_identity(vector: &Vector, reply: &Reply) {
    let header = reply.header;
    assert_eq!(header.opcode, vector.bytes[5], "{vector}");
    assert_eq!(header.request_id.to_be_bytes(), vector.bytes[8..16], "{vector}");
    assert_eq!(header.trace_id.0, vector.bytes[16..32], "{vector}");
    assert_ne!(header.request_id, client::CALL, "{vector}: a test could take it for its own");
}

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../protocol/tests/vectors");

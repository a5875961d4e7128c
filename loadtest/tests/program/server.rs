//! A server with keys of its own that answers as the daemon does, and then lies as a test tells it: over real TLS/TCP, with real
//! cryptography, so that nothing but the lie is wrong.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use aws_lc_rs::{hmac, rand};
use claviger_protocol::deframer::{self, Step};
use claviger_protocol::limits::HEADER_SIZE;
use claviger_protocol::message::{HelloReply, Ping, PublicKey, ReplyMessage, Request, Resolved, SecretValue};
use claviger_protocol::{Algorithm, KeyId, Opcode, OutputBuffer, RequestHeader, Status, StoreId};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;

use crate::support::{Ended, loadtest, run, run_briefly};

/// A listening server. Its threads end with the test program.
pub(crate) struct Server {
    folder: TempDir,
}

/// What is made of a right answer before it is sent.
pub(crate) type Lie = fn(&mut Answer);

/// An answer that is about to be sent.
pub(crate) struct Answer {
    /// That of the request.
    pub(crate) header: RequestHeader,
    pub(crate) body: Body,
}

pub(crate) enum Body {
    /// One result for each item.
    Results(Vec<Result<Vec<u8>, Status>>),
    /// Any other body.
    Message(Vec<u8>),
    /// None: the request as a whole is refused.
    Refused(Status),
}

impl Server {
    /// Answers rightly, except that `lie` is made of the answers to `opcode`.
    pub(crate) fn start(opcode: Opcode, lie: Lie) -> Self {
        let (tls, ca_pem) = tls();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let server = Self { folder: client_folder(listener.local_addr().unwrap(), &ca_pem) };
        let keys = Arc::new(Keys::generate());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (tls, keys) = (Arc::clone(&tls), Arc::clone(&keys));
                thread::spawn(move || serve(tls, stream.unwrap(), &keys, opcode, lie));
            }
        });
        server
    }

    /// Runs the load test against it. Keys are named after their algorithms.
    pub(crate) fn load(&self, options: &str, key: Algorithm) -> Ended {
        let config = self.folder.path().join("client.toml");
        run_briefly(|seconds| {
            run(loadtest("--warm-up 0 --store any --seconds")
                .arg(seconds)
                .args(options.split_whitespace())
                .args(["--key", key.name(), "--config"])
                .arg(&config))
        })
    }
}

impl Answer {
    pub(crate) fn results(&mut self) -> &mut Vec<Result<Vec<u8>, Status>> {
        match &mut self.body {
            Body::Results(results) => results,
            _ => panic!("the answer is no batch"),
        }
    }

    /// The result of one item.
    pub(crate) fn result(&mut self, index: usize) -> &mut Vec<u8> {
        self.results()[index].as_mut().unwrap()
    }

    fn encode(&self) -> OutputBuffer {
        let mut output = OutputBuffer::new();
        match &self.body {
            Body::Results(results) => {
                let mut batch = output.reply(&self.header).batch(results.len());
                for result in results {
                    match result {
                        Ok(bytes) => batch.result(bytes),
                        Err(status) => batch.status(*status),
                    };
                }
                batch.finish().unwrap();
            }
            Body::Message(bytes) => {
                let mut frame = output.reply(&self.header);
                frame.bytes(bytes);
                frame.finish().unwrap();
            }
            Body::Refused(status) => output.status_reply(&self.header, *status, 0),
        }
        output
    }
}

/// One connection, until the client ends it.
fn serve(tls: Arc<ServerConfig>, stream: TcpStream, keys: &Keys, lied: Opcode, lie: Lie) {
    let mut stream = StreamOwned::new(ServerConnection::new(tls).unwrap(), stream);
    let mut unread = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match deframer::request(&unread) {
            Step::Frame(frame) => {
                let opcode = frame.header.operation(true).unwrap();
                let request = Request::decode(opcode, frame.body).unwrap();
                let mut answer = Answer { header: frame.header, body: keys.answer(request) };
                if opcode == lied {
                    lie(&mut answer);
                }
                let size = frame.size;
                unread.drain(..size);
                if stream.write_all(answer.encode().as_bytes()).and_then(|()| stream.flush()).is_err() {
                    return;
                }
            }
            Step::Need(_) => match stream.read(&mut chunk) {
                Ok(0) | Err(_) => return,
                Ok(size) => unread.extend_from_slice(&chunk[..size]),
            },
            Step::Fault(fault) => panic!("the load test sent a fault: {}", fault.status),
        }
    }
}

/// One key for each operation.
struct Keys {
    symmetric: RandomizedNonceKey,
    signing: Ed25519KeyPair,
    decrypting: OaepPrivateDecryptingKey,
    decrypting_public: Vec<u8>,
    mac: hmac::Key,
}

impl Keys {
    fn generate() -> Self {
        let mut symmetric = [0; 32];
        rand::fill(&mut symmetric).unwrap();
        let decrypting = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let decrypting_public = AsDer::<PublicKeyX509Der<'_>>::as_der(&decrypting.public_key()).unwrap();
        Self {
            decrypting_public: decrypting_public.as_ref().to_vec(),
            decrypting: OaepPrivateDecryptingKey::new(decrypting).unwrap(),
            symmetric: RandomizedNonceKey::new(&AES_256_GCM, &symmetric).unwrap(),
            signing: Ed25519KeyPair::generate().unwrap(),
            mac: hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new()).unwrap(),
        }
    }

    /// The right answer.
    fn answer(&self, request: Request<'_>) -> Body {
        match request {
            Request::Hello(_) => message(HelloReply { version: 1, limits: [] }),
            Request::Ping(Ping { payload }) => Body::Message(payload.to_vec()),
            Request::Resolve(request) => Body::Results(request.items.map(|item| resolve(item.key_name)).collect()),
            Request::Encrypt(request) => {
                Body::Results(request.items.map(|item| self.seal(item.context, item.plaintext)).collect())
            }
            Request::Decrypt(request) => {
                Body::Results(request.items.map(|item| self.open(item.context, item.ciphertext)).collect())
            }
            Request::Reencrypt(request) => {
                let anew = |source, target, ciphertext| self.seal(target, &self.open(source, ciphertext)?);
                let items = request.items;
                Body::Results(items.map(|it| anew(it.source_context, it.target_context, it.ciphertext)).collect())
            }
            Request::GenerateDataKey(request) => {
                let make = |context| {
                    let plain = random(request.data_key_size.into())?;
                    let wrapped = self.seal(context, &plain)?;
                    Ok([&u32::try_from(wrapped.len()).unwrap().to_be_bytes(), &wrapped[..], &plain].concat())
                };
                Body::Results(request.items.map(|item| make(item.context)).collect())
            }
            Request::WrapDataKey(request) => {
                Body::Results(request.items.map(|item| self.seal(item.context, item.data_key)).collect())
            }
            Request::UnwrapDataKey(request) => {
                Body::Results(request.items.map(|item| self.open(item.context, item.wrapped)).collect())
            }
            Request::AsymmetricDecrypt(request) => {
                Body::Results(request.items.map(|item| self.decrypt(item.context, item.ciphertext)).collect())
            }
            Request::Sign(request) => {
                let sign = |message| versioned(self.signing.sign(message).as_ref());
                Body::Results(request.items.map(|item| sign(item.message)).collect())
            }
            Request::Verify(request) => {
                let public_key = UnparsedPublicKey::new(&ED25519, self.signing.public_key());
                let verify = |message, signature| verified(public_key.verify(message, signature).is_ok());
                Body::Results(request.items.map(|item| verify(item.message, item.signature)).collect())
            }
            Request::MakeMac(request) => {
                let make = |message| versioned(hmac::sign(&self.mac, message).as_ref());
                Body::Results(request.items.map(|item| make(item.message)).collect())
            }
            Request::VerifyMac(request) => {
                let verify = |message, mac| verified(hmac::verify(&self.mac, message, mac).is_ok());
                Body::Results(request.items.map(|item| verify(item.message, item.mac)).collect())
            }
            Request::ReadSecret(_) => message(SecretValue { key_version: KEY_VERSION, value: &[0x5e; 32] }),
            Request::ReadPublicKey(request) if ![0, KEY_VERSION].contains(&request.key_version) => {
                Body::Refused(Status::KeyVersionNotFound)
            }
            Request::ReadPublicKey(request) if request.key_id == key_id(Algorithm::Rsa2048OaepSha256) => {
                let (algorithm, public_key) = (Algorithm::Rsa2048OaepSha256.id(), &self.decrypting_public);
                message(PublicKey { key_version: KEY_VERSION, algorithm, public_key })
            }
            Request::ReadPublicKey(_) => {
                let public_key = self.signing.public_key().as_der().unwrap();
                let algorithm = Algorithm::Ed25519.id();
                message(PublicKey { key_version: KEY_VERSION, algorithm, public_key: public_key.as_ref() })
            }
            Request::RandomBytes(request) => Body::Results(request.items.map(|item| random(item.size)).collect()),
            _ => panic!("the load test does not ask this"),
        }
    }

    /// As long as a ciphertext of the daemon, with the nonce in its place: the load test reads no more of it.
    fn seal(&self, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Status> {
        let mut sealed = plaintext.to_vec();
        let nonce = self.symmetric.seal_in_place_append_tag(Aad::from(context), &mut sealed).unwrap();
        Ok([&[0; NONCE_OFFSET], &nonce.as_ref()[..], &[0; SEALED_OFFSET - NONCE_OFFSET - NONCE_SIZE], &sealed].concat())
    }

    fn open(&self, context: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, Status> {
        let (head, sealed) = ciphertext.split_at_checked(SEALED_OFFSET).ok_or(Status::DecryptionFailed)?;
        let nonce = Nonce::try_assume_unique_for_key(&head[NONCE_OFFSET..NONCE_OFFSET + NONCE_SIZE]).unwrap();
        let mut opened = sealed.to_vec();
        let plaintext = self.symmetric.open_in_place(nonce, Aad::from(context), &mut opened);
        Ok(plaintext.map_err(|_| Status::DecryptionFailed)?.to_vec())
    }

    fn decrypt(&self, label: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, Status> {
        let mut out = vec![0; self.decrypting.min_output_size()];
        let plaintext = self.decrypting.decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut out, Some(label));
        versioned(plaintext.map_err(|_| Status::DecryptionFailed)?)
    }
}

fn resolve(name: &[u8]) -> Result<Vec<u8>, Status> {
    let algorithm = Algorithm::ALL.iter().copied().find(|algorithm| algorithm.name().as_bytes() == name);
    let algorithm = algorithm.ok_or(Status::KeyNotFound)?;
    let (kind, algorithm) = (algorithm.row().kind.id(), algorithm.id());
    let key_id = KeyId([algorithm; 16]);
    Ok(Resolved { key_id, store_id: StoreId([0xee; 16]), kind, algorithm }.encode().to_vec())
}

/// Each byte of it is the id of the algorithm.
fn key_id(algorithm: Algorithm) -> KeyId {
    KeyId([algorithm.id(); 16])
}

fn versioned(value: &[u8]) -> Result<Vec<u8>, Status> {
    Ok([&KEY_VERSION.to_be_bytes(), value].concat())
}

fn verified(valid: bool) -> Result<Vec<u8>, Status> {
    if valid { versioned(&[]) } else { Err(Status::VerificationFailed) }
}

fn random(size: u32) -> Result<Vec<u8>, Status> {
    let mut bytes = vec![0; usize::try_from(size).unwrap()];
    rand::fill(&mut bytes).unwrap();
    Ok(bytes)
}

fn message(message: impl ReplyMessage) -> Body {
    let mut output = OutputBuffer::new();
    let mut frame = output.reply(&RequestHeader::new(0));
    message.write(&mut frame);
    frame.finish().unwrap();
    Body::Message(output.as_bytes()[HEADER_SIZE..].to_vec())
}

/// TLS with a certificate for this machine, and the authority that issued it.
fn tls() -> (Arc<ServerConfig>, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let private_key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private_key)
        .unwrap();
    tls.alpn_protocols = vec![b"claviger/1".to_vec()];
    (Arc::new(tls), ca.pem())
}

/// A folder with the configuration file of a client.
fn client_folder(address: SocketAddr, ca_pem: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[data]\naddress = \"{address}\"\nserver_ca = \"ca.pem\"\n");
    fs::write(folder.path().join("client.toml"), text).unwrap();
    fs::write(folder.path().join("ca.pem"), ca_pem).unwrap();
    folder
}

/// The current version of all keys: they have been rotated.
const KEY_VERSION: u32 = 7;

// A ciphertext of `SPEC.md` section 9: 22 bytes, a nonce of 24, a commitment of 32, then what is sealed. The nonce here is shorter.
const NONCE_OFFSET: usize = 22;
const NONCE_SIZE: usize = 12;
const SEALED_OFFSET: usize = 22 + 24 + 32;

//! The client library and the data port together: every operation, alone and in batches, on both transports. R-P6.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may be blunt"
)]

#[allow(dead_code, unused_imports, reason = "shared with the tests of the data port")]
#[path = "data_port/support/mod.rs"]
#[macro_use]
mod support;

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use claviger_algorithm::Algorithm;
use claviger_client::{
    AsymmetricDecryptItem, Client, ClientConfig, Context, DataKeySize, DecryptItem, EncryptItem, Error, Identity,
    MakeMacItem, MessageForm, ReencryptItem, ServerCa, SignItem, Status, VerifyItem, VerifyMacItem,
};
use claviger_engine::key::id::KeyId;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::state::KeyState;
use support::server::SECRET;
use support::{Server, Transport, openssl};

/// Settings of a client whom the key store admits.
fn config(server: &Server, transport: Transport) -> ClientConfig {
    let credential = server.authority.client("billing");
    let chain = credential.chain.iter().map(|certificate| certificate.to_vec()).collect();
    let identity = Identity::from_der(chain, credential.private_key.secret_der().to_vec()).unwrap();
    let server_ca = ServerCa::from_der(server.server_authority.certificate.to_vec());
    let mut config = ClientConfig::new(server.address.to_string(), server_ca, Some(identity));
    config.transport = match transport {
        Transport::Tcp => claviger_client::Transport::Tcp,
        Transport::Quic => claviger_client::Transport::Quic,
    };
    config
}

async fn connect(server: &Server, transport: Transport) -> Client {
    Client::connect(config(server, transport)).await.unwrap()
}

fn context() -> Context {
    Context::from_pairs([("tenant", "7"), ("table", "cards")]).unwrap()
}

fn status<T>(result: Result<T, Error>) -> Option<Status> {
    result.err().and_then(|error| error.status())
}

on_both_transports! {
    async fn whoami_names_certificate_and_transport(transport) {
        let server = Server::start();
        let client = connect(&server, transport).await;
        client.ping(b"there?").await.unwrap();
        let whoami = client.whoami().await.unwrap();
        assert_eq!(whoami.certificate_subject.as_deref(), Some("CN=billing"));
        assert_eq!(whoami.transport, Some(client.config().transport));
        assert!(whoami.address.unwrap().is_loopback());
    }

    // R-K3, R-K16, R-K19
    async fn what_was_encrypted_is_decrypted_with_its_context_only(transport) {
        let server = Server::start();
        server.create("first", Algorithm::Xaes256Gcm);
        server.create("other", Algorithm::Xaes256Gcm);
        let client = connect(&server, transport).await;
        let (first, other) = (client.key("store", "first").await.unwrap(), client.key("store", "other").await.unwrap());
        let ciphertext = first.encrypt(&context(), b"4111").await.unwrap();
        assert_eq!(first.decrypt(&context(), &ciphertext).await.unwrap().expose(), b"4111");
        assert_eq!(status(first.decrypt(&Context::EMPTY, &ciphertext).await), Some(Status::DecryptionFailed));
        assert_eq!(status(other.decrypt(&context(), &ciphertext).await), Some(Status::DecryptionFailed));
        let moved = first.reencrypt(&context(), &ciphertext, &other, &Context::EMPTY).await.unwrap();
        assert_eq!(other.decrypt(&Context::EMPTY, &moved).await.unwrap().expose(), b"4111");
        let item = ReencryptItem { source_context: b"", target_context: b"", ciphertext: &moved };
        let back = other.reencrypt_batch(&first, &[item, item]).await.unwrap();
        assert!(back.iter().all(Result::is_ok));
    }

    // R-P2
    async fn batches_longer_than_a_frame_keep_their_order(transport) {
        let server = Server::start();
        server.create("key", Algorithm::Xaes256Gcm);
        let key = connect(&server, transport).await.key("store", "key").await.unwrap();
        let plaintexts: Vec<Vec<u8>> = (0..3_000_u32).map(|number| number.to_be_bytes().repeat(100)).collect();
        let items: Vec<_> = plaintexts.iter().map(|plaintext| EncryptItem { context: b"c", plaintext }).collect();
        let ciphertexts: Vec<_> = key.encrypt_batch(&items).await.unwrap().into_iter().map(Result::unwrap).collect();
        let items: Vec<_> = ciphertexts.iter().map(|ciphertext| DecryptItem { context: b"c", ciphertext }).collect();
        let decrypted = key.decrypt_batch(&items).await.unwrap();
        assert_eq!(decrypted.len(), plaintexts.len());
        assert!(decrypted.iter().zip(&plaintexts).all(|(left, right)| left.as_ref().unwrap().expose() == right));
    }

    // R-P6
    async fn many_calls_at_once_get_each_its_own_answer(transport) {
        let server = Server::start();
        server.create("key", Algorithm::Xaes256Gcm);
        let key = connect(&server, transport).await.key("store", "key").await.unwrap();
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..500_u32 {
            let key = key.clone();
            calls.spawn(async move {
                let plaintext = number.to_be_bytes();
                let ciphertext = key.encrypt(&Context::EMPTY, &plaintext).await.unwrap();
                assert_eq!(key.decrypt(&Context::EMPTY, &ciphertext).await.unwrap().expose(), plaintext);
            });
        }
        calls.join_all().await;
    }

    // R-K17
    async fn data_keys_are_generated_wrapped_and_unwrapped(transport) {
        let server = Server::start();
        server.create("key", Algorithm::Xaes256Gcm);
        let client = connect(&server, transport).await;
        let key = client.key("store", "key").await.unwrap();
        let data_key = key.generate_data_key(DataKeySize::Bits256, &context()).await.unwrap();
        assert_eq!(data_key.plain.len(), 32);
        let unwrapped = key.unwrap_data_key(&context(), &data_key.wrapped).await.unwrap();
        assert_eq!(unwrapped.expose(), data_key.plain.expose());
        let wrapped_only = key.generate_wrapped_data_key(DataKeySize::Bits512, &context()).await.unwrap();
        assert_eq!(key.unwrap_data_key(&context(), &wrapped_only).await.unwrap().len(), 64);
        let own = key.wrap_data_key(&context(), b"own").await.unwrap();
        assert_eq!(key.unwrap_data_key(&context(), &own).await.unwrap().expose(), b"own");
        assert_eq!(status(key.decrypt(&context(), &own).await), Some(Status::DecryptionFailed));
        assert_eq!(status(key.wrap_data_key(&context(), b"").await), Some(Status::SizeNotAllowed));
        let many = key.generate_data_key_batch(DataKeySize::Bits128, &[&context(), &Context::EMPTY]).await.unwrap();
        assert!(many.iter().all(|key| key.as_ref().unwrap().plain.len() == 16));
        assert_eq!(client.random_bytes(key.store_id(), 40_000).await.err().unwrap().status(), Some(Status::SizeNotAllowed));
        assert_eq!(client.random_bytes(key.store_id(), 32_768).await.unwrap().len(), 32_768);
    }

    // R-K4
    async fn signatures_are_verified(transport) {
        let server = Server::start();
        server.create("ed25519", Algorithm::Ed25519);
        server.create("p256", Algorithm::EcdsaP256Sha256);
        let client = connect(&server, transport).await;
        for key in client.keys("store", &["ed25519", "p256"]).await.unwrap() {
            let key = key.unwrap();
            let signature = key.sign(b"message").await.unwrap();
            assert_eq!(key.verify(b"message", &signature.bytes, None).await.unwrap(), signature.key_version);
            assert_eq!(status(key.verify(b"other", &signature.bytes, None).await), Some(Status::VerificationFailed));
            assert_eq!(key.read_public_key(None).await.unwrap().algorithm, key.algorithm());
            let signatures = key.sign_batch(MessageForm::Message, &[SignItem { message: b"m" }; 3]).await.unwrap();
            let bytes = &signatures.first().unwrap().as_ref().unwrap().bytes;
            let item = VerifyItem { message: b"m", signature: bytes };
            let verified = key.verify_batch(MessageForm::Message, Some(1), &[item]).await.unwrap();
            assert_eq!(*verified.first().unwrap().as_ref().unwrap(), 1);
        }
        let p256 = client.key("store", "p256").await.unwrap();
        let hash = digest(&SHA256, b"message");
        let signature = p256.sign_digest(hash.as_ref()).await.unwrap();
        p256.verify(b"message", &signature.bytes, Some(1)).await.unwrap();
        p256.verify_digest(hash.as_ref(), &signature.bytes, None).await.unwrap();
        assert_eq!(status(p256.sign_digest(b"short").await), Some(Status::DigestSizeWrong));
        let ed25519 = client.key("store", "ed25519").await.unwrap();
        assert_eq!(status(ed25519.sign_digest(hash.as_ref()).await), Some(Status::OperationNotAllowed));
    }

    // R-P2
    async fn large_signatures_come_in_batches_longer_than_a_frame(transport) {
        let server = Server::start();
        server.create("ml-dsa", Algorithm::MlDsa87);
        let key = connect(&server, transport).await.key("store", "ml-dsa").await.unwrap();
        let messages: Vec<_> = (0..300_u32).map(u32::to_be_bytes).collect();
        let items: Vec<_> = messages.iter().map(|message| SignItem { message }).collect();
        let signatures = key.sign_batch(MessageForm::Message, &items).await.unwrap();
        let signatures: Vec<_> = signatures.into_iter().map(|signature| signature.unwrap().bytes).collect();
        assert!(signatures.iter().all(|signature| signature.len() == 4_627));
        let pairs = messages.iter().zip(&signatures);
        let items: Vec<_> = pairs.map(|(message, signature)| VerifyItem { message, signature }).collect();
        let verified = key.verify_batch(MessageForm::Message, None, &items).await.unwrap();
        assert!(verified.iter().all(Result::is_ok) && verified.len() == 300);
    }

    // R-K4
    async fn what_was_encrypted_to_a_public_key_is_decrypted(transport) {
        let server = Server::start();
        server.create("mail", Algorithm::Rsa2048OaepSha256);
        let key = connect(&server, transport).await.key("store", "mail").await.unwrap();
        let public_key = key.read_public_key(None).await.unwrap();
        assert_eq!(public_key.algorithm, key.algorithm());
        let label: String = context().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let label = format!("rsa_oaep_label:{label}");
        let options = [openssl::OAEP, &[&label]].concat();
        let ciphertext = openssl::encrypt(&public_key.der, &options, b"session key");
        for key_version in [None, Some(1)] {
            let decrypted = key.asymmetric_decrypt(&context(), &ciphertext, key_version).await.unwrap();
            assert_eq!((decrypted.key_version, decrypted.plaintext.expose()), (1, &b"session key"[..]));
        }
        let failed = key.asymmetric_decrypt(&Context::EMPTY, &ciphertext, None).await;
        assert_eq!(status(failed), Some(Status::DecryptionFailed));
        let missing = key.asymmetric_decrypt(&context(), &ciphertext, Some(2)).await;
        assert_eq!(status(missing), Some(Status::KeyVersionNotFound));
        assert_eq!(status(key.decrypt(&context(), &ciphertext).await), Some(Status::OperationNotAllowed));
        let context = context();
        let good = AsymmetricDecryptItem { context: context.as_bytes(), ciphertext: &ciphertext };
        let too_long = vec![0; 513];
        let bad = AsymmetricDecryptItem { ciphertext: &too_long, ..good };
        let items: Vec<_> = (0..300).map(|number| if number == 150 { bad } else { good }).collect();
        let results = key.asymmetric_decrypt_batch(None, &items).await.unwrap();
        assert_eq!(results.len(), items.len());
        for (number, result) in results.into_iter().enumerate() {
            let expected = if number == 150 { Err(Some(Status::DecryptionFailed)) } else { Ok(b"session key".to_vec()) };
            assert_eq!(result.map(|it| it.plaintext.expose().to_vec()).map_err(|error| error.status()), expected);
        }
    }

    // R-K5, R-K2
    async fn macs_are_verified_and_secrets_read(transport) {
        let server = Server::start();
        server.create("mac", Algorithm::HmacSha256);
        server.create("secret", Algorithm::Opaque);
        let client = connect(&server, transport).await;
        let mac = client.key("store", "mac").await.unwrap();
        let made = mac.make_mac(b"message").await.unwrap();
        assert_eq!(mac.verify_mac(b"message", &made.bytes, None).await.unwrap(), made.key_version);
        assert_eq!(status(mac.verify_mac(b"other", &made.bytes, None).await), Some(Status::VerificationFailed));
        let again = mac.make_mac_batch(&[MakeMacItem { message: b"message" }]).await.unwrap();
        assert_eq!(again.first().unwrap().as_ref().unwrap(), &made);
        let item = VerifyMacItem { message: b"message", mac: &made.bytes };
        assert!(mac.verify_mac_batch(None, &[item]).await.unwrap().first().unwrap().is_ok());
        let secret = client.key("store", "secret").await.unwrap().read_secret(None).await.unwrap();
        assert_eq!((secret.key_version, secret.value.expose()), (1, SECRET));
        assert_eq!(status(mac.read_secret(None).await), Some(Status::OperationNotAllowed));
    }

    // R-K2, R-P6
    async fn a_newer_version_of_a_secret_is_waited_for(transport) {
        let server = Server::start();
        let id = KeyId(server.create("secret", Algorithm::Opaque).0);
        let client = connect(&server, transport).await.with_deadline(Duration::from_secs(20));
        let secret = client.key("store", "secret").await.unwrap();
        let known = secret.wait_for_newer_secret(0, Duration::ZERO).await.unwrap().unwrap();
        assert_eq!((known.key_version, known.value.expose()), (1, SECRET));
        for wait in [Duration::ZERO, Duration::from_millis(30)] {
            assert!(secret.wait_for_newer_secret(1, wait).await.unwrap().is_none());
        }
        let waiting = tokio::spawn({
            let secret = secret.clone();
            async move { secret.wait_for_newer_secret(1, Duration::MAX).await.map(Option::unwrap) }
        });
        while server.engine.waits_for_changes() == 0 {
            tokio::task::yield_now().await;
        }
        // It holds up nothing.
        client.ping(b"meanwhile").await.unwrap();
        server.engine.update_secret(id, SecretBytes::from(b"changed".to_vec()), None).unwrap();
        let newer = waiting.await.unwrap().unwrap();
        assert_eq!((newer.key_version, newer.value.expose()), (2, &b"changed"[..]));
        server.engine.set_state(id, KeyState::Disabled).unwrap();
        assert_eq!(status(secret.wait_for_newer_secret(2, Duration::MAX).await), Some(Status::KeyDisabled));
    }

    // R-K21, R-P6
    async fn a_client_follows_a_moved_alias_when_what_it_remembers_is_too_old(transport) {
        let server = Server::start();
        let [one, other] = ["one", "other"].map(|name| server.create(name, Algorithm::Xaes256Gcm));
        let alias = "records".parse().unwrap();
        server.engine.create_alias(server.store, &alias, KeyId(one.0)).unwrap();
        let (remembering, mut config) = (connect(&server, transport).await, config(&server, transport));
        config.names_for = Duration::ZERO;
        let asking = Client::connect(config).await.unwrap();
        for client in [&remembering, &asking] {
            assert_eq!(client.key("store", "records").await.unwrap().id(), one);
        }
        let before = asking.key("store", "records").await.unwrap();
        server.engine.move_alias(None, server.store, &alias, KeyId(other.0)).unwrap();
        assert_eq!(remembering.key("store", "records").await.unwrap().id(), one, "remembered for a minute");
        assert_eq!(asking.key("store", "records").await.unwrap().id(), other);
        assert_eq!(before.id(), one, "a key is the same key as long as it is held");
        before.encrypt(&Context::EMPTY, b"plaintext").await.unwrap();
    }

    async fn keys_are_described_by_name_and_by_id(transport) {
        let server = Server::start();
        let key_id = server.create("key", Algorithm::Xaes256Gcm);
        let client = connect(&server, transport).await;
        let key = client.key_by_id(key_id).await.unwrap();
        let description = key.describe().await.unwrap();
        assert_eq!((description.name.as_str(), description.current_version), ("key", 1));
        assert_eq!((description.kind, description.algorithm), (key.kind(), key.algorithm()));
        assert_eq!(client.key("store", "key").await.unwrap().id(), key_id);
        assert_eq!(status(client.key("store", "none").await), Some(Status::KeyNotFound));
        assert_eq!(status(client.key("none", "key").await), Some(Status::NotPermitted));
    }

    async fn a_client_of_another_authority_is_told_not_permitted(transport) {
        let server = Server::start();
        server.create("key", Algorithm::Xaes256Gcm);
        let mut config = config(&server, transport);
        config.identity = None;
        let client = Client::connect(config).await.unwrap();
        assert_eq!(status(client.key("store", "key").await), Some(Status::NotPermitted));
    }

    // R-O4, R-P4
    async fn calls_during_a_drain_end_in_an_answer_or_in_a_clear_error(transport) {
        let mut server = Server::start();
        server.create("key", Algorithm::Xaes256Gcm);
        let mut config = config(&server, transport);
        config.deadline = Duration::from_secs(5);
        config.connect_timeout = Duration::from_millis(200);
        config.reconnect.attempts_max = 2;
        let key = Client::connect(config).await.unwrap().key("store", "key").await.unwrap();
        let calls = tokio::spawn(async move {
            loop {
                if let Err(error) = key.encrypt(&Context::EMPTY, b"x").await {
                    return error;
                }
            }
        });
        key_is_used(&server).await;
        server.drain(Duration::from_secs(5)).await;
        let error = calls.await.unwrap();
        let expected = matches!(error, Error::Unreachable { .. } | Error::Disconnected | Error::DeadlineExceeded);
        assert!(expected || error.status() == Some(Status::ShuttingDown), "{error}");
    }
}

/// Until the connection that the calls go over is there.
async fn key_is_used(server: &Server) {
    while server.connections() == 0 {
        tokio::task::yield_now().await;
    }
}

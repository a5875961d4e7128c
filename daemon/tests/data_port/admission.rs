//! Who may: every key store has an authority of its own, and only its clients come in.

use std::time::{Duration, SystemTime};

use claviger_algorithm::Algorithm;
use claviger_engine::change::StoreSettings;
use claviger_protocol::message::{
    DataKeyForm, DescribeKey, Message, MessageForm, Ping, ReadPublicKey, ReadSecret, Whoami,
};
use claviger_protocol::{KeyId, Opcode, Status, StoreId};
use rcgen::{DnType, ExtendedKeyUsagePurpose};

use crate::operations::facts;
use crate::support::certificates::{Authority, Credential, client_params, let_in, public_key_sha256, self_signed};
use crate::support::messages::{
    asymmetric_decrypt, decrypt, encrypt, generate, make_mac, random, reencrypt, resolve, sign, unwrap, verify,
    verify_mac, wrap,
};
use crate::support::{CALL, Client, Server, Transport, request};

on_both_transports! {
    // R-A1, R-A2, R-A5
    async fn only_clients_of_the_stores_authority_come_in(transport) {
        let server = Server::start();
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let (_, other) = server.create_store("other");
        let good = server.authority.client("client");
        assert_eq!(status_of(&server, transport, Some(&good), key).await, Status::Ok);
        for (what, credential) in refused(&server, &other) {
            // Whatever else is wrong, a row that names it is there.
            name_in_a_row(&server, &credential);
            let status = status_of(&server, transport, Some(&credential), key).await;
            assert_eq!(status, Status::NotPermitted, "{what}");
        }
        assert_eq!(status_of(&server, transport, None, key).await, Status::NotPermitted);
    }

    // R-A7
    async fn a_client_without_certificate_can_greet_ping_and_ask_who_it_is(transport) {
        let server = Server::start();
        let mut client = Client::connect(&server, transport, None).await.unwrap();
        client.say_hello().await;
        assert_eq!(client.call(Ping { payload: b"p" }).await.body, b"p");
        assert_eq!(facts(&client.call(Whoami).await.body).len(), 3, "address, port, transport");
        for request in every_other_request(server.create("key", Algorithm::Xaes256Gcm), server.store.0, "store") {
            client.send(&request).await;
            let reply = client.reply().await;
            assert_eq!((reply.status(), reply.body.len()), (Status::NotPermitted, 0), "{:#04x}", request[5]);
        }
    }

    // R-K6
    async fn open_public_keys_are_given_to_everybody_and_nothing_else_is(transport) {
        let server = Server::start();
        let key = server.create("key", Algorithm::Ed25519);
        let records = server.create("records", Algorithm::Xaes256Gcm);
        let (_, other) = server.create_store("other");
        let mut strangers = vec![Client::connect(&server, transport, None).await.unwrap()];
        strangers[0].say_hello().await;
        strangers.push(Client::greeted_as(&server, transport, &other.client("client")).await);
        let set = |open_public_keys| {
            let settings = StoreSettings { open_public_keys: Some(open_public_keys), ..StoreSettings::default() };
            server.engine.set_store_settings(server.store, settings).unwrap();
        };
        for client in &mut strangers {
            let read = ReadPublicKey { key_id: key, key_version: 0 };
            assert_eq!(client.call(read).await.status(), Status::NotPermitted);
            set(true);
            assert!(!client.call(read).await.body.is_empty());
            for (what, request) in every_other_request(key, server.store.0, "store").into_iter().enumerate() {
                client.send(&request).await;
                let reply = client.reply().await;
                let is_public_key = request[5] == Opcode::ReadPublicKey as u8;
                let expected = if is_public_key { Status::KeyVersionNotFound } else { Status::NotPermitted };
                assert_eq!(reply.status(), expected, "request {what}");
            }
            for key_id in [KeyId([0xEE; 16]), records] {
                let none = ReadPublicKey { key_id, key_version: 0 };
                assert_eq!(client.call(none).await.status(), Status::NotPermitted);
            }
            // On the connection that was there before.
            set(false);
            assert_eq!(client.call(read).await.status(), Status::NotPermitted);
        }
    }

    // R-A7
    async fn a_key_that_is_not_there_answers_as_one_that_is_not_permitted(transport) {
        let server = Server::start();
        let (_, other) = server.create_store("other");
        let mut client = Client::greeted_as(&server, transport, &other.client("client")).await;
        let keys = [Algorithm::Opaque, Algorithm::Xaes256Gcm, Algorithm::HmacSha256, Algorithm::Ed25519]
            .map(|algorithm| server.create(algorithm.row().name, algorithm));
        let disabled = server.create("disabled", Algorithm::Xaes256Gcm);
        server.set_state(disabled, claviger_engine::key::state::KeyState::Disabled);
        let mut unknown = Vec::new();
        for request in every_other_request(KeyId([0xEE; 16]), [0xEE; 16], "nothing") {
            client.send(&request).await;
            unknown.push(client.reply().await);
        }
        for key in keys.into_iter().chain([disabled]) {
            let requests = every_other_request(key, server.store.0, "store");
            for (request, unknown) in requests.iter().zip(&unknown) {
                client.send(request).await;
                assert_eq!(&client.reply().await, unknown, "opcode {:#04x}", request[5]);
            }
        }
    }

    // R-A2
    async fn reencryption_needs_both_stores(transport) {
        let server = Server::start();
        let (other_store, _) = server.create_store("other");
        let mine = server.create("mine", Algorithm::Xaes256Gcm);
        let theirs = server.create_in(other_store, "theirs", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        let ciphertext = client.call(encrypt(mine, &[(b"", b"plain")])).await.only();
        for (source, target) in [(mine, theirs), (theirs, mine)] {
            let reply = client.call(reencrypt(source, target, &[[b"", b"", &ciphertext]])).await;
            assert_eq!(reply.status(), Status::NotPermitted);
        }
    }

    // R-A5
    async fn a_certificate_admits_until_its_end_and_no_longer(transport) {
        let server = Server::start();
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let mut params = client_params("client");
        let end = whole_seconds(SystemTime::now() + Duration::from_secs(3));
        params.not_after = end.into();
        let mut client = Client::greeted_as(&server, transport, &server.authority.issue(&params)).await;
        let mut admitted = 0;
        loop {
            let before = SystemTime::now();
            let status = client.call(encrypt(key, &[(b"", b"")])).await.status();
            let after = SystemTime::now();
            match status {
                Status::Ok => {
                    assert!(before < end, "admitted after the end");
                    admitted += 1;
                }
                status => {
                    assert_eq!(status, Status::NotPermitted);
                    assert!(after >= end, "refused before the end");
                    break;
                }
            }
        }
        assert!(admitted > 0);
    }
}

/// Credentials that are worth nothing, and what is wrong with them.
fn refused(server: &Server, other: &Authority) -> Vec<(&'static str, Credential)> {
    let now = SystemTime::now();
    let with = |change: fn(&mut rcgen::CertificateParams)| {
        let mut params = client_params("client");
        change(&mut params);
        params
    };
    let mut expired = client_params("client");
    expired.not_before = (now - 20 * DAY).into();
    expired.not_after = (now - DAY).into();
    let mut early = client_params("client");
    early.not_before = (now + DAY).into();
    early.not_after = (now + 20 * DAY).into();
    let for_servers = with(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let for_anything = with(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]);
    let for_nothing = with(|params| params.extended_key_usages.clear());
    let authority = &server.authority;

    // A certificate that says it was issued by the store's authority, but was signed by another key of that name.
    let forger = Authority::new("store authority");
    let mut forged_chain = forger.client("client");
    forged_chain.chain.push(forger.certificate.clone());
    let mut mixed_chain = forger.client("client");
    mixed_chain.chain.push(authority.certificate.clone());

    // A client that issues certificates to others.
    let issuer = authority.client_as_issuer("client");
    let mut issued_by_a_client = issuer.client("friend");
    issued_by_a_client.chain.push(issuer.certificate);

    let mut altered = authority.client("client");
    let mut der = altered.chain[0].to_vec();
    let name = der.windows(6).position(|window| window == b"client").unwrap();
    der[name] = b'C';
    altered.chain[0] = der.into();

    vec![
        ("of another store's authority", other.client("client")),
        ("of the server's authority", server.server_authority.client("client")),
        ("the server's own", server.server_authority.server()),
        ("ended", authority.issue(&expired)),
        ("not begun", authority.issue(&early)),
        ("self-signed", self_signed(&client_params("client"))),
        (
            "self-signed with the authority's name",
            self_signed(&with(|params| {
                params.distinguished_name.push(DnType::CommonName, "store authority");
            })),
        ),
        ("for servers", authority.issue(&for_servers)),
        ("for anything", authority.issue(&for_anything)),
        ("for nothing in particular", authority.issue(&for_nothing)),
        ("of the authority itself", authority.as_credential()),
        ("of a forger", forger.client("client")),
        ("of a forger, with his authority", forged_chain),
        ("of a forger, with the real authority", mixed_chain),
        ("issued by a client", issued_by_a_client),
        ("with another name than was signed", altered),
    ]
}

/// Sees to it that the store has a row for the public key and the serial number of a certificate.
fn name_in_a_row(server: &Server, credential: &Credential) {
    let sha256 = public_key_sha256(credential);
    let policy = server.engine.store_by_id(server.store).unwrap().policy().clone();
    if policy.access.certificates(&sha256).is_empty() {
        let_in(&server.engine, server.store, credential);
    }
}

async fn status_of(server: &Server, transport: Transport, credential: Option<&Credential>, key: KeyId) -> Status {
    let mut client = Client::connect(server, transport, credential).await.unwrap();
    client.say_hello().await;
    let status = client.call(encrypt(key, &[(b"", b"plain")])).await.status();
    assert_eq!(client.call(Ping { payload: b"" }).await.status(), Status::Ok);
    status
}

/// One request of each operation that names a key or a key store.
fn every_other_request(key: KeyId, store: [u8; 16], store_name: &str) -> Vec<Vec<u8>> {
    let form = MessageForm::Message;
    vec![
        bytes(resolve(store_name, &[b"key"])),
        bytes(DescribeKey { key_id: key }),
        bytes(encrypt(key, &[(b"", b"")])),
        bytes(decrypt(key, &[(b"", b"")])),
        bytes(reencrypt(key, key, &[[b"", b"", b""]])),
        bytes(generate(key, DataKeyForm::Wrapped, 32, &[b""])),
        bytes(generate(key, DataKeyForm::Wrapped, 33, &[b""])),
        bytes(wrap(key, &[(b"", b"k")])),
        bytes(unwrap(key, &[(b"", b"")])),
        bytes(sign(key, form, &[b""])),
        bytes(sign(key, MessageForm::Digest, &[b""])),
        bytes(verify(key, 7, form, &[(b"", b"")])),
        bytes(asymmetric_decrypt(key, 7, &[(b"", b"")])),
        bytes(make_mac(key, &[b""])),
        bytes(verify_mac(key, 7, &[(b"", b"")])),
        bytes(ReadSecret { key_id: key, key_version: 7 }),
        bytes(ReadPublicKey { key_id: key, key_version: 7 }),
        bytes(random(StoreId(store), &[1])),
    ]
}

fn bytes(message: impl Message) -> Vec<u8> {
    request(CALL, message)
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

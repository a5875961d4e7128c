//! Every operation, with keys of every kind and algorithm.

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use claviger_algorithm::{Algorithm, Operation, OutputSize};
use claviger_protocol::Reply as Decoded;
use claviger_protocol::limits::{DATA_KEY_SIZE_MAX, HELLO_OPTION_HARDWARE_ADDRESS};
use claviger_protocol::message::{
    DataKeyForm, DescribeKey, Hello, HelloOption, MessageForm, Ping, ReadPublicKey, ReadSecret, WaitForSecret, Whoami,
};
use claviger_protocol::{Fact, KeyId, KeyState, KeyVersionState, Limit, Opcode, Status, StoreId};
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo};

use crate::support::messages::{
    asymmetric_decrypt, decrypt, encrypt, generate, make_mac, random, reencrypt, resolve, sign, unwrap, verify,
    verify_mac, wrap,
};
use crate::support::server::{SECRET, engine_id};
use crate::support::{CALL, Client, Server, Transport, client, openssl};

on_both_transports! {
    // R-P2
    async fn hello_announces_every_limit_once(transport) {
        let server = Server::start();
        let mut client = Client::connect(&server, transport, None).await.unwrap();
        for _ in 0..2 {
            client.send(&client::hello()).await;
            let reply = client.reply().await;
            let Ok(Decoded::Hello(greeting)) = Decoded::decode(Opcode::Hello, &reply.body) else { panic!("{reply:?}") };
            assert_eq!(greeting.version, 1);
            let announced: Vec<_> = greeting.limits.map(|limit| (limit.limit, limit.value)).collect();
            assert_eq!(announced, Limit::ALL.map(|limit| (limit.code(), limit.default_value())));
        }
    }

    async fn ping_gives_back_what_it_got(transport) {
        let server = Server::start();
        let mut client = Client::greeted(&server, transport).await;
        for payload in [&b""[..], b"hello", &[0xFF; 64]] {
            assert_eq!(client.call(Ping { payload }).await.body, payload);
        }
    }

    // R-A7
    async fn whoami_tells_what_the_server_sees(transport) {
        let server = Server::start();
        let credential = server.authority.client("billing");
        let mut client = Client::greeted_as(&server, transport, &credential).await;
        let facts = facts(&client.call(Whoami).await.body);
        let mut mapped = [0; 16];
        mapped[10..].copy_from_slice(&[0xFF, 0xFF, 127, 0, 0, 1]);
        assert_eq!(facts[0], (Fact::Address.code(), mapped.to_vec()));
        assert_eq!(facts[1].0, Fact::Port.code());
        let expected = if transport == Transport::Tcp { Fact::TRANSPORT_TCP } else { Fact::TRANSPORT_QUIC };
        assert_eq!(facts[2], (Fact::Transport.code(), vec![expected]));
        let sha256 = |bytes: &[u8]| digest(&SHA256, bytes).as_ref().to_vec();
        let (_, certificate) = x509_parser::parse_x509_certificate(&credential.chain[0]).unwrap();
        assert_eq!(facts[3], (Fact::CertificateDigest.code(), sha256(&credential.chain[0])));
        assert_eq!(facts[4], (Fact::PublicKeyDigest.code(), sha256(certificate.public_key().raw)));
        assert_eq!(facts[5], (Fact::CertificateSubject.code(), b"CN=billing".to_vec()));
        let end = u64::try_from(certificate.validity().not_after.timestamp()).unwrap() * 1_000;
        assert_eq!(facts[6], (Fact::CertificateEnd.code(), end.to_be_bytes().to_vec()));
        assert_eq!(facts.len(), 7);
    }

    // R-A4, R-A7
    async fn whoami_tells_what_was_declared_last_and_admits_nobody_by_it(transport) {
        let server = Server::start();
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let mut stranger = Client::connect(&server, transport, None).await.unwrap();
        stranger.say_hello().await;
        let first = facts(&stranger.call(Whoami).await.body);
        for (values, told) in [
            (&[&[2, 0, 0x5E, 0x10, 0, 1][..]][..], Some([2, 0, 0x5E, 0x10, 0, 1])),
            (&[&[2, 0, 0x5E, 0x10, 0, 2], &[2, 0, 0x5E, 0x10, 0, 1]], Some([2, 0, 0x5E, 0x10, 0, 2])),
            (&[&[0xFF; 6]], None),
            (&[&[2, 0, 0x5E, 0x10, 0]], None),
            (&[&[]], None),
            (&[], None),
        ] {
            let options = values.iter().map(|value| HelloOption { option: HELLO_OPTION_HARDWARE_ADDRESS, value });
            let hello = Hello { version_min: 1, version_max: 1, options };
            assert_eq!(stranger.call(hello).await.status(), Status::Ok);
            let expected = told.map(|told| (Fact::DeclaredHardwareAddress.code(), told.to_vec()));
            let expected: Vec<_> = first.iter().cloned().chain(expected).collect();
            assert_eq!(facts(&stranger.call(Whoami).await.body), expected, "{values:?}");
            assert_eq!(stranger.call(DescribeKey { key_id: key }).await.status(), Status::NotPermitted);
        }
    }

    async fn resolve_and_describe_tell_of_keys_of_every_algorithm(transport) {
        let server = Server::start();
        let keys: Vec<_> = algorithms().iter().map(|&algorithm| (algorithm, create(&server, algorithm))).collect();
        let mut client = Client::greeted(&server, transport).await;
        let names: Vec<_> = keys.iter().map(|(algorithm, _)| algorithm.row().name.as_bytes()).collect();
        let results = client.call(resolve("store", &names)).await.results();
        for ((algorithm, id), result) in keys.into_iter().zip(results) {
            let kind = algorithm.row().kind.id();
            let expected = [&id.0[..], &server.store.0, &[kind, algorithm.id()]].concat();
            assert_eq!(result, expected, "{algorithm}");
            let reply = client.call(DescribeKey { key_id: id }).await;
            let Ok(Decoded::DescribeKey(key)) = Decoded::decode(Opcode::DescribeKey, &reply.body) else { panic!() };
            assert_eq!((key.key_id, key.store_id), (id, StoreId(server.store.0)));
            assert_eq!((key.kind, key.algorithm, key.state), (kind, algorithm.id(), KeyState::Available.code()));
            assert_eq!((key.name, key.current_version), (algorithm.row().name.as_bytes(), 1));
            let versions: Vec<_> = key.versions.map(|version| (version.version, version.state)).collect();
            assert_eq!(versions, [(1, KeyVersionState::Current.code())]);
        }
    }

    // R-K3, R-K19
    async fn encrypt_and_decrypt_carry_sizes_from_nothing_to_the_largest(transport) {
        let server = Server::start();
        let key = create(&server, Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        let (long_context, long) = (vec![3; 4_096], vec![7; 32_768]);
        let items = [(&b""[..], &b""[..]), (b"tenant 7", b"card number"), (&long_context, &long), (b"", b"")];
        let ciphertexts = client.call(encrypt(key, &items)).await.results();
        for (ciphertext, (_, plaintext)) in ciphertexts.iter().zip(items) {
            assert_eq!(ciphertext.len(), plaintext.len() + 94);
        }
        assert_ne!(ciphertexts[0], ciphertexts[3]);
        let sealed: Vec<_> = items.iter().zip(&ciphertexts).map(|(item, it)| (item.0, &it[..])).collect();
        let plaintexts = client.call(decrypt(key, &sealed)).await.results();
        assert!(plaintexts.iter().zip(items).all(|(plaintext, item)| plaintext == item.1));
    }

    // R-K16
    async fn reencrypt_moves_to_another_key_or_to_the_newest_version(transport) {
        let server = Server::start();
        let [source, target] = ["source", "target"].map(|name| server.create(name, Algorithm::Xaes256Gcm));
        let mut client = Client::greeted(&server, transport).await;
        let first = client.call(encrypt(source, &[(b"a", b"plain")])).await.only();
        let second = client.call(reencrypt(source, target, &[[b"a", b"b", &first]])).await.only();
        assert_eq!(client.call(decrypt(target, &[(b"b", &second)])).await.only(), b"plain");
        server.engine.rotate(engine_id(target)).unwrap();
        let third = client.call(reencrypt(target, target, &[[b"b", b"", &second]])).await.only();
        assert_eq!((second[5], third[5]), (1, 2), "key versions");
        assert_eq!(client.call(decrypt(target, &[(b"", &third)])).await.only(), b"plain");
    }

    // R-K17
    async fn data_keys_are_generated_wrapped_and_unwrapped(transport) {
        let server = Server::start();
        let key = create(&server, Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        for size in [16_u16, 32, 64] {
            let plain_size = usize::from(size);
            let wrapped = client.call(generate(key, DataKeyForm::Wrapped, size, &[b"c"])).await.only();
            assert_eq!(wrapped.len(), 4 + plain_size + 94);
            let data_key = client.call(unwrap(key, &[(b"c", &wrapped[4..])])).await.only();
            assert_eq!(data_key.len(), plain_size);
            let both = client.call(generate(key, DataKeyForm::PlainAndWrapped, size, &[b"c"])).await.only();
            let (wrapped, plain) = both[4..].split_at(plain_size + 94);
            assert_eq!(client.call(unwrap(key, &[(b"c", wrapped)])).await.only(), plain);
            assert_ne!(data_key, plain);
        }
        for data_key in [vec![1], vec![2; DATA_KEY_SIZE_MAX]] {
            let wrapped = client.call(wrap(key, &[(b"c", &data_key)])).await.only();
            assert_eq!(client.call(unwrap(key, &[(b"c", &wrapped)])).await.only(), data_key);
            // The purpose is bound in.
            assert_eq!(client.call(decrypt(key, &[(b"c", &wrapped)])).await.items()[0].0, Status::DecryptionFailed);
        }
    }

    // R-K4
    async fn signatures_of_every_algorithm_verify(transport) {
        let server = Server::start();
        for algorithm in that_do(Operation::Sign) {
            let key = create(&server, algorithm);
            let mut client = Client::greeted(&server, transport).await;
            let hash = algorithm.row().digest_size.map(|size| hash(size, b"message"));
            let mut forms = vec![(MessageForm::Message, &b"message"[..])];
            forms.extend(hash.as_deref().map(|hash| (MessageForm::Digest, hash)));
            for (form, message) in forms {
                let signed = client.call(sign(key, form, &[message])).await.only();
                let (version, signature) = signed.split_at(4);
                assert_eq!(version, [0, 0, 0, 1]);
                assert_size(algorithm, signature);
                for named in [0, 1] {
                    let verified = client.call(verify(key, named, form, &[(message, signature)])).await.only();
                    assert_eq!(verified, [0, 0, 0, 1], "{algorithm}");
                }
                // Both forms mean the same signature.
                let again = client.call(verify(key, 0, MessageForm::Message, &[(b"message", signature)])).await;
                assert_eq!(again.only(), [0, 0, 0, 1], "{algorithm}");
                let other = client.call(verify(key, 0, MessageForm::Message, &[(b"other", signature)])).await;
                assert_eq!(other.items(), [(Status::VerificationFailed, vec![])], "{algorithm}");
            }
        }
    }

    // R-K6
    async fn public_keys_of_every_algorithm_are_read(transport) {
        let server = Server::start();
        let mut client = Client::greeted(&server, transport).await;
        for algorithm in that_do(Operation::ReadPublicKey) {
            let key_id = create(&server, algorithm);
            let reply = client.call(ReadPublicKey { key_id, key_version: 0 }).await;
            let Ok(Decoded::ReadPublicKey(read)) = Decoded::decode(Opcode::ReadPublicKey, &reply.body) else { panic!() };
            assert_eq!((read.key_version, read.algorithm), (1, algorithm.id()));
            assert!(SubjectPublicKeyInfo::from_der(read.public_key).is_ok_and(|(rest, _)| rest.is_empty()));
        }
    }

    // R-K4
    async fn what_openssl_encrypts_is_decrypted_with_its_label_by_its_version_only(transport) {
        let server = Server::start();
        let (key, other) = (create(&server, DECRYPTING), server.create("other", DECRYPTING));
        let mut client = Client::greeted(&server, transport).await;
        let public_keys = [read_public_key(&mut client, key).await, read_public_key(&mut client, other).await];
        let encrypt = |public_key: &Vec<u8>, options: &[&str]| {
            openssl::encrypt(public_key, &[openssl::OAEP, options].concat(), b"session key")
        };
        let plain = encrypt(&public_keys[0], &[]);
        let labelled = encrypt(&public_keys[0], &["rsa_oaep_label:6c6162656c"]);
        server.engine.rotate(engine_id(key)).unwrap();
        let newer = encrypt(&read_public_key(&mut client, key).await, &[]);
        let foreign = encrypt(&public_keys[1], &[]);
        let pkcs1 = openssl::encrypt(&public_keys[0], &["rsa_padding_mode:pkcs1"], b"session key");
        let sha1 = openssl::encrypt(&public_keys[0], &["rsa_padding_mode:oaep"], b"session key");
        let (longer, mut altered) = ([&plain[..], &[0]].concat(), plain.clone());
        altered[255] ^= 1;
        let items = [
            (&b""[..], &plain[..]), (b"label", &labelled), (b"", &newer), (b"", &labelled), (b"label", &plain), (b"labe", &labelled),
            (b"", &foreign), (b"", &pkcs1), (b"", &sha1), (b"", &altered), (b"", &plain[..255]), (b"", &longer), (b"", b""),
        ];
        let failed = (Status::DecryptionFailed, vec![]);
        let done = |version: u8| (Status::Ok, [&[0, 0, 0, version], &b"session key"[..]].concat());
        let mut expected = vec![failed.clone(); items.len()];
        expected[..3].clone_from_slice(&[done(1), done(1), done(2)]);
        assert_eq!(client.call(asymmetric_decrypt(key, 0, &items)).await.items(), expected);
        expected[2] = failed.clone();
        assert_eq!(client.call(asymmetric_decrypt(key, 1, &items)).await.items(), expected);
        expected[..3].clone_from_slice(&[failed.clone(), failed, done(2)]);
        assert_eq!(client.call(asymmetric_decrypt(key, 2, &items)).await.items(), expected);
        assert_eq!(client.call(asymmetric_decrypt(key, 3, &items)).await.status(), Status::KeyVersionNotFound);
    }

    // R-K5
    async fn macs_are_made_and_verified(transport) {
        let server = Server::start();
        let mut client = Client::greeted(&server, transport).await;
        for algorithm in that_do(Operation::MakeMac) {
            let key = create(&server, algorithm);
            let made = client.call(make_mac(key, &[b"", b"message"])).await.results();
            let macs: Vec<_> = made.iter().map(|made| &made[4..]).collect();
            macs.iter().for_each(|mac| assert_size(algorithm, mac));
            let shortened = &macs[0][..macs[0].len() - 1];
            let items = [(&b""[..], macs[0]), (b"message", macs[1]), (b"other", macs[1]), (b"", shortened)];
            let verified = client.call(verify_mac(key, 1, &items)).await.items();
            let (good, bad) = ((Status::Ok, vec![0, 0, 0, 1]), (Status::VerificationFailed, vec![]));
            assert_eq!(verified, [good.clone(), good, bad.clone(), bad], "{algorithm}");
        }
    }

    // R-K2
    async fn secrets_are_read(transport) {
        let server = Server::start();
        let key_id = create(&server, Algorithm::Opaque);
        let mut client = Client::greeted(&server, transport).await;
        for key_version in [0, 1] {
            let reply = client.call(ReadSecret { key_id, key_version }).await;
            let Ok(Decoded::ReadSecret(read)) = Decoded::decode(Opcode::ReadSecret, &reply.body) else { panic!() };
            assert_eq!((read.key_version, read.value), (1, SECRET));
        }
        assert_eq!(client.call(ReadSecret { key_id, key_version: 2 }).await.status(), Status::KeyVersionNotFound);
    }

    // R-K17
    async fn random_bytes_come_in_the_sizes_asked_for(transport) {
        let server = Server::start();
        let mut client = Client::greeted(&server, transport).await;
        let store = StoreId(server.store.0);
        let results = client.call(random(store, &[1, 32, 32, 32_768])).await.results();
        assert_eq!(results.iter().map(Vec::len).collect::<Vec<_>>(), [1, 32, 32, 32_768]);
        assert_ne!(results[1], results[2]);
        let results = client.call(random(store, &[0, 1, 32_769, u32::MAX])).await.items();
        let statuses = results.into_iter().map(|(status, _)| status).collect::<Vec<_>>();
        assert_eq!(statuses, [Status::SizeNotAllowed, Status::Ok, Status::SizeNotAllowed, Status::SizeNotAllowed]);
        assert_eq!(client.call(random(StoreId([0; 16]), &[1])).await.status(), Status::NotPermitted);
    }

    // R-P2
    async fn a_reply_carries_opcode_request_id_and_trace_id_of_its_request(transport) {
        let server = Server::start();
        let mut client = Client::greeted(&server, transport).await;
        let trace_id = claviger_protocol::TraceId([0xAB; 16]);
        let header = claviger_protocol::RequestHeader { request_id: u64::MAX, trace_id, ..Default::default() };
        client.send(&client::request_with(header, Ping { payload: b"" })).await;
        let reply = client.reply().await.header;
        assert_eq!((reply.opcode, reply.request_id, reply.trace_id, reply.retry_ms), (2, u64::MAX, trace_id, 0));
        assert_ne!(u64::MAX, CALL);
    }

    // R-K1
    async fn keys_do_what_the_table_of_algorithms_says_and_nothing_else(transport) {
        let server = Server::start();
        let mut client = Client::greeted(&server, transport).await;
        let mut tried = Vec::new();
        for algorithm in algorithms() {
            let key = create(&server, algorithm);
            let form = MessageForm::Message;
            let replies = [
                client.call(encrypt(key, &[(b"", b"")])).await,
                client.call(decrypt(key, &[(b"", b"")])).await,
                client.call(reencrypt(key, key, &[[b"", b"", b""]])).await,
                client.call(generate(key, DataKeyForm::Wrapped, 32, &[b""])).await,
                client.call(wrap(key, &[(b"", b"k")])).await,
                client.call(unwrap(key, &[(b"", b"")])).await,
                client.call(sign(key, form, &[b""])).await,
                client.call(verify(key, 0, form, &[(b"", b"")])).await,
                client.call(asymmetric_decrypt(key, 0, &[(b"", b"")])).await,
                client.call(make_mac(key, &[b""])).await,
                client.call(verify_mac(key, 0, &[(b"", b"")])).await,
                client.call(ReadSecret { key_id: key, key_version: 0 }).await,
                client.call(ReadPublicKey { key_id: key, key_version: 0 }).await,
                client.call(WaitForSecret { key_id: key, known_version: 0, wait_ms: 0 }).await,
            ];
            for reply in &replies {
                let opcode = Opcode::from_code(reply.header.opcode).unwrap();
                let allowed = opcode.needs().is_some_and(|operation| algorithm.row().does(operation));
                let expected = if allowed { Status::Ok } else { Status::OperationNotAllowed };
                assert_eq!(reply.status(), expected, "{opcode} with {algorithm}");
            }
            tried = replies.map(|reply| reply.header.opcode).to_vec();
        }
        let of_keys = Opcode::ALL.into_iter().filter(|opcode| opcode.needs().is_some());
        assert!(of_keys.map(Opcode::code).eq(tried), "an operation that keys do was not tried");
    }
}

/// Those that do `operation`.
fn that_do(operation: Operation) -> impl Iterator<Item = Algorithm> {
    algorithms().into_iter().filter(move |algorithm| algorithm.row().does(operation))
}

/// A signature or MAC has the size that the table of algorithms says.
#[track_caller]
fn assert_size(algorithm: Algorithm, output: &[u8]) {
    match algorithm.row().output_size {
        OutputSize::Fixed(size) => assert_eq!(output.len(), size, "{algorithm}"),
        OutputSize::AtMost(most) => assert!(output.len() <= most, "{algorithm}"),
        OutputSize::PlaintextPlus(_) => panic!("{algorithm} makes no signature or MAC"),
    }
}

/// The SHA-2 digest of this size.
fn hash(size: usize, message: &[u8]) -> Vec<u8> {
    let algorithm = [&SHA256, &SHA384, &SHA512].into_iter().find(|algorithm| algorithm.output_len() == size);
    digest(algorithm.unwrap(), message).as_ref().to_vec()
}

/// The current public key, as whoever encrypts to it reads it.
async fn read_public_key(client: &mut Client, key_id: KeyId) -> Vec<u8> {
    let reply = client.call(ReadPublicKey { key_id, key_version: 0 }).await;
    let Ok(Decoded::ReadPublicKey(read)) = Decoded::decode(Opcode::ReadPublicKey, &reply.body) else { panic!() };
    read.public_key.to_vec()
}

/// The smallest size stands for all: larger keys take seconds to make.
const DECRYPTING: Algorithm = Algorithm::Rsa2048OaepSha256;

/// All but those that take a second and more to make: they differ from RSA-2048 in nothing but their size.
fn algorithms() -> Vec<Algorithm> {
    let slow =
        |algorithm: Algorithm| algorithm.row().name.starts_with("RSA-3") || algorithm.row().name.starts_with("RSA-4");
    Algorithm::ALL.iter().copied().filter(|algorithm| !slow(*algorithm)).collect()
}

/// A key named after its algorithm.
fn create(server: &Server, algorithm: Algorithm) -> KeyId {
    server.create(algorithm.row().name, algorithm)
}

/// Number and value of each fact.
pub(crate) fn facts(body: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let Ok(Decoded::Whoami(reply)) = Decoded::decode(Opcode::Whoami, body) else { panic!("no answer to Whoami") };
    reply.facts.map(|fact| (fact.fact, fact.value.to_vec())).collect()
}

//! What the server does by itself when its time has come, as clients see it that were there before.

use std::time::Duration;

use claviger_algorithm::Algorithm;
use claviger_engine::limits::DELETION_WAIT_DEFAULT;
use claviger_protocol::message::{DescribeKey, MessageForm, ReadPublicKey};
use claviger_protocol::{KeyId, KeyState, Opcode, Reply as Decoded, Status};

use crate::support::messages::{decrypt, encrypt, sign, verify};
use crate::support::server::{HandClock, engine_id};
use crate::support::{Client, Options, Server};

on_both_transports! {
    // R-K9, R-K10
    async fn a_key_is_deleted_when_its_wait_is_over_and_not_when_somebody_sets_the_clock(transport) {
        let clock = HandClock::new();
        let server = Server::start_with(Options { clock: clock.clone(), ..Options::default() });
        let (key, signing) = (server.create("key", Algorithm::Xaes256Gcm), server.create("signing", Algorithm::Ed25519));
        let mut client = Client::greeted(&server, transport).await;
        let ciphertext = client.call(encrypt(key, &[(b"", b"plain")])).await.only();
        let signature = client.call(sign(signing, MessageForm::Message, &[b"m"])).await.only();
        for key in [key, signing] {
            server.engine.request_deletion(engine_id(key), DELETION_WAIT_DEFAULT).unwrap();
        }
        let requested = (KeyState::DeletionRequested, Status::KeyDeletionRequested);
        let year = 365 * DAY;
        clock.set_forward(year);
        assert_eq!(seen(&server, &mut client, key, &ciphertext).await, requested, "the clock was set forward");
        clock.set_back(year);
        clock.pass(DELETION_WAIT_DEFAULT - Duration::from_secs(1));
        assert_eq!(seen(&server, &mut client, key, &ciphertext).await, requested, "a second before it is over");
        assert_eq!(client.call(ReadPublicKey { key_id: signing, key_version: 0 }).await.status(), Status::Ok);
        clock.pass(Duration::from_secs(1));
        let deleted = (KeyState::Deleted, Status::KeyDeleted);
        assert_eq!(seen(&server, &mut client, key, &ciphertext).await, deleted);
        let form = MessageForm::Message;
        let statuses = [
            client.call(encrypt(key, &[(b"", b"")])).await.status(),
            client.call(sign(signing, form, &[b"m"])).await.status(),
            client.call(verify(signing, 0, form, &[(b"m", &signature[4..])])).await.status(),
            client.call(ReadPublicKey { key_id: signing, key_version: 0 }).await.status(),
            client.call(ReadPublicKey { key_id: signing, key_version: 1 }).await.status(),
            // The state is told before what the kind does not do.
            client.call(sign(key, form, &[b""])).await.status(),
        ];
        assert_eq!(statuses, [Status::KeyDeleted; 6]);
    }

    // R-K11
    async fn a_year_after_its_deletion_the_id_of_a_key_is_like_one_that_never_was(transport) {
        let clock = HandClock::new();
        let server = Server::start_with(Options { clock: clock.clone(), ..Options::default() });
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        let ciphertext = client.call(encrypt(key, &[(b"", b"plain")])).await.only();
        server.engine.request_deletion(engine_id(key), DELETION_WAIT_DEFAULT).unwrap();
        server.engine.delete_now(engine_id(key), true).unwrap();
        clock.pass(365 * DAY - Duration::from_secs(1));
        assert_eq!(seen(&server, &mut client, key, &ciphertext).await, (KeyState::Deleted, Status::KeyDeleted));
        clock.pass(Duration::from_secs(1));
        server.engine.do_due().unwrap();
        for _ in 0..2 {
            assert_eq!(client.call(decrypt(key, &[(b"", &ciphertext)])).await.status(), Status::NotPermitted);
            assert_eq!(client.call(DescribeKey { key_id: key }).await.status(), Status::NotPermitted);
        }
    }

    // R-K12
    async fn a_rotation_that_is_due_fails_nobody_and_missed_ones_are_one(transport) {
        let clock = HandClock::new();
        let server = Server::start_with(Options { clock: clock.clone(), ..Options::default() });
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        server.engine.set_rotation(engine_id(key), Some(7)).unwrap();
        let mut ciphertexts = Vec::new();
        for (days, version) in [(0, 1), (6, 1), (1, 2), (6, 2), (21, 3), (7, 4)] {
            clock.pass(days * DAY);
            server.engine.do_due().unwrap();
            let ciphertext = client.call(encrypt(key, &[(b"", b"plain")])).await.only();
            assert_eq!(ciphertext[2..6], u32::to_be_bytes(version), "after {days} days more");
            ciphertexts.push(ciphertext);
            for ciphertext in &ciphertexts {
                assert_eq!(client.call(decrypt(key, &[(b"", ciphertext)])).await.only(), b"plain");
            }
        }
    }
}

/// The state of a key in which nothing is decrypted, and the status that says so, after what is due has been done.
async fn seen(server: &Server, client: &mut Client, key: KeyId, ciphertext: &[u8]) -> (KeyState, Status) {
    server.engine.do_due().unwrap();
    let status = client.call(decrypt(key, &[(b"", ciphertext)])).await.status();
    let reply = client.call(DescribeKey { key_id: key }).await;
    let Ok(Decoded::DescribeKey(described)) = Decoded::decode(Opcode::DescribeKey, &reply.body) else { panic!() };
    (KeyState::from_code(described.state).unwrap(), status)
}

const DAY: Duration = Duration::from_hours(24);

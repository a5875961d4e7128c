//! Keys that are not in memory, records that cannot be read, and storage that fails.

use std::sync::Arc;

use claviger_algorithm::Algorithm;
use claviger_engine::key::state::KeyState;
use claviger_engine::storage::{Address, Call, Database, FailingStorage, MemoryStorage, Storage, Write};
use claviger_protocol::message::{DescribeKey, MessageForm, ReadPublicKey, ReadSecret};
use claviger_protocol::{KeyId, Retry, Status};

use crate::support::messages::{decrypt, encrypt, reencrypt, resolve, sign};
use crate::support::{Client, Options, Server, request};

on_both_transports! {
    // Issue: correct behaviour when keys do not all fit.
    async fn more_keys_than_fit_are_all_served(transport) {
        let server = Server::start_with(Options { cached_keys_max: 4, ..Options::default() });
        let keys: Vec<_> = (0..64).map(|number| server.create(&format!("key-{number}"), Algorithm::Xaes256Gcm)).collect();
        let mut client = Client::greeted(&server, transport).await;
        let mut ciphertexts = vec![Vec::new(); keys.len()];
        // Everything at once, so that each key is pushed out while others wait for theirs.
        for round in 0..4 {
            let encrypts = |id: usize| request(id as u64, encrypt(keys[id], &[(b"", &[round; 100])]));
            let replies = all(&mut client, (0..keys.len()).map(encrypts)).await;
            for (id, reply) in replies {
                ciphertexts[id] = reply;
            }
            let decrypts = |id: usize| request(id as u64, decrypt(keys[id], &[(b"", &ciphertexts[id])]));
            for (_, plaintext) in all(&mut client, (0..keys.len()).map(decrypts)).await {
                assert_eq!(plaintext, [round; 100]);
            }
        }
        // The next load finds nobody waiting, and brings the cache back to its bound.
        client.call(ReadSecret { key_id: server.create("last", Algorithm::Opaque), key_version: 0 }).await;
        assert!(server.engine.cached_keys() <= 4);
    }

    async fn slow_keys_that_do_not_fit_are_served_too(transport) {
        let server = Server::start_with(Options { cached_keys_max: 2, ..Options::default() });
        let keys: Vec<_> = (0..6).map(|number| server.create(&format!("key-{number}"), Algorithm::Rsa2048Pkcs1Sha256)).collect();
        let mut client = Client::greeted(&server, transport).await;
        let signs = |id: usize| request(id as u64, sign(keys[id % 6], MessageForm::Message, &[b"m"]));
        for (_, signed) in all(&mut client, (0..60).map(signs)).await {
            assert_eq!(signed.len(), 4 + 256);
        }
    }

    async fn reencryption_between_cold_keys_works(transport) {
        let server = Server::start_with(Options { cached_keys_max: 2, ..Options::default() });
        let keys: Vec<_> = (0..8).map(|number| server.create(&format!("key-{number}"), Algorithm::Xaes256Gcm)).collect();
        let mut client = Client::greeted(&server, transport).await;
        let mut ciphertext = client.call(encrypt(keys[0], &[(b"", b"plain")])).await.only();
        for pair in keys.windows(2) {
            ciphertext = client.call(reencrypt(pair[0], pair[1], &[[b"", b"", &ciphertext]])).await.only();
        }
        assert_eq!(client.call(decrypt(keys[7], &[(b"", &ciphertext)])).await.only(), b"plain");
    }

    // SPEC sections 5.4 and 6
    async fn a_damaged_record_is_told_as_storage_and_harms_no_other(transport) {
        let storage = Arc::new(MemoryStorage::new());
        let server = Server::start_with(Options { storage: storage.clone(), ..Options::default() });
        let good = server.create("good", Algorithm::Xaes256Gcm);
        let damaged = server.create("damaged", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        assert_eq!(client.call(encrypt(damaged, &[(b"", b"")])).await.status(), Status::Ok);
        damage(&*storage, damaged);
        // Acknowledged when the cache has followed everything before it.
        server.set_state(good, KeyState::Disabled);
        server.set_state(good, KeyState::Available);
        let form = MessageForm::Message;
        for reply in [
            client.call(encrypt(damaged, &[(b"", b"")])).await,
            client.call(decrypt(damaged, &[(b"", b"")])).await,
            client.call(reencrypt(good, damaged, &[[b"", b"", b""]])).await,
            client.call(sign(damaged, form, &[b""])).await,
            client.call(ReadSecret { key_id: damaged, key_version: 0 }).await,
            client.call(ReadPublicKey { key_id: damaged, key_version: 0 }).await,
            client.call(DescribeKey { key_id: damaged }).await,
            client.call(resolve("store", &[b"good", b"damaged"])).await,
        ] {
            assert_eq!((reply.status(), reply.body.len()), (Status::StorageUnavailable, 0), "{:#04x}", reply.header.opcode);
            assert_eq!(reply.status().retry(), Some(Retry::Later));
        }
        assert_eq!(client.call(encrypt(good, &[(b"", b"")])).await.status(), Status::Ok);
        assert_eq!(client.call(resolve("store", &[b"good"])).await.status(), Status::Ok);
    }

    async fn a_failing_read_fails_its_request_and_the_next_one_works(transport) {
        let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
        let options = Options { storage: storage.clone(), cached_keys_max: 2, ..Options::default() };
        let server = Server::start_with(options);
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        storage.fail(Call::Get, 1);
        assert_eq!(client.call(encrypt(key, &[(b"", b"")])).await.status(), Status::StorageUnavailable);
        assert_eq!(client.call(encrypt(key, &[(b"", b"")])).await.status(), Status::Ok);
        storage.fail(Call::Get, 1);
        assert_eq!(client.call(DescribeKey { key_id: key }).await.status(), Status::StorageUnavailable);
        assert_eq!(client.call(DescribeKey { key_id: key }).await.status(), Status::Ok);
        storage.fail(Call::Get, 1);
        assert_eq!(client.call(resolve("store", &[b"key"])).await.status(), Status::StorageUnavailable);
        assert_eq!(client.call(resolve("store", &[b"key"])).await.status(), Status::Ok);
    }
}

/// Sends all requests at once; gives the one result of each, by its request id.
async fn all(client: &mut Client, requests: impl ExactSizeIterator<Item = Vec<u8>>) -> Vec<(usize, Vec<u8>)> {
    let count = requests.len();
    client.send(&requests.flatten().collect::<Vec<_>>()).await;
    let mut results = Vec::new();
    for _ in 0..count {
        let reply = client.reply().await;
        results.push((usize::try_from(reply.header.request_id).unwrap(), reply.only()));
    }
    results
}

/// Flips a bit in everything that is stored about a key.
fn damage(storage: &dyn Storage, key: KeyId) {
    let records = storage.scan(&Address::new(Database::Keys, ""), None, 1_000).unwrap();
    let of_key = records.into_iter().filter(|(address, _)| address.key.windows(16).any(|part| part == key.0));
    let writes: Vec<_> = of_key
        .map(|(address, mut stored)| {
            let middle = stored.value.len() / 2;
            stored.value[middle] ^= 1;
            Write::Put { address, value: stored.value }
        })
        .collect();
    assert!(!writes.is_empty(), "nothing is stored about the key");
    storage.transact(&[], &writes).unwrap();
}

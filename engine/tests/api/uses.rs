//! How often keys are used, and by whom.

use claviger_algorithm::Algorithm;
use claviger_engine::key::client::ClientName;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::CLIENTS_PER_KEY_MAX;
use claviger_engine::operation::{
    DataKeyForm, DecryptItem, MacItem, ReencryptItem, SignForm, SignItem, VerifyItem, VerifyMacItem, WrapItem,
};
use claviger_engine::storage::{Call, FailingStorage, MemoryStorage};
use claviger_engine::{Engine, ItemError, KeyUsage, OthersUsage};

use crate::support::calls::{self, collect, split_version, version_of};
use crate::support::client::{PATIENCE, client_name};
use crate::support::clock::{DAY, HOUR, milliseconds};
use crate::support::installation::VALUE;
use crate::support::tamper::{all_records, put};
use crate::support::{Client, Installation, oaep, only};

/// Items and bytes of each version that was used.
fn counts(engine: &Engine, id: KeyId) -> Vec<(u32, u64, u64)> {
    let usage = engine.key_usage(id).unwrap();
    usage.versions.iter().map(|usage| (usage.version.get(), usage.items, usage.bytes)).collect()
}

/// Items of each client, by name.
fn clients(engine: &Engine, id: KeyId) -> Vec<(String, u64)> {
    let usage = engine.key_usage(id).unwrap();
    usage.clients.iter().map(|usage| (usage.client.common_name().unwrap().to_owned(), usage.items)).collect()
}

on_every_storage! {
    // R-K20
    fn items_and_bytes_are_counted_by_version(installation) {
        let engine = &installation.engine;
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(engine);
        assert_eq!(engine.key_usage(id).unwrap(), KeyUsage::default());
        let old = client.encrypt_one(id, b"context", b"12345");
        client.encrypt(id, &[(b"", b"1"), (b"", b""), (b"", b"123")]).unwrap();
        assert_eq!(counts(engine, id), [(1, 4, 9)]);
        engine.rotate(id).unwrap();
        let new = client.encrypt_one(id, b"", b"1234567");
        assert_eq!((version_of(&old), version_of(&new)), (1, 2));
        client.decrypt(id, &[(b"context", &old), (b"", &new), (b"context", &old)]).unwrap();
        assert_eq!(counts(engine, id), [(1, 6, 19), (2, 2, 14)]);
    }

    // R-K20
    fn what_was_not_done_is_not_counted(installation) {
        let engine = &installation.engine;
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(engine);
        let good = client.encrypt_one(id, b"", b"12345");
        let long = vec![0; 32_769];
        let sealed = client.encrypt(id, &[(b"", &long), (&[0; 4_097], b"")]).unwrap();
        assert_eq!(sealed, [Err(ItemError::PlaintextTooLarge), Err(ItemError::ContextTooLarge)]);
        let opened = client.decrypt(id, &[(b"other", &good), (b"", b"no ciphertext"), (b"", &good)]).unwrap();
        assert!(opened[0].is_err() && opened[1].is_err() && opened[2].is_ok());
        assert_eq!(counts(engine, id), [(1, 2, 10)]);
        engine.set_state(id, KeyState::Disabled).unwrap();
        assert!(client.encrypt(id, &[(b"", b"1")]).is_err());
        assert_eq!(counts(engine, id), [(1, 2, 10)]);
        assert_eq!(clients(engine, id), [("client".to_owned(), 2)]);
    }

    // R-K20
    fn each_client_is_remembered_with_its_last_use(installation) {
        let engine = &installation.engine;
        installation.clock.hold();
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let (mut one, mut other) = (Client::named(engine, "one"), Client::named(engine, "other"));
        let begin = installation.clock.shows();
        one.encrypt_one(id, b"", b"1");
        engine.write_uses();
        installation.clock.pass(HOUR);
        (0..3).for_each(|_| drop(other.encrypt_one(id, b"", b"1")));
        // The same name on another connection.
        Client::named(engine, "other").encrypt_one(id, b"", b"1");
        let usage = engine.key_usage(id).unwrap();
        let seen: Vec<_> = usage.clients.iter().map(|usage| (&usage.client, usage.items, usage.last_ms)).collect();
        let later = begin + milliseconds(HOUR);
        assert_eq!(seen, [(&client_name("one"), 1, begin), (&client_name("other"), 4, later)]);
        assert_eq!(usage.last(), Some((later, Some(&client_name("other")))));
        assert_eq!((usage.versions[0].last_ms, usage.others), (later, OthersUsage::default()));
    }

    // R-K20
    fn of_very_many_clients_the_last_are_remembered_and_the_others_counted(installation) {
        let engine = &installation.engine;
        installation.clock.hold();
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        for number in 0..CLIENTS_PER_KEY_MAX + 3 {
            Client::named(engine, &format!("client-{number:03}")).encrypt_one(id, b"", b"1");
            engine.write_uses();
            installation.clock.pass(HOUR);
        }
        let usage = engine.key_usage(id).unwrap();
        assert_eq!(usage.clients.len(), CLIENTS_PER_KEY_MAX);
        assert_eq!(usage.clients[0].client.common_name(), Some("client-003"));
        assert_eq!(usage.others.items, 3);
    }

    // R-K11, R-K20
    fn uses_of_a_deleted_key_can_be_read_until_it_is_purged(installation) {
        let engine = &installation.engine;
        let id = installation.create("key", Algorithm::Aes256Gcm);
        Client::new(engine).encrypt_one(id, b"", b"12345");
        let usage = engine.key_usage(id).unwrap();
        engine.request_deletion(id, DAY).unwrap();
        engine.delete_now(id, true).unwrap();
        engine.write_uses();
        assert_eq!(engine.key_usage(id).unwrap(), usage);
        installation.clock.pass(DAY * 366);
        assert_eq!(engine.do_due().unwrap(), 1);
        assert_eq!(engine.key_usage(id).unwrap(), KeyUsage::default());
        let left = all_records(&*installation.storage);
        assert!(left.iter().all(|(address, _)| !address.key.windows(16).any(|part| part == id.0)));
    }

    // R-K20
    fn nothing_is_written_for_keys_that_are_not_used(installation) {
        let engine = &installation.engine;
        let ids = ["one", "other"].map(|name| installation.create(name, Algorithm::Ed25519));
        Client::new(engine).with(ids[0], |key| key.public_key(None).unwrap());
        engine.write_uses();
        let before = installation.storage.revision();
        engine.write_uses();
        assert_eq!(installation.storage.revision(), before);
        for id in ids {
            assert_eq!(engine.key_usage(id).unwrap(), KeyUsage::default(), "reading a public key is no use");
        }
    }
}

// R-K20
#[test]
fn every_operation_is_counted() {
    let installation = Installation::in_memory();
    let engine = &installation.engine;
    let mut client = Client::new(engine);
    let mut check = |name: &str, algorithm, act: &mut dyn FnMut(&mut Client, KeyId), expected: (u64, u64)| {
        let id = installation.create(name, algorithm);
        act(&mut client, id);
        let (items, bytes) = expected;
        assert_eq!(counts(engine, id), [(1, items, bytes)], "{name}");
        assert_eq!(clients(engine, id), [("client".to_owned(), items)], "{name}");
    };
    let data_keys = |client: &mut Client, id| {
        client.counted(id, |scope, key| {
            let contexts = [&b""[..]; 2].into_iter();
            collect(|sink| key.generate_data_keys(scope, DataKeyForm::PlainAndWrapped, 32, contexts, sink)).unwrap();
            let item = WrapItem { context: b"", data_key: b"12345" };
            let wrapped = only(collect(|sink| key.wrap_data_keys(scope, [item].into_iter(), sink)).unwrap()).unwrap();
            let item = DecryptItem { context: b"", ciphertext: &wrapped };
            collect(|sink| key.unwrap_data_keys(scope, [item].into_iter(), sink)).unwrap();
        });
    };
    check("data-keys", Algorithm::Xaes256Gcm, &mut { data_keys }, (4, 74));
    let reencrypt = |client: &mut Client, id| {
        let sealed = client.encrypt_one(id, b"", b"12345");
        client.counted(id, |scope, key| {
            let item = ReencryptItem { source_context: b"", target_context: b"", ciphertext: &sealed };
            collect(|sink| key.reencrypt(key, scope, [item].into_iter(), sink)).unwrap();
        });
    };
    check("re-encryption", Algorithm::Xaes256Gcm, &mut { reencrypt }, (3, 15));
    let sign = |client: &mut Client, id| {
        client.counted(id, |scope, key| {
            let items = [SignItem(b"12345")].into_iter();
            let signed = only(collect(|sink| key.sign(scope, SignForm::Message, items, sink)).unwrap()).unwrap();
            let signature = split_version(&signed).1;
            let items = [b"12345", b"12346"].map(|message| VerifyItem { message, signature });
            collect(|sink| key.verify(scope, None, SignForm::Message, items.into_iter(), sink)).unwrap();
        });
    };
    check("signatures", Algorithm::Ed25519, &mut { sign }, (2, 10));
    let mac = |client: &mut Client, id| {
        client.counted(id, |scope, key| {
            let items = [MacItem(b"12345")].into_iter();
            let made = only(collect(|sink| key.make_mac(scope, items, sink)).unwrap()).unwrap();
            let mac = split_version(&made).1;
            let items = [&b"12345"[..], b""].map(|message| VerifyMacItem { message, mac });
            collect(|sink| key.verify_mac(scope, None, items.into_iter(), sink)).unwrap();
        });
    };
    check("MACs", Algorithm::HmacSha256, &mut { mac }, (2, 10));
    let decrypt = |client: &mut Client, id| {
        client.counted(id, |scope, key| {
            let ciphertext = oaep::encrypt(&key.public_key(None).unwrap().der, b"label", b"12345");
            let items = [&b"label"[..], b"other"].map(|context| DecryptItem { context, ciphertext: &ciphertext });
            collect(|sink| key.asymmetric_decrypt(scope, None, items.into_iter(), sink)).unwrap();
        });
    };
    check("asymmetric-decryption", Algorithm::Rsa2048OaepSha256, &mut { decrypt }, (1, 5));
    let read = |client: &mut Client, id| {
        client.counted(id, |scope, key| {
            assert_eq!(key.secret(scope, None).unwrap().value, VALUE);
            assert!(key.secret(scope, KeyVersion::new(9)).is_err());
        });
    };
    check("secrets", Algorithm::Opaque, &mut { read }, (1, VALUE.len() as u64));
}

// R-K20
#[test]
fn a_read_that_brings_many_frames_counts_all_of_them() {
    let installation = Installation::in_memory();
    let ids: Vec<_> =
        (0..9).map(|number| installation.create(&format!("key-{number}"), Algorithm::Xaes256Gcm)).collect();
    let mut client = Client::new(&installation.engine);
    ids.iter().for_each(|id| client.with(*id, |_| ()));
    let who = installation.engine.client(ClientName::address("192.0.2.1".parse().unwrap()));
    let mut scope = installation.engine.read_scope(&who);
    for _ in 0..2 {
        for id in &ids {
            client.with(*id, |key| calls::encrypt_in(&mut scope, key, &[(b"", b"12345")]).unwrap());
        }
    }
    drop(scope);
    for id in ids {
        assert_eq!(counts(&installation.engine, id), [(1, 2, 10)]);
        let usage = installation.engine.key_usage(id).unwrap();
        assert_eq!(usage.clients[0].client.to_string(), "192.0.2.1");
    }
}

// R-K20
#[test]
fn counting_goes_on_from_what_was_written_after_a_restart() {
    let installation = Installation::on_lmdb();
    let id = installation.create("key", Algorithm::HmacSha512);
    let make = |installation: &Installation| {
        Client::new(&installation.engine).counted(id, |scope, key| {
            collect(|sink| key.make_mac(scope, [MacItem(b"12345")].into_iter(), sink)).unwrap();
        });
    };
    make(&installation);
    // An end in good order writes what is left.
    let installation = installation.restarted(|_| ());
    assert_eq!(counts(&installation.engine, id), [(1, 1, 5)]);
    make(&installation);
    assert_eq!(counts(&installation.engine, id), [(1, 2, 10)]);
    assert_eq!(clients(&installation.engine, id), [("client".to_owned(), 2)]);
}

// R-K20
#[test]
fn uses_are_written_without_anybody_asking() {
    let installation = Installation::in_memory();
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    Client::new(&installation.engine).encrypt_one(id, b"", b"12345");
    let begin = std::time::Instant::now();
    while !all_records(&*installation.storage).iter().any(|(address, _)| address.database.name() == "usage") {
        assert!(begin.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}

// R-K20
#[test]
fn uses_that_cannot_be_written_are_kept_and_written_later() {
    let storage = std::sync::Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let engine = &installation.engine;
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    Client::new(engine).encrypt_one(id, b"", b"12345");
    // Whoever is next to write, this test or the thread, is refused; both keep what they have.
    storage.fail(Call::Transact, 1);
    engine.write_uses();
    assert_eq!(counts(engine, id), [(1, 1, 5)]);
    engine.write_uses();
    assert_eq!(counts(engine, id), [(1, 1, 5)]);
    assert!(!engine.use_warnings().statistics_unwritten);
}

// R-K20, R-H1
#[test]
fn damaged_statistics_are_told_and_counted_from_zero() {
    let installation = Installation::in_memory();
    let engine = &installation.engine;
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    let mut client = Client::new(engine);
    client.encrypt_one(id, b"", b"12345");
    engine.write_uses();
    let (address, mut record) = all_records(&*installation.storage)
        .into_iter()
        .find(|(address, _)| address.database.name() == "usage")
        .unwrap();
    record.value[20] ^= 1;
    put(&*installation.storage, &address, record.value);
    let refused = engine.key_usage(id).unwrap_err();
    assert!(refused.to_string().contains(&address.to_string()), "{refused}");
    assert_eq!(engine.describe_key(id).unwrap().id, id);
    client.encrypt_one(id, b"", b"123");
    engine.write_uses();
    assert_eq!(counts(engine, id), [(1, 1, 3)]);
}

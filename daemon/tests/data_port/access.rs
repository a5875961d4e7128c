//! Rows of authentication data on live connections: each change counts from the next frame on, and what they permit is all that is done.

use std::collections::BTreeSet;

use claviger_algorithm::{Algorithm, Operation};
use claviger_engine::access::NewPermit;
use claviger_engine::change::StoreSettings;
use claviger_engine::{AccessData, AccessMethod, PermittedOperations};
use claviger_protocol::limits::HELLO_OPTION_HARDWARE_ADDRESS;
use claviger_protocol::message::{DescribeKey, Hello, HelloOption, Ping, ReadSecret};
use claviger_protocol::{KeyId, Status, StoreId};

use crate::support::certificates::{add, client_of, client_params, let_in, public_key_sha256, self_signed};
use crate::support::messages::{decrypt, encrypt, random, reencrypt, resolve};
use crate::support::server::engine_id;
use crate::support::{Client, Server};

/// What encrypting with a key is answered.
async fn status(client: &mut Client, key: KeyId) -> Status {
    client.call(encrypt(key, &[(b"", b"plain")])).await.status()
}

fn network(text: &str) -> AccessData {
    AccessData::Network(text.parse().unwrap())
}

on_both_transports! {
    // R-A5, R-A6
    async fn a_revoked_certificate_is_refused_from_the_next_frame_on(transport) {
        let server = Server::start();
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let (revoked, other) = (client_of(&server), server.authority.client("other"));
        let mut client = Client::greeted_as(&server, transport, &revoked.0).await;
        let mut bystander = Client::greeted_as(&server, transport, &other).await;
        for _ in 0..20 {
            assert_eq!(status(&mut client, key).await, Status::Ok);
            server.engine.stop_access(server.store, revoked.1).unwrap();
            assert_eq!(status(&mut client, key).await, Status::NotPermitted);
            assert_eq!(status(&mut bystander, key).await, Status::Ok);
            server.engine.enable_access(server.store, revoked.1).unwrap();
        }
        assert_eq!(client.call(Ping { payload: b"" }).await.status(), Status::Ok);
    }

    // R-A2, R-A3, R-A6
    async fn every_method_that_is_set_has_to_pass(transport) {
        let server = Server::start();
        let (engine, store) = (&server.engine, server.store);
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        let mut stranger = Client::connect(&server, transport, None).await.unwrap();
        stranger.say_hello().await;
        engine.change_access_methods(store, &[AccessMethod::Address], &[]).unwrap();
        assert_eq!(status(&mut client, key).await, Status::NotPermitted, "no network is there");
        let elsewhere = add(engine, store, network("192.0.2.0/24"));
        assert_eq!(status(&mut client, key).await, Status::NotPermitted);
        let here = add(engine, store, network("127.0.0.0/8"));
        assert_eq!(status(&mut client, key).await, Status::Ok);
        assert_eq!(status(&mut stranger, key).await, Status::NotPermitted, "an address alone is not enough");
        engine.stop_access(store, here.id).unwrap();
        assert_eq!(status(&mut client, key).await, Status::NotPermitted);
        engine.enable_access(store, here.id).unwrap();
        // By its address alone, then by none.
        engine.change_access_methods(store, &[], &[AccessMethod::ClientCertificate]).unwrap();
        assert_eq!(status(&mut stranger, key).await, Status::Ok);
        engine.request_access_deletion(store, here.id, None).unwrap();
        assert_eq!(status(&mut stranger, key).await, Status::NotPermitted);
        // R-A4: nothing is seen of it, and what is not seen does not pass.
        engine.change_access_methods(store, &[AccessMethod::HardwareAddress], &[AccessMethod::Address]).unwrap();
        add(engine, store, AccessData::HardwareAddress("02:00:5e:10:00:01".parse().unwrap()));
        assert_eq!(status(&mut client, key).await, Status::NotPermitted);
        assert_eq!(elsewhere.data, network("192.0.2.0/24"));
    }

    // R-A13
    async fn a_disabled_store_lets_nobody_in_until_it_is_enabled(transport) {
        let server = Server::start();
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let (other_store, other) = server.create_store("other");
        let elsewhere = server.create_in(other_store, "key", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        let mut neighbour = Client::greeted_as(&server, transport, &other.client("client")).await;
        assert_eq!(status(&mut client, key).await, Status::Ok);
        server.engine.stop_store(server.store).unwrap();
        assert_eq!(status(&mut client, key).await, Status::NotPermitted);
        assert_eq!(client.call(DescribeKey { key_id: key }).await.status(), Status::NotPermitted);
        assert_eq!(status(&mut neighbour, elsewhere).await, Status::Ok);
        server.engine.enable_store(server.store).unwrap();
        assert_eq!(status(&mut client, key).await, Status::Ok);
    }

    // R-A12
    async fn what_a_row_permits_is_all_that_is_done(transport) {
        let server = Server::start();
        let [mine, other] = ["mine", "other"].map(|name| server.create(name, Algorithm::Xaes256Gcm));
        let secret = server.create("secret", Algorithm::Opaque);
        let (credential, row) = client_of(&server);
        let mut client = Client::greeted_as(&server, transport, &credential).await;
        let ciphertext = client.call(encrypt(mine, &[(b"", b"plain")])).await.only();
        let operations = PermittedOperations::NONE.with(Operation::Encrypt);
        let permit = NewPermit { operations: Some(operations), keys: Some(BTreeSet::from([engine_id(mine)])) };
        server.engine.narrow_access(server.store, row, permit).unwrap();
        assert_eq!(status(&mut client, mine).await, Status::Ok);
        assert_eq!(client.call(DescribeKey { key_id: mine }).await.status(), Status::Ok);
        assert_eq!(status(&mut client, other).await, Status::NotPermitted);
        let refused = [
            client.call(decrypt(mine, &[(b"", &ciphertext)])).await,
            client.call(reencrypt(mine, mine, &[[b"", b"", &ciphertext]])).await,
            client.call(DescribeKey { key_id: other }).await,
            client.call(ReadSecret { key_id: secret, key_version: 0 }).await,
            client.call(random(StoreId(server.store.0), &[1])).await,
        ];
        for reply in refused {
            assert_eq!((reply.status(), reply.body.len()), (Status::NotPermitted, 0));
        }
        let found = client.call(resolve("store", &[b"mine", b"other", b"absent"])).await.items();
        let statuses: Vec<_> = found.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses, [Status::Ok, Status::KeyNotFound, Status::KeyNotFound]);
        // Decrypting with the one and encrypting with the other is what re-encryption needs.
        let both = operations.with(Operation::Decrypt);
        let permit = NewPermit { operations: Some(both), keys: None };
        server.engine.narrow_access(server.store, row, permit).unwrap();
        assert_eq!(client.call(reencrypt(mine, other, &[[b"", b"", &ciphertext]])).await.status(), Status::Ok);
    }

    // R-A4
    async fn a_declared_hardware_address_counts_only_where_the_store_says_so(transport) {
        let server = Server::start();
        let (engine, store) = (&server.engine, server.store);
        let key = server.create("key", Algorithm::Xaes256Gcm);
        engine.change_access_methods(store, &[AccessMethod::HardwareAddress], &[AccessMethod::ClientCertificate]).unwrap();
        let address = "02:00:5e:10:00:01".parse::<claviger_engine::HardwareAddress>().unwrap();
        add(engine, store, AccessData::HardwareAddress(address));
        let mut client = Client::connect(&server, transport, None).await.unwrap();
        client.say_hello().await;
        let declare = async |client: &mut Client, value: &[u8]| {
            let options = [HelloOption { option: HELLO_OPTION_HARDWARE_ADDRESS, value }];
            let hello = Hello { version_min: 1, version_max: 1, options };
            assert_eq!(client.call(hello).await.status(), Status::Ok);
        };
        declare(&mut client, &address.bytes()).await;
        assert_eq!(status(&mut client, key).await, Status::NotPermitted);
        let settings = |counts| StoreSettings { declared_hardware_address: Some(counts), ..StoreSettings::default() };
        engine.set_store_settings(store, settings(true)).unwrap();
        assert_eq!(status(&mut client, key).await, Status::Ok);
        for other in [&[][..], &address.bytes()[..5], &[2, 0, 0x5e, 0x10, 0, 2], &[0; 6]] {
            declare(&mut client, other).await;
            assert_eq!(status(&mut client, key).await, Status::NotPermitted, "{other:?}");
        }
        declare(&mut client, &address.bytes()).await;
        assert_eq!(status(&mut client, key).await, Status::Ok);
        engine.set_store_settings(store, settings(false)).unwrap();
        assert_eq!(status(&mut client, key).await, Status::NotPermitted);
    }

    // R-A5
    async fn a_pinned_key_lets_in_whoever_has_issued_its_certificate(transport) {
        let server = Server::start();
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let credential = self_signed(&client_params("partner"));
        let mut client = Client::greeted_as(&server, transport, &credential).await;
        assert_eq!(status(&mut client, key).await, Status::NotPermitted);
        let row = add(&server.engine, server.store, AccessData::PinnedKey(public_key_sha256(&credential)));
        assert_eq!(status(&mut client, key).await, Status::Ok);
        server.engine.stop_access(server.store, row.id).unwrap();
        assert_eq!(status(&mut client, key).await, Status::NotPermitted);
        // Another key of the same name is nobody.
        server.engine.enable_access(server.store, row.id).unwrap();
        let other = self_signed(&client_params("partner"));
        let mut client = Client::greeted_as(&server, transport, &other).await;
        assert_eq!(status(&mut client, key).await, Status::NotPermitted);
    }

    // R-A5
    async fn a_certificate_of_the_authority_without_a_row_of_its_own_is_refused(transport) {
        let server = Server::start();
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let (store, authority) = server.create_store("other");
        let credential = authority.client("client");
        let there = server.create_in(store, "key", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted_as(&server, transport, &credential).await;
        assert_eq!(status(&mut client, there).await, Status::Ok);
        // A row in another store does not make it one of that store's authority.
        let_in(&server.engine, server.store, &credential);
        assert_eq!(status(&mut client, key).await, Status::NotPermitted);
        let issued_past_the_server = server.authority.issue_without_row(&client_params("client"));
        let mut client = Client::greeted_as(&server, transport, &issued_past_the_server).await;
        assert_eq!(status(&mut client, key).await, Status::NotPermitted);
    }
}

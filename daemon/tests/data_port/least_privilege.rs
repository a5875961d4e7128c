//! What authentication data permit, asked of every operation of the protocol.
//!
//! What each operation needs is said once more here, by a table that the compiler keeps whole: an operation without a row does not compile.

use std::collections::BTreeSet;

use claviger_algorithm::{Algorithm, Operation};
use claviger_engine::PermittedOperations;
use claviger_engine::access::NewPermit;
use claviger_protocol::message::{
    DataKeyForm, DescribeKey, MessageForm, Ping, ReadPublicKey, ReadSecret, WaitForSecret, Whoami,
};
use claviger_protocol::{KeyId, Opcode, Status, StoreId};

use crate::support::certificates::client_of;
use crate::support::client::hello;
use crate::support::messages::{
    asymmetric_decrypt, decrypt, encrypt, generate, make_mac, random, reencrypt, resolve, sign, unwrap, verify,
    verify_mac, wrap,
};
use crate::support::server::engine_id;
use crate::support::{Client, Reply, Server, request};

/// What an operation needs of a client.
enum Needs {
    /// Not even to be let in.
    Nothing,
    /// To be let in; what may not be used is not found.
    ToBeLetIn,
    /// Anything with these keys.
    Anything(&'static [Name]),
    /// These operations, each with the key beside it.
    All(&'static [(Operation, Name)]),
    RandomBytes,
}

/// One of the keys.
type Name = &'static str;

const fn needs(opcode: Opcode) -> Needs {
    match opcode {
        Opcode::Hello | Opcode::Ping | Opcode::Whoami => Needs::Nothing,
        Opcode::Resolve => Needs::ToBeLetIn,
        Opcode::DescribeKey => Needs::Anything(&["data"]),
        Opcode::Encrypt => Needs::All(&[(Operation::Encrypt, "data")]),
        Opcode::Decrypt => Needs::All(&[(Operation::Decrypt, "data")]),
        Opcode::Reencrypt => Needs::All(&[(Operation::Decrypt, "data"), (Operation::Encrypt, "target")]),
        Opcode::GenerateDataKey | Opcode::WrapDataKey => Needs::All(&[(Operation::WrapDataKey, "data")]),
        Opcode::UnwrapDataKey => Needs::All(&[(Operation::UnwrapDataKey, "data")]),
        Opcode::Sign => Needs::All(&[(Operation::Sign, "signing")]),
        Opcode::Verify => Needs::All(&[(Operation::Verify, "signing")]),
        Opcode::AsymmetricDecrypt => Needs::All(&[(Operation::AsymmetricDecrypt, "decrypting")]),
        Opcode::MakeMac => Needs::All(&[(Operation::MakeMac, "mac")]),
        Opcode::VerifyMac => Needs::All(&[(Operation::VerifyMac, "mac")]),
        Opcode::ReadSecret | Opcode::WaitForSecret => Needs::All(&[(Operation::ReadSecret, "secret")]),
        Opcode::ReadPublicKey => Needs::All(&[(Operation::ReadPublicKey, "signing")]),
        Opcode::RandomBytes => Needs::RandomBytes,
    }
}

/// A request that is answered with Ok once it is permitted: what its items say does not matter.
fn frame(opcode: Opcode, key: impl Fn(Name) -> KeyId, store: StoreId) -> Vec<u8> {
    let pair: &[(&[u8], &[u8])] = &[(b"", b"")];
    match opcode {
        Opcode::Hello => hello(),
        Opcode::Ping => request(1, Ping { payload: b"" }),
        Opcode::Whoami => request(1, Whoami),
        Opcode::Resolve => request(1, resolve("store", &[b"data"])),
        Opcode::DescribeKey => request(1, DescribeKey { key_id: key("data") }),
        Opcode::Encrypt => request(1, encrypt(key("data"), pair)),
        Opcode::Decrypt => request(1, decrypt(key("data"), pair)),
        Opcode::Reencrypt => request(1, reencrypt(key("data"), key("target"), &[[b""; 3]])),
        Opcode::GenerateDataKey => request(1, generate(key("data"), DataKeyForm::PlainAndWrapped, 32, &[b""])),
        Opcode::WrapDataKey => request(1, wrap(key("data"), pair)),
        Opcode::UnwrapDataKey => request(1, unwrap(key("data"), pair)),
        Opcode::Sign => request(1, sign(key("signing"), MessageForm::Message, &[b""])),
        Opcode::Verify => request(1, verify(key("signing"), 0, MessageForm::Message, pair)),
        Opcode::AsymmetricDecrypt => request(1, asymmetric_decrypt(key("decrypting"), 0, pair)),
        Opcode::MakeMac => request(1, make_mac(key("mac"), &[b""])),
        Opcode::VerifyMac => request(1, verify_mac(key("mac"), 0, pair)),
        Opcode::ReadSecret => request(1, ReadSecret { key_id: key("secret"), key_version: 0 }),
        Opcode::ReadPublicKey => request(1, ReadPublicKey { key_id: key("signing"), key_version: 0 }),
        Opcode::WaitForSecret => request(1, WaitForSecret { key_id: key("secret"), known_version: 0, wait_ms: 1_000 }),
        Opcode::RandomBytes => request(1, random(store, &[1])),
    }
}

const KEYS: [(Name, Algorithm); 7] = [
    ("data", Algorithm::Xaes256Gcm),
    ("target", Algorithm::Xaes256Gcm),
    ("signing", Algorithm::EcdsaP256Sha256),
    ("decrypting", Algorithm::Rsa2048OaepSha256),
    ("mac", Algorithm::HmacSha256),
    ("secret", Algorithm::Opaque),
    ("unrelated", Algorithm::Xaes256Gcm),
];

fn only(operations: impl IntoIterator<Item = Operation>) -> PermittedOperations {
    operations.into_iter().fold(PermittedOperations::NONE, PermittedOperations::with)
}

/// All operations, random bytes too, but this one.
fn all_but(operation: Operation) -> PermittedOperations {
    only(Operation::ALL.into_iter().filter(|other| *other != operation)).union(PermittedOperations::RANDOM_BYTES)
}

on_both_transports! {
    // R-A12
    async fn every_operation_is_refused_outside_what_is_permitted_and_done_inside(transport) {
        let server = Server::start();
        let ids = KEYS.map(|(name, algorithm)| (name, server.create(name, algorithm)));
        let id = |name: Name| ids.iter().find(|(one, _)| *one == name).unwrap().1;
        let (credential, row) = client_of(&server);
        let mut client = Client::greeted_as(&server, transport, &credential).await;
        // What is answered under what is permitted: these operations, with all keys but one, or with all.
        let mut ask = async |opcode, operations: Option<PermittedOperations>, without: Option<Name>| -> Reply {
            let keys = ids.iter().filter(|(name, _)| Some(*name) != without).map(|(_, id)| engine_id(*id));
            let keys = without.map(|_| keys.collect::<BTreeSet<_>>());
            server.engine.narrow_access(server.store, row, NewPermit { operations, keys }).unwrap();
            client.send(&frame(opcode, id, StoreId(server.store.0))).await;
            client.reply().await
        };
        let mut refused = 0;
        for opcode in Opcode::ALL {
            let mut must_refuse = async |operations, without| {
                let reply = ask(opcode, operations, without).await;
                let what = format!("{opcode} with {operations:?} without {without:?}");
                assert_eq!((reply.status(), reply.body.len()), (Status::NotPermitted, 0), "{what}");
                refused += 1;
            };
            match needs(opcode) {
                Needs::Nothing => {}
                Needs::ToBeLetIn => {
                    // The key that may not be used is as one that is not there.
                    let found = ask(opcode, None, Some("data")).await.items();
                    assert_eq!(found[0].0, Status::KeyNotFound);
                }
                Needs::Anything(names) => {
                    for name in names {
                        must_refuse(None, Some(*name)).await;
                    }
                }
                Needs::All(needed) => {
                    for (operation, name) in needed {
                        must_refuse(Some(all_but(*operation)), None).await;
                        must_refuse(None, Some(*name)).await;
                        // What it needs is not enough with another key, nor with this key for something else.
                        must_refuse(Some(only([*operation])), Some(*name)).await;
                        must_refuse(Some(PermittedOperations::RANDOM_BYTES), None).await;
                    }
                }
                Needs::RandomBytes => {
                    must_refuse(Some(only(Operation::ALL)), None).await;
                    must_refuse(Some(only([Operation::ReadSecret])), Some("unrelated")).await;
                }
            }
            let enough = match needs(opcode) {
                Needs::Nothing | Needs::ToBeLetIn | Needs::Anything(_) => only([Operation::VerifyMac]),
                Needs::All(needed) => only(needed.iter().map(|(operation, _)| *operation)),
                Needs::RandomBytes => PermittedOperations::RANDOM_BYTES,
            };
            for operations in [Some(enough), None] {
                for without in [Some("unrelated"), None] {
                    let reply = ask(opcode, operations, without).await;
                    assert_eq!(reply.status(), Status::Ok, "{opcode} with {operations:?} without {without:?}");
                }
            }
        }
        assert!(refused >= 50, "{refused} refusals");
    }
}

//! What the audit log tells of the data port: each request of a key store that wants that, and refusals, however many come.

use std::fs;

use claviger_algorithm::Algorithm;
use claviger_engine::audit::{AuditFilter, AuditRecord, Event, EventKind};
use claviger_engine::change::StoreSettings;
use claviger_engine::key::id::StoreId;
use claviger_engine::limits::LIST_PAGE_SIZE_MAX;
use claviger_protocol::message::{DescribeKey, Message, MessageForm, Ping, ReadSecret};
use claviger_protocol::{KeyId, RequestHeader, Status, TraceId};

use crate::lock::lock;
use crate::order::pass_a_deadline;
use crate::support::client::{Transport, request_with};
use crate::support::messages::{decrypt, encrypt, random, reencrypt, resolve, sign};
use crate::support::server::{Gate, Options, engine_id};
use crate::support::{Client, Server, request};

fn audited() -> Server {
    Server::start_with(Options { is_audited: true, ..Options::default() })
}

fn set(server: &Server, store: StoreId, records_requests: bool) {
    let settings = StoreSettings { records_requests: Some(records_requests), ..StoreSettings::default() };
    server.engine.set_store_settings(store, settings).unwrap();
}

/// The records of one kind that are in the log when a change is, which is made here.
fn told(server: &Server, kind: EventKind) -> Vec<Event> {
    let settings = StoreSettings { deletion_wait_hours: Some(48), ..StoreSettings::default() };
    server.engine.set_store_settings(server.store, settings).unwrap();
    assert!(server.engine.verify_audit(1).unwrap().unwrap().is_intact());
    let filter = AuditFilter { kind: Some(kind), ..AuditFilter::default() };
    let page = server.engine.audit_page(&filter, 0, LIST_PAGE_SIZE_MAX).unwrap().unwrap();
    page.records.into_iter().map(|AuditRecord { event, .. }| event).collect()
}

async fn traced(client: &mut Client, message: impl Message, trace_id: u8) -> Status {
    let header = RequestHeader { trace_id: TraceId([trace_id; 16]), ..RequestHeader::new(1) };
    client.send(&request_with(header, message)).await;
    client.reply().await.status()
}

on_both_transports! {
    // R-O3
    async fn each_request_of_a_store_that_wants_that_is_recorded_with_who_what_and_how_much_and_never_with_data(transport) {
        let server = audited();
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        assert_eq!(client.call(encrypt(key, &[(b"", b"before")])).await.status(), Status::Ok);
        set(&server, server.store, true);
        let items: [(&[u8], &[u8]); 3] = [(b"context", b"plaintext-1"), (b"", b"plaintext-2"), (b"", b"plaintext-3")];
        assert_eq!(traced(&mut client, encrypt(key, &items), 7).await, Status::Ok);
        assert_eq!(client.call(decrypt(key, &[(b"", b"no ciphertext"), (b"", b"nor this")])).await.status(), Status::Ok);
        set(&server, server.store, false);
        assert_eq!(client.call(encrypt(key, &[(b"", b"after")])).await.status(), Status::Ok);
        let told = told(&server, EventKind::Request);
        let [encrypted, decrypted] = &told[..] else { panic!("{told:?}") };
        assert!(encrypted.actor.contains("client"), "{encrypted:?}");
        assert_eq!((encrypted.operation.as_str(), encrypted.store), ("Encrypt", Some(server.store)));
        assert_eq!((&encrypted.keys[..], encrypted.trace_id.as_str()), (&[engine_id(key)][..], &*"07".repeat(16)));
        assert_eq!((encrypted.count, encrypted.failures), (Some(3), None));
        let size = encrypted.bytes.unwrap();
        assert!((40..200).contains(&size), "{size}");
        assert_eq!((decrypted.operation.as_str(), decrypted.count, decrypted.failures), ("Decrypt", Some(2), Some(2)));
        assert!(decrypted.trace_id.is_empty());
        let log = fs::read_to_string(server.folder().join("audit/audit-0000000001.jsonl")).unwrap();
        assert!(!log.contains("plaintext") && !log.contains("cGxhaW50ZXh0"), "{log}");
    }

    // R-O3
    async fn requests_are_recorded_wherever_they_are_done_and_others_stores_are_not(transport) {
        let server = audited();
        let (store, _) = server.create_store("quiet");
        let key = server.create("key", Algorithm::Rsa2048PssSha256);
        let secret = server.create("secret", Algorithm::Opaque);
        let quiet = server.create_in(store, "key", Algorithm::Xaes256Gcm);
        set(&server, server.store, true);
        let mut client = Client::greeted(&server, transport).await;
        let ok = |status| assert_eq!(status, Status::Ok);
        ok(client.call(sign(key, MessageForm::Message, &[b"message"])).await.status());
        ok(client.call(ReadSecret { key_id: secret, key_version: 0 }).await.status());
        ok(client.call(DescribeKey { key_id: secret }).await.status());
        ok(client.call(resolve("store", &[b"key", b"absent"])).await.status());
        ok(client.call(random(claviger_protocol::StoreId(server.store.0), &[16, 16])).await.status());
        // A key that does not do this: it was let in, and refused as a whole.
        assert_eq!(client.call(encrypt(secret, &[(b"", b"")])).await.status(), Status::OperationNotAllowed);
        // Not let in: a refusal, and no request.
        assert_eq!(client.call(encrypt(quiet, &[(b"", b"")])).await.status(), Status::NotPermitted);
        assert_eq!(client.call(encrypt(KeyId([9; 16]), &[(b"", b"")])).await.status(), Status::NotPermitted);
        let told = told(&server, EventKind::Request);
        let shown: Vec<_> = told
            .iter()
            .map(|event| (event.operation.as_str(), event.keys.len(), event.count, event.failures, event.reason.as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                ("Sign", 1, Some(1), None, ""),
                ("ReadSecret", 1, Some(1), None, ""),
                ("DescribeKey", 1, Some(1), None, ""),
                ("Resolve", 0, Some(2), Some(1), ""),
                ("RandomBytes", 0, Some(2), None, ""),
                ("Encrypt", 1, None, None, "OperationNotAllowed"),
            ]
        );
        assert!(told.iter().all(|event| event.store == Some(server.store)));
    }

    // R-O3
    async fn work_of_the_pool_that_a_lock_or_a_deadline_overtakes_is_recorded(transport) {
        let server = Server::start_with(Options { is_audited: true, compute_threads: 1, ..Options::default() });
        let key = server.create("key", Algorithm::Rsa2048PssSha256);
        let mut client = Client::greeted(&server, transport).await;
        assert_eq!(client.call(sign(key, MessageForm::Message, &[b"message"])).await.status(), Status::Ok);
        set(&server, server.store, true);
        let gate = Gate::close(&server);
        let header = RequestHeader { request_id: 1, deadline_ms: 1, ..RequestHeader::default() };
        client.send(&request_with(header, sign(key, MessageForm::Message, &[b"message"]))).await;
        pass_a_deadline(&mut client).await;
        // What is done with the key would be done anew: it has changed.
        server.engine.rotate(engine_id(key)).unwrap();
        gate.open();
        assert_eq!(client.reply().await.status(), Status::DeadlineExceeded);
        assert_eq!(client.call(sign(key, MessageForm::Message, &[b"message"])).await.status(), Status::Ok);
        let gate = Gate::close(&server);
        client.send(&request(2, sign(key, MessageForm::Message, &[b"message"]))).await;
        assert_eq!(client.call(Ping { payload: b"" }).await.status(), Status::Ok);
        lock(&server).await;
        gate.open();
        assert_eq!(client.reply().await.status(), Status::Locked);
        server.engine.unlock().unwrap();
        let told = told(&server, EventKind::Request);
        let shown: Vec<_> = told.iter().map(|event| (event.keys.len(), event.reason.as_str())).collect();
        assert_eq!(shown, [(1, "DeadlineExceeded"), (1, ""), (1, "Locked")]);
    }

    // R-O3
    async fn reencryption_between_two_stores_is_recorded_for_each_that_wants_it(transport) {
        let server = audited();
        let other = server.create_store_for("other", &server.authority);
        let source = server.create("key", Algorithm::Xaes256Gcm);
        let target = server.create_in(other, "key", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        let ciphertext = client.call(encrypt(source, &[(b"", b"plain")])).await.only();
        let items: [[&[u8]; 3]; 1] = [[b"", b"", &ciphertext]];
        set(&server, other, true);
        assert_eq!(client.call(reencrypt(source, target, &items)).await.status(), Status::Ok);
        set(&server, server.store, true);
        assert_eq!(client.call(reencrypt(source, target, &items)).await.status(), Status::Ok);
        assert_eq!(client.call(reencrypt(source, source, &items)).await.status(), Status::Ok);
        let told = told(&server, EventKind::Request);
        let shown: Vec<_> = told.iter().map(|event| (event.store.unwrap(), event.keys.clone())).collect();
        let (store, source, target) = (server.store, vec![engine_id(source)], vec![engine_id(target)]);
        assert_eq!(shown, [(other, target.clone()), (store, source.clone()), (other, target), (store, source)]);
    }
}

// R-O3
#[tokio::test]
async fn a_flood_of_refusals_on_the_data_port_writes_a_few_hundred_bytes() {
    let server = audited();
    let (store, _) = server.create_store("other");
    let key = server.create_in(store, "key", Algorithm::Xaes256Gcm);
    let mut client = Client::greeted(&server, Transport::Tcp).await;
    let size = || fs::metadata(server.folder().join("audit/audit-0000000001.jsonl")).unwrap().len();
    assert_eq!(client.call(encrypt(key, &[(b"", b"")])).await.status(), Status::NotPermitted);
    assert_eq!(told(&server, EventKind::Refusal).len(), 1);
    let before = size();
    for _ in 0..2_000 {
        assert_eq!(client.call(encrypt(key, &[(b"", b"")])).await.status(), Status::NotPermitted);
    }
    // The record of the change that is waited for, and if a minute has ended meanwhile, a count and one more first refusal.
    let refusals = told(&server, EventKind::Refusal).len();
    assert!(refusals <= 2, "{refusals}");
    assert!(size() - before < 4_000, "{} bytes", size() - before);
}

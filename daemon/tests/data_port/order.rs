//! Order and load: slow work beside fast, deadlines, what is too much, and clients that do not read.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use claviger_algorithm::Algorithm;
use claviger_daemon::data_port::Times;
use claviger_daemon::limits::{FRAMES_IN_FLIGHT, FRAMES_IN_FLIGHT_STRANGER};
use claviger_engine::limits::STORAGE_THREADS;
use claviger_protocol::message::{DescribeKey, MessageForm, Ping};
use claviger_protocol::{RequestHeader, Retry, Status, StoreId};

use crate::support::client::request_with;
use crate::support::messages::{encrypt, random, sign};
use crate::support::server::Gate;
use crate::support::{Client, Options, Server, request, within};

on_both_transports! {
    // R-P2
    async fn fast_work_overtakes_slow_work(transport) {
        let server = Server::start_with(one_compute_thread());
        let key = server.create("key", Algorithm::Rsa2048Pkcs1Sha256);
        let mut client = Client::greeted(&server, transport).await;
        let gate = Gate::close(&server);
        client.send(&request(1, sign(key, MessageForm::Message, &[b"slow"]))).await;
        client.send(&request(2, Ping { payload: b"fast" })).await;
        assert_eq!(client.reply().await.header.request_id, 2);
        gate.open();
        let slow = client.reply().await;
        assert_eq!((slow.header.request_id, slow.only().len()), (1, 4 + 256));
    }

    // R-P2, R-P4
    async fn work_whose_deadline_has_passed_is_not_given_out(transport) {
        let server = Server::start_with(one_compute_thread());
        let key = server.create("key", Algorithm::Rsa2048Pkcs1Sha256);
        let mut client = Client::greeted(&server, transport).await;
        let header = |request_id, deadline_ms| RequestHeader { request_id, deadline_ms, ..RequestHeader::default() };
        let message = || sign(key, MessageForm::Message, &[b"message"]);
        // Loaded, so that the compute pool is the only thing that is waited for.
        assert_eq!(client.call(message()).await.status(), Status::Ok);
        let gate = Gate::close(&server);
        client.send(&request_with(header(1, 1), message())).await;
        client.send(&request_with(header(2, 0), message())).await;
        client.send(&request_with(header(3, u32::MAX), message())).await;
        pass_a_deadline(&mut client).await;
        gate.open();
        for _ in 0..3 {
            let reply = client.reply().await;
            let expected = if reply.header.request_id == 1 { Status::DeadlineExceeded } else { Status::Ok };
            assert_eq!(reply.status(), expected);
            assert_eq!(reply.body.is_empty(), expected != Status::Ok);
        }
    }

    // R-P4
    async fn frames_in_flight_above_the_announced_number_are_refused_with_advice(transport) {
        let server = Server::start_with(one_compute_thread());
        let key = server.create("key", Algorithm::Rsa2048Pkcs1Sha256);
        let mut client = Client::greeted(&server, transport).await;
        // Known from now on, and loaded: the compute pool is the only thing that is waited for.
        assert_eq!(client.call(sign(key, MessageForm::Message, &[b"m"])).await.status(), Status::Ok);
        let gate = Gate::close(&server);
        let count = FRAMES_IN_FLIGHT as u64 + 50;
        let bytes: Vec<_> = (0..count).flat_map(|id| request(id, sign(key, MessageForm::Message, &[b"m"]))).collect();
        client.send(&bytes).await;
        for id in FRAMES_IN_FLIGHT as u64..count {
            let header = client.reply().await.header;
            assert_eq!((header.status, header.request_id), (Status::Overloaded, id));
            assert_eq!(header.status.retry(), Some(Retry::Later));
            assert!((1..=1_000).contains(&header.retry_ms), "advice of {} ms", header.retry_ms);
        }
        // Others are not concerned, nor is what needs no place.
        assert_eq!(client.call(Ping { payload: b"" }).await.status(), Status::Ok);
        let mut other = Client::greeted(&server, transport).await;
        other.send(&request(1, sign(key, MessageForm::Message, &[b"m"]))).await;
        drop(gate);
        for _ in 0..FRAMES_IN_FLIGHT {
            let reply = client.reply().await;
            assert!(reply.header.request_id < FRAMES_IN_FLIGHT as u64);
            assert_eq!(reply.status(), Status::Ok);
        }
        assert_eq!(other.reply().await.status(), Status::Ok);
        // The places have come back.
        assert_eq!(client.call(sign(key, MessageForm::Message, &[b"m"])).await.status(), Status::Ok);
    }

    // R-P4
    async fn strangers_have_fewer_places(transport) {
        let server = Server::start();
        let key_id = server.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::connect(&server, transport, None).await.unwrap();
        client.say_hello().await;
        let gates = hold_storage(&server);
        let count = FRAMES_IN_FLIGHT_STRANGER as u64 + 50;
        let bytes: Vec<_> = (0..count).flat_map(|id| request(id, DescribeKey { key_id })).collect();
        client.send(&bytes).await;
        for id in FRAMES_IN_FLIGHT_STRANGER as u64..count {
            let header = client.reply().await.header;
            assert_eq!((header.status, header.request_id), (Status::Overloaded, id));
        }
        drop(gates);
        for _ in 0..FRAMES_IN_FLIGHT_STRANGER {
            assert_eq!(client.reply().await.status(), Status::NotPermitted);
        }
    }

    // R-P4
    async fn a_flood_of_slow_work_leaves_room_for_others(transport) {
        let server = Server::start_with(one_compute_thread());
        let key = server.create("key", Algorithm::Rsa2048Pkcs1Sha256);
        let mut flood = Client::greeted(&server, transport).await;
        let mut other = Client::greeted(&server, transport).await;
        assert_eq!(flood.call(sign(key, MessageForm::Message, &[b"m"])).await.status(), Status::Ok);
        let gate = Gate::close(&server);
        // Far more than the queue has places for.
        let count = 20;
        for id in 0..count {
            flood.send(&request(id, sign(key, MessageForm::Message, &[&b"m"[..]; 1_024]))).await;
        }
        // The first few wait. The rest is refused in order, before anything is done.
        let first = flood.reply().await.header;
        assert!((1..count).contains(&first.request_id));
        assert_eq!(first.status, Status::Overloaded);
        for id in first.request_id + 1..count {
            let header = flood.reply().await.header;
            assert_eq!((header.status, header.request_id), (Status::Overloaded, id));
        }
        other.send(&request(1, sign(key, MessageForm::Message, &[b"m"]))).await;
        // In order on one byte stream: what was sent before has been taken, or refused.
        assert_eq!(other.call(Ping { payload: b"" }).await.status(), Status::Ok);
        drop(flood);
        gate.open();
        assert_eq!(other.reply().await.status(), Status::Ok);
    }

    // R-P4
    async fn a_full_compute_pool_refuses_with_advice_and_recovers(transport) {
        let server = Server::start_with(one_compute_thread());
        let key = server.create("key", Algorithm::Rsa2048Pkcs1Sha256);
        let mut client = Client::greeted(&server, transport).await;
        let gate = Gate::close(&server);
        while server.engine.compute().submit(Box::new(|| None)).is_ok() {}
        let refused = client.call(sign(key, MessageForm::Message, &[b"m"])).await.header;
        assert_eq!(refused.status, Status::Overloaded);
        assert!(refused.retry_ms > 0);
        gate.open();
        server.compute_is_idle();
        assert_eq!(client.call(sign(key, MessageForm::Message, &[b"m"])).await.status(), Status::Ok);
    }

    // R-P3, R-P4
    async fn a_client_that_does_not_read_is_cut_off(transport) {
        let times = Times { write: Duration::from_millis(300), ..Options::default().times };
        let mut server = Server::start_with(Options { times, ..Options::default() });
        let store = StoreId(server.store.0);
        let mut client = Client::greeted(&server, transport).await;
        // A gigabyte of replies, which nobody reads.
        let frame = request(1, random(store, &[32_768; 31]));
        let sent = async { while client.sender.try_send(&frame).await.is_ok() {} };
        within(sent).await;
        if client.quic.is_some() {
            // Its connection stays; the stream is reset.
            while let Ok(reply) = client.receiver.next().await {
                assert!(reply.is_some(), "the end looks like a regular one");
            }
        }
        // What it has not read does not hold anybody else up.
        let mut other = Client::greeted(&server, transport).await;
        assert_eq!(other.call(Ping { payload: b"" }).await.status(), Status::Ok);
        drop((client, other));
        within(server.drain(Duration::from_secs(10))).await;
    }

    // R-P3
    async fn a_client_that_goes_away_takes_its_work_with_it(transport) {
        let server = Server::start_with(one_compute_thread());
        let key = server.create("key", Algorithm::Rsa2048Pkcs1Sha256);
        let gate = Gate::close(&server);
        for _ in 0..5 {
            let mut client = Client::greeted(&server, transport).await;
            for id in 0..100 {
                client.send(&request(id, sign(key, MessageForm::Message, &[b"abandoned"]))).await;
            }
            client.send(&request(100, Ping { payload: b"" })).await;
            assert_eq!(client.reply().await.header.request_id, 100);
        }
        server.no_connections().await;
        gate.open();
        let mut client = Client::greeted(&server, transport).await;
        assert_eq!(client.call(sign(key, MessageForm::Message, &[b"wanted"])).await.status(), Status::Ok);
    }

    // R-P2
    async fn slow_work_of_one_client_does_not_hold_up_another(transport) {
        let server = Server::start_with(Options { workers: 1, ..one_compute_thread() });
        let (slow, fast) = (server.create("rsa", Algorithm::Rsa2048Pkcs1Sha256), server.create("aes", Algorithm::Xaes256Gcm));
        let mut signing = Client::greeted(&server, transport).await;
        let mut sealing = Client::greeted(&server, transport).await;
        let gate = Gate::close(&server);
        signing.send(&request(1, sign(slow, MessageForm::Message, &[&b"m"[..]; 100]))).await;
        for _ in 0..100 {
            assert_eq!(sealing.call(encrypt(fast, &[(b"", b"plain")])).await.status(), Status::Ok);
        }
        gate.open();
        assert_eq!(signing.reply().await.results().len(), 100);
    }

    // R-P2
    async fn a_batch_cut_into_pieces_comes_back_in_order(transport) {
        let server = Server::start();
        let key = server.create("key", Algorithm::Rsa2048Pkcs1Sha256);
        let mut client = Client::greeted(&server, transport).await;
        let messages: Vec<_> = (0..64_u8).map(|number| vec![number; 40_000 * usize::from(number % 8 == 7)]).collect();
        let messages: Vec<_> = messages.iter().map(|message| &message[..]).collect();
        let items = client.call(sign(key, MessageForm::Message, &messages)).await.items();
        assert_eq!(items.len(), 64);
        for (index, (status, _)) in items.iter().enumerate() {
            let expected = if index % 8 == 7 { Status::MessageTooLarge } else { Status::Ok };
            assert_eq!(*status, expected, "item {index}");
        }
    }

    async fn descriptions_obey_their_deadline(transport) {
        let server = Server::start();
        let key_id = server.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::greeted(&server, transport).await;
        let gates = hold_storage(&server);
        let header = RequestHeader { request_id: 1, deadline_ms: 1, ..RequestHeader::default() };
        client.send(&request_with(header, DescribeKey { key_id })).await;
        pass_a_deadline(&mut client).await;
        drop(gates);
        assert_eq!(client.reply().await.status(), Status::DeadlineExceeded);
    }
}

/// Passes time until a deadline of one millisecond is over for what was sent before.
pub(crate) async fn pass_a_deadline(client: &mut Client) {
    // Answered after everything before it has been read.
    assert_eq!(client.call(Ping { payload: b"" }).await.status(), Status::Ok);
    let later = Instant::now() + Duration::from_millis(2);
    while Instant::now() < later {
        assert_eq!(client.call(Ping { payload: b"" }).await.status(), Status::Ok);
    }
}

/// Holds up all threads that read storage.
pub(crate) fn hold_storage(server: &Server) -> Vec<Gate> {
    let (reached, is_reached) = mpsc::channel();
    let gate = |_| Gate::at(server.engine.storage_lane(), reached.clone());
    let gates: Vec<_> = (0..STORAGE_THREADS).map(gate).collect();
    gates.iter().for_each(|_| is_reached.recv().unwrap());
    gates
}

fn one_compute_thread() -> Options {
    Options { compute_threads: 1, ..Options::default() }
}

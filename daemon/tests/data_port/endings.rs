//! How connections end: the server shutting down, clients on which nothing goes on, and too many of them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use claviger_algorithm::Algorithm;
use claviger_daemon::data_port::Times;
use claviger_protocol::Status;
use claviger_protocol::message::{MessageForm, Ping};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::client::{QuicConnection, hello, tls};
use crate::support::messages::{encrypt, sign};
use crate::support::server::Gate;
use crate::support::{Client, Options, Server, Transport, if_ready, request, within};

on_both_transports! {
    // R-O4
    async fn a_drain_finishes_what_was_read_and_refuses_what_comes_after(transport) {
        let mut server = Server::start_with(Options { compute_threads: 1, ..Options::default() });
        let key = server.create("key", Algorithm::Rsa2048Pkcs1Sha256);
        let credential = server.authority.client("client");
        let mut client = Client::greeted_as(&server, transport, &credential).await;
        assert_eq!(client.call(sign(key, MessageForm::Message, &[b"m"])).await.status(), Status::Ok);
        let gate = Gate::close(&server);
        for id in 0..10 {
            client.send(&request(id, sign(key, MessageForm::Message, &[b"slow"]))).await;
        }
        assert_eq!(client.call(Ping { payload: b"" }).await.status(), Status::Ok);
        let drain = tokio::spawn(server.drain(Duration::from_secs(30)));
        while client.call(Ping { payload: b"" }).await.status() == Status::Ok {}
        let refused = client.call(encrypt(key, &[(b"", b"")])).await;
        assert_eq!((refused.status(), refused.body.len()), (Status::ShuttingDown, 0));
        if let Some(connection) = &client.quic {
            // A stream that begins now has said Hello, however it was answered.
            let mut late = connection.stream().await.unwrap();
            late.send(&[hello(), request(1, Ping { payload: b"" })].concat()).await;
            assert_eq!(late.reply().await.status(), Status::ShuttingDown);
            assert_eq!(late.reply().await.status(), Status::ShuttingDown);
        }
        gate.open();
        for _ in 0..10 {
            assert_eq!(client.reply().await.only().len(), 4 + 256);
        }
        client.receiver.ended_regularly().await;
        within(drain).await.unwrap();
        // Nobody is there any more. QUIC would not be told so.
        assert!(TcpStream::connect(server.address).await.is_err());
    }

    // R-O4
    async fn a_drain_ends_connections_without_work(transport) {
        let mut server = Server::start();
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(Client::greeted(&server, transport).await);
        }
        within(server.drain(Duration::from_secs(30))).await;
        for mut client in clients {
            match &client.quic {
                None => client.receiver.ended_regularly().await,
                Some(quic) => {
                    client.receiver.ended().await;
                    assert_eq!(code(&within(quic.connection.closed()).await), Some(2));
                }
            }
        }
    }

    // R-O4
    async fn a_drain_cuts_what_is_not_done_in_time(transport) {
        let mut server = Server::start_with(Options { compute_threads: 1, ..Options::default() });
        let key = server.create("key", Algorithm::Rsa2048Pkcs1Sha256);
        let mut client = Client::greeted(&server, transport).await;
        assert_eq!(client.call(sign(key, MessageForm::Message, &[b"m"])).await.status(), Status::Ok);
        let gate = Gate::close(&server);
        client.send(&request(1, sign(key, MessageForm::Message, &[b"never"]))).await;
        assert_eq!(client.call(Ping { payload: b"" }).await.status(), Status::Ok);
        within(server.drain(Duration::from_millis(50))).await;
        client.receiver.ended().await;
        gate.open();
    }

    // R-P3
    async fn a_connection_without_frames_is_ended_after_the_idle_time(transport) {
        let server = Server::start_with(Options { idle: Duration::from_secs(1), ..Options::default() });
        let mut idle = Client::greeted(&server, transport).await;
        let mut busy = Client::greeted(&server, transport).await;
        let mut ended = pin!(idle.receiver.ended_regularly());
        while if_ready(ended.as_mut()).is_none() {
            assert_eq!(busy.call(Ping { payload: b"" }).await.status(), Status::Ok, "whoever is busy stays");
        }
        if let Some(quic) = &idle.quic {
            // Nor does a connection without streams stay.
            assert_eq!(code(&within(quic.connection.closed()).await), Some(0));
        }
    }

    // R-P3
    async fn whoever_waits_for_an_answer_is_not_idle(transport) {
        let options = Options { idle: Duration::from_secs(1), compute_threads: 1, ..Options::default() };
        let server = Server::start_with(options);
        let key = server.create("key", Algorithm::Rsa2048Pkcs1Sha256);
        let credential = server.authority.client("client");
        let gate = Gate::close(&server);
        let mut waiting = Client::connect(&server, transport, Some(&credential)).await.unwrap();
        waiting.send(&[hello(), request(1, sign(key, MessageForm::Message, &[b"m"]))].concat()).await;
        assert_eq!(waiting.reply().await.status(), Status::Ok);
        let mut idle = Client::greeted(&server, transport).await;
        // It came later, so that the time is over for both.
        idle.receiver.ended_regularly().await;
        gate.open();
        assert_eq!(waiting.reply().await.only().len(), 4 + 256);
    }

    // R-P3
    async fn a_client_that_does_not_greet_is_ended(transport) {
        let server = Server::start_with(short(|times| times.hello = Duration::from_secs(1)));
        let mut silent = Client::connect(&server, transport, None).await.unwrap();
        // A QUIC stream exists for the server only when something has come on it.
        silent.send(&hello()[..1]).await;
        let mut greeting = Client::connect(&server, transport, None).await.unwrap();
        greeting.say_hello().await;
        silent.receiver.ended_regularly().await;
        // What is no Hello does not prolong the time.
        let mut evading = Client::connect(&server, transport, None).await.unwrap();
        let mut frame = request(1, Ping { payload: b"" });
        frame[39] = 1;
        while evading.sender.try_send(&frame).await.is_ok() {
            match evading.receiver.next().await {
                Ok(Some(reply)) => assert_eq!(reply.status(), Status::ReservedNotZero),
                _ => break,
            }
        }
        assert_eq!(greeting.call(Ping { payload: b"" }).await.status(), Status::Ok);
    }

    // R-P3
    async fn a_frame_that_does_not_go_on_ends_its_stream(transport) {
        let server = Server::start_with(short(|times| times.frame = Duration::from_secs(1)));
        let mut stuck = Client::greeted(&server, transport).await;
        let mut resting = Client::greeted(&server, transport).await;
        let mut busy = Client::greeted(&server, transport).await;
        let frame = request(7, Ping { payload: b"in two parts" });
        stuck.send(&frame[..20]).await;
        stuck.receiver.ended_regularly().await;
        // The time counts from the beginning of the frame, not from the frame before.
        resting.send(&frame[..20]).await;
        for _ in 0..100 {
            assert_eq!(busy.call(Ping { payload: b"" }).await.status(), Status::Ok);
        }
        resting.send(&frame[20..]).await;
        assert_eq!(resting.reply().await.body, b"in two parts");
    }

    // R-P4
    async fn connections_beyond_the_maximum_are_turned_away_until_one_leaves(transport) {
        let server = Server::start_with(Options { connections_max: 2, ..Options::default() });
        let first = Client::greeted(&server, transport).await;
        let mut second = Client::greeted(&server, transport).await;
        assert!(Client::connect(&server, transport, None).await.is_err());
        assert_eq!(second.call(Ping { payload: b"" }).await.status(), Status::Ok);
        drop(first);
        within(async {
            while server.connections() > 1 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        Client::connect(&server, transport, None).await.unwrap().say_hello().await;
    }

    // R-P4
    async fn two_hundred_clients_at_once_are_all_served(transport) {
        let server = Server::start();
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let credential = server.authority.client("client");
        let config = tls(&server.server_authority, Some(&credential));
        let mut clients = JoinSet::new();
        // Handshakes come in turn: more of them at once than fit the socket's buffer are repeated after seconds.
        let handshakes = Arc::new(Semaphore::new(8));
        for number in 0..200_u32 {
            let (address, config, handshakes) = (server.address, config.clone(), Arc::clone(&handshakes));
            clients.spawn(async move {
                let turn = handshakes.acquire().await.unwrap();
                let mut client = Client::connect_with(address, transport, config).await.unwrap();
                drop(turn);
                client.say_hello().await;
                let plaintext = number.to_be_bytes();
                let ciphertext = client.call(encrypt(key, &[(b"", &plaintext)])).await.only();
                let opened = client.call(crate::support::messages::decrypt(key, &[(b"", &ciphertext)])).await.only();
                assert_eq!(opened, plaintext);
                client
            });
        }
        let clients = within(clients.join_all()).await;
        assert_eq!(server.connections(), 200);
        drop(clients);
        server.no_connections().await;
    }
}

// R-P3
#[tokio::test]
async fn tcp_without_a_handshake_is_ended() {
    let server = Server::start_with(short(|times| times.hello = Duration::from_millis(200)));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut nothing = Vec::new();
    within(stream.read_to_end(&mut nothing)).await.unwrap();
    assert!(nothing.is_empty());
    server.no_connections().await;
}

// R-O4, R-P2
#[tokio::test]
async fn quic_is_served_and_drained_by_a_worker_that_is_alone_as_by_several() {
    for workers in [1, 3] {
        let mut server = Server::start_with(Options { workers, ..Options::default() });
        let key = server.create("key", Algorithm::Xaes256Gcm);
        let mut clients = Vec::new();
        for _ in 0..5 {
            let mut client = Client::greeted(&server, Transport::Quic).await;
            assert_eq!(client.call(encrypt(key, &[(b"", &[7; 32_768])])).await.only().len(), 32_768 + 94);
            clients.push(client);
        }
        within(server.drain(Duration::from_secs(30))).await;
        for client in clients {
            let quic = client.quic.as_ref().unwrap();
            assert_eq!(code(&within(quic.connection.closed()).await), Some(2), "{workers} workers");
        }
    }
}

// R-P3
#[tokio::test]
async fn quic_without_streams_is_ended() {
    let server = Server::start_with(short(|times| times.hello = Duration::from_millis(200)));
    let quic = QuicConnection::open(server.address, tls(&server.server_authority, None)).await.unwrap();
    assert_eq!(code(&within(quic.connection.closed()).await), Some(0));
    server.no_connections().await;
}

// R-P2
#[tokio::test]
async fn quic_streams_are_apart_but_for_their_client() {
    let server = Server::start();
    let key = server.create("key", Algorithm::Xaes256Gcm);
    let mut first = Client::greeted(&server, Transport::Quic).await;
    let connection = first.quic.clone().unwrap();
    let mut second = connection.stream().await.unwrap();
    // Each has its own greeting.
    second.send(&request(1, Ping { payload: b"" })).await;
    assert_eq!(second.reply().await.status(), Status::HelloRequired);
    second.receiver.ended_regularly().await;
    drop(second);
    let mut streams = Vec::new();
    for _ in 0..15 {
        let mut stream = connection.stream().await.unwrap();
        stream.say_hello().await;
        assert_eq!(stream.call(encrypt(key, &[(b"", b"")])).await.status(), Status::Ok);
        streams.push(stream);
    }
    assert_eq!(first.call(encrypt(key, &[(b"", b"")])).await.status(), Status::Ok);
    assert_eq!(server.connections(), 1);
    // Sixteen are open. One may be ended and another begun as often as one likes.
    for _ in 0..20 {
        let mut ended = streams.pop().unwrap();
        ended.sender.close().await;
        ended.receiver.ended_regularly().await;
        streams.push(within(connection.stream()).await.unwrap());
        streams.last_mut().unwrap().say_hello().await;
    }
    // But not many more at once.
    while let Some(stream) = if_ready(connection.stream()) {
        streams.push(stream.unwrap());
        assert!(streams.len() < 20, "{} streams at once", streams.len());
    }
}

// R-P3
#[tokio::test]
async fn a_fault_on_a_quic_stream_stops_it_with_the_code_of_the_specification() {
    let server = Server::start();
    let quic = QuicConnection::open(server.address, tls(&server.server_authority, None)).await.unwrap();
    let (mut send, mut receive) = quic.connection.open_bi().await.unwrap();
    send.write_all(&request(1, Ping { payload: b"before hello" })).await.unwrap();
    let answer = within(receive.read_to_end(1_024)).await.unwrap();
    assert_eq!((answer.len(), answer[36]), (40, Status::HelloRequired.code()));
    assert_eq!(within(send.stopped()).await.unwrap().map(quinn::VarInt::into_inner), Some(1));
    // The connection goes on.
    quic.stream().await.unwrap().say_hello().await;
}

/// The application error code with which the server closed.
fn code(error: &quinn::ConnectionError) -> Option<u64> {
    match error {
        quinn::ConnectionError::ApplicationClosed(close) => Some(close.error_code.into_inner()),
        _ => None,
    }
}

fn short(change: fn(&mut Times)) -> Options {
    let mut options = Options::default();
    change(&mut options.times);
    options
}

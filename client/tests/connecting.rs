//! Connections: made, refused with a reason, lost, and made anew. R-P5, R-P6.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a panic is how a test reports")]

mod server;

use claviger_client::{Client, ClientConfig, Error, RawConnection, Retry, Status, Transport};
use claviger_protocol::message::Ping;
use claviger_protocol::{Limit, Opcode};
use server::{Peer, TestServer};
use std::time::Duration;
use tokio::net::TcpListener;

async fn connected(server: &TestServer, config: ClientConfig) -> (Client, Peer) {
    let (client, peer) = tokio::join!(Client::connect(config), server.accept());
    (client.unwrap(), peer)
}

async fn refused(server: &TestServer, config: ClientConfig) -> Error {
    let (client, _) = tokio::join!(Client::connect(config), server.accept_ungreeted());
    client.err().unwrap_or_else(|| panic!("connected"))
}

/// A short pause between attempts, so that tests are quick.
fn config(server: &TestServer) -> ClientConfig {
    let mut config = server.config();
    config.reconnect.wait_first = Duration::from_millis(1);
    config
}

// R-P6
#[tokio::test]
async fn a_call_is_answered_on_either_transport() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let server = TestServer::start(transport).await;
        let (client, mut peer) = connected(&server, server.config()).await;
        let answer = async {
            let ping = peer.request().await;
            peer.reply(&ping, Ping { payload: &ping.body }).await;
        };
        let (result, ()) = tokio::join!(client.ping(b"hello"), answer);
        assert!(result.is_ok(), "{transport:?}");
    }
}

// R-P6
#[tokio::test]
async fn streams_of_one_quic_connection_take_turns() {
    let server = TestServer::start(Transport::Quic).await;
    let mut config = server.config();
    config.streams = 2;
    let accept = async {
        let first = server.accept().await;
        let second = first.next_stream().await;
        [first, second]
    };
    let (client, mut peers) = tokio::join!(Client::connect(config), accept);
    let client = client.unwrap();
    for call in 0..4 {
        let peer = &mut peers[call % 2];
        let answer = async {
            let ping = peer.request().await;
            peer.reply(&ping, Ping { payload: &ping.body }).await;
        };
        let (result, ()) = tokio::join!(client.ping(b"turn"), answer);
        result.unwrap();
    }
}

// R-P6
#[tokio::test]
async fn streams_of_one_quic_connection_do_not_wait_for_each_others_greeting() {
    let server = TestServer::start(Transport::Quic).await;
    let mut config = server.config();
    config.streams = 3;
    let accept = async {
        let first = server.accept().await;
        let mut second = first.next_stream_ungreeted().await;
        let mut third = first.next_stream_ungreeted().await;
        third.greet(&[]).await;
        second.greet(&[]).await;
        [first, second, third]
    };
    let (client, _peers) = tokio::join!(Client::connect(config), accept);
    client.unwrap();
}

#[tokio::test]
async fn announced_limits_are_seen() {
    let server = TestServer::start(Transport::Tcp).await;
    let accept = server.accept_with(&[(Limit::BatchItems, 3)]);
    let (client, _peer) = tokio::join!(Client::connect(server.config()), accept);
    assert_eq!(client.unwrap().limits().batch_items, 3);
}

// R-P5
#[tokio::test]
async fn a_server_of_another_ca_is_not_trusted() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let (server, other) = (TestServer::start(transport).await, TestServer::start(transport).await);
        let mut config = server.config();
        config.server_ca = other.config().server_ca;
        let error = refused(&server, config).await;
        assert!(matches!(error, Error::Untrusted { .. }), "{transport:?}: {error}");
        assert_eq!(error.retry(), Retry::Never);
    }
}

// R-P5
#[tokio::test]
async fn a_server_of_another_name_is_not_trusted() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let server = TestServer::start(transport).await;
        let mut config = server.config();
        config.server_name = "other.example".to_owned();
        let error = refused(&server, config).await;
        assert!(matches!(error, Error::Untrusted { .. }), "{transport:?}: {error}");
    }
}

// R-P5
#[tokio::test]
async fn a_server_of_another_protocol_is_told_apart() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let server = TestServer::start_with_protocol(transport, b"h2").await;
        let error = refused(&server, server.config()).await;
        assert!(matches!(error, Error::OtherProtocol { .. }), "{transport:?}: {error}");
    }
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_unreachable() {
    let server = TestServer::start(Transport::Tcp).await;
    let mut config = server.config();
    // Bound and released: nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    config.address = free.to_string();
    let error = Client::connect(config).await.err().unwrap();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(error.retry(), Retry::Later);
}

#[tokio::test]
async fn an_address_without_a_port_is_refused() {
    let server = TestServer::start(Transport::Tcp).await;
    let mut config = server.config();
    config.address = "localhost".to_owned();
    assert!(matches!(Client::connect(config).await.err().unwrap(), Error::Address { .. }));
}

// R-P2
#[tokio::test]
async fn a_server_without_a_common_version_refuses() {
    let server = TestServer::start(Transport::Tcp).await;
    let accept = async {
        let mut peer = server.accept_ungreeted().await.unwrap();
        let hello = peer.request().await;
        peer.status(&hello, Status::UnsupportedVersion, 0).await;
    };
    let (client, ()) = tokio::join!(Client::connect(server.config()), accept);
    assert_eq!(client.err().unwrap().status(), Some(Status::UnsupportedVersion));
}

// R-P3
#[tokio::test]
async fn a_greeting_that_is_none_is_refused() {
    let server = TestServer::start(Transport::Tcp).await;
    let accept = async {
        let mut peer = server.accept_ungreeted().await.unwrap();
        peer.request().await;
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    };
    let (client, ()) = tokio::join!(Client::connect(server.config()), accept);
    assert!(matches!(client.err().unwrap(), Error::BadReply));
}

// R-P6
#[tokio::test]
async fn a_call_whose_connection_is_lost_is_sent_again_on_a_fresh_one() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let server = TestServer::start(transport).await;
        let (client, mut peer) = connected(&server, config(&server)).await;
        let lose_and_answer = async {
            let ping = peer.request().await;
            assert_eq!(ping.opcode, Opcode::Ping);
            drop(peer);
            let mut peer = server.accept().await;
            let ping = peer.request().await;
            peer.reply(&ping, Ping { payload: &ping.body }).await;
            // Kept until the client has read the reply.
            peer
        };
        let (result, _peer) = tokio::join!(client.ping(b"again"), lose_and_answer);
        assert!(result.is_ok(), "{transport:?}");
    }
}

// R-P6
#[tokio::test]
async fn a_call_that_is_lost_twice_fails() {
    let server = TestServer::start(Transport::Tcp).await;
    let (client, mut peer) = connected(&server, config(&server)).await;
    let lose_twice = async {
        peer.request().await;
        drop(peer);
        let mut peer = server.accept().await;
        peer.request().await;
    };
    let (result, ()) = tokio::join!(client.ping(b"lost"), lose_twice);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Disconnected), "{error}");
    assert_eq!(error.retry(), Retry::Now);
}

// R-P6
#[tokio::test]
async fn a_connection_lost_in_between_is_made_anew_by_the_next_call() {
    let server = TestServer::start(Transport::Tcp).await;
    let (client, peer) = connected(&server, config(&server)).await;
    drop(peer);
    for payload in [b"first", b"other"] {
        let call = client.ping(payload);
        let answer = async {
            let mut peer = server.accept().await;
            let ping = peer.request().await;
            peer.reply(&ping, Ping { payload: &ping.body }).await;
        };
        let (result, ()) = tokio::join!(call, answer);
        result.unwrap();
    }
}

/// A client that has lost its connection, and the server's end of the next one: it waits for its greeting, and the call
/// that began it has been given up.
async fn given_up_while_connecting(server: &TestServer) -> (Client, Peer) {
    let (client, peer) = connected(server, config(server)).await;
    drop(peer);
    let peer = tokio::select! {
        result = client.ping(b"first") => panic!("there was no answer to {result:?}"),
        peer = server.accept_ungreeted() => peer.unwrap(),
    };
    (client, peer)
}

// R-P6
#[tokio::test]
async fn an_attempt_to_connect_outlives_the_call_that_began_it() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let server = TestServer::start(transport).await;
        let (client, mut peer) = given_up_while_connecting(&server).await;
        let answer = async {
            peer.greet(&[]).await;
            let ping = peer.request().await;
            peer.reply(&ping, Ping { payload: &ping.body }).await;
        };
        let (result, ()) = tokio::join!(client.ping(b"other"), answer);
        assert!(result.is_ok(), "{transport:?}");
    }
}

// R-P6
#[tokio::test]
async fn an_attempt_to_connect_ends_with_the_client() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let server = TestServer::start(transport).await;
        let (client, mut peer) = given_up_while_connecting(&server).await;
        drop(client);
        assert_eq!(peer.request().await.opcode, Opcode::Hello, "{transport:?}");
        assert!(peer.try_request().await.is_none(), "{transport:?}");
    }
}

// R-P6
#[tokio::test]
async fn calls_that_wait_for_the_same_attempt_share_its_failure() {
    let server = TestServer::start(Transport::Tcp).await;
    let (client, mut peer) = given_up_while_connecting(&server).await;
    let refuse = async {
        let hello = peer.request().await;
        peer.status(&hello, Status::UnsupportedVersion, 0).await;
    };
    let (first, other, ()) = tokio::join!(client.ping(b"first"), client.ping(b"other"), refuse);
    for result in [first, other] {
        assert_eq!(result.unwrap_err().status(), Some(Status::UnsupportedVersion));
    }
}

// R-O4
#[tokio::test]
async fn a_server_that_is_ending_is_left_for_a_fresh_connection() {
    let server = TestServer::start(Transport::Tcp).await;
    let (client, mut peer) = connected(&server, config(&server)).await;
    let drain = async {
        let ping = peer.request().await;
        peer.status(&ping, Status::ShuttingDown, 0).await;
        let mut fresh = server.accept().await;
        let ping = fresh.request().await;
        fresh.reply(&ping, Ping { payload: &ping.body }).await;
        // The client ends its direction of the old connection once nothing is open on it.
        assert!(peer.try_request().await.is_none());
        fresh
    };
    let (result, _fresh) = tokio::join!(client.ping(b"drain"), drain);
    result.unwrap();
}

// R-P6
#[tokio::test]
async fn a_client_that_is_dropped_ends_its_direction() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let server = TestServer::start(transport).await;
        let (client, mut peer) = connected(&server, server.config()).await;
        drop(client);
        assert!(peer.try_request().await.is_none(), "{transport:?}");
    }
}

#[tokio::test]
async fn raw_connections_carry_frames_as_they_are() {
    let server = TestServer::start(Transport::Tcp).await;
    let config = server.config();
    let (raw, mut peer) = tokio::join!(RawConnection::connect(&config), server.accept());
    let mut raw = raw.unwrap();
    let mut output = claviger_protocol::OutputBuffer::new();
    for request_id in [7, 8] {
        output.request(claviger_protocol::RequestHeader::new(request_id), Ping { payload: b"raw" }).unwrap();
    }
    raw.send(output.as_bytes()).await.unwrap();
    for _ in 0..2 {
        let ping = peer.request().await;
        peer.reply(&ping, Ping { payload: &ping.body }).await;
    }
    for request_id in [7, 8] {
        let frame = raw.receive().await.unwrap();
        assert_eq!((frame.header.request_id, frame.body), (request_id, &b"raw"[..]));
    }
    drop(peer);
    assert!(matches!(raw.receive().await, Err(Error::Disconnected)));
}

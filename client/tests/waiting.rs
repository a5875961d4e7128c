//! Waits for a newer version of a secret while the server comes and goes. R-K2, R-P6.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a panic is how a test reports")]

mod server;

use claviger_client::{Client, Error, Key, SecretVersion, Status, Transport};
use claviger_protocol::message::{Request, SecretValue, WaitForSecret};
use claviger_protocol::{Limit, Opcode};
use server::{Peer, Received, TestServer, resolve};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3_600);

/// A key of a client that makes short pauses and tries to connect once a call, and the server's end of its connection.
async fn connected(server: &TestServer, limits: &[(Limit, u64)]) -> (Key, Peer) {
    let mut config = server.config();
    config.reconnect.wait_first = Duration::from_millis(1);
    config.reconnect.wait_max = Duration::from_millis(2);
    config.reconnect.attempts_max = 1;
    let (client, mut peer) = tokio::join!(Client::connect(config), server.accept_with(limits));
    let client = client.unwrap();
    let (key, ()) = tokio::join!(client.key("store", "secret"), resolve(&mut peer));
    (key.unwrap(), peer)
}

/// Waits in a task of its own for what is newer than version 7.
fn wait(key: &Key, wait: Duration) -> JoinHandle<Result<Option<SecretVersion>, Error>> {
    let key = key.clone();
    tokio::spawn(async move { key.wait_for_newer_secret(7, wait).await })
}

/// The next request, which is a wait for what is newer than version 7, and how long it is to last.
async fn asked(peer: &mut Peer) -> (Received, Duration) {
    let received = peer.request().await;
    assert_eq!(received.opcode, Opcode::WaitForSecret);
    let Request::WaitForSecret(WaitForSecret { known_version, wait_ms, .. }) = received.request() else { panic!() };
    assert_eq!(known_version, 7);
    (received, Duration::from_millis(wait_ms.into()))
}

async fn answer(peer: &mut Peer, to: &Received) {
    peer.reply(to, SecretValue { key_version: 8, value: b"newer" }).await;
}

fn is_newer(secret: Result<Option<SecretVersion>, Error>) -> bool {
    let secret = secret.unwrap().unwrap();
    (secret.key_version, secret.value.expose()) == (8, b"newer")
}

// R-K2, R-P6
#[tokio::test]
async fn a_wait_names_the_version_that_it_knows_to_each_server_that_comes() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let server = TestServer::start(transport).await;
        let (key, mut peer) = connected(&server, &[]).await;
        let waiting = wait(&key, LONG);
        for _ in 0..5 {
            asked(&mut peer).await;
            drop(peer);
            peer = server.accept().await;
        }
        let (received, _) = asked(&mut peer).await;
        answer(&mut peer, &received).await;
        assert!(is_newer(waiting.await.unwrap()), "{transport:?}");
    }
}

// R-K2, R-P6
#[tokio::test]
async fn a_wait_outlives_more_failed_attempts_to_connect_than_a_call() {
    let server = TestServer::start(Transport::Tcp).await;
    let (key, mut peer) = connected(&server, &[]).await;
    let waiting = wait(&key, Duration::MAX);
    asked(&mut peer).await;
    drop(peer);
    for _ in 0..20 {
        drop(server.accept_ungreeted().await);
    }
    let mut peer = server.accept().await;
    let (received, _) = asked(&mut peer).await;
    answer(&mut peer, &received).await;
    assert!(is_newer(waiting.await.unwrap()));
}

// R-K2, R-O4
#[tokio::test]
async fn a_wait_leaves_a_server_that_is_ending_and_one_without_room_is_asked_again() {
    let server = TestServer::start(Transport::Tcp).await;
    let (key, mut peer) = connected(&server, &[]).await;
    let waiting = wait(&key, LONG);
    let (received, _) = asked(&mut peer).await;
    peer.status(&received, Status::Overloaded, 1).await;
    let (received, _) = asked(&mut peer).await;
    peer.status(&received, Status::ShuttingDown, 0).await;
    let mut fresh = server.accept().await;
    let (received, _) = asked(&mut fresh).await;
    answer(&mut fresh, &received).await;
    assert!(is_newer(waiting.await.unwrap()));
}

// R-K2, R-A13
#[tokio::test]
async fn a_wait_ends_when_the_server_is_locked() {
    let server = TestServer::start(Transport::Tcp).await;
    let (key, mut peer) = connected(&server, &[]).await;
    let waiting = wait(&key, LONG);
    let (received, _) = asked(&mut peer).await;
    peer.status(&received, Status::Locked, 0).await;
    assert_eq!(waiting.await.unwrap().err().unwrap().status(), Some(Status::Locked));
}

// R-K2
#[tokio::test]
async fn a_wait_asks_for_what_is_left_of_its_time_whoever_answers() {
    let server = TestServer::start(Transport::Tcp).await;
    let limits = [(Limit::SecretWaitMilliseconds, 2_000)];
    let (key, mut peer) = connected(&server, &limits).await;
    let long = wait(&key, LONG);
    let (received, longest) = asked(&mut peer).await;
    assert_eq!(longest, Duration::from_secs(2), "as long as the server lets it wait");
    answer(&mut peer, &received).await;
    assert!(is_newer(long.await.unwrap()));
    let whole = Duration::from_millis(100);
    let mut waiting = wait(&key, whole);
    let (_, first) = asked(&mut peer).await;
    drop(peer);
    let mut peer = server.accept_with(&limits).await;
    let mut left = first;
    // It is told that there is nothing newer long before it is over.
    let result = loop {
        tokio::select! {
            result = &mut waiting => break result,
            (received, next) = asked(&mut peer) => {
                assert!(next <= left, "{left:?}, then {next:?}");
                left = next;
                peer.status(&received, Status::NoNewerVersion, 0).await;
            }
        }
    };
    assert!(result.unwrap().unwrap().is_none());
}

// R-K2
#[tokio::test]
async fn a_wait_that_is_over_while_the_server_is_away_says_so_and_not_that_there_is_nothing_newer() {
    let server = TestServer::start(Transport::Tcp).await;
    let (key, mut peer) = connected(&server, &[]).await;
    let waiting = wait(&key, Duration::from_millis(50));
    asked(&mut peer).await;
    drop((peer, server));
    let error = waiting.await.unwrap().err().unwrap();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

// R-P6
#[tokio::test]
async fn a_wait_of_no_time_is_sent_again_once_like_any_other_call() {
    let server = TestServer::start(Transport::Tcp).await;
    let (key, mut peer) = connected(&server, &[]).await;
    for is_answered in [true, false] {
        let waiting = wait(&key, Duration::ZERO);
        asked(&mut peer).await;
        drop(peer);
        peer = server.accept().await;
        let (received, _) = asked(&mut peer).await;
        if is_answered {
            answer(&mut peer, &received).await;
            assert!(is_newer(waiting.await.unwrap()));
        } else {
            drop(peer);
            assert!(matches!(waiting.await.unwrap(), Err(Error::Disconnected)));
            return;
        }
    }
}

// R-K9
#[tokio::test]
async fn what_the_next_server_refuses_ends_the_wait() {
    let server = TestServer::start(Transport::Tcp).await;
    for status in [Status::KeyDisabled, Status::KeyDeleted, Status::NotPermitted, Status::StorageUnavailable] {
        let (key, mut peer) = connected(&server, &[]).await;
        let waiting = wait(&key, LONG);
        asked(&mut peer).await;
        drop(peer);
        let mut peer = server.accept().await;
        let (received, _) = asked(&mut peer).await;
        peer.status(&received, status, 0).await;
        assert_eq!(waiting.await.unwrap().err().unwrap().status(), Some(status));
    }
}

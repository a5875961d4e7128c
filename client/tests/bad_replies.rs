//! What a server may not send, and what becomes of the call that waited for something better. R-P3.
#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod server;

use claviger_client::{Coalescing, Error};
use claviger_protocol::Opcode;
use claviger_protocol::message::{HelloReply, Ping};
use server::{Peer, connected};
use std::time::Duration;

/// What a server sends that it may not, and how the call ends.
async fn after_bad_reply(bad: impl AsyncFn(&mut Peer)) -> Error {
    let (server, key, mut peer) = connected(&[], Coalescing::default()).await;
    let key = key.with_deadline(Duration::from_secs(10));
    let answer = async {
        bad(&mut peer).await;
        // The client gives the byte stream up and tries once more.
        assert!(peer.try_request().await.is_none(), "the byte stream is still used");
        let mut peer = server.accept().await;
        bad(&mut peer).await;
        assert!(peer.try_request().await.is_none(), "the byte stream is still used");
    };
    let (result, ()) = tokio::join!(key.make_mac(b"x"), answer);
    result.unwrap_err()
}

// R-P3
#[tokio::test]
async fn a_reply_to_nobody_ends_the_byte_stream() {
    let error = after_bad_reply(async |peer| {
        let mut request = peer.request().await;
        request.header.request_id += 1;
        peer.echo_macs(&request).await;
    });
    assert!(matches!(error.await, Error::Disconnected));
}

// R-P3
#[tokio::test]
async fn a_reply_of_another_operation_ends_the_byte_stream() {
    let error = after_bad_reply(async |peer| {
        let mut request = peer.request().await;
        request.header.opcode = Opcode::Hello.code();
        peer.reply(&request, HelloReply { version: 1, limits: [] }).await;
    });
    assert!(matches!(error.await, Error::Disconnected));
}

// R-P3
#[tokio::test]
async fn bytes_that_are_no_frame_end_the_byte_stream() {
    for bytes in [&[0xFF; 40][..], &[0; 40], &[0, 0, 0, 36, 2]] {
        let error = after_bad_reply(async |peer| {
            peer.request().await;
            let whole = [bytes, &[0; 40]].concat();
            peer.send(&whole).await;
        });
        assert!(matches!(error.await, Error::Disconnected));
    }
}

// R-P3
#[tokio::test]
async fn a_reply_with_another_number_of_results_is_bad() {
    let (_server, key, mut peer) = connected(&[], Coalescing::default()).await;
    let answer = async {
        let request = peer.request().await;
        peer.results(&request, &[Ok(&[0, 0, 0, 1, 9]), Ok(&[0, 0, 0, 1, 9])]).await;
    };
    let (result, ()) = tokio::join!(key.make_mac(b"x"), answer);
    assert!(matches!(result.unwrap_err(), Error::BadReply));
}

// R-P3
#[tokio::test]
async fn a_pong_of_other_bytes_is_bad() {
    let (_server, key, mut peer) = connected(&[], Coalescing::default()).await;
    let answer = async {
        let request = peer.request().await;
        peer.reply(&request, Ping { payload: b"other" }).await;
    };
    let (result, ()) = tokio::join!(key.client().ping(b"these"), answer);
    assert!(matches!(result.unwrap_err(), Error::BadReply));
}

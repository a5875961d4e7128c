//! What needs control of the clock: a byte stream in memory, and a server's end of it in the test's hands.

use super::*;
use crate::limits::RECEIVE_BUFFER_SIZE;
use claviger_protocol::deframer::{self, Step};
use claviger_protocol::message::{HelloReply, Ping, WaitForSecret};
use claviger_protocol::{KeyId, OutputBuffer, RequestHeader, TraceId};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, advance, timeout};

/// The next request of the client.
async fn request(server: &mut DuplexStream) -> RequestHeader {
    let mut bytes = Vec::new();
    loop {
        match deframer::request(&bytes) {
            Step::Frame(frame) => return frame.header,
            Step::Need(_) => assert_ne!(server.read_buf(&mut bytes).await.unwrap(), 0, "the client is gone"),
            Step::Fault(fault) => panic!("the client sent a fault: {}", fault.status),
        }
    }
}

async fn connection() -> (Connection, DuplexStream) {
    connection_with(&CancellationToken::new()).await
}

async fn connection_with(draining: &CancellationToken) -> (Connection, DuplexStream) {
    let (client, mut server) = tokio::io::duplex(RECEIVE_BUFFER_SIZE);
    let (reader, writer) = tokio::io::split(client);
    let greet = async {
        let hello = request(&mut server).await;
        let mut output = OutputBuffer::new();
        output.reply_with(&hello, HelloReply { version: 1, limits: [] }).unwrap();
        server.write_all(output.as_bytes()).await.unwrap();
    };
    let (raw, ()) = tokio::join!(RawConnection::greet(reader, writer, None), greet);
    let bytes_in_flight = Arc::new(Semaphore::new(1_000_000));
    (Connection::start(raw.unwrap(), bytes_in_flight, draining.clone(), Coalescing::OFF), server)
}

fn ping() -> Arc<Call> {
    Arc::new(Call::new(Ping { payload: b"ping" }, TraceId::NONE, Instant::now() + Duration::from_secs(9)).unwrap())
}

// R-P6
#[tokio::test(start_paused = true)]
async fn a_silent_byte_stream_is_given_up_after_a_while() {
    let (connection, mut server) = connection().await;
    let (answer, _) = tokio::join!(timeout(SILENCE_MAX, connection.call(ping())), request(&mut server));
    assert!(answer.is_err(), "nobody answered");
    connection.end_if_silent();
    assert!(!connection.is_usable());
    assert!(connection.call(ping()).await.is_err());
}

// R-P6
#[tokio::test(start_paused = true)]
async fn a_byte_stream_on_which_others_are_answered_is_kept() {
    let (connection, mut server) = connection().await;
    let slow = timeout(SILENCE_MAX, connection.call(ping()));
    let answered_later = async {
        request(&mut server).await;
        advance(SILENCE_MAX / 2).await;
        let call = connection.call(ping());
        let answer = async {
            let header = request(&mut server).await;
            let mut output = OutputBuffer::new();
            output.reply_with(&header, Ping { payload: b"ping" }).unwrap();
            server.write_all(output.as_bytes()).await.unwrap();
        };
        let (result, ()) = tokio::join!(call, answer);
        assert!(result.is_ok());
    };
    let (slow, ()) = tokio::join!(slow, answered_later);
    assert!(slow.is_err(), "nobody answered that one");
    connection.end_if_silent();
    assert!(connection.is_usable());
}

// R-P6
#[tokio::test(start_paused = true)]
async fn a_call_of_short_time_does_not_end_the_byte_stream() {
    let (connection, mut server) = connection().await;
    let short = timeout(Duration::from_millis(1), connection.call(ping()));
    let (answer, _) = tokio::join!(short, request(&mut server));
    assert!(answer.is_err());
    connection.end_if_silent();
    assert!(connection.is_usable());
}

// R-P6
#[tokio::test(start_paused = true)]
async fn a_silent_byte_stream_is_given_up_however_short_the_calls_are() {
    let (connection, _server) = connection().await;
    for _ in 0..10 {
        assert!(connection.is_usable(), "not yet silent for long");
        assert!(timeout(SILENCE_MAX / 10, connection.call(ping())).await.is_err(), "nobody answered");
        connection.end_if_silent();
    }
    assert!(!connection.is_usable());
}

// R-K2, R-P6
#[tokio::test(start_paused = true)]
async fn waiting_for_a_secret_is_no_silence() {
    let (connection, mut server) = connection().await;
    let wait = WaitForSecret { key_id: KeyId([1; 16]), known_version: 1, wait_ms: 60_000 };
    let wait = Call::new(wait, TraceId::NONE, Instant::now() + Duration::from_secs(90)).unwrap();
    let waiting = timeout(4 * SILENCE_MAX, connection.call(Arc::new(wait)));
    let meanwhile = async {
        request(&mut server).await;
        advance(2 * SILENCE_MAX).await;
        // A call that is given up in haste, long after anything was heard.
        assert!(timeout(SILENCE_MAX / 10, connection.call(ping())).await.is_err(), "nobody answered");
        connection.end_if_silent();
        assert!(connection.is_usable());
    };
    let (waited, ()) = tokio::join!(waiting, meanwhile);
    assert!(waited.is_err(), "nobody answered");
    // But the other call has been owed an answer for long by now.
    connection.end_if_silent();
    assert!(!connection.is_usable());
}

// R-P6
#[tokio::test(start_paused = true)]
async fn time_in_which_nothing_was_asked_is_no_silence() {
    let (connection, _server) = connection().await;
    advance(2 * SILENCE_MAX).await;
    connection.end_if_silent();
    assert!(timeout(SILENCE_MAX / 10, connection.call(ping())).await.is_err(), "nobody answered");
    connection.end_if_silent();
    assert!(connection.is_usable());
}

/// Answers the next request, which is a ping without payload.
async fn answer_probe(server: &mut DuplexStream) {
    let header = request(server).await;
    let mut output = OutputBuffer::new();
    output.reply_with(&header, Ping { payload: b"" }).unwrap();
    server.write_all(output.as_bytes()).await.unwrap();
}

// R-K2, R-P6
#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_by_right_is_asked_whether_it_is_there() {
    let (connection, mut server) = connection().await;
    let start = Instant::now();
    let answer_three = async {
        for _ in 0..3 {
            answer_probe(&mut server).await;
        }
        start.elapsed()
    };
    let ((), answered) = tokio::join!(connection.until_silent(), answer_three);
    assert_eq!(answered.as_secs(), 3 * PROBE_INTERVAL.as_secs(), "while it answers, it is waited for");
    assert_eq!(start.elapsed().as_secs(), 5 * PROBE_INTERVAL.as_secs());
    assert!(!connection.is_usable());
}

// R-P6
#[tokio::test(start_paused = true)]
async fn no_byte_stream_of_a_connection_with_a_silent_one_gets_new_calls() {
    let draining = CancellationToken::new();
    let (silent, _server) = connection_with(&draining).await;
    let (other, _server_of_other) = connection_with(&draining).await;
    let (unrelated, _server_of_unrelated) = connection().await;
    silent.until_silent().await;
    assert!(!silent.is_usable() && !other.is_usable() && unrelated.is_usable());
}

//! Calls on a connection that stands: in flight, put together, cut, repeated, given up. R-P2, R-P4, R-P6.
#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod server;

use claviger_client::{Coalescing, Error, Key, MakeMacItem, Retry, Status, TraceId};
use claviger_protocol::message::{Ping, Request};
use claviger_protocol::{Limit, Opcode};
use server::{connected, resolve};
use std::time::Duration;
use tokio::task::JoinSet;

/// Starts calls that each make the MAC of their number.
fn start_calls(key: &Key, numbers: std::ops::Range<u8>) -> JoinSet<(u8, Result<Vec<u8>, Error>)> {
    let mut calls = JoinSet::new();
    for number in numbers {
        let key = key.clone();
        calls.spawn(async move { (number, key.make_mac(&[number]).await.map(|mac| mac.bytes)) });
    }
    calls
}

async fn assert_each_has_its_own(calls: JoinSet<(u8, Result<Vec<u8>, Error>)>) {
    for (number, result) in calls.join_all().await {
        assert_eq!(result.unwrap(), [number]);
    }
}

// R-P2
#[tokio::test]
async fn replies_out_of_order_find_their_callers() {
    let (_server, key, mut peer) = connected(&[], Coalescing::OFF).await;
    let calls = start_calls(&key, 0..8);
    let mut requests = Vec::new();
    for _ in 0..8 {
        requests.push(peer.request().await);
    }
    for request in requests.iter().rev() {
        peer.echo_macs(request).await;
    }
    assert_each_has_its_own(calls).await;
}

// R-P6
#[tokio::test]
async fn calls_that_wait_together_travel_together() {
    let (_server, key, mut peer) = connected(&[(Limit::FramesInFlight, 1)], Coalescing::default()).await;
    // The first call takes the only place in flight, the others wait for it.
    let first = start_calls(&key, 0..1);
    let request = peer.request().await;
    let mut others = start_calls(&key, 1..50);
    let unrelated = tokio::spawn({
        let client = key.client().clone();
        async move { client.ping(b"alone").await }
    });
    // They are queued once the runtime has nothing else to do.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert!(others.try_join_next().is_none());
    peer.echo_macs(&request).await;
    let mut answered = 0;
    while answered < 50 {
        let request = peer.request().await;
        if request.opcode == Opcode::Ping {
            peer.reply(&request, Ping { payload: &request.body }).await;
            answered += 1;
        } else {
            let count = request.messages().len();
            assert_eq!(count, 49, "all of them in one frame");
            peer.echo_macs(&request).await;
            answered += count;
        }
    }
    assert_each_has_its_own(first).await;
    assert_each_has_its_own(others).await;
    unrelated.await.unwrap().unwrap();
}

// R-P6
#[tokio::test]
async fn a_refusal_of_calls_that_travelled_together_reaches_each() {
    let (_server, key, mut peer) = connected(&[(Limit::FramesInFlight, 1)], Coalescing::default()).await;
    let first = start_calls(&key, 0..1);
    let request = peer.request().await;
    let others = start_calls(&key, 1..4);
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    peer.echo_macs(&request).await;
    assert_each_has_its_own(first).await;
    let request = peer.request().await;
    assert_eq!(request.messages().len(), 3);
    peer.status(&request, Status::KeyDisabled, 0).await;
    for (_, result) in others.join_all().await {
        assert_eq!(result.unwrap_err().status(), Some(Status::KeyDisabled));
    }
}

// R-P4
#[tokio::test]
async fn no_more_is_in_flight_than_the_server_announced() {
    let (_server, key, mut peer) = connected(&[(Limit::FramesInFlight, 2)], Coalescing::OFF).await;
    let calls = start_calls(&key, 0..6);
    let mut unanswered = std::collections::VecDeque::new();
    for answered in 0..6 {
        while unanswered.len() < 2.min(6 - answered) {
            unanswered.push_back(peer.request().await);
        }
        // A third request would be here by now: the client writes without waiting for anything else.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let idle = tokio::time::timeout(Duration::ZERO, peer.try_request()).await;
        assert!(idle.is_err(), "a request beyond the limit");
        peer.echo_macs(&unanswered.pop_front().unwrap()).await;
    }
    assert_each_has_its_own(calls).await;
}

// R-P6
#[tokio::test]
async fn batches_are_cut_to_the_announced_limits_and_put_together_in_order() {
    let (_server, key, mut peer) = connected(&[(Limit::BatchItems, 3)], Coalescing::default()).await;
    let messages: Vec<[u8; 1]> = (0..10).map(|number| [number]).collect();
    let items: Vec<_> = messages.iter().map(|message| MakeMacItem { message }).collect();
    let answer = async {
        let mut requests = Vec::new();
        for _ in 0..4 {
            requests.push(peer.request().await);
        }
        for request in requests.iter().rev() {
            assert!(request.messages().len() <= 3);
            peer.echo_macs(request).await;
        }
    };
    let (results, ()) = tokio::join!(key.make_mac_batch(&items), answer);
    let macs: Vec<_> = results.unwrap().into_iter().map(|mac| mac.unwrap().bytes).collect();
    assert!(macs.iter().eq(messages.iter()));
}

// R-P6
#[tokio::test]
async fn items_whose_reply_was_full_are_sent_again() {
    let (_server, key, mut peer) = connected(&[], Coalescing::default()).await;
    let messages = [[1], [2], [3]];
    let items = messages.each_ref().map(|message| MakeMacItem { message });
    let answer = async {
        let request = peer.request().await;
        let result = [0, 0, 0, 7, 2];
        peer.results(&request, &[Err(Status::ReplyFull), Ok(&result), Err(Status::ReplyFull)]).await;
        let request = peer.request().await;
        assert_eq!(request.messages(), [[1], [3]]);
        peer.echo_macs(&request).await;
    };
    let (results, ()) = tokio::join!(key.make_mac_batch(&items), answer);
    let macs: Vec<_> = results.unwrap().into_iter().map(|mac| mac.unwrap().bytes).collect();
    assert_eq!(macs, [[1], [2], [3]]);
}

#[tokio::test]
async fn one_bad_item_does_not_fail_the_others() {
    let (_server, key, mut peer) = connected(&[(Limit::MessageSize, 4)], Coalescing::default()).await;
    let items = [&b"good"[..], b"too large", b"fine"].map(|message| MakeMacItem { message });
    let answer = async {
        let request = peer.request().await;
        assert_eq!(request.messages(), [b"good", b"fine"], "what is over a limit is not sent");
        peer.echo_macs(&request).await;
    };
    let (results, ()) = tokio::join!(key.make_mac_batch(&items), answer);
    let statuses: Vec<_> =
        results.unwrap().iter().map(|result| result.as_ref().err().and_then(Error::status)).collect();
    assert_eq!(statuses, [None, Some(Status::MessageTooLarge), None]);
}

#[tokio::test]
async fn an_empty_batch_has_no_results_and_asks_nobody() {
    let (_server, key, _peer) = connected(&[], Coalescing::default()).await;
    assert!(key.make_mac_batch(&[]).await.unwrap().is_empty());
}

// R-P4
#[tokio::test]
async fn an_overloaded_server_is_asked_again_after_the_time_it_advises() {
    let (_server, key, mut peer) = connected(&[], Coalescing::default()).await;
    let answer = async {
        for retry_ms in [1, 0] {
            let request = peer.request().await;
            peer.status(&request, Status::Overloaded, retry_ms).await;
        }
        let request = peer.request().await;
        peer.echo_macs(&request).await;
    };
    let (result, ()) = tokio::join!(key.make_mac(b"x"), answer);
    assert_eq!(result.unwrap().bytes, b"x");
}

// R-A13
#[tokio::test]
async fn a_locked_server_is_not_asked_again_and_the_caller_is_told_what_to_do() {
    let (_server, key, mut peer) = connected(&[], Coalescing::default()).await;
    let answer = async {
        let request = peer.request().await;
        peer.status(&request, Status::Locked, 0).await;
    };
    let (result, ()) = tokio::join!(key.make_mac(b"x"), answer);
    let error = result.unwrap_err();
    assert_eq!((error.status(), error.retry()), (Some(Status::Locked), Retry::Later));
    assert!(error.to_string().contains("claviger emergency unlock"), "{error}");
    // The connection is as good as before.
    let answer = async {
        let request = peer.request().await;
        peer.echo_macs(&request).await;
    };
    let (result, ()) = tokio::join!(key.make_mac(b"next"), answer);
    assert_eq!(result.unwrap().bytes, b"next");
}

// R-P4
#[tokio::test]
async fn an_overloaded_server_is_not_waited_for_beyond_the_deadline() {
    let (_server, key, mut peer) = connected(&[], Coalescing::default()).await;
    let key = key.with_deadline(Duration::from_millis(50));
    let answer = async {
        let request = peer.request().await;
        assert!((1..=50).contains(&request.header.deadline_ms));
        peer.status(&request, Status::Overloaded, 60_000).await;
    };
    let (result, ()) = tokio::join!(key.make_mac(b"x"), answer);
    let error = result.unwrap_err();
    let advice = Some(Duration::from_secs(60));
    assert!(matches!(error, Error::Refused { status: Status::Overloaded, retry_after } if retry_after == advice));
}

// R-P2
#[tokio::test]
async fn a_call_ends_by_its_deadline_and_its_late_reply_does_no_harm() {
    let (_server, key, mut peer) = connected(&[], Coalescing::default()).await;
    let hurried = key.with_deadline(Duration::from_millis(20));
    let (result, late) = tokio::join!(hurried.make_mac(b"slow"), peer.request());
    let error = result.unwrap_err();
    assert!(matches!(error, Error::DeadlineExceeded), "{error}");
    assert_eq!(error.retry(), Retry::Now);
    peer.echo_macs(&late).await;
    let answer = async {
        let request = peer.request().await;
        peer.echo_macs(&request).await;
    };
    let (result, ()) = tokio::join!(key.make_mac(b"next"), answer);
    assert_eq!(result.unwrap().bytes, b"next");
}

// R-P2
#[tokio::test]
async fn a_call_that_is_given_up_frees_its_place_when_its_reply_comes() {
    let (_server, key, mut peer) = connected(&[(Limit::FramesInFlight, 1)], Coalescing::default()).await;
    let mut calls = start_calls(&key, 0..1);
    let given_up = peer.request().await;
    calls.shutdown().await;
    let next = start_calls(&key, 1..2);
    peer.echo_macs(&given_up).await;
    let request = peer.request().await;
    peer.echo_macs(&request).await;
    assert_each_has_its_own(next).await;
}

#[tokio::test]
async fn calls_given_up_while_they_wait_are_never_sent() {
    let (_server, key, mut peer) = connected(&[(Limit::FramesInFlight, 1)], Coalescing::default()).await;
    let first = start_calls(&key, 0..1);
    let request = peer.request().await;
    let mut given_up = start_calls(&key, 1..5);
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    given_up.shutdown().await;
    let last = start_calls(&key, 9..10);
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    peer.echo_macs(&request).await;
    let request = peer.request().await;
    assert_eq!(request.messages(), [[9]]);
    peer.echo_macs(&request).await;
    assert_each_has_its_own(first).await;
    assert_each_has_its_own(last).await;
}

#[tokio::test]
async fn an_unknown_status_is_reported_and_not_repeated() {
    let (_server, key, mut peer) = connected(&[], Coalescing::default()).await;
    let answer = async {
        let request = peer.request().await;
        peer.status(&request, Status::Unknown(0x77), 0).await;
    };
    let (result, ()) = tokio::join!(key.make_mac(b"x"), answer);
    let error = result.unwrap_err();
    assert_eq!((error.status(), error.retry()), (Some(Status::Unknown(0x77)), Retry::Never));
}

// R-P6
#[tokio::test]
async fn names_are_asked_for_once() {
    let (_server, key, mut peer) = connected(&[], Coalescing::default()).await;
    let again = key.client().key("store", "mac").await.unwrap();
    assert_eq!((again.id(), again.store_id()), (key.id(), key.store_id()));
    let answer = async {
        let request = peer.request().await;
        let Request::Resolve(resolve) = request.request() else { panic!("not Resolve") };
        let names: Vec<_> = resolve.items.map(|item| item.key_name.to_vec()).collect();
        assert_eq!(names, [b"other"]);
        peer.results(&request, &[Err(Status::KeyNotFound)]).await;
    };
    let names = ["mac", "other", "no/name"];
    let (keys, ()) = tokio::join!(key.client().keys("store", &names), answer);
    let statuses: Vec<_> = keys.unwrap().iter().map(|key| key.as_ref().err().and_then(Error::status)).collect();
    assert_eq!(statuses, [None, Some(Status::KeyNotFound), Some(Status::KeyNotFound)]);
}

// R-P6
#[tokio::test]
async fn a_name_whose_key_is_refused_is_asked_for_again() {
    let (_server, key, mut peer) = connected(&[], Coalescing::default()).await;
    let answer = async {
        let request = peer.request().await;
        peer.status(&request, Status::NotPermitted, 0).await;
    };
    let (result, ()) = tokio::join!(key.make_mac(b"x"), answer);
    assert_eq!(result.unwrap_err().status(), Some(Status::NotPermitted));
    let (key, ()) = tokio::join!(key.client().key("store", "mac"), resolve(&mut peer));
    key.unwrap();
}

// R-P2
#[tokio::test]
async fn the_trace_id_travels_with_the_call() {
    let (_server, key, mut peer) = connected(&[], Coalescing::default()).await;
    let trace_id = TraceId([0xAB; 16]);
    let answer = async {
        let request = peer.request().await;
        assert_eq!(request.header.trace_id, trace_id);
        peer.echo_macs(&request).await;
    };
    let traced = key.with_trace_id(trace_id);
    let (result, ()) = tokio::join!(traced.make_mac(b"x"), answer);
    result.unwrap();
}

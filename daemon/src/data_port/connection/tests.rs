//! Tests of what a byte stream does for its worker.

use claviger_protocol::RequestHeader;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::super::completion::Completions;
use super::super::conversation::Received;
use super::super::room::Budgets;
use super::*;

/// Answers whatever it gets with a frame, and knows whether its client was let in.
struct Answering {
    output: OutputBuffer,
    was_let_in: bool,
}

impl Conversation for Answering {
    fn receive(&mut self, bytes: &[u8]) -> Received {
        if !bytes.is_empty() {
            self.output.reply(&RequestHeader::new(1)).finish().unwrap();
        }
        Received { consumed: bytes.len(), stop: Stop::Need(1) }
    }

    fn output(&mut self) -> &mut OutputBuffer {
        &mut self.output
    }

    fn greeted(&self) -> bool {
        true
    }

    fn drain(&mut self) {}

    fn was_let_in(&self) -> bool {
        self.was_let_in
    }
}

/// Whether the worker looks for more after a reply to such a client; it did not before.
async fn worker_looks_for_more(was_let_in: bool) -> bool {
    let (mut stream, mut client) = duplex(1_000);
    let busy_poll = BusyPoll::unattended(Duration::from_secs(3_600));
    let (drain, scratch) = (CancellationToken::new(), Scratch::default());
    let times = Times::default();
    let conditions = Conditions { drain: &drain, idle: times.frame, times, scratch: &scratch, busy_poll: &busy_poll };
    let (_nobody, nothing) = Completions::channel();
    let conversation = Answering { output: OutputBuffer::new(), was_let_in };
    let room = Budgets::new().shares().received;
    let served = serve(&mut stream, (conversation, nothing), room, &conditions);
    let asked = async {
        assert!(!busy_poll.is_looking());
        client.write_all(b"request").await.unwrap();
        assert!(client.read(&mut [0; 100]).await.unwrap() > 0);
        drop(client);
    };
    let (ended, ()) = tokio::join!(served, asked);
    assert_eq!(ended.unwrap(), Ending::ByClient);
    busy_poll.is_looking()
}

#[tokio::test]
async fn a_reply_has_the_worker_look_for_more() {
    assert!(worker_looks_for_more(true).await);
}

// R-P4
#[tokio::test]
async fn a_stranger_keeps_no_worker_from_sleeping() {
    assert!(!worker_looks_for_more(false).await);
}

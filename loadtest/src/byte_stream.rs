//! The load on one byte stream: requests out, replies in, a bounded number in flight.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use anyhow::Context;
use claviger_client::{RawConnection, RawReceiver, RawSender};
use claviger_protocol::limits::FRAMES_IN_FLIGHT_MAX;
use tokio::sync::Notify;

use crate::limits::WRITE_SIZE;
use crate::pace::Pace;
use crate::recorder::Recorder;
use crate::workload::Workload;

/// Sends the workload at `pace` until `end`, with at most `in_flight_max` frames unanswered, and then waits for the replies that are missing.
///
/// Sending and receiving go on side by side, so that a daemon that waits for its replies to be read cannot stop both sides.
///
/// # Errors
/// If the connection ends, or a reply is none.
pub(crate) async fn drive(
    connection: RawConnection,
    workload: &Workload,
    in_flight_max: usize,
    pace: Pace,
    end: Instant,
    recorder: &RefCell<Recorder>,
) -> anyhow::Result<()> {
    let (mut sender, mut receiver) = connection.split();
    let flight = Flight::new(in_flight_max);
    tokio::select! {
        biased;
        failed = receive(&mut receiver, &flight, recorder) => failed,
        sent = send(&mut sender, workload, &flight, pace, end) => sent,
    }?;
    sender.finish().await.context("a connection could not be closed")
}

/// Sends, then waits until everything is answered.
async fn send(
    sender: &mut RawSender,
    workload: &Workload,
    flight: &Flight,
    mut pace: Pace,
    end: Instant,
) -> anyhow::Result<()> {
    let mut frames = Frames::new(&workload.frame);
    loop {
        let most = flight.room().await.min(frames.count);
        let Some(due) = pace.due(most, end).await else { break };
        for intended in due.intended() {
            frames.push(flight.begin(intended));
        }
        sender.send(frames.take()).await.context("the connection ended while requests were sent")?;
    }
    flight.over().await;
    Ok(())
}

/// Receives until something fails.
async fn receive(receiver: &mut RawReceiver, flight: &Flight, recorder: &RefCell<Recorder>) -> anyhow::Result<()> {
    loop {
        let frame = receiver.receive().await.context("the connection ended while replies were missing")?;
        let intended = flight.end(frame.header.request_id).context("a reply came to a request that was not sent")?;
        recorder.borrow_mut().reply(&frame, intended, Instant::now())?;
    }
}

/// Copies of the request one after the other: only their request ids are written anew.
struct Frames {
    bytes: Vec<u8>,
    frame_size: usize,
    /// How many there are.
    count: usize,
    /// How many are to be sent.
    pushed: usize,
}

impl Frames {
    fn new(frame: &[u8]) -> Self {
        let count = (WRITE_SIZE / frame.len().max(1)).clamp(1, FRAMES_IN_FLIGHT_MAX);
        Self { bytes: frame.repeat(count), frame_size: frame.len(), count, pushed: 0 }
    }

    fn push(&mut self, request_id: u64) {
        let at = self.pushed * self.frame_size + REQUEST_ID_OFFSET;
        if let Some(field) = self.bytes.get_mut(at..at + size_of::<u64>()) {
            field.copy_from_slice(&request_id.to_be_bytes());
            self.pushed += 1;
        }
    }

    fn take(&mut self) -> &[u8] {
        let size = std::mem::take(&mut self.pushed) * self.frame_size;
        self.bytes.get(..size).unwrap_or_default()
    }
}

/// Which frames are in flight. A request id is a place in a table, used again when its reply is there.
struct Flight {
    /// When the frame of each place was meant to be sent, if it is in flight.
    intended: RefCell<Vec<Option<Instant>>>,
    free: RefCell<Vec<usize>>,
    in_flight: Cell<usize>,
    landed: Notify,
}

impl Flight {
    fn new(in_flight_max: usize) -> Self {
        Self {
            intended: RefCell::new(vec![None; in_flight_max]),
            free: RefCell::new((0..in_flight_max).rev().collect()),
            in_flight: Cell::new(0),
            landed: Notify::new(),
        }
    }

    /// Waits until a frame may be sent; how many may.
    async fn room(&self) -> usize {
        loop {
            let room = self.free.borrow().len();
            if room > 0 {
                return room;
            }
            self.landed.notified().await;
        }
    }

    /// Waits until nothing is in flight.
    async fn over(&self) {
        while self.in_flight.get() > 0 {
            self.landed.notified().await;
        }
    }

    /// Takes a place, of which the caller knows that there is one, for a frame that was meant to be sent at `intended`.
    fn begin(&self, intended: Instant) -> u64 {
        let place = self.free.borrow_mut().pop().unwrap_or(usize::MAX);
        if let Some(entry) = self.intended.borrow_mut().get_mut(place) {
            *entry = Some(intended);
            self.in_flight.set(self.in_flight.get() + 1);
        }
        place as u64
    }

    /// Gives a place back; `None` if nothing is in flight there.
    fn end(&self, request_id: u64) -> Option<Instant> {
        let place = usize::try_from(request_id).ok()?;
        let intended = self.intended.borrow_mut().get_mut(place)?.take()?;
        self.free.borrow_mut().push(place);
        self.in_flight.set(self.in_flight.get() - 1);
        self.landed.notify_one();
        Some(intended)
    }
}

/// Where the request id stands in a frame: `SPEC.md` section 2.
const REQUEST_ID_OFFSET: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_protocol::deframer::{self, Step};
    use claviger_protocol::message::Ping;
    use claviger_protocol::{OutputBuffer, RequestHeader};

    #[test]
    fn frames_go_out_whole_each_with_its_own_request_id() {
        let mut output = OutputBuffer::new();
        output.request(RequestHeader::new(0), Ping { payload: &[7; 50] }).unwrap();
        let mut frames = Frames::new(output.as_bytes());
        for round in 0..3 {
            let ids: Vec<u64> = (0..5).map(|n| round * 100 + n).collect();
            ids.iter().for_each(|&id| frames.push(id));
            let mut bytes = frames.take();
            for id in ids {
                let Step::Frame(frame) = deframer::request(bytes) else { panic!("no frame") };
                assert_eq!((frame.header.request_id, frame.body), (id, &[7; 50][..]));
                bytes = &bytes[frame.size..];
            }
            assert!(bytes.is_empty());
        }
    }

    #[test]
    fn one_frame_at_least_and_no_more_than_one_write() {
        assert_eq!(Frames::new(&[0; WRITE_SIZE + 1]).count, 1);
        assert_eq!(Frames::new(&[0; WRITE_SIZE / 4]).count, 4);
        assert_eq!(Frames::new(&[0; 40]).count, FRAMES_IN_FLIGHT_MAX);
    }

    #[test]
    fn a_reply_is_taken_once_and_only_for_what_was_sent() {
        let flight = Flight::new(2);
        let now = Instant::now();
        let (one, other) = (flight.begin(now), flight.begin(now));
        assert_ne!(one, other);
        assert_eq!(flight.free.borrow().len(), 0);
        assert_eq!(flight.end(one), Some(now));
        assert_eq!(flight.end(one), None, "answered twice");
        for unknown in [2, u64::MAX] {
            assert_eq!(flight.end(unknown), None);
        }
        assert_eq!(flight.begin(now), one, "a place is used again");
    }

    #[tokio::test]
    async fn the_end_waits_for_the_last_reply() {
        let flight = Flight::new(4);
        let ids: Vec<_> = (0..3).map(|_| flight.begin(Instant::now())).collect();
        let answer = async {
            for id in ids {
                tokio::task::yield_now().await;
                flight.end(id).unwrap();
            }
        };
        tokio::join!(flight.over(), answer);
        assert_eq!(flight.in_flight.get(), 0);
        assert_eq!(flight.room().await, 4);
    }
}

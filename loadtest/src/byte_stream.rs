//! The load on one byte stream: requests out, replies in, a bounded number in flight.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use claviger_client::{RawConnection, RawReceiver, RawSender};
use claviger_protocol::KeyId;
use claviger_protocol::limits::{FRAMES_IN_FLIGHT_MAX, HEADER_SIZE};
use tokio::sync::Notify;

use crate::limits::WRITE_SIZE;
use crate::pace::Pace;
use crate::recorder::Recorder;
use crate::workload::{SPLIT_MIX_STEP, Workload, split_mix};

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
    let mut frames = Frames::new(workload);
    loop {
        let most = flight.room().await.min(frames.room());
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

/// Copies of the requests one after the other: only their request ids are written anew, and the ids of keys that are chosen.
struct Frames {
    bytes: Vec<u8>,
    frame_size: usize,
    /// How many there are.
    count: usize,
    /// How many of them differ.
    different: usize,
    /// Most of one write.
    most: usize,
    /// Those before it have been sent in this turn.
    first: usize,
    /// How many are to be sent.
    pushed: usize,
    keys: KeyChoice,
}

/// Chooses keys, all as often.
struct KeyChoice {
    ids: Arc<[KeyId]>,
    state: u64,
}

impl Frames {
    fn new(workload: &Workload) -> Self {
        let (frame_size, different) = (workload.frame_size(), workload.frames.len());
        let most = (WRITE_SIZE / frame_size.max(1)).clamp(1, FRAMES_IN_FLIGHT_MAX);
        let count = most.next_multiple_of(different.max(1));
        let bytes = workload.frames.concat().repeat(count / different.max(1));
        let keys = KeyChoice { ids: Arc::clone(&workload.key_ids), state: 0 };
        Self { bytes, frame_size, count, different, most, first: 0, pushed: 0, keys }
    }

    /// How many one write takes.
    fn room(&self) -> usize {
        self.most.min(self.count - self.first)
    }

    fn push(&mut self, request_id: u64) {
        let at = (self.first + self.pushed) * self.frame_size;
        if let Some(field) = self.bytes.get_mut(at + REQUEST_ID_OFFSET..at + REQUEST_ID_OFFSET + size_of::<u64>()) {
            field.copy_from_slice(&request_id.to_be_bytes());
            self.pushed += 1;
        }
        if let Some(KeyId(id)) = self.keys.next()
            && let Some(field) = self.bytes.get_mut(at + HEADER_SIZE..at + HEADER_SIZE + id.len())
        {
            field.copy_from_slice(&id);
        }
    }

    fn take(&mut self) -> &[u8] {
        let (begin, count) = (self.first * self.frame_size, std::mem::take(&mut self.pushed));
        // Equal frames are sent from the same place each time, which stays in the cache of a core.
        if self.different > 1 {
            self.first = (self.first + count) % self.count;
        }
        self.bytes.get(begin..begin + count * self.frame_size).unwrap_or_default()
    }
}

impl KeyChoice {
    fn next(&mut self) -> Option<KeyId> {
        if self.ids.is_empty() {
            return None;
        }
        self.state = self.state.wrapping_add(SPLIT_MIX_STEP);
        // The upper half of a product spreads over any count, without a division.
        let index = (u128::from(split_mix(self.state)) * self.ids.len() as u128) >> 64;
        self.ids.get(usize::try_from(index).ok()?).copied()
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

    use crate::task::{Operation, Task};

    #[test]
    fn frames_go_out_whole_each_with_its_own_request_id() {
        let mut output = OutputBuffer::new();
        output.request(RequestHeader::new(0), Ping { payload: &[7; 50] }).unwrap();
        let mut frames = Frames::new(&workload(vec![output.as_bytes().to_vec()], 0));
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
        let room = |size| Frames::new(&workload(vec![vec![0; size]], 0)).room();
        assert_eq!(room(WRITE_SIZE + 1), 1);
        assert_eq!(room(WRITE_SIZE / 4), 4);
        assert_eq!(room(40), FRAMES_IN_FLIGHT_MAX);
    }

    #[test]
    fn different_frames_take_turns_whatever_is_sent_at_once() {
        let different: Vec<_> = (0..6_u8).map(|number| vec![number; WRITE_SIZE / 4]).collect();
        let mut frames = Frames::new(&workload(different, 0));
        let mut sent = Vec::new();
        for wanted in [1, 4, 3, 4, 2, 1, 4, 4] {
            for _ in 0..frames.room().min(wanted) {
                frames.push(0);
            }
            sent.extend(frames.take().chunks(WRITE_SIZE / 4).map(|frame| usize::from(frame[0])));
        }
        assert!(sent.len() > 12 && sent.iter().copied().eq((0..sent.len()).map(|n| n % 6)), "{sent:?}");
    }

    #[test]
    fn each_frame_names_a_key_that_is_chosen_all_as_often() {
        let mut frames = Frames::new(&workload(vec![vec![0xee; 100]], 16));
        let mut chosen = [0; 16];
        for _ in 0..1_600 {
            frames.push(1);
            let KeyId([key, rest @ ..]) = KeyId(frames.take()[HEADER_SIZE..HEADER_SIZE + 16].try_into().unwrap());
            assert_eq!(rest, [key; 15]);
            chosen[usize::from(key)] += 1;
        }
        assert!(chosen.iter().all(|times| (50..200).contains(times)), "{chosen:?}");
        assert_eq!(frames.keys.ids.len(), 16);
    }

    fn workload(frames: Vec<Vec<u8>>, keys: u8) -> Workload {
        let operation = Operation::Ping;
        let task = Task { operation, algorithm: operation.algorithm_default(), size: 64, batch: 1 };
        let key_ids = (0..keys).map(|key| KeyId([key; 16])).collect();
        Workload { key_ids, ..Workload::of_frames(task, frames) }
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

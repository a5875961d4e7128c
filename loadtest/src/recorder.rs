//! What one thread notes of the replies that it gets.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use claviger_protocol::deframer::Frame;
use claviger_protocol::message::{Item, Results};
use claviger_protocol::{Reply, ReplyHeader, Status};

use crate::conversation::{UNEXPECTED, decode};
use crate::limits::{SAMPLES_MAX, SAMPLES_SIZE_MAX};
use crate::stats::{Failure, Statistics};
use crate::workload::Workload;

/// Counts replies, and keeps a few of them to be checked when nothing is measured any more.
pub(crate) struct Recorder {
    workload: Arc<Workload>,
    /// Only what happens inside counts.
    window: Range<Instant>,
    statistics: Statistics,
    samples: Samples,
}

/// Bodies of replies of status Ok, taken at even distances of time.
struct Samples {
    bodies: Vec<Vec<u8>>,
    bytes_left: usize,
    every: Duration,
    next: Instant,
}

impl Recorder {
    pub(crate) fn new(workload: Arc<Workload>, window: Range<Instant>) -> Self {
        let every = (window.end - window.start) / SAMPLES_MAX;
        let samples = Samples { bodies: Vec::new(), bytes_left: SAMPLES_SIZE_MAX, every, next: window.start };
        Self { workload, window, statistics: Statistics::new(), samples }
    }

    /// Notes the reply to a frame that was meant to be sent at `intended`.
    ///
    /// Throughput counts what arrives inside the window; latency, what was meant to be sent inside it, so that frames which a slow daemon
    /// answers after its end are not left out.
    ///
    /// # Errors
    /// If the reply is not that of the operation.
    pub(crate) fn reply(
        &mut self,
        frame: &Frame<'_, ReplyHeader>,
        intended: Instant,
        now: Instant,
    ) -> anyhow::Result<()> {
        ensure!(frame.header.opcode == self.workload.task.operation.opcode().code(), UNEXPECTED);
        if self.window.contains(&intended) {
            self.statistics.latency(now.saturating_duration_since(intended));
        }
        if self.window.contains(&now) {
            self.statistics.frames += 1;
            self.count_items(frame)?;
            if now >= self.samples.next && frame.header.status == Status::Ok {
                self.samples.keep(frame.body, now);
            }
        }
        Ok(())
    }

    /// What was counted since the last call.
    pub(crate) fn take(&mut self) -> Statistics {
        std::mem::replace(&mut self.statistics, Statistics::new())
    }

    /// The replies that were kept; they are given out once.
    pub(crate) fn take_samples(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.samples.bodies)
    }

    fn count_items(&mut self, frame: &Frame<'_, ReplyHeader>) -> anyhow::Result<()> {
        if frame.header.status != Status::Ok {
            self.statistics.fail(Failure::Frame(frame.header.status.code()));
        } else if self.workload.reply_size == Some(frame.body.len()) {
            // Each item that fails makes its reply shorter, so there is none.
            self.statistics.items += self.workload.task.batch as u64;
        } else {
            self.count_results(frame.body)?;
        }
        Ok(())
    }

    fn count_results(&mut self, body: &[u8]) -> anyhow::Result<()> {
        match decode(self.workload.task.operation.opcode(), body)? {
            Reply::Bytes(results) => self.count(results),
            Reply::Versioned(results) => self.count(results),
            Reply::Verified(results) => self.count(results),
            Reply::Decrypted(results) => self.count(results),
            Reply::GenerateDataKey(results) => self.count(results),
            // What is no batch, and a ping that comes back with another size: its content is looked at when samples are.
            _ => self.statistics.items += 1,
        }
        Ok(())
    }

    fn count<'a, R>(&mut self, results: Results<'a, R>)
    where
        Result<R, Status>: Item<'a>,
    {
        for result in results {
            match result {
                Ok(_) => self.statistics.items += 1,
                Err(status) => self.statistics.fail(Failure::Item(status.code())),
            }
        }
    }
}

impl Samples {
    fn keep(&mut self, body: &[u8], now: Instant) {
        self.next = now + self.every;
        if let Some(left) = self.bytes_left.checked_sub(body.len()) {
            self.bytes_left = left;
            self.bodies.push(body.to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Operation, Task};
    use claviger_protocol::deframer::{self, Step};
    use claviger_protocol::{OutputBuffer, RequestHeader};

    const SECOND: Duration = Duration::from_secs(1);

    fn workload(operation: Operation) -> Arc<Workload> {
        let task = Task { operation, algorithm: operation.algorithm_default(), size: 4, batch: 2 };
        let reply_size = (operation == Operation::Random).then_some(2 + 2 * (5 + 4));
        Arc::new(Workload { reply_size, ..Workload::of_frames(task, Vec::new()) })
    }

    /// A reply with these results.
    fn reply(workload: &Workload, results: [Result<&[u8], Status>; 2]) -> OutputBuffer {
        let mut output = OutputBuffer::new();
        let header = RequestHeader { opcode: workload.task.operation.opcode().code(), ..RequestHeader::new(0) };
        let mut batch = output.reply(&header).batch(2);
        for result in results {
            match result {
                Ok(bytes) => batch.result(bytes),
                Err(status) => batch.status(status),
            };
        }
        batch.finish().unwrap();
        output
    }

    fn frame(output: &OutputBuffer) -> Frame<'_, ReplyHeader> {
        match deframer::reply(output.as_bytes()) {
            Step::Frame(frame) => frame,
            step => panic!("{step:?}"),
        }
    }

    // R-O5
    #[test]
    fn only_what_arrives_inside_the_window_is_throughput_and_what_was_meant_inside_is_latency() {
        let workload = workload(Operation::Random);
        let begin = Instant::now();
        let mut recorder = Recorder::new(Arc::clone(&workload), begin + SECOND..begin + 2 * SECOND);
        let output = reply(&workload, [Ok(b"abcd"), Ok(b"efgh")]);
        // Meant and answered before; meant before and answered inside; both inside; answered long after.
        for (intended, now) in [(0.2, 0.3), (0.9, 1.1), (1.2, 1.3), (1.9, 9.9)] {
            let at = |seconds| begin + Duration::from_secs_f64(seconds);
            recorder.reply(&frame(&output), at(intended), at(now)).unwrap();
        }
        let statistics = recorder.take();
        assert_eq!((statistics.frames, statistics.items), (2, 4));
        assert!(statistics.percentiles().max_ns > 7_900_000_000, "the frame that waited is not left out");
        assert_eq!(recorder.take().frames, 0, "each is counted once");
    }

    // R-O5
    #[test]
    fn items_and_frames_that_failed_are_counted_by_their_status() {
        for operation in [
            Operation::Random,
            Operation::Decrypt,
            Operation::Sign,
            Operation::Verify,
            Operation::AsymmetricDecrypt,
            Operation::GenerateDataKey,
        ] {
            let workload = workload(operation);
            let begin = Instant::now();
            let mut recorder = Recorder::new(Arc::clone(&workload), begin..begin + SECOND);
            let failed = [Err(Status::InternalError), Err(Status::InternalError)];
            recorder.reply(&frame(&reply(&workload, failed)), begin, begin).unwrap();
            let mut refused = OutputBuffer::new();
            let header = RequestHeader { opcode: operation.opcode().code(), ..RequestHeader::new(0) };
            refused.status_reply(&header, Status::Overloaded, 5);
            recorder.reply(&frame(&refused), begin, begin).unwrap();
            let statistics = recorder.take();
            assert_eq!((statistics.frames, statistics.items, statistics.failed()), (2, 0, 3), "{operation:?}");
            assert_eq!(statistics.failures[&Failure::Item(Status::InternalError.code())], 2);
            assert_eq!(statistics.failures[&Failure::Frame(Status::Overloaded.code())], 1);
        }
    }

    #[test]
    fn a_reply_that_is_none_is_an_error() {
        let workload = workload(Operation::Verify);
        let begin = Instant::now();
        let mut recorder = Recorder::new(Arc::clone(&workload), begin..begin + SECOND);
        let output = reply(&workload, [Ok(b"a version is four bytes"), Ok(b"")]);
        assert!(recorder.reply(&frame(&output), begin, begin).is_err());
    }

    // R-O5
    #[test]
    fn samples_are_spread_over_time_and_bounded() {
        let workload = workload(Operation::Random);
        let begin = Instant::now();
        let mut recorder = Recorder::new(Arc::clone(&workload), begin..begin + SECOND);
        let output = reply(&workload, [Ok(b"abcd"), Ok(b"efgh")]);
        for micros in 0..100_000 {
            let now = begin + Duration::from_micros(micros * 10);
            recorder.reply(&frame(&output), now, now).unwrap();
        }
        let samples = recorder.take_samples();
        assert_eq!(samples.len(), 200);
        assert_eq!(samples[0], frame(&output).body);
    }
}

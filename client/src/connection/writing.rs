//! The task that writes requests. What has gathered while it was writing or waiting goes out together: calls for the
//! same key and operation in one frame, and all frames in one write.

use super::waiting::{Callers, Waiter};
use super::{QueuedCall, Shared};
use crate::call::Call;
use crate::config::Coalescing;
use crate::limits::{Limits, WRITE_SIZE};
use crate::raw::RawSender;
use claviger_protocol::{EncodeError, OutputBuffer};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Calls in, frames out.
pub(super) struct Writer {
    sender: RawSender,
    queue: mpsc::Receiver<QueuedCall>,
    /// Taken from the queue, in order.
    gathered: VecDeque<QueuedCall>,
    output: OutputBuffer,
    shared: Arc<Shared>,
    limits: Limits,
    frames_in_flight: Arc<Semaphore>,
    bytes_in_flight: Arc<Semaphore>,
    coalescing: Coalescing,
    /// 0 is that of Hello, and of replies to what the server could not read.
    last_request_id: u64,
}

/// Why writing ends.
struct WritingEnded;

impl Writer {
    pub(super) fn new(
        sender: RawSender,
        queue: mpsc::Receiver<QueuedCall>,
        shared: Arc<Shared>,
        limits: Limits,
        bytes_in_flight: Arc<Semaphore>,
        coalescing: Coalescing,
    ) -> Self {
        Self {
            sender,
            queue,
            gathered: VecDeque::new(),
            output: OutputBuffer::new(),
            shared,
            limits,
            frames_in_flight: Arc::new(Semaphore::new(limits.frames_in_flight)),
            bytes_in_flight,
            coalescing,
            last_request_id: 0,
        }
    }

    /// Writes until nobody calls any more, or until the byte stream ends.
    pub(super) async fn run(mut self) {
        let ended = self.shared.ended.clone();
        let nobody_calls = tokio::select! {
            () = ended.cancelled() => false,
            result = self.write() => result.is_ok(),
        };
        if nobody_calls && self.sender.finish().await.is_err() {
            tracing::debug!("the byte stream ended before it was finished");
        }
        // Whoever waits for a reply can still call: so nobody waits either, or the stream is broken.
        ended.cancel();
    }

    async fn write(&mut self) -> Result<(), WritingEnded> {
        while let Some(first) = self.queue.recv().await {
            self.gathered.push_back(first);
            while !self.gathered.is_empty() {
                self.write_frame().await?;
                if self.gathered.is_empty() {
                    self.gather();
                }
            }
            self.flush().await?;
            // Nothing more is to be sent for a moment, and plaintext need not lie about.
            self.output.wipe();
        }
        Ok(())
    }

    /// Writes one frame: the call that has waited longest, and those that fit to it.
    async fn write_frame(&mut self) -> Result<(), WritingEnded> {
        let frames = Arc::clone(&self.frames_in_flight);
        let frame_permit = self.admit(&frames, 1).await?;
        self.gather();
        let Some(calls) = self.take_calls() else { return Ok(()) };
        let size = calls.iter().map(|queued| queued.call.size()).sum::<usize>().min(self.limits.bytes_in_flight);
        let bytes = Arc::clone(&self.bytes_in_flight);
        let bytes_permit = self.admit(&bytes, size).await?;

        self.last_request_id += 1;
        let calls: (Vec<_>, Vec<_>) = calls.into_iter().map(|queued| (queued.call, queued.reply)).unzip();
        let (calls, mut callers) = calls;
        if encode(&mut self.output, &calls, self.last_request_id).is_err() {
            // Each of them fits a frame, and `take_calls` puts no more together than fit.
            return Err(WritingEnded);
        }
        let callers = match callers.pop() {
            Some(caller) if callers.is_empty() => Callers::One(caller),
            last => Callers::EachItem(callers.into_iter().chain(last).collect()),
        };
        let Some(opcode) = calls.first().map(|call| call.opcode) else { return Ok(()) };
        let waiter = Waiter { opcode, callers, _in_flight: [frame_permit, bytes_permit] };
        self.shared.waiting.add(self.last_request_id, waiter);
        if self.output.len() >= WRITE_SIZE { self.flush().await } else { Ok(()) }
    }

    /// Takes over what has been queued meanwhile, without waiting.
    fn gather(&mut self) {
        while self.gathered.len() < self.coalescing.items_max {
            let Ok(queued) = self.queue.try_recv() else { return };
            self.gathered.push_back(queued);
        }
    }

    /// Takes the call that has waited longest, and those that fit to it; calls that nobody waits for are dropped.
    fn take_calls(&mut self) -> Option<Vec<QueuedCall>> {
        self.gathered.retain(|queued| !queued.reply.is_closed());
        let first = self.gathered.pop_front()?;
        let items_max = self.coalescing.items_max.min(self.limits.batch_items);
        let size_max = self.coalescing.frame_size_max.min(self.limits.frame_size);
        let mut size = first.call.size();
        let mut calls = vec![first];
        if !self.may_merge(calls.first()) {
            return Some(calls);
        }
        let mut others = VecDeque::with_capacity(self.gathered.len());
        for queued in self.gathered.drain(..) {
            let fits = calls.len() < items_max
                && size + queued.call.size() <= size_max
                && queued.call.size() <= self.coalescing.item_size_max
                && calls.first().is_some_and(|first| first.call.fits(&queued.call))
                && queued.call.prefix_and_item().is_some();
            if fits {
                size += queued.call.size();
                calls.push(queued);
            } else {
                others.push_back(queued);
            }
        }
        self.gathered = others;
        Some(calls)
    }

    fn may_merge(&self, queued: Option<&QueuedCall>) -> bool {
        queued.is_some_and(|queued| {
            queued.call.prefix_and_item().is_some() && queued.call.size() <= self.coalescing.item_size_max
        })
    }

    /// Waits for a share of what may be in flight; what is written already goes out first, since its replies make room.
    async fn admit(&mut self, semaphore: &Arc<Semaphore>, count: usize) -> Result<OwnedSemaphorePermit, WritingEnded> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if let Ok(permit) = Arc::clone(semaphore).try_acquire_many_owned(count) {
            return Ok(permit);
        }
        self.flush().await?;
        Arc::clone(semaphore).acquire_many_owned(count).await.map_err(|_| WritingEnded)
    }

    async fn flush(&mut self) -> Result<(), WritingEnded> {
        if !self.output.is_empty() {
            self.sender.send(self.output.as_bytes()).await.map_err(|_| WritingEnded)?;
            self.output.clear();
        }
        Ok(())
    }
}

/// Appends one frame for all these calls, of which there are several only if they fit to each other.
fn encode(output: &mut OutputBuffer, calls: &[Arc<Call>], request_id: u64) -> Result<(), EncodeError> {
    let (Some(first), Some(deadline)) = (calls.first(), calls.iter().map(|call| call.deadline).max()) else {
        return Ok(());
    };
    let mut frame = output.begin_request(&first.header(request_id, deadline));
    match first.prefix_and_item() {
        Some((prefix, _)) if calls.len() > 1 => {
            frame.bytes(prefix);
            frame.u16(u16::try_from(calls.len()).map_err(|_| EncodeError::ItemCount)?);
            for (_, item) in calls.iter().filter_map(|call| call.prefix_and_item()) {
                frame.bytes(item);
            }
        }
        _ => frame.bytes(first.body()),
    }
    frame.finish()
}

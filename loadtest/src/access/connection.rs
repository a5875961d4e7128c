//! One connection: it encrypts one item after the other, and notices when it is refused, and when it is let in again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use claviger_protocol::message::{Encrypt, EncryptItem};
use claviger_protocol::{KeyId, Reply};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;

use crate::conversation::{Conversation, UNEXPECTED, all_done};

/// What all connections share. Orders are numbered; those that let in and those that refuse take turns, so the even ones let in.
pub(super) struct Shared {
    ordered: AtomicU64,
    /// The last order that was answered.
    acknowledged: AtomicU64,
    /// From which the moments of orders are counted.
    began: Instant,
    /// When the last order was given, in nanoseconds after that.
    ordered_ns: AtomicU64,
    rests: AtomicBool,
    served: AtomicU64,
    refused: AtomicU64,
    served_after_answer: AtomicU64,
    refused_after_answer: AtomicU64,
}

/// A connection has been answered as the last order says for the first time, so long after it; or it rests.
pub(super) struct Seen(pub(super) Duration);

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            ordered: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            began: Instant::now(),
            ordered_ns: AtomicU64::new(0),
            rests: AtomicBool::new(false),
            served: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            served_after_answer: AtomicU64::new(0),
            refused_after_answer: AtomicU64::new(0),
        }
    }

    /// A change is ordered now. Gives the moment.
    pub(super) fn order(&self, admits: bool) -> Instant {
        let now = Instant::now();
        // Before the number, by which connections know that there is an order.
        self.ordered_ns.store(nanoseconds(now - self.began), Ordering::SeqCst);
        let number = self.ordered.fetch_add(1, Ordering::SeqCst) + 1;
        debug_assert_eq!(lets_in(number), admits, "those that let in and those that refuse take turns");
        now
    }

    /// How long this moment is after the last order.
    fn since_order(&self, moment: Instant) -> Duration {
        let ordered = self.began + Duration::from_nanos(self.ordered_ns.load(Ordering::SeqCst));
        moment.saturating_duration_since(ordered)
    }

    /// The last order is answered.
    pub(super) fn acknowledge(&self) {
        self.acknowledged.store(self.ordered.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// From now on connections ask nothing, and wait for their end.
    pub(super) fn rest(&self) {
        self.rests.store(true, Ordering::SeqCst);
    }

    /// Served, refused, and both of them after an answer that says otherwise.
    pub(super) fn counts(&self) -> [u64; 4] {
        [&self.served, &self.refused, &self.served_after_answer, &self.refused_after_answer]
            .map(|count| count.load(Ordering::SeqCst))
    }
}

/// Uses the key until all connections rest, then waits for the end of its own; gives the moment when that came.
///
/// # Errors
/// If it is answered anything but a result or `NotPermitted`, or ends before.
pub(super) async fn use_key(
    mut conversation: Conversation,
    key_id: KeyId,
    pause: Duration,
    shared: Arc<Shared>,
    seen: UnboundedSender<Seen>,
) -> anyhow::Result<Instant> {
    let mut last_seen = None;
    while !shared.rests.load(Ordering::SeqCst) {
        let acknowledged = shared.acknowledged.load(Ordering::SeqCst);
        let is_served = encrypt(&mut conversation, key_id).await?;
        let now = Instant::now();
        let ordered = shared.ordered.load(Ordering::SeqCst);
        let is_as_ordered = is_served == lets_in(ordered);
        let count = if is_served { &shared.served } else { &shared.refused };
        count.fetch_add(1, Ordering::Relaxed);
        // No change was under way from before it was sent until after it was answered.
        if acknowledged == ordered && !is_as_ordered {
            let count = if is_served { &shared.served_after_answer } else { &shared.refused_after_answer };
            count.fetch_add(1, Ordering::SeqCst);
        }
        if is_as_ordered && last_seen != Some(ordered) {
            last_seen = Some(ordered);
            // Whoever counts has given up if nobody listens.
            let _ = seen.send(Seen(shared.since_order(now)));
        }
        sleep(pause).await;
    }
    // Nothing is in flight any more that the last change could refuse.
    let _ = seen.send(Seen(Duration::ZERO));
    conversation.closed().await?;
    Ok(Instant::now())
}

/// Whether the connection is let in.
async fn encrypt(conversation: &mut Conversation, key_id: KeyId) -> anyhow::Result<bool> {
    let items = [EncryptItem { context: &[], plaintext: &[0x5a; ITEM_SIZE] }];
    let Some(reply) = conversation.ask_if_permitted(Encrypt { key_id, items }).await? else { return Ok(false) };
    let Reply::Bytes(results) = reply.decode()? else { bail!(UNEXPECTED) };
    all_done(results)?;
    Ok(true)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

const fn lets_in(order: u64) -> bool {
    order.is_multiple_of(2)
}

/// Bytes of each plaintext.
pub(super) const ITEM_SIZE: usize = 64;

//! One request between being read and being answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use claviger_engine::worker::PinnedKey;
use claviger_protocol::{Opcode, RequestHeader};
use zeroize::Zeroizing;

use super::quota::Price;
use super::room::{Room, Share};

/// A request whose header has been understood.
#[derive(Clone)]
pub(super) struct Incoming {
    pub(super) header: RequestHeader,
    pub(super) opcode: Opcode,
    /// Bytes of its body.
    pub(super) body_size: usize,
    /// When it was read.
    pub(super) read: Instant,
    /// When nobody waits for the answer any more.
    pub(super) deadline: Option<Instant>,
    /// When it stops waiting for a change, if it has begun to.
    pub(super) wait_end: Option<Instant>,
    /// How often it was begun.
    pub(super) attempts: u8,
    /// What has been counted of it against the quotas of its key stores.
    pub(super) paid: Option<Price>,
    /// Whether something of its work is done, be it in vain.
    pub(super) has_begun: bool,
    /// Keys that were loaded for it: held, they stay in memory until it has been begun again.
    pub(super) loaded: Vec<PinnedKey>,
}

/// The body of a request: in the receive buffer, or kept while the request waits.
pub(super) enum Body<'a> {
    Borrowed(&'a [u8]),
    Kept(Arc<KeptBody>),
}

/// A body that outlives the receive buffer. It may carry plaintext: it is wiped when the last holder drops it.
pub(super) struct KeptBody {
    bytes: Zeroizing<Vec<u8>>,
    _room: Room,
}

/// A request that waits for storage or for a lane.
#[derive(Clone)]
pub(super) struct Waiting {
    pub(super) request: Incoming,
    pub(super) body: Arc<KeptBody>,
}

impl Incoming {
    /// A request that was read at `now`.
    pub(super) fn new(header: RequestHeader, opcode: Opcode, body_size: usize, now: Instant) -> Self {
        let milliseconds = u64::from(header.deadline_ms.min(claviger_protocol::limits::DEADLINE_MS_MAX));
        let deadline = (milliseconds > 0).then(|| now + Duration::from_millis(milliseconds));
        let (wait_end, paid, has_begun, loaded) = (None, None, false, Vec::new());
        Self { header, opcode, body_size, read: now, deadline, wait_end, attempts: 0, paid, has_begun, loaded }
    }

    /// Whether its deadline has passed.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

impl Body<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Kept(kept) => kept.bytes(),
        }
    }

    /// Keeps the body; `None` if the connection has no room for it.
    pub(super) fn keep(&self, share: &Arc<Share>) -> Option<Arc<KeptBody>> {
        match self {
            Self::Borrowed(bytes) => {
                let room = share.take(bytes.len())?;
                Some(Arc::new(KeptBody { bytes: Zeroizing::new(bytes.to_vec()), _room: room }))
            }
            Self::Kept(kept) => Some(Arc::clone(kept)),
        }
    }
}

impl KeptBody {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

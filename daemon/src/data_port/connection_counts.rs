//! Connections that came, stay, or were not let in, counted for whoever watches. A handshake costs a thousand times more than these counts.

use std::sync::atomic::{AtomicU64, Ordering};

use super::identity::Transport;

/// The counts of the data port.
#[derive(Default)]
pub(crate) struct ConnectionCounts {
    transports: [TransportCounts; Transport::ALL.len()],
}

#[derive(Default)]
struct TransportCounts {
    open: AtomicU64,
    accepted: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
}

/// Why a connection was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There are as many as there may be.
    Full,
    /// The handshake failed: no TLS 1.3, no common protocol, a certificate that cannot be used, or the client went away.
    Handshake,
    /// The handshake took too long.
    Late,
}

impl Refusal {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Full, Self::Handshake, Self::Late];

    /// Its name among the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Handshake => "handshake",
            Self::Late => "late",
        }
    }
}

impl ConnectionCounts {
    /// A connection has a place, its handshake comes next.
    pub(super) fn opened(&self, transport: Transport) {
        self.of(transport).open.fetch_add(1, Ordering::Relaxed);
    }

    /// It gives its place back.
    pub(super) fn closed(&self, transport: Transport) {
        self.of(transport).open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Its handshake has succeeded.
    pub(super) fn accepted(&self, transport: Transport) {
        self.of(transport).accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// One was not let in.
    pub(super) fn refused(&self, transport: Transport, refusal: Refusal) {
        let [full, handshake, late] = &self.of(transport).refused;
        let count = match refusal {
            Refusal::Full => full,
            Refusal::Handshake => handshake,
            Refusal::Late => late,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Those that are open now.
    pub(crate) fn open(&self, transport: Transport) -> u64 {
        self.of(transport).open.load(Ordering::Relaxed)
    }

    /// Those whose handshake has succeeded.
    pub(crate) fn all_accepted(&self, transport: Transport) -> u64 {
        self.of(transport).accepted.load(Ordering::Relaxed)
    }

    /// Those that were not let in, by reason.
    pub(crate) fn all_refused(&self, transport: Transport) -> impl Iterator<Item = (Refusal, u64)> {
        Refusal::ALL.into_iter().zip(self.of(transport).refused.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    const fn of(&self, transport: Transport) -> &TransportCounts {
        let [tcp, quic] = &self.transports;
        match transport {
            Transport::Tcp => tcp,
            Transport::Quic => quic,
        }
    }
}

//! The life of a key as it is stored: deletion, what is kept after it, rotation by the clock and by use.

use std::time::Duration;

use super::super::codec::{Reader, Writer};
use crate::limits::{
    DELETED_KEY_KEPT, DELETED_KEY_WITNESSED, DELETION_WAIT_MAX, DELETION_WAIT_MIN, ROTATION_PERIOD_DAYS_MAX,
};
use crate::shred::ShredClass;

/// A deletion that was requested. It is made when the wall clock has reached the deadline and the installation has been running for as long since the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// When it was requested, in milliseconds since 1970.
    pub requested_ms: u64,
    /// When it is made at the earliest, in milliseconds since 1970.
    pub deadline_ms: u64,
    /// For how long the installation had been running in all when it was requested, in milliseconds.
    pub running_ms: u64,
}

/// A deletion that was made. What was kept of the key is forgotten when the wall clock is 365 days further and the installation has been running for a month since: a
/// clock that is set wrong for a while forgets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// For how long the installation had been running in all by then, in milliseconds.
    pub running_ms: u64,
    /// When nothing of it could be unwrapped any more, not from old copies of the storage either; `None` as long as its shred secret is on a mirror that could not be written.
    pub destroyed: Option<Destroyed>,
}

/// The end of a shred secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destroyed {
    /// What that is worth.
    pub class: ShredClass,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// Rotation by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// 1..=730 days.
    pub period_days: u16,
    /// When it is rotated next, in milliseconds since 1970. Rotation by hand does not move it.
    pub next_ms: u64,
}

impl Deletion {
    /// How long the deletion waits, in milliseconds of the wall clock and of running time.
    pub(crate) const fn wait_ms(&self) -> u64 {
        self.deadline_ms.saturating_sub(self.requested_ms)
    }

    /// Whether both clocks say that the wait is over.
    pub(crate) const fn is_due(&self, now_ms: u64, running_ms: u64) -> bool {
        now_ms >= self.deadline_ms && running_ms.saturating_sub(self.running_ms) >= self.wait_ms()
    }

    pub(in crate::record) fn is_consistent(&self) -> bool {
        let bounds = milliseconds(DELETION_WAIT_MIN)..=milliseconds(DELETION_WAIT_MAX);
        self.deadline_ms >= self.requested_ms && bounds.contains(&self.wait_ms())
    }

    pub(in crate::record) fn encode(&self, out: &mut Writer) {
        out.u64(self.requested_ms).u64(self.deadline_ms).u64(self.running_ms);
    }

    pub(in crate::record) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { requested_ms: reader.u64()?, deadline_ms: reader.u64()?, running_ms: reader.u64()? })
    }
}

impl Deleted {
    /// Until when what the key was is told, by the wall clock, in milliseconds since 1970.
    pub(crate) fn kept_until_ms(&self) -> u64 {
        self.at_ms.saturating_add(milliseconds(DELETED_KEY_KEPT))
    }

    /// Whether both clocks say that it has been told for long enough.
    pub(crate) fn is_over(&self, now_ms: u64, running_ms: u64) -> bool {
        let running_since_ms = running_ms.saturating_sub(self.running_ms);
        now_ms >= self.kept_until_ms() && running_since_ms >= milliseconds(DELETED_KEY_WITNESSED)
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        out.u64(self.at_ms).u64(self.running_ms);
        out.optional(self.destroyed.as_ref(), |out, destroyed| {
            out.u8(destroyed.class.id()).u64(destroyed.at_ms);
        });
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let (at_ms, running_ms) = (reader.u64()?, reader.u64()?);
        let destroyed = reader
            .optional(|reader| Some(Destroyed { class: ShredClass::from_id(reader.u8()?)?, at_ms: reader.u64()? }))?;
        Some(Self { at_ms, running_ms, destroyed })
    }
}

impl Rotation {
    /// A cycle of so many days that begins now.
    pub(crate) fn starting(period_days: u16, now_ms: u64) -> Self {
        let mut rotation = Self { period_days, next_ms: now_ms };
        rotation.next_ms = now_ms.saturating_add(rotation.period_ms());
        rotation
    }

    /// The period, in milliseconds.
    pub(crate) fn period_ms(&self) -> u64 {
        milliseconds(DAY * u32::from(self.period_days))
    }

    /// The same cycle after what was due until now: cycles that were missed count as one.
    pub(crate) fn after(&self, now_ms: u64) -> Self {
        let missed = now_ms.saturating_sub(self.next_ms).checked_div(self.period_ms()).unwrap_or(0);
        let next_ms = self.next_ms.saturating_add(missed.saturating_add(1).saturating_mul(self.period_ms()));
        Self { next_ms, ..*self }
    }

    pub(super) fn is_consistent(&self) -> bool {
        (1..=ROTATION_PERIOD_DAYS_MAX).contains(&self.period_days)
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        out.u16(self.period_days).u64(self.next_ms);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { period_days: reader.u16()?, next_ms: reader.u64()? })
    }
}

/// Rotation by use: when the current version has been used so much, the key gets another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationByUse {
    /// After so many items, 1 at least.
    pub items: Option<u64>,
    /// After so many bytes of plaintext or message, 1 at least.
    pub bytes: Option<u64>,
}

impl RotationByUse {
    /// Whether a version that was used so much is to be followed by another.
    pub(crate) fn is_due(&self, items: u64, bytes: u64) -> bool {
        self.items.is_some_and(|bound| items >= bound) || self.bytes.is_some_and(|bound| bytes >= bound)
    }

    /// One of both bounds at least, and neither zero.
    pub(crate) fn is_consistent(&self) -> bool {
        let bounds = [self.items, self.bytes];
        bounds.iter().any(Option::is_some) && !bounds.contains(&Some(0))
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        for bound in [self.items, self.bytes] {
            out.optional(bound.as_ref(), |out, bound| {
                out.u64(*bound);
            });
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { items: reader.optional(Reader::u64)?, bytes: reader.optional(Reader::u64)? })
    }
}

/// As milliseconds; the spans of the engine are far below 584 million years.
pub(crate) fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

const DAY: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;

    // R-K12
    #[test]
    fn a_version_is_due_when_either_bound_is_reached_and_not_before() {
        let due = |items, bytes, used| RotationByUse { items, bytes }.is_due(used, 100 * used);
        for (items, bytes, used, is_due) in [
            (Some(10), None, 9, false),
            (Some(10), None, 10, true),
            (Some(10), None, 11, true),
            (None, Some(1_000), 9, false),
            (None, Some(1_000), 10, true),
            (Some(10), Some(u64::MAX), 9, false),
            (Some(10), Some(u64::MAX), 10, true),
            (Some(u64::MAX), Some(1_000), 10, true),
            (None, None, u64::MAX / 100, false),
        ] {
            assert_eq!(due(items, bytes, used), is_due, "{items:?} {bytes:?} {used}");
        }
    }
}

//! Bounds that both sides of the control port must know, and those of its client, with unit and reason.

use std::time::Duration;

/// Shortest lifetime of a client certificate in days.
pub const CERTIFICATE_DAYS_MIN: u32 = 1;

/// Longest lifetime of a client certificate in days: whoever is not looked at again in a year should not come in.
pub const CERTIFICATE_DAYS_MAX: u32 = 398;

/// Lifetime of a client certificate in days, unless the request names another.
pub const CERTIFICATE_DAYS: u32 = 90;

/// Longest time for which a certificate lets in beside the one that renews it, in hours: 90 days.
pub const OVERLAP_HOURS_MAX: u32 = 90 * 24;

/// That time unless the request names another, in hours: a week, in which a client can be given the new one.
pub const OVERLAP_HOURS: u32 = 7 * 24;

/// Shortest wait between the request of a deletion and the deletion, in hours.
pub const DELETION_WAIT_HOURS_MIN: u32 = 24;

/// Longest wait between the request of a deletion and the deletion, in hours: 30 days.
pub const DELETION_WAIT_HOURS_MAX: u32 = 30 * 24;

/// Wait between the request of a deletion and the deletion, in hours, unless the request names another.
pub const DELETION_WAIT_HOURS: u32 = 72;

/// Shortest time from one rotation to the next, in days.
pub const ROTATION_DAYS_MIN: u16 = 1;

/// Longest time from one rotation to the next, in days: two years.
pub const ROTATION_DAYS_MAX: u16 = 730;

/// Most certificates of a person.
pub const PERSON_CERTIFICATES_MAX: usize = 8;

/// Most bytes of a reply: a page of 1,000 keys with 100 versions each takes some 8 MB, and 40 MB if each has as many labels and aliases as it may have, as long as they may be.
pub const REPLY_SIZE_MAX: usize = 48 * 1024 * 1024;

/// How long a connection may take to be made, its handshake included.
pub const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long a request may take: more than any route of the server allows itself, so that the server's own answer is seen.
pub const REQUEST_TIME: Duration = Duration::from_secs(180);

/// Most characters of an idempotency key: a UUID, or a hash in hexadecimal digits.
pub const IDEMPOTENCY_KEY_SIZE_MAX: usize = 64;

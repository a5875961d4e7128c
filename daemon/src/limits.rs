//! Every bound of the daemon, with unit and reason. Bounds of messages are in `claviger_protocol::limits`, those of the engine in `claviger_engine::limits`.

use std::time::Duration;

// Data port.

/// How long a worker looks for more, at most, before it sleeps: it is to bridge the time between two requests of a busy client, not that between two clients.
pub const BUSY_POLL_MAX: Duration = Duration::from_millis(10);

/// Stores about which a connection remembers decisions. A client uses one or two.
pub const DECISIONS_MAX: usize = 64;

/// Bytes that a connection gathers before it works on them, unless one frame is larger: about what is best in flight, and small enough to stay in the cache of a core.
pub const GATHER_SIZE: usize = 256 * 1024;

/// Bytes by which a receive buffer grows at least.
pub const RECEIVE_SIZE_MIN: usize = 16 * 1024;

/// Bytes of a receive buffer that every connection may have, which is memory of its worker. What is more takes room from [`RECEIVED_BYTES_MAX`].
pub const RECEIVE_SIZE_FREE: usize = 64 * 1024;

/// Buffers of each kind that a worker keeps for whichever of its connections needs one next: as many as are in use at once while clients take what is written to them.
pub const SPARE_BUFFERS_MAX: usize = 8;

/// Bytes of memory for replies that a connection gives to others when all are written. A busy connection keeps what is more, until it rests.
pub const SPARE_OUTPUT_SIZE_MAX: usize = 64 * 1024;

/// Bytes of one certificate that a client shows: ten times what is usual.
pub const CERTIFICATE_SIZE_MAX: usize = 16 * 1024;

/// Certificates between that of a client and its authority.
pub const INTERMEDIATES_MAX: usize = 4;

/// How long a refusal is remembered, in milliseconds.
pub const REFUSAL_MS: u64 = 10_000;

/// What one connection may work at a stretch, by the table of algorithms, while others on the same worker wait.
pub const TURN_COST_MAX: Duration = Duration::from_micros(250);

/// Clients of one key store of which it is known apart what is left of their quotas: as many as rows of authentication data name; those beyond, which only networks let in, share one
/// quota. Each takes 64 bytes for each worker, and some 200.
pub const QUOTA_CLIENTS_MAX: usize = 1_024;

/// What a worker takes of a quota at once and then spends by itself, as the time in which it comes in.
pub const QUOTA_SLICE: Duration = Duration::from_millis(1);

/// The part of a burst that workers hold together at most, whatever comes in within [`QUOTA_SLICE`]: one of so many.
pub const QUOTA_HELD_PART: u64 = 8;

/// What a description read from storage costs, by the clock: a request for names costs it for each name.
pub const DESCRIPTION_COST: Duration = Duration::from_micros(10);

/// Requests of a byte stream that may be refused as Overloaded before the advice given with the first of them has passed: as many as may well be on their way.
pub const REFUSED_EARLY_MAX: usize = 256;

/// How long a byte stream is not read from after that.
pub const REFUSED_PAUSE: Duration = Duration::from_millis(20);

/// Names that one piece of work looks up: then others have their turn.
pub const NAMES_PER_PIECE: usize = 50;

const _: () = assert!(
    DESCRIPTION_COST.as_nanos() * NAMES_PER_PIECE as u128 <= claviger_engine::limits::LANE_PIECE_COST.as_nanos()
);

/// Bytes of memory that a name takes which is looked up, with what is found: one of 100 bytes, and some 60.
pub const NAME_LOOKED_UP_SIZE: usize = 192;

/// Bytes of memory that a described key takes at most: a text of 1 KiB, 32 labels of 360 and as many aliases of 130, 100 versions of 32.
pub const KEY_DESCRIBED_SIZE: usize = 24 * 1024;

/// What each frame costs beside its items.
pub const FRAME_COST: Duration = Duration::from_nanos(500);

/// As [`FRAMES_IN_FLIGHT`], before a key store has let the client in.
pub const FRAMES_IN_FLIGHT_STRANGER: usize = 64;

/// Bytes of replies at which a connection writes before it goes on working.
pub const OUTPUT_SIZE: usize = 256 * 1024;

/// Bytes of one write: four TLS records that, with what encryption adds, leave as one segment of the loopback interface. A little more would be a segment of its own for the rest, with all that
/// the kernel does for one; much more leaves the cache of a core between encryption and the kernel's copy.
pub const WRITE_SIZE: usize = 65_280;

/// Bytes that encryption adds to a TLS record (RFC 8446 section 5.2): a header of 5, the type of what is in it, and a tag of 16.
const RECORD_OVERHEAD: usize = 5 + 1 + 16;

/// Bytes of a segment of the loopback interface over IPv6, the smaller one: its 65,536 without the headers of IP and TCP.
const LOOPBACK_SEGMENT_SIZE: usize = 65_464;

const _: () = assert!(
    WRITE_SIZE + WRITE_SIZE.div_ceil(16 * 1024) * RECORD_OVERHEAD <= LOOPBACK_SEGMENT_SIZE,
    "a write is one segment"
);

/// Bytes read from a TCP socket at once.
pub const SOCKET_READ_SIZE: usize = 128 * 1024;

/// Bytes read from a TCP socket at once during the handshake: more than most have.
pub const HANDSHAKE_READ_SIZE: usize = 8 * 1024;

/// Bytes of a TLS record (RFC 8446 section 5.2): a header of 5, 2^14 of plaintext, and 256 of what encryption adds.
pub const RECORD_SIZE_MAX: usize = 5 + 16 * 1024 + 256;

/// Bytes of TLS that may wait for more of them before they are understood: a handshake message of 64 KiB, which is the most that rustls takes, in records of 16 KiB.
pub const UNREAD_SIZE_MAX: usize = 96 * 1024;

/// Unanswered requests of one byte stream that wait for a lane or for storage. Announced in the greeting.
pub const FRAMES_IN_FLIGHT: usize = 1_024;

/// Unanswered requests of one byte stream that wait for a change of a secret: half of [`FRAMES_IN_FLIGHT`], so that waits never keep out work.
pub const WAITS_PER_STREAM: usize = FRAMES_IN_FLIGHT / 2;

/// Requests that wait for a change of a secret in the whole daemon: some 50 MB.
pub const WAITS_MAX: usize = 64 * 1024;

/// Bytes of large receive buffers in the whole daemon.
pub const RECEIVED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes of all requests that wait for a lane or for storage, and of the replies of a lane that wait for their clients, in the whole daemon.
pub const WAITING_BYTES_MAX: usize = 256 * 1024 * 1024;

/// For how long, by the table of costs, a piece of work on the compute pool goes on before it looks whether somebody still waits for it: far below the
/// time in which a change of a key must be seen, and long against the look.
pub const LANE_LOOK_EVERY: Duration = Duration::from_micros(100);

/// Places in the queue of the compute pool that one request takes at most, whatever it costs: half of what one connection alone can have.
pub const LANE_PLACES_MAX: usize = claviger_engine::limits::COMPUTE_QUEUE_SIZE / 4;

/// How often a request is begun anew because its keys changed or left the cache meanwhile. After that it is answered Overloaded.
pub const ATTEMPTS_MAX: u8 = 8;

/// Bytes of a certificate's subject in the answer to Whoami. A longer one is left out: escaping can make three bytes of one.
pub const SUBJECT_SIZE_MAX: usize = 4_096;

/// How long a client may take for the handshake, and then for its first Hello.
pub const HELLO_TIME: Duration = Duration::from_secs(10);

/// How long a client may take for one frame.
pub const FRAME_TIME: Duration = Duration::from_secs(30);

/// How long a client may take to read a part of what is written to it: [`WRITE_SIZE`] bytes.
pub const WRITE_TIME: Duration = Duration::from_secs(30);

/// How long a TCP connection that the server ends is read on, so that its last reply arrives.
pub const LINGER_TIME: Duration = Duration::from_secs(1);

/// Most bytes that are read on meanwhile.
pub const LINGER_SIZE_MAX: usize = 4 * 1024 * 1024;

/// What one item of random bytes costs: mostly the call of the generator.
pub const RANDOM_ITEM_COST: Duration = Duration::from_nanos(600);

/// What each 1,024 random bytes cost beyond that.
pub const RANDOM_KIBIBYTE_COST: Duration = Duration::from_nanos(1_000);

/// How long a connection without work answers new requests with ShuttingDown before it is closed.
pub const DRAIN_NOTICE: Duration = Duration::from_secs(1);

/// QUIC streams that a client may have open at once. Announced in the greeting.
pub const STREAMS_PER_CONNECTION: u32 = 16;

/// QUIC streams that the transport allows at once: an eighth more, because it gives back the places of streams that have ended only when it has so many of them.
pub const QUIC_STREAMS_MAX: u32 = STREAMS_PER_CONNECTION + STREAMS_PER_CONNECTION / 8;

/// How many times within the idle time a QUIC connection is asked whether it is still there: a client that waits for an answer sends nothing by itself.
pub const QUIC_KEEP_ALIVES: u32 = 3;

/// Bytes that a client may send on one QUIC stream ahead of what is read: one frame, and the next one under way.
pub const QUIC_STREAM_WINDOW: u32 = 2 * 1024 * 1024;

/// Bytes that a client may send on one QUIC connection ahead of what is read.
pub const QUIC_CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;

/// Bytes sent on one QUIC connection that are not acknowledged yet.
pub const QUIC_SEND_WINDOW: u64 = 8 * 1024 * 1024;

/// Most bytes of one QUIC datagram; found out for each path. Where the path allows them, 4,000 are worth 1.5x and more over 1,452, and these 1.15x over 4,000.
/// quinn hands ten at once to the kernel, which takes 65,507 bytes: larger ones would not be sent.
pub const QUIC_DATAGRAM_SIZE_MAX: u16 = 6_500;

// The peer's shortest and longest advice to wait when it is told Overloaded.

/// Least milliseconds.
pub const RETRY_MS_MIN: u32 = 5;

/// Most milliseconds.
pub const RETRY_MS_MAX: u32 = 1_000;

// Configuration and start.

/// The data port, unless set otherwise.
pub const DATA_PORT: u16 = 7700;

/// The control port, unless set otherwise.
pub const CONTROL_PORT: u16 = 7701;

/// Most worker threads: more than any machine has cores that it pays to use.
pub const WORKERS_MAX: usize = 256;

/// Connections of the data port at once, unless set otherwise: below 1 GB of memory while most are silent.
pub const CONNECTIONS_MAX: usize = 10_000;

/// Time without frames after which a connection of the data port is closed, unless set otherwise.
pub const IDLE: Duration = Duration::from_secs(300);

/// Time for requests that have been read when the daemon ends, unless set otherwise.
pub const DRAIN: Duration = Duration::from_secs(10);

/// Unwrapped keys in memory, unless set otherwise: 0.5 GB of symmetric keys if all are in use.
pub const KEYS_CACHED: usize = 1_000_000;

/// Most bytes of a configuration file. The example, which explains everything, takes a tenth.
pub const CONFIG_FILE_SIZE_MAX: u64 = 64 * 1024;

/// Most bytes of a PEM file: a chain of some twenty certificates, or as many authorities.
pub const PEM_FILE_SIZE_MAX: u64 = 64 * 1024;

// Certificates.

/// Most bytes of a subject's common name (RFC 5280 appendix A, ub-common-name).
pub const COMMON_NAME_SIZE_MAX: usize = 64;

/// How long an authority lives. Its certificates end with it; a new one has to be made before.
pub const AUTHORITY_LIFETIME: Duration = days(10 * 365);

/// How far the clock of another machine may be behind: certificates begin so much earlier.
pub const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 60 * 60)
}

// Control port.

/// How soon before its end health warns of a certificate: time for somebody to be away.
pub const CERTIFICATE_WARNING: Duration = days(14);

/// Key stores whose authorities have a metric of their own; the rest has one in common.
pub const STORES_WATCHED: usize = 100;

/// How long a worker thread may take to take up something: twenty thousand times what it works at a stretch.
pub const LIVENESS_TIME: Duration = Duration::from_secs(5);

/// Connections of the listener for metrics at once: a few scrapers, and probes.
pub const METRICS_CONNECTIONS_MAX: usize = 32;

/// How long one of them may take, from the first byte of the request to the last of the reply.
pub const METRICS_CONNECTION_TIME: Duration = Duration::from_secs(10);

/// Connections of administrators and their programs at once, counted after the handshake.
pub const CONTROL_CONNECTIONS_MAX: usize = 64;

/// Connections of the control port whose clients have not shown yet who they are. Strangers can fill these places and no others,
/// for [`CONTROL_HANDSHAKE_TIME`] each; 20 KB of memory a place.
pub const CONTROL_HANDSHAKES_MAX: usize = 1_024;

/// Emergency stops that are worked on at once, beside all other requests: those may wait for a disk that hangs.
pub const CONTROL_EMERGENCY_CALLS_MAX: usize = 8;

/// Requests that are worked on at once. The ones that are slow make keys, which takes a core each.
pub const CONTROL_CALLS_MAX: usize = 32;

/// How long a refusal waits until it is known which key the path names: the audit log tells it without, rather than that a disk that hangs holds it back.
pub const REFUSED_KEY_TIME: Duration = Duration::from_secs(1);

/// Requests at once on one HTTP/2 connection.
pub const CONTROL_STREAMS_MAX: u32 = 16;

/// How long a client may take for its handshake.
pub const CONTROL_HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How long a client may take for the head of a request, the pause before it included.
pub const CONTROL_HEADER_TIME: Duration = Duration::from_secs(60);

/// How often a silent HTTP/2 connection is asked whether it is still there, and how long it may take to say so.
pub const CONTROL_KEEP_ALIVE: Duration = Duration::from_secs(20);

/// How long a connection lives before the client is asked to make a new one, so that a certificate that has ended does not stay.
pub const CONTROL_CONNECTION_TIME: Duration = Duration::from_secs(60 * 60);

/// Most bytes of one reply that waits for its HTTP/2 client to read.
pub const CONTROL_SEND_BUFFER_SIZE: usize = 256 * 1024;

/// How long the control port waits before it accepts again after the system gave it no connection (no file descriptors, say).
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Time for a request that reads: some thousand records at most.
pub const READ_TIME: Duration = Duration::from_secs(10);

/// Time for a request that changes one thing; an RSA-4096 key takes up to 2 seconds to make.
pub const CHANGE_TIME: Duration = Duration::from_secs(30);

/// Time for a request that creates many keys.
pub const CREATE_KEYS_TIME: Duration = Duration::from_secs(120);

/// Time for a request that looks at all records, some million of them a second.
pub const SCAN_TIME: Duration = Duration::from_secs(120);

const _: () =
    assert!(claviger_control::limits::PERSON_CERTIFICATES_MAX == claviger_engine::limits::PERSON_CERTIFICATES_MAX);

// The control port's own client waits for the slowest route and takes the longest list.
const _: () = {
    use claviger_control::limits::{REPLY_SIZE_MAX, REQUEST_TIME};
    use claviger_engine::limits::{
        ALIASES_MAX, DESCRIPTION_SIZE_MAX, LABEL_VALUE_SIZE_MAX, LABELS_MAX, LIST_PAGE_SIZE_MAX, NAME_SIZE_MAX,
        VERSIONS_MAX,
    };
    // In JSON a character that is escaped takes twice the bytes: quotes, backslashes and line feeds; there are no others.
    const ABOUT_SIZE: usize = 2 * (DESCRIPTION_SIZE_MAX + LABELS_MAX * LABEL_VALUE_SIZE_MAX);
    const KEY_SIZE: usize = 1_024 + ABOUT_SIZE + (LABELS_MAX + ALIASES_MAX) * (NAME_SIZE_MAX + 8);
    const KEY_VERSION_SIZE: usize = 128;
    assert!(CREATE_KEYS_TIME.as_secs() < REQUEST_TIME.as_secs());
    assert!(SCAN_TIME.as_secs() < REQUEST_TIME.as_secs());
    assert!(LIST_PAGE_SIZE_MAX * (KEY_SIZE + VERSIONS_MAX * KEY_VERSION_SIZE) <= REPLY_SIZE_MAX);
};

// What the control port says about deletion and rotation is what the engine does.
const _: () = {
    use claviger_control::limits::{
        DELETION_WAIT_HOURS, DELETION_WAIT_HOURS_MAX, DELETION_WAIT_HOURS_MIN, ROTATION_DAYS_MAX,
    };
    use claviger_engine::limits as engine;
    const fn hours(wait: Duration) -> u64 {
        wait.as_secs() / (60 * 60)
    }
    assert!(DELETION_WAIT_HOURS_MIN as u64 == hours(engine::DELETION_WAIT_MIN));
    assert!(DELETION_WAIT_HOURS as u64 == hours(engine::DELETION_WAIT_DEFAULT));
    assert!(DELETION_WAIT_HOURS_MAX as u64 == hours(engine::DELETION_WAIT_MAX));
    assert!(ROTATION_DAYS_MAX == engine::ROTATION_PERIOD_DAYS_MAX);
};

/// How often the kernel is asked for neighbours as long as some key store asks for hardware addresses: that of a client that moves is known a second later.
pub const NEIGHBOURS_ASKED_EVERY: Duration = Duration::from_secs(1);

/// How often the kernel is asked for neighbours for Whoami alone: half of the time for which it counts.
pub const NEIGHBOURS_ASKED_SELDOM: Duration = Duration::from_secs(5);

/// How long what the kernel has said of a neighbour counts.
pub const NEIGHBOURS_BELIEVED_FOR: Duration = Duration::from_secs(10);

/// How long a new connection waits until the kernel has been asked for it.
pub const NEIGHBOURS_ASKED_TIME: Duration = Duration::from_secs(1);

/// Most neighbours that are remembered: many times what the kernel keeps of itself.
pub const NEIGHBOURS_MAX: usize = 65_536;

/// Connections that wait until the kernel has been asked for them: the others are known by the next look.
pub const NEIGHBOUR_LOOKS_MAX: usize = 1_024;

/// How long before their end health warns of authentication data: two weeks, in which a client can be given another certificate.
pub const ACCESS_END_WARNED_BEFORE: Duration = Duration::from_hours(14 * 24);

/// Most bytes of a body that says little: a name, a number, a signing request.
pub const SMALL_BODY_SIZE_MAX: usize = 32 * 1024;

/// Most bytes of a body that says more: the value of a secret in base64, or a description and all labels with every character escaped.
pub const LARGE_BODY_SIZE_MAX: usize = 64 * 1024;

/// Most bytes of a body that creates keys. One transaction of the storage takes 4 MiB, and base64 makes 4 bytes of 3.
pub const CREATE_KEYS_BODY_SIZE_MAX: usize = 6 * 1024 * 1024;

/// Most bytes of a body that brings wrapped material: the largest secret, wrapped, and base64 makes 4 bytes of 3.
pub const IMPORT_BODY_SIZE_MAX: usize = 48 * 1024;

const _: () = assert!(claviger_engine::limits::IMPORT_WRAPPED_SIZE_MAX.div_ceil(3) * 4 + 64 <= IMPORT_BODY_SIZE_MAX);

/// Most RSA keys of one request that creates keys: each takes up to 2 seconds of a core.
pub const SLOW_KEYS_MAX: usize = 16;

/// Keys or key stores of one page of a list, unless the request names another number.
pub const LIST_PAGE_SIZE: usize = 100;

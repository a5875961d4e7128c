//! Every bound of the load test, with unit and reason.

use std::time::Duration;

// What is asked for.

/// Most byte streams of one run: as many as one daemon takes by default.
pub(crate) const BYTE_STREAMS_MAX: usize = 10_000;

/// Longest run and longest warm-up: an hour shows what a day would, and a forgotten run ends.
pub(crate) const DURATION_MAX: Duration = Duration::from_secs(3_600);

/// Shortest run: a tenth of a second of processor time is counted to 10 %.
pub(crate) const DURATION_MIN: Duration = Duration::from_millis(100);

/// Most items a second that can be asked for in all: far above what a machine does.
pub(crate) const RATE_MAX: u32 = 1_000_000_000;

/// Most rounds of a table. Its rows are medians over the rounds.
pub(crate) const ROUNDS_MAX: usize = 100;

/// Most pairs of measurements of the latency.
pub(crate) const PAIRS_MAX: usize = 1_000;

// How the load is made.

/// Bytes of one write: what leaves at once without falling out of the processor's cache on its way.
pub(crate) const WRITE_SIZE: usize = 64 * 1024;

/// Frames that are sent in turn where each item is to be one of another burst: a daemon remembers some bursts of a key, and these are many times as many.
pub(crate) const BURST_FRAMES: usize = 16;

/// Requests of slow operations that are in flight unless told otherwise, in items: enough to keep every lane of a daemon busy.
pub(crate) const SLOW_ITEMS_IN_FLIGHT: usize = 256;

/// Frames in flight at least, whatever their size: one on its way, one at work.
pub(crate) const FRAMES_FEWEST: usize = 2;

/// Frames in flight at least, if none is larger than [`PIPELINED_FRAME_SIZE_MAX`]: one at work, one on its way there, one on its way back, and one with either side, so that none waits for the other.
pub(crate) const PIPELINED_FRAMES: usize = 5;

/// Bytes of a frame of which [`PIPELINED_FRAMES`] stay in the caches of both processors.
pub(crate) const PIPELINED_FRAME_SIZE_MAX: usize = 128 * 1024;

/// How long before a frame is due its sender begins to watch the clock without sleeping: timers are exact to a millisecond only.
pub(crate) const WATCHED_TIME: Duration = Duration::from_millis(2);

/// How long all byte streams together may take to be made.
pub(crate) const CONNECT_TIME: Duration = Duration::from_secs(60);

/// How long a daemon may leave everything unanswered. A frame of 1,024 RSA-4096 signatures takes 2 seconds on one slow core.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(20);

/// Connections that are made at once, where many are: a daemon works on handshakes one after the other on each core.
pub(crate) const CONNECTS_AT_ONCE: usize = 50;

/// Most connections beside a rotation or a change of access: as many as one daemon takes by default.
pub(crate) const CONNECTIONS_MAX: usize = 9_000;

/// Most rotations of one key in a run, half of them alone: a key has 100 versions at most.
pub(crate) const ROTATIONS_MAX: usize = 49;

/// Most rounds of changes of access: each adds a network of its own around this machine's address, of 8 to 31 bits.
pub(crate) const ACCESS_ROUNDS_MAX: usize = 24;

/// How long a daemon may take to close the connections of a client that no key store lets in any more: by the specification 10 seconds, and some for a busy machine.
pub(crate) const CLOSED_TIME: Duration = Duration::from_secs(30);

/// Longest rest of a connection between two items, in milliseconds.
pub(crate) const PAUSE_MS_MAX: u64 = 60_000;

/// Most keys of one run: some 1.5 GB of data folder.
pub(crate) const KEYS_MAX: usize = 4_000_000;

/// Keys of one request to create: the most that the control port takes.
pub(crate) const CREATED_AT_ONCE: usize = 1_000;

// What is kept.

/// Replies of one thread that are kept to be checked after the run.
pub(crate) const SAMPLES_MAX: u32 = 200;

/// Bytes of all replies of one thread that are kept to be checked.
pub(crate) const SAMPLES_SIZE_MAX: usize = 64 * 1024 * 1024;

/// Largest latency that is told apart from larger ones, in nanoseconds: longer than [`SILENCE_MAX`].
pub(crate) const LATENCY_MAX_NS: u64 = 120_000_000_000;

/// Lines of the daemon's log that are shown if it fails.
pub(crate) const LOG_LINES_MAX: usize = 40;

// The daemon that is started.

/// How long a daemon may take until it serves.
pub(crate) const START_TIME: Duration = Duration::from_secs(30);

/// How long a daemon may take to fill its cache.
pub(crate) const FILL_TIME: Duration = Duration::from_mins(5);

/// How often it is asked whether it has: seldom enough not to be felt.
pub(crate) const FILL_LOOKED_AT_EVERY: Duration = Duration::from_millis(100);

/// How long a daemon may take to end before it is killed.
pub(crate) const END_TIME: Duration = Duration::from_secs(15);

/// Days for which its certificates are valid: longer than any run.
pub(crate) const CERTIFICATE_DAYS: u32 = 2;

// The same operation in process.

/// How long one round of measuring in process takes.
pub(crate) const IN_PROCESS_ROUND: Duration = Duration::from_millis(20);

/// Rounds of measuring in process before a run, and again after it.
pub(crate) const IN_PROCESS_ROUNDS: usize = 7;

/// How long each of the three measurements takes at least whose middle one is a sample in process.
pub(crate) const SAMPLE_TIME: Duration = Duration::from_micros(25);

/// How many times as long the same is done before it, to have its caches back: signatures read tables of 100 KiB and more.
pub(crate) const SAMPLE_WARM_UP: u32 = 4;

/// How many times as long as a sample has taken nothing is sampled after it: half a percent of a processor is taken from what is measured, and some twenty samples a second show one whose speed changes within seconds.
pub(crate) const SAMPLE_PAUSE_FACTOR: u32 = 200;

/// How many times as long an operation may take in process beside one side of a round as beside any other: less than what is to be told apart.
pub(crate) const UNEVEN_RATIO: f64 = 1.04;

/// How many times as many rounds are begun, at most, as are wanted.
pub(crate) const ROUNDS_BEGUN_FACTOR: usize = 4;

// The daemon that runs elsewhere.

/// Most bytes of a client's configuration file, and of each certificate or key that it names.
pub(crate) const CLIENT_FILE_SIZE_MAX: u64 = 64 * 1024;

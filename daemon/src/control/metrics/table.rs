//! Every metric, as data: `docs/OPERATIONS.md` has the same table, and a test compares them.

use std::fmt;

/// One metric.
pub struct Metric {
    /// Its name, with the unit (`seconds`, `bytes`) or `total` at its end where it has one.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// Its labels, in this order. Each has few values: never a key, a client or an address.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence without a full stop.
    pub help: &'static str,
    /// When somebody should be told; empty if it is to be looked at only.
    pub alert: &'static str,
}

/// What the values of a metric are (Prometheus exposition format 0.0.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Grows until the daemon ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by bounds, in seconds.
    Histogram,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

/// All of them, in the order in which they are written.
pub static METRICS: &[&Metric] = &[
    &BUILD,
    &STARTED,
    &RELOAD_FAILED,
    &READY,
    &LOCKED,
    &STOPS_UNWRITTEN,
    &REQUESTS,
    &ITEMS,
    &RECEIVED,
    &SENT,
    &DURATION,
    &CONNECTIONS,
    &CONNECTIONS_MAX,
    &CONNECTIONS_ACCEPTED,
    &CONNECTIONS_REFUSED,
    &BUDGET_TAKEN,
    &BUDGET_SIZE,
    &QUOTA_REFUSED,
    &CACHE_KEYS,
    &CACHE_KEYS_MAX,
    &CACHE_LOADS,
    &CACHE_EVICTIONS,
    &CACHE_FILLED,
    &CACHE_FILLING,
    &LANE_THREADS,
    &LANE_QUEUED,
    &LANE_RUNNING,
    &LANE_WAIT,
    &REVISION,
    &COMMIT,
    &TRANSACTIONS,
    &MAP_SIZE,
    &USED_SIZE,
    &DISK_FREE,
    &DISK_FLOOR,
    &JOURNAL_SEGMENT,
    &JOURNAL_SEGMENT_SIZE,
    &JOURNAL_FAILING,
    &AUDIT_RECORDS,
    &AUDIT_FAILING,
    &AUDIT_LOST,
    &AUDIT_DROPPED_REQUESTS,
    &SHRED_MIRRORS,
    &SHRED_SECRETS,
    &SHRED_DAMAGED,
    &DESTRUCTIONS_PENDING,
    &KEYS_NEAR_LIMIT,
    &USES_UNWRITTEN,
    &SCHEDULE_STALLED,
    &SYSTEM_KEY_VERSION,
    &RENEWAL_LEFT,
    &CERTIFICATE_LEFT,
    &CONTROL_REQUESTS,
    &CONTROL_REFUSED,
];

const fn metric(name: &'static str, kind: Kind, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind, labels, help, alert: "" }
}

impl Metric {
    const fn alert(mut self, alert: &'static str) -> Self {
        self.alert = alert;
        self
    }
}

use Kind::{Counter, Gauge, Histogram};

pub(super) static BUILD: Metric =
    metric("claviger_build_info", Gauge, &["version", "protocol"], "1; the labels say which version runs");
pub(super) static STARTED: Metric =
    metric("claviger_start_time_seconds", Gauge, &[], "When the daemon was started, in seconds since 1970")
        .alert("it changes and nobody has restarted it");
pub(super) static RELOAD_FAILED: Metric = metric(
    "claviger_reload_failed",
    Gauge,
    &[],
    "1 if the configuration was to be read anew and something was wrong with it: what was in force stays",
)
.alert("1");
pub(super) static READY: Metric = metric(
    "claviger_ready",
    Gauge,
    &[],
    "1 if everything is served, changes included; else 0, and `claviger health` says why",
)
.alert("0 for a minute");

pub(super) static LOCKED: Metric =
    metric("claviger_locked", Gauge, &[], "1 if somebody has locked the daemon: no key is used").alert("1");

pub(super) static STOPS_UNWRITTEN: Metric = metric(
    "claviger_stops_unwritten",
    Gauge,
    &[],
    "Emergency stops that are in force in memory alone, and are over if the daemon ends",
)
.alert("above 0 for a minute");

pub(super) static REQUESTS: Metric =
    metric("claviger_requests_total", Counter, &["operation", "status"], "Replies of the data port")
        .alert("InternalError, StorageUnavailable or Overloaded grows");
pub(super) static ITEMS: Metric = metric(
    "claviger_items_total",
    Counter,
    &["operation", "status"],
    "Items of batches, of requests that were answered with Ok",
)
.alert("DecryptionFailed or VerificationFailed grows more than usual");
pub(super) static RECEIVED: Metric =
    metric("claviger_received_bytes_total", Counter, &["operation"], "Bytes of request frames");
pub(super) static SENT: Metric = metric("claviger_sent_bytes_total", Counter, &["operation"], "Bytes of reply frames");
pub(super) static DURATION: Metric = metric(
    "claviger_request_duration_seconds",
    Histogram,
    &["operation"],
    "From the read of the socket that brought the end of a request until its reply was ready to be written, waits for lanes and storage included; requests of one read that are done at once count with the time of the last of them. WaitForSecret waits on purpose",
)
.alert("the 99th percentile is above what clients wait for");

pub(super) static CONNECTIONS: Metric = metric(
    "claviger_connections",
    Gauge,
    &["transport"],
    "Connections of the data port that are open, handshakes included",
);
pub(super) static CONNECTIONS_MAX: Metric =
    metric("claviger_connections_max", Gauge, &[], "How many there may be: `[data] connections_max`")
        .alert("nine tenths of it are open");
pub(super) static CONNECTIONS_ACCEPTED: Metric = metric(
    "claviger_connections_accepted_total",
    Counter,
    &["transport"],
    "Connections of the data port whose handshake has succeeded",
);
pub(super) static CONNECTIONS_REFUSED: Metric = metric(
    "claviger_connections_refused_total",
    Counter,
    &["transport", "reason"],
    "Connections of the data port that were not let in: `full`, `handshake` (it failed) or `late` (it took too long)",
)
.alert("`full` grows");

pub(super) static BUDGET_TAKEN: Metric = metric(
    "claviger_budget_taken",
    Gauge,
    &["budget"],
    "What is taken of bounded room: large receive buffers and waiting requests (bytes), places of the compute lane, waits for secrets",
);
pub(super) static BUDGET_SIZE: Metric = metric("claviger_budget_size", Gauge, &["budget"], "How much room there is")
    .alert("half of it is taken: one connection alone gets no more, and is answered Overloaded");
pub(super) static QUOTA_REFUSED: Metric = metric(
    "claviger_quota_refused_total",
    Counter,
    &["store", "of"],
    "Requests refused because the quota of a key store was used up: that of all its clients together (`store`), or that of a client (`client`); of the first hundred key stores by name that have had quotas, and of all others together",
)
.alert("it grows and nobody expects it: a client asks for more than it was given, or was given too little");

pub(super) static CACHE_KEYS: Metric = metric("claviger_cache_keys", Gauge, &[], "Unwrapped keys in memory");
pub(super) static CACHE_KEYS_MAX: Metric =
    metric("claviger_cache_keys_max", Gauge, &[], "How many there may be: `[cache] keys_max`");
pub(super) static CACHE_LOADS: Metric = metric(
    "claviger_cache_loads_total",
    Counter,
    &["result"],
    "Keys that were looked for in storage because they were used: `ok`, `failed`",
);
pub(super) static CACHE_EVICTIONS: Metric =
    metric("claviger_cache_evictions_total", Counter, &[], "Keys that left memory because others came")
        .alert("it grows all the time: `[cache] keys_max` is too small");

pub(super) static CACHE_FILLED: Metric = metric(
    "claviger_cache_filled_total",
    Counter,
    &["result"],
    "Keys that were loaded before they were used, by `[cache] fill`: `ok`, `failed`",
)
.alert("`failed` grows: keys cannot be read; the log says how many, and names one");
pub(super) static CACHE_FILLING: Metric =
    metric("claviger_cache_filling", Gauge, &[], "1 while keys are being loaded before they are used");

pub(super) static LANE_THREADS: Metric = metric(
    "claviger_lane_threads",
    Gauge,
    &["lane"],
    "Threads for work that takes long (`compute`) or reads storage (`storage`)",
);
pub(super) static LANE_QUEUED: Metric =
    metric("claviger_lane_queued", Gauge, &["lane"], "Pieces of work that wait for a thread");
pub(super) static LANE_RUNNING: Metric = metric("claviger_lane_running", Gauge, &["lane"], "Pieces of work under way");
pub(super) static LANE_WAIT: Metric =
    metric("claviger_lane_wait_seconds", Histogram, &["lane"], "How long pieces of work have waited for a thread")
        .alert("the 99th percentile is above what clients wait for: there is too little processor");

pub(super) static REVISION: Metric = metric("claviger_storage_revision", Gauge, &[], "The number of the last change");
pub(super) static COMMIT: Metric = metric(
    "claviger_storage_commit_seconds",
    Histogram,
    &[],
    "How long it took to make a group of transactions durable, in the journal and in the data folder",
)
.alert("the 99th percentile is above a second: a disk is slow");
pub(super) static TRANSACTIONS: Metric = metric(
    "claviger_storage_transactions_total",
    Counter,
    &["result"],
    "Transactions of the storage: `made`, `conflict` (a condition did not hold) or `failed`",
)
.alert("`failed` grows");
pub(super) static MAP_SIZE: Metric = metric(
    "claviger_storage_map_bytes",
    Gauge,
    &[],
    "Address space that is mapped for the data folder; it doubles by itself",
);
pub(super) static USED_SIZE: Metric = metric("claviger_storage_used_bytes", Gauge, &[], "Bytes of the data file");
pub(super) static DISK_FREE: Metric = metric(
    "claviger_disk_free_bytes",
    Gauge,
    &["place"],
    "Free bytes on the disk of the data folder and of the journal",
);
pub(super) static DISK_FLOOR: Metric = metric(
    "claviger_disk_floor_bytes",
    Gauge,
    &[],
    "Free bytes below which changes are refused: `[storage] free_space_floor_mib`",
)
.alert("less than twice as much is free");

pub(super) static JOURNAL_SEGMENT: Metric =
    metric("claviger_journal_segment", Gauge, &[], "The number of the newest segment of the journal");
pub(super) static JOURNAL_SEGMENT_SIZE: Metric =
    metric("claviger_journal_segment_bytes", Gauge, &[], "Bytes written to the newest segment of the journal");
pub(super) static JOURNAL_FAILING: Metric =
    metric("claviger_journal_failing", Gauge, &[], "1 if changes are refused because the journal cannot be written")
        .alert("1");

pub(super) static AUDIT_RECORDS: Metric =
    metric("claviger_audit_records", Gauge, &[], "The number of the last record of the audit log");
pub(super) static AUDIT_FAILING: Metric =
    metric("claviger_audit_failing", Gauge, &[], "1 if changes are refused because the audit log cannot be written")
        .alert("1");
pub(super) static AUDIT_LOST: Metric = metric(
    "claviger_audit_lost",
    Gauge,
    &[],
    "Records of refusals and uses for which there was no place, and whose number is not in the audit log yet",
)
.alert("above 0");
pub(super) static AUDIT_DROPPED_REQUESTS: Metric = metric(
    "claviger_audit_dropped_requests_total",
    Counter,
    &[],
    "Requests of key stores that want each of them recorded, for which there was no place: the log has their number",
)
.alert("rising: what these stores want to know is not known");

pub(super) static SHRED_MIRRORS: Metric =
    metric("claviger_shred_mirrors", Gauge, &["state"], "Mirrors of the shred table, `good` or `away`")
        .alert("one is `away`: no key is created, and nothing deleted is destroyed");
pub(super) static SHRED_SECRETS: Metric = metric("claviger_shred_secrets", Gauge, &[], "Secrets in the shred table");
pub(super) static SHRED_DAMAGED: Metric =
    metric("claviger_shred_damaged", Gauge, &[], "Secrets of it that are damaged on every mirror: their keys are lost")
        .alert("above 0");
pub(super) static DESTRUCTIONS_PENDING: Metric = metric(
    "claviger_destructions_pending",
    Gauge,
    &[],
    "Keys and versions that are deleted and not yet destroyed on every mirror",
)
.alert("above 0 for an hour");

pub(super) static KEYS_NEAR_LIMIT: Metric = metric(
    "claviger_keys_near_limit",
    Gauge,
    &["limit"],
    "Keys in memory that have used half of what their algorithm allows (`uses`), and keys that have 90 of 100 versions (`versions`)",
)
.alert("above 0: `claviger health` names them");
pub(super) static USES_UNWRITTEN: Metric = metric(
    "claviger_uses_unwritten",
    Gauge,
    &["of"],
    "1 if uses of keys cannot be written: of those with a limit (`limited`), or the statistics",
)
.alert("`limited` is 1: such keys soon stop encrypting");
pub(super) static SCHEDULE_STALLED: Metric = metric(
    "claviger_schedule_stalled",
    Gauge,
    &[],
    "1 if rotations and deletions that are due have not been looked at for minutes",
)
.alert("1");
pub(super) static SYSTEM_KEY_VERSION: Metric =
    metric("claviger_system_key_version", Gauge, &[], "The version of the system key that protects what is written");
pub(super) static RENEWAL_LEFT: Metric = metric(
    "claviger_system_key_renewal_left",
    Gauge,
    &[],
    "Records that are still to be protected by it after a rotation",
);

pub(super) static CERTIFICATE_LEFT: Metric = metric(
    "claviger_certificate_left_seconds",
    Gauge,
    &["of", "store"],
    "Seconds until a certificate ends, below 0 afterwards: what the ports show (`data`, `control`), the soonest of the `administrators`' authorities, and the authorities of key stores (`store`); of more than 100 stores the soonest of the rest is that of the store `other`",
)
.alert("less than 14 days");

pub(super) static CONTROL_REQUESTS: Metric = metric(
    "claviger_control_requests_total",
    Counter,
    &["operation", "kind", "status"],
    "Requests of the control port by route, whether it reads or changes, and HTTP status: a `change` below 300 was made, any other refused",
)
.alert("a status of 500 and above grows");
pub(super) static CONTROL_REFUSED: Metric = metric(
    "claviger_control_connections_refused_total",
    Counter,
    &[],
    "Connections of the control port that were not let in",
)
.alert("it grows and nobody knows why");

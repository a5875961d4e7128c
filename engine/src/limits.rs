//! Every bound of the engine, with unit and reason. The wire announces the same values in its greeting.

use std::time::Duration;

// What is worked on.

/// Most plaintext of one item, in bytes. Larger data is cut into records by the client.
pub const PLAINTEXT_SIZE_MAX: usize = 32_768;

/// Most encryption context of one item, in bytes. It is authenticated with every item, so it costs as much as plaintext.
pub const CONTEXT_SIZE_MAX: usize = 4_096;

/// Most bytes of one message that is signed, verified or given to a MAC. Longer ones are hashed by the caller.
pub const MESSAGE_SIZE_MAX: usize = 32_768;

/// Most bytes of one secret (confidential value): a secret fits wherever a plaintext fits.
pub const SECRET_SIZE_MAX: usize = PLAINTEXT_SIZE_MAX;

const _: () = assert!(claviger_algorithm::Algorithm::Opaque.row().output_size.max(0) == SECRET_SIZE_MAX);

/// Most bytes of a PKCS#8 private key. RSA-4096, the largest kind, takes about 2,400.
pub const PKCS8_SIZE_MAX: usize = 4_096;

/// Most bytes of a data key of the caller's own: room for an RSA-4096 private key.
pub const DATA_KEY_SIZE_MAX: usize = 8_192;

/// Sizes in bytes of data keys that are made here: 128, 256 and 512 bits, as AES and HMAC take them.
pub const GENERATED_DATA_KEY_SIZES: [usize; 3] = [16, 32, 64];

/// Most random bytes of one item.
pub const RANDOM_SIZE_MAX: usize = 32_768;

/// Most items of one sealing burst, which share the first 12 bytes of their nonce.
pub const BURST_ITEMS_MAX: usize = 65_536;

/// Most plaintext of one sealing burst, in bytes.
///
/// Far below what one AES-256-GCM key may seal (NIST SP 800-38D), and above what one read of a socket can bring.
pub const BURST_SIZE_MAX: usize = 64 * 1024 * 1024;

const _: () = assert!(PLAINTEXT_SIZE_MAX < BURST_SIZE_MAX);

/// Keys whose bursts one read of a socket keeps open at once. A burst costs about 1 microsecond to begin and 2 KB to keep.
pub const BURSTS_PER_READ_MAX: usize = 16;

/// Bursts of XAES-256-GCM that one call of the random generator draws nonces for, from the second burst of a read on: such a call takes a fifth longer than one for a single nonce.
pub const BURSTS_DRAWN: usize = 32;

/// Nonces of AES-256-GCM that one call of the random generator draws: up to some 200 bytes, a call costs the same.
pub const NONCES_DRAWN: usize = 16;

/// Derived keys that one symmetric key remembers for opening. Each takes about 100 bytes, and only while in use.
pub const OPEN_CACHE_SLOTS: usize = 4;

/// Versions of keys that are kept prepared for derivation and commitment, each of which takes some 2 KB. Whoever uses more keys than these often gains least by it.
pub const READY_KEYS_MAX: usize = 1_024;

/// How often a key version is prepared before it is kept so, if there is a place: a key that is used a few times is not worth one. A power of two, because the count wraps
/// around at 256, and is then as far from it as before.
pub const READY_AFTER_PREPARATIONS: u8 = 64;
const _: () = assert!(READY_AFTER_PREPARATIONS.is_power_of_two());

/// Versions that are tried to decrypt what names none. With RSA-4096 that takes 46 ms, below the 50 ms after which a job on a lane must look whether it is still wanted.
pub const ASYMMETRIC_DECRYPT_TRIES_MAX: usize = 32;

// Keys.

/// Most bytes of a name of a key or key store: long enough for a path of words, short enough for a table.
pub const NAME_SIZE_MAX: usize = 100;

/// Largest description of a key, in bytes of UTF-8: a paragraph.
pub const DESCRIPTION_SIZE_MAX: usize = 1_024;

/// Most labels of a key.
pub const LABELS_MAX: usize = 32;

/// Largest value of a label, in bytes of UTF-8: a name, an address, a ticket.
pub const LABEL_VALUE_SIZE_MAX: usize = 256;

/// Most aliases of a key.
pub const ALIASES_MAX: usize = 32;

/// Most versions of a key, destroyed ones counted. Bounds the work of a verification that names no version.
pub const VERSIONS_MAX: usize = 100;

/// Versions from which on there is a warning: ten rotations are left, time to make another key.
pub const VERSIONS_WARNING: usize = 90;

/// Versions of a secret that are kept, the newest: who needs an older value has a copy of it. Updates are not limited.
pub const SECRET_VERSIONS_MAX: usize = 10;

/// Most keys that one call creates: as many as fit one transaction with its compares.
pub const CREATE_KEYS_MAX: usize = 1_000;

// A key takes up to five writes and a compare: material, count of uses, description, name, and the note of its shred secret.
// Beside them stands to whom they are assigned.
const _: () = assert!(6 * CREATE_KEYS_MAX + 4 <= TRANSACTION_OPERATIONS_MAX);

/// Most keys of one page of a list.
pub const LIST_PAGE_SIZE_MAX: usize = 1_000;

/// Keys that one page of a filtered list looks at: a few milliseconds. It may give none, and where the next page begins.
pub const LIST_EXAMINED_MAX: usize = 1_000;

/// How often it is told of a key store that its lists pass over records that cannot be read: a person sees it soon, and lists that are asked for in a loop do not fill the log.
pub(crate) const UNREADABLE_TOLD_EVERY: Duration = Duration::from_mins(1);

// Deletions, rotations, and what the clock changes.

/// Shortest time from the request of a deletion to the deletion: a day to notice it.
pub const DELETION_WAIT_MIN: Duration = Duration::from_hours(24);

/// That time if nobody says otherwise: long enough for a weekend.
pub const DELETION_WAIT_DEFAULT: Duration = Duration::from_hours(DELETION_WAIT_HOURS_DEFAULT as u64);

/// The same in hours, for the setting of a key store.
pub const DELETION_WAIT_HOURS_DEFAULT: u16 = 72;

/// Longest time from the request of a deletion to the deletion: 30 days.
pub const DELETION_WAIT_MAX: Duration = Duration::from_hours(30 * 24);

/// How long ago a key must have been used last before its deletion is made without waiting: a day, in which most of what still needs a key shows itself.
pub const DELETION_UNUSED_FOR: Duration = Duration::from_hours(24);

/// How long it can be told what a deleted key was: 365 days.
pub const DELETED_KEY_KEPT: Duration = Duration::from_hours(365 * 24);

/// For how long the installation must have been running since: longer than anybody overlooks a wall clock that is a year ahead.
pub const DELETED_KEY_WITNESSED: Duration = Duration::from_hours(30 * 24);

/// Most days between two rotations by the clock: two years.
pub const ROTATION_PERIOD_DAYS_MAX: u16 = 730;

/// How often is looked at what is due: deletions wait for a day at least, rotations too.
pub const DUE_LOOKED_AT_EVERY: Duration = Duration::from_mins(1);

/// Looks at the schedule that may be missed before health says so: one may be late because of much work.
pub const DUE_LOOKS_MISSED_MAX: u32 = 3;

/// How often the running time of the installation is written: so much of it a kill loses, which makes deletions later, never earlier.
pub const RUNNING_TIME_WRITTEN_EVERY: Duration = Duration::from_mins(1);

/// Milliseconds of running time after which a wall clock that was put back is believed, and rotations are planned anew by it. A machine that begins with a wrong clock has put it
/// right long before; a rotation that is late by a day is not lost.
pub const CLOCK_BELIEVED_AFTER_MS: u64 = 24 * 60 * 60 * 1_000;

/// Entries of the schedule that are checked at each look for what a clock put back has left too far in the future: some ten milliseconds.
pub const SCHEDULE_STEPS: usize = 1_000;

// Counts of uses.

/// Uses of a key version with a limit that may be unwritten: less than a second of work, and 4,096 kills use up no more than the limit itself.
pub const UNWRITTEN_USES_MAX: u64 = 1 << 20;

/// Counts with a limit that nobody holds and that are not written: some 30 MB. More have all written without a rest.
pub(crate) const UNHELD_COUNTERS_MAX: usize = 1 << 18;

/// How often uses are written, if there are any.
pub const USES_WRITTEN_EVERY: Duration = Duration::from_secs(1);

/// The longest that uses rest after so many were written that it took long: a kill loses so much of the statistics then, and of counts with a limit nothing. A million keys take some seconds.
pub const USES_WRITTEN_WITHIN: Duration = Duration::from_mins(1);

/// Tables in which threads count uses, each in its own: more than threads that work with keys. If there are more, some share one, and now and then hand over what they cannot add.
pub(crate) const TALLY_TABLES: usize = 64;

/// Keys, versions and clients that one table counts before it is handed over: some 300 KB.
pub(crate) const TALLY_SIZE_MAX: usize = 4_096;

/// Tables that are handed over and wait to be gathered: some 20 MB, a second of work with as many keys as the cache can bring.
pub(crate) const TALLIES_HANDED_OVER_MAX: usize = 64;

/// Keys whose uses one read of a socket gathers before it counts them: source and target of a re-encryption. More cost no more than reads of their own would.
pub(crate) const USES_GATHERED_MAX: usize = 2;

/// Keys whose use may be unwritten: a table of 2^21 places that is full to seven eighths, and some 140 MB, half as much again while it grows. The use of further ones is not counted. Three quarters of them have themselves
/// written without a rest.
pub(crate) const UNWRITTEN_KEYS_MAX: usize = (1 << 21) / 8 * 7;

/// Versions and clients of these keys, in all, beyond the first of each: some 120 MB. Further clients count as others, further versions are not counted.
pub(crate) const UNWRITTEN_ENTRIES_MAX: usize = 400_000;

/// Keys whose use is written in one transaction: what others wait for meanwhile is a few milliseconds and the disk.
pub(crate) const WRITTEN_KEYS_MAX: usize = 1_024;

/// Bytes of their records at which such a transaction takes no further one.
pub(crate) const WRITTEN_SIZE: usize = 1024 * 1024;

/// Clients that are remembered of a key, by when they used it last: more than a person reads, and a record of 16 KB at most.
pub const CLIENTS_PER_KEY_MAX: usize = 100;

/// Most bytes of the common name of a client that are remembered: as many as RFC 5280 allows it characters.
pub const CLIENT_NAME_SIZE_MAX: usize = 64;

// The largest record of use: a version takes 28 bytes, a client 53 and its name.
const _: () = assert!(
    WRITTEN_SIZE + 1_024 + 28 * VERSIONS_MAX + (53 + CLIENT_NAME_SIZE_MAX) * CLIENTS_PER_KEY_MAX
        <= TRANSACTION_SIZE_MAX
);
const _: () = assert!(WRITTEN_KEYS_MAX <= TRANSACTION_OPERATIONS_MAX);

// Imports and exports.

/// Most bytes of wrapped material that is imported: the largest secret, what AES-KWP adds to it, and the OAEP ciphertext of an RSA-4096 key.
pub const IMPORT_WRAPPED_SIZE_MAX: usize = SECRET_SIZE_MAX + 8 + 512;

/// How long an import may take from its beginning to its end: a day, in which somebody can walk to the machine that holds the key.
pub const IMPORT_TIME: Duration = Duration::from_hours(24);

/// How often the change is tried by which imported material comes in, if the key is changed at the same moment: each try in vain means that somebody else's change was made.
pub const IMPORT_TRIES_MAX: u32 = 8;

/// Most imports of one key store that are open at once. Each took a second of a core to begin.
pub const IMPORTS_MAX: usize = 8;

/// Most imports that are open at once in all: one look at all of them is some milliseconds.
pub const IMPORTS_IN_ALL_MAX: usize = 128;

/// How often an export begins anew because the key was changed meanwhile: it wraps in less than a millisecond, so that a key changes so often under it only by intent.
pub const EXPORT_TRIES_MAX: u32 = 8;

/// How often an export looks at its key again because something else was changed at that moment: a look takes some ten microseconds, and a commit a hundred times as long.
pub const EXPORT_LOOKS_MAX: u32 = 1_000;

/// Smallest RSA modulus that key material is exported to, in bits: 128 bits of strength (NIST SP 800-57 part 1 table 2).
pub const EXPORT_MODULUS_BITS_MIN: usize = 3_072;

/// Largest RSA modulus that key material is exported to, in bits: the most that the crypto library takes.
pub const EXPORT_MODULUS_BITS_MAX: usize = 8_192;

// Access and quotas.

/// Most rows of authentication data of one key store: reading them all after a change takes some milliseconds.
pub const ACCESS_ROWS_MAX: usize = 1_000;

/// Most keys that one row of authentication data names.
pub const ACCESS_KEYS_MAX: usize = 100;

/// Most bytes of the description of a row of authentication data: a line.
pub const ACCESS_DESCRIPTION_SIZE_MAX: usize = 256;

/// Most bytes of what tells who has added a row of authentication data: a name, and the certificate that he came with.
pub const ACCESS_CREATOR_SIZE_MAX: usize = 256;

/// Most bytes of the serial number of a certificate (RFC 5280 section 4.1.2.2).
pub const SERIAL_SIZE_MAX: usize = 20;

/// How often an admission notes that a row of authentication data is used, in milliseconds: no more than a person asks for.
pub const ACCESS_USE_NOTED_EVERY_MS: u64 = 60_000;

/// Most cost units a second of a quota: a thousand cores.
pub const QUOTA_RATE_MAX: u32 = 1_000_000_000;

/// Most cost units at once of a quota: a quarter of an hour of one core.
pub const QUOTA_BURST_MAX: u32 = 1_000_000_000;

// Emergency stops.

/// How often what is stopped in memory alone is tried to be written: as soon as there is room, without work for a disk that is dead.
pub const STOPS_WRITTEN_EVERY: Duration = Duration::from_secs(5);

/// How long the answer to a stop waits until it is written. A disk that hangs keeps nobody in: then it says that it is not written yet.
pub const STOP_WRITTEN_WITHIN: Duration = Duration::from_secs(5);

/// How often a change that stops access is tried again if it has met another one.
pub const STOP_TRIES_MAX: u32 = 8;

/// Bytes of who has locked the daemon, and of why: as much as a reason for an approval.
pub const LOCK_TEXT_SIZE_MAX: usize = 1_000;

/// How long, and how often, a lock waits for work that has keys in its hands: pieces of work take 50 ms at most.
pub const LOCK_WIPE_LOOKED_EVERY: Duration = Duration::from_millis(10);
/// How often it looks.
pub const LOCK_WIPE_LOOKS: u32 = 200;

// Approval.

/// Most persons, beside the one who asks, who have to approve a change: more than that do not come together.
pub const APPROVAL_QUORUM_MAX: u8 = 10;

/// Most changes of one request for approval: what somebody reads before he approves it.
pub const BUNDLE_CHANGES_MAX: usize = 20;

/// Most bytes of what exactly is asked for in one request: the value of the largest secret, in Base64.
pub const APPROVAL_CALLS_SIZE_MAX: usize = 56 * 1024;

/// Most bytes of what is shown of one request.
pub const APPROVAL_SHOWN_SIZE_MAX: usize = 48 * 1024;

// With what they build on, a request fits a record.
const _: () = assert!(APPROVAL_CALLS_SIZE_MAX + APPROVAL_SHOWN_SIZE_MAX + 16 * 1_024 <= VALUE_SIZE_MAX);

/// Most bytes of the reason of a request, or of its rejection.
pub const APPROVAL_TEXT_SIZE_MAX: usize = 1_000;

/// Most requests for approval that are open at once.
pub const APPROVALS_MAX: usize = 1_000;

/// Most requests for approval of one person that are open at once: nobody takes the room of the others.
pub const APPROVALS_OF_ONE_MAX: usize = 100;

/// Most requests for approval of changes in key stores that are open at once: what is left is for the installation.
pub const APPROVALS_OF_STORES_MAX: usize = 900;

const _: () = assert!(APPROVALS_OF_STORES_MAX + APPROVALS_OF_ONE_MAX <= APPROVALS_MAX);

/// The shortest time in which a request can be decided.
pub const APPROVAL_TIME_MIN: Duration = Duration::from_hours(1);

/// The longest time in which a request can be decided.
pub const APPROVAL_TIME_MAX: Duration = Duration::from_hours(30 * 24);

/// How long the answer of an approved request is kept for who asked for it: there may be secrets in it.
pub const APPROVAL_RESULT_TIME: Duration = Duration::from_hours(24);

/// How long a request is told of after it was made.
pub const APPROVAL_KEPT: Duration = Duration::from_hours(365 * 24);

const _: () = assert!(APPROVAL_TIME_MAX.as_secs() < APPROVAL_KEPT.as_secs());

// Persons.

/// Most persons. All of them are in memory, some 100 bytes each and 16 for each key that is assigned to one.
pub const PERSONS_MAX: usize = 1_000;

/// Most certificates of a person: some machines, each with one that is being replaced.
pub const PERSON_CERTIFICATES_MAX: usize = 8;

/// Most roles of a person: one in each of a hundred stores.
pub const GRANTS_MAX: usize = 100;

/// Most keys of a store that are assigned to one key manager. Who manages more is an administrator of a store.
pub const ASSIGNED_KEYS_MAX: usize = 1_000;

// The largest records of a person: a certificate takes some 120 bytes, a grant 20, an assigned key 16.
const _: () = assert!(1_024 + 256 * PERSON_CERTIFICATES_MAX + 32 * GRANTS_MAX <= VALUE_SIZE_MAX);
const _: () = assert!(1_024 + 16 * ASSIGNED_KEYS_MAX <= VALUE_SIZE_MAX);
// Removing a person takes a write for each of his records.
const _: () = assert!(4 + PERSON_CERTIFICATES_MAX + GRANTS_MAX <= TRANSACTION_OPERATIONS_MAX);

// Requests that are made once.

/// How long it is remembered what has become of a request that is made once: a day, in which whoever got no answer asks again.
pub const ONCE_KEPT: Duration = Duration::from_hours(24);

/// Most such requests of one caller that are remembered: each asks for a look at all of them, which is some milliseconds.
pub const ONCE_PER_CALLER_MAX: usize = 500;

const _: () = assert!(ONCE_PER_CALLER_MAX < SCAN_PAGE_RECORDS);

/// Most bytes of an answer that is kept to be answered again: some hundred keys that were created.
pub const ONCE_ANSWER_SIZE_MAX: usize = 64 * 1024;

const _: () = assert!(1_024 + ONCE_ANSWER_SIZE_MAX <= VALUE_SIZE_MAX);

// Keys in memory, and the threads that work with them.

/// Places in a worker's table of slots: one for each value of a byte of the key id.
pub const SLOT_TABLE_SIZE: usize = 256;

/// Keys that the cache keeps in any case: re-encryption needs two at once.
pub const CACHED_KEYS_MIN: usize = 2;

/// Slots that the hand of eviction looks at for one key that is loaded: some ten microseconds, during which other loads wait.
pub const EVICTION_STEPS_MAX: usize = 128;

/// What a worker does itself, at most, for one frame. More goes to the compute pool, whose hand-over costs about 10 microseconds.
pub const INLINE_COST_MAX: Duration = Duration::from_micros(50);

const _: () = assert!(claviger_algorithm::MEDIUM_COST_NANOSECONDS as u128 == INLINE_COST_MAX.as_nanos());

/// About how long one piece of work on the compute pool takes: short enough that others get their turn, long against the hand-over.
pub const LANE_PIECE_COST: Duration = Duration::from_micros(500);

/// A connection that has half a millisecond of work waiting behind the next task is told of what a pool has done for it when that is done, too, if what was done since, by the
/// clock, and the next task, by the table of costs, take no longer than this together: a batch of 64 ECDSA signatures, or two of Ed25519. Where the thread loses its core
/// meanwhile, it takes as much longer.
pub(crate) const TELL_LATER_MAX: Duration = Duration::from_micros(1_500);

/// How many steps of niceness the threads of the compute pool are behind the workers: as many as there are, so that a worker that wakes up runs at once. They get what workers
/// leave; where those are never idle, an eightieth of a core.
pub const COMPUTE_NICENESS: u8 = 19;

/// Jobs that wait for the compute pool. A piece takes about half a millisecond, or as many places as it takes half milliseconds, so that a full queue is about a second of work for two threads.
pub const COMPUTE_QUEUE_SIZE: usize = 4_096;

/// Jobs that wait for the storage pool. A load or a description takes some 10 microseconds, a piece of a request for names half a millisecond: a full queue is some 100 milliseconds
/// of loads for two threads, and no connection has more places than stay free for the others.
pub const STORAGE_QUEUE_SIZE: usize = 16_384;

/// How many steps of niceness the thread that fills the cache is behind the workers: as many as there are. Nobody waits for it.
pub const FILL_NICENESS: u8 = 19;

/// Threads that read storage. Loads wait for pages of the disk, not for the processor.
pub const STORAGE_THREADS: usize = 2;

// Storage.

/// Most bytes of the key of an address. LMDB takes 511.
pub const ADDRESS_SIZE_MAX: usize = 511;

/// Most bytes of one stored value: the largest wrapped secret several times over, so that records have room to grow.
pub const VALUE_SIZE_MAX: usize = 128 * 1024;

/// Most compares and writes of one transaction together. Bounds what one caller can make the others wait for.
pub const TRANSACTION_OPERATIONS_MAX: usize = 6 * 1_024;

/// Most bytes of keys and values that one transaction writes.
pub const TRANSACTION_SIZE_MAX: usize = 4 * 1024 * 1024;

/// Most values of one page of a scan: a page holds up the growth of the storage, so it must be over soon.
pub const SCAN_PAGE_COUNT_MAX: usize = 4_096;

/// Bytes of keys and values at which a page of a scan ends; it exceeds this by less than one value.
pub const SCAN_PAGE_SIZE: usize = 4 * 1024 * 1024;

/// Records of one page of a scan at start.
pub const SCAN_PAGE_RECORDS: usize = 1_000;

/// Bytes of recent changes that a storage retains for its watches: some 100,000 changes of one address.
pub const WATCH_LOG_SIZE: usize = 16 * 1024 * 1024;

/// Most transactions that share one commit.
pub const GROUP_COUNT_MAX: usize = 1_024;

/// Bytes of keys and values at which a shared commit takes no further transaction.
pub const GROUP_SIZE: usize = 8 * 1024 * 1024;

/// Compares and writes at which a shared commit takes no further transaction.
pub const GROUP_OPERATIONS: usize = 4_096;

/// Free bytes of the disk below which changes are refused, unless set otherwise: several times what one shared commit
/// can take, so that the disk does not fill up in the middle of one.
pub const FREE_SPACE_FLOOR: u64 = 256 * 1024 * 1024;

/// Bytes of address space that a data folder maps at first, unless set otherwise. It doubles whenever it is full. Kept
/// small because locked memory counts the whole map.
pub const MAP_SIZE: usize = 64 * 1024 * 1024;

/// Most bytes of address space that a data folder maps: the limit of its size.
pub const MAP_SIZE_MAX: usize = 1 << 40;

/// The map has a multiple of this many bytes: the largest memory page in use on any machine.
pub const MAP_SIZE_UNIT: usize = 64 * 1024;

/// Most reads of a data folder at the same moment: more than a process has threads that block.
pub const READERS_MAX: u32 = 2_000;

// A page of 4 KiB may be written, and another be split off, for each operation; the last transaction may overshoot.
const _: () = assert!(
    (2 * 4_096 * (GROUP_OPERATIONS + TRANSACTION_OPERATIONS_MAX) + GROUP_SIZE + TRANSACTION_SIZE_MAX) as u64
        <= FREE_SPACE_FLOOR / 2
);
const _: () = assert!(MAP_SIZE.is_multiple_of(MAP_SIZE_UNIT) && MAP_SIZE <= MAP_SIZE_MAX);
// One large transaction does not throw every watch off the log.
const _: () = assert!(4 * TRANSACTION_OPERATIONS_MAX * (ADDRESS_SIZE_MAX + 128) <= WATCH_LOG_SIZE);

// Journal and backups.

/// Bytes at which a segment of the journal takes no further record: a start reads one segment, in less than a second.
pub const JOURNAL_SEGMENT_SIZE: usize = 64 * 1024 * 1024;

/// Bytes of keys and values at which a record of a backup ends; it exceeds this by less than one value.
pub const BACKUP_RECORD_SIZE: usize = 1024 * 1024;

/// Most bytes of one sealed record of a journal or a backup: a shared commit at its largest, with its bookkeeping.
pub const BACKUP_RECORD_SIZE_MAX: usize = 16 * 1024 * 1024;

// Each write of a group takes up to 32 bytes beside its key and value.
const _: () = assert!(
    GROUP_SIZE + TRANSACTION_SIZE_MAX + 32 * (GROUP_OPERATIONS + TRANSACTION_OPERATIONS_MAX) + 1_024
        <= BACKUP_RECORD_SIZE_MAX
);
const _: () = assert!(BACKUP_RECORD_SIZE + 2 * VALUE_SIZE_MAX <= BACKUP_RECORD_SIZE_MAX);

// Audit log.

/// Most bytes of one line of the audit log: the largest record of a change that creates as many keys as one may.
pub const AUDIT_LINE_SIZE_MAX: usize = 128 * 1024;

/// Most bytes of the words of an audit record that say what was done: a paragraph. Escaped they may take six times as many.
pub const AUDIT_SHOWN_SIZE_MAX: usize = 4 * 1_024;

/// Most bytes of each of its other words: a name, an address, a route.
pub const AUDIT_WORD_SIZE_MAX: usize = 256;

/// Most clients that one audit record of the use of a key names: as many as are remembered of a key.
pub const AUDIT_USES_MAX: usize = CLIENTS_PER_KEY_MAX;

/// Most bytes of the name of a client in an audit record: a common name and a SHA-256, with what stands between.
pub const AUDIT_CLIENT_SIZE_MAX: usize = 160;

// An id of a key takes 35 bytes. A byte of a text takes six at most, and what stands around all of them less than 1 KB.
const _: () =
    assert!(35 * CREATE_KEYS_MAX + 6 * (AUDIT_SHOWN_SIZE_MAX + 5 * AUDIT_WORD_SIZE_MAX) + 1_024 <= AUDIT_LINE_SIZE_MAX);
const _: () = assert!((6 * AUDIT_CLIENT_SIZE_MAX + 64) * AUDIT_USES_MAX + 4_096 <= AUDIT_LINE_SIZE_MAX);
const _: () = assert!(AUDIT_LINE_SIZE_MAX <= VALUE_SIZE_MAX);

/// Bytes at which a file of the audit log is closed and another begun, unless set otherwise: a start reads one file, in less than a second.
pub const AUDIT_FILE_SIZE: u64 = 64 * 1024 * 1024;

/// Least bytes of a file of the audit log.
pub const AUDIT_FILE_SIZE_MIN: u64 = 64 * 1024;

/// Bytes that are set aside behind that, for the changes that are under way when no other file can be begun.
pub const AUDIT_FILE_RESERVE: u64 = 1024 * 1024;

/// Bytes that must be free on the disk of the audit log before a change is taken, unless set otherwise.
pub const AUDIT_FREE_SPACE_FLOOR: u64 = 64 * 1024 * 1024;

/// Records of the audit log after which a signed checkpoint is written.
pub const AUDIT_CHECKPOINT_RECORDS: u64 = 1_000;

/// Time after which one is written if there were any records: an hour.
pub const AUDIT_CHECKPOINT_EVERY: Duration = Duration::from_hours(1);

/// Most records that are synced at once.
pub const AUDIT_GROUP_MAX: usize = 1_024;

/// Bytes of records at which such a group takes no further one.
pub const AUDIT_GROUP_SIZE: usize = 256 * 1024;

// A group that is begun in a file which is not full ends within what is set aside for that file: its last record, two checkpoints, and what proves each line.
const _: () =
    assert!((AUDIT_GROUP_SIZE + 3 * AUDIT_LINE_SIZE_MAX + 300 * AUDIT_GROUP_MAX) as u64 <= AUDIT_FILE_RESERVE);

/// Records of refusals and uses that may wait to be written: more are counted, and their number is written instead.
pub const AUDIT_WAITING_MAX: usize = 16 * 1_024;

/// Requests that each worker may have waiting to be recorded, of key stores that want that: some two MB, and what a busy worker does in some tens of milliseconds. More are counted, and their
/// number is written instead.
pub const AUDIT_REQUESTS_WAITING_MAX: usize = 16 * 1_024;

/// By how much the numbers of two changes may be out of the order in which they were made: more than are made at once.
pub const AUDIT_CHANGES_APART_MAX: u64 = 16 * 1_024;

/// Changes that are in the log and still in the data folder, before these are removed there in one transaction.
pub const AUDIT_OUTBOX_MAX: usize = 256;

/// How often the log is tried again that could not be written, and what is in it is removed from the data folder.
pub const AUDIT_TENDED_EVERY: Duration = Duration::from_secs(1);

/// Clients, stores and reasons of refusals on the data port that are told apart within a minute. Others are counted together.
pub const AUDIT_REFUSALS_MAX: usize = 1_024;

/// Bytes of lines at which a page of a list of records ends: some thousand of them.
pub const AUDIT_PAGE_SIZE: usize = 1024 * 1024;

/// Records of the audit log that one page of a list looks at: some hundred milliseconds.
pub const AUDIT_EXAMINED_MAX: usize = 20_000;

/// Keys whose uses are told apart within a minute. Others are counted together.
pub const AUDIT_USED_KEYS_MAX: usize = 4_096;

/// Clients of all these keys that are told apart within a minute: some two MB. Others are counted together.
pub const AUDIT_USED_CLIENTS_MAX: usize = 16 * 1_024;

/// Findings of a verification that are told one by one; more are counted.
pub const AUDIT_FINDINGS_MAX: usize = 100;

// Shred table.

/// Fewest mirrors of the shred table: losing all of them loses all keys.
pub const SHRED_MIRRORS_MIN: usize = 2;

/// Most mirrors of the shred table: each is written before a key is created.
pub const SHRED_MIRRORS_MAX: usize = 8;

/// Most slots of the shred table: a file of 4 GiB, and 8 MiB of memory for what is free.
pub const SHRED_SLOTS_MAX: u32 = 1 << 26;

/// How many writings a newer mirror may know of beyond the last that storage has noted, which is that of new secrets: more destructions than there ever are between two of them.
pub(crate) const SHRED_SEQUENCE_GAP: u64 = 1 << 32;

/// Slots that are read from a mirror at once when it is looked through: 64 KiB.
pub const SHRED_MERGE_SLOTS: u32 = 1_024;

// Root key and system keys.

/// Size of a system key, in bytes: AES-256 and HMAC-SHA-256 are derived from it.
pub const SYSTEM_KEY_SIZE: usize = 32;

/// Most bytes of the system-key file: some thousand versions.
pub const SYSTEM_KEY_FILE_SIZE_MAX: usize = 1024 * 1024;

/// Most bytes of the file of a development root key: its first line and some versions, of which there are two at most, with room for an editor's blank lines.
pub const ROOT_KEY_FILE_SIZE_MAX: usize = 1_024;

/// Most records that one transaction protects anew after a rotation of the system key: other changes wait for no longer than they take.
pub const RENEWAL_BATCH_RECORDS: usize = 256;

/// Bytes of records at which such a transaction takes no further one.
pub const RENEWAL_BATCH_SIZE: usize = 512 * 1024;

/// Records of which is remembered that they were only protected anew, so that changes which have read them before are no conflicts: some ten seconds of renewal, which is
/// longer than an RSA key takes to make; and some ten MB.
pub const RENEWED_REMEMBERED: usize = 65_536;

/// After how long records that could not be protected anew are tried again: storage may write again, a record may have been restored.
pub const RENEWAL_RETRIED_EVERY: Duration = Duration::from_mins(10);

/// Longest rest between two of its pages, which is else as long as the page took: a clock that leaps must not hold it up.
pub const RENEWAL_REST_MAX: Duration = Duration::from_secs(1);

const _: () = assert!(2 * RENEWAL_BATCH_RECORDS <= TRANSACTION_OPERATIONS_MAX);
const _: () = assert!(RENEWAL_BATCH_SIZE + VALUE_SIZE_MAX + ADDRESS_SIZE_MAX <= TRANSACTION_SIZE_MAX);

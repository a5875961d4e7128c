//! What a count promises: it is never below the truth, whatever happens to the process or to storage.

mod paced;
mod used_up;
mod waiting;

use claviger_algorithm::Algorithm;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::counter::UseError;
use super::*;
use crate::crypto::random::SystemRandom;
use crate::hierarchy::SystemKeys;
use crate::storage::{Call, FailingStorage, MemoryStorage, Storage};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

const ID: KeyId = KeyId([7; 16]);
const FIRST: KeyVersion = KeyVersion::FIRST;
const LIMIT: u64 = 1 << 32;
const MOST: usize = 1 << 20;

/// Storage that outlives the processes that open it.
struct Place(Arc<FailingStorage<MemoryStorage>>, Arc<Stopwatch>);

/// Running time that is set by hand.
#[derive(Default)]
struct Stopwatch {
    now_ms: AtomicU64,
    /// How much passes between one look at it and the next.
    step_ms: AtomicU64,
}

impl Clock for Stopwatch {
    fn now_ms(&self) -> u64 {
        0
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.now_ms.fetch_add(self.step_ms.load(Ordering::Relaxed), Ordering::Relaxed))
    }
}

impl Place {
    fn new() -> Self {
        Self(Arc::new(FailingStorage::new(MemoryStorage::new())), Arc::default())
    }

    /// A process begins. It ends in good order by `close`; dropped, it was killed.
    fn open(&self) -> UseCounts {
        let counts = self.open_only();
        counts.write();
        counts
    }

    /// A process begins, and has not told storage yet.
    fn open_only(&self) -> UseCounts {
        UseCounts::open(self.vault(), self.clock()).unwrap().0
    }

    /// A version is made.
    fn create(&self, counts: &UseCounts, version: KeyVersion) {
        let vault = self.vault();
        vault.transact(&[], &[vault.put(address::use_count(ID, version), &counts.none_yet())]).unwrap();
    }

    /// The first version of a key was used so often.
    fn have_used(&self, counts: &UseCounts, id: KeyId, used: u64) {
        let count = UseCountRecord { used, ..counts.none_yet() };
        let vault = self.vault();
        vault.transact(&[], &[vault.put(address::use_count(id, FIRST), &count)]).unwrap();
    }

    /// How often, as storage has it.
    fn written(&self, id: KeyId) -> u64 {
        self.vault().read::<UseCountRecord>(&address::use_count(id, FIRST)).unwrap().unwrap().0.used
    }

    fn vault(&self) -> Arc<Vault> {
        let storage: Arc<dyn Storage> = Arc::clone(&self.0) as _;
        Arc::new(Vault::new(storage, SystemKeys::for_tests([3; 32]), Arc::new(SystemRandom::new())))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.1) as _
    }

    /// Time passes while a process is running.
    fn run(&self, milliseconds: u64) {
        self.1.now_ms.fetch_add(milliseconds, Ordering::Relaxed);
    }

    fn fails_next(&self) {
        self.0.fail(Call::Transact, 1);
    }
}

fn counter(counts: &UseCounts) -> UseCounter {
    counts.counter(ID, FIRST, Algorithm::Aes256Gcm).unwrap()
}

/// Storage with one version, and the process that made it.
fn begin() -> (Place, UseCounts) {
    let place = Place::new();
    let counts = place.open();
    place.create(&counts, FIRST);
    (place, counts)
}

// R-K3
#[test]
fn the_limit_of_the_algorithm_is_that_of_sp_800_38d() {
    assert_eq!(Algorithm::Aes256Gcm.row().use_limit, Some(LIMIT));
    assert_eq!(Algorithm::Xaes256Gcm.row().use_limit, None);
}

// R-K3
#[test]
fn no_use_beyond_the_limit_is_given_out() {
    let (place, counts) = begin();
    place.have_used(&counts, ID, LIMIT - 1_000);
    let counter = counter(&counts);
    assert_eq!(counter.take(990), Ok(()));
    // A batch that does not fit is refused as a whole, a smaller one is not.
    assert_eq!(counter.take(11), Err(UseError::LimitReached));
    assert_eq!(counter.take(10), Ok(()));
    assert_eq!(counter.take(1), Err(UseError::LimitReached));
    assert_eq!(counter.take(usize::MAX), Err(UseError::LimitReached));
    assert_eq!(counter.used(), LIMIT);
    counts.write();
    assert_eq!(counter.take(1), Err(UseError::LimitReached));
}

// R-K3
#[test]
fn unwritten_uses_are_bounded_and_writing_makes_room() {
    let (place, counts) = begin();
    let counter = counter(&counts);
    assert_eq!(counter.take(MOST), Ok(()));
    assert_eq!(counter.take(1), Err(UseError::NotWritten));
    place.fails_next();
    counts.write();
    assert!(counts.is_failing());
    assert_eq!(counter.take(1), Err(UseError::NotWritten));
    counts.write();
    assert!(!counts.is_failing());
    assert_eq!(counter.take(MOST), Ok(()));
    assert_eq!(counter.take(1), Err(UseError::NotWritten));
}

#[test]
fn many_unwritten_uses_have_themselves_written_soon() {
    let place = Place::new();
    let (counts, soon) = UseCounts::open(place.vault(), place.clock()).unwrap();
    counts.write();
    place.create(&counts, FIRST);
    let counter = counter(&counts);
    counter.take(MOST / 2).unwrap();
    assert!(soon.try_recv().is_err());
    counter.take(1).unwrap();
    assert!(soon.try_recv().is_ok());
}

// R-K3
#[test]
fn after_an_end_in_good_order_the_count_is_exact() {
    let (place, counts) = begin();
    let held = counter(&counts);
    held.take(12_345).unwrap();
    counts.close();
    // Nothing is counted any more that nobody would write.
    assert_eq!(held.take(1), Err(UseError::NotWritten));
    assert_eq!(counter(&place.open()).used(), 12_345);
}

// R-K3
#[test]
fn each_kill_raises_the_count_by_what_may_have_been_unwritten() {
    let (place, counts) = begin();
    counter(&counts).take(5).unwrap();
    drop(counts);
    for kills in 1..=3 {
        let counts = place.open();
        assert_eq!(counter(&counts).used(), kills * UNWRITTEN_USES_MAX, "{kills} kills");
        counter(&counts).take(MOST).unwrap();
        // Killed.
    }
    // Written once, the count is the truth again from there on.
    let counts = place.open();
    counter(&counts).take(1).unwrap();
    counts.close();
    let raised = 4 * UNWRITTEN_USES_MAX + 1;
    assert_eq!(counter(&place.open()).used(), raised);
}

// R-K3
#[test]
fn kills_before_a_version_was_made_do_not_count_against_it() {
    let (place, counts) = begin();
    drop(counts);
    drop(place.open());
    let counts = place.open();
    let second = FIRST.next().unwrap();
    place.create(&counts, second);
    assert_eq!(counts.counter(ID, second, Algorithm::Aes256Gcm).unwrap().used(), 0);
    assert_eq!(counter(&counts).used(), 2 * UNWRITTEN_USES_MAX);
}

// R-K3
#[test]
fn nothing_is_counted_before_storage_knows_that_the_installation_is_open() {
    let (place, counts) = begin();
    counts.close();
    place.fails_next();
    let counts = place.open();
    assert!(counts.is_failing());
    assert_eq!(counter(&counts).take(1), Err(UseError::NotWritten));
    counts.write();
    assert_eq!(counter(&counts).take(1), Ok(()));
    drop(counts);
    assert_eq!(counter(&place.open()).used(), UNWRITTEN_USES_MAX);
}

// R-K3
#[test]
fn an_end_whose_last_write_fails_counts_as_a_kill() {
    let (place, counts) = begin();
    counter(&counts).take(5).unwrap();
    place.fails_next();
    counts.close();
    assert_eq!(counter(&place.open()).used(), UNWRITTEN_USES_MAX);
}

// R-K10
#[test]
fn running_time_is_that_of_all_processes_that_ended_in_good_order() {
    let place = Place::new();
    for processes in 1..=3 {
        let counts = place.open();
        place.run(10_000);
        assert_eq!(counts.running_ms(), processes * 10_000);
        counts.close();
        // The machine goes on while nothing runs here.
        place.run(1_000_000);
    }
    assert_eq!(place.open().running_ms(), 30_000);
}

// R-K10
#[test]
fn a_kill_loses_less_than_a_minute_of_running_time_and_adds_none() {
    let place = Place::new();
    let mut truth = 0;
    for milliseconds in [59_999, 60_000, 61_000, 1, 3_600_000] {
        let counts = place.open();
        let before = counts.running_ms();
        assert!(before <= truth);
        for _ in 0..10 {
            place.run(milliseconds / 10);
            counts.write();
        }
        truth += milliseconds / 10 * 10;
        let ran = counts.running_ms();
        assert_eq!(ran, before + milliseconds / 10 * 10);
        // Killed.
        drop(counts);
        let after = place.open().running_ms();
        assert!(after <= ran && after + 60_000 > ran, "{after} of {ran}");
    }
}

#[test]
fn running_time_that_cannot_be_written_is_written_later() {
    let place = Place::new();
    let counts = place.open();
    place.run(60_000);
    place.fails_next();
    counts.write();
    assert!(counts.is_failing());
    assert_eq!(place.open().running_ms(), 0);
    counts.write();
    assert!(!counts.is_failing());
    assert_eq!(place.open().running_ms(), 60_000);
}

#[test]
fn a_count_that_is_missing_or_of_another_version_is_damage() {
    let (place, counts) = begin();
    let second = FIRST.next().unwrap();
    assert!(matches!(counts.counter(ID, second, Algorithm::Aes256Gcm), Err(Error::Damaged(_))));
    let first = place.0.inner().get(&address::use_count(ID, FIRST)).unwrap().unwrap();
    let moved = crate::storage::Write::Put { address: address::use_count(ID, second), value: first.value };
    place.0.inner().transact(&[], &[moved]).unwrap();
    assert!(matches!(counts.counter(ID, second, Algorithm::Aes256Gcm), Err(Error::Damaged(_))));
}

// R-K3
#[test]
fn a_count_that_knows_of_more_kills_than_there_were_is_damage() {
    let (place, counts) = begin();
    drop(counts);
    let counts = place.open();
    counter(&counts).take(1).unwrap();
    counts.close();
    // The record of how processes ended is lost.
    place.0.inner().transact(&[], &[crate::storage::Write::Delete { address: address::run() }]).unwrap();
    assert!(matches!(place.open().counter(ID, FIRST, Algorithm::Aes256Gcm), Err(Error::Damaged(_))));
}

#[test]
fn a_count_that_nobody_holds_is_forgotten_once_it_is_written() {
    let (_place, counts) = begin();
    let held = counter(&counts);
    held.take(3).unwrap();
    drop(held);
    assert_eq!(counts.known.lock().len(), 1, "unwritten");
    counts.write();
    assert_eq!(counts.known.lock().len(), 0);
    let held = counter(&counts);
    assert_eq!(held.used(), 3);
    counts.write();
    assert_eq!(counts.known.lock().len(), 1, "held");
    held.take(1).unwrap();
    assert_eq!(counter(&counts).used(), 4, "the same count");
}

// R-K3
#[test]
fn half_of_the_limit_is_near_it() {
    let (place, counts) = begin();
    place.have_used(&counts, ID, LIMIT / 2 - 3);
    let held = counter(&counts);
    held.take(2).unwrap();
    counts.write();
    assert!(counts.near_their_limit().is_empty());
    held.take(1).unwrap();
    counts.write();
    assert_eq!(counts.near_their_limit(), [(ID, FIRST)]);
    // A version that nobody uses any more, as after a rotation, is none to warn of.
    drop(held);
    counts.write();
    assert!(counts.near_their_limit().is_empty());
    let _held = counter(&counts);
    assert_eq!(counts.near_their_limit(), [(ID, FIRST)], "as soon as it is read");
}

/// What can happen.
#[derive(Clone, Debug)]
enum Event {
    Use(usize),
    Write,
    WriteFails,
    Kill,
    End,
    EndFails,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..=MOST).prop_map(Event::Use),
        2 => Just(Event::Write),
        1 => Just(Event::WriteFails),
        1 => Just(Event::Kill),
        1 => Just(Event::End),
        1 => Just(Event::EndFails),
    ]
}

// R-K3
#[test]
fn whatever_happens_no_count_is_below_the_truth_or_far_above_it() {
    let config = ProptestConfig {
        cases: 300,
        rng_seed: RngSeed::Fixed(20),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(events in prop::collection::vec(event(), 1..40))| {
        let (place, mut counts) = begin();
        let (mut truth, mut stops) = (0, 0);
        for event in events {
            match event {
                Event::Use(items) => truth += counter(&counts).take(items).map_or(0, |()| items as u64),
                Event::Write => counts.write(),
                Event::WriteFails => {
                    place.fails_next();
                    counts.write();
                    place.0.fail(Call::Transact, 0);
                }
                Event::Kill => {
                    counts = place.open();
                    stops += 1;
                }
                Event::End | Event::EndFails => {
                    if matches!(event, Event::EndFails) {
                        place.fails_next();
                        stops += 1;
                    }
                    counts.close();
                    place.0.fail(Call::Transact, 0);
                    counts = place.open();
                }
            }
            let used = counter(&counts).used();
            prop_assert!(used >= truth, "{used} counted, {truth} used");
            prop_assert!(used <= truth + stops * UNWRITTEN_USES_MAX, "{used} counted, {truth} used, {stops} stops");
        }
    });
}

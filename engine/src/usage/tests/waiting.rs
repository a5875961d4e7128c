//! What counters leave for the thread that writes them: no use is overlooked, and of very many counts those are written first that cannot wait.

use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;
use crate::limits::{UNHELD_COUNTERS_MAX, USES_WRITTEN_WITHIN};

const OTHER: KeyId = KeyId([8; 16]);

/// Two keys, and a process that has just taken so long to write their counts.
fn after_writing_for(milliseconds: u64) -> (Place, UseCounts) {
    let (place, counts) = begin();
    place.have_used(&counts, OTHER, 0);
    place.1.step_ms.store(milliseconds, Ordering::Relaxed);
    counts.write();
    place.1.step_ms.store(0, Ordering::Relaxed);
    (place, counts)
}

fn other(counts: &UseCounts) -> UseCounter {
    counts.counter(OTHER, FIRST, Algorithm::Aes256Gcm).unwrap()
}

// R-K3
#[test]
fn counts_that_are_written_quickly_are_written_each_time() {
    let (place, counts) = after_writing_for(100);
    let held = counter(&counts);
    for round in 1..=3 {
        held.take(1).unwrap();
        counts.write_due();
        assert_eq!(place.written(ID), round);
    }
}

// R-K3
#[test]
fn counts_that_took_long_to_write_rest_and_those_that_cannot_wait_do_not() {
    let (place, counts) = after_writing_for(2_000);
    let (held, busy) = (counter(&counts), other(&counts));
    held.take(1).unwrap();
    busy.take(MOST).unwrap();
    counts.write_due();
    assert_eq!((place.written(ID), place.written(OTHER)), (0, 0), "neither is urgent");
    assert_eq!(busy.take(1), Err(UseError::NotWritten));
    counts.write_due();
    assert_eq!((place.written(ID), place.written(OTHER)), (0, UNWRITTEN_USES_MAX));
    assert_eq!(busy.take(1), Ok(()));
    assert_eq!(held.used(), 1, "whoever asks is told");
    place.run(18_000);
    counts.write_due();
    assert_eq!((place.written(ID), place.written(OTHER)), (1, UNWRITTEN_USES_MAX + 1));
}

// R-K3
#[test]
fn no_count_rests_for_more_than_a_minute() {
    let (place, counts) = after_writing_for(1_000_000);
    counter(&counts).take(1).unwrap();
    place.run(u64::try_from(USES_WRITTEN_WITHIN.as_millis()).unwrap());
    counts.write_due();
    assert_eq!(place.written(ID), 1);
}

// R-K3
#[test]
fn an_end_in_good_order_writes_what_rests() {
    let (place, counts) = after_writing_for(2_000);
    counter(&counts).take(1).unwrap();
    counts.write_due();
    assert_eq!(place.written(ID), 0);
    counts.close();
    assert_eq!(place.written(ID), 1);
}

// R-K3
#[test]
fn a_count_that_rests_is_the_same_for_whoever_comes_next() {
    let (_place, counts) = after_writing_for(2_000);
    counter(&counts).take(5).unwrap();
    counts.write_due();
    let held = counter(&counts);
    assert_eq!(held.used(), 5);
    held.take(1).unwrap();
    drop(held);
    assert_eq!(counter(&counts).used(), 6);
}

// R-K3
#[test]
fn what_could_not_be_written_is_written_the_next_time_though_nobody_uses_it() {
    for is_urgent in [false, true] {
        let (place, counts) = after_writing_for(if is_urgent { 2_000 } else { 0 });
        let busy = other(&counts);
        busy.take(MOST).unwrap();
        if is_urgent {
            busy.take(1).unwrap_err();
        }
        for _ in 0..2 {
            place.fails_next();
            counts.write_due();
            assert!(counts.is_failing());
            assert_eq!(place.written(OTHER), 0);
        }
        place.0.fail(Call::Transact, 0);
        counts.write_due();
        assert!(!counts.is_failing());
        assert_eq!(place.written(OTHER), UNWRITTEN_USES_MAX);
        assert_eq!(busy.take(1), Ok(()));
    }
}

// R-K3
#[test]
fn very_many_counts_that_nobody_holds_do_not_rest() {
    let (place, counts) = after_writing_for(2_000);
    let vault = place.vault();
    let id = |number: usize| KeyId(u128::try_from(number).unwrap().to_be_bytes());
    let put = |number| vault.put(address::use_count(id(number), FIRST), &counts.none_yet());
    let numbers: Vec<_> = (0..=UNHELD_COUNTERS_MAX).collect();
    for part in numbers.chunks(4_096) {
        vault.transact(&[], &part.iter().map(|number| put(*number)).collect::<Vec<_>>()).unwrap();
    }
    let use_one = |number| counts.counter(id(number), FIRST, Algorithm::Aes256Gcm).unwrap().take(1).unwrap();
    (0..UNHELD_COUNTERS_MAX).for_each(use_one);
    counts.write_due();
    assert_eq!((place.written(id(0)), counts.known.lock().len()), (0, UNHELD_COUNTERS_MAX));
    use_one(UNHELD_COUNTERS_MAX);
    counts.write_due();
    assert_eq!((place.written(id(0)), counts.known.lock().len()), (1, 0));
}

// R-K3
#[test]
fn no_use_is_overlooked_while_others_are_written() {
    const USES: u64 = 20_000;
    const THREADS: u64 = 2;
    let (place, counts) = begin();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let users: Vec<_> = (0..THREADS)
            .map(|_| {
                // Each holds the count for a moment only.
                scope.spawn(|| (0..USES).for_each(|_| counter(&counts).take(1).unwrap()))
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                counts.write_due();
            }
        });
        users.into_iter().for_each(|user| user.join().unwrap());
        done.store(true, Ordering::SeqCst);
    });
    counts.write_due();
    assert_eq!(place.written(ID), USES * THREADS);
    assert_eq!(counts.known.lock().len(), 0);
}

#[test]
fn counts_that_are_held_beyond_the_end_keep_nothing_alive() {
    let (_place, counts) = begin();
    let (held, waiting) = (counter(&counts), Arc::downgrade(&counts.waiting));
    held.take(1).unwrap();
    drop(counts);
    held.take(1).unwrap();
    drop(held);
    assert!(waiting.upgrade().is_none());
}

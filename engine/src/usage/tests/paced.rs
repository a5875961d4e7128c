//! When statistics are written: of few keys each time, of very many after a rest, and never is a use lost by it.

use super::*;
use crate::key::client::ClientName;
use crate::limits::{TALLIES_HANDED_OVER_MAX, TALLY_SIZE_MAX, USES_WRITTEN_WITHIN};
use crate::record::usage::KeyUsage;

/// Statistics over a place whose running time is set by hand, and a client.
struct Counting {
    place: Place,
    statistics: UseStatistics,
    client: Client,
}

impl Counting {
    fn new() -> Self {
        let place = Place::new();
        let signal = Signal::new().0;
        let due = Arc::new(DueByUse::new().0);
        let statistics = UseStatistics::new(place.vault(), place.clock(), signal, due);
        let client = statistics.client(ClientName::certificate("client", [1; 32]));
        Self { place, statistics, client }
    }

    /// Uses a key once.
    fn uses(&self, id: KeyId, has_bounds: bool) {
        let count = Count { items: 1, bytes: 10, has_bounds };
        Gathered::new(self.statistics.tallies(), self.client.number()).add(id, FIRST, count);
    }

    /// Writes what is due; each transaction takes so long.
    fn write_due(&self, milliseconds: u64) {
        self.statistics.write_due(|| self.place.run(milliseconds));
    }

    /// What storage has.
    fn stored(&self, id: KeyId) -> KeyUsage {
        let stored = self.place.vault().read(&address::usage(id)).unwrap();
        stored.map(|(usage, _)| usage).unwrap_or_default()
    }

    /// Items that storage has.
    fn written(&self, id: KeyId) -> u64 {
        items(&self.stored(id))
    }

    /// Items that whoever asks is told of.
    fn told(&self, id: KeyId) -> u64 {
        items(&self.statistics.read(id).unwrap())
    }
}

fn items(usage: &KeyUsage) -> u64 {
    usage.versions.iter().map(|usage| usage.items).sum()
}

fn key(number: usize) -> KeyId {
    KeyId(u128::try_from(number).unwrap().to_be_bytes())
}

// R-K20
#[test]
fn what_is_written_quickly_is_written_each_time() {
    let counting = Counting::new();
    for round in 1..=3 {
        counting.uses(ID, false);
        counting.write_due(100);
        assert_eq!(counting.written(ID), round);
    }
}

// R-K20
#[test]
fn what_took_long_rests_nine_times_as_long_and_is_told_all_the_same() {
    let counting = Counting::new();
    counting.uses(ID, false);
    counting.write_due(2_000);
    counting.uses(ID, false);
    // Beside the second that the thread waits in any case.
    counting.place.run(16_999);
    counting.write_due(0);
    assert_eq!((counting.written(ID), counting.told(ID)), (1, 2));
    counting.uses(ID, false);
    assert_eq!((counting.written(ID), counting.told(ID)), (1, 3));
    counting.place.run(1);
    counting.write_due(0);
    assert_eq!((counting.written(ID), counting.told(ID)), (3, 3));
}

// R-K20
#[test]
fn no_rest_is_longer_than_what_a_kill_may_lose() {
    let counting = Counting::new();
    counting.uses(ID, false);
    counting.write_due(1_000_000);
    counting.uses(ID, false);
    counting.place.run(u64::try_from(USES_WRITTEN_WITHIN.as_millis()).unwrap());
    counting.write_due(0);
    assert_eq!(counting.written(ID), 2);
}

// R-K12
#[test]
fn keys_that_are_rotated_by_use_do_not_rest() {
    let counting = Counting::new();
    let (bounded, other) = (key(1), key(2));
    counting.uses(other, false);
    counting.write_due(2_000);
    for round in 1..=3 {
        counting.uses(bounded, true);
        counting.uses(other, false);
        counting.write_due(0);
        assert_eq!((counting.written(bounded), counting.written(other)), (round, 1));
        // Nothing of it is left to be written.
        let revision = counting.place.0.revision();
        counting.write_due(0);
        assert_eq!(counting.place.0.revision(), revision);
    }
    assert_eq!(counting.told(other), 4);
}

// R-K20
#[test]
fn an_end_writes_what_rests() {
    let counting = Counting::new();
    counting.uses(ID, false);
    counting.write_due(2_000);
    counting.uses(ID, false);
    counting.write_due(0);
    assert_eq!(counting.written(ID), 1);
    counting.statistics.write(|| {});
    assert_eq!(counting.written(ID), 2);
}

// R-K12, R-K20
#[test]
fn what_could_not_be_written_is_written_the_next_time_without_a_rest() {
    let counting = Counting::new();
    counting.uses(ID, false);
    counting.write_due(2_000);
    for (failing, has_bounds) in [(key(1), true), (key(2), false)] {
        counting.uses(failing, has_bounds);
        counting.uses(ID, false);
        counting.place.fails_next();
        // Keys that rest are not tried at all.
        if !has_bounds {
            counting.place.run(18_000);
        }
        counting.write_due(0);
        assert!(counting.statistics.is_failing());
        assert_eq!((counting.written(failing), counting.told(failing)), (0, 1));
        counting.write_due(2_000);
        assert!(!counting.statistics.is_failing());
        assert_eq!((counting.written(failing), counting.written(ID)), (1, counting.told(ID)));
    }
}

// R-K20
#[test]
fn a_client_that_went_while_its_uses_rest_is_written_by_name() {
    let mut counting = Counting::new();
    counting.uses(ID, false);
    counting.write_due(2_000);
    counting.uses(ID, false);
    counting.client = counting.statistics.client(ClientName::certificate("other", [2; 32]));
    counting.uses(ID, false);
    for _ in 0..5 {
        counting.write_due(0);
    }
    counting.statistics.write(|| {});
    let usage = counting.stored(ID);
    let clients = usage.clients.iter().map(|usage| (usage.client.common_name().unwrap(), usage.items));
    assert_eq!(clients.collect::<Vec<_>>(), [("client", 2), ("other", 1)]);
    assert_eq!(usage.others.items, 0);
}

// R-K20
#[test]
fn uses_that_come_while_very_many_keys_are_written_are_not_lost() {
    let counting = Counting::new();
    let keys = TALLY_SIZE_MAX + 1;
    let use_all = || (0..keys).for_each(|number| counting.uses(key(number), false));
    use_all();
    let mut rounds = 1;
    counting.statistics.write_due(|| {
        (0..20).for_each(|_| use_all());
        rounds += 20;
    });
    // Far more than threads can hand over before somebody gathers it.
    assert!(rounds * keys > (TALLIES_HANDED_OVER_MAX + 1) * TALLY_SIZE_MAX, "{rounds}");
    counting.statistics.write(|| {});
    for number in [0, 1, keys / 2, keys - 1] {
        assert_eq!(counting.written(key(number)), rounds as u64);
    }
}

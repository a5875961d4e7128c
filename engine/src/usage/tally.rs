//! What is counted on the way: each thread adds to a table of its own, and never waits. Tables are emptied by whoever gathers them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

use super::Signal;
use super::client::ClientNumber;
use crate::key::id::KeyId;
use crate::key::version::KeyVersion;
use crate::limits::{TALLIES_HANDED_OVER_MAX, TALLY_SIZE_MAX, TALLY_TABLES, USES_GATHERED_MAX};

/// The tables of all threads.
pub(crate) struct Tallies {
    tables: Box<[CachePadded<Mutex<Table>>]>,
    /// Tables that were full, and uses that found theirs just being emptied.
    handed_over: (Sender<Table>, Receiver<Table>),
    /// Items that were not counted because nobody took what was handed over.
    lost: AtomicU64,
    signal: Arc<Signal>,
}

/// Uses by key, version and client.
pub(super) type Table = HashMap<Place, Count, BuildHasherDefault<PlaceHasher>>;

/// What is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) id: KeyId,
    pub(super) version: KeyVersion,
    pub(super) client: ClientNumber,
}

/// Hashes places: ids of keys are random bytes that were made here, so that nobody can choose them to collide, and mixing them is enough.
#[derive(Default)]
pub(super) struct PlaceHasher(u64);

impl PlaceHasher {
    const fn mix(&mut self, value: u64) {
        // The odd constant is 2^64 over the golden ratio, as in Fibonacci hashing (Knuth, TAOCP vol. 3, 6.4).
        self.0 = (self.0.rotate_left(29) ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for PlaceHasher {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        let (whole, rest) = bytes.as_chunks::<8>();
        whole.iter().for_each(|chunk| self.mix(u64::from_le_bytes(*chunk)));
        rest.iter().for_each(|byte| self.mix(u64::from(*byte)));
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_usize(&mut self, _size: usize) {
        // Sizes of ids, which are all alike.
    }
}

/// How much it was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Items that were done.
    pub(crate) items: u64,
    /// Bytes of their plaintexts, messages or digests.
    pub(crate) bytes: u64,
    /// Whether the key is rotated by use.
    pub(crate) has_bounds: bool,
}

impl Count {
    fn add(&mut self, added: Self) {
        self.items = self.items.saturating_add(added.items);
        self.bytes = self.bytes.saturating_add(added.bytes);
        self.has_bounds |= added.has_bounds;
    }
}

impl Tallies {
    /// Empty tables. `signal` tells when some were full.
    pub(super) fn new(signal: Arc<Signal>) -> Self {
        let tables = (0..TALLY_TABLES).map(|_| CachePadded::default()).collect();
        let handed_over = crossbeam_channel::bounded(TALLIES_HANDED_OVER_MAX);
        Self { tables, handed_over, lost: AtomicU64::new(0), signal }
    }

    /// Gives everything that was counted to `take`, and begins anew. `spare` is an empty table, and comes back as one: its memory is used again.
    pub(super) fn empty(&self, spare: &mut Table, mut take: impl FnMut(Place, Count)) {
        // So that a thread whose table it becomes need not ask for memory at once.
        spare.reserve(SPARE_SIZE);
        for table in &self.tables {
            {
                let mut table = table.lock();
                if table.is_empty() {
                    continue;
                }
                std::mem::swap(&mut *table, spare);
            }
            spare.drain().for_each(|(place, count)| take(place, count));
        }
        for table in self.handed_over.1.try_iter() {
            table.into_iter().for_each(|(place, count)| take(place, count));
        }
    }

    /// Whether so many tables are handed over that they should be gathered soon.
    pub(super) fn are_handed_over(&self) -> bool {
        self.handed_over.1.len() >= TALLIES_HANDED_OVER_MAX / 4
    }

    /// Items that were lost since this was asked last.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    fn add(&self, uses: &[(Place, Count)]) {
        // Usually nobody else: it is the thread's own table.
        let table = self.tables.get(thread_number() % TALLY_TABLES).and_then(|table| table.try_lock());
        let Some(mut table) = table else {
            return self.hand_over(uses.iter().copied().collect());
        };
        for (place, count) in uses {
            table.entry(*place).or_default().add(*count);
        }
        if table.len() >= TALLY_SIZE_MAX {
            let full = std::mem::take(&mut *table);
            drop(table);
            self.hand_over(full);
        }
    }

    #[cold]
    fn hand_over(&self, table: Table) {
        if let Err(TrySendError::Full(table) | TrySendError::Disconnected(table)) = self.handed_over.0.try_send(table) {
            let items = table.values().map(|count| count.items).sum();
            self.lost.fetch_add(items, Ordering::Relaxed);
        }
        if self.are_handed_over() {
            self.signal.write_soon();
        }
    }
}

/// The uses of one client in one read of a socket, counted when it is dropped. Nothing is shared before that.
pub(crate) struct Gathered<'a> {
    tallies: &'a Tallies,
    client: ClientNumber,
    uses: [(Place, Count); USES_GATHERED_MAX],
    used: usize,
}

impl<'a> Gathered<'a> {
    /// Nothing yet.
    pub(crate) fn new(tallies: &'a Tallies, client: ClientNumber) -> Self {
        let nothing = (Place { id: KeyId([0; 16]), version: KeyVersion::FIRST, client }, Count::default());
        Self { tallies, client, uses: [nothing; USES_GATHERED_MAX], used: 0 }
    }

    /// Adds uses of one version of a key.
    pub(crate) fn add(&mut self, id: KeyId, version: KeyVersion, count: Count) {
        let place = Place { id, version, client: self.client };
        let so_far = self.uses.get_mut(..self.used).unwrap_or_default();
        if let Some((_, known)) = so_far.iter_mut().find(|(known, _)| *known == place) {
            return known.add(count);
        }
        if self.used >= USES_GATHERED_MAX {
            self.flush();
        }
        if let Some(free) = self.uses.get_mut(self.used) {
            *free = (place, count);
            self.used += 1;
        }
    }

    fn flush(&mut self) {
        if self.used > 0 {
            self.tallies.add(self.uses.get(..self.used).unwrap_or_default());
            self.used = 0;
        }
    }
}

impl Drop for Gathered<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Keys for which an empty table has room.
const SPARE_SIZE: usize = 64;

/// A number of this thread's own.
fn thread_number() -> usize {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = LAST.fetch_add(1, Ordering::Relaxed);
    }
    // A thread that is ending uses nothing any more; if it did, any table will do.
    NUMBER.try_with(|number| *number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::AtomicBool;

    use super::*;

    const CLIENT: ClientNumber = ClientNumber::NOBODY;
    const FIRST: KeyVersion = KeyVersion::FIRST;

    fn tallies() -> (Arc<Tallies>, Receiver<()>) {
        let (signal, soon) = Signal::new();
        (Arc::new(Tallies::new(signal)), soon)
    }

    fn id(number: usize) -> KeyId {
        KeyId(u128::try_from(number).unwrap().to_be_bytes())
    }

    fn once() -> Count {
        Count { items: 1, bytes: 10, has_bounds: false }
    }

    /// What was counted, by key.
    fn gathered(tallies: &Tallies) -> BTreeMap<KeyId, Count> {
        let mut counts: BTreeMap<KeyId, Count> = BTreeMap::new();
        let mut spare = Table::default();
        tallies.empty(&mut spare, |place, count| counts.entry(place.id).or_default().add(count));
        assert!(spare.is_empty());
        counts
    }

    // R-K20
    #[test]
    fn uses_are_counted_when_the_read_ends_and_once() {
        let (tallies, _soon) = tallies();
        let mut read = Gathered::new(&tallies, CLIENT);
        (0..3).for_each(|_| read.add(id(1), FIRST, once()));
        read.add(id(2), FIRST, Count { has_bounds: true, ..once() });
        assert!(gathered(&tallies).is_empty());
        drop(read);
        let expected = [
            (id(1), Count { items: 3, bytes: 30, has_bounds: false }),
            (id(2), Count { items: 1, bytes: 10, has_bounds: true }),
        ];
        assert_eq!(gathered(&tallies), expected.into());
        assert!(gathered(&tallies).is_empty());
    }

    // R-K20
    #[test]
    fn a_read_of_many_keys_counts_each_of_them() {
        let (tallies, _soon) = tallies();
        let mut read = Gathered::new(&tallies, CLIENT);
        let keys = 3 * USES_GATHERED_MAX + 1;
        (0..2).for_each(|_| (0..keys).for_each(|key| read.add(id(key), FIRST, once())));
        drop(read);
        let counts = gathered(&tallies);
        assert_eq!(counts.len(), keys);
        assert!(counts.values().all(|count| count.items == 2));
    }

    #[test]
    fn full_tables_are_handed_over_and_ask_to_be_gathered() {
        let (tallies, soon) = tallies();
        let full = TALLY_SIZE_MAX * TALLIES_HANDED_OVER_MAX / 4;
        for key in 0..full + 5 {
            assert!(soon.is_empty() || key >= full);
            Gathered::new(&tallies, CLIENT).add(id(key), FIRST, once());
        }
        assert!(soon.try_recv().is_ok());
        assert_eq!(gathered(&tallies).len(), full + 5);
        assert_eq!(tallies.take_lost(), 0);
    }

    #[test]
    fn what_nobody_gathers_is_bounded_and_what_is_lost_is_known() {
        let (tallies, _soon) = tallies();
        let bound = TALLY_SIZE_MAX * (TALLIES_HANDED_OVER_MAX + 1);
        for key in 0..bound + 7 {
            Gathered::new(&tallies, CLIENT).add(id(key), FIRST, once());
        }
        let counted = gathered(&tallies).len();
        assert!(counted <= bound, "{counted}");
        assert_eq!(counted as u64 + tallies.take_lost(), bound as u64 + 7);
        assert_eq!(tallies.take_lost(), 0);
    }

    // R-K20
    #[test]
    fn nothing_is_lost_or_counted_twice_while_tables_are_being_emptied() {
        const READS: usize = 20_000;
        let (tallies, _soon) = tallies();
        let done = AtomicBool::new(false);
        let mut items = 0;
        std::thread::scope(|scope| {
            let working: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        for read in 0..READS {
                            Gathered::new(&tallies, CLIENT).add(id(read % 7), FIRST, once());
                        }
                    })
                })
                .collect();
            let gathering = scope.spawn(|| {
                let mut items = 0;
                while !done.load(Ordering::SeqCst) {
                    items += gathered(&tallies).values().map(|count| count.items).sum::<u64>();
                }
                items
            });
            working.into_iter().for_each(|thread| thread.join().unwrap());
            done.store(true, Ordering::SeqCst);
            items += gathering.join().unwrap();
        });
        items += gathered(&tallies).values().map(|count| count.items).sum::<u64>();
        assert_eq!(items + tallies.take_lost(), 2 * READS as u64);
    }
}

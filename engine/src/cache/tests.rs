//! What the cache keeps to inside: who is told what, and that nothing stays behind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use claviger_algorithm::Algorithm;
use parking_lot::Mutex;

use super::{
    Cache, EntryVersion, Fault, KeyEntry, KeySource, LoadError, PreparedKey, Slot, StorePolicy, StoreSlot, Stores,
    Unasked, Uses,
};
use crate::error::Error;
use crate::key::id::{KeyId, StoreId};
use crate::key::material::SecretBytes;
use crate::key::state::KeyState;
use crate::key::version::KeyVersion;
use crate::limits::EVICTION_STEPS_MAX;

/// Keys in a map; something can be made to happen in the middle of the next load.
struct Source {
    store: Arc<StoreSlot>,
    keys: Mutex<BTreeMap<KeyId, KeyState>>,
    in_next_load: Mutex<Option<Happening>>,
}

type Happening = Box<dyn FnOnce(&Source) + Send>;

impl Source {
    fn new() -> Self {
        let name = "store".parse().unwrap();
        let policy = StorePolicy::closed(name, 0);
        let store = Stores::default().publish(StoreId([1; 16]), policy);
        Self { store, keys: Mutex::default(), in_next_load: Mutex::default() }
    }

    fn set(&self, id: KeyId, state: Option<KeyState>) {
        match state {
            Some(state) => self.keys.lock().insert(id, state),
            None => self.keys.lock().remove(&id),
        };
    }

    fn in_next_load(&self, happening: impl FnOnce(&Self) + Send + 'static) {
        *self.in_next_load.lock() = Some(Box::new(happening));
    }

    fn entry(&self, id: KeyId, state: KeyState) -> KeyEntry {
        let value = PreparedKey::Opaque(Box::new(SecretBytes::from(Vec::new())));
        let versions = vec![EntryVersion { version: KeyVersion::FIRST, key: value, uses: Uses::Unlimited }].into();
        let (store, algorithm, lowest_version) = (Arc::clone(&self.store), Algorithm::Opaque, KeyVersion::FIRST);
        KeyEntry { id, store, algorithm, state, lowest_version, rotates_by_use: false, versions }
    }
}

impl KeySource for Source {
    fn load(&self, id: KeyId, _faults: &mut dyn FnMut(Fault)) -> Result<KeyEntry, Error> {
        let state = self.keys.lock().get(&id).copied();
        let happening = self.in_next_load.lock().take();
        if let Some(happening) = happening {
            happening(self);
        }
        state.map(|state| self.entry(id, state)).ok_or(Error::KeyNotFound(id))
    }
}

/// The answers that the waiters of one test were given.
#[derive(Clone, Default)]
struct Answers(Arc<Mutex<Vec<Result<(), LoadError>>>>);

impl Answers {
    fn waiter(&self) -> super::Waiter {
        let answers = Arc::clone(&self.0);
        Box::new(move |answer| answers.lock().push(answer))
    }

    fn take(&self) -> Vec<Result<(), LoadError>> {
        std::mem::take(&mut self.0.lock())
    }
}

fn id(number: u32) -> KeyId {
    let mut id = [0; 16];
    id[12..].copy_from_slice(&number.to_be_bytes());
    KeyId(id)
}

fn load(cache: &Arc<Cache>, source: &Source, id: KeyId) -> Vec<Result<(), LoadError>> {
    let answers = Answers::default();
    if let Some(job) = cache.request(id, answers.waiter()) {
        job.run(source);
    }
    answers.take()
}

fn state(cache: &Cache, id: KeyId) -> Option<KeyState> {
    cache.slot(id)?.get().as_ref().map(|entry| entry.state())
}

/// What common allocators take for something behind an `Arc`: its two counts, 8 bytes of their own, and all that in steps of 16.
const fn allocated<T>() -> usize {
    (2 * size_of::<usize>() + size_of::<T>() + 8).next_multiple_of(16)
}

#[test]
fn key_of_one_version_takes_176_bytes_beside_its_material() {
    assert!(allocated::<Slot>() <= 80);
    assert!(allocated::<KeyEntry>() <= 96);
}

fn cache(capacity: usize) -> Arc<Cache> {
    Arc::new(Cache::new(capacity))
}

#[test]
fn key_that_is_not_there_leaves_no_slot() {
    let (cache, source) = (cache(10), Source::new());
    assert_eq!(load(&cache, &source, id(1)), [Err(LoadError::NotFound)]);
    assert!(cache.slot(id(1)).is_none());
}

#[test]
fn load_that_is_never_run_tells_its_waiters_and_leaves_no_slot() {
    let (cache, source, answers) = (cache(10), Source::new(), Answers::default());
    source.set(id(1), Some(KeyState::Available));
    let job = cache.request(id(1), answers.waiter()).unwrap();
    assert!(cache.request(id(1), answers.waiter()).is_none());
    drop(job);
    assert_eq!(answers.take(), [Err(LoadError::Overloaded); 2]);
    assert!(cache.slot(id(1)).is_none());
    assert_eq!(load(&cache, &source, id(1)), [Ok(())]);
}

// R-K9
#[test]
fn waiter_who_asks_after_a_change_is_not_told_what_was_before() {
    let (cache, source, answers) = (cache(10), Arc::new(Source::new()), Answers::default());
    let job = cache.request(id(1), answers.waiter()).unwrap();
    // The key is created while the load that did not find it is under way; then somebody asks.
    source.in_next_load({
        let (cache, answers) = (Arc::clone(&cache), answers.clone());
        move |source| {
            source.set(id(1), Some(KeyState::Available));
            cache.refresh(id(1), source);
            assert!(cache.request(id(1), answers.waiter()).is_none());
        }
    });
    job.run(&*source);
    assert_eq!(answers.take(), [Ok(()); 2]);
    assert_eq!(state(&cache, id(1)), Some(KeyState::Available));
}

// R-K9
#[test]
fn key_that_goes_during_a_load_does_not_come_back() {
    let changes: [fn(&Cache, &Source); 2] =
        [|cache, source| cache.refresh(id(1), source), |cache, _| drop(cache.forget_all())];
    for change in changes {
        let (cache, source, answers) = (cache(10), Source::new(), Answers::default());
        source.set(id(1), Some(KeyState::Available));
        let job = cache.request(id(1), answers.waiter()).unwrap();
        source.in_next_load({
            let cache = Arc::clone(&cache);
            move |source| {
                source.set(id(1), None);
                change(&cache, source);
            }
        });
        job.run(&source);
        assert_eq!(answers.take(), [Err(LoadError::NotFound)]);
        assert!(cache.slot(id(1)).is_none());
        assert_eq!(cache.loaded(), 0);
    }
}

#[test]
fn what_is_forgotten_and_loaded_again_counts_once() {
    let (cache, source) = (cache(10), Source::new());
    for number in 0..5 {
        source.set(id(number), Some(KeyState::Available));
    }
    for _ in 0..3 {
        for number in 0..5 {
            load(&cache, &source, id(number));
        }
        assert_eq!(cache.loaded(), 5);
        cache.forget_all();
        assert_eq!(cache.loaded(), 0);
        assert!(cache.slot(id(0)).is_none());
    }
    for number in 0..5 {
        load(&cache, &source, id(number));
        source.set(id(number), None);
        cache.refresh(id(number), &source);
    }
    assert_eq!(cache.loaded(), 0);
}

#[test]
fn worker_that_kept_a_slot_finds_nothing_in_it_after_eviction() {
    let (cache, source) = (cache(2), Source::new());
    for number in 0..4 {
        source.set(id(number), Some(KeyState::Available));
    }
    load(&cache, &source, id(0));
    let kept = cache.slot(id(0)).unwrap();
    for number in 1..4 {
        load(&cache, &source, id(number));
    }
    assert!(kept.is_retired() && kept.get().is_none());
    source.set(id(0), Some(KeyState::Disabled));
    cache.refresh(id(0), &source);
    load(&cache, &source, id(0));
    assert_eq!(state(&cache, id(0)), Some(KeyState::Disabled));
    assert!(kept.get().is_none(), "its place is another one now");
}

#[test]
fn ring_keeps_its_places_while_slots_come_and_go() {
    let (cache, source) = (cache(16), Source::new());
    let (mut number, mut most) = (0x2545_f491_u32, 0);
    for _ in 0..5_000 {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (chosen, is_there) = (id(number >> 8 & 31), number & 0x8000_0000 == 0);
        source.set(chosen, is_there.then_some(KeyState::Available));
        cache.refresh(chosen, &source);
        assert_eq!(load(&cache, &source, chosen), [if is_there { Ok(()) } else { Err(LoadError::NotFound) }]);
        let with_key = (0..32).filter(|number| state(&cache, id(*number)).is_some()).count();
        assert_eq!(with_key, cache.loaded());
        most = most.max(with_key);
    }
    assert_eq!(most, 16, "the cache was full at times, and never more than that");
}

#[test]
fn holds_a_million_keys_if_told_to() {
    const MILLION: u32 = 1_000_000;
    let (cache, source) = (cache(1_000_000), Source::new());
    let answered = Arc::new(AtomicUsize::new(0));
    let every = EveryKey(source);
    // The hand takes back every second chance, some at each load, before it evicts: then the cache is as large as it may be again.
    let more = 2 * MILLION / u32::try_from(EVICTION_STEPS_MAX).unwrap();
    for number in 0..MILLION + more {
        let answered = Arc::clone(&answered);
        let waiter = Box::new(move |answer: Result<(), LoadError>| {
            answered.fetch_add(usize::from(answer.is_ok()), Ordering::Relaxed);
        });
        cache.request(id(number), waiter).unwrap().run(&every);
    }
    assert_eq!(answered.load(Ordering::Relaxed), usize::try_from(MILLION + more).unwrap());
    assert_eq!(cache.loaded(), 1_000_000);
    assert!(state(&cache, id(MILLION + more - 1)).is_some());
}

/// Has every key.
struct EveryKey(Source);

impl KeySource for EveryKey {
    fn load(&self, id: KeyId, _faults: &mut dyn FnMut(Fault)) -> Result<KeyEntry, Error> {
        Ok(self.0.entry(id, KeyState::Available))
    }
}

/// Loads a key that nobody has asked for, while something happens.
fn load_unasked_while(
    cache: &Arc<Cache>,
    source: &Arc<Source>,
    happening: impl FnOnce(&Arc<Cache>, &Source) + Send + 'static,
) -> Result<Unasked, Error> {
    let again = Arc::clone(cache);
    source.in_next_load(move |source| happening(&again, source));
    cache.load_unasked(id(1), &**source)
}

/// A source with some keys, and a cache.
fn with_keys(capacity: usize) -> (Arc<Cache>, Arc<Source>) {
    let source = Arc::new(Source::new());
    (0..10).for_each(|number| source.set(id(number), Some(KeyState::Available)));
    (cache(capacity), source)
}

#[test]
fn key_that_nobody_has_asked_for_is_loaded_once_and_found_by_whoever_asks() {
    let (cache, source) = with_keys(10);
    assert!(matches!(cache.load_unasked(id(1), &*source), Ok(Unasked::Loaded)));
    assert!(matches!(cache.load_unasked(id(1), &*source), Ok(Unasked::NotNeeded)));
    let answers = Answers::default();
    assert!(cache.request(id(1), answers.waiter()).is_none());
    assert_eq!((answers.take(), cache.loaded()), (vec![Ok(())], 1));
    assert_eq!((cache.activity().filled, cache.activity().loads), (1, 0));
}

#[test]
fn key_that_is_missing_is_not_loaded_unasked_and_leaves_no_slot() {
    let (cache, source) = (cache(10), Arc::new(Source::new()));
    assert!(matches!(cache.load_unasked(id(1), &*source), Ok(Unasked::NotNeeded)));
    assert!(cache.slot(id(1)).is_none());
    assert_eq!(cache.activity().unfilled, 0);
}

#[test]
fn whoever_asks_for_what_is_loaded_unasked_loads_it_himself() {
    let (cache, source) = with_keys(10);
    let answers = Answers::default();
    let (job, asked) = std::sync::mpsc::channel();
    let waiter = answers.waiter();
    let loaded = load_unasked_while(&cache, &source, move |cache, _| {
        job.send(cache.request(id(1), waiter).unwrap()).unwrap_or_default();
    });
    // What was read unasked is thrown away, and nobody was told by it.
    assert!(matches!(loaded, Ok(Unasked::NotNeeded)));
    assert_eq!((answers.take(), state(&cache, id(1))), (vec![], None));
    asked.recv().unwrap().run(&*source);
    assert_eq!((answers.take(), state(&cache, id(1))), (vec![Ok(())], Some(KeyState::Available)));
    assert_eq!((cache.activity().filled, cache.activity().loads, cache.loaded()), (0, 1, 1));
}

#[test]
fn key_that_is_being_loaded_because_it_is_used_is_not_loaded_unasked() {
    let (cache, source) = with_keys(10);
    let job = cache.request(id(1), Answers::default().waiter()).unwrap();
    assert!(matches!(cache.load_unasked(id(1), &*source), Ok(Unasked::NotNeeded)));
    assert_eq!(cache.loaded(), 0);
    job.run(&*source);
    assert_eq!(cache.loaded(), 1);
}

// R-K9
#[test]
fn change_that_overtakes_an_unasked_load_is_in_what_is_loaded() {
    let (cache, source) = with_keys(10);
    let loaded = load_unasked_while(&cache, &source, |cache, source| {
        source.set(id(1), Some(KeyState::Disabled));
        cache.refresh(id(1), source);
    });
    assert!(matches!(loaded, Ok(Unasked::Loaded)));
    assert_eq!(state(&cache, id(1)), Some(KeyState::Disabled));
}

// R-K9
#[test]
fn key_that_goes_during_an_unasked_load_does_not_come_back() {
    let changes: [fn(&Arc<Cache>, &Source); 2] =
        [|cache, source| cache.refresh(id(1), source), |cache, _| drop(cache.forget_all())];
    for change in changes {
        let (cache, source) = with_keys(10);
        let loaded = load_unasked_while(&cache, &source, move |cache, source| {
            source.set(id(1), None);
            change(cache, source);
        });
        assert!(matches!(loaded, Ok(Unasked::NotNeeded)));
        assert!(cache.slot(id(1)).is_none());
        assert_eq!(cache.loaded(), 0);
    }
}

#[test]
fn unasked_loads_take_no_place_of_others() {
    let (cache, source) = with_keys(2);
    load(&cache, &source, id(2));
    assert!(cache.has_room());
    // The last place goes while the key is being read.
    let loaded = load_unasked_while(&cache, &source, |cache, source| drop(load(cache, source, id(3))));
    assert!(matches!(loaded, Ok(Unasked::NoRoom)));
    assert!(!cache.has_room() && cache.slot(id(1)).is_none());
    assert!([2, 3].iter().all(|number| state(&cache, id(*number)).is_some()));
    assert_eq!(cache.activity().evictions, 0);
}

#[test]
fn what_was_loaded_unasked_and_not_used_goes_first() {
    let (cache, source) = with_keys(3);
    load(&cache, &source, id(2));
    cache.load_unasked(id(1), &*source).unwrap();
    load(&cache, &source, id(3));
    load(&cache, &source, id(4));
    assert_eq!(state(&cache, id(1)), None);
    assert!([2, 3, 4].iter().all(|number| state(&cache, id(*number)).is_some()));
}

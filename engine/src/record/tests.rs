//! What the vault promises of every record: it is good where it was written and nowhere else, and by the system keys that are there.

use std::sync::{Arc, mpsc};

use parking_lot::Mutex;
use proptest::prelude::*;

use super::key_version::KeyVersionRecord;
use super::reference::Reference;
use super::use_count::{RunRecord, UseCountRecord};
use super::vault::{Vault, versions_needed};
use super::{AuthorityRecord, Record};
use crate::crypto::random::{EntropyError, Random, SystemRandom};
use crate::error::Error;
use crate::hierarchy::SystemKeys;
use crate::shred::ShredSecret;
use crate::storage::{
    Address, Database, LmdbOptions, LmdbStorage, MemoryStorage, NewChange, Revision, Write, WriteAhead, WriteAheadError,
};

fn vault(keys: SystemKeys) -> Vault {
    Vault::new(Arc::new(MemoryStorage::new()), keys, Arc::new(SystemRandom::new()))
}

fn both() -> SystemKeys {
    SystemKeys::versions_for_tests(&[(1, [1; 32]), (2, [2; 32])])
}

fn address(name: &str) -> Address {
    Address::new(Database::Keys, name)
}

fn value(write: &Write) -> &[u8] {
    match write {
        Write::Put { value, .. } => value,
        Write::Delete { .. } => &[],
    }
}

/// The same one each time.
fn shred_secret() -> ShredSecret {
    struct Fives;
    impl Random for Fives {
        fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
            out.fill(5);
            Ok(())
        }
    }
    ShredSecret::generate(&Fives).unwrap()
}

fn renew(vault: &Vault, address: &Address, value: &[u8]) -> Result<Option<Write>, Error> {
    vault.renew(address, value, |_| Ok(Some(shred_secret())))
}

/// A record with a wrap of `secret`.
fn wrapped(vault: &Vault, place: &Address, secret: &[u8]) -> KeyVersionRecord {
    KeyVersionRecord { wrapped: vault.wrap::<KeyVersionRecord>(place, Some(&shred_secret()), secret).unwrap() }
}

// R-H6
#[test]
fn a_record_is_renewed_once_with_everything_that_is_wrapped_in_it() {
    let vault = vault(SystemKeys::for_tests([1; 32]));
    let (place, name) = (address("v"), address("n"));
    let record = wrapped(&vault, &place, b"secret");
    vault.transact(&[], &[vault.put(place.clone(), &record), vault.put(name.clone(), &Reference([7; 16]))]).unwrap();
    let stored = |place: &Address| vault.storage().get(place).unwrap().unwrap().value;
    assert!(renew(&vault, &place, &stored(&place)).unwrap().is_none(), "nothing to do");
    vault.exchange_keys(both());
    for place in [&place, &name] {
        let renewed = renew(&vault, place, &stored(place)).unwrap().unwrap();
        assert!(versions_needed(value(&renewed)).unwrap().iter().all(|version| *version == 2));
        assert_eq!(value(&renewed).len(), stored(place).len());
        vault.transact(&[], &[renewed]).unwrap();
        assert!(renew(&vault, place, &stored(place)).unwrap().is_none());
    }
    vault.exchange_keys(vault.keys().without(1));
    let (record, _) = vault.read::<KeyVersionRecord>(&place).unwrap().unwrap();
    assert_eq!(
        vault.unwrap::<KeyVersionRecord>(&place, Some(&shred_secret()), &record.wrapped).unwrap().expose(),
        b"secret"
    );
    assert_eq!(vault.read::<Reference>(&name).unwrap().unwrap().0.0, [7; 16]);
}

// R-H6
#[test]
fn a_wrap_from_before_a_rotation_in_a_record_from_after_it_is_renewed_too() {
    let vault = vault(SystemKeys::for_tests([1; 32]));
    let place = address("v");
    let record = wrapped(&vault, &place, b"secret");
    vault.exchange_keys(both());
    let mixed = vault.put(place.clone(), &record);
    assert_eq!(versions_needed(value(&mixed)), Some(vec![1, 2]));
    let renewed = renew(&vault, &place, value(&mixed)).unwrap().unwrap();
    assert_eq!(versions_needed(value(&renewed)), Some(vec![2, 2]));
}

// R-H6
#[test]
fn what_is_damaged_or_moved_or_needs_a_missing_key_is_not_renewed() {
    let vault = vault(SystemKeys::for_tests([1; 32]));
    let place = address("v");
    let good = value(&vault.put(place.clone(), &wrapped(&vault, &place, b"secret"))).to_vec();
    let moved = value(&vault.put(place.clone(), &wrapped(&vault, &address("w"), b"secret"))).to_vec();
    vault.exchange_keys(both());
    assert!(renew(&vault, &place, &good).unwrap().is_some());
    // R-K11
    assert!(matches!(vault.renew(&place, &good, |_| Ok(None)), Err(Error::Damaged(_))), "without its shred secret");
    let is_damaged = |value: &[u8]| matches!(renew(&vault, &place, value), Err(Error::Damaged(_)));
    assert!(is_damaged(&moved), "its tag is right, its wrap is not");
    assert!(matches!(renew(&vault, &address("w"), &good), Err(Error::Damaged(_))));
    for size in 1..good.len() {
        assert!(is_damaged(&good[..size]), "{size}");
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        assert!(renew(&vault, &place, &bad).is_err(), "{at}");
    }
    vault.exchange_keys(vault.keys().without(1));
    assert!(matches!(renew(&vault, &place, &good), Err(Error::SystemKeyMissing(1))));
    // An entry of an index is no record, and stays as it is.
    assert!(renew(&vault, &place, &[]).unwrap().is_none());
}

// R-H6
#[test]
fn what_was_made_before_a_system_key_is_destroyed_does_not_come_into_storage_after_it() {
    let vault = vault(SystemKeys::for_tests([1; 32]));
    let place = address("v");
    let plain = vault.put(address("n"), &Reference([7; 16]));
    let wrap = wrapped(&vault, &place, b"secret");
    vault.exchange_keys(both());
    // The record is from after the rotation, what is wrapped in it is not.
    let mixed = vault.put(place.clone(), &wrap);
    let new = vault.put(place, &wrapped(&vault, &address("v"), b"secret"));
    let is_refused = |write: &Write| matches!(vault.transact(&[], std::slice::from_ref(write)), Err(Error::Conflict));
    let bar = vault.bar(1);
    assert!(is_refused(&plain) && is_refused(&mixed) && !is_refused(&new));
    drop(bar);
    assert!(!is_refused(&plain) && !is_refused(&mixed), "it was not destroyed after all");
    vault.exchange_keys(vault.keys().without(1));
    assert!(is_refused(&plain) && is_refused(&mixed) && !is_refused(&new));
    let removed = Write::Delete { address: address("n") };
    assert!(!is_refused(&removed), "what is removed needs no key");
}

// R-H6
#[test]
fn barring_a_system_key_waits_for_the_transactions_that_are_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let (reached, is_reached) = mpsc::channel();
    let (release, is_released) = mpsc::channel();
    let gate: Arc<dyn WriteAhead> = Arc::new(Gate { reached, is_released: Mutex::new(is_released) });
    let options = LmdbOptions { map_size: 0, free_space_floor: 0, write_ahead: Some(gate), ..LmdbOptions::default() };
    let storage = Arc::new(LmdbStorage::open(folder.path(), &options).unwrap());
    let vault = Vault::new(storage, SystemKeys::for_tests([1; 32]), Arc::new(SystemRandom::new()));
    let place = address("n");
    let write = vault.put(place.clone(), &Reference([7; 16]));
    vault.exchange_keys(both());
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| vault.transact(&[], &[write]).unwrap());
        is_reached.recv().unwrap();
        let barring = scope.spawn(|| {
            let _bar = vault.bar(1);
            // Whatever was under way is there, for whoever looks now.
            vault.storage().get(&place).unwrap().is_some()
        });
        // It cannot be done, however long it has run.
        for _ in 0..1_000 {
            std::thread::yield_now();
        }
        assert!(!barring.is_finished());
        release.send(()).unwrap();
        writing.join().unwrap();
        assert!(barring.join().unwrap());
    });
}

/// Holds back each change until the test lets it go.
#[derive(Debug)]
struct Gate {
    reached: mpsc::Sender<()>,
    is_released: Mutex<mpsc::Receiver<()>>,
}

impl WriteAhead for Gate {
    fn check_spare_space(&self) -> Result<(), WriteAheadError> {
        Ok(())
    }

    fn begin(&self, _: Revision, _: Revision) -> Result<(), WriteAheadError> {
        Ok(())
    }

    fn append(&self, before: Revision, _: &[NewChange<'_>]) -> Result<Revision, WriteAheadError> {
        self.reached.send(()).unwrap();
        self.is_released.lock().recv().unwrap();
        Ok(before)
    }

    fn withdraw(&self, _: Revision) -> Result<(), WriteAheadError> {
        Ok(())
    }
}

/// Two records of one type, each with bytes of its own.
fn swap_is_found<R: Record>(vault: &Vault, places: [&Address; 2], records: [R; 2]) {
    let [one, other] = places;
    let [first, second] = records;
    let values = [vault.put(one.clone(), &first), vault.put(other.clone(), &second)];
    let [first, second] = values.each_ref().map(value);
    assert!(vault.authenticate(one, first).is_ok() && vault.authenticate(other, second).is_ok());
    let put = |address: &Address, value: &[u8]| Write::Put { address: address.clone(), value: value.to_vec() };
    vault.transact(&[], &[put(one, second), put(other, first)]).unwrap();
    for place in places {
        assert!(matches!(vault.read::<R>(place), Err(Error::Damaged(named)) if named == place.to_string()));
    }
}

fn any_address() -> impl Strategy<Value = Address> {
    (0..Database::ALL.len(), prop::collection::vec(any::<u8>(), 1..40))
        .prop_map(|(database, key)| Address::new(Database::ALL[database], key))
}

proptest! {
    // R-H1
    #[test]
    fn no_stored_value_opens_in_another_place(
        one in any_address(),
        other in any_address(),
        secrets in any::<[Vec<u8>; 2]>(),
        counts in any::<[u64; 2]>(),
        rotated in any::<bool>(),
    ) {
        prop_assume!(one != other);
        let vault = vault(if rotated { both() } else { SystemKeys::for_tests([1; 32]) });
        let places = [&one, &other];
        swap_is_found(&vault, places, counts.map(|count| Reference([count.to_be_bytes()[7]; 16])));
        swap_is_found(&vault, places, counts.map(|used| UseCountRecord { used, unclean_stops: 0 }));
        swap_is_found(&vault, places, counts.map(|running_ms| RunRecord { running_ms, ..RunRecord::default() }));
        let wraps = [0, 1].map(|at| wrapped(&vault, places[at], &secrets[at]).wrapped);
        for at in [0, 1] {
            // A wrap in a record that is itself where it belongs.
            let moved = vault.unwrap::<KeyVersionRecord>(places[at], Some(&shred_secret()), &wraps[1 - at]);
            prop_assert!(matches!(moved, Err(Error::Damaged(_))));
            let of_another_type = vault.unwrap::<AuthorityRecord>(places[at], Some(&shred_secret()), &wraps[at]);
            prop_assert!(matches!(of_another_type, Err(Error::Damaged(_))));
        }
        swap_is_found(&vault, places, wraps.map(|wrapped| KeyVersionRecord { wrapped }));
    }
}

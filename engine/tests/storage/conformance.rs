//! What every storage does, tried on each of them.

use std::thread;
use std::time::Duration;

use claviger_engine::limits::{
    ADDRESS_SIZE_MAX, SCAN_PAGE_COUNT_MAX, SCAN_PAGE_SIZE, TRANSACTION_OPERATIONS_MAX, TRANSACTION_SIZE_MAX,
    VALUE_SIZE_MAX,
};
use claviger_engine::storage::{
    Address, Compare, Database, FailingStorage, MemoryStorage, Revision, Storage, StorageError, TransactError,
    Versioned, WatchError,
};

use crate::support::{DataFolder, delete, increment, key, put, set, value};

/// Makes of each function one test per storage.
macro_rules! on_every_storage {
    ($(fn $name:ident($storage:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            fn check($storage: &dyn Storage) $body

            #[test]
            fn in_memory() {
                check(&MemoryStorage::new());
            }

            #[test]
            fn on_lmdb() {
                check(&DataFolder::new().open());
            }

            #[test]
            fn through_the_failing_wrapper() {
                check(&FailingStorage::new(MemoryStorage::new()));
            }
        }
    )*};
}

on_every_storage! {
    fn reads_back_what_was_put(storage) {
        for database in Database::ALL {
            let address = Address::new(database, "same key");
            let revision = set(storage, &address, database.name());
            let expected = Versioned { value: database.name().into(), revision };
            assert_eq!(storage.get(&address).unwrap(), Some(expected));
        }
        // The databases are apart: the same key is three values.
        assert_eq!(value(storage, &Address::new(Database::Meta, "same key")).unwrap(), b"meta");
    }

    fn absent_address_holds_nothing(storage) {
        set(storage, &key("present"), "value");
        for absent in ["presen", "present!", "absent"] {
            assert_eq!(storage.get(&key(absent)).unwrap(), None);
        }
    }

    fn takes_the_smallest_and_the_largest(storage) {
        for address in [key([0]), key(vec![0xff; ADDRESS_SIZE_MAX])] {
            for size in [0, VALUE_SIZE_MAX] {
                set(storage, &address, vec![7; size]);
                assert_eq!(value(storage, &address).unwrap(), vec![7; size]);
            }
        }
        let writes: Vec<_> = (0..TRANSACTION_OPERATIONS_MAX).map(|n| put(&key(n.to_be_bytes()), "")).collect();
        storage.transact(&[], &writes).unwrap();
    }

    fn refuses_an_address_out_of_bounds(storage) {
        for bad in [key([]), key(vec![1; ADDRESS_SIZE_MAX + 1])] {
            let good = key("good");
            let refused = [
                storage.get(&bad).unwrap_err(),
                storage.scan(&good, Some(&bad), 1).unwrap_err(),
                storage_error(storage.transact(&[Compare::absent(bad.clone())], &[])),
                storage_error(storage.transact(&[], &[put(&good, ""), put(&bad, "")])),
                storage_error(storage.transact(&[], &[put(&good, ""), delete(&bad)])),
            ];
            for error in refused {
                assert!(matches!(error, StorageError::AddressSize { max: ADDRESS_SIZE_MAX, .. }), "{error}");
            }
        }
        let long_prefix = key(vec![1; ADDRESS_SIZE_MAX + 1]);
        assert!(matches!(storage.scan(&long_prefix, None, 1), Err(StorageError::AddressSize { .. })));
        assert_eq!(storage.revision(), Revision(0), "nothing was written");
    }

    fn refuses_a_value_too_large(storage) {
        let writes = [put(&key("small"), "value"), put(&key("large"), vec![0; VALUE_SIZE_MAX + 1])];
        let error = storage_error(storage.transact(&[], &writes));
        assert!(matches!(error, StorageError::ValueTooLarge { size, .. } if size == VALUE_SIZE_MAX + 1), "{error}");
        assert!(error.to_string().contains("keys/large"), "{error}");
        assert_eq!(value(storage, &key("small")), None);
    }

    fn refuses_a_transaction_too_large(storage) {
        let many: Vec<_> = (0..TRANSACTION_OPERATIONS_MAX).map(|n| put(&key(n.to_be_bytes()), "")).collect();
        let error = storage_error(storage.transact(&[Compare::absent(key("one more"))], &many));
        assert!(matches!(error, StorageError::TooManyOperations { .. }), "{error}");
        let heavy: Vec<_> = (0..=TRANSACTION_SIZE_MAX / VALUE_SIZE_MAX)
            .map(|n| put(&key(n.to_be_bytes()), vec![0; VALUE_SIZE_MAX]))
            .collect();
        let error = storage_error(storage.transact(&[], &heavy));
        assert!(matches!(error, StorageError::TransactionTooLarge { .. }), "{error}");
        assert_eq!(storage.revision(), Revision(0));
    }

    fn refuses_to_write_one_address_twice(storage) {
        let twice = key("twice");
        let error = storage_error(storage.transact(&[], &[put(&twice, "a"), delete(&twice)]));
        assert!(matches!(error, StorageError::RepeatedAddress { address } if address == twice));
        assert_eq!(value(storage, &twice), None);
    }

    fn revisions_grow_by_each_change(storage) {
        let (a, b) = (key("a"), key("b"));
        assert_eq!(storage.revision(), Revision(0));
        let first = storage.transact(&[], &[put(&a, "1"), put(&b, "1")]).unwrap();
        let second = set(storage, &a, "2");
        assert!(Revision(0) < first && first < second);
        assert_eq!(storage.get(&a).unwrap().unwrap().revision, second);
        assert_eq!(storage.get(&b).unwrap().unwrap().revision, first, "of its own last change");
        let third = storage.transact(&[], &[delete(&key("absent"))]).unwrap();
        assert!(second < third);
        assert_eq!(storage.revision(), third);
    }

    fn transaction_without_writes_changes_nothing(storage) {
        let revision = set(storage, &key("a"), "1");
        let mut watch = storage.watch(revision).unwrap();
        assert_eq!(storage.transact(&[Compare::unchanged(key("a"), revision)], &[]).unwrap(), revision);
        assert_eq!(storage.revision(), revision);
        assert_eq!(watch.next_timeout(Duration::ZERO).unwrap(), None);
    }

    fn conflict_writes_nothing_and_names_the_address(storage) {
        let (a, b, other) = (key("a"), key("b"), key("other"));
        let old = set(storage, &a, "1");
        let new = set(storage, &a, "2");
        let wrong = [
            Compare::unchanged(a.clone(), old),
            Compare::unchanged(a.clone(), Revision(new.0 + 1)),
            Compare::absent(a.clone()),
            Compare::unchanged(b.clone(), new),
        ];
        for compare in wrong {
            let compares = [Compare::unchanged(a.clone(), new), compare.clone(), Compare::absent(a.clone())];
            let result = storage.transact(&compares, &[put(&other, "written"), delete(&a)]);
            assert!(matches!(result, Err(TransactError::Conflict { address }) if address == compare.address));
            assert_eq!(value(storage, &a).unwrap(), b"2");
            assert_eq!(value(storage, &other), None);
        }
        assert_eq!(storage.revision(), new);
    }

    fn recreated_value_is_not_the_old_one(storage) {
        let address = key("a");
        let old = set(storage, &address, "same");
        storage.transact(&[Compare::unchanged(address.clone(), old)], &[delete(&address)]).unwrap();
        storage.transact(&[Compare::absent(address.clone())], &[put(&address, "same")]).unwrap();
        let result = storage.transact(&[Compare::unchanged(address.clone(), old)], &[delete(&address)]);
        assert!(matches!(result, Err(TransactError::Conflict { .. })));
    }

    fn scan_is_ascending_and_stays_inside_its_prefix(storage) {
        let inside: Vec<&[u8]> = vec![b"p", b"p\0", b"p\0\0", b"pa", b"pa\xff", b"p\xff", b"p\xff\xff"];
        let outside: Vec<&[u8]> = vec![b"\0", b"o", b"o\xff\xff", b"q", b"\xff"];
        for bytes in inside.iter().rev().chain(&outside) {
            set(storage, &key(*bytes), *bytes);
        }
        set(storage, &Address::new(Database::Meta, "p"), "elsewhere");
        set(storage, &Address::new(Database::Authentication, "p"), "elsewhere");
        assert_eq!(scan_keys(storage, &key("p"), 100), inside);
        assert_eq!(scan_keys(storage, &key("p\0"), 100), inside[1..3]);
        assert_eq!(scan_keys(storage, &key("pz"), 100), Vec::<Vec<u8>>::new());
        // An empty prefix is the whole database.
        assert_eq!(scan_keys(storage, &key(""), 100).len(), inside.len() + outside.len());
    }

    fn scan_shows_each_value_once_whatever_the_page_size(storage) {
        let writes: Vec<_> = (0..100_u8).map(|n| put(&key([b'p', n]), [n])).collect();
        storage.transact(&[], &writes).unwrap();
        for limit in [1, 2, 7, 99, 100, 101, usize::MAX] {
            let keys = scan_keys(storage, &key("p"), limit);
            assert_eq!(keys, (0..100_u8).map(|n| vec![b'p', n]).collect::<Vec<_>>(), "pages of {limit}");
        }
        assert!(storage.scan(&key("p"), None, 0).unwrap().is_empty());
    }

    fn scan_goes_on_after_any_address(storage) {
        for bytes in ["pb", "pd", "pf"] {
            set(storage, &key(bytes), "");
        }
        let cases: [(Address, &[&str]); 8] = [
            (key("a"), &["pb", "pd", "pf"]), // before the prefix
            (key("pc"), &["pd", "pf"]),      // no longer there
            (key("pd"), &["pf"]),
            (key([b"pd", &[0; ADDRESS_SIZE_MAX - 2][..]].concat()), &["pf"]),
            (key("pf"), &[]),
            (key("q"), &[]), // behind the prefix
            (Address::new(Database::Meta, "pz"), &["pb", "pd", "pf"]),
            (Address::new(Database::Authentication, "pa"), &[]),
        ];
        for (after, expected) in cases {
            let page = storage.scan(&key("p"), Some(&after), 10).unwrap();
            let keys: Vec<_> = page.into_iter().map(|(address, _)| String::from_utf8(address.key).unwrap()).collect();
            assert_eq!(keys, expected, "after {after}");
        }
    }

    fn page_is_bounded_in_count_and_bytes(storage) {
        let light: Vec<_> = (0..4_000_u32).map(|n| put(&key([b"a", &n.to_be_bytes()[..]].concat()), "")).collect();
        storage.transact(&[], &light).unwrap();
        storage.transact(&[], &(0..200_u32).map(|n| put(&key([b"b", &n.to_be_bytes()[..]].concat()), "")).collect::<Vec<_>>())
            .unwrap();
        assert_eq!(storage.scan(&key(""), None, usize::MAX).unwrap().len(), SCAN_PAGE_COUNT_MAX);
        let count = 2 * SCAN_PAGE_SIZE / VALUE_SIZE_MAX;
        for n in 0..u32::try_from(count).unwrap() {
            set(storage, &key([b"c", &n.to_be_bytes()[..]].concat()), vec![0; VALUE_SIZE_MAX]);
        }
        assert!(storage.scan(&key("c"), None, usize::MAX).unwrap().len() <= count / 2);
        assert_eq!(scan_keys(storage, &key("c"), usize::MAX).len(), count);
    }

    fn watch_shows_every_later_change_in_order(storage) {
        let (a, b) = (key("a"), Address::new(Database::Meta, "b"));
        let before = set(storage, &a, "before");
        let mut watch = storage.watch(before).unwrap();
        assert_eq!(watch.next_timeout(Duration::ZERO).unwrap(), None);
        let first = storage.transact(&[], &[put(&b, "1"), delete(&a)]).unwrap();
        storage.transact(&[Compare::absent(b.clone())], &[put(&b, "2")]).unwrap_err();
        let second = set(storage, &a, "2");
        let mut late = storage.watch(first).unwrap();
        let change = watch.next().unwrap();
        assert_eq!((change.revision, change.addresses), (first, vec![b, a.clone()]));
        for watch in [&mut watch, &mut late] {
            let change = watch.next().unwrap();
            assert_eq!((change.revision, change.addresses), (second, vec![a.clone()]));
            assert_eq!(watch.next_timeout(Duration::ZERO).unwrap(), None);
        }
    }

    fn watches_lose_nothing_while_threads_write(storage) {
        const THREADS: u8 = 4;
        const CHANGES: usize = 50;
        let start = storage.revision();
        let mut watches: Vec<_> = (0..2).map(|_| storage.watch(start).unwrap()).collect();
        thread::scope(|scope| {
            let mut made: Vec<_> = (0..THREADS)
                .map(|n| scope.spawn(move || (0..CHANGES).map(|_| set(storage, &key([n]), "")).collect::<Vec<_>>()))
                .collect::<Vec<_>>()
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect();
            made.sort();
            for watch in &mut watches {
                let seen: Vec<_> = made.iter().map(|_| watch.next().unwrap().revision).collect();
                assert_eq!(seen, made);
                assert_eq!(watch.next_timeout(Duration::ZERO).unwrap(), None);
            }
        });
    }

    fn waiting_watch_is_woken_and_the_change_can_be_read(storage) {
        let address = key("a");
        let mut watch = storage.watch(storage.revision()).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let change = watch.next().unwrap();
                (change.revision, storage.get(&address).unwrap().unwrap())
            });
            let revision = set(storage, &address, "value");
            assert_eq!(waiting.join().unwrap(), (revision, Versioned { value: "value".into(), revision }));
        });
    }

    fn watch_that_falls_behind_the_log_says_so(storage) {
        let start = storage.revision();
        let mut watch = storage.watch(start).unwrap();
        let long = |n: u32| key([&n.to_be_bytes()[..], &[0; ADDRESS_SIZE_MAX - 4]].concat());
        let writes: Vec<_> = (0..4_000).map(|n| delete(&long(n))).collect();
        for _ in 0..10 {
            storage.transact(&[], &writes).unwrap();
        }
        assert_eq!(watch.next_timeout(Duration::ZERO).unwrap_err(), WatchError::Behind);
        assert_eq!(watch.next().unwrap_err(), WatchError::Behind, "for good");
        assert_eq!(storage.watch(start).err(), Some(WatchError::Behind));
        // The remedy.
        let mut fresh = storage.watch(storage.revision()).unwrap();
        let revision = set(storage, &key("a"), "");
        assert_eq!(fresh.next().unwrap().revision, revision);
    }

    fn watch_from_the_future_is_of_another_history(storage) {
        let last = set(storage, &key("a"), "");
        assert_eq!(storage.watch(Revision(last.0 + 1)).err(), Some(WatchError::Behind));
    }

    fn stopped_watch_ends_at_once_and_others_go_on(storage) {
        let mut stopped = storage.watch(storage.revision()).unwrap();
        let mut other = storage.watch(storage.revision()).unwrap();
        let stopper = stopped.stopper();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| (stopped.next(), stopped.next_timeout(Duration::MAX)));
            stopper.stop();
            assert_eq!(waiting.join().unwrap(), (Err(WatchError::Stopped), Err(WatchError::Stopped)));
        });
        let revision = set(storage, &key("a"), "");
        assert_eq!(stopped.next(), Err(WatchError::Stopped), "not even what it could show");
        assert_eq!(other.next().unwrap().revision, revision);
    }

    fn no_increment_is_lost_among_threads(storage) {
        let counter = key("counter");
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..25).for_each(|_| { increment(storage, &counter); }));
            }
        });
        assert_eq!(value(storage, &counter).unwrap(), (8_u64 * 25).to_be_bytes());
        assert_eq!(storage.revision(), Revision(8 * 25), "conflicts take no revision");
    }
}

#[test]
fn dropped_storage_closes_its_watches_after_the_last_change() {
    let folder = DataFolder::new();
    let storages: [Box<dyn Storage>; 3] =
        [Box::new(MemoryStorage::new()), Box::new(folder.open()), Box::new(FailingStorage::new(MemoryStorage::new()))];
    for storage in storages {
        let mut reader = storage.watch(storage.revision()).unwrap();
        let mut waiter = storage.watch(storage.revision()).unwrap();
        let waiting = thread::spawn(move || {
            waiter.next().unwrap();
            waiter.next().unwrap_err()
        });
        let revision = set(&*storage, &key("a"), "");
        drop(storage);
        assert_eq!(reader.next().unwrap().revision, revision);
        assert_eq!(reader.next_timeout(Duration::MAX).unwrap_err(), WatchError::Closed);
        assert_eq!(waiting.join().unwrap(), WatchError::Closed);
    }
}

fn scan_keys(storage: &dyn Storage, prefix: &Address, limit: usize) -> Vec<Vec<u8>> {
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let page = storage.scan(prefix, after.as_ref(), limit).unwrap();
        assert!(page.len() <= limit);
        let Some((last, _)) = page.last() else { return keys };
        assert!(after.as_ref() < Some(last), "the scan does not get on");
        after = Some(last.clone());
        keys.extend(page.into_iter().map(|(address, _)| address.key));
    }
}

fn storage_error(result: Result<Revision, TransactError>) -> StorageError {
    match result {
        Err(TransactError::Storage(error)) => error,
        other => panic!("expected a storage error, got {other:?}"),
    }
}

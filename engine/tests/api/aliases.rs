//! Aliases of keys, and moving them (R-K21).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use claviger_algorithm::Algorithm;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::limits::{ALIASES_MAX, DELETION_WAIT_DEFAULT};
use claviger_engine::list::KeyFilter;
use claviger_engine::storage::{FailingStorage, MemoryStorage};
use claviger_engine::{Error, KeyRecord};

use crate::support::Installation;
use crate::support::installation::{create_store, name, new_key};
use crate::support::tamper::{all_records, key_address};

fn aliases(record: &KeyRecord) -> Vec<String> {
    record.aliases.iter().map(ToString::to_string).collect()
}

/// The key that a name or alias stands for.
fn find(installation: &Installation, text: &str) -> Option<KeyId> {
    let found = installation.engine.key_by_name(installation.store, &name(text)).unwrap().map(|record| record.id);
    assert_eq!(found, installation.engine.find_key(installation.store, &name(text)).unwrap());
    found
}

/// The aliases of the store, each with the name of its key, page by page.
fn listed(installation: &Installation, limit: usize) -> Vec<(String, String)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = installation.engine.list_aliases(installation.store, after.as_ref(), limit).unwrap();
        assert!(page.aliases.len() <= limit);
        all.extend(page.aliases.iter().map(|(alias, key)| (alias.to_string(), key.name.to_string())));
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

/// The keys of the store, page by page.
fn keys(installation: &Installation, limit: usize) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page =
            installation.engine.list_keys(installation.store, &KeyFilter::default(), after.as_ref(), limit).unwrap();
        all.extend(page.keys.iter().map(|key| key.name.to_string()));
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

on_every_storage! {
    // R-K21
    fn an_alias_leads_to_its_key_and_is_told_with_it(installation) {
        let (engine, store, id) = (&installation.engine, installation.store, installation.create("key", Algorithm::Xaes256Gcm));
        engine.create_alias(store, &name("records"), id).unwrap();
        let record = engine.create_alias(store, &name("cards"), id).unwrap();
        assert_eq!(aliases(&record), ["cards", "records"]);
        for text in ["key", "records", "cards"] {
            assert_eq!(find(installation, text), Some(id), "{text}");
        }
        assert_eq!(aliases(&engine.delete_alias(None, store, &name("records")).unwrap()), ["cards"]);
        assert_eq!(find(installation, "records"), None);
        assert_eq!(aliases(&engine.describe_key(id).unwrap()), ["cards"]);
    }

    // R-K21
    fn names_and_aliases_are_one_space(installation) {
        let (engine, store, id) = (&installation.engine, installation.store, installation.create("key", Algorithm::Xaes256Gcm));
        let other = installation.create("other", Algorithm::Ed25519);
        engine.create_alias(store, &name("records"), id).unwrap();
        for (taken, key) in [("records", other), ("records", id), ("other", id), ("key", id)] {
            assert!(matches!(engine.create_alias(store, &name(taken), key), Err(Error::NameTaken(name)) if name.as_str() == taken));
        }
        let create = |key| engine.create_keys(store, vec![new_key("free", Algorithm::Ed25519), new_key(key, Algorithm::Ed25519)]);
        assert!(matches!(create("records"), Err(Error::NameTaken(_))));
        assert_eq!(find(installation, "free"), None, "all or none");
        engine.delete_alias(None, store, &name("records")).unwrap();
        create("records").unwrap();
        // A key's own name is no alias.
        for own in ["records", "key"] {
            assert!(matches!(engine.delete_alias(None, store, &name(own)), Err(Error::AliasNotFound(_))));
            assert!(matches!(engine.move_alias(None, store, &name(own), other), Err(Error::AliasNotFound(_))));
        }
    }

    // R-K21
    fn an_alias_is_of_one_store(installation) {
        let (engine, store, id) = (&installation.engine, installation.store, installation.create("key", Algorithm::Xaes256Gcm));
        let elsewhere = create_store(engine, "elsewhere").unwrap();
        let foreign = engine.create_keys(elsewhere, vec![new_key("key", Algorithm::Ed25519)]).unwrap()[0].id;
        assert!(matches!(engine.create_alias(store, &name("records"), foreign), Err(Error::KeyNotFound(_))));
        assert_eq!(find(installation, "records"), None);
        engine.create_alias(store, &name("records"), id).unwrap();
        engine.create_alias(elsewhere, &name("records"), foreign).unwrap();
        assert!(matches!(engine.move_alias(None, store, &name("records"), foreign), Err(Error::KeyNotFound(_))));
        assert_eq!(find(installation, "records"), Some(id));
        assert_eq!(engine.find_key(elsewhere, &name("records")).unwrap(), Some(foreign));
        assert_eq!(listed(installation, 10).len(), 1);
    }

    // R-K21
    fn a_key_has_at_most_thirty_two_aliases(installation) {
        let (engine, store, id) = (&installation.engine, installation.store, installation.create("key", Algorithm::Xaes256Gcm));
        let other = installation.create("other", Algorithm::Xaes256Gcm);
        for number in 0..ALIASES_MAX {
            engine.create_alias(store, &name(&format!("alias-{number}")), id).unwrap();
        }
        assert!(matches!(engine.create_alias(store, &name("one-more"), id), Err(Error::TooManyAliases(_))));
        engine.create_alias(store, &name("one-more"), other).unwrap();
        assert!(matches!(engine.move_alias(None, store, &name("one-more"), id), Err(Error::TooManyAliases(_))));
        assert_eq!(find(installation, "one-more"), Some(other));
        engine.move_alias(None, store, &name("alias-0"), other).unwrap();
        engine.move_alias(None, store, &name("one-more"), id).unwrap();
        assert_eq!(engine.describe_key(id).unwrap().aliases.len(), ALIASES_MAX);
    }

    // R-K21
    fn an_alias_is_moved_in_one_step_and_both_keys_say_so(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let [one, other] = ["one", "other"].map(|key| installation.create(key, Algorithm::Xaes256Gcm));
        engine.create_alias(store, &name("records"), one).unwrap();
        let revision = installation.storage.revision();
        let moved = engine.move_alias(None, store, &name("records"), other).unwrap();
        assert_eq!(installation.storage.revision().0, revision.0 + 1, "one transaction");
        assert_eq!((moved.id, aliases(&moved)), (other, vec!["records".to_owned()]));
        assert!(engine.describe_key(one).unwrap().aliases.is_empty());
        assert_eq!(find(installation, "records"), Some(other));
        // Said again, nothing changes.
        assert_eq!(engine.move_alias(None, store, &name("records"), other).unwrap(), moved);
        assert_eq!(installation.storage.revision().0, revision.0 + 1);
        // R-A8: whoever may move it only from one key does so from no other.
        let refused = engine.move_alias(Some(one), store, &name("records"), one);
        assert!(matches!(refused, Err(Error::AliasNotFound(_))), "{refused:?}");
        assert!(matches!(engine.delete_alias(Some(one), store, &name("records")), Err(Error::AliasNotFound(_))));
        assert_eq!(engine.move_alias(Some(other), store, &name("records"), other).unwrap(), moved);
        assert!(matches!(engine.move_alias(None, store, &name("nothing"), one), Err(Error::AliasNotFound(_))));
        assert!(matches!(engine.move_alias(None, store, &name("records"), KeyId([9; 16])), Err(Error::KeyNotFound(_))));
        assert_eq!(listed(installation, 1), [("records".to_owned(), "other".to_owned())]);
    }

    // R-K11, R-K21
    fn the_deletion_of_a_key_frees_its_aliases_in_the_same_step(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let [one, other] = ["one", "other"].map(|key| installation.create(key, Algorithm::Xaes256Gcm));
        for alias in ["records", "cards"] {
            engine.create_alias(store, &name(alias), one).unwrap();
        }
        engine.request_deletion(one, DELETION_WAIT_DEFAULT).unwrap();
        // Until it is final the aliases stand, and can be moved away.
        assert_eq!(find(installation, "records"), Some(one));
        engine.move_alias(None, store, &name("records"), other).unwrap();
        let revision = installation.storage.revision();
        assert!(engine.delete_now(one, false).unwrap().aliases.is_empty());
        let after_deletion = revision.0 + 1;
        assert_eq!(installation.storage.revision().0, after_deletion + 1, "one transaction, and one that notes that the key is destroyed");
        assert_eq!((find(installation, "one"), find(installation, "cards"), find(installation, "records")), (None, None, Some(other)));
        assert_eq!(listed(installation, 10), [("records".to_owned(), "other".to_owned())]);
        for refused in [engine.create_alias(store, &name("late"), one), engine.move_alias(None, store, &name("records"), one)] {
            assert!(matches!(refused, Err(Error::KeyStateWrong { state: KeyState::Deleted, .. })));
        }
        installation.create("cards", Algorithm::Ed25519);
    }

    // R-K20, R-K21
    fn a_list_shows_keys_once_and_pages_of_it_lose_none(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let ids: Vec<_> = (0..12).map(|number| installation.create(&format!("key-{number:02}"), Algorithm::Ed25519)).collect();
        // Many aliases between two keys, before the first and behind the last.
        for (number, id) in ids.iter().enumerate().take(9) {
            for alias in [format!("key-03-{number}"), format!("a-{number}"), format!("z-{number}")] {
                engine.create_alias(store, &name(&alias), *id).unwrap();
            }
        }
        let expected: Vec<_> = (0..12).map(|number| format!("key-{number:02}")).collect();
        for limit in [1, 2, 5, 7, 100] {
            assert_eq!(keys(installation, limit), expected, "pages of {limit}");
            let aliases = listed(installation, limit);
            assert_eq!(aliases.len(), 27, "pages of {limit}");
            assert!(aliases.is_sorted());
        }
    }

    // R-K21
    fn nothing_is_left_of_aliases_that_are_gone(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let count = || all_records(&*installation.storage).len();
        let [one, other] = ["one", "other"].map(|key| installation.create(key, Algorithm::Xaes256Gcm));
        let before = count();
        for alias in ["records", "cards"] {
            engine.create_alias(store, &name(alias), one).unwrap();
            engine.move_alias(None, store, &name(alias), other).unwrap();
        }
        assert_eq!(count(), before + 4);
        for alias in ["records", "cards"] {
            engine.delete_alias(None, store, &name(alias)).unwrap();
        }
        assert_eq!(count(), before);
    }

    // R-K21
    fn whoever_asks_for_an_alias_under_load_gets_the_key_before_or_after_and_never_none(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let ids: Vec<_> = (0..MOVES + 1).map(|number| installation.create(&format!("key-{number}"), Algorithm::Xaes256Gcm)).collect();
        let alias = name("records");
        engine.create_alias(store, &alias, ids[0]).unwrap();
        let (acknowledged, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let before = acknowledged.load(Ordering::SeqCst);
                        let found = engine.key_by_name(store, &alias).unwrap().expect("never not found");
                        let after = acknowledged.load(Ordering::SeqCst);
                        let at = ids.iter().position(|id| *id == found.id).unwrap() as u64;
                        assert!((before..=after + 1).contains(&at), "{at} when {before}..={after} moves were acknowledged");
                    }
                });
            }
            for (number, pair) in (1..).zip(ids.windows(2)) {
                engine.move_alias(None, store, &alias, pair[1]).unwrap();
                acknowledged.store(number, Ordering::SeqCst);
                // The key before is gone at once: whoever read the alias before the move finds no key behind it.
                engine.request_deletion(pair[0], DELETION_WAIT_DEFAULT).unwrap();
                engine.delete_now(pair[0], true).unwrap();
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}

const MOVES: u64 = 60;

// R-K21
#[test]
fn alias_that_is_moved_while_it_is_taken_away_is_not_said_to_be_gone() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let [one, other] = ["one", "other"].map(|key| installation.create(key, Algorithm::Xaes256Gcm));
    let (engine, store) = (&installation.engine, installation.store);
    engine.create_alias(store, &name("records"), one).unwrap();
    // The name has been read, the key has not.
    let pause = storage.pause_get(&key_address(one));
    thread::scope(|scope| {
        let taking = scope.spawn(|| engine.delete_alias(None, store, &name("records")));
        assert!(pause.wait_until_reached(Duration::from_mins(1)));
        engine.move_alias(None, store, &name("records"), other).unwrap();
        pause.release();
        assert!(matches!(taking.join().unwrap(), Err(Error::Conflict)));
    });
    assert_eq!(find(&installation, "records"), Some(other));
}

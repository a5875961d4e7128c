//! Lists of keys: which ones, in pages that look at a bounded number of keys.

use claviger_algorithm::{Algorithm, KeyKind};
use claviger_engine::change::{AboutChange, NewKey};
use claviger_engine::key::id::KeyId;
use claviger_engine::key::name::Name;
use claviger_engine::key::state::KeyState;
use claviger_engine::limits::{CREATE_KEYS_MAX, LIST_EXAMINED_MAX};
use claviger_engine::list::{KeyFilter, KeyPage};

use crate::support::clock::DAY;
use crate::support::installation::create_store;
use crate::support::tamper::{alter, key_address, name_address};
use crate::support::{Installation, name};

/// Names of the keys that match, read in pages of two.
fn listed(installation: &Installation, filter: &KeyFilter) -> Vec<String> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let KeyPage { keys, next, .. } =
            installation.engine.list_keys(installation.store, filter, after.as_ref(), 2).unwrap();
        assert!(keys.len() <= 2);
        names.extend(keys.into_iter().map(|key| key.name.to_string()));
        after = next;
        if after.is_none() {
            return names;
        }
    }
}

/// As [`listed`], of deleted keys, by id.
fn deleted(installation: &Installation, filter: &KeyFilter) -> Vec<KeyId> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let KeyPage { keys, next, .. } =
            installation.engine.list_deleted_keys(installation.store, filter, after, 2).unwrap();
        assert!(keys.len() <= 2);
        ids.extend(keys.into_iter().map(|key| key.id));
        after = next;
        if after.is_none() {
            return ids;
        }
    }
}

fn delete(installation: &Installation, id: KeyId) {
    installation.engine.request_deletion(id, None).unwrap();
    installation.engine.delete_now(id, false).unwrap();
}

fn label(value: Option<&str>) -> KeyFilter {
    KeyFilter { label: Some((name("team"), value.map(str::to_owned))), ..KeyFilter::default() }
}

on_every_storage! {
    // R-K20
    fn keys_are_listed_by_kind_state_name_and_label(installation) {
        let engine = &installation.engine;
        let keys = [
            ("a-secret", Algorithm::Opaque),
            ("b-mac", Algorithm::HmacSha256),
            ("b-records", Algorithm::Xaes256Gcm),
            ("b-records-old", Algorithm::Aes256Gcm),
            ("c-receipts", Algorithm::Ed25519),
        ];
        let ids = keys.map(|(name, algorithm)| installation.create(name, algorithm));
        engine.set_state(ids[3], KeyState::Disabled).unwrap();
        engine.request_deletion(ids[4], None).unwrap();
        for (id, team) in [(ids[1], "payments"), (ids[2], "billing"), (ids[4], "")] {
            let labels = [(name("team"), Some(team.to_owned()))].into();
            engine.set_about(id, AboutChange { labels, ..AboutChange::default() }).unwrap();
        }
        engine.create_alias(installation.store, &name("b-alias"), ids[0]).unwrap();

        let all = keys.map(|(name, _)| name);
        let of = KeyFilter::default;
        let cases: [(KeyFilter, &[&str]); 14] = [
            (of(), &all),
            (KeyFilter { kind: Some(KeyKind::Symmetric), ..of() }, &["b-records", "b-records-old"]),
            (KeyFilter { kind: Some(KeyKind::Secret), ..of() }, &["a-secret"]),
            (KeyFilter { state: Some(KeyState::Available), ..of() }, &["a-secret", "b-mac", "b-records"]),
            (KeyFilter { state: Some(KeyState::Disabled), ..of() }, &["b-records-old"]),
            (KeyFilter { state: Some(KeyState::DeletionRequested), ..of() }, &["c-receipts"]),
            (KeyFilter { state: Some(KeyState::Deleted), ..of() }, &[]),
            (KeyFilter { name_prefix: "b-".into(), ..of() }, &["b-mac", "b-records", "b-records-old"]),
            (KeyFilter { name_prefix: "B-".into(), ..of() }, &[]),
            (KeyFilter { name_part: "rec".into(), ..of() }, &["b-records", "b-records-old", "c-receipts"]),
            (KeyFilter { name_prefix: "b".into(), name_part: "old".into(), ..of() }, &["b-records-old"]),
            (label(None), &["b-mac", "b-records", "c-receipts"]),
            (label(Some("billing")), &["b-records"]),
            (KeyFilter { kind: Some(KeyKind::Asymmetric), ..label(Some("")) }, &["c-receipts"]),
        ];
        for (filter, expected) in cases {
            assert_eq!(listed(installation, &filter), expected, "{filter:?}");
        }
    }

    // R-K11, R-K20
    fn deleted_keys_are_listed_until_they_are_purged(installation) {
        let mut ids: Vec<_> =
            (0..5).map(|number| installation.create(&format!("key-{number}"), Algorithm::HmacSha256)).collect();
        let other = create_store(&installation.engine, "other").unwrap();
        assert_eq!(deleted(installation, &KeyFilter::default()), []);
        ids.iter().for_each(|id| delete(installation, *id));
        // The name of a deleted key is free; the new key is another one, and deleted as well.
        let again = installation.create("key-0", Algorithm::Ed25519);
        delete(installation, again);
        let kept = installation.create("key-1", Algorithm::HmacSha256);
        let mac = KeyFilter { kind: Some(KeyKind::Mac), ..KeyFilter::default() };
        let named = KeyFilter { name_prefix: "key-0".into(), ..KeyFilter::default() };
        ids.sort_unstable();
        assert_eq!(deleted(installation, &mac), ids);
        assert_eq!(deleted(installation, &named).len(), 2);
        assert_eq!(installation.engine.list_deleted_keys(other, &mac, None, 10).unwrap().keys, []);
        assert_eq!(listed(installation, &KeyFilter::default()), ["key-1"]);
        installation.clock.pass(DAY * 366);
        installation.engine.do_due().unwrap();
        assert_eq!(deleted(installation, &KeyFilter::default()), []);
        assert_eq!(installation.engine.describe_key(kept).unwrap().state, KeyState::Available);
    }

    // R-K20
    fn damaged_records_hide_no_other_key_and_are_counted_on_the_page_that_passes_over_them(installation) {
        let ids: Vec<_> =
            (0..6).map(|number| installation.create(&format!("key-{number}"), Algorithm::HmacSha256)).collect();
        alter(&*installation.storage, &key_address(ids[1]));
        alter(&*installation.storage, &name_address(installation.store, "key-4"));
        alter(&*installation.storage, &key_address(ids[5]));
        let pages = |filter: &KeyFilter, limit| {
            let (mut pages, mut after) = (Vec::new(), None);
            loop {
                let page = installation.engine.list_keys(installation.store, filter, after.as_ref(), limit).unwrap();
                let names: Vec<_> = page.keys.iter().map(|key| key.name.to_string()).collect();
                pages.push((names.join(" "), page.unreadable));
                after = page.next;
                if after.is_none() {
                    return pages;
                }
            }
        };
        let said = |pages: &[(&str, usize)]| -> Vec<_> { pages.iter().map(|(names, n)| (String::from(*names), *n)).collect() };
        assert_eq!(pages(&KeyFilter::default(), 10), said(&[("key-0 key-2 key-3", 3)]));
        assert_eq!(pages(&KeyFilter::default(), 2), said(&[("key-0", 1), ("key-2 key-3", 0), ("", 2), ("", 0)]));
        // What is damaged may be what is looked for.
        let secrets = KeyFilter { kind: Some(KeyKind::Secret), ..KeyFilter::default() };
        assert_eq!(pages(&secrets, 10), said(&[("", 3)]));
        // By its name it is not.
        let named = KeyFilter { name_prefix: "key-2".into(), ..KeyFilter::default() };
        assert_eq!(pages(&named, 10), said(&[("key-2", 0)]));
    }

    // R-K11, R-K20
    fn a_damaged_record_of_a_deleted_key_hides_no_other(installation) {
        let ids = ["a", "b"].map(|key| installation.create(key, Algorithm::HmacSha256));
        ids.iter().for_each(|id| delete(installation, *id));
        alter(&*installation.storage, &key_address(ids[0]));
        let page = installation.engine.list_deleted_keys(installation.store, &KeyFilter::default(), None, 10).unwrap();
        assert_eq!((page.keys.iter().map(|key| key.id).collect(), page.unreadable), (vec![ids[1]], 1));
    }

    // R-K20, R-K21
    fn a_damaged_alias_hides_no_other(installation) {
        let (one, other) = (installation.create("one", Algorithm::HmacSha256), installation.create("other", Algorithm::HmacSha256));
        let aliases = [("a", one), ("b", other), ("c", one), ("d", one)];
        for (alias, key) in aliases {
            installation.engine.create_alias(installation.store, &name(alias), key).unwrap();
        }
        alter(&*installation.storage, &name_address(installation.store, "a"));
        alter(&*installation.storage, &key_address(other));
        let page = installation.engine.list_aliases(installation.store, None, 10).unwrap();
        let left: Vec<_> = page.aliases.iter().map(|(alias, _)| alias.to_string()).collect();
        assert_eq!((left, page.unreadable), (vec!["c".into(), "d".into()], 2));
    }
}

// R-K20
#[test]
fn a_page_looks_at_a_bounded_number_of_keys_and_tells_where_the_next_begins() {
    let installation = Installation::in_memory();
    let many = LIST_EXAMINED_MAX + 10;
    for from in (0..many).step_by(CREATE_KEYS_MAX) {
        let numbers = from..many.min(from + CREATE_KEYS_MAX);
        let keys = numbers.map(|number| NewKey::new(name(&format!("key-{number:05}")), Algorithm::HmacSha256));
        installation.engine.create_keys(installation.store, keys.collect()).unwrap();
    }
    let last: Name = name(&format!("key-{:05}", many - 1));
    let filter = KeyFilter { name_part: last.to_string(), ..KeyFilter::default() };
    let list = |after: Option<&Name>| installation.engine.list_keys(installation.store, &filter, after, 10).unwrap();
    let first = list(None);
    assert_eq!((first.keys.len(), first.next), (0, Some(name(&format!("key-{:05}", LIST_EXAMINED_MAX - 1)))));
    let second = list(Some(&name(&format!("key-{:05}", LIST_EXAMINED_MAX - 1))));
    assert_eq!((second.keys.len(), &second.keys[0].name, second.next), (1, &last, None));
    // A prefix is sought, not looked for.
    let filter = KeyFilter { name_prefix: last.to_string(), ..KeyFilter::default() };
    let found = installation.engine.list_keys(installation.store, &filter, None, 10).unwrap();
    assert_eq!((found.keys.len(), found.next), (1, None));
}

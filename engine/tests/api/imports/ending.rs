//! How imports end: by a try, by somebody, by time, and what is destroyed with them.

use super::*;

// R-K18
#[test]
fn a_try_in_vain_spends_the_transport_key() {
    let installation = Installation::in_memory();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    let mut wrapped = wrap(&import.public_key, &MATERIAL);
    wrapped[0] ^= 1;
    let tried = installation.engine.complete_import(installation.store, import.id, ADA, &wrapped);
    assert!(matches!(tried, Err(Error::ImportFailed)));
    not_open(installation.complete(&import, &MATERIAL), &import);
    assert_eq!(transport_keys(&installation), 0);
    assert_eq!(installation.engine.find_key(installation.store, &name("webhooks")).unwrap(), None);
}

// R-K18
#[test]
fn a_cancelled_import_is_over() {
    let installation = Installation::in_memory();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    assert_eq!(installation.engine.cancel_import(installation.store, import.id).unwrap(), import);
    not_open(installation.complete(&import, &MATERIAL), &import);
    not_open(installation.engine.cancel_import(installation.store, import.id), &import);
    assert_eq!(transport_keys(&installation), 0);
}

// R-K18
#[test]
fn an_import_ends_after_a_day_and_its_transport_key_is_removed() {
    let installation = Installation::in_memory();
    installation.clock.hold();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    installation.clock.pass(DAY - Duration::from_millis(1));
    assert_eq!(installation.engine.do_due().unwrap(), 0);
    assert_eq!(installation.engine.imports(installation.store).unwrap().len(), 1);
    installation.clock.pass(Duration::from_millis(1));
    assert!(installation.engine.imports(installation.store).unwrap().is_empty());
    not_open(installation.complete(&import, &MATERIAL), &import);
    not_open(installation.engine.cancel_import(installation.store, import.id), &import);
    assert_eq!(transport_keys(&installation), 1);
    assert_eq!(installation.engine.do_due().unwrap(), 0, "no key was changed");
    assert_eq!(transport_keys(&installation), 0);
}

// R-K18
#[test]
fn an_import_is_over_too_when_the_clock_is_put_back_behind_it_by_a_day_but_not_by_an_hour() {
    let installation = Installation::in_memory();
    installation.clock.hold();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    installation.clock.put_back(HOUR);
    assert_eq!(installation.engine.imports(installation.store).unwrap().len(), 1);
    installation.clock.put_back(DAY);
    not_open(installation.complete(&import, &MATERIAL), &import);
}

// R-K18
#[test]
fn an_import_is_over_after_a_day_of_running_too_however_often_the_clock_is_put_back() {
    let installation = Installation::in_memory();
    installation.clock.hold();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    let half = DAY / 2;
    installation.clock.pass(half);
    installation.clock.put_back(half);
    installation.clock.pass(half - Duration::from_millis(1));
    assert_eq!(installation.engine.imports(installation.store).unwrap().len(), 1);
    installation.clock.put_back(half);
    installation.clock.pass(Duration::from_millis(1));
    assert!(installation.engine.imports(installation.store).unwrap().is_empty());
    not_open(installation.complete(&import, &MATERIAL), &import);
    installation.engine.do_due().unwrap();
    assert_eq!((transport_keys(&installation), taken_slots(&installation)), (0, 0));
}

// R-K11, R-K18
#[test]
fn the_shred_secret_of_an_import_is_destroyed_however_it_ends() {
    let installation = Installation::in_memory();
    installation.clock.hold();
    let spent_in_vain = installation.begin_key("a", Algorithm::HmacSha256);
    let cancelled = installation.begin_key("b", Algorithm::HmacSha256);
    let ended = installation.begin_key("c", Algorithm::HmacSha256);
    assert_eq!(taken_slots(&installation), 3);
    assert!(matches!(installation.complete(&spent_in_vain, &[0; 32]), Err(Error::ImportFailed)));
    assert_eq!(taken_slots(&installation), 2);
    installation.engine.cancel_import(installation.store, cancelled.id).unwrap();
    assert_eq!(taken_slots(&installation), 1);
    installation.clock.pass(DAY);
    installation.engine.do_due().unwrap();
    not_open(installation.engine.import(installation.store, ended.id), &ended);
    assert_eq!(taken_slots(&installation), 0);
    installation.import_key("d", Algorithm::HmacSha256, &MATERIAL);
    assert_eq!(taken_slots(&installation), 1, "that of the key");
    assert_eq!(installation.engine.pending_destructions().unwrap(), 0);
}

// R-K11, R-K18
#[test]
fn an_import_that_comes_back_with_an_old_copy_of_storage_stays_over() {
    let installation = Installation::in_memory();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    let (place, stored) = transport_key(&installation);
    let id = installation.complete(&import, &MATERIAL).unwrap().id;
    installation.engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
    installation.engine.delete_now(id, true).unwrap();
    put(&*installation.storage, &place, stored);
    assert!(installation.engine.imports(installation.store).unwrap().is_empty());
    not_open(installation.complete(&import, &MATERIAL), &import);
    not_open(installation.engine.cancel_import(installation.store, import.id), &import);
    installation.engine.do_due().unwrap();
    assert_eq!(transport_keys(&installation), 0, "it is removed");
}

// R-K11, R-K18
#[test]
fn a_secret_that_cannot_be_destroyed_yet_is_when_the_mirror_is_back() {
    let installation = Installation::in_memory();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    let (mirror, aside) = away(&installation);
    installation.engine.cancel_import(installation.store, import.id).unwrap();
    not_open(installation.engine.import(installation.store, import.id), &import);
    assert_eq!(installation.engine.pending_destructions().unwrap(), 1);
    fs::rename(aside, mirror).unwrap();
    installation.engine.do_due().unwrap();
    assert_eq!((installation.engine.pending_destructions().unwrap(), taken_slots(&installation)), (0, 0));
}

// R-K18
#[test]
fn an_import_is_not_spent_while_a_mirror_of_the_shred_table_is_away() {
    let installation = Installation::in_memory();
    let id = installation.create("key", Algorithm::HmacSha256);
    let imports = [
        installation.begin_key("webhooks", Algorithm::HmacSha256),
        installation.begin(NewImport::Version { key: id }).unwrap(),
    ];
    let (mirror, aside) = away(&installation);
    for (import, material) in imports.iter().flat_map(|import| [(import, MATERIAL), (import, [0; 32])]) {
        let refused = installation.complete(import, &material);
        assert!(matches!(refused, Err(Error::ShredTable(_))), "good or not, the same is said: {refused:?}");
    }
    let refused = installation.begin(NewImport::Version { key: id });
    assert!(matches!(refused, Err(Error::ShredTable(_))), "{refused:?}");
    fs::rename(aside, mirror).unwrap();
    installation.engine.do_due().unwrap();
    for import in imports {
        installation.complete(&import, &MATERIAL).unwrap();
    }
}

// R-K18
#[test]
fn a_transport_key_is_spent_before_it_is_used() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    // The first change spends it, the second one notes that its shred secret is destroyed, the third one would be the key.
    storage.fail(Call::Transact, 3);
    let refused = installation.complete(&import, &MATERIAL);
    let spent =
        |error: &Error| matches!(error, Error::ImportSpent { cause, .. } if matches!(**cause, Error::Storage(_)));
    assert!(refused.as_ref().is_err_and(spent), "{refused:?}");
    assert_eq!(installation.engine.find_key(installation.store, &name("webhooks")).unwrap(), None);
    not_open(installation.complete(&import, &MATERIAL), &import);
}

// R-K18
#[test]
fn an_import_that_cannot_be_spent_is_not_tried() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    for material in [&MATERIAL[..], b"not good at all"] {
        storage.fail(Call::Transact, 1);
        let refused = installation.complete(&import, material);
        assert!(matches!(refused, Err(Error::Storage(_))), "good or not, the same is said: {refused:?}");
    }
    installation.complete(&import, &MATERIAL).unwrap();
}

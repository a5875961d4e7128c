//! The audit log of an engine: no change without its record, and no record without its change.

use std::fs;
use std::thread;
use std::time::Duration;

use claviger_algorithm::Algorithm;
use claviger_engine::audit::{AuditError, AuditFilter, AuditRecord, Event, EventKind, Refused, RequestRecord};
use claviger_engine::key::client::ClientName;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::limits::{AUDIT_REFUSALS_MAX, AUDIT_REQUESTS_WAITING_MAX, LIST_PAGE_SIZE_MAX};
use claviger_engine::{Act, Engine, Error};

use crate::support::calls::{encrypt, encrypt_in};
use crate::support::clock::DAY;
use crate::support::installation::new_key;
use crate::support::{Client, Installation};

fn act(actor: &str, operation: &'static str) -> Act {
    Act {
        shown: format!("{operation} by {actor}"),
        trace_id: "trace".to_owned(),
        ..Act::new(actor.to_owned(), operation)
    }
}

/// Everything that is in the log, which must be as it was written.
fn records(engine: &Engine) -> Vec<AuditRecord> {
    let report = engine.verify_audit(1).unwrap().unwrap();
    assert!(report.is_intact(), "{:?}", report.findings);
    filtered(engine, &AuditFilter::default())
}

fn filtered(engine: &Engine, filter: &AuditFilter) -> Vec<AuditRecord> {
    in_pages_of(7, engine, filter)
}

fn in_pages_of(size: usize, engine: &Engine, filter: &AuditFilter) -> Vec<AuditRecord> {
    let (mut records, mut after) = (Vec::new(), Some(0));
    while let Some(begin) = after {
        let page = engine.audit_page(filter, begin, size).unwrap().unwrap();
        records.extend(page.records);
        after = page.next;
    }
    records
}

/// The changes that were recorded, each by its operation and actor.
fn changes(engine: &Engine) -> Vec<(String, String)> {
    let told = records(engine).into_iter().map(|record| record.event);
    told.filter(|event| event.kind == EventKind::Change).map(|event| (event.operation, event.actor)).collect()
}

fn create(installation: &Installation, key_name: &str) -> KeyId {
    installation.create(key_name, Algorithm::Aes256Gcm)
}

// R-O3
#[test]
fn a_change_is_in_the_log_when_it_is_answered_with_who_what_and_which_key() {
    let installation = Installation::audited();
    let engine = installation.engine.on_behalf_of(act("alice", "create-keys"));
    let created = engine.create_keys(installation.store, vec![new_key("key", Algorithm::Aes256Gcm)]).unwrap();
    let last = records(&installation.engine).pop().unwrap().event;
    assert_eq!(
        (last.actor.as_str(), last.operation.as_str(), last.trace_id.as_str()),
        ("alice", "create-keys", "trace")
    );
    assert_eq!(last.shown, "create-keys by alice");
    assert_eq!((last.store, last.keys), (Some(installation.store), vec![created[0].id]));
    let disabling = installation.engine.on_behalf_of(act("bob", "disable-key"));
    disabling.set_state(created[0].id, KeyState::Disabled).unwrap();
    let last = records(&installation.engine).pop().unwrap().event;
    assert_eq!((last.actor.as_str(), last.store), ("bob", Some(installation.store)));
}

// R-O3
#[test]
fn what_is_refused_or_changes_nothing_leaves_no_record_of_a_change() {
    let installation = Installation::audited();
    let id = create(&installation, "key");
    let before = records(&installation.engine);
    assert!(matches!(installation.try_create("key", Algorithm::Aes256Gcm), Err(Error::NameTaken(_))));
    assert!(installation.engine.set_state(id, KeyState::Available).is_ok());
    assert!(installation.engine.delete_now(id, false).is_err());
    assert_eq!(records(&installation.engine), before);
}

// R-O3
#[test]
fn what_changes_no_record_is_told_before_it_is_done() {
    let installation = Installation::audited();
    installation.engine.on_behalf_of(act("alice", "export-key")).tell_act().unwrap();
    let last = records(&installation.engine).pop().unwrap().event;
    assert_eq!((last.kind, last.actor.as_str()), (EventKind::Act, "alice"));
}

// R-O3, R-K12
#[test]
fn changes_by_the_schedule_are_recorded_as_its_own_with_their_reason() {
    let installation = Installation::audited();
    let id = create(&installation, "key");
    installation.engine.set_rotation(id, Some(1)).unwrap();
    installation.clock.pass(DAY);
    assert_eq!(installation.engine.do_due().unwrap(), 1);
    let mut told = records(&installation.engine).into_iter().map(|record| record.event);
    let last = told.rfind(|event| event.kind == EventKind::Change).unwrap();
    assert_eq!((last.actor.as_str(), last.operation.as_str()), ("engine", "schedule"));
    assert!(last.shown.contains("rotated"), "{}", last.shown);
    assert_eq!(last.keys, vec![id]);
}

// R-O3
#[test]
fn changes_of_many_at_once_are_each_recorded_once_in_the_order_in_which_they_were_made() {
    let installation = Installation::audited();
    thread::scope(|scope| {
        for person in ["alice", "bob", "carol"] {
            let engine = installation.engine.on_behalf_of(act(person, "create-keys"));
            let store = installation.store;
            scope.spawn(move || {
                for number in 0..10 {
                    let key = new_key(&format!("{person}-{number}"), Algorithm::Aes256Gcm);
                    engine.create_keys(store, vec![key]).unwrap();
                }
            });
        }
    });
    let told: Vec<_> = records(&installation.engine).into_iter().map(|record| record.event).collect();
    for person in ["alice", "bob", "carol"] {
        assert_eq!(told.iter().filter(|event| event.actor == person).count(), 10);
    }
    let created = |id: KeyId| installation.engine.describe_key(id).unwrap().created_ms;
    let times: Vec<_> = told.iter().flat_map(|event| &event.keys).map(|id| created(*id)).collect();
    assert_eq!(times.len(), 30);
}

// R-O3
#[test]
fn nothing_is_lost_or_told_twice_over_restarts() {
    let mut installation = Installation::audited();
    for round in 0..4 {
        create(&installation, &format!("key-{round}"));
        installation = installation.restarted(|_| {});
    }
    let created = changes(&installation.engine);
    assert_eq!(created.len(), 5, "the store and four keys: {created:?}");
}

// R-O3, R-H6
#[test]
fn records_that_are_protected_anew_on_their_way_are_not_told_twice() {
    let installation = Installation::audited();
    for round in 0..5 {
        create(&installation, &format!("key-{round}"));
        installation.engine.rotate_system_key(&installation.places.tree(), None).unwrap();
    }
    while installation.engine.renewal().is_some() {
        thread::yield_now();
    }
    assert_eq!(changes(&installation.engine).len(), 6);
    let installation = installation.restarted(|_| {});
    assert_eq!(changes(&installation.engine).len(), 6);
}

// R-O3
#[test]
fn a_log_that_cannot_be_written_refuses_changes_beforehand_while_keys_are_used_and_goes_on_by_itself() {
    let installation = Installation::audited();
    let id = create(&installation, "key");
    let mut client = Client::new(&installation.engine);
    let (folder, away) = (installation.places.audit_folder(), installation.places.data().with_file_name("away"));
    fs::rename(&folder, &away).unwrap();

    let refused = installation.engine.set_state(id, KeyState::Disabled).unwrap_err();
    assert!(matches!(refused, Error::Audit(AuditError::File { .. })), "{refused}");
    assert!(refused.to_string().contains("check that the disk of the audit log is there"), "{refused}");
    assert_eq!(installation.engine.describe_key(id).unwrap().state, KeyState::Available);
    assert!(installation.engine.audit_status().unwrap().failure.is_some());
    client.with(id, |key| encrypt(key, &[(b"", b"plaintext")])).unwrap();

    fs::rename(&away, &folder).unwrap();
    installation.engine.set_state(id, KeyState::Disabled).unwrap();
    assert_eq!(installation.engine.audit_status().unwrap().failure, None);
    assert_eq!(changes(&installation.engine).len(), 3);
}

// R-O3
#[test]
fn a_change_whose_record_cannot_be_written_stands_and_is_told_as_soon_as_it_can_be() {
    let installation = Installation::audited();
    let id = create(&installation, "key");
    let folder = installation.places.audit_folder();
    let [file] = <[_; 1]>::try_from(files(&folder)).unwrap();
    let away = folder.join("away");
    fs::rename(&file, &away).unwrap();

    let told = installation.engine.set_state(id, KeyState::Disabled).unwrap_err();
    assert!(matches!(told, Error::Audit(AuditError::NotYetLogged(_))), "{told}");
    assert_eq!(installation.engine.describe_key(id).unwrap().state, KeyState::Disabled, "it is in force");
    let refused = installation.engine.set_state(id, KeyState::Available).unwrap_err();
    assert!(matches!(refused, Error::Audit(AuditError::Unavailable(_))), "{refused}");

    fs::rename(&away, &file).unwrap();
    installation.engine.set_state(id, KeyState::Available).unwrap();
    assert_eq!(changes(&installation.engine).len(), 4);
}

// R-O3
#[test]
fn how_many_records_were_lost_is_not_lost_with_the_record_that_tells_it() {
    let installation = Installation::audited();
    let engine = &installation.engine;
    let id = create(&installation, "key");
    let [file] = <[_; 1]>::try_from(files(&installation.places.audit_folder())).unwrap();
    let away = file.with_extension("away");
    let is_not_logged = |state| {
        fs::rename(&file, &away).unwrap();
        assert!(engine.set_state(id, state).is_err_and(|error| error.is_made()));
    };
    is_not_logged(KeyState::Disabled);
    (0..3).for_each(|number| engine.tell(Event::new(EventKind::Refusal, number)));
    fs::rename(&away, &file).unwrap();
    engine.set_state(id, KeyState::Available).unwrap();
    // It fails again with the record that would tell of them.
    is_not_logged(KeyState::Disabled);
    fs::rename(&away, &file).unwrap();
    engine.set_state(id, KeyState::Available).unwrap();
    engine.set_state(id, KeyState::Disabled).unwrap();
    let told = records(engine).into_iter().map(|record| record.event);
    let lost: u64 = told.filter(|event| event.kind == EventKind::Lost).filter_map(|event| event.count).sum();
    assert_eq!(lost, 3);
}

// R-O3
#[test]
fn a_change_whose_record_was_never_written_is_told_by_the_next_start() {
    let installation = Installation::audited();
    let id = create(&installation, "key");
    let [file] = <[_; 1]>::try_from(files(&installation.places.audit_folder())).unwrap();
    let away = file.with_extension("away");
    fs::rename(&file, &away).unwrap();
    assert!(installation.engine.set_state(id, KeyState::Disabled).is_err());
    let installation = installation.restarted(|_| fs::rename(&away, &file).unwrap());
    assert_eq!(changes(&installation.engine).len(), 3);
}

// R-O3
#[test]
fn lists_are_filtered_by_store_key_actor_kind_and_time() {
    let installation = Installation::audited();
    let [one, other] = ["one", "other"].map(|key_name| create(&installation, key_name));
    installation.engine.on_behalf_of(act("alice", "disable-key")).set_state(one, KeyState::Disabled).unwrap();
    let count = |filter: AuditFilter| filtered(&installation.engine, &filter).len();
    assert_eq!(count(AuditFilter { key: Some(one), ..AuditFilter::default() }), 2);
    assert_eq!(count(AuditFilter { key: Some(other), ..AuditFilter::default() }), 1);
    assert_eq!(count(AuditFilter { store: Some(installation.store), ..AuditFilter::default() }), 4);
    assert_eq!(count(AuditFilter { actor: Some("lic".to_owned()), ..AuditFilter::default() }), 1);
    assert_eq!(count(AuditFilter { kind: Some(EventKind::Opened), ..AuditFilter::default() }), 1);
    assert_eq!(count(AuditFilter { since_ms: Some(u64::MAX), ..AuditFilter::default() }), 0);
    let last = records(&installation.engine).pop().unwrap().event;
    assert_eq!(count(AuditFilter { since_ms: Some(last.time_ms), ..AuditFilter::default() }), 1);
}

// R-O3
#[test]
fn lists_go_on_over_many_files() {
    let installation = Installation::audited();
    for number in 0..400 {
        let shown = "x".repeat(1_000);
        installation.engine.tell(Event { shown, count: Some(number), ..Event::new(EventKind::Refusal, number) });
    }
    create(&installation, "key");
    assert!(files(&installation.places.audit_folder()).len() > 1);
    let numbers: Vec<_> = records(&installation.engine).iter().map(|record| record.seq).collect();
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "{numbers:?}");
    let refusals = AuditFilter { kind: Some(EventKind::Refusal), ..AuditFilter::default() };
    assert_eq!(filtered(&installation.engine, &refusals).len(), 400);
    let page = installation.engine.audit_page(&refusals, 300, LIST_PAGE_SIZE_MAX).unwrap().unwrap();
    assert!(page.records.first().unwrap().seq > 300);
}

// R-O3
#[test]
fn a_flood_of_refusals_writes_a_bounded_log_in_which_each_is_counted() {
    let installation = Installation::audited();
    let refused = |client: u32| {
        let refused = Refused { client: format!("client {client}"), store: Some(installation.store), reason: "no row" };
        installation.engine.tell_refused(refused, "192.0.2.1");
    };
    for client in 0..3 * u32::try_from(AUDIT_REFUSALS_MAX).unwrap() {
        (0..3).for_each(|_| refused(client));
    }
    installation.clock.pass(Duration::from_mins(1));
    create(&installation, "key");
    let told: Vec<_> = records(&installation.engine).into_iter().map(|record| record.event).collect();
    let first = told.iter().filter(|event| event.kind == EventKind::Refusal).count();
    let counts: Vec<_> = told.iter().filter(|event| event.kind == EventKind::Refusals).collect();
    assert_eq!((first, counts.len()), (AUDIT_REFUSALS_MAX, AUDIT_REFUSALS_MAX + 1));
    let all = first as u64 + counts.iter().filter_map(|event| event.count).sum::<u64>();
    assert_eq!(all, 9 * AUDIT_REFUSALS_MAX as u64);
    // Each first one and its count, and what else is there: checkpoints, the store, the key.
    let sizes = files(&installation.places.audit_folder()).into_iter().map(|path| fs::metadata(path).unwrap().len());
    let size: u64 = sizes.sum();
    assert!(size <= 500 * (2 * AUDIT_REFUSALS_MAX as u64 + 20), "{size} bytes");
    let client = told.iter().find(|event| event.kind == EventKind::Refusal).unwrap();
    assert_eq!((client.store, client.address.as_str()), (Some(installation.store), "192.0.2.1"));
}

fn request(installation: &Installation, trace_id: u8) -> RequestRecord {
    RequestRecord {
        time_ms: 1,
        store: installation.store,
        keys: [Some(KeyId([1; 16])), None],
        client: installation.engine.client(ClientName::certificate("alice", [1; 32])),
        operation: "Encrypt",
        items: Some(3),
        failures: 0,
        bytes: 100,
        refused: "",
        trace_id: [trace_id; 16],
    }
}

// R-O3
#[test]
fn requests_are_written_soon_and_those_that_find_no_place_are_counted_in_the_log() {
    let installation = Installation::audited();
    let queue = installation.engine.request_queue().unwrap();
    // Nothing is read from the log before all are told: so the thread that writes may take some meanwhile, but never waits for anybody, nor anybody for it.
    let all = 3 * AUDIT_REQUESTS_WAITING_MAX;
    (0..all).for_each(|_| queue.tell(request(&installation, 1)));
    drop(queue);
    let dropped = installation.engine.audit_status().unwrap().dropped_requests;
    let installation = installation.restarted(|_| {});
    assert!(installation.engine.verify_audit(1).unwrap().unwrap().is_intact());
    let told = in_pages_of(LIST_PAGE_SIZE_MAX, &installation.engine, &AuditFilter::default());
    let told: Vec<_> = told.into_iter().map(|record| record.event).collect();
    let written = told.iter().filter(|event| event.kind == EventKind::Request).count();
    let lost: u64 = told.iter().filter(|event| event.kind == EventKind::Lost).filter_map(|event| event.count).sum();
    assert!(written >= AUDIT_REQUESTS_WAITING_MAX, "{written}");
    assert_eq!((written as u64 + lost, lost), (all as u64, dropped));
}

// R-O3
#[test]
fn requests_are_not_written_where_the_log_cannot_be_but_changes_are_as_soon_as_it_can_be() {
    let installation = Installation::audited();
    let queue = installation.engine.request_queue().unwrap();
    let [file] = <[_; 1]>::try_from(files(&installation.places.audit_folder())).unwrap();
    let away = file.with_extension("away");
    fs::rename(&file, &away).unwrap();
    assert!(installation.try_create("lost", Algorithm::Aes256Gcm).is_err());
    (0..10).for_each(|_| queue.tell(request(&installation, 2)));
    assert!(installation.try_create("lost-too", Algorithm::Aes256Gcm).is_err());
    fs::rename(&away, &file).unwrap();
    create(&installation, "key");
    let told: Vec<_> = records(&installation.engine).into_iter().map(|record| record.event).collect();
    assert!(told.iter().all(|event| event.kind != EventKind::Request), "{told:?}");
    let lost: u64 = told.iter().filter(|event| event.kind == EventKind::Lost).filter_map(|event| event.count).sum();
    assert_eq!((lost, installation.engine.audit_status().unwrap().dropped_requests), (10, 10));
}

// R-O3
#[test]
fn uses_of_keys_are_told_by_client_each_minute() {
    let installation = Installation::audited();
    let id = create(&installation, "key");
    let mut clients = ["alice", "bob"].map(|client| Client::named(&installation.engine, client));
    for client in &mut clients {
        client.counted(id, |scope, key| encrypt_in(scope, key, &[(b"", b"one"), (b"", b"two")]).unwrap());
    }
    installation.engine.write_uses();
    installation.clock.pass(Duration::from_mins(1));
    create(&installation, "other");
    let uses = AuditFilter { kind: Some(EventKind::Uses), ..AuditFilter::default() };
    let [told] = <[_; 1]>::try_from(filtered(&installation.engine, &uses)).unwrap();
    assert_eq!(told.event.keys, [id]);
    let items: Vec<_> = told.event.uses.iter().map(|used| (used.client.contains("alice"), used.items)).collect();
    assert_eq!(items, [(true, 2), (false, 2)]);
    let of_bob = AuditFilter { actor: Some("bob".to_owned()), ..uses };
    assert_eq!(filtered(&installation.engine, &of_bob).len(), 1);
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).collect()
}

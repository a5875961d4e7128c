//! What is approved while the audit log or somebody else comes in between: it is told as what it is, done or not done.

use std::fs;
use std::path::PathBuf;

use claviger_algorithm::Algorithm;
use claviger_engine::approval::{ApprovalError, ApprovalId, ApprovalState, Decided, NewRequest};
use claviger_engine::audit::AuditError;
use claviger_engine::storage::{Address, Database};
use claviger_engine::{Error, StoreState};

use crate::approvals::{ADA, BOB, Change, approval_error, approve, ask, request, rotate, versions};
use crate::support::Installation;
use crate::support::tamper::alter;

/// Takes the file of the audit log away, so that changes are made and not told of; gives where it is and was.
fn take_log(installation: &Installation) -> (PathBuf, PathBuf) {
    let folder = installation.places.audit_folder();
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let is_file = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "jsonl");
    let [file] = <[_; 1]>::try_from(entries.filter(is_file).collect::<Vec<_>>()).unwrap();
    let away = folder.join("away");
    fs::rename(&file, &away).unwrap();
    (away, file)
}

/// Asks for what is more than a change of records.
fn ask_alone(installation: &Installation, change: Change<'_>) -> ApprovalId {
    let engine = &installation.engine;
    let ((), trial) = engine.try_out(|engine| change(engine)).unwrap();
    let new = NewRequest { is_bundle: false, ..request(Some(installation.store), 1) };
    engine.request_approval(new, trial).unwrap().id
}

fn is_not_logged(decided: &Result<Decided, Error>) -> bool {
    decided.as_ref().is_err_and(|error| error.is_made() && matches!(error, Error::Audit(AuditError::NotYetLogged(_))))
}

// R-A9, R-O3
#[test]
fn a_bundle_that_is_made_and_not_yet_logged_is_applied_and_its_answer_is_kept() {
    let installation = Installation::audited();
    let engine = &installation.engine;
    let key = installation.create("key", Algorithm::Xaes256Gcm);
    let id = ask(&installation, &[&rotate(key)]).unwrap().id;
    let (away, file) = take_log(&installation);
    let decided = approve(engine, id, BOB, &[&rotate(key)]);
    assert!(is_not_logged(&decided), "{decided:?}");
    assert_eq!((versions(engine, key), engine.approval(id).unwrap().state.name()), (2, "applied"));
    assert_eq!(engine.approval_result(id).unwrap().unwrap().expose(), b"answer");
    fs::rename(away, file).unwrap();
}

// R-A9, R-O3
#[test]
fn what_is_told_of_beforehand_and_not_logged_has_failed_and_was_not_done() {
    let installation = Installation::audited();
    let engine = &installation.engine;
    let key = installation.create("key", Algorithm::Xaes256Gcm);
    let leave: Change<'_> = &|engine| {
        engine.tell_act()?;
        engine.rotate(key).map(drop)
    };
    let id = ask_alone(&installation, leave);
    let (away, file) = take_log(&installation);
    let decided = approve(engine, id, BOB, &[leave]);
    assert!(is_not_logged(&decided), "{decided:?}");
    assert_eq!(versions(engine, key), 1, "it stops there");
    let state = engine.approval(id).unwrap().state;
    assert!(matches!(&state, ApprovalState::Failed { why, .. } if why.contains("not in the log yet")), "{state:?}");
    fs::rename(away, file).unwrap();
    assert!(matches!(approval_error(approve(engine, id, BOB, &[leave])), ApprovalError::Over { .. }));
    assert_eq!(engine.shred_table().taken().0, 1, "what was asked for is destroyed: the secret of the key is left");
}

on_every_storage! {
    // R-A9, R-A13
    fn a_stop_whose_request_is_withdrawn_at_the_same_moment_is_not_in_force(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let stop: Change<'_> = &|engine| engine.stop_store(store).map(drop);
        let id = ask_alone(installation, stop);
        let loses: Change<'_> = &|within| {
            engine.withdraw(id, ADA)?;
            stop(within)
        };
        let decided = approve(engine, id, BOB, &[loses]);
        assert!(matches!(decided, Err(Error::Conflict)), "{decided:?}");
        assert_eq!(engine.approval(id).unwrap().state.name(), "withdrawn");
        assert!(engine.unwritten_stops().is_empty());
        assert_eq!(engine.describe_store(store).unwrap().state, StoreState::Available);
        // One that nobody takes back is in force when it is approved.
        let id = ask_alone(installation, stop);
        approve(engine, id, BOB, &[stop]).unwrap();
        assert_eq!(engine.approval(id).unwrap().state.name(), "applied");
        assert_eq!(engine.store_by_id(store).unwrap().policy().state, StoreState::Disabled);
        assert!(engine.unwritten_stops().is_empty());
    }

    // R-A9, R-A13
    fn a_damaged_record_of_the_lock_is_replaced_with_an_approval(installation) {
        let (engine, storage) = (&installation.engine, &*installation.storage);
        engine.lock("because").unwrap();
        let place = lock_address();
        alter(storage, &place);
        let unlock: Change<'_> = &|engine| engine.unlock();
        let moved = ask(installation, &[unlock]).unwrap().id;
        let mut value = storage.get(&place).unwrap().unwrap().value;
        value[0] ^= 2;
        crate::support::tamper::put(storage, &place, value);
        // Damaged in another way, it is not what was seen.
        assert!(matches!(approval_error(approve(engine, moved, BOB, &[unlock])), ApprovalError::Moved(_)));
        assert!(engine.locked().is_some());
        let id = ask(installation, &[unlock]).unwrap().id;
        approve(engine, id, BOB, &[unlock]).unwrap();
        assert_eq!(engine.approval(id).unwrap().state.name(), "applied");
        engine.unlock().unwrap();
        assert!(engine.locked().is_none());
    }
}

/// The record of whether the daemon is locked.
fn lock_address() -> Address {
    Address::new(Database::Keys, "L")
}

//! What of requests for approval may hold secrets ends with them: nothing that was stored of it opens again.

use std::time::Duration;

use claviger_algorithm::Algorithm;
use claviger_engine::approval::{ApprovalError, ApprovalId, Decided};
use claviger_engine::limits::APPROVAL_TIME_MAX;
use claviger_engine::storage::{Address, Database, Versioned};

use crate::approvals::{ADA, BOB, approval_error, approve, ask, policy, rotate};
use crate::support::Installation;
use crate::support::clock::DAY;
use crate::support::tamper::{all_records, alter, delete, put};

/// Everything that is stored of requests: themselves, their ends, and what may hold secrets.
fn stored(installation: &Installation) -> Vec<(Address, Versioned)> {
    let all = all_records(&*installation.storage).into_iter();
    let is_of_request = |address: &Address| {
        let tag = address.key.first();
        address.database == Database::Meta && tag.is_some_and(|tag| b"QqyY".contains(tag))
    };
    all.filter(|(address, _)| is_of_request(address)).collect()
}

/// An old copy of them comes back.
fn put_back(installation: &Installation, before: &[(Address, Versioned)]) {
    stored(installation).iter().for_each(|(address, _)| delete(&*installation.storage, address));
    before.iter().for_each(|(address, found)| put(&*installation.storage, address, found.value.clone()));
}

fn secrets(installation: &Installation) -> u32 {
    installation.engine.shred_table().taken().0
}

on_every_storage! {
    // R-A9, R-K11
    fn however_a_request_ends_its_secret_is_destroyed_and_an_old_copy_of_it_is_not_done(installation) {
        installation.clock.hold();
        let engine = &installation.engine;
        engine.set_approval_policy(Some(installation.store), policy(1)).unwrap();
        let key = installation.create("key", Algorithm::Xaes256Gcm);
        let ends: [(&str, &dyn Fn(ApprovalId)); 4] = [
            ("applied", &|id| assert!(matches!(approve(engine, id, BOB, &[&rotate(key)]), Ok(Decided::Applied(_))))),
            ("rejected", &|id| drop(engine.reject(id, BOB, String::new()).unwrap())),
            ("withdrawn", &|id| drop(engine.withdraw(id, ADA).unwrap())),
            ("expired", &|_| {
                installation.clock.pass(DAY);
                engine.do_due().unwrap();
            }),
        ];
        for (state, end) in ends {
            // Answers of the round before.
            installation.clock.pass(DAY + Duration::from_secs(1));
            engine.do_due().unwrap();
            let before = secrets(installation);
            let id = ask(installation, &[&rotate(key)]).unwrap().id;
            assert_eq!(secrets(installation), before + 1, "{state}");
            let open = stored(installation);
            end(id);
            assert_eq!(engine.approval(id).unwrap().state.name(), state);
            assert_eq!(secrets(installation), before + u32::from(state == "applied"), "{state}: the answers, if there are some");
            put_back(installation, &open);
            assert_eq!(engine.approval(id).unwrap().state.name(), "open");
            let versions = engine.describe_key(key).unwrap().versions.len();
            match approval_error(approve(engine, id, BOB, &[&rotate(key)])) {
                ApprovalError::Gone(gone) => assert_eq!(gone, id),
                error => assert!(matches!(error, ApprovalError::Over { .. }) && state == "expired", "{state}: {error}"),
            }
            assert_eq!(engine.describe_key(key).unwrap().versions.len(), versions);
            // Who has asked can be rid of it.
            assert_eq!(engine.withdraw(id, ADA).is_ok(), state != "expired");
        }
    }

    // R-A9, R-K11
    fn what_was_asked_for_by_a_request_that_is_damaged_is_destroyed_when_its_time_is_over(installation) {
        installation.clock.hold();
        let engine = &installation.engine;
        let key = installation.create("key", Algorithm::Xaes256Gcm);
        let before = secrets(installation);
        let damage = |id: ApprovalId| alter(&*installation.storage, &Address::new(Database::Meta, [b"Q", &id.0[..]].concat()));
        let id = ask(installation, &[&rotate(key)]).unwrap().id;
        assert_eq!(secrets(installation), before + 1);
        damage(id);
        installation.clock.pass(DAY);
        engine.do_due().unwrap();
        assert_eq!(secrets(installation), before);
        assert!(engine.approval(id).is_err(), "the record is left for whoever looks for what has damaged it");
        // One whose end was never noted is forgotten with what was asked for.
        let id = ask(installation, &[&rotate(key)]).unwrap().id;
        damage(id);
        for (place, _) in stored(installation).iter().filter(|(place, _)| place.key.first() == Some(&b'q')) {
            delete(&*installation.storage, place);
        }
        installation.clock.pass(DAY);
        engine.do_due().unwrap();
        assert_eq!(secrets(installation), before + 1, "nobody knows when it ends");
        installation.clock.pass(DAY * 365);
        engine.do_due().unwrap();
        assert_eq!(secrets(installation), before);
        assert!(stored(installation).is_empty());
    }

    // R-A9, R-K11
    fn what_was_answered_is_destroyed_after_a_day(installation) {
        installation.clock.hold();
        let engine = &installation.engine;
        engine.set_approval_policy(Some(installation.store), policy(1)).unwrap();
        let key = installation.create("key", Algorithm::Xaes256Gcm);
        let before = secrets(installation);
        let id = ask(installation, &[&rotate(key)]).unwrap().id;
        approve(engine, id, BOB, &[&rotate(key)]).unwrap();
        let answered = stored(installation);
        assert_eq!(engine.approval_result(id).unwrap().unwrap().expose(), b"answer");
        installation.clock.pass(DAY);
        engine.do_due().unwrap();
        assert_eq!((secrets(installation), engine.approval_result(id).unwrap().is_none()), (before, true));
        put_back(installation, &answered);
        let gone = engine.approval_result(id).err().unwrap();
        assert!(gone.to_string().contains("was destroyed"), "{gone}");
    }

    // R-A9, R-H6
    fn requests_go_on_after_a_rotation_of_the_system_key_and_what_is_over_does_not_hold_it_up(installation) {
        installation.clock.hold();
        let engine = &installation.engine;
        engine.set_approval_policy(Some(installation.store), policy(1)).unwrap();
        let key = installation.create("key", Algorithm::Xaes256Gcm);
        let over = ask(installation, &[&rotate(key)]).unwrap().id;
        let open = stored(installation);
        engine.withdraw(over, ADA).unwrap();
        put_back(installation, &open);
        let id = ask(installation, &[&rotate(key)]).unwrap().id;
        engine.rotate_system_key(&installation.places.tree(), None).unwrap();
        while engine.renewal().is_some() {
            std::thread::yield_now();
        }
        approve(engine, id, BOB, &[&rotate(key)]).unwrap();
        assert_eq!(engine.describe_key(key).unwrap().versions.len(), 2);
        installation.clock.pass(APPROVAL_TIME_MAX);
        engine.do_due().unwrap();
    }
}

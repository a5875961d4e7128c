//! Approval: what somebody asks for and others let happen is done as it was shown, or not at all.

use std::cell::Cell;
use std::num::NonZeroU8;
use std::time::Duration;

use claviger_algorithm::Algorithm;
use claviger_engine::approval::{
    ApprovalError, ApprovalId, ApprovalPolicy, ApprovalRecord, ApprovalState, ChangeClass, ChangeClasses, Decided,
    NewRequest, ShownChange,
};
use claviger_engine::change::AboutChange;
use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::state::KeyState;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::person::PersonId;
use claviger_engine::storage::{Address, Database};
use claviger_engine::{Engine, Error};

use crate::support::clock::{DAY, HOUR};
use crate::support::installation::{new_key, new_secret};
use crate::support::tamper::{all_records, delete, put};
use crate::support::{Client, Installation, only};

pub(crate) const ADA: PersonId = PersonId([1; 16]);
pub(crate) const BOB: PersonId = PersonId([2; 16]);
const CARL: PersonId = PersonId([3; 16]);
const CALLS: &[u8] = b"what exactly is to be done, with a password";

pub(crate) type Change<'c> = &'c dyn Fn(&Engine) -> Result<(), Error>;

pub(crate) fn policy(quorum: u8) -> ApprovalPolicy {
    ApprovalPolicy { classes: class(ChangeClass::Modify), quorum: NonZeroU8::new(quorum).unwrap() }
}

fn class(class: ChangeClass) -> ChangeClasses {
    [class].into_iter().collect()
}

pub(crate) fn request(store: Option<StoreId>, changes: usize) -> NewRequest {
    let change = ShownChange {
        operation: "change".into(),
        shown: "something changes".into(),
        request: None,
        before: None,
        after: None,
    };
    NewRequest {
        store,
        classes: class(ChangeClass::Modify),
        requester: ADA,
        time: DAY,
        reason: "because".into(),
        is_bundle: true,
        changes: vec![change; changes],
        calls: SecretBytes::from(CALLS.to_vec()),
    }
}

/// Asks for changes as Ada.
pub(crate) fn ask(installation: &Installation, changes: &[Change<'_>]) -> Result<ApprovalRecord, Error> {
    let engine = &installation.engine;
    let ((), trial) = engine.try_out(|engine| changes.iter().try_for_each(|change| change(engine)))?;
    engine.request_approval(request(Some(installation.store), changes.len()), trial)
}

/// Approves, and makes the changes if that was the last approval.
pub(crate) fn approve(engine: &Engine, id: ApprovalId, by: PersonId, changes: &[Change<'_>]) -> Result<Decided, Error> {
    engine.approve(
        id,
        by,
        |_, _| Ok(()),
        |engine, _, calls| {
            assert_eq!(calls.expose(), CALLS);
            changes.iter().try_for_each(|change| change(engine))?;
            Ok(SecretBytes::from(b"answer".to_vec()))
        },
    )
}

pub(crate) fn approval_error(result: Result<impl std::fmt::Debug, Error>) -> ApprovalError {
    match result {
        Err(Error::Approval(error)) => error,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn versions(engine: &Engine, id: KeyId) -> usize {
    engine.describe_key(id).unwrap().versions.len()
}

pub(crate) fn rotate(id: KeyId) -> impl Fn(&Engine) -> Result<(), Error> {
    move |engine| engine.rotate(id).map(drop)
}

on_every_storage! {
    // R-A9
    fn a_change_on_trial_changes_nothing_and_tells_what_comes_of_it(installation) {
        let engine = &installation.engine;
        let key = installation.create("key", Algorithm::Rsa2048PssSha256);
        let before = (all_records(&*installation.storage), std::fs::read(&installation.places.mirrors()[0]).unwrap());
        let (after, _) = engine.try_out(|engine| engine.rotate(key)).unwrap();
        assert_eq!(after.versions.len(), 2);
        let (created, _) = engine.try_out(|engine| {
            engine.create_keys(installation.store, vec![new_key("other", Algorithm::Xaes256Gcm)])
        }).unwrap();
        assert_eq!(created.len(), 1);
        let (destroyed, _) = engine.try_out(|engine| engine.destroy_version(key, KeyVersion::FIRST)).map_or((true, ()), |_| (false, ()));
        assert!(destroyed, "the current version is not destroyed, on trial neither");
        engine.try_out(|engine| engine.request_deletion(key, None)).unwrap();
        engine.try_out(|engine| engine.set_state(key, KeyState::Disabled)).unwrap();
        let now = (all_records(&*installation.storage), std::fs::read(&installation.places.mirrors()[0]).unwrap());
        assert!(before == now, "something was written");
    }

    // R-A9
    fn the_last_approval_makes_the_change_and_keeps_the_answer_for_a_day(installation) {
        installation.clock.hold();
        let engine = &installation.engine;
        engine.set_approval_policy(Some(installation.store), policy(2)).unwrap();
        let key = installation.create("key", Algorithm::Xaes256Gcm);
        let asked = ask(installation, &[&rotate(key)]).unwrap();
        assert_eq!(asked.quorum.get(), 2);
        let first = approve(engine, asked.id, BOB, &[&rotate(key)]).unwrap();
        assert!(matches!(&first, Decided::Waiting(record) if record.given.len() == 1), "{first:?}");
        assert_eq!((versions(engine, key), engine.approval_result(asked.id).unwrap().is_none()), (1, true));
        let last = approve(engine, asked.id, CARL, &[&rotate(key)]).unwrap();
        assert!(matches!(&last, Decided::Applied(record) if record.state.name() == "applied"), "{last:?}");
        assert_eq!(versions(engine, key), 2);
        assert_eq!(engine.approval(asked.id).unwrap().state.name(), "applied");
        assert_eq!(engine.approval_result(asked.id).unwrap().unwrap().expose(), b"answer");
        assert!(matches!(approval_error(approve(engine, asked.id, CARL, &[])), ApprovalError::Over { .. }));
        installation.clock.pass(DAY);
        engine.do_due().unwrap();
        assert!(engine.approval_result(asked.id).unwrap().is_none());
    }

    // R-A9
    fn nobody_approves_what_he_asked_for_or_twice(installation) {
        let engine = &installation.engine;
        engine.set_approval_policy(Some(installation.store), policy(2)).unwrap();
        let key = installation.create("key", Algorithm::Xaes256Gcm);
        let id = ask(installation, &[&rotate(key)]).unwrap().id;
        assert_eq!(approval_error(approve(engine, id, ADA, &[&rotate(key)])), ApprovalError::OwnRequest);
        approve(engine, id, BOB, &[&rotate(key)]).unwrap();
        assert_eq!(approval_error(approve(engine, id, BOB, &[&rotate(key)])), ApprovalError::Twice);
        assert_eq!(approval_error(engine.reject(id, ADA, String::new())), ApprovalError::OwnRequest);
        assert_eq!(approval_error(engine.withdraw(id, BOB)), ApprovalError::NotYours);
        assert_eq!(versions(engine, key), 1);
    }

    // R-A9
    fn who_has_approved_and_may_not_any_more_does_not_count(installation) {
        let engine = &installation.engine;
        engine.set_approval_policy(Some(installation.store), policy(2)).unwrap();
        let key = installation.create("key", Algorithm::Xaes256Gcm);
        let id = ask(installation, &[&rotate(key)]).unwrap().id;
        approve(engine, id, BOB, &[]).unwrap();
        let lost = engine.approve(
            id,
            CARL,
            |_, person| if person == BOB { Err("bob".to_owned()) } else { Ok(()) },
            |engine, _, _| rotate(key)(engine).map(|()| SecretBytes::from(Vec::new())),
        );
        assert_eq!(approval_error(lost), ApprovalError::LostRole("bob".into()));
        assert_eq!(versions(engine, key), 1);
        assert_eq!(engine.approval(id).unwrap().given.len(), 1);
    }

    // R-A9
    fn what_has_moved_since_it_was_asked_for_is_not_done(installation) {
        let engine = &installation.engine;
        let moves: [Change<'_>; 4] = [
            &|engine| engine.rotate(first(engine, installation)).map(drop),
            &|engine| engine.set_about(first(engine, installation), AboutChange { description: Some("x".into()), ..AboutChange::default() }).map(drop),
            &|engine| engine.set_approval_policy(Some(installation.store), policy(3)).map(drop),
            &|engine| {
                let settings = claviger_engine::change::StoreSettings { deletion_wait_hours: Some(30), ..Default::default() };
                engine.set_store_settings(installation.store, settings).map(drop)
            },
        ];
        let key = installation.create("first", Algorithm::Xaes256Gcm);
        for moved in moves {
            let id = ask(installation, &[&rotate(key)]).unwrap().id;
            let before = versions(engine, key);
            moved(engine).unwrap();
            let now = versions(engine, key);
            assert!(now - before <= 1);
            assert!(matches!(approval_error(approve_as_many(engine, id, &[&rotate(key)])), ApprovalError::Moved(_)));
            assert_eq!(versions(engine, key), now);
            assert!(matches!(engine.approval(id).unwrap().state, ApprovalState::Moved { .. }));
        }
    }

    // R-A9
    fn what_fails_can_be_approved_again(installation) {
        let engine = &installation.engine;
        let key = installation.create("key", Algorithm::Xaes256Gcm);
        let id = ask(installation, &[&rotate(key)]).unwrap().id;
        let full: Change<'_> = &|_| Err(Error::Closed);
        assert!(matches!(approve(engine, id, BOB, &[&rotate(key), full]), Err(Error::Closed)));
        assert_eq!((versions(engine, key), engine.approval(id).unwrap().state), (1, ApprovalState::Open));
        approve(engine, id, BOB, &[&rotate(key)]).unwrap();
        assert_eq!(versions(engine, key), 2);
    }

    // R-A9
    fn a_bundle_is_made_as_a_whole_or_not_at_all(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let (one, two) = (installation.create("one", Algorithm::Xaes256Gcm), installation.create("two", Algorithm::Xaes256Gcm));
        let create: Change<'_> = &|engine| {
            engine.create_keys(store, vec![new_key("three", Algorithm::Xaes256Gcm), new_secret("four", b"4".to_vec())]).map(drop)
        };
        engine.rotate(two).unwrap();
        let destroy: Change<'_> = &|engine| {
            engine.destroy_version(two, KeyVersion::FIRST).map(drop)
        };
        let changes: [Change<'_>; 3] = [&rotate(one), create, destroy];
        let id = ask(installation, &changes).unwrap().id;
        // The name is taken meanwhile: then nothing of the bundle is done, and nothing of it is left in the shred table.
        let taken = installation.create("three", Algorithm::Xaes256Gcm);
        assert!(matches!(approval_error(approve(engine, id, BOB, &changes)), ApprovalError::Moved(_)));
        assert_eq!(versions(engine, one), 1);
        engine.request_deletion(taken, None).unwrap();
        engine.delete_now(taken, true).unwrap();
        let id = ask(installation, &changes).unwrap().id;
        approve(engine, id, BOB, &changes).unwrap();
        assert_eq!(versions(engine, one), 2);
        assert_eq!(engine.pending_destructions().unwrap(), 0, "the former secret of the second key is destroyed");
        let three = engine.find_key(store, &"three".parse().unwrap()).unwrap().unwrap();
        for key in [one, two, three] {
            let sealed = Client::new(engine).encrypt_one(key, b"", b"text");
            assert_eq!(only(Client::new(engine).decrypt(key, &[(b"", &sealed)]).unwrap()), Ok(b"text".to_vec()));
        }
    }

    // R-A9
    fn changes_that_build_on_each_other_are_no_bundle(installation) {
        let key = installation.create("key", Algorithm::Xaes256Gcm);
        assert!(matches!(ask(installation, &[&rotate(key), &rotate(key)]), Err(Error::ChangesOverlap)));
        let create: Change<'_> = &|engine| {
            engine.create_keys(installation.store, vec![new_key("new", Algorithm::Xaes256Gcm)]).map(drop)
        };
        assert!(matches!(ask(installation, &[create, create]), Err(Error::ChangesOverlap)));
    }

    // R-A9
    fn a_change_of_its_own_is_made_once_and_with_what_is_noted_of_it(installation) {
        let engine = &installation.engine;
        let key = installation.create("key", Algorithm::Xaes256Gcm);
        let alone = |engine: &Engine| {
            let new = NewRequest { is_bundle: false, ..request(Some(installation.store), 1) };
            let ((), trial) = engine.try_out(|engine| rotate(key)(engine)).unwrap();
            engine.request_approval(new, trial).unwrap().id
        };
        let id = alone(engine);
        approve(engine, id, BOB, &[&rotate(key)]).unwrap();
        assert_eq!((versions(engine, key), engine.approval(id).unwrap().state.name()), (2, "applied"));
        // What writes nothing is noted all the same.
        let id = alone(engine);
        approve(engine, id, BOB, &[]).unwrap();
        assert_eq!((versions(engine, key), engine.approval(id).unwrap().state.name()), (2, "applied"));
        // What meets a change at the same moment is not made, and not noted.
        let id = alone(engine);
        let changed = Cell::new(false);
        let meets: Change<'_> = &|within| {
            if !changed.replace(true) {
                engine.set_about(key, AboutChange { description: Some("y".into()), ..AboutChange::default() })?;
            }
            rotate(key)(within)
        };
        assert!(matches!(approve(engine, id, BOB, &[meets]), Err(Error::Conflict)));
        assert_eq!((versions(engine, key), engine.approval(id).unwrap().state), (2, ApprovalState::Open));
    }

    // R-A9
    fn requests_end_by_the_clock_by_who_asked_and_by_who_says_no(installation) {
        installation.clock.hold();
        let engine = &installation.engine;
        let key = installation.create("key", Algorithm::Xaes256Gcm);
        let [expired, withdrawn, rejected] = [(); 3].map(|()| ask(installation, &[&rotate(key)]).unwrap().id);
        engine.withdraw(withdrawn, ADA).unwrap();
        let record = engine.reject(rejected, BOB, "not today".into()).unwrap();
        assert!(matches!(&record.state, ApprovalState::Rejected { by: BOB, reason, .. } if reason == "not today"));
        installation.clock.pass(DAY);
        // Over, whether or not anybody has noted it.
        assert!(matches!(approval_error(approve(engine, expired, BOB, &[&rotate(key)])), ApprovalError::Over { .. }));
        engine.do_due().unwrap();
        assert_eq!(engine.approval(expired).unwrap().state.name(), "expired");
        for id in [expired, withdrawn, rejected] {
            assert!(matches!(approval_error(approve(engine, id, BOB, &[&rotate(key)])), ApprovalError::Over { .. }));
            assert!(matches!(approval_error(engine.withdraw(id, ADA)), ApprovalError::Over { .. }));
        }
        assert_eq!(versions(engine, key), 1);
        installation.clock.pass(DAY * 365);
        engine.do_due().unwrap();
        assert_eq!(approval_error(engine.approval(expired)), ApprovalError::NotFound(expired));
    }

    // R-A9
    fn requests_are_listed_in_the_order_in_which_they_were_made(installation) {
        installation.clock.hold();
        let engine = &installation.engine;
        let ids: Vec<_> = (0..5)
            .map(|at| {
                installation.clock.pass(Duration::from_secs(1));
                let key = installation.create(&format!("key{at}"), Algorithm::Xaes256Gcm);
                ask(installation, &[&rotate(key)]).unwrap().id
            })
            .collect();
        engine.withdraw(ids[1], ADA).unwrap();
        let (mut after, mut listed) = (None, Vec::new());
        loop {
            let page = engine.approvals(after, 2, |record| record.state == ApprovalState::Open).unwrap();
            listed.extend(page.requests.iter().map(|record| record.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(listed, [ids[0], ids[2], ids[3], ids[4]]);
    }

    // R-A9
    fn a_place_whose_policy_is_gone_or_damaged_is_not_taken_for_one_without(installation) {
        let (engine, storage) = (&installation.engine, &*installation.storage);
        for store in [None, Some(installation.store)] {
            assert_eq!(engine.approval_policy(store).unwrap(), ApprovalPolicy::OFF);
            let place = Address::new(Database::Meta, [&b"g"[..], store.as_ref().map_or(&[], |store| &store.0[..])].concat());
            let value = storage.get(&place).unwrap().unwrap().value;
            delete(storage, &place);
            assert!(matches!(engine.approval_policy(store), Err(Error::Damaged(_))));
            assert!(matches!(engine.set_approval_policy(store, ApprovalPolicy::OFF), Err(Error::Damaged(_))));
            // One of another place is none, either.
            put(storage, &place, value.iter().map(|byte| byte ^ 1).collect());
            assert!(matches!(engine.approval_policy(store), Err(Error::Damaged(_))));
            put(storage, &place, value);
        }
    }

    // R-A9
    fn policies_and_requests_out_of_bounds_are_refused(installation) {
        let (engine, store) = (&installation.engine, Some(installation.store));
        let of = |of: ChangeClass, quorum| ApprovalPolicy { classes: class(of), quorum: NonZeroU8::new(quorum).unwrap() };
        for (place, bad, expected) in [
            (store, of(ChangeClass::Installation, 1), ApprovalError::NoSuchClass(ChangeClass::Installation)),
            (None, of(ChangeClass::Modify, 1), ApprovalError::NoSuchClass(ChangeClass::Modify)),
            (store, of(ChangeClass::Modify, 11), ApprovalError::Quorum),
        ] {
            assert_eq!(approval_error(engine.set_approval_policy(place, bad)), expected);
        }
        let refused = |new: NewRequest| approval_error(engine.request_approval(new, Default::default()));
        let at = || request(store, 1);
        for (bad, expected) in [
            (NewRequest { changes: Vec::new(), ..at() }, ApprovalError::TooLarge),
            (request(store, 21), ApprovalError::TooLarge),
            (NewRequest { calls: SecretBytes::from(vec![0; 60_000]), ..at() }, ApprovalError::TooLarge),
            (NewRequest { time: HOUR - Duration::from_secs(1), ..at() }, ApprovalError::Time),
            (NewRequest { time: DAY * 31, ..at() }, ApprovalError::Time),
            (NewRequest { reason: "a\u{1b}[2J".into(), ..at() }, ApprovalError::Text),
            (NewRequest { reason: "a\u{202e}b".into(), ..at() }, ApprovalError::Text),
            (NewRequest { reason: "x".repeat(1_001), ..at() }, ApprovalError::Text),
        ] {
            assert_eq!(refused(bad), expected);
        }
        let unknown = engine.request_approval(request(Some(StoreId([9; 16])), 1), Default::default());
        assert!(matches!(unknown, Err(Error::KeyStoreNotFound(_))));
    }

    // R-A9
    fn what_exactly_was_asked_for_is_not_stored_in_plain_and_not_kept(installation) {
        let engine = &installation.engine;
        let key = installation.create("key", Algorithm::Xaes256Gcm);
        let id = ask(installation, &[&rotate(key)]).unwrap().id;
        let size = || all_records(&*installation.storage).iter().map(|(_, found)| found.value.len()).sum::<usize>();
        let holds = |needle: &[u8]| {
            all_records(&*installation.storage).iter().any(|(_, found)| found.value.windows(needle.len()).any(|part| part == needle))
        };
        assert!(holds(b"something changes") && !holds(CALLS));
        let open = size();
        engine.withdraw(id, ADA).unwrap();
        assert!(size() < open, "the wrapped calls are gone");
    }
}

/// The key that is called so.
fn first(engine: &Engine, installation: &Installation) -> KeyId {
    engine.find_key(installation.store, &"first".parse().unwrap()).unwrap().unwrap()
}

/// Approves as often as the request says.
fn approve_as_many(engine: &Engine, id: ApprovalId, changes: &[Change<'_>]) -> Result<Decided, Error> {
    let quorum = engine.approval(id).unwrap().quorum.get();
    for by in 1..quorum {
        approve(engine, id, PersonId([100 + by; 16]), changes)?;
    }
    approve(engine, id, BOB, changes)
}

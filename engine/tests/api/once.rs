//! Requests that are made once: how long they are remembered, how many, and what is stored of them.

use std::time::Duration;

use claviger_engine::limits::{ONCE_KEPT, ONCE_PER_CALLER_MAX};
use claviger_engine::once::{FirstTime, Once, OnceError};
use claviger_engine::{Engine, Error};

use crate::support::Installation;
use crate::support::tamper::all_records;

const ADA: [u8; 32] = [1; 32];
const BOB: [u8; 32] = [2; 32];
const REQUEST: [u8; 32] = [0xa7; 32];

fn first(engine: &Engine, caller: [u8; 32], key: &str) -> FirstTime {
    match engine.begin_once(caller, key, REQUEST) {
        Ok(Once::First(first)) => first,
        Ok(Once::Answered(_)) => panic!("{key} was answered"),
        Err(error) => panic!("{key}: {error}"),
    }
}

fn refused(engine: &Engine, caller: [u8; 32], key: &str) -> OnceError {
    match engine.begin_once(caller, key, REQUEST) {
        Err(Error::Once(error)) => error,
        Err(error) => panic!("{key}: {error}"),
        Ok(_) => panic!("{key} was taken"),
    }
}

fn answer(engine: &Engine, caller: [u8; 32], key: &str) -> Vec<u8> {
    match engine.begin_once(caller, key, REQUEST).unwrap() {
        Once::Answered(answer) => answer.expose().to_vec(),
        Once::First(_) => panic!("{key} was forgotten"),
    }
}

on_every_storage! {
    // R-O1
    fn an_answer_is_told_again_for_a_day_and_then_forgotten(installation) {
        installation.clock.hold();
        let engine = &installation.engine;
        let asked = first(engine, ADA, "key");
        assert_eq!(refused(engine, ADA, "key"), OnceError::Unknown, "it is being made");
        engine.note_answer(&asked, Some(b"answer")).unwrap();
        let other = engine.begin_once(ADA, "key", [0; 32]).err().unwrap();
        assert!(matches!(other, Error::Once(OnceError::OtherRequest)), "{other}");
        installation.clock.pass(ONCE_KEPT);
        assert_eq!(answer(engine, ADA, "key"), b"answer");
        installation.clock.pass(Duration::from_millis(1));
        drop(first(engine, ADA, "key"));
    }

    // R-O1
    fn what_is_over_is_removed_whether_or_not_its_caller_comes_back(installation) {
        installation.clock.hold();
        let engine = &installation.engine;
        let before = all_records(&*installation.storage).len();
        for number in 0..20 {
            engine.note_answer(&first(engine, [number; 32], "key"), None).unwrap();
        }
        assert_eq!(refused(engine, [7; 32], "key"), OnceError::AnsweredOnce);
        assert_eq!(all_records(&*installation.storage).len(), before + 20);
        installation.clock.pass(ONCE_KEPT + Duration::from_secs(1));
        engine.do_due().unwrap();
        assert_eq!(all_records(&*installation.storage).len(), before);
    }

    // R-O1
    fn a_caller_has_a_bounded_number_of_keys_a_day_and_takes_none_from_others(installation) {
        installation.clock.hold();
        let engine = &installation.engine;
        for number in 0..ONCE_PER_CALLER_MAX {
            drop(first(engine, ADA, &number.to_string()));
        }
        assert_eq!(refused(engine, ADA, "one more"), OnceError::TooMany);
        assert_eq!(refused(engine, ADA, "0"), OnceError::Unknown, "those that there are stay");
        drop(first(engine, BOB, "0"));
        installation.clock.pass(ONCE_KEPT + Duration::from_millis(1));
        drop(first(engine, ADA, "one more"));
    }

    // R-O1, R-H2
    fn neither_the_answer_nor_the_hash_of_the_request_is_stored_in_plain(installation) {
        let engine = &installation.engine;
        engine.note_answer(&first(engine, ADA, "key"), Some(b"an answer that is kept")).unwrap();
        let holds = |needle: &[u8]| {
            all_records(&*installation.storage).iter().any(|(_, found)| found.value.windows(needle.len()).any(|part| part == needle))
        };
        assert!(!holds(&REQUEST) && !holds(b"an answer that is kept"));
    }
}

// R-O1
#[test]
fn what_was_begun_before_a_restart_is_known_after_it() {
    let installation = Installation::audited();
    let begun = first(&installation.engine, ADA, "begun");
    installation.engine.note_answer(&first(&installation.engine, ADA, "made"), Some(b"answer")).unwrap();
    installation.engine.forget_once(first(&installation.engine, ADA, "refused")).unwrap();
    drop(begun);
    let installation = installation.restarted(|_| {});
    assert_eq!(refused(&installation.engine, ADA, "begun"), OnceError::Unknown);
    assert_eq!(answer(&installation.engine, ADA, "made"), b"answer");
    drop(first(&installation.engine, ADA, "refused"));
}

//! Whatever is done to a log, and with whatever key but the installation's own, it is found.

use super::super::head::HeadFile;
use super::super::line::{self, Line, Link};
use super::*;

/// A log of two files with checkpoints in the middle.
fn small_log() -> Place {
    // As small as it can be: each of its bytes is flipped, and all of it verified again.
    let place = Place::of_files(1_400);
    (1..=3).for_each(|change| place.write(change..=change));
    let kinds =
        |number| place.lines(number).iter().map(|line| line.contains("\"kind\":\"checkpoint\"")).collect::<Vec<_>>();
    assert_eq!([kinds(1), kinds(2)], [vec![false, false, true, false, true], vec![false, false, true]]);
    assert!(place.path(2).exists() && !place.path(3).exists());
    assert!(place.verify().is_intact());
    place
}

fn assert_found(place: &Place, what: &str) {
    assert!(!place.verify().is_intact(), "{what} was not found");
}

/// Looks whether `change` of the lines of a file is found, and puts them back.
fn assert_found_after(place: &Place, number: u64, what: &str, change: impl FnOnce(&mut Vec<String>)) {
    let whole = place.lines(number);
    let mut lines = whole.clone();
    change(&mut lines);
    place.put_lines(number, &lines);
    assert_found(place, what);
    place.put_lines(number, &whole);
}

/// Links, authenticates and signs all lines anew by these keys.
fn recompute(place: &Place, keys: &SystemKeys, signer: &InstallationKey) -> Link {
    let mut last = Link::default();
    for number in [1, 2] {
        let mut bytes = Vec::new();
        for text in place.lines(number) {
            let mut event = Line::parse(text.as_bytes()).unwrap().event().unwrap();
            event.actor = "bob".to_owned();
            if !event.public_key.is_empty() {
                event.public_key = signer.public().to_string();
            }
            let (version, derived) = keys.current();
            let signer = text.contains("\"signature\":").then_some(signer);
            let (line, link) = line::write(last, &event, (version, &derived.audit), signer).unwrap();
            bytes.extend(line);
            last = link;
        }
        fs::write(place.path(number), bytes).unwrap();
    }
    last
}

// R-O3
#[test]
fn a_flip_of_every_byte_is_found() {
    let place = small_log();
    for number in [1, 2] {
        let whole = fs::read(place.path(number)).unwrap();
        for at in 0..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 1;
            fs::write(place.path(number), &bad).unwrap();
            assert_found(&place, &format!("flip of byte {at} of file {number}"));
        }
        fs::write(place.path(number), whole).unwrap();
    }
    assert!(place.verify().is_intact());
}

// R-O3
#[test]
fn a_flip_of_every_byte_under_a_checkpoint_is_found_by_the_public_key_alone() {
    let place = small_log();
    let whole = fs::read(place.path(1)).unwrap();
    for at in 0..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 1;
        fs::write(place.path(1), &bad).unwrap();
        assert!(!place.verify_by_public_key().is_intact(), "flip of byte {at} was not found");
    }
}

// R-O3
#[test]
fn a_flip_of_every_byte_of_what_is_remembered_is_found() {
    let place = small_log();
    let whole = fs::read(place.head()).unwrap();
    for at in 0..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 1;
        fs::write(place.head(), &bad).unwrap();
        assert_found(&place, &format!("flip of byte {at} of the head"));
    }
}

// R-O3
#[test]
fn removal_and_repetition_of_every_line_are_found() {
    let place = small_log();
    for number in [1, 2] {
        for at in 0..place.lines(number).len() {
            let what = format!("line {at} of file {number}");
            assert_found_after(&place, number, &what, |lines| drop(lines.remove(at)));
            assert_found_after(&place, number, &what, |lines| lines.insert(at, lines[at].clone()));
        }
    }
    assert!(place.verify().is_intact());
}

// R-O3
#[test]
fn swap_of_any_two_lines_is_found() {
    let place = small_log();
    for number in [1, 2] {
        let count = place.lines(number).len();
        for (one, other) in (0..count).flat_map(|one| (0..one).map(move |other| (one, other))) {
            assert_found_after(&place, number, &format!("swap of {one} and {other}"), |lines| lines.swap(one, other));
        }
    }
    assert!(place.verify().is_intact());
}

// R-O3
#[test]
fn removal_and_swap_of_files_are_found() {
    let place = small_log();
    let [one, two] = [1, 2].map(|number| fs::read(place.path(number)).unwrap());
    fs::write(place.path(1), &two).unwrap();
    fs::write(place.path(2), &one).unwrap();
    assert_found(&place, "swap of files");
    fs::remove_file(place.path(1)).unwrap();
    fs::write(place.path(2), &two).unwrap();
    assert_found(&place, "removal of the first file");
    fs::write(place.path(1), &one).unwrap();
    fs::remove_file(place.path(2)).unwrap();
    assert_found(&place, "removal of the last file");
    fs::write(place.path(3), &two).unwrap();
    assert_found(&place, "a file of another number");
}

// R-O3
#[test]
fn a_chain_that_was_computed_anew_without_the_audit_key_is_found() {
    let place = small_log();
    recompute(&place, &SystemKeys::for_tests([8; 32]), &place.signer);
    assert_found(&place, "another audit key");
}

// R-O3
#[test]
fn a_chain_that_was_computed_anew_with_the_audit_key_is_found_without_the_installation_key() {
    let place = small_log();
    let (other, _) = InstallationKey::generate(&SystemRandom::new()).unwrap();
    let last = recompute(&place, &place.keys, &other);
    let mut head = HeadFile::open(&place.head(), None).unwrap();
    for _ in 0..2 {
        head.write(place.keys.installation(), 2, last, &other).unwrap();
    }
    let report = place.verify();
    assert_eq!(report.authenticated, report.records, "the MACs are good");
    assert!(!report.is_intact());
    assert!(!place.verify_by_public_key().is_intact());
}

// R-O3
#[test]
fn records_behind_the_last_checkpoint_that_were_computed_anew_with_the_audit_key_are_found_by_what_is_remembered() {
    let place = Place::new();
    let mut log = place.open().unwrap();
    place.append(&mut log, 1..=2);
    drop(log);
    let lines = place.lines(1);
    let before = Line::parse(lines[1].as_bytes()).unwrap().link();
    let (version, derived) = place.keys.current();
    let (forged, _) = line::write(before, &event(9), (version, &derived.audit), None).unwrap();
    let kept = format!("{}\n{}\n", lines[0], lines[1]);
    fs::write(place.path(1), [kept.as_bytes(), &forged].concat()).unwrap();
    let report = place.verify();
    assert_eq!(report.authenticated, report.records, "the MACs are good");
    assert!(report.findings.iter().any(|finding| finding.what.contains("is not the one that was written")));
    assert!(matches!(place.open(), Err(AuditError::Altered { .. })), "nor does a start go on with it");
}

// R-O3
#[test]
fn a_cut_of_the_last_record_and_of_the_last_file_is_found_and_refused_by_the_start() {
    let place = small_log();
    let mut lines = place.lines(2);
    lines.pop();
    place.put_lines(2, &lines);
    assert_found(&place, "cut of the last record");
    assert!(matches!(place.open(), Err(AuditError::Cut { .. })));
    fs::remove_file(place.path(2)).unwrap();
    assert_found(&place, "cut of the last file");
    assert!(matches!(place.open(), Err(AuditError::Cut { .. })));
}

// R-O3
#[test]
fn a_cut_log_with_a_damaged_place_of_what_is_remembered_is_refused() {
    let place = Place::new();
    let mut log = place.open().unwrap();
    place.append(&mut log, 1..=3);
    drop(log);
    let mut lines = place.lines(1);
    lines.pop();
    place.put_lines(1, &lines);
    let whole = fs::read(place.head()).unwrap();
    for at in [0, 512] {
        let mut bad = whole.clone();
        bad[at] ^= 1;
        fs::write(place.head(), &bad).unwrap();
        assert!(place.open().is_err(), "{at}");
    }
}

// R-O3
#[test]
fn what_stands_behind_the_end_without_having_been_written_is_found() {
    let place = small_log();
    assert_found_after(&place, 2, "a line more", |lines| lines.push("{}".to_owned()));
    assert_found_after(&place, 1, "a line more", |lines| lines.push(lines[1].clone()));
}

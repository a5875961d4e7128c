//! The log as files: what is written is verified, and whatever else is there is found.

mod tampering;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::log::{AuditOptions, Log};
use super::signer::InstallationKey;
use super::{AuditError, Event, EventKind, Report, Verification, folder};
use crate::clock::Clock;
use crate::crypto::random::SystemRandom;
use crate::hierarchy::SystemKeys;
use crate::limits::{AUDIT_CHECKPOINT_EVERY, AUDIT_CHECKPOINT_RECORDS};
use crate::record::key::milliseconds;

/// A log in a folder of its own.
struct Place {
    folder: TempDir,
    keys: SystemKeys,
    signer: Arc<InstallationKey>,
    clock: Arc<StandingClock>,
    file_size: u64,
}

#[derive(Default)]
struct StandingClock(AtomicU64);

impl Clock for StandingClock {
    fn now_ms(&self) -> u64 {
        1_000_000_000_000
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

impl Place {
    fn new() -> Self {
        Self::of_files(1_000_000)
    }

    fn of_files(file_size: u64) -> Self {
        let (signer, _) = InstallationKey::generate(&SystemRandom::new()).unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            keys: SystemKeys::for_tests([7; 32]),
            signer: Arc::new(signer),
            clock: Arc::default(),
            file_size,
        }
    }

    fn logs(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    fn head(&self) -> PathBuf {
        self.folder.path().join("apart/head")
    }

    fn path(&self, number: u64) -> PathBuf {
        folder::path(&self.logs(), number)
    }

    fn options(&self) -> AuditOptions {
        AuditOptions { file_size: self.file_size, free_space_floor: 0, ..AuditOptions::at(self.logs(), self.head()) }
    }

    fn open(&self) -> Result<Log, AuditError> {
        self.open_by(self.options(), !self.logs().exists())
    }

    fn open_by(&self, options: AuditOptions, is_new: bool) -> Result<Log, AuditError> {
        let clock: Arc<dyn Clock> = Arc::<StandingClock>::clone(&self.clock);
        let mut log = Log::open(options, &self.keys, Arc::clone(&self.signer), clock, is_new)?;
        // In both places, as the thread does that writes it.
        log.remember()?;
        log.remember()?;
        Ok(log)
    }

    /// Appends changes of these numbers, each in a group of its own, and closes the log.
    fn write(&self, changes: impl IntoIterator<Item = u64>) {
        let mut log = self.open().unwrap();
        self.append(&mut log, changes);
        log.close(&self.keys).unwrap();
    }

    fn append(&self, log: &mut Log, changes: impl IntoIterator<Item = u64>) {
        for change in changes {
            log.append(&[event(change)], &self.keys).unwrap();
            log.remember().unwrap();
        }
    }

    fn verify(&self) -> Report {
        let head = self.head();
        Verification::new(&self.logs(), self.signer.public()).by_keys(&self.keys).with_head(&head).run().unwrap()
    }

    fn verify_by_public_key(&self) -> Report {
        Verification::new(&self.logs(), self.signer.public()).run().unwrap()
    }

    fn lines(&self, number: u64) -> Vec<String> {
        fs::read_to_string(self.path(number)).unwrap().lines().map(str::to_owned).collect()
    }

    fn put_lines(&self, number: u64, lines: &[String]) {
        fs::write(self.path(number), lines.iter().flat_map(|line| [line, "\n"]).collect::<String>()).unwrap();
    }
}

fn event(change: u64) -> Event {
    Event {
        actor: "alice".to_owned(),
        shown: format!("change \"{change}\""),
        change: Some(change),
        ..Event::new(EventKind::Change, change)
    }
}

// R-O3
#[test]
fn what_was_written_is_verified_with_and_without_the_keys() {
    let place = Place::new();
    place.write(1..=5);
    let report = place.verify();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!((report.files, report.records, report.last, report.authenticated), (1, 7, 7, 7));
    assert_eq!(report.signed_until, 7, "it is signed when it is closed");
    assert!(report.end_is_known && !report.is_unfinished);
    let report = place.verify_by_public_key();
    assert!(report.is_intact() && !report.end_is_known, "{:?}", report.findings);
    assert_eq!((report.authenticated, report.signed_until), (0, 7));
}

// R-O3
#[test]
fn a_log_goes_on_where_it_ended() {
    let place = Place::new();
    place.write(1..=3);
    place.write(4..=4);
    let lines = place.lines(1);
    let begins = (1..).map(|seq| format!("{{\"seq\":{seq},\"system_key\":1,"));
    assert!(lines.iter().zip(begins).all(|(line, begin)| line.starts_with(&begin)), "{lines:#?}");
    assert_eq!(place.open().unwrap().change(), 4);
    assert!(place.verify().is_intact());
}

// R-O3
#[test]
fn a_full_file_ends_with_a_checkpoint_and_the_next_one_names_it() {
    let place = Place::of_files(1_500);
    place.write(1..=12);
    let report = place.verify();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert!(report.files >= 3, "{report:?}");
    for number in 1..report.files {
        assert!(place.lines(number).last().unwrap().contains("\"kind\":\"checkpoint\""));
        let opened = &place.lines(number + 1)[0];
        assert!(opened.contains("\"kind\":\"opened\",\"change\":"), "{opened}");
        assert!(opened.contains(&format!("\"file\":{}", number + 1)), "{opened}");
    }
    assert_eq!(place.open().unwrap().change(), 12);
    let second = Verification::new(&place.logs(), place.signer.public()).from_file(2).run().unwrap();
    assert!(second.is_intact(), "files before it may be in an archive: {:?}", second.findings);
}

// R-O3
#[test]
fn checkpoints_come_after_a_thousand_records_and_after_an_hour() {
    let place = Place::new();
    let mut log = place.open().unwrap();
    let events: Vec<_> = (1..=AUDIT_CHECKPOINT_RECORDS + 5).map(event).collect();
    log.append(&events, &place.keys).unwrap();
    log.remember().unwrap();
    assert_eq!(place.verify().signed_until, AUDIT_CHECKPOINT_RECORDS + 2);
    assert!(!log.is_checkpoint_due());
    place.clock.0.store(milliseconds(AUDIT_CHECKPOINT_EVERY), Ordering::Relaxed);
    assert!(log.is_checkpoint_due());
    log.append(&[], &place.keys).unwrap();
    log.remember().unwrap();
    let report = place.verify();
    assert_eq!(report.signed_until, report.last);
    assert!(!log.is_checkpoint_due(), "nothing has been recorded since");
}

// R-O3
#[test]
fn what_an_old_system_key_has_authenticated_is_signed_before_the_next_one_is_used() {
    let mut place = Place::new();
    let mut log = place.open().unwrap();
    place.append(&mut log, 1..=2);
    place.keys = SystemKeys::versions_for_tests(&[(1, [7; 32]), (2, [8; 32])]);
    place.append(&mut log, 3..=3);
    let lines = place.lines(1);
    assert!(lines[3].contains("\"system_key\":2") && lines[3].contains("\"kind\":\"checkpoint\""), "{lines:#?}");
    assert_eq!(place.verify().authenticated, 5);
    place.keys = SystemKeys::versions_for_tests(&[(2, [8; 32])]);
    let report = place.verify();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!(report.authenticated, 2, "the rest is proven by checkpoints");
    drop(log);
    place.write(4..=4);
}

// R-O3
#[test]
fn an_unfinished_line_of_a_crash_is_taken_away() {
    let place = Place::new();
    place.write(1..=2);
    let whole = fs::read(place.path(1)).unwrap();
    for rest in [&b"{"[..], b"{\"seq\":6,\"system_key\":1", &[0; 4_096], b"no line\nno line\n"] {
        fs::write(place.path(1), [&whole[..], rest].concat()).unwrap();
        drop(place.open().unwrap());
        assert_eq!(fs::read(place.path(1)).unwrap(), whole);
    }
    fs::write(place.path(1), [&whole[..], b"{\"seq\""].concat()).unwrap();
    let report = place.verify();
    assert!(report.is_intact() && report.is_unfinished, "{report:?}");
    assert!(!place.verify_by_public_key().is_intact(), "who does not know the end cannot tell it from a cut line");
}

// R-O3
#[test]
fn lines_that_were_written_and_not_remembered_before_a_crash_are_kept() {
    let place = Place::new();
    let mut log = place.open().unwrap();
    place.append(&mut log, 1..=2);
    log.append(&[event(3)], &place.keys).unwrap();
    drop(log);
    assert!(place.verify().is_intact());
    let mut log = place.open().unwrap();
    assert_eq!(log.change(), 3);
    place.append(&mut log, 4..=4);
    assert!(place.verify().is_intact());
}

// R-O3
#[test]
fn a_crash_after_another_file_was_begun_loses_nothing() {
    let place = Place::of_files(1_000);
    let mut log = place.open().unwrap();
    let last = (1..).find(|change| {
        place.append(&mut log, *change..=*change);
        log.end().size >= 1_000
    });
    assert!(!place.path(2).exists() && place.verify().signed_until == log.end().last.seq, "{:?}", place.verify());
    log.append(&[event(last.unwrap() + 1)], &place.keys).unwrap();
    drop(log);
    assert!(place.path(2).exists());
    let log = place.open().unwrap();
    assert_eq!(log.change(), last.unwrap() + 1);
    assert!(place.verify().is_intact());
}

// R-O3
#[test]
fn a_log_that_is_lost_is_refused_and_begun_anew_only_by_order_which_is_written_down() {
    let losses: [fn(&Place); 3] = [
        |place| fs::remove_file(place.path(1)).unwrap(),
        |place| fs::remove_file(place.head()).unwrap(),
        |place| {
            let whole = fs::read(place.path(1)).unwrap();
            fs::write(place.path(1), &whole[..whole.len() - 1]).unwrap();
        },
    ];
    for lose in losses {
        let place = Place::new();
        place.write(1..=3);
        lose(&place);
        let error = place.open_by(place.options(), false).err().unwrap();
        assert!(error.is_loss() && error.to_string().contains("clavigerd new-audit-log"), "{error}");
        let mut log = place.open_by(AuditOptions { begin_anew: true, ..place.options() }, false).unwrap();
        place.append(&mut log, 4..=4);
        drop(log);
        assert!(!place.verify().is_intact());
        assert!(place.lines(2)[1].contains("\"kind\":\"begun-anew\""));
        let (logs, head) = (place.logs(), place.head());
        let since = Verification::new(&logs, place.signer.public()).with_head(&head).from_file(2).run().unwrap();
        assert!(since.is_intact(), "{since:?}");
        place.write(5..=5);
    }
}

// R-O3
#[test]
fn requests_leave_the_room_to_changes_that_these_need() {
    let place = Place::new();
    drop(place.open().unwrap());
    let free = crate::files::free_space(&place.logs()).unwrap();
    for (free_space_floor, changes, requests) in
        [(0, true, true), (free / 4 * 3, true, false), (free * 2, false, false)]
    {
        let options = AuditOptions { free_space_floor, ..place.options() };
        assert_eq!(Log::check_room(&options).is_ok(), changes, "{free_space_floor} of {free}");
        assert_eq!(
            place.open_by(options, false).unwrap().has_room_for_requests(),
            requests,
            "{free_space_floor} of {free}"
        );
    }
}

// R-O3
#[test]
fn a_folder_of_another_process_is_refused() {
    let place = Place::new();
    let _log = place.open().unwrap();
    assert!(matches!(place.open(), Err(AuditError::InUse(_))));
}

// R-O3
#[test]
fn the_log_of_another_installation_is_refused() {
    let mut place = Place::new();
    place.write(1..=1);
    place.signer = Arc::new(InstallationKey::generate(&SystemRandom::new()).unwrap().0);
    assert!(matches!(place.open(), Err(AuditError::NoHead(_))));
    assert!(!place.verify().is_intact());
}

//! Places that are lost, exchanged, full or of another time: refused, with what to do.

use super::*;

// R-H7
#[test]
fn lost_journal_is_told_and_begun_anew_only_by_order() {
    let site = Site::new();
    let (storage, journal) = site.open();
    set(&storage, "a", "1");
    site.back_up("backup-1", &storage, &journal);
    drop((storage, journal));
    fs::remove_dir_all(site.path("journal")).unwrap();
    let error = site.storage(&site.journal()).err().unwrap().to_string();
    assert!(error.contains("clavigerd new-journal"), "{error}");
    let options = JournalOptions {
        free_space_floor: 0,
        begin_anew: true,
        known_segments: 2,
        ..JournalOptions::at(site.path("journal"))
    };
    let journal = Journal::open(options, sealing(), Arc::new(SystemRandom::new()), Arc::new(SystemClock)).unwrap();
    let storage = site.storage(&journal).unwrap();
    set(&storage, "a", "2");
    // Neither the old backup nor the journal alone can bring that back; a new backup can.
    assert!(site.segment(3).exists() && journal.has_gap());
    assert!(matches!(site.restore(Some("backup-1")), Err(BackupError::Gap(_))));
    assert!(matches!(site.restore(None), Err(BackupError::Gap(_))));
    site.back_up("backup-2", &storage, &journal);
    assert_eq!(site.restore(Some("backup-2")).unwrap().1, contents(&storage));
}

// R-H7
#[test]
fn backup_of_a_state_that_was_given_up_is_refused() {
    let site = Site::new();
    let (storage, journal) = site.open();
    set(&storage, "a", "1");
    site.back_up("backup-1", &storage, &journal);
    drop((storage, journal));
    let older = fs::read(site.path("data/data.mdb")).unwrap();
    let (storage, journal) = site.open();
    set(&storage, "a", "2");
    site.back_up("backup-2", &storage, &journal);
    drop(storage);
    // The older state goes on, as after a restore without the journal.
    journal.withdraw(Revision(1)).unwrap();
    drop((journal, older));
    assert!(said(site.restore(Some("backup-2"))).contains("given up"));
    assert!(site.restore(Some("backup-1")).is_ok());
}

// R-H7
#[test]
fn segments_that_are_missing_exchanged_repeated_or_of_another_installation_are_refused() {
    let site = Site::new();
    for run in 0..4 {
        let (storage, _journal) = site.open();
        set(&storage, "a", &run.to_string());
    }
    let whole: Vec<_> = (1..=4).map(|number| fs::read(site.segment(number)).unwrap()).collect();
    let other = Site::new();
    for _ in 0..2 {
        set(&other.open().0, "a", "other");
    }
    let foreign = fs::read(other.segment(2)).unwrap();
    let refused = |name: &str, change: &dyn Fn(), expected: &str| {
        change();
        let error = said(site.restore(None));
        assert!(error.contains(expected), "{name}: {error}");
        let started = site.storage(&site.journal()).err().map(|error| error.to_string());
        drop(started);
        (1..=5).for_each(|number| drop(fs::remove_file(site.segment(number))));
        whole.iter().zip(1..).for_each(|(bytes, number)| fs::write(site.segment(number), bytes).unwrap());
    };
    let write = |number, bytes: &[u8]| fs::write(site.segment(number), bytes).unwrap();
    for number in 1..=3 {
        let missing = format!("segment {number} of journal");
        refused("missing", &|| fs::remove_file(site.segment(number)).unwrap(), &missing);
    }
    refused(
        "exchanged",
        &|| {
            write(2, &whole[2]);
            write(3, &whole[1]);
        },
        "does not follow",
    );
    refused("repeated", &|| write(3, &whole[1]), "does not follow");
    refused("of another journal with the same keys", &|| write(2, &foreign), "does not follow");
    refused("shortened by a record", &|| write(2, &whole[1][..HEADER_SIZE]), "does not follow");
    refused("torn in the middle", &|| write(2, &whole[1][..whole[1].len() - 1]), "another segment follows");
    refused("no segment", &|| write(2, b"something else"), "is no segment of a journal");
    let mut other_installation = whole[1].clone();
    other_installation[12] ^= 1;
    refused("another installation", &|| write(2, &other_installation), "belongs to another installation");
    let mut newer = whole[1].clone();
    newer[9] = 2;
    refused("newer format", &|| write(2, &newer), "run the newer program");
    assert!(site.restore(None).is_ok());
}

// R-H7
#[test]
fn two_processes_do_not_write_one_journal() {
    let site = Site::new();
    let _journal = site.journal();
    let options = JournalOptions::at(site.path("journal"));
    let second = Journal::open(options, sealing(), Arc::new(SystemRandom::new()), Arc::new(SystemClock));
    assert!(said(second).contains("in use"));
}

// R-H7
#[test]
fn journal_that_cannot_be_written_refuses_changes_until_it_can_and_loses_none() {
    let site = Site::new();
    let (storage, journal) = site.open();
    set(&storage, "a", "1");
    // The next segment cannot be begun in a folder that is gone; and this one is at its end.
    let (away, folder) = (site.path("away"), site.path("journal"));
    journal.cut().unwrap();
    fs::rename(&folder, &away).unwrap();
    assert!(journal.cut().is_err());
    for _ in 0..2 {
        let Err(TransactError::Storage(error @ StorageError::WriteAhead(_))) = storage.transact(&[], &[put("b", "2")])
        else {
            panic!("the change was taken")
        };
        assert!(error.to_string().contains(folder.to_str().unwrap()), "{error}");
        assert!(journal.failure().is_some());
    }
    assert_eq!(storage.revision(), Revision(1));
    assert_eq!(storage.get(&Address::new(Database::Keys, "b")).unwrap(), None);
    fs::rename(&away, &folder).unwrap();
    set(&storage, "b", "3");
    assert_eq!(journal.failure(), None);
    assert_eq!(site.restore(None).unwrap().1, contents(&storage));
}

// R-H7
#[test]
fn below_the_free_space_floor_of_the_journal_changes_are_refused() {
    let site = Site::new();
    drop(site.open());
    let options = JournalOptions { free_space_floor: u64::MAX, ..JournalOptions::at(site.path("journal")) };
    let journal = Journal::open(options, sealing(), Arc::new(SystemRandom::new()), Arc::new(SystemClock)).unwrap();
    let storage = site.storage(&journal).unwrap();
    let error = storage.transact(&[], &[put("a", "1")]).unwrap_err().to_string();
    assert!(error.contains("claviger backup prune"), "{error}");
    assert!(storage.transact(&[], &[]).is_ok(), "a check needs no room");
}

// R-H7
#[test]
fn backup_that_is_cut_short_or_goes_on_is_refused() {
    let site = Site::new();
    let (storage, journal) = site.open();
    set(&storage, "a", "1");
    site.back_up("backup-1", &storage, &journal);
    let whole = fs::read(site.path("backup-1")).unwrap();
    let refused = |bytes: &[u8], expected: &str| {
        fs::write(site.path("backup-1"), bytes).unwrap();
        let error = said(site.restore(Some("backup-1")));
        assert!(error.contains(expected), "{error}");
    };
    refused(&whole[..whole.len() - 1], "its end is missing");
    refused(&whole[..HEADER_SIZE], "its end is missing");
    refused(&[&whole[..], b"more"].concat(), "goes on after its end");
    let mut altered = whole.clone();
    altered[HEADER_SIZE + 60] ^= 1;
    refused(&altered, "damaged at byte");
    fs::write(site.path("backup-1"), &whole).unwrap();
    assert!(site.restore(Some("backup-1")).is_ok());
}

// R-H7, R-H8
#[test]
fn data_folder_that_is_older_than_the_journal_is_refused() {
    let site = Site::new();
    let (storage, journal) = site.open();
    set(&storage, "a", "1");
    drop((storage, journal));
    let older = fs::read(site.path("data/data.mdb")).unwrap();
    let (storage, journal) = site.open();
    set(&storage, "a", "2");
    set(&storage, "a", "3");
    drop((storage, journal));
    fs::write(site.path("data/data.mdb"), older).unwrap();
    let error = site.storage(&site.journal()).err().unwrap().to_string();
    assert!(error.contains("older than journal") && error.contains("clavigerd restore"), "{error}");
}

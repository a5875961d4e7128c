//! Journals that lack changes which are in the data folder.

use super::*;

/// What is lost of a journal in which `backup-1` was followed by acknowledged changes, and what the next start makes of it.
fn next_start_finds_a_gap(lose: impl Fn(&Site)) {
    let site = Site::new();
    let (storage, journal) = site.open();
    set(&storage, "a", "1");
    site.back_up("backup-1", &storage, &journal);
    set(&storage, "b", "1");
    drop((storage, journal));
    let (storage, journal) = site.open();
    set(&storage, "b", "2");
    assert!(!journal.has_gap());
    drop((storage, journal));
    lose(&site);
    let (storage, journal) = site.open();
    assert!(journal.has_gap());
    set(&storage, "c", "1");
    drop((storage, journal));
    // It is told until there is a backup, and nothing is restored that lacks what was acknowledged.
    let (storage, journal) = site.open();
    assert!(journal.has_gap());
    for backup in [Some("backup-1"), None] {
        let said = said(site.restore(backup));
        assert!(said.contains("changes before") && said.contains("claviger backup create"), "{said}");
    }
    site.back_up("backup-2", &storage, &journal);
    set(&storage, "c", "2");
    assert_eq!(site.restore(Some("backup-2")).unwrap().1, contents(&storage));
    journal.note_backup(journal.newest().unwrap());
    assert!(!journal.has_gap());
}

// R-H7
#[test]
fn last_segment_that_is_lost_is_a_gap() {
    next_start_finds_a_gap(|site| fs::remove_file(site.segment(3)).unwrap());
}

// R-H7
#[test]
fn last_segment_that_is_put_back_from_an_older_copy_is_a_gap() {
    next_start_finds_a_gap(|site| {
        let bytes = fs::read(site.segment(3)).unwrap();
        fs::write(site.segment(3), &bytes[..HEADER_SIZE]).unwrap();
    });
}

// R-H7
#[test]
fn last_record_that_was_acknowledged_and_is_damaged_is_a_gap() {
    next_start_finds_a_gap(|site| {
        let mut bytes = fs::read(site.segment(3)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(site.segment(3), bytes).unwrap();
    });
}

// R-H7
#[test]
fn journal_that_ends_where_or_after_the_storage_does_has_no_gap() {
    let site = Site::new();
    let usage = |key: &str| Write::Put { address: Address::new(Database::Usage, key), value: vec![1] };
    let starts_without_gap = |what: &str| {
        let (storage, journal) = site.open();
        assert!(!journal.has_gap(), "{what}");
        (storage, journal)
    };
    let (storage, journal) = starts_without_gap("new");
    set(&storage, "a", "1");
    drop((storage, journal));
    let (storage, journal) = starts_without_gap("a change");
    storage.transact(&[], &[put("a", "2"), usage("u")]).unwrap();
    storage.transact(&[], &[usage("v")]).unwrap();
    drop((storage, journal));
    let (storage, journal) = starts_without_gap("changes of which nothing is journaled");
    storage.transact(&[], &[usage("w")]).unwrap();
    drop((storage, journal));
    let (storage, journal) = starts_without_gap("nothing but these");
    // As in a crash between journal and storage.
    let revision = storage.revision();
    let change = NewChange { revision: Revision(revision.0 + 1), writes: &[put("never made", "")] };
    journal.append(revision, &[change]).unwrap();
    drop((storage, journal));
    let (storage, journal) = starts_without_gap("a change that was never made");
    set(&storage, "b", "1");
    drop((storage, journal));
    let expected = site.restore(None).unwrap().1;
    fs::remove_dir_all(site.path("data")).unwrap();
    let sources = Sources { backup: None, journal: Some(&site.path("journal")) };
    replay::fill(&site.path("data"), &sources, &sealing(), &Progress::default()).unwrap();
    let (storage, _journal) = starts_without_gap("a restore");
    assert_eq!(contents(&storage), expected);
}

// R-H7
#[test]
fn segment_that_is_removed_or_replaced_while_it_is_written_is_written_no_more() {
    let site = Site::new();
    let (storage, journal) = site.open();
    set(&storage, "a", "1");
    site.back_up("backup-1", &storage, &journal);
    fs::remove_file(site.segment(2)).unwrap();
    set(&storage, "a", "2");
    assert!(journal.has_gap() && site.segment(3).exists());
    assert!(matches!(site.restore(Some("backup-1")), Err(BackupError::Gap(_))));
    site.back_up("backup-2", &storage, &journal);
    let copy = fs::read(site.segment(4)).unwrap();
    fs::remove_file(site.segment(4)).unwrap();
    fs::write(site.segment(4), copy).unwrap();
    set(&storage, "a", "3");
    assert!(matches!(site.restore(Some("backup-2")), Err(BackupError::Gap(_))));
    site.back_up("backup-3", &storage, &journal);
    set(&storage, "a", "4");
    assert_eq!(site.restore(Some("backup-3")).unwrap().1, contents(&storage));
}

// R-H7
#[test]
fn folder_that_has_taken_the_place_of_the_journal_is_not_written_to() {
    let site = Site::new();
    let (storage, journal) = site.open();
    set(&storage, "a", "1");
    // As when its disk is away, and the mount point is seen.
    fs::rename(site.path("journal"), site.path("away")).unwrap();
    fs::create_dir(site.path("journal")).unwrap();
    for _ in 0..2 {
        assert!(storage.transact(&[], &[put("a", "2")]).is_err());
    }
    assert_eq!(fs::read_dir(site.path("journal")).unwrap().count(), 0);
    fs::remove_dir(site.path("journal")).unwrap();
    fs::rename(site.path("away"), site.path("journal")).unwrap();
    set(&storage, "a", "3");
    assert!(!journal.has_gap());
    assert_eq!(site.restore(None).unwrap().1, contents(&storage));
}

// R-H7
#[test]
fn journal_whose_first_segment_cannot_be_begun_is_no_journal() {
    let site = Site::new();
    let journal = site.journal();
    let obstacle = site.path("journal/journal-1.new");
    fs::create_dir(&obstacle).unwrap();
    assert!(site.storage(&journal).err().unwrap().to_string().contains("journal-1.new"));
    fs::remove_dir(obstacle).unwrap();
    set(&site.storage(&journal).unwrap(), "a", "1");
}

// R-H7
#[test]
fn folder_without_segments_is_empty_whatever_else_is_in_it() {
    let site = Site::new();
    assert!(Journal::is_empty(&site.path("journal")).unwrap());
    drop(site.journal());
    fs::write(site.path("journal/journal-1.new"), b"half").unwrap();
    assert!(site.path("journal/journal.lock").exists() && Journal::is_empty(&site.path("journal")).unwrap());
    drop(site.open());
    assert!(!Journal::is_empty(&site.path("journal")).unwrap());
    fs::write(site.path("file"), b"").unwrap();
    assert!(Journal::is_empty(&site.path("file")).is_err());
}

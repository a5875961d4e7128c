//! Changes that are not journaled, between those that are.

use std::fs;

use super::{Site, contents, set};
use crate::storage::{Address, Database, Revision, Storage, Write};

fn use_key(storage: &dyn Storage, times: &str) -> Revision {
    storage.transact(&[], &[Write::Put { address: usage(), value: times.into() }]).unwrap()
}

fn usage() -> Address {
    Address::new(Database::Usage, "key")
}

// R-H7
#[test]
fn changes_that_are_not_journaled_give_up_no_backup_and_are_restored_from_backups_only() {
    let site = Site::new();
    let (storage, journal) = site.open();
    set(&storage, "a", "1");
    // Each backup begins a segment of the journal.
    for (backup, times) in [("backup-1", "1"), ("backup-2", "2"), ("backup-3", "3")] {
        use_key(&storage, times);
        site.back_up(backup, &storage, &journal);
    }
    set(&storage, "b", "2");
    for (backup, times) in [("backup-1", "1"), ("backup-2", "2"), ("backup-3", "3")] {
        let (_, restored) = site.restore(Some(backup)).unwrap();
        assert_eq!((restored.len(), &restored[&usage()].value[..]), (3, times.as_bytes()), "{backup}");
    }
    assert!(!site.restore(None).unwrap().1.contains_key(&usage()));
    drop((storage, journal));
    let (storage, journal) = site.open();
    use_key(&storage, "4");
    site.back_up("backup-4", &storage, &journal);
    assert_eq!(site.restore(Some("backup-4")).unwrap().1, contents(&storage));
    assert!(site.restore(Some("backup-3")).is_ok());
}

// R-H7
#[test]
fn what_is_not_journaled_does_not_tell_that_the_journal_is_written_again() {
    let site = Site::new();
    let (storage, journal) = site.open();
    set(&storage, "a", "1");
    let (folder, aside) = (site.path("journal"), site.path("aside"));
    fs::rename(&folder, &aside).unwrap();
    assert!(journal.cut().is_err());
    let failure = journal.failure();
    assert!(failure.is_some());
    use_key(&storage, "1");
    assert_eq!(journal.failure(), failure);
    fs::rename(&aside, &folder).unwrap();
    set(&storage, "a", "2");
    assert_eq!(journal.failure(), None);
}

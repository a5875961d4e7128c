//! What of the journal and of old system keys can go, and what backups need of them.

use super::*;

// R-H7
#[test]
fn journal_is_pruned_to_what_a_verified_backup_needs() {
    let mut site = Site::new();
    for n in 0..3 {
        site.create(&format!("key-{n}"), Algorithm::Xaes256Gcm);
        site = Site::at(site.close());
    }
    let backup = site.back_up();
    assert!(matches!(site.backups.prune(&backup), Err(BackupError::NotVerified(_))));
    assert!(matches!(site.backups.prune("backup-9"), Err(BackupError::NoSuchBackup(_))));
    assert_eq!(site.verify(&backup), Outcome::Done);
    assert_eq!(site.backups.prune(&backup).unwrap(), [1, 2, 3, 4]);
    assert!(site.backups.prune(&backup).unwrap().is_empty());
    let last = site.create("last", Algorithm::Xaes256Gcm);
    let places = site.close();
    assert!(matches!(
        restore(&places, None),
        Err(BackupError::SegmentMissing { number: 1, .. } | BackupError::NotInOrder(_))
    ));
    restore(&places, Some(&backup)).unwrap();
    let site = Site::at(places);
    assert_eq!(site.engine.describe_key(last).unwrap().state, KeyState::Available);
}

// R-H7
#[test]
fn pruning_never_touches_a_journal_that_the_backup_does_not_lead_to() {
    let mut site = Site::new();
    for n in 0..3 {
        site.create(&format!("key-{n}"), Algorithm::Xaes256Gcm);
        site = Site::at(site.close());
    }
    let backup = site.back_up();
    assert_eq!(site.verify(&backup), Outcome::Done);
    let places = site.close();
    let journal = folder(&places, "journal");
    fs::remove_dir_all(&journal).unwrap();
    // A new journal whose numbers are below those of the backup's.
    let site = Site::with(places, true);
    assert!(site.backups.journal().has_gap());
    let refused = site.backups.prune(&backup);
    assert!(matches!(refused, Err(BackupError::Gap(_) | BackupError::SegmentMissing { .. })), "{refused:?}");
    let later = site.create("later", Algorithm::Xaes256Gcm);
    assert!(journal.join("journal-1").exists());
    let backup = site.back_up();
    assert!(!site.backups.journal().has_gap());
    assert_eq!(site.verify(&backup), Outcome::Done);
    assert_eq!(site.backups.prune(&backup).unwrap(), [1]);
    let places = site.close();
    restore(&places, Some(&backup)).unwrap();
    assert_eq!(Site::at(places).engine.describe_key(later).unwrap().state, KeyState::Available);
}

// R-H7
#[test]
fn nothing_is_pruned_while_a_segment_after_the_backup_is_missing() {
    let site = Site::new();
    let backup = site.back_up();
    let second = site.back_up();
    assert_eq!(site.verify(&backup), Outcome::Done);
    let journal = folder(&site.places, "journal");
    for number in [2, 3] {
        let (segment, away) = (journal.join(format!("journal-{number}")), journal.join("away"));
        fs::rename(&segment, &away).unwrap();
        let refused = site.backups.prune(&backup);
        assert!(matches!(refused, Err(BackupError::SegmentMissing { .. })), "{refused:?}");
        fs::rename(&away, &segment).unwrap();
    }
    assert!(matches!(site.backups.prune(&second), Err(BackupError::NotVerified(_))));
    assert_eq!(site.backups.prune(&backup).unwrap(), [1]);
}

// R-H6, R-H7
#[test]
fn old_system_key_is_kept_until_a_verified_backup_can_do_without_it() {
    let site = Site::new();
    let key = site.create("key", Algorithm::Xaes256Gcm);
    let old = site.back_up();
    assert_eq!(site.verify(&old), Outcome::Done);
    let tree = site.places.tree();
    site.engine.rotate_system_key(&tree, Some(&site.backups)).unwrap();
    while site.engine.renewal().is_some() {
        std::thread::yield_now();
    }
    let destroy = || site.engine.destroy_system_key(&tree, 1, Some(&site.backups));
    let Err(Error::SystemKeyNeeded { needed_by, .. }) = destroy() else { panic!("it was destroyed") };
    assert!(needed_by.contains("claviger backup verify"), "{needed_by}");
    let new = site.back_up();
    assert!(destroy().is_err(), "the new one is not verified");
    assert_eq!(site.verify(&new), Outcome::Done);
    destroy().unwrap();
    let later = site.create("later", Algorithm::Xaes256Gcm);
    assert_eq!(site.verify(&new), Outcome::Done);
    // What was sealed by the old key alone is neither listed nor restored.
    assert_eq!(site.backups.list().unwrap().len(), 1);
    let places = site.close();
    assert!(matches!(restore(&places, Some(&old)), Err(BackupError::SystemKeyMissing { version: 1, .. })));
    restore(&places, Some(&new)).unwrap();
    let site = Site::at(places);
    for id in [key, later] {
        assert_eq!(site.engine.describe_key(id).unwrap().state, KeyState::Available);
    }
}

//! Restores: what they give back, what stays deleted, and what is refused.

use super::*;

// R-H7
#[test]
fn keys_that_were_made_before_and_after_a_backup_open_what_they_sealed() {
    let site = Site::new();
    let before = site.create("before", Algorithm::Xaes256Gcm);
    let backup = site.back_up();
    let after = site.create("after", Algorithm::Xaes256Gcm);
    site.engine.rotate(before).unwrap();
    let deleted = site.create("deleted", Algorithm::Xaes256Gcm);
    site.engine.request_deletion(deleted, DELETION_WAIT_DEFAULT).unwrap();
    site.engine.delete_now(deleted, true).unwrap();
    let sealed = [before, after].map(|id| Client::new(&site.engine).encrypt_one(id, b"context", b"text"));
    let mut places = site.close();
    for from in [Some(backup.as_str()), None] {
        restore(&places, from).unwrap();
        let site = Site::at(places);
        let mut client = Client::new(&site.engine);
        for (id, sealed) in [before, after].into_iter().zip(&sealed) {
            assert_eq!(only(client.decrypt(id, &[(b"context", sealed)]).unwrap()).unwrap(), b"text");
        }
        assert_eq!(site.engine.describe_key(deleted).unwrap().state, KeyState::Deleted);
        drop(client);
        places = site.close();
    }
}

// R-K3, R-H7
#[test]
fn restored_counts_of_uses_are_raised_as_after_a_kill() {
    let site = Site::new();
    let id = site.create("counted", Algorithm::Aes256Gcm);
    let backup = site.back_up();
    let places = site.close();
    restore(&places, Some(&backup)).unwrap();
    let site = Site::at(places);
    let counted = site.engine.use_count(&site.engine.describe_key(id).unwrap()).unwrap().unwrap();
    assert_eq!(counted.used, UNWRITTEN_USES_MAX);
}

// R-H7, R-K19
#[test]
fn key_with_a_limit_encrypts_no_more_after_a_restore_without_the_journal_until_it_is_rotated() {
    let site = Site::new();
    let [limited, unlimited] = [("limited", Algorithm::Aes256Gcm), ("unlimited", Algorithm::Xaes256Gcm)]
        .map(|(key, algorithm)| site.create(key, algorithm));
    let seal = |engine: &Arc<Engine>, id| Client::new(engine).encrypt(id, &[(b"context", b"text")]);
    let sealed = only(seal(&site.engine, limited).unwrap()).unwrap();
    let backup = site.back_up();
    only(seal(&site.engine, limited).unwrap()).unwrap();
    let places = site.close();
    fs::remove_dir_all(places.data()).unwrap();
    fs::remove_dir_all(folder(&places, "journal")).unwrap();
    let (backup, data) = (folder(&places, "backup").join(backup), places.data());
    let restore = Restore { backup: Some(&backup), journal: None, target: &data, now_ms: 0 };
    let (keys, shred_table) = (places.system_keys(), places.shred_table().unwrap());
    let restored = restore.run(keys, &shred_table, Arc::new(SystemRandom::new()), &Progress::default()).unwrap();
    drop(shred_table);
    assert_eq!(restored.spent, 1);
    let engine = places.start();
    assert!(matches!(seal(&engine, limited), Err(Error::UseLimitReached { .. })));
    assert!(seal(&engine, unlimited).is_ok());
    let opened = Client::new(&engine).decrypt(limited, &[(b"context", &sealed)]);
    assert_eq!(only(opened.unwrap()).unwrap(), b"text");
    engine.rotate(limited).unwrap();
    assert!(seal(&engine, limited).is_ok());
}

// R-H7
#[test]
fn refused_restore_leaves_the_target_as_it_was() {
    let site = Site::new();
    site.create("key", Algorithm::Xaes256Gcm);
    let backup = site.back_up();
    let places = site.close();
    let data = places.data();
    let run = |backup: &str| {
        let (backup, journal) = (folder(&places, "backup").join(backup), folder(&places, "journal"));
        let restore = Restore { backup: Some(&backup), journal: Some(&journal), target: &data, now_ms: 0 };
        restore.run(
            places.system_keys(),
            &places.shred_table().unwrap(),
            Arc::new(SystemRandom::new()),
            &Progress::default(),
        )
    };
    let before = fs::read(data.join("data.mdb")).unwrap();
    assert!(matches!(run(&backup), Err(BackupError::NotEmpty(_))));
    assert!(fs::read(data.join("data.mdb")).unwrap() == before);
    fs::remove_dir_all(&data).unwrap();
    // Another installation's.
    let other = Site::new();
    let foreign = folder(&other.places, "backup").join(other.back_up());
    fs::copy(foreign, folder(&places, "backup").join("foreign")).unwrap();
    assert!(matches!(run("foreign"), Err(BackupError::OtherInstallation(_))));
    assert!(!data.exists());
    // Damaged at its very end: found when half of it is restored already.
    let path = folder(&places, "backup").join(&backup);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    fs::create_dir(&data).unwrap();
    assert!(matches!(run(&backup), Err(BackupError::Damaged { .. })));
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
    fs::write(&path, &whole).unwrap();
    run(&backup).unwrap();
}

// R-H7
#[test]
fn restore_that_was_cut_short_is_not_started_on_and_is_begun_anew() {
    let site = Site::new();
    site.create("key", Algorithm::Xaes256Gcm);
    let places = site.close();
    let data = places.data();
    // As a process leaves it that was killed between moving the data and removing its scratch folder.
    fs::create_dir(data.join("restoring")).unwrap();
    let options = LmdbOptions { free_space_floor: 0, ..LmdbOptions::default() };
    let refused = LmdbStorage::open(&data, &options).err().unwrap().to_string();
    assert!(refused.contains("clavigerd restore"), "{refused}");
    let journal = folder(&places, "journal");
    let restore = Restore { backup: None, journal: Some(&journal), target: &data, now_ms: 0 };
    let restored = restore
        .run(places.system_keys(), &places.shred_table().unwrap(), Arc::new(SystemRandom::new()), &Progress::default())
        .unwrap();
    assert_eq!(restored.inventory.keys, 1);
    Site::at(places);
}

// R-K11, R-H7
#[test]
fn key_that_was_deleted_after_the_backup_stays_deleted_although_the_journal_is_lost() {
    let site = Site::new();
    let [kept, deleted] = ["kept", "deleted"].map(|key| site.create(key, Algorithm::Xaes256Gcm));
    let backup = site.back_up();
    site.engine.request_deletion(deleted, DELETION_WAIT_DEFAULT).unwrap();
    site.engine.delete_now(deleted, true).unwrap();
    let places = site.close();
    fs::remove_dir_all(places.data()).unwrap();
    fs::remove_dir_all(folder(&places, "journal")).unwrap();
    let (backup, data) = (folder(&places, "backup").join(backup), places.data());
    let restore = Restore { backup: Some(&backup), journal: None, target: &data, now_ms: 77 };
    let (keys, shred_table) = (places.system_keys(), places.shred_table().unwrap());
    let restored = restore.run(keys, &shred_table, Arc::new(SystemRandom::new()), &Progress::default()).unwrap();
    drop(shred_table);
    assert_eq!((restored.destroyed, restored.inventory.keys), (1, 1));
    let engine = places.start();
    let record = engine.describe_key(deleted).unwrap();
    assert_eq!((record.state, record.deleted.unwrap().at_ms), (KeyState::Deleted, 77));
    assert_eq!(engine.find_key(record.store, &name("deleted")).unwrap(), None);
    assert_eq!(engine.describe_key(kept).unwrap().state, KeyState::Available);
    // Its name is free.
    engine.create_keys(record.store, vec![new_key("deleted", Algorithm::Xaes256Gcm)]).unwrap();
}

// R-K11, R-H7
#[test]
fn without_any_mirror_of_the_shred_table_nothing_is_restored() {
    let site = Site::new();
    site.create("key", Algorithm::Xaes256Gcm);
    let backup = site.back_up();
    let other = Site::new();
    let places = site.close();
    fs::remove_dir_all(places.data()).unwrap();
    let (backup, data) = (folder(&places, "backup").join(backup), places.data());
    let restore = Restore { backup: Some(&backup), journal: None, target: &data, now_ms: 0 };
    // Another installation's table knows of none of these keys, and must not be asked.
    let table = other.places.shred_table().unwrap();
    assert!(restore.run(places.system_keys(), &table, Arc::new(SystemRandom::new()), &Progress::default()).is_err());
    assert!(!data.exists());
}

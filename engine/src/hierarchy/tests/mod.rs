//! What holds for the two files of the key tree, whatever becomes of them.

mod root_key;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::crypto::random::{Random, SystemRandom};
use crate::crypto::wrap::WrapContext;
use crate::key::material::SecretBytes;

/// A root key and a system-key file in a folder of their own.
struct Places {
    folder: tempfile::TempDir,
    tree: KeyTree,
}

impl Places {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let random = SystemRandom::new();
        let root_key = DevelopmentRootKey::create(folder.path().join("root-key"), &random).unwrap();
        let file = SystemKeyFile::at(folder.path().join("system-keys"));
        file.create(&root_key, &random, 1_000).unwrap();
        Self { folder, tree: KeyTree::new(root_key, file) }
    }

    fn root_key(&self) -> DevelopmentRootKey {
        DevelopmentRootKey::at(self.root_path())
    }

    fn root_path(&self) -> PathBuf {
        self.folder.path().join("root-key")
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("system-keys")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    /// Adds a version, as a rotation does.
    fn add(&self) -> u32 {
        let in_use = self.tree.unlock().unwrap();
        self.tree.change().add_system_key(&in_use, &SystemRandom::new(), 2_000).unwrap().current().0
    }
}

fn versions(keys: &SystemKeys) -> Vec<(u32, u64)> {
    keys.all().map(|key| (key.version, key.created_ms)).collect()
}

/// Tells whether two sets of keys are the same, by what they wrap.
fn open_the_same(one: &SystemKeys, other: &SystemKeys) -> bool {
    one.all().all(|key| {
        let context = WrapContext {
            installation: [0; 16],
            record_type: 1,
            address: b"a",
            wrapping_version: key.version,
            shred_secret: None,
        };
        let wrapped = one.version(key.version).unwrap().wrapping.wrap(&context, b"x", &SystemRandom::new()).unwrap();
        other.version(key.version).is_some_and(|keys| keys.wrapping.unwrap(&context, &wrapped).is_ok())
    })
}

// R-H1
#[test]
fn unlocks_with_the_root_key_that_wrapped_it() {
    let places = Places::new();
    let keys = places.tree.unlock().unwrap();
    assert_eq!(versions(&keys), [(1, 1_000)]);
    assert!(keys.version(1).is_some());
    assert!(keys.version(2).is_none());
}

// R-H1, R-H2
#[test]
fn another_root_key_does_not_unlock_it() {
    let (places, others) = (Places::new(), Places::new());
    let file = SystemKeyFile::at(places.path());
    assert!(matches!(file.unlock(&others.root_key()), Err(HierarchyError::WrongRootKey)));
}

// R-H1, R-H6
#[test]
fn altered_system_key_files_are_refused() {
    let places = Places::new();
    places.add();
    let text = places.text();
    let lines: Vec<_> = text.lines().collect();
    let mut other_digit = text.clone();
    let last = other_digit.trim_end().len() - 1;
    let digit = if text.as_bytes()[last] == b'0' { "1" } else { "0" };
    other_digit.replace_range(last..=last, digit);
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    for (altered, what) in [
        (text.replace("format 2", "format 3"), "newer"),
        (text.replace("format 2", "format 1"), "older"),
        (text.replace("format 2", "format 02"), "format with a zero"),
        (text.replace("claviger", "clavigex"), "head"),
        (text.replacen("installation ", "installation 0", 1), "installation"),
        (text.replacen("key 1 ", "key 3 ", 1), "number"),
        (text.replacen("key 1 ", "key 0 ", 1), "number zero"),
        (text.replacen("key 1 ", "key 01 ", 1), "number with a zero"),
        (text.replacen("key 1 ", "key +1 ", 1), "number with a sign"),
        (text.replacen("root 1", "root 2", 1), "root key"),
        (text.replacen("created 1000", "created 1001", 1), "time"),
        (text.replacen("created 1000", "created 01000", 1), "time with a zero"),
        (text.replacen(" root 1", "", 1), "word missing"),
        (text.replacen(" root 1", " root 1 ", 1), "word too many"),
        (other_digit, "wrap"),
        (text.replacen("key 1", "\nkey 1", 1), "blank line"),
        (joined(&lines[..2]), "no key"),
        (joined(&[lines[0], lines[1], lines[3], lines[2]]), "out of order"),
        (joined(&[lines[0], lines[1], lines[2], lines[2]]), "twice"),
        (joined(&[lines[0], lines[1], &lines[2][..40]]), "cut short"),
        (joined(&[lines[1], lines[2]]), "first line missing"),
        (String::new(), "empty"),
        ("x".repeat(2 * 1024 * 1024), "too large"),
    ] {
        fs::write(places.path(), altered).unwrap();
        assert!(places.tree.unlock().is_err(), "{what}");
    }
    // A wrap in the line of another version.
    let (one, two) = (lines[2].rsplit_once(' ').unwrap().1, lines[3].rsplit_once(' ').unwrap().1);
    fs::write(places.path(), text.replace(one, two)).unwrap();
    assert!(matches!(places.tree.unlock(), Err(HierarchyError::WrongRootKey)));
    fs::write(places.path(), text).unwrap();
    assert!(places.tree.unlock().is_ok());
}

// R-H2
#[test]
fn nothing_is_overwritten_and_open_permissions_are_refused() {
    let places = Places::new();
    let random = SystemRandom::new();
    let created = SystemKeyFile::at(places.path()).create(&places.root_key(), &random, 0);
    assert!(matches!(created, Err(HierarchyError::Exists(_))));
    assert!(matches!(DevelopmentRootKey::create(places.root_path(), &random), Err(HierarchyError::Exists(_))));
    for path in [places.root_path(), places.path()] {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(places.tree.unlock(), Err(HierarchyError::Permissions(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

// R-H6
#[test]
fn a_system_key_is_added_beside_the_others_and_removed_for_good() {
    let places = Places::new();
    let first = places.tree.unlock().unwrap();
    assert_eq!(places.add(), 2);
    let both = places.tree.unlock().unwrap();
    assert_eq!(versions(&both), [(1, 1_000), (2, 2_000)]);
    assert_eq!(both.current().0, 2);
    assert!(open_the_same(&first, &both));
    let first_wrap = places.text().lines().nth(2).unwrap().to_owned();
    places.tree.change().remove_system_key(1, &both).unwrap();
    let second = places.tree.unlock().unwrap();
    assert_eq!(versions(&second), [(2, 2_000)]);
    assert!(open_the_same(&second, &both));
    assert!(!places.text().contains(first_wrap.rsplit_once(' ').unwrap().1));
    assert_eq!(places.add(), 3, "numbers are not used again");
}

// R-H6
#[test]
fn permissions_stay_and_a_link_is_followed() {
    let places = Places::new();
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["root-key", "system-keys"] {
        let (here, there) = (places.folder.path().join(name), elsewhere.path().join(name));
        fs::rename(&here, &there).unwrap();
        symlink(&there, &here).unwrap();
        fs::set_permissions(&there, fs::Permissions::from_mode(0o400)).unwrap();
    }
    places.add();
    places.tree.rotate_root_key(&SystemRandom::new()).unwrap();
    for name in ["root-key", "system-keys"] {
        let (here, there) = (places.folder.path().join(name), elsewhere.path().join(name));
        assert!(fs::symlink_metadata(here).unwrap().is_symlink());
        assert_eq!(fs::metadata(there).unwrap().permissions().mode() & 0o7777, 0o400);
    }
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 2, "nothing is left beside them");
    assert_eq!(versions(&places.tree.unlock().unwrap()).len(), 2);
}

// R-H6
#[test]
fn what_a_crash_left_half_written_is_ignored_and_removed() {
    let places = Places::new();
    let text = places.text();
    let leftover = places.folder.path().join("system-keys.new");
    fs::write(&leftover, &text[..text.len() / 2]).unwrap();
    assert_eq!(versions(&places.tree.unlock().unwrap()).len(), 1);
    assert!(leftover.exists(), "it may be another process that is writing it");
    places.tree.remove_leftover().unwrap();
    assert!(!leftover.exists());
    places.tree.remove_leftover().unwrap();
    fs::write(&leftover, "other").unwrap();
    assert_eq!(places.add(), 2);
    assert!(!leftover.exists());
    // Something that cannot be replaced: nothing changes.
    let text = places.text();
    fs::create_dir(&leftover).unwrap();
    let in_use = places.tree.unlock().unwrap();
    let added = places.tree.change().add_system_key(&in_use, &SystemRandom::new(), 0);
    assert!(matches!(added, Err(HierarchyError::File { .. })));
    assert!(matches!(places.tree.remove_leftover(), Err(HierarchyError::File { .. })));
    assert_eq!(places.text(), text);
}

// R-H6
#[test]
fn a_file_that_lacks_a_key_in_use_is_not_added_to() {
    let places = Places::new();
    let before = places.text();
    places.add();
    let in_use = places.tree.unlock().unwrap();
    fs::write(places.path(), &before).unwrap();
    let added = places.tree.change().add_system_key(&in_use, &SystemRandom::new(), 0);
    assert!(matches!(added, Err(HierarchyError::SystemKeyNotInFile(2))));
    let removed = places.tree.change().remove_system_key(1, &in_use);
    assert!(matches!(removed, Err(HierarchyError::SystemKeyNotInFile(2))));
    assert_eq!(places.text(), before);
    let others = Places::new();
    let added = others.tree.change().add_system_key(&in_use, &SystemRandom::new(), 0);
    assert!(matches!(added, Err(HierarchyError::Damaged { .. })), "the file of another installation");
}

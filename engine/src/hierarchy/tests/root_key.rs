//! Rotation of the root key, and custodians that refuse.

use super::*;

// R-H6
#[test]
fn altered_files_of_root_keys_are_refused() {
    let places = Places::new();
    places.root_key().add_version(&SystemRandom::new()).unwrap();
    let text = fs::read_to_string(places.root_path()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    for (altered, what) in [
        (joined(&[lines[1]]), "first line missing"),
        (joined(&[lines[0]]), "no key"),
        (joined(&[lines[0], lines[2], lines[1]]), "out of order"),
        (joined(&[lines[0], lines[1], lines[1]]), "twice"),
        (joined(&[lines[0], &lines[1][..60]]), "cut short"),
        (joined(&[lines[0], lines[1], "key"]), "no digits"),
        (text.replacen("key 1", "key 0", 1), "number zero"),
        (text.replacen("key 1 ", "key 1 00", 1), "too long"),
        (text.replacen("key 2", "clef 2", 1), "another word"),
        ("x".repeat(4_096), "too large"),
    ] {
        fs::write(places.root_path(), altered).unwrap();
        assert!(matches!(places.tree.unlock(), Err(HierarchyError::Damaged { .. })), "{what}");
        assert!(places.root_key().add_version(&SystemRandom::new()).is_err(), "{what}");
    }
    fs::write(places.root_path(), format!("{text}\n")).unwrap();
    assert!(places.tree.unlock().is_ok(), "a blank line at the end does no harm");
}

// R-H6
#[test]
fn rotation_of_the_root_key_wraps_the_system_keys_anew_and_changes_none() {
    let places = Places::new();
    places.add();
    let (before, text) = (places.tree.unlock().unwrap(), places.text());
    let old_root = fs::read_to_string(places.root_path()).unwrap();
    assert_eq!(places.tree.rotate_root_key(&SystemRandom::new()).unwrap(), 2);
    assert_eq!(places.tree.root_key().unwrap().versions, [2]);
    let after = places.tree.unlock().unwrap();
    assert_eq!(versions(&before), versions(&after));
    assert!(open_the_same(&before, &after));
    let new_root = fs::read_to_string(places.root_path()).unwrap();
    assert!(!new_root.contains(old_root.trim_end().rsplit_once(' ').unwrap().1), "the old root key is gone");
    for wrap in text.lines().skip(2).map(|line| line.rsplit_once(' ').unwrap().1) {
        assert!(!places.text().contains(wrap));
    }
    // Copies from before and files of now do not open each other, and it is said which is missing.
    fs::write(places.path(), &text).unwrap();
    assert!(matches!(places.tree.unlock(), Err(HierarchyError::RootKeyMissing(1))));
    assert!(matches!(places.tree.rotate_root_key(&SystemRandom::new()), Err(HierarchyError::RootKeyMissing(1))));
    assert_eq!(places.tree.root_key().unwrap().versions, [2], "and nothing is destroyed");
}

// R-H6
#[test]
fn rotation_of_the_root_key_that_was_cut_short_opens_at_each_step_and_is_finished() {
    let places = Places::new();
    places.add();
    let before = places.tree.unlock().unwrap();
    let (root_before, keys_before) = (fs::read(places.root_path()).unwrap(), fs::read(places.path()).unwrap());
    // The new root key is there, and wraps nothing yet.
    places.root_key().add_version(&SystemRandom::new()).unwrap();
    let root_both = fs::read(places.root_path()).unwrap();
    assert!(places.tree.finish_root_key_rotation(&SystemRandom::new()).unwrap());
    let (root_after, keys_after) = (fs::read(places.root_path()).unwrap(), fs::read(places.path()).unwrap());
    for (root, keys, unfinished) in [
        (&root_before, &keys_before, false),
        (&root_both, &keys_before, true),
        (&root_both, &keys_after, true),
        (&root_after, &keys_after, false),
    ] {
        for rotate_again in [false, true] {
            fs::write(places.root_path(), root).unwrap();
            fs::write(places.path(), keys).unwrap();
            assert!(open_the_same(&before, &places.tree.unlock().unwrap()));
            if rotate_again {
                places.tree.rotate_root_key(&SystemRandom::new()).unwrap();
            } else {
                assert_eq!(places.tree.finish_root_key_rotation(&SystemRandom::new()).unwrap(), unfinished);
            }
            assert_eq!(places.tree.root_key().unwrap().versions.len(), 1);
            assert!(open_the_same(&before, &places.tree.unlock().unwrap()));
            assert!(!places.tree.finish_root_key_rotation(&SystemRandom::new()).unwrap());
        }
    }
}

// R-H6
#[test]
fn the_newest_root_key_is_not_destroyed() {
    let places = Places::new();
    assert!(matches!(places.root_key().destroy_version(1), Err(HierarchyError::RootKeyInUse(1))));
    places.root_key().destroy_version(7).unwrap();
    assert!(places.tree.unlock().is_ok());
}

/// A custodian that can be told to refuse one kind of call.
struct Refusing {
    inner: DevelopmentRootKey,
    wrap: &'static AtomicBool,
    unwrap: &'static AtomicBool,
    destroy: &'static AtomicBool,
}

impl Refusing {
    fn refuse(switch: &AtomicBool) -> Result<(), HierarchyError> {
        if switch.load(Ordering::Relaxed) { Err(HierarchyError::WrongRootKey) } else { Ok(()) }
    }
}

impl RootKeyCustody for Refusing {
    fn versions(&self) -> Result<Vec<u32>, HierarchyError> {
        self.inner.versions()
    }

    fn wrap(&self, context: &WrapContext<'_>, key: &[u8], random: &dyn Random) -> Result<Vec<u8>, HierarchyError> {
        Self::refuse(self.wrap)?;
        self.inner.wrap(context, key, random)
    }

    fn unwrap(&self, context: &WrapContext<'_>, wrapped: &[u8]) -> Result<SecretBytes, HierarchyError> {
        Self::refuse(self.unwrap)?;
        self.inner.unwrap(context, wrapped)
    }

    fn add_version(&self, random: &dyn Random) -> Result<u32, HierarchyError> {
        self.inner.add_version(random)
    }

    fn destroy_version(&self, version: u32) -> Result<(), HierarchyError> {
        Self::refuse(self.destroy)?;
        self.inner.destroy_version(version)
    }

    fn class(&self) -> CustodyClass {
        self.inner.class()
    }
}

// R-H6
#[test]
fn a_custodian_that_refuses_leaves_everything_openable() {
    static WRAP: AtomicBool = AtomicBool::new(false);
    static UNWRAP: AtomicBool = AtomicBool::new(false);
    static DESTROY: AtomicBool = AtomicBool::new(false);
    let random = SystemRandom::new();
    let places = Places::new();
    let in_use = places.tree.unlock().unwrap();
    let root_key = Refusing { inner: places.root_key(), wrap: &WRAP, unwrap: &UNWRAP, destroy: &DESTROY };
    let tree = KeyTree::new(root_key, SystemKeyFile::at(places.path()));
    let text = places.text();
    for switch in [&WRAP, &UNWRAP] {
        switch.store(true, Ordering::Relaxed);
        assert!(tree.change().add_system_key(&in_use, &random, 0).is_err());
        assert_eq!(places.text(), text, "nothing has changed");
        assert!(tree.rotate_root_key(&random).is_err());
        assert_eq!(places.text(), text);
        switch.store(false, Ordering::Relaxed);
        assert!(open_the_same(&in_use, &tree.unlock().unwrap()));
    }
    DESTROY.store(true, Ordering::Relaxed);
    assert!(tree.rotate_root_key(&random).is_err());
    assert_eq!(tree.root_key().unwrap().versions, [1, 2]);
    assert!(open_the_same(&in_use, &tree.unlock().unwrap()));
    DESTROY.store(false, Ordering::Relaxed);
    assert_eq!(tree.rotate_root_key(&random).unwrap(), 2, "goes on from there");
    assert_eq!(tree.root_key().unwrap().versions, [2]);
    assert!(open_the_same(&in_use, &tree.unlock().unwrap()));
}

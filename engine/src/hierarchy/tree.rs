//! The key tree of one installation above its records: its root key and its system keys, and how both are replaced.

use parking_lot::{Mutex, MutexGuard};

use super::system_key_file::Contents;
use super::{CustodyClass, HierarchyError, RootKeyCustody, SystemKeyFile, SystemKeys};
use crate::crypto::random::Random;

/// The custodian of the root key, and the file of the system keys.
///
/// Whatever is changed is durable before it is used, so that a crash at any moment leaves a tree that opens everything.
pub struct KeyTree {
    root_key: Box<dyn RootKeyCustody>,
    file: SystemKeyFile,
    /// Held by whoever changes either: one at a time.
    hand: Mutex<()>,
}

/// What there is to tell of the root key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootKeyStatus {
    /// Who holds it.
    pub class: CustodyClass,
    /// Its versions, ascending. More than one only while it is being rotated, or after a rotation that was cut short.
    pub versions: Vec<u32>,
}

impl KeyTree {
    /// The tree of the installation that has this root key and this file.
    #[must_use]
    pub fn new(root_key: impl RootKeyCustody + 'static, file: SystemKeyFile) -> Self {
        Self { root_key: Box::new(root_key), file, hand: Mutex::new(()) }
    }

    /// Unwraps all system keys.
    ///
    /// # Errors
    /// As [`SystemKeyFile::unlock`].
    pub fn unlock(&self) -> Result<SystemKeys, HierarchyError> {
        let _hand = self.hand.lock();
        self.file.unlock(&*self.root_key)
    }

    /// Removes what a crash in the middle of writing has left beside the system-key file. Only for whoever has the data folder alone: to another process, which has it, it may be
    /// the file that it is just writing.
    ///
    /// # Errors
    /// [`HierarchyError::File`]: it stays; nothing depends on it.
    pub fn remove_leftover(&self) -> Result<(), HierarchyError> {
        let _hand = self.hand.lock();
        self.file.remove_leftover()
    }

    /// What there is to tell of the root key.
    ///
    /// # Errors
    /// Those of the custodian.
    pub fn root_key(&self) -> Result<RootKeyStatus, HierarchyError> {
        Ok(RootKeyStatus { class: self.root_key.class(), versions: self.root_key.versions()? })
    }

    /// Replaces the root key by a new version: makes it, wraps every system key by it, then destroys the old one. Nothing else is wrapped anew.
    /// A rotation that was cut short is brought to its end, and that is all.
    ///
    /// # Errors
    /// Those of the custodian, and of reading and writing the system-key file. Whatever was done by then, everything still opens; doing it again goes on from there.
    pub fn rotate_root_key(&self, random: &dyn Random) -> Result<u32, HierarchyError> {
        let _hand = self.hand.lock();
        let contents = self.file.read()?;
        // Before there is a new version: what cannot be opened with the old one must not lose it.
        self.file.unlock_contents(&contents, &*self.root_key)?;
        let versions = self.root_key.versions()?;
        let newest = match versions[..] {
            [_] => self.root_key.add_version(random)?,
            [.., newest] => newest,
            [] => return Err(HierarchyError::RootKeyMissing(1)),
        };
        self.wrap_by(newest, contents, random)?;
        Ok(newest)
    }

    /// Brings a rotation of the root key to its end that was cut short. Gives whether there was one.
    ///
    /// # Errors
    /// As [`KeyTree::rotate_root_key`].
    pub fn finish_root_key_rotation(&self, random: &dyn Random) -> Result<bool, HierarchyError> {
        let _hand = self.hand.lock();
        match self.root_key.versions()?[..] {
            [_, .., newest] => self.wrap_by(newest, self.file.read()?, random).map(|()| true),
            _ => Ok(false),
        }
    }

    /// Has every system key wrapped by this version of the root key, then destroys the versions before it.
    fn wrap_by(&self, newest: u32, mut contents: Contents, random: &dyn Random) -> Result<(), HierarchyError> {
        contents.wrap_anew(newest, &*self.root_key, random)?;
        // What is written is opened before, so that nothing is destroyed which is still needed.
        self.file.unlock_contents(&contents, &*self.root_key)?;
        self.file.write(&contents)?;
        for older in self.root_key.versions()?.into_iter().filter(|version| *version < newest) {
            self.root_key.destroy_version(older)?;
        }
        Ok(())
    }

    /// Begins a change of the system keys.
    pub(crate) fn change(&self) -> TreeChange<'_> {
        TreeChange { tree: self, _hand: self.hand.lock() }
    }
}

/// A change of the system keys, while nobody else makes one.
pub(crate) struct TreeChange<'t> {
    tree: &'t KeyTree,
    _hand: MutexGuard<'t, ()>,
}

impl TreeChange<'_> {
    /// Adds a new system key to the file, durable when this returns, and gives all of them. `in_use` are those in use: none of them may be missing from the file.
    ///
    /// # Errors
    /// [`HierarchyError::SystemKeyNotInFile`]; those of the custodian, and of reading and writing the file. Then nothing uses the new key.
    pub(crate) fn add_system_key(
        &self,
        in_use: &SystemKeys,
        random: &dyn Random,
        now_ms: u64,
    ) -> Result<SystemKeys, HierarchyError> {
        let KeyTree { root_key, file, .. } = self.tree;
        let mut contents = self.read(in_use)?;
        contents.add(&**root_key, random, now_ms)?;
        // What is written is opened before: what cannot be unwrapped must not become the key that everything depends on.
        let keys = file.unlock_contents(&contents, &**root_key)?;
        file.write(&contents)?;
        Ok(keys)
    }

    /// Removes a system key from the file for good. One that is not there is no error.
    ///
    /// # Errors
    /// [`HierarchyError::SystemKeyNotInFile`] if another one in use is missing; those of reading and writing the file.
    pub(crate) fn remove_system_key(&self, version: u32, in_use: &SystemKeys) -> Result<(), HierarchyError> {
        let mut contents = self.read(&in_use.without(version))?;
        contents.lines.retain(|line| line.version != version);
        self.tree.file.write(&contents)
    }

    /// What is in the file, if it is that of the keys in use: somebody may have put another in its place since the start.
    fn read(&self, in_use: &SystemKeys) -> Result<Contents, HierarchyError> {
        let contents = self.tree.file.read()?;
        if contents.installation != in_use.installation() {
            return Err(self.tree.file.damaged("it is that of another installation"));
        }
        let is_there = |version| contents.lines.iter().any(|line| line.version == version);
        match in_use.all().find(|key| !is_there(key.version)) {
            Some(missing) => Err(HierarchyError::SystemKeyNotInFile(missing.version)),
            None => Ok(contents),
        }
    }
}

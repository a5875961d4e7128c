//! The root key in a plain file, for development.

use std::collections::BTreeMap;
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::{CustodyClass, HierarchyError, RootKeyCustody, file};
use crate::crypto::random::Random;
use crate::crypto::wrap::{SystemKey, WrapContext, WrappingKey};
use crate::key::material::SecretBytes;
use crate::limits::ROOT_KEY_FILE_SIZE_MAX;

/// The root key in a plain file. UNSAFE: whoever reads the file has the root key. For development and tests only.
///
/// Text: a first line that says so, then one line `key VERSION DIGITS` for each version. The file is read for each wrap and unwrap, and the key is in memory only meanwhile.
pub struct DevelopmentRootKey {
    path: PathBuf,
}

impl DevelopmentRootKey {
    /// The root key in the file at `path`, which is read when the key is used.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes a new root key and writes it to `path`.
    ///
    /// # Errors
    /// [`HierarchyError::Exists`] if the file is there already, [`HierarchyError::File`], [`HierarchyError::Entropy`].
    pub fn create(path: PathBuf, random: &dyn Random) -> Result<Self, HierarchyError> {
        let keys = Keys::from([(FIRST, new_key(random)?)]);
        file::create(&path, &text(&keys))?;
        Ok(Self { path })
    }

    fn read(&self) -> Result<Keys, HierarchyError> {
        let text = file::read(&self.path, ROOT_KEY_FILE_SIZE_MAX)?;
        let lines = text
            .strip_prefix(HEAD)
            .ok_or_else(|| self.damaged("its first line is not that of a development root key"))?;
        let mut keys = Keys::new();
        // An editor may have added blank lines.
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let (version, key) = parse(line).ok_or_else(|| self.damaged("a line is not `key VERSION DIGITS`"))?;
            if keys.last_key_value().is_some_and(|(last, _)| *last >= version) {
                return Err(self.damaged("its versions do not ascend"));
            }
            keys.insert(version, key);
        }
        if keys.is_empty() { Err(self.damaged("it holds no key")) } else { Ok(keys) }
    }

    fn wrapping_key(&self, version: u32) -> Result<WrappingKey, HierarchyError> {
        let keys = self.read()?;
        let key = keys.get(&version).ok_or(HierarchyError::RootKeyMissing(version))?;
        Ok(SystemKey::new(key).wrapping_key())
    }

    fn damaged(&self, what: &'static str) -> HierarchyError {
        HierarchyError::Damaged { path: self.path.clone(), what }
    }
}

impl RootKeyCustody for DevelopmentRootKey {
    fn versions(&self) -> Result<Vec<u32>, HierarchyError> {
        Ok(self.read()?.into_keys().collect())
    }

    fn wrap(
        &self,
        context: &WrapContext<'_>,
        system_key: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, HierarchyError> {
        Ok(self.wrapping_key(context.wrapping_version)?.wrap(context, system_key, random)?)
    }

    fn unwrap(&self, context: &WrapContext<'_>, wrapped: &[u8]) -> Result<SecretBytes, HierarchyError> {
        self.wrapping_key(context.wrapping_version)?.unwrap(context, wrapped).map_err(|_| HierarchyError::WrongRootKey)
    }

    fn add_version(&self, random: &dyn Random) -> Result<u32, HierarchyError> {
        let mut keys = self.read()?;
        let newest = keys.last_key_value().map_or(0, |(version, _)| *version);
        let version = newest.checked_add(1).ok_or_else(|| self.damaged("it has no number left"))?;
        keys.insert(version, new_key(random)?);
        file::replace(&self.path, &text(&keys))?;
        Ok(version)
    }

    fn destroy_version(&self, version: u32) -> Result<(), HierarchyError> {
        let mut keys = self.read()?;
        let is_newest = keys.last_key_value().is_some_and(|(newest, _)| *newest == version);
        if is_newest {
            return Err(HierarchyError::RootKeyInUse(version));
        }
        match keys.remove(&version) {
            Some(_) => file::replace(&self.path, &text(&keys)),
            None => Ok(()),
        }
    }

    fn class(&self) -> CustodyClass {
        CustodyClass::DevelopmentFile
    }
}

type Keys = BTreeMap<u32, Zeroizing<[u8; KEY_SIZE]>>;

fn new_key(random: &dyn Random) -> Result<Zeroizing<[u8; KEY_SIZE]>, HierarchyError> {
    let mut key = Zeroizing::new([0; KEY_SIZE]);
    random.fill(&mut key[..])?;
    Ok(key)
}

fn text(keys: &Keys) -> Zeroizing<String> {
    // Reserved once, so that no copy of a key is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(HEAD.len() + keys.len() * LINE_SIZE_MAX));
    text.push_str(HEAD);
    for (version, key) in keys {
        let digits = Zeroizing::new(HEXLOWER.encode(&key[..]));
        for part in ["key ", &version.to_string(), " ", &digits, "\n"] {
            text.push_str(part);
        }
    }
    text
}

fn parse(line: &str) -> Option<(u32, Zeroizing<[u8; KEY_SIZE]>)> {
    let (version, digits) = line.strip_prefix("key ")?.split_once(' ')?;
    let bytes = Zeroizing::new(HEXLOWER.decode(digits.trim_end().as_bytes()).ok()?);
    let mut key = Zeroizing::new([0; KEY_SIZE]);
    if bytes.len() != KEY_SIZE {
        return None;
    }
    key.copy_from_slice(&bytes);
    Some((super::number(version)?, key))
}

const FIRST: u32 = 1;
const KEY_SIZE: usize = 32;
const HEAD: &str = "claviger development root key, UNSAFE: whoever reads this file has the root key\n";
/// `key`, a number of at most ten digits, 64 digits of the key, two spaces and a line end.
const LINE_SIZE_MAX: usize = 3 + 1 + 10 + 1 + 2 * KEY_SIZE + 1;

//! System keys: versioned, wrapped by the root key, in a file that stands apart from data and root key.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::{HierarchyError, RootKeyCustody, file};
use crate::backup::{Seal, Sealing};
use crate::crypto::random::Random;
use crate::crypto::wrap::{RecordKey, SystemKey, WrapContext, WrappingKey};
use crate::limits::SYSTEM_KEY_FILE_SIZE_MAX;

/// The unwrapped system keys of one installation, as the keys derived from them. A system key is never used raw.
pub struct SystemKeys {
    installation: [u8; 16],
    current: (u32, DerivedKeys),
    older: BTreeMap<u32, DerivedKeys>,
}

/// What one system key is used for.
pub(crate) struct DerivedKeys {
    /// Wraps key material and the important part of authentication data.
    pub(crate) wrapping: WrappingKey,
    /// Authenticates records.
    pub(crate) record: RecordKey,
    /// Seals journal and backups.
    pub(crate) journal: Arc<Seal>,
}

impl DerivedKeys {
    fn of(system_key: &SystemKey) -> Self {
        Self {
            wrapping: system_key.wrapping_key(),
            record: system_key.record_key(),
            journal: Arc::new(Seal::of(system_key)),
        }
    }
}

impl SystemKeys {
    /// The id of the installation, to which every wrap is bound.
    #[must_use]
    pub const fn installation(&self) -> [u8; 16] {
        self.installation
    }

    /// One system key of these bytes.
    #[cfg(test)]
    pub(crate) fn for_tests(key: [u8; KEY_SIZE]) -> Self {
        let system_key = SystemKey::new(&key);
        Self { installation: [9; 16], current: (1, DerivedKeys::of(&system_key)), older: BTreeMap::new() }
    }

    /// The version that wraps new records, and its keys.
    pub(crate) const fn current(&self) -> (u32, &DerivedKeys) {
        (self.current.0, &self.current.1)
    }

    /// What journal and backups are sealed with.
    #[must_use]
    pub fn sealing(&self) -> Sealing {
        let older = self.older.iter().map(|(version, keys)| (*version, Arc::clone(&keys.journal)));
        let current = (self.current.0, Arc::clone(&self.current.1.journal));
        Sealing::new(self.installation, current, older)
    }

    /// The keys of a version.
    pub(crate) fn version(&self, version: u32) -> Option<&DerivedKeys> {
        if version == self.current.0 { Some(&self.current.1) } else { self.older.get(&version) }
    }
}

/// The file of wrapped system keys.
///
/// Text: a first line with the format, the id of the installation, then one line for each version with the wrap in hexadecimal digits.
pub struct SystemKeyFile {
    path: PathBuf,
}

impl SystemKeyFile {
    /// The file at `path`.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes a new installation: a random id and the first system key, wrapped by `root_key`.
    ///
    /// # Errors
    /// [`HierarchyError::Exists`] if the file is there already, [`HierarchyError::File`], [`HierarchyError::Entropy`], or those of the custodian.
    pub fn create(&self, root_key: &dyn RootKeyCustody, random: &dyn Random) -> Result<(), HierarchyError> {
        let mut installation = [0; 16];
        random.fill(&mut installation)?;
        let mut key = Zeroizing::new([0; KEY_SIZE]);
        random.fill(&mut key[..])?;
        let version = 1;
        let wrapped = root_key.wrap(&context(installation, version), &key[..], random)?;
        let text = format!(
            "{HEAD}{FORMAT}\ninstallation {}\nkey {version} {}\n",
            HEXLOWER.encode(&installation),
            HEXLOWER.encode(&wrapped)
        );
        file::create(&self.path, &text)
    }

    /// Unwraps all system keys of the file.
    ///
    /// # Errors
    /// [`HierarchyError::WrongRootKey`] if the root key is that of another installation or the file was altered; [`HierarchyError::NewerFormat`],
    /// [`HierarchyError::Damaged`], [`HierarchyError::Permissions`], [`HierarchyError::File`].
    pub fn unlock(&self, root_key: &dyn RootKeyCustody) -> Result<SystemKeys, HierarchyError> {
        let text = file::read(&self.path, SYSTEM_KEY_FILE_SIZE_MAX)?;
        let mut lines = text.lines();
        let format =
            lines.next().and_then(|line| line.strip_prefix(HEAD)).and_then(|digits| digits.parse::<u32>().ok());
        match format {
            Some(FORMAT) => {}
            Some(newer) if newer > FORMAT => return Err(HierarchyError::NewerFormat(self.path.clone())),
            _ => return Err(self.damaged("its first line is not that of a system-key file")),
        }
        let installation = lines.next().and_then(|line| line.strip_prefix("installation ")).and_then(decode);
        let installation = installation.and_then(|id| id.try_into().ok());
        let installation = installation.ok_or_else(|| self.damaged("the installation id is missing"))?;
        let mut keys = BTreeMap::new();
        for line in lines {
            let (version, wrapped) =
                parse_key(line).ok_or_else(|| self.damaged("a line is not `key VERSION DIGITS`"))?;
            let unwrapped = root_key.unwrap(&context(installation, version), &wrapped)?;
            let key = unwrapped.expose().try_into().map_err(|_| self.damaged("a system key is not 32 bytes long"))?;
            let system_key = SystemKey::new(key);
            keys.insert(version, DerivedKeys::of(&system_key));
        }
        let current = keys.pop_last().ok_or_else(|| self.damaged("it holds no system key"))?;
        Ok(SystemKeys { installation, current, older: keys })
    }

    fn damaged(&self, what: &'static str) -> HierarchyError {
        HierarchyError::Damaged { path: self.path.clone(), what }
    }
}

fn parse_key(line: &str) -> Option<(u32, Vec<u8>)> {
    let (version, digits) = line.strip_prefix("key ")?.split_once(' ')?;
    Some((version.parse().ok()?, decode(digits)?))
}

fn decode(digits: &str) -> Option<Vec<u8>> {
    HEXLOWER.decode(digits.as_bytes()).ok()
}

fn context(installation: [u8; 16], version: u32) -> WrapContext<'static> {
    WrapContext {
        installation,
        record_type: SYSTEM_KEY_RECORD,
        address: SYSTEM_KEY_ADDRESS,
        wrapping_version: version,
        shred_secret: None,
    }
}

const KEY_SIZE: usize = 32;
const HEAD: &str = "claviger system keys, format ";
const FORMAT: u32 = 1;
/// The type number of wrapped system keys: none of the records of storage.
const SYSTEM_KEY_RECORD: u8 = 0x80;
const SYSTEM_KEY_ADDRESS: &[u8] = b"system-key";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::SystemRandom;
    use crate::hierarchy::DevelopmentRootKey;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    struct Places {
        folder: tempfile::TempDir,
        root_key: DevelopmentRootKey,
        file: SystemKeyFile,
    }

    fn places() -> Places {
        let folder = tempfile::tempdir().unwrap();
        let random = SystemRandom::new();
        let root_key = DevelopmentRootKey::create(folder.path().join("root-key"), &random).unwrap();
        let file = SystemKeyFile::at(folder.path().join("system-keys"));
        file.create(&root_key, &random).unwrap();
        Places { folder, root_key, file }
    }

    // R-H1
    #[test]
    fn unlocks_with_the_root_key_that_wrapped_it() {
        let places = places();
        let keys = places.file.unlock(&places.root_key).unwrap();
        assert_eq!(keys.current().0, 1);
        assert!(keys.version(1).is_some());
        assert!(keys.version(2).is_none());
    }

    // R-H1, R-H2
    #[test]
    fn another_root_key_does_not_unlock_it() {
        let (places, others) = (places(), places());
        assert!(matches!(places.file.unlock(&others.root_key), Err(HierarchyError::WrongRootKey)));
    }

    #[test]
    fn altered_files_are_refused() {
        let places = places();
        let path = places.folder.path().join("system-keys");
        let text = fs::read_to_string(&path).unwrap();
        let other_id = text.replacen("installation ", "installation 0", 1).replacen("\nkey", "", 0);
        let mut other_digit = text.clone();
        let last = other_digit.trim_end().len() - 1;
        let digit = if text.as_bytes()[last] == b'0' { "1" } else { "0" };
        other_digit.replace_range(last..=last, digit);
        for (altered, what) in [
            (text.replace("format 1", "format 2"), "newer"),
            (text.replace("claviger", "clavigex"), "head"),
            (other_id, "installation"),
            (text.replace("key 1", "key 2"), "version"),
            (other_digit, "wrap"),
            (text.lines().take(2).map(|line| format!("{line}\n")).collect(), "no key"),
            (String::new(), "empty"),
        ] {
            fs::write(&path, altered).unwrap();
            assert!(places.file.unlock(&places.root_key).is_err(), "{what}");
        }
    }

    #[test]
    fn nothing_is_overwritten_and_open_permissions_are_refused() {
        let places = places();
        let random = SystemRandom::new();
        assert!(matches!(places.file.create(&places.root_key, &random), Err(HierarchyError::Exists(_))));
        let root_path = places.folder.path().join("root-key");
        assert!(matches!(DevelopmentRootKey::create(root_path.clone(), &random), Err(HierarchyError::Exists(_))));
        fs::set_permissions(&root_path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(places.file.unlock(&places.root_key), Err(HierarchyError::Permissions(_))));
    }
}

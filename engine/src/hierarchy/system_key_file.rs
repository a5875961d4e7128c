//! The file of wrapped system keys, which stands apart from data and root key.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::system_keys::{SystemKeys, UnlockedKey};
use super::{HierarchyError, RootKeyCustody, file};
use crate::crypto::random::Random;
use crate::crypto::wrap::WrapContext;
use crate::key::material::SecretBytes;
use crate::limits::{SYSTEM_KEY_FILE_SIZE_MAX, SYSTEM_KEY_SIZE};

/// The file of wrapped system keys.
///
/// Text: a first line with the format, the id of the installation, then one line for each version, ascending:
/// `key VERSION root ROOT-KEY-VERSION created MILLISECONDS-SINCE-1970 WRAP`, the wrap in hexadecimal digits. The last version is the current one.
/// The wrap is bound to everything in its line, and to the installation.
pub struct SystemKeyFile {
    path: PathBuf,
}

/// What is in the file.
pub(super) struct Contents {
    pub(super) installation: [u8; 16],
    /// At least one, ascending.
    pub(super) lines: Vec<Line>,
}

/// One version of the system key, wrapped.
pub(super) struct Line {
    pub(super) version: u32,
    /// The version of the root key that wraps it.
    pub(super) root_version: u32,
    created_ms: u64,
    wrapped: Vec<u8>,
}

impl SystemKeyFile {
    /// The file at `path`.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes a new installation: a random id and the first system key, wrapped by the newest version of `root_key`. `now_ms` is now, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`HierarchyError::Exists`] if the file is there already, [`HierarchyError::File`], [`HierarchyError::Entropy`], or those of the custodian.
    pub fn create(
        &self,
        root_key: &dyn RootKeyCustody,
        random: &dyn Random,
        now_ms: u64,
    ) -> Result<(), HierarchyError> {
        let mut installation = [0; 16];
        random.fill(&mut installation)?;
        let first = Line::new(installation, FIRST, now_ms, newest(root_key)?, root_key, random)?;
        file::create(&self.path, &Contents { installation, lines: vec![first] }.text())
    }

    /// Unwraps all system keys of the file.
    ///
    /// # Errors
    /// [`HierarchyError::WrongRootKey`] if the root key is that of another installation or the file was altered; [`HierarchyError::RootKeyMissing`],
    /// [`HierarchyError::NewerFormat`], [`HierarchyError::Damaged`], [`HierarchyError::Permissions`], [`HierarchyError::File`].
    pub fn unlock(&self, root_key: &dyn RootKeyCustody) -> Result<SystemKeys, HierarchyError> {
        self.unlock_contents(&self.read()?, root_key)
    }

    /// As [`SystemKeyFile::unlock`], of what is in the file or will be.
    pub(super) fn unlock_contents(
        &self,
        contents: &Contents,
        root_key: &dyn RootKeyCustody,
    ) -> Result<SystemKeys, HierarchyError> {
        let unlock = |line: &Line| {
            let key = line.unwrap(contents.installation, root_key)?;
            UnlockedKey::new(line.version, line.created_ms, key.expose())
                .map_err(|_| self.damaged("a system key is not 32 bytes long"))
        };
        let keys = contents.lines.iter().map(unlock).collect::<Result<Vec<_>, _>>()?;
        SystemKeys::new(contents.installation, keys).ok_or_else(|| self.damaged(NO_KEY))
    }

    /// What is in the file.
    pub(super) fn read(&self) -> Result<Contents, HierarchyError> {
        let text = file::read(&self.path, SYSTEM_KEY_FILE_SIZE_MAX)?;
        let mut lines = text.lines();
        let format = lines.next().and_then(|line| line.strip_prefix(HEAD)).and_then(super::number);
        match format {
            Some(FORMAT) => {}
            Some(newer) if newer > FORMAT => return Err(HierarchyError::NewerFormat(self.path.clone())),
            _ => return Err(self.damaged("its first line is not that of a system-key file")),
        }
        let installation = lines.next().and_then(|line| line.strip_prefix("installation ")).and_then(decode);
        let installation = installation.and_then(|id| id.try_into().ok());
        let installation = installation.ok_or_else(|| self.damaged("the installation id is missing"))?;
        let lines: Option<Vec<_>> = lines.map(Line::parse).collect();
        let lines =
            lines.ok_or_else(|| self.damaged("a line is not `key VERSION root VERSION created TIME DIGITS`"))?;
        if lines.is_empty() {
            return Err(self.damaged(NO_KEY));
        }
        if !lines.is_sorted_by(|one, next| one.version < next.version) {
            return Err(self.damaged("its versions do not ascend"));
        }
        Ok(Contents { installation, lines })
    }

    /// Replaces what is in the file, as one step, durable when it returns.
    pub(super) fn write(&self, contents: &Contents) -> Result<(), HierarchyError> {
        let text = contents.text();
        if text.len() > SYSTEM_KEY_FILE_SIZE_MAX {
            return Err(HierarchyError::TooManySystemKeys);
        }
        file::replace(&self.path, &text)
    }

    /// Removes what a crash in the middle of writing has left beside the file.
    pub(super) fn remove_leftover(&self) -> Result<(), HierarchyError> {
        file::remove_leftover(&self.path)
    }

    pub(super) fn damaged(&self, what: &'static str) -> HierarchyError {
        HierarchyError::Damaged { path: self.path.clone(), what }
    }
}

impl Contents {
    /// Appends a new random key, wrapped by the newest version of the root key, and gives its version.
    pub(super) fn add(
        &mut self,
        root_key: &dyn RootKeyCustody,
        random: &dyn Random,
        now_ms: u64,
    ) -> Result<u32, HierarchyError> {
        let newest_key = self.lines.last().map_or(0, |line| line.version);
        let version = newest_key.checked_add(1).ok_or(HierarchyError::TooManySystemKeys)?;
        self.lines.push(Line::new(self.installation, version, now_ms, newest(root_key)?, root_key, random)?);
        Ok(version)
    }

    /// Wraps every key anew, under this version of the root key.
    pub(super) fn wrap_anew(
        &mut self,
        root_version: u32,
        root_key: &dyn RootKeyCustody,
        random: &dyn Random,
    ) -> Result<(), HierarchyError> {
        for line in self.lines.iter_mut().filter(|line| line.root_version != root_version) {
            let key = line.unwrap(self.installation, root_key)?;
            line.root_version = root_version;
            line.wrapped = line.wrap(self.installation, key.expose(), root_key, random)?;
        }
        Ok(())
    }

    fn text(&self) -> String {
        let head = format!("{HEAD}{FORMAT}\ninstallation {}\n", HEXLOWER.encode(&self.installation));
        let lines = self.lines.iter().map(|line| {
            let Line { version, root_version, created_ms, wrapped } = line;
            format!("key {version} root {root_version} created {created_ms} {}\n", HEXLOWER.encode(wrapped))
        });
        std::iter::once(head).chain(lines).collect()
    }
}

impl Line {
    /// A new random key.
    fn new(
        installation: [u8; 16],
        version: u32,
        created_ms: u64,
        root_version: u32,
        root_key: &dyn RootKeyCustody,
        random: &dyn Random,
    ) -> Result<Self, HierarchyError> {
        let mut key = Zeroizing::new([0; SYSTEM_KEY_SIZE]);
        random.fill(&mut key[..])?;
        let mut line = Self { version, root_version, created_ms, wrapped: Vec::new() };
        line.wrapped = line.wrap(installation, &key[..], root_key, random)?;
        Ok(line)
    }

    fn wrap(
        &self,
        installation: [u8; 16],
        key: &[u8],
        root_key: &dyn RootKeyCustody,
        random: &dyn Random,
    ) -> Result<Vec<u8>, HierarchyError> {
        root_key.wrap(&self.context(installation, &self.place()), key, random)
    }

    fn unwrap(&self, installation: [u8; 16], root_key: &dyn RootKeyCustody) -> Result<SecretBytes, HierarchyError> {
        root_key.unwrap(&self.context(installation, &self.place()), &self.wrapped)
    }

    /// What the line says beside its wrap, and the wrap is bound to.
    fn place(&self) -> Vec<u8> {
        [b"system-key", &self.version.to_be_bytes()[..], &self.created_ms.to_be_bytes()].concat()
    }

    fn context<'a>(&self, installation: [u8; 16], place: &'a [u8]) -> WrapContext<'a> {
        WrapContext {
            installation,
            record_type: SYSTEM_KEY_RECORD,
            address: place,
            wrapping_version: self.root_version,
            shred_secret: None,
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split(' ').collect();
        let ["key", version, "root", root_version, "created", created, digits] = words[..] else { return None };
        let created_ms = created.parse::<u64>().ok().filter(|value| value.to_string() == created)?;
        Some(Self {
            version: super::number(version)?,
            root_version: super::number(root_version)?,
            created_ms,
            wrapped: decode(digits)?,
        })
    }
}

/// The newest version of the root key, which wraps.
fn newest(root_key: &dyn RootKeyCustody) -> Result<u32, HierarchyError> {
    root_key.versions()?.last().copied().ok_or(HierarchyError::RootKeyMissing(FIRST))
}

fn decode(digits: &str) -> Option<Vec<u8>> {
    HEXLOWER.decode(digits.as_bytes()).ok()
}

const HEAD: &str = "claviger system keys, format ";
// 1 had lines without version of the root key and time, never released.
const FORMAT: u32 = 2;
const FIRST: u32 = 1;
const NO_KEY: &str = "it holds no system key";
/// The type number of wrapped system keys: none of the records of storage.
const SYSTEM_KEY_RECORD: u8 = 0x80;

//! Custody of the root key, which wraps system keys and nothing else.

use std::fmt;
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::{HierarchyError, file};
use crate::crypto::random::Random;
use crate::crypto::wrap::{SystemKey, WrapContext, WrappingKey};
use crate::key::material::SecretBytes;

/// Whoever holds the root key: a file for development; in other deployments shares or a hardware module.
pub trait RootKeyCustody: Send + Sync {
    /// Wraps a system key for the place in `context`.
    ///
    /// # Errors
    /// If the custodian cannot be reached or there are no random bytes.
    fn wrap(
        &self,
        context: &WrapContext<'_>,
        system_key: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, HierarchyError>;

    /// Unwraps what [`RootKeyCustody::wrap`] made for the same place.
    ///
    /// # Errors
    /// [`HierarchyError::WrongRootKey`] if another root key made it, or this one for another place.
    fn unwrap(&self, context: &WrapContext<'_>, wrapped: &[u8]) -> Result<SecretBytes, HierarchyError>;

    /// What health says of this custody.
    fn class(&self) -> CustodyClass;
}

/// What kind of custodian holds a root key. Its text is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustodyClass {
    /// A plain file, as [`DevelopmentRootKey`]. UNSAFE: whoever reads the file has the root key.
    DevelopmentFile,
}

impl fmt::Display for CustodyClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DevelopmentFile => "development file (UNSAFE)",
        })
    }
}

/// The root key in a plain file. UNSAFE: whoever reads the file has the root key. For development and tests only.
///
/// The file is read for each wrap and unwrap, and the key is in memory only meanwhile.
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
        let mut key = Zeroizing::new([0; KEY_SIZE]);
        random.fill(&mut key[..])?;
        let digits = Zeroizing::new(HEXLOWER.encode(&key[..]));
        let text = Zeroizing::new([HEAD, digits.as_str(), "\n"].concat());
        file::create(&path, &text)?;
        Ok(Self { path })
    }

    fn wrapping_key(&self) -> Result<WrappingKey, HierarchyError> {
        let damaged = |what| HierarchyError::Damaged { path: self.path.clone(), what };
        let text = file::read(&self.path, FILE_SIZE_MAX)?;
        let digits =
            text.strip_prefix(HEAD).ok_or_else(|| damaged("its first line is not that of a development root key"))?;
        let bytes = HEXLOWER
            .decode(digits.trim_end().as_bytes())
            .map_err(|_| damaged("the key is not written in hexadecimal digits"))?;
        let bytes = Zeroizing::new(bytes);
        let key: &[u8; KEY_SIZE] = bytes.as_slice().try_into().map_err(|_| damaged("the key is not 32 bytes long"))?;
        Ok(SystemKey::new(key).wrapping_key())
    }
}

impl RootKeyCustody for DevelopmentRootKey {
    fn wrap(
        &self,
        context: &WrapContext<'_>,
        system_key: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, HierarchyError> {
        Ok(self.wrapping_key()?.wrap(context, system_key, random)?)
    }

    fn unwrap(&self, context: &WrapContext<'_>, wrapped: &[u8]) -> Result<SecretBytes, HierarchyError> {
        self.wrapping_key()?.unwrap(context, wrapped).map_err(|_| HierarchyError::WrongRootKey)
    }

    fn class(&self) -> CustodyClass {
        CustodyClass::DevelopmentFile
    }
}

const KEY_SIZE: usize = 32;
const HEAD: &str = "claviger development root key, UNSAFE: whoever reads this file has the root key\n";
/// The first line, 64 digits and a line end, with room for an editor's blank lines.
const FILE_SIZE_MAX: usize = 256;

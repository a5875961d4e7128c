//! Custody of the root key, which wraps system keys and nothing else.

use std::fmt;

use super::HierarchyError;
use crate::crypto::random::Random;
use crate::crypto::wrap::WrapContext;
use crate::key::material::SecretBytes;

/// Whoever holds the root key: a file for development; in other deployments shares or a hardware module.
///
/// A root key has versions, numbered from 1 up. Two of them at once are there only while it is being rotated, or after a rotation that was cut short.
pub trait RootKeyCustody: Send + Sync {
    /// The versions that are there, ascending: 1 at least.
    ///
    /// # Errors
    /// If the custodian cannot be reached.
    fn versions(&self) -> Result<Vec<u32>, HierarchyError>;

    /// Wraps a system key for the place in `context`, under the version that `context` names as the wrapping one.
    ///
    /// # Errors
    /// [`HierarchyError::RootKeyMissing`] if there is no such version; if the custodian cannot be reached or there are no random bytes.
    fn wrap(
        &self,
        context: &WrapContext<'_>,
        system_key: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, HierarchyError>;

    /// Unwraps what [`RootKeyCustody::wrap`] made for the same place and version.
    ///
    /// # Errors
    /// [`HierarchyError::WrongRootKey`] if another root key made it, or this one for another place; [`HierarchyError::RootKeyMissing`].
    fn unwrap(&self, context: &WrapContext<'_>, wrapped: &[u8]) -> Result<SecretBytes, HierarchyError>;

    /// Makes a new version beside those that are there, and gives its number, which is above theirs. It is durable when this returns: what it wraps is not lost.
    ///
    /// # Errors
    /// If the custodian cannot be reached or there are no random bytes.
    fn add_version(&self, random: &dyn Random) -> Result<u32, HierarchyError>;

    /// Destroys a version that is not the newest. One that is not there is no error.
    ///
    /// # Errors
    /// If the custodian cannot be reached.
    fn destroy_version(&self, version: u32) -> Result<(), HierarchyError>;

    /// What health says of this custody.
    fn class(&self) -> CustodyClass;
}

/// What kind of custodian holds a root key. Its text is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustodyClass {
    /// A plain file, as [`DevelopmentRootKey`](super::DevelopmentRootKey). UNSAFE: whoever reads the file has the root key.
    DevelopmentFile,
}

impl fmt::Display for CustodyClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DevelopmentFile => "development file (UNSAFE)",
        })
    }
}

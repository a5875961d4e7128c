//! The record of a key: what it is, its state, its versions. Its material stands in one record for each version.

use std::collections::BTreeSet;
use std::fmt;

use claviger_algorithm::{Algorithm, KeyKind};

mod about;
mod life;
#[cfg(test)]
pub(crate) mod tests;

pub use about::{About, InvalidAbout};
pub(crate) use life::milliseconds;
pub use life::{Deleted, Deletion, Destroyed, Rotation, RotationByUse};

use super::codec::{Reader, Writer};
use super::usage::KeyUsage;
use super::{Record, WrapField};
use crate::key::id::{KeyId, StoreId};
use crate::key::name::Name;
use crate::key::state::{KeyState, VersionState};
use crate::key::version::KeyVersion;
use crate::limits::{ALIASES_MAX, SECRET_VERSIONS_MAX, VERSIONS_MAX, VERSIONS_WARNING};

/// What is stored of a key beside its material. All of it may be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id, which never changes.
    pub id: KeyId,
    /// The key store that holds it.
    pub store: StoreId,
    /// Its name, unique in the store. That of a deleted key may be another key's by now.
    pub name: Name,
    /// Algorithm; kind, purpose and padding follow from it. Fixed at creation.
    pub algorithm: Algorithm,
    /// State of the key, covering all versions.
    pub state: KeyState,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it was last changed, in milliseconds since 1970.
    pub changed_ms: u64,
    /// Whether its material may leave, wrapped to a public key. Fixed at creation.
    pub exportable: bool,
    /// What people say of it.
    pub about: About,
    /// 0..=32 other names of it in its store; a deleted key has none.
    pub aliases: BTreeSet<Name>,
    /// Slot of its shred secret, from 1; 0 if it is deleted.
    pub shred_slot: u32,
    /// The lowest version that decrypts: what older ones have encrypted is refused.
    pub lowest_version: KeyVersion,
    /// The request of its deletion, while that is its state.
    pub deletion: Option<Deletion>,
    /// When it was deleted, if it was.
    pub deleted: Option<Deleted>,
    /// When it is rotated by the clock, if it is.
    pub rotation: Option<Rotation>,
    /// After how much use it is rotated, if it is.
    pub rotation_by_use: Option<RotationByUse>,
    /// 1..=100 versions, ascending; exactly one of them current, or all destroyed if the key is deleted. Of a secret, the newest 10.
    pub versions: Vec<VersionSummary>,
}

/// What is stored of a version beside its material.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionSummary {
    /// Its number.
    pub version: KeyVersion,
    /// Its own state.
    pub state: VersionState,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// Where its material came from.
    pub origin: Origin,
}

/// Where key material came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Origin {
    /// Made here, by the generator of the crypto library.
    Generated = 1,
    /// Given by the requester on the control port: the value of a secret.
    Registered = 2,
    /// Made elsewhere, and given wrapped to a transport key.
    Imported = 3,
}

impl KeyRecord {
    /// The version that encrypts and signs; none if the key is deleted.
    #[must_use]
    pub fn current(&self) -> Option<KeyVersion> {
        self.versions.iter().find(|summary| summary.state == VersionState::Current).map(|summary| summary.version)
    }

    /// Whether the key has 90 versions or more, destroyed ones counted: time to make another key.
    #[must_use]
    pub fn is_near_version_limit(&self) -> bool {
        self.state != KeyState::Deleted && self.versions.len() >= VERSIONS_WARNING
    }

    /// Whether its current version was used so much that it is to be rotated.
    pub(crate) fn is_due_by(&self, usage: &KeyUsage) -> bool {
        let current = self.current().and_then(|version| usage.version(version));
        self.rotation_by_use.zip(current).is_some_and(|(rotation, used)| rotation.is_due(used.items, used.bytes))
    }

    /// When the clock has to look at the key next: for its rotation, its deletion, or the end of what is kept of it.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let rotation = self.rotation.map(|rotation| rotation.next_ms);
        let deletion = self.deletion.map(|deletion| deletion.deadline_ms);
        let purge = self.deleted.map(|deleted| deleted.kept_until_ms());
        [rotation, deletion, purge].into_iter().flatten().min()
    }

    fn is_consistent(&self) -> bool {
        let in_state = |state| self.versions.iter().filter(|summary| summary.state == state).count();
        let is_deleted = self.state == KeyState::Deleted;
        let (current, destroyed) = if is_deleted { (0, self.versions.len()) } else { (1, 0) };
        let versions_max = versions_max(self.algorithm);
        (1..=versions_max).contains(&self.versions.len())
            && self.versions.is_sorted_by(|a, b| a.version < b.version)
            && in_state(VersionState::Current) == current
            && in_state(VersionState::Destroyed) >= destroyed
            && self.versions.last().is_some_and(|newest| self.lowest_version <= newest.version)
            && self.deletion.is_some() == (self.state == KeyState::DeletionRequested)
            && self.deletion.is_none_or(|deletion| deletion.is_consistent())
            && self.deleted.is_some() == is_deleted
            && self.aliases.len() <= if is_deleted { 0 } else { ALIASES_MAX }
            && !self.aliases.contains(&self.name)
            && (self.shred_slot == 0) == is_deleted
            && self.rotation.is_none_or(|rotation| rotation.is_consistent() && !is_deleted)
            && self.rotation_by_use.is_none_or(|rotation| rotation.is_consistent() && !is_deleted)
    }
}

impl Record for KeyRecord {
    // 2, 8, 9 and 27 were keys with less, never released.
    const RECORD_TYPE: u8 = 12;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.id.0).bytes(&self.store.0).sized(self.name.as_str().as_bytes());
        out.u8(self.algorithm.id()).u8(self.state.id()).u64(self.created_ms).u64(self.changed_ms);
        out.u8(u8::from(self.exportable));
        self.about.encode(out);
        out.count(self.aliases.len());
        for alias in &self.aliases {
            out.sized(alias.as_str().as_bytes());
        }
        out.u32(self.shred_slot).u32(self.lowest_version.get());
        out.optional(self.deletion.as_ref(), |out, deletion| deletion.encode(out));
        out.optional(self.deleted.as_ref(), |out, deleted| deleted.encode(out));
        out.optional(self.rotation.as_ref(), |out, rotation| rotation.encode(out));
        out.optional(self.rotation_by_use.as_ref(), |out, rotation| rotation.encode(out));
        out.count(self.versions.len());
        for summary in &self.versions {
            out.u32(summary.version.get()).u8(summary.state.id()).u64(summary.created_ms).u8(summary.origin as u8);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let record = Self {
            id: KeyId(reader.array()?),
            store: StoreId(reader.array()?),
            name: Name::from_bytes(reader.sized()?).ok()?,
            algorithm: Algorithm::from_id(reader.u8()?)?,
            state: KeyState::from_id(reader.u8()?)?,
            created_ms: reader.u64()?,
            changed_ms: reader.u64()?,
            exportable: reader.flag()?,
            about: About::decode(reader)?,
            aliases: aliases(reader)?,
            shred_slot: reader.u32()?,
            lowest_version: KeyVersion::new(reader.u32()?)?,
            deletion: reader.optional(Deletion::decode)?,
            deleted: reader.optional(Deleted::decode)?,
            rotation: reader.optional(Rotation::decode)?,
            rotation_by_use: reader.optional(RotationByUse::decode)?,
            versions: reader.list(VERSIONS_MAX, VersionSummary::decode)?,
        };
        record.is_consistent().then_some(record)
    }
}

/// Most versions of a key that are kept: of a secret the newest, of every other key all.
pub(crate) const fn versions_max(algorithm: Algorithm) -> usize {
    match algorithm.row().kind {
        KeyKind::Secret => SECRET_VERSIONS_MAX,
        KeyKind::Symmetric | KeyKind::Mac | KeyKind::Asymmetric => VERSIONS_MAX,
    }
}

fn aliases(reader: &mut Reader<'_>) -> Option<BTreeSet<Name>> {
    reader.set(ALIASES_MAX, |reader| Name::from_bytes(reader.sized()?).ok())
}

impl VersionSummary {
    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let version = KeyVersion::new(reader.u32()?)?;
        let state = VersionState::from_id(reader.u8()?)?;
        Some(Self { version, state, created_ms: reader.u64()?, origin: Origin::from_id(reader.u8()?)? })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Generated => "generated",
            Self::Registered => "registered",
            Self::Imported => "imported",
        })
    }
}

impl Origin {
    /// The origin of this number, if there is one.
    fn from_id(id: u8) -> Option<Self> {
        [Self::Generated, Self::Registered, Self::Imported].into_iter().find(|origin| *origin as u8 == id)
    }
}

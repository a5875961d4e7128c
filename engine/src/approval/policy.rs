//! Which changes need an approval, by key store and for the installation.

use std::fmt;
use std::num::NonZeroU8;

use crate::approval::ApprovalError;
use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::StoreId;
use crate::limits::APPROVAL_QUORUM_MAX;
use crate::record::address;
use crate::record::vault::Vault;
use crate::storage::{Compare, Revision};

/// What kind of change something is, as approval knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ChangeClass {
    /// Something comes to be: keys, imports, aliases.
    Create = 1,
    /// Something is altered: rotated, disabled, described, set.
    Modify = 2,
    /// Something is deleted or destroyed, or a deletion is cancelled.
    Delete = 4,
    /// Who may come in, and what needs an approval.
    AccessControl = 8,
    /// Key material leaves, and what all keys rest on: export, system keys, root key, restores.
    Custody = 16,
    /// Persons, roles, settings, backups, and key stores as a whole.
    Installation = 32,
}

/// A set of kinds of changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeClasses(u8);

/// What needs an approval at one place, and by how many. The place is a key store, or the installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApprovalPolicy {
    /// The changes that need one; none by default.
    pub classes: ChangeClasses,
    /// By how many persons, beside the one who asks: 1..=[`APPROVAL_QUORUM_MAX`].
    pub quorum: NonZeroU8,
}

impl ChangeClass {
    /// Every class.
    pub const ALL: [Self; 6] =
        [Self::Create, Self::Modify, Self::Delete, Self::AccessControl, Self::Custody, Self::Installation];

    /// Its name, for programs and people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Modify => "modify",
            Self::Delete => "delete",
            Self::AccessControl => "access-control",
            Self::Custody => "custody",
            Self::Installation => "installation",
        }
    }

    /// The class of this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Whether there are such changes at a place: in a key store, or in the installation.
    #[must_use]
    pub const fn is_of(self, store: Option<StoreId>) -> bool {
        match self {
            Self::Create | Self::Modify | Self::Delete | Self::AccessControl => store.is_some(),
            Self::Custody => true,
            Self::Installation => store.is_none(),
        }
    }
}

impl ChangeClasses {
    /// None.
    pub const NONE: Self = Self(0);

    /// The set of these bits, if all are known.
    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
        let known = ChangeClass::ALL.into_iter().fold(0, |bits, class| bits | class as u8);
        (bits & !known == 0).then_some(Self(bits))
    }

    /// As bits, for records.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// Whether `class` is in it.
    #[must_use]
    pub const fn contains(self, class: ChangeClass) -> bool {
        self.0 & class as u8 != 0
    }

    /// The classes in it, in the order of [`ChangeClass::ALL`].
    pub fn iter(self) -> impl Iterator<Item = ChangeClass> {
        ChangeClass::ALL.into_iter().filter(move |class| self.contains(*class))
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<ChangeClass> for ChangeClasses {
    fn from_iter<I: IntoIterator<Item = ChangeClass>>(classes: I) -> Self {
        Self(classes.into_iter().fold(0, |bits, class| bits | class as u8))
    }
}

impl ApprovalPolicy {
    /// Nothing needs an approval.
    pub const OFF: Self = Self { classes: ChangeClasses::NONE, quorum: NonZeroU8::MIN };

    /// Whether a change of this class needs an approval.
    #[must_use]
    pub const fn needs(&self, class: ChangeClass) -> bool {
        self.classes.contains(class)
    }

    /// Whether anything needs an approval: then a change of the policy does, too.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.classes.is_empty()
    }

    /// Whether it may stand at a place.
    ///
    /// # Errors
    /// [`ApprovalError::NoSuchClass`], [`ApprovalError::Quorum`].
    pub(crate) fn check(&self, store: Option<StoreId>) -> Result<(), ApprovalError> {
        if let Some(class) = self.classes.iter().find(|class| !class.is_of(store)) {
            return Err(ApprovalError::NoSuchClass(class));
        }
        if self.quorum.get() > APPROVAL_QUORUM_MAX { Err(ApprovalError::Quorum) } else { Ok(()) }
    }
}

/// Writes into a new installation, of which no process has ever been at work, that nothing needs an approval. After that it is never missing: where it cannot be read, nothing is changed.
///
/// # Errors
/// [`Error::Damaged`], [`Error::Storage`].
pub(crate) fn begin(vault: &Vault) -> Result<(), Error> {
    let (place, run) = (address::approval_policy(None), address::run());
    if vault.storage().get(&run)?.is_none() && vault.storage().get(&place)?.is_none() {
        let write = vault.put(place.clone(), &ApprovalPolicy::OFF);
        vault.transact(&[Compare::absent(place), Compare::absent(run)], &[write])?;
    }
    Ok(())
}

impl Engine {
    /// What needs an approval in a key store, or in the installation. A place of which it is not known is an error, never one where nothing needs any.
    ///
    /// # Errors
    /// [`Error::KeyStoreNotFound`], [`Error::Damaged`], [`Error::Storage`].
    pub fn approval_policy(&self, store: Option<StoreId>) -> Result<ApprovalPolicy, Error> {
        self.read_approval_policy(store).map(|(policy, _)| policy)
    }

    /// As [`Engine::approval_policy`], with the condition that it is still so: for a change that needs no approval.
    ///
    /// # Errors
    /// As [`Engine::approval_policy`].
    pub fn approval_policy_in_force(&self, store: Option<StoreId>) -> Result<(ApprovalPolicy, Compare), Error> {
        let (policy, revision) = self.read_approval_policy(store)?;
        Ok((policy, Compare::unchanged(address::approval_policy(store), revision)))
    }

    /// Sets what needs an approval at a place. Whether that needs an approval itself, [`ApprovalPolicy::is_on`] says of the one before.
    ///
    /// # Errors
    /// [`Error::KeyStoreNotFound`], [`Error::Approval`] if it cannot stand there, [`Error::NotAsExpected`], [`Error::Conflict`], [`Error::Damaged`], [`Error::Storage`]: nothing was set.
    pub fn set_approval_policy(&self, store: Option<StoreId>, policy: ApprovalPolicy) -> Result<ApprovalPolicy, Error> {
        policy.check(store)?;
        let (before, revision) = self.read_approval_policy(store)?;
        self.ledger.check_expected(&before)?;
        let place = address::approval_policy(store);
        let write = self.vault().put(place.clone(), &policy);
        self.ledger.commit(&[Compare::unchanged(place, revision)], &[write])?;
        Ok(policy)
    }

    fn read_approval_policy(&self, store: Option<StoreId>) -> Result<(ApprovalPolicy, Revision), Error> {
        if let Some(store) = store {
            self.describe_store(store)?;
        }
        let place = address::approval_policy(store);
        self.vault().read(&place)?.ok_or_else(|| Error::Damaged(place.to_string()))
    }
}

impl fmt::Display for ChangeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for ApprovalPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.classes.is_empty() {
            return f.write_str("nothing needs an approval");
        }
        let classes: Vec<_> = self.classes.iter().map(ChangeClass::name).collect();
        write!(f, "{} need the approval of {}", classes.join(", "), self.quorum)
    }
}

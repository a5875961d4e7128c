//! What a person is let do: roles, and where.

use std::fmt;

use super::PersonError;
use crate::key::id::StoreId;

/// What somebody is. What it may do, each request of the control port says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Administers the installation and everything in it.
    SystemAdministrator = 1,
    /// Administers all keys of a key store, and who may come in.
    StoreAdministrator = 2,
    /// Manages the keys of a key store that are assigned to him.
    KeyManager = 3,
    /// Reads a key store and asks for changes, which others approve.
    Requester = 4,
    /// Reads a key store, or the installation, and approves changes of it that others ask for.
    Approver = 5,
    /// Reads everything of a key store or of the installation, and changes nothing.
    Auditor = 6,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] = [
        Self::SystemAdministrator,
        Self::StoreAdministrator,
        Self::KeyManager,
        Self::Requester,
        Self::Approver,
        Self::Auditor,
    ];

    /// Its name, for programs and people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SystemAdministrator => "system-administrator",
            Self::StoreAdministrator => "store-administrator",
            Self::KeyManager => "key-manager",
            Self::Requester => "requester",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
        }
    }

    /// The role of this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// The role of this number in records, if there is one.
    pub(crate) fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|role| *role as u8 == id)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A role, where it is had, and what is granted beside it. Ordered by role and place, of which a person has each once at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// The key store in which it is had; without one, the installation.
    pub store: Option<StoreId>,
    /// A key manager may create keys, which are then assigned to him.
    pub may_create: bool,
    /// A store administrator or key manager may export the material of keys that were created for that.
    pub may_export: bool,
}

impl Grant {
    /// A role in a key store, or in the installation, and nothing beside it.
    #[must_use]
    pub const fn new(role: Role, store: Option<StoreId>) -> Self {
        Self { role, store, may_create: false, may_export: false }
    }

    /// Refuses what makes no sense: a role at a place where there is none such, a right that does not go with it.
    ///
    /// # Errors
    /// [`PersonError::Grant`], which says what would.
    pub(crate) fn check(&self) -> Result<(), PersonError> {
        let in_store = self.store.is_some();
        let wrong = match self.role {
            Role::SystemAdministrator if in_store => {
                "a system administrator administers the installation: name no key store, or grant store-administrator"
            }
            Role::StoreAdministrator | Role::KeyManager | Role::Requester if !in_store => {
                "this role is had in a key store: name one"
            }
            role if self.may_create && role != Role::KeyManager => {
                "the right to create keys is granted to key managers; administrators have it"
            }
            role if self.may_export && !matches!(role, Role::KeyManager | Role::StoreAdministrator) => {
                "the right to export keys is granted to store administrators and key managers"
            }
            _ => return Ok(()),
        };
        Err(PersonError::Grant(wrong))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-A8
    #[test]
    fn grants_that_make_no_sense_are_refused() {
        let store = Some(StoreId([1; 16]));
        let is_refused = |grant: Grant| grant.check().is_err();
        for role in Role::ALL {
            let installation_only = role == Role::SystemAdministrator;
            let either = matches!(role, Role::Auditor | Role::Approver);
            assert_eq!(is_refused(Grant::new(role, store)), installation_only, "{role}");
            assert_eq!(is_refused(Grant::new(role, None)), !installation_only && !either, "{role}");
            let place = if installation_only { None } else { store };
            let creating = Grant { may_create: true, ..Grant::new(role, place) };
            assert_eq!(is_refused(creating), role != Role::KeyManager, "{role}");
            let exporting = Grant { may_export: true, ..Grant::new(role, place) };
            assert_eq!(is_refused(exporting), !matches!(role, Role::KeyManager | Role::StoreAdministrator), "{role}");
        }
    }

    #[test]
    fn names_and_numbers_lead_back_to_their_roles() {
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.name()), Some(role));
            assert_eq!(Role::from_id(role as u8), Some(role));
        }
        assert_eq!((Role::from_name("root"), Role::from_id(0), Role::from_id(7)), (None, None, None));
    }
}

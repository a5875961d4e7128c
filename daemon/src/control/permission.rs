//! Who may do what: the one place that decides it, for every route, before its handler is run.
//!
//! Each route names a [`Permission`]: where it acts, and the roles that may do so there. A system administrator may do everything. Whoever may not even see a
//! key store or a key is answered as if there were none.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use claviger_engine::Engine;
use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::person::{Grant, Person, PersonId, Role};
use claviger_engine::storage::Compare;

use super::call::{Parameters, find_store, no_store};
use super::caller::Caller;
use super::problem::{Kind, Problem};
use super::route::Route;

/// Who may use a route, beside system administrators.
#[derive(Debug)]
pub struct Permission {
    /// Where it acts.
    pub scope: Scope,
    /// Who may.
    pub roles: &'static [Allowed],
}

/// Where a route acts, and so where a role must be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On nothing but what everybody who is known may see.
    Everybody,
    /// On the installation.
    Installation,
    /// On the key store that the path names.
    Store,
    /// On the key that the path names, in its key store.
    Key,
}

/// A role that may use a route, if what goes beside it is granted too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The role.
    pub role: Role,
    /// What must be granted beside it.
    pub with: Option<Right>,
}

/// What can be granted beside a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To create keys.
    Create,
    /// To export keys.
    Export,
}

/// A caller who may use a route, and what he reaches with it.
pub(super) struct Permit {
    /// The person; none is an administrator by configuration.
    pub(super) person: Option<Arc<Person>>,
    /// He may only ask for it: somebody has to approve, whatever needs an approval.
    pub(super) must_ask: bool,
    /// What he reaches.
    reach: Reach,
}

/// Which keys of a store somebody reaches.
enum Reach {
    /// All of them.
    All,
    /// Those that are assigned to him.
    Assigned(Arc<Person>, StoreId),
}

/// Lets a caller use a route of these parts of the path, or says why not.
///
/// # Errors
/// The problem to answer.
pub(super) fn authorise(
    engine: &Engine,
    route: &Route,
    parameters: &Parameters,
    caller: &Caller,
    now: SystemTime,
) -> Result<Permit, Problem> {
    caller.check_end(now)?;
    let person = caller.person(engine)?;
    let all = |person| Ok(Permit { person, must_ask: false, reach: Reach::All });
    let Some(person) = person else { return all(None) };
    let permission = route.permission;
    if person.has(Role::SystemAdministrator, None) || permission.scope == Scope::Everybody {
        return all(Some(person));
    }
    if permission.scope == Scope::Installation {
        let is_allowed = |allowed: &Allowed| allowed.is_met_by(person.record.grant(allowed.role, None));
        return if permission.roles.iter().any(is_allowed) { all(Some(person)) } else { Err(refusal(permission)) };
    }
    // As if the store were not there, for whoever has nothing to do with it.
    let store = find_store(engine, parameters)?;
    if !sees(&person, store) {
        return Err(no_store(parameters.get("store").map_or("", String::as_str)).refusing());
    }
    let met = |allowed: &&Allowed| allowed.is_met_in(&person, store);
    let mut met = permission.roles.iter().filter(met).peekable();
    if met.peek().is_none() {
        let may_ask = route.approved.is_some() && person.has(Role::Requester, Some(store));
        let permit = || Permit { person: Some(Arc::clone(&person)), must_ask: true, reach: Reach::All };
        return if may_ask { Ok(permit()) } else { Err(refusal(permission)) };
    }
    let reach = if met.all(|allowed| allowed.role == Role::KeyManager) {
        Reach::Assigned(Arc::clone(&person), store)
    } else {
        Reach::All
    };
    Ok(Permit { person: Some(person), must_ask: false, reach })
}

/// Whether somebody has anything to do with a key store.
fn sees(person: &Person, store: StoreId) -> bool {
    person.record.grants.iter().any(|grant| grant.store.is_none() || grant.store == Some(store))
}

fn refusal(permission: &Permission) -> Problem {
    let roles: Vec<_> = permission.all_roles().collect();
    let place = if permission.scope == Scope::Installation { "" } else { " of this key store" };
    let detail =
        format!("this needs one of these roles{place}, which a system administrator grants: {}", roles.join(", "));
    Problem::new(Kind::NotPermitted, detail)
}

impl Permission {
    /// The roles in words, the one that may do everything first.
    pub fn all_roles(&self) -> impl Iterator<Item = String> + '_ {
        let everybody = (self.scope == Scope::Everybody).then(|| "everybody who is known".to_owned());
        let first = everybody.unwrap_or_else(|| Role::SystemAdministrator.to_string());
        std::iter::once(first).chain(self.roles.iter().map(ToString::to_string))
    }
}

impl Allowed {
    const fn any(role: Role) -> Self {
        Self { role, with: None }
    }

    const fn with(role: Role, right: Right) -> Self {
        Self { role, with: Some(right) }
    }

    fn is_met_by(self, grant: Option<&Grant>) -> bool {
        grant.is_some_and(|grant| match self.with {
            None => true,
            Some(Right::Create) => grant.may_create,
            Some(Right::Export) => grant.may_export,
        })
    }

    /// Whether a person has it in a store. An auditor of the installation audits each store.
    fn is_met_in(self, person: &Person, store: StoreId) -> bool {
        let of_installation = person.record.grant(self.role, None).filter(|grant| grant.role == Role::Auditor);
        self.is_met_by(person.record.grant(self.role, Some(store))) || self.is_met_by(of_installation)
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.role.fmt(f)?;
        match self.with {
            None => Ok(()),
            Some(Right::Create) => f.write_str(" who may create keys"),
            Some(Right::Export) => f.write_str(" who may export keys"),
        }
    }
}

impl Permit {
    /// Who it is, for the log: a person by his name and id, or an administrator by his certificate.
    pub(super) fn actor(&self, caller: &Caller) -> String {
        match &self.person {
            Some(person) => format!("person {} ({})", person.record.name, person.record.id),
            None => caller.to_string(),
        }
    }

    /// Whether this key of the store that the path names is reached.
    pub(super) fn reaches(&self, key: KeyId) -> bool {
        match &self.reach {
            Reach::All => true,
            Reach::Assigned(person, store) => person.manages(*store, key),
        }
    }

    /// Whether every key of the store that the path names is reached, those too that are created later.
    pub(super) const fn reaches_all(&self) -> bool {
        matches!(self.reach, Reach::All)
    }

    /// The key manager to whom a key is assigned that he creates now; nobody if the caller reaches all keys anyway.
    pub(super) fn creator(&self) -> Option<PersonId> {
        match &self.reach {
            Reach::All => None,
            Reach::Assigned(person, _) => Some(person.record.id),
        }
    }

    /// Whether the caller sees this key store in a list.
    pub(super) fn sees(&self, store: StoreId) -> bool {
        self.person.as_ref().is_none_or(|person| sees(person, store))
    }

    /// Whether the caller sees a request for approval of changes in a key store, or of the installation: his own, and those where he has a role; not a key manager those of others, who
    /// may be about keys that he does not reach.
    pub(super) fn sees_request(&self, store: Option<StoreId>, requester: PersonId) -> bool {
        let Some(person) = &self.person else { return true };
        let sees = |grant: &Grant| grant.role != Role::KeyManager && (grant.store.is_none() || grant.store == store);
        person.record.id == requester || person.record.grants.iter().any(sees)
    }

    /// What must still be so when a change is made: that nobody has changed what the caller may do.
    pub(super) fn guards(&self) -> Vec<Compare> {
        self.person.iter().map(|person| person.unchanged()).collect()
    }
}

/// Whatever is not on this list is for system administrators alone.
pub(super) static EVERYBODY: Permission = Permission { scope: Scope::Everybody, roles: &[] };

/// The installation: its settings, backups, system keys, persons, new key stores.
pub(super) static MANAGE_INSTALLATION: Permission = Permission { scope: Scope::Installation, roles: &[] };

/// To read all that.
pub(super) static READ_INSTALLATION: Permission =
    Permission { scope: Scope::Installation, roles: &[Allowed::any(Role::Auditor)] };

/// Settings of a key store.
pub(super) static SET_STORE: Permission = Permission { scope: Scope::Store, roles: &[] };

/// Further names of keys.
pub(super) static MANAGE_ALIASES: Permission =
    Permission { scope: Scope::Store, roles: &[STORE_ADMINISTRATOR, Allowed::any(Role::KeyManager)] };

/// Who may come in to a key store.
pub(super) static MANAGE_STORE: Permission = Permission { scope: Scope::Store, roles: &[STORE_ADMINISTRATOR] };

/// To read what there is in a key store. Key managers find their keys there.
pub(super) static READ_STORE: Permission = Permission { scope: Scope::Store, roles: ALL_OF_STORE };

/// What the audit log tells of a key store.
pub(super) static AUDIT_STORE: Permission =
    Permission { scope: Scope::Store, roles: &[STORE_ADMINISTRATOR, Allowed::any(Role::Auditor)] };

/// New keys.
pub(super) static CREATE_KEYS: Permission =
    Permission { scope: Scope::Store, roles: &[STORE_ADMINISTRATOR, CREATING_KEY_MANAGER] };

/// To ask for changes of a key store, each of which whoever asks may make or ask for.
pub(super) static ASK_IN_STORE: Permission = Permission {
    scope: Scope::Store,
    roles: &[STORE_ADMINISTRATOR, Allowed::any(Role::KeyManager), Allowed::any(Role::Requester)],
};

/// Imports, of which a key manager finds his own.
pub(super) static READ_IMPORTS: Permission = Permission {
    scope: Scope::Store,
    roles: &[STORE_ADMINISTRATOR, CREATING_KEY_MANAGER, Allowed::any(Role::Auditor)],
};

/// To read what there is to know of a key.
pub(super) static READ_KEY: Permission = Permission { scope: Scope::Key, roles: ALL_OF_STORE };

/// The life of a key.
pub(super) static MANAGE_KEY: Permission =
    Permission { scope: Scope::Key, roles: &[STORE_ADMINISTRATOR, Allowed::any(Role::KeyManager)] };

/// Material of a key that leaves, which is a right of its own.
pub(super) static EXPORT_KEY: Permission = Permission {
    scope: Scope::Key,
    roles: &[Allowed::with(Role::StoreAdministrator, Right::Export), Allowed::with(Role::KeyManager, Right::Export)],
};

const STORE_ADMINISTRATOR: Allowed = Allowed::any(Role::StoreAdministrator);
const CREATING_KEY_MANAGER: Allowed = Allowed::with(Role::KeyManager, Right::Create);
const ALL_OF_STORE: &[Allowed] = &[
    STORE_ADMINISTRATOR,
    Allowed::any(Role::KeyManager),
    Allowed::any(Role::Requester),
    Allowed::any(Role::Approver),
    Allowed::any(Role::Auditor),
];

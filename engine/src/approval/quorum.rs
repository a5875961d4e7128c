//! Whether there is anybody who could ask, and others enough who could approve.

use std::num::NonZeroU8;
use std::sync::Arc;

use super::ApprovalError;
use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::StoreId;
use crate::person::{Person, PersonId, Role};

impl Engine {
    /// Whether somebody could ask for a change at a place, and have the approval of so many others.
    #[must_use]
    pub fn can_be_approved(&self, store: Option<StoreId>, quorum: NonZeroU8) -> bool {
        can_be_met(&self.persons(), store, quorum)
    }

    /// Refuses a change of a person by which nobody could approve anything any more at a place where approvals are needed, and somebody can now. `after`: the person as he would be;
    /// `None` if he is removed. The caller holds what keeps others from changing persons.
    ///
    /// # Errors
    /// [`ApprovalError::QuorumLost`].
    pub(crate) fn keep_quorums(&self, id: PersonId, after: Option<&Person>) -> Result<(), Error> {
        let now = self.persons();
        let others = now.iter().filter(|person| person.record.id != id).cloned();
        let then: Vec<_> = others.chain(after.cloned().map(Arc::new)).collect();
        let stores = self.stores();
        let places = std::iter::once(None).chain(stores.iter().map(Some));
        for place in places {
            let store = place.map(|slot| slot.id());
            // Where the policy cannot be read, nothing is changed in any case.
            let Ok(policy) = self.approval_policy(store) else { continue };
            let quorum = policy.quorum;
            if policy.is_on() && can_be_met(&now, store, quorum) && !can_be_met(&then, store, quorum) {
                let place = place
                    .map_or_else(|| "the installation".to_owned(), |slot| format!("key store {}", slot.policy().name));
                return Err(ApprovalError::QuorumLost { place, quorum }.into());
            }
        }
        Ok(())
    }
}

fn can_be_met(persons: &[Arc<Person>], store: Option<StoreId>, quorum: NonZeroU8) -> bool {
    let is_active = |person: &&Arc<Person>| !person.record.is_disabled && !person.record.certificates.is_empty();
    let active: Vec<_> = persons.iter().filter(is_active).collect();
    let asks = |person: &Person| {
        person.has(Role::SystemAdministrator, None)
            || store.is_some() && (person.has(Role::StoreAdministrator, store) || person.has(Role::Requester, store))
    };
    let approvers = active.iter().filter(|person| person.has(Role::Approver, store)).count();
    // Whoever asks does not approve.
    let others = |person: &Person| approvers - usize::from(person.has(Role::Approver, store));
    active.iter().any(|person| asks(person) && others(person) >= usize::from(quorum.get()))
}

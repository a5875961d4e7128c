//! Key stores in memory: who may come in. All of them are loaded at start, and brought up to date by each change.

use std::sync::Arc;

use arc_swap::ArcSwap;
use dashmap::DashMap;

use crate::access::AccessTable;
use crate::key::id::StoreId;
use crate::key::name::Name;
use crate::record::Quotas;
use crate::record::key_store::{AccessMethods, StoreState};

/// What decides about access to a key store, at one moment. Replaced as a whole.
#[derive(Clone, Debug)]
pub struct StorePolicy {
    /// Name of the store.
    pub name: Name,
    /// The access methods that are set. `None`: the store's records cannot be read, and nobody may come in.
    pub methods: Option<AccessMethods>,
    /// Whether anybody is let in at all.
    pub state: StoreState,
    /// Whether public keys are given to clients that it does not admit, too. Never while it is disabled.
    pub open_public_keys: bool,
    /// Certificate of the store's own authority, DER.
    pub authority: Arc<[u8]>,
    /// Who passes the methods.
    pub access: Arc<AccessTable>,
    /// Whether a hardware address counts that the client only says it has.
    pub declared_hardware_address: bool,
    /// Whether each request of a client is recorded in the audit log.
    pub records_requests: bool,
    /// How much work its clients may have done.
    pub quotas: Quotas,
    /// Differs from that of every other policy of this store in this process. Decisions remember it.
    pub generation: u64,
}

impl StorePolicy {
    /// A policy that lets nobody in.
    pub(crate) fn closed(name: Name, generation: u64) -> Self {
        Self {
            name,
            methods: None,
            state: StoreState::Disabled,
            open_public_keys: false,
            authority: Arc::default(),
            access: Arc::default(),
            declared_hardware_address: false,
            records_requests: false,
            quotas: Quotas::default(),
            generation,
        }
    }
}

/// The place of one key store.
pub struct StoreSlot {
    id: StoreId,
    policy: ArcSwap<StorePolicy>,
}

impl StoreSlot {
    /// The id of the store.
    #[must_use]
    pub const fn id(&self) -> StoreId {
        self.id
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> arc_swap::Guard<Arc<StorePolicy>> {
        self.policy.load()
    }
}

/// All key stores, by id and by name.
#[derive(Default)]
pub(crate) struct Stores {
    by_id: DashMap<StoreId, Arc<StoreSlot>>,
    by_name: DashMap<Name, StoreId>,
}

impl Stores {
    /// Puts a policy in force. Whoever is in a frame finishes it under the one before; see [`crate::epoch`].
    pub(crate) fn publish(&self, id: StoreId, policy: StorePolicy) -> Arc<StoreSlot> {
        self.by_name.insert(policy.name.clone(), id);
        let policy = Arc::new(policy);
        let slot = self
            .by_id
            .entry(id)
            .and_modify(|slot| slot.policy.store(Arc::clone(&policy)))
            .or_insert_with(|| Arc::new(StoreSlot { id, policy: ArcSwap::new(Arc::clone(&policy)) }));
        Arc::clone(&slot)
    }

    /// The store of this id.
    pub(crate) fn by_id(&self, id: StoreId) -> Option<Arc<StoreSlot>> {
        self.by_id.get(&id).map(|slot| Arc::clone(&slot))
    }

    /// The store of this name.
    pub(crate) fn by_name(&self, name: &Name) -> Option<Arc<StoreSlot>> {
        let id = self.by_name.get(name).map(|id| *id)?;
        self.by_id(id)
    }

    /// All stores, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<StoreSlot>> {
        self.by_id.iter().map(|slot| Arc::clone(&slot)).collect()
    }
}

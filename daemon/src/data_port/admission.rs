//! Admission: whether a key store lets this client in, and to what. All access methods that the store sets must pass; the default is no.
//!
//! A decision is made once for each connection and policy, and remembered no longer than what it rests on holds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use claviger_algorithm::Operation;
use claviger_engine::access::{HeldRow, JoinedPermit};
use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::limits::ACCESS_USE_NOTED_EVERY_MS;
use claviger_engine::{AccessMethod, Engine, HardwareAddress, KeyEntry, StorePolicy, StoreSlot, StoreState};
use rustls::crypto::CryptoProvider;

use super::identity::ClientIdentity;
use super::quota::{Allowance, WorkerQuotas};
use crate::access::{Passed, Path, Shown, judge};
use crate::limits::{DECISIONS_MAX, NEIGHBOURS_ASKED_EVERY, REFUSAL_MS};
use crate::neighbours::Neighbours;

/// The decisions about one connection.
pub(super) struct Admissions {
    identity: Arc<ClientIdentity>,
    provider: Arc<CryptoProvider>,
    neighbours: Arc<Neighbours>,
    quotas: WorkerQuotas,
    /// Some store that has let the client in has set quotas.
    has_quotas: bool,
    /// The hardware address that the client says it has.
    declared: Option<HardwareAddress>,
    decisions: Vec<Decision>,
    /// No store lets the client in, as was found some time before this one, in milliseconds since 1970.
    stranger_until: u64,
    /// Some store has let the client in.
    was_let_in: bool,
    /// What the engine counted of changes of access when the client was last looked for in all stores.
    looked_for_at: Option<u64>,
    /// The store that has refused last, and why, for the audit log.
    refused: Option<(StoreId, &'static str)>,
    /// What the request at hand is about, of key stores that want each request recorded: two at most, for re-encryption.
    recorded: [Option<Recorded>; 2],
}

/// A key store that wants each request recorded, and its keys that this one is about.
#[derive(Clone, Copy)]
pub(super) struct Recorded {
    pub(super) store: StoreId,
    pub(super) keys: [Option<KeyId>; 2],
}

/// What was decided under one policy of one store.
struct Decision {
    store: StoreId,
    generation: u64,
    verdict: Verdict,
    /// When it is judged again, in milliseconds since 1970: something that lets in ends then, or what is refused may begin to be valid.
    until_ms: u64,
    /// When it is judged again by a clock that nobody sets: what it rests on is a neighbour, who may be another one by then.
    until: Option<Instant>,
    /// What path validation has said, which outlives the policy.
    path: Option<Path>,
    /// Whether the store wants each request recorded.
    records_requests: bool,
}

enum Verdict {
    Refused,
    Admitted {
        permit: JoinedPermit,
        /// The rows by which the client has come in.
        rows: Vec<Arc<HeldRow>>,
        /// When their use is noted next, in milliseconds since 1970.
        note_ms: u64,
        /// What it may have done, if that is bounded.
        allowance: Option<Box<Allowance>>,
    },
}

/// A client is let in.
#[derive(Clone, Copy)]
pub(super) struct Admitted<'a> {
    /// What it may do.
    pub(super) permit: &'a JoinedPermit,
    /// Until when that holds at most, in milliseconds since 1970.
    pub(super) until_ms: u64,
}

impl Decision {
    const fn admits(&self) -> bool {
        matches!(self.verdict, Verdict::Admitted { .. })
    }
}

impl Admissions {
    pub(super) const fn new(
        identity: Arc<ClientIdentity>,
        provider: Arc<CryptoProvider>,
        neighbours: Arc<Neighbours>,
        quotas: WorkerQuotas,
    ) -> Self {
        Self {
            identity,
            provider,
            neighbours,
            quotas,
            has_quotas: false,
            declared: None,
            decisions: Vec::new(),
            stranger_until: 0,
            was_let_in: false,
            looked_for_at: None,
            refused: None,
            recorded: [None; 2],
        }
    }

    /// What the connection shows.
    pub(super) fn identity(&self) -> &ClientIdentity {
        &self.identity
    }

    /// The client's hardware address as the server sees it, and as it says itself.
    pub(super) fn hardware_addresses(&self) -> (Option<HardwareAddress>, Option<HardwareAddress>) {
        (self.neighbours.hardware_address(self.identity.address()), self.declared)
    }

    /// The client says that it has this hardware address, or says none. What was decided without it is decided anew.
    pub(super) fn declare(&mut self, declared: Option<HardwareAddress>) {
        if self.declared != declared {
            self.declared = declared;
            // What was found of its certificate stays: else a client that says something else each time had its path validated each time.
            self.decisions.iter_mut().for_each(|decision| decision.until_ms = 0);
        }
    }

    /// Another request is judged from here on.
    pub(super) const fn begin(&mut self) {
        self.recorded = [None; 2];
    }

    /// Whether the request at hand is to be recorded.
    pub(super) const fn is_recorded(&self) -> bool {
        self.recorded[0].is_some()
    }

    /// The request at hand is about a key of a key store that wants each request recorded, and does not have to let the client in for it.
    pub(super) fn note(&mut self, store: StoreId, key: KeyId) {
        note(&mut self.recorded, store, Some(key));
    }

    /// What the request at hand is to be recorded of, once.
    pub(super) fn take_recorded(&mut self) -> impl Iterator<Item = Recorded> + use<> {
        std::mem::take(&mut self.recorded).into_iter().flatten()
    }

    /// What `store` lets the client do at `now_ms`, under the policy in force, if it lets it in. To be asked inside a frame.
    pub(super) fn admitted(&mut self, store: &StoreSlot, now_ms: u64) -> Option<Admitted<'_>> {
        self.admitted_to(store, None, now_ms)
    }

    /// As [`Admissions::admitted`], for what is about this key.
    pub(super) fn admitted_to(&mut self, store: &StoreSlot, key: Option<KeyId>, now_ms: u64) -> Option<Admitted<'_>> {
        let place = self.decision(store, now_ms);
        let Decision { verdict, until_ms, records_requests, .. } = self.decisions.get_mut(place)?;
        match verdict {
            Verdict::Refused => {
                self.refused = Some((store.id(), NOT_ADMITTED));
                None
            }
            Verdict::Admitted { permit, rows, note_ms, .. } => {
                if now_ms >= *note_ms {
                    rows.iter().for_each(|row| row.note_use(now_ms));
                    *note_ms = now_ms.saturating_add(ACCESS_USE_NOTED_EVERY_MS);
                }
                if *records_requests {
                    note(&mut self.recorded, store.id(), key);
                }
                Some(Admitted { permit, until_ms: *until_ms })
            }
        }
    }

    /// Whether the client may do this with a key. To be asked inside a frame.
    pub(super) fn allows(&mut self, operation: Operation, key: &KeyEntry, now_ms: u64) -> bool {
        let allowed = self.admitted_to(key.store(), Some(key.id()), now_ms);
        let allowed = allowed.map(|admitted| admitted.permit.allows(operation, key.id()));
        if allowed == Some(false) {
            self.refused = Some((key.store().id(), NARROWED));
        }
        allowed == Some(true)
    }

    /// The store that has refused last since this was asked, and why; without one, what was asked for is not there.
    pub(super) fn take_refused(&mut self) -> (Option<StoreId>, &'static str) {
        self.refused.take().map_or((None, NOT_FOUND), |(store, reason)| (Some(store), reason))
    }

    /// Whether [`Admissions::take`] has anything to ask.
    pub(super) const fn has_quotas(&self) -> bool {
        self.has_quotas
    }

    /// Takes `cost` of the quotas of a store that has let the client in. To be asked in the frame in which it has.
    ///
    /// # Errors
    /// How long it is until there is something again of what is used up.
    pub(super) fn take(&self, store: StoreId, cost: Duration) -> Result<(), Duration> {
        self.allowance(store).map_or(Ok(()), |allowance| allowance.take(cost))
    }

    /// Gives back what was taken for something that was not done.
    pub(super) fn give_back(&self, store: StoreId, cost: Duration) {
        if let Some(allowance) = self.allowance(store) {
            allowance.give_back(cost);
        }
    }

    fn allowance(&self, store: StoreId) -> Option<&Allowance> {
        match &self.decisions.iter().find(|decision| decision.store == store)?.verdict {
            Verdict::Admitted { allowance, .. } => allowance.as_deref(),
            Verdict::Refused => None,
        }
    }

    /// Whether no store lets this client in: then it may ask for less at once.
    pub(super) fn is_stranger(&mut self, engine: &Engine, now_ms: u64) -> bool {
        if self.decisions.iter().any(Decision::admits) {
            return false;
        }
        if now_ms >= self.stranger_until {
            // A client of a store beyond these is told Overloaded earlier than others, until a store has let it in.
            let mut stores = engine.stores().into_iter().take(DECISIONS_MAX);
            let known = stores.any(|store| self.lets_in(&store, now_ms));
            self.stranger_until = if known { 0 } else { now_ms.saturating_add(REFUSAL_MS) };
        }
        now_ms < self.stranger_until
    }

    /// Whether some store has let the client in, perhaps not any more.
    pub(super) const fn was_let_in(&self) -> bool {
        self.was_let_in
    }

    /// Whether some store has let the client in, and none does any more. A client that has not asked for anything yet is looked for in the stores as [`Self::is_stranger`] does.
    pub(super) fn is_let_in_no_more(&mut self, engine: &Engine, now_ms: u64) -> bool {
        if !self.was_let_in {
            let generation = engine.access_generation();
            if self.looked_for_at != Some(generation) {
                self.looked_for_at = Some(generation);
                self.is_stranger(engine, now_ms);
            }
            return false;
        }
        // Mostly one of those that have let it in still does.
        let own: Vec<_> =
            self.decisions.iter().filter(|decision| decision.admits()).map(|decision| decision.store).collect();
        let mut own = own.into_iter().filter_map(|id| engine.store_by_id(id));
        !own.any(|store| self.lets_in(&store, now_ms))
            && !engine.stores().iter().any(|store| self.lets_in(store, now_ms))
    }

    /// Whether a store lets the client in. Asking is no use of its authentication data, and no refusal.
    pub(super) fn lets_in(&mut self, store: &StoreSlot, now_ms: u64) -> bool {
        let place = self.decision(store, now_ms);
        self.decisions.get(place).is_some_and(Decision::admits)
    }

    /// The place of the decision about a store, made anew if it does not hold any more.
    fn decision(&mut self, store: &StoreSlot, now_ms: u64) -> usize {
        let policy = store.policy();
        let holds = |decision: &Decision| {
            decision.store == store.id()
                && decision.generation == policy.generation
                && now_ms < decision.until_ms
                && decision.until.is_none_or(|until| Instant::now() < until)
        };
        let known = self.decisions.iter().position(holds);
        known.unwrap_or_else(|| self.decide(store.id(), &policy, now_ms))
    }

    /// Decides anew; gives the place of the decision.
    #[cold]
    fn decide(&mut self, store: StoreId, policy: &StorePolicy, now_ms: u64) -> usize {
        let before = self.decisions.iter().position(|decision| decision.store == store);
        let mut path = before.and_then(|place| self.decisions.swap_remove(place).path);
        let (verdict, until_ms) = match self.pass(policy, &mut path, now_ms) {
            Some(passed) => {
                let permit =
                    JoinedPermit::of(passed.iter().map(|method| method.iter().map(|(row, _)| &row.row().permit)));
                let until_ms = passed.iter().flatten().map(|(_, until_ms)| *until_ms).min().unwrap_or(0);
                let rows: Vec<_> = passed.into_iter().flatten().map(|(row, _)| row).collect();
                let allowance = self.quotas.allowance(store, policy, &rows, self.identity.address());
                self.has_quotas |= allowance.is_some();
                self.was_let_in = true;
                (Verdict::Admitted { permit, rows, note_ms: 0, allowance: allowance.map(Box::new) }, until_ms)
            }
            None => (Verdict::Refused, now_ms.saturating_add(REFUSAL_MS)),
        };
        if self.decisions.len() >= DECISIONS_MAX {
            self.decisions.remove(0);
        }
        let by_neighbour = policy.methods.is_some_and(|methods| methods.contains(AccessMethod::HardwareAddress));
        let until = by_neighbour.then(|| Instant::now() + NEIGHBOURS_ASKED_EVERY);
        let records_requests = policy.records_requests;
        let generation = policy.generation;
        self.decisions.push(Decision { store, generation, verdict, until_ms, until, path, records_requests });
        self.decisions.len() - 1
    }

    /// The rows by which the client passes each method that is set, if it passes all of them, and there is one at least.
    fn pass(&self, policy: &StorePolicy, path: &mut Option<Path>, now_ms: u64) -> Option<Vec<Passed>> {
        let methods = policy.methods.filter(|_| policy.state == StoreState::Available)?;
        let (seen, declared) = self.hardware_addresses();
        let (address, certificate) = (Some(self.identity.address()), self.identity.certificate());
        let shown = Shown { address, certificate, seen, declared };
        let judged = methods.iter().map(|method| judge(method, policy, &shown, path, &self.provider, now_ms).ok());
        judged.collect::<Option<Vec<_>>>().filter(|passed| !passed.is_empty())
    }
}

/// Notes that a request is about a key store that wants it recorded, and about a key.
#[cold]
fn note(recorded: &mut [Option<Recorded>; 2], store: StoreId, key: Option<KeyId>) {
    let of_store = |known: &Option<Recorded>| known.is_none_or(|known| known.store == store);
    let Some(place) = recorded.iter_mut().find(|known| of_store(known)) else { return };
    let recorded = place.get_or_insert(Recorded { store, keys: [None; 2] });
    if let Some(free) = recorded.keys.iter_mut().find(|known| known.is_none() || **known == key) {
        *free = key;
    }
}

/// Reasons of refusals, as the audit log has them. The client is told none.
const NOT_ADMITTED: &str = "the access methods of the key store do not let the client in";
const NARROWED: &str = "its authentication data do not permit this operation or key";
const NOT_FOUND: &str = "no such key or key store, or not its own";

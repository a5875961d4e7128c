//! Asking for an approval, and reading what was asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{
    ApprovalError, ApprovalId, ApprovalRecord, ApprovalState, ChangeClasses, GivenApproval, Ground, SecretPart,
    ShownChange,
};
use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::{AccessRowId, KeyId, StoreId};
use crate::key::material::SecretBytes;
use crate::key::text::is_shown;
use crate::limits::{
    APPROVAL_CALLS_SIZE_MAX, APPROVAL_SHOWN_SIZE_MAX, APPROVAL_TEXT_SIZE_MAX, APPROVAL_TIME_MAX, APPROVAL_TIME_MIN,
    APPROVALS_MAX, APPROVALS_OF_ONE_MAX, APPROVALS_OF_STORES_MAX, BUNDLE_CHANGES_MAX, LIST_EXAMINED_MAX,
    LIST_PAGE_SIZE_MAX,
};
use crate::person::PersonId;
use crate::record::address;
use crate::record::key::milliseconds;
use crate::storage::{Address, Compare, Revision};

/// Changes to ask for.
pub struct NewRequest {
    /// The key store whose changes these are; `None` for the installation.
    pub store: Option<StoreId>,
    /// What kinds of changes they are.
    pub classes: ChangeClasses,
    /// Who asks.
    pub requester: PersonId,
    /// How long it can be decided: 1 hour to 30 days.
    pub time: Duration,
    /// Why; 0..=1,000 bytes.
    pub reason: String,
    /// Whether the changes are made in one transaction; without it there is one.
    pub is_bundle: bool,
    /// The changes: 1..=20.
    pub changes: Vec<ShownChange>,
    /// What exactly is to be done: given back when it is approved. At most 48 KiB.
    pub calls: SecretBytes,
}

/// What is known of changes before they are made: which records they build on.
#[derive(Default)]
pub struct Trial {
    /// Conditions under which they would be made now.
    compares: Vec<Compare>,
    /// Other records that they build on.
    places: BTreeSet<Address>,
}

/// Some of the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalPage {
    /// Those that match, in the order in which they were asked for. There may be none, and more to come.
    pub requests: Vec<ApprovalRecord>,
    /// After which one the next page begins; `None` if this is the last one.
    pub next: Option<ApprovalId>,
}

impl Trial {
    /// Adds that they build on a key.
    pub fn add_key(&mut self, id: KeyId) {
        self.places.insert(address::key(id));
    }

    /// Adds that they build on a row of the authentication data of a key store.
    pub fn add_access(&mut self, store: StoreId, row: AccessRowId) {
        self.places.insert(address::access_row(store, row));
    }

    /// Adds what the other one is known to build on.
    pub fn add(&mut self, other: Self) {
        self.compares.extend(other.compares);
        self.places.extend(other.places);
    }
}

impl Engine {
    /// Makes changes on trial: nothing is changed, and the engine that `changes` gets is to be used for nothing else. Gives what comes of them, and what they build on.
    ///
    /// # Errors
    /// Those of `changes`, which are those of making them.
    pub fn try_out<T, E>(&self, changes: impl FnOnce(&Self) -> Result<T, E>) -> Result<(T, Trial), E> {
        let (outcome, compares) = self.ledger.try_out(|ledger| changes(&self.with_ledger(ledger)))?;
        Ok((outcome, Trial { compares, places: BTreeSet::new() }))
    }

    /// Asks for an approval. What the changes build on is `trial`, what needs an approval at the place, and the key store.
    ///
    /// # Errors
    /// [`Error::Approval`] if it is out of bounds or too many are open; [`Error::KeyStoreNotFound`], [`Error::Entropy`], [`Error::ShredTable`], [`Error::Damaged`], [`Error::Storage`]: nothing was asked for.
    pub fn request_approval(&self, new: NewRequest, trial: Trial) -> Result<ApprovalRecord, Error> {
        new.check()?;
        // What is shown is what its hashes say, and how many have to approve: nothing of it may move until it is asked for.
        let (policy, unchanged) = self.approval_policy_in_force(new.store)?;
        let Trial { mut compares, mut places } = trial;
        compares.push(unchanged);
        places.extend(compares.iter().map(|compare| compare.address.clone()));
        places.extend(new.store.map(address::key_store));
        let created_ms = self.ledger.clock.now_ms();
        let id = ApprovalId::generate(created_ms, &*self.ledger.random)?;
        let place = address::approval(id);
        let record = ApprovalRecord {
            id,
            store: new.store,
            classes: new.classes,
            requester: new.requester,
            created_ms,
            ends_ms: created_ms.saturating_add(milliseconds(new.time)),
            quorum: policy.quorum,
            reason: new.reason,
            is_bundle: new.is_bundle,
            changes: new.changes,
            grounds: Ground::of(self.vault(), places)?,
            given: Vec::<GivenApproval>::new(),
            state: ApprovalState::Open,
        };
        let _one_at_a_time = self.ledger.asking.lock();
        self.check_room(&record)?;
        compares.push(Compare::absent(place.clone()));
        self.ledger.keep_secret(id, SecretPart::Calls, &new.calls, |mut writes| {
            writes.push(self.vault().put(place, &record));
            writes.push(address::mark(address::approval_end(record.ends_ms, id)));
            self.ledger.commit(&compares, &writes)
        })?;
        Ok(record)
    }

    /// A request for approval.
    ///
    /// # Errors
    /// [`ApprovalError::NotFound`], [`Error::Damaged`], [`Error::Storage`].
    pub fn approval(&self, id: ApprovalId) -> Result<ApprovalRecord, Error> {
        self.read_approval(id).map(|(record, _)| record)
    }

    /// One page of the requests that `is_listed`, in the order in which they were asked for, after `after`: at most `limit`. It looks at 1,000 at most.
    ///
    /// # Errors
    /// [`Error::Storage`]. One that is damaged is logged and passed over.
    pub fn approvals(
        &self,
        after: Option<ApprovalId>,
        limit: usize,
        is_listed: impl Fn(&ApprovalRecord) -> bool,
    ) -> Result<ApprovalPage, Error> {
        let limit = limit.min(LIST_PAGE_SIZE_MAX);
        let after = after.map(address::approval);
        let found = self.vault().storage().scan(&address::approvals(), after.as_ref(), LIST_EXAMINED_MAX)?;
        let mut page = ApprovalPage { requests: Vec::new(), next: None };
        let is_whole = found.is_empty();
        for (place, stored) in found {
            if page.requests.len() >= limit {
                return Ok(page);
            }
            page.next = address::parse_approval(&place);
            match self.vault().open::<ApprovalRecord>(&place, &stored.value) {
                Ok(record) => page.requests.extend(Some(record).filter(&is_listed)),
                // One that is damaged hides no other.
                Err(error) => {
                    tracing::warn!(%place, %error, "a list passes over a request for approval that cannot be read")
                }
            }
        }
        if is_whole {
            page.next = None;
        }
        Ok(page)
    }

    /// Refuses one more open request, if there are as many as may be: in all, of who asks, or in key stores, so that there is room for those of the installation.
    fn check_room(&self, new: &ApprovalRecord) -> Result<(), Error> {
        let open = self.vault().storage().scan(&address::approval_ends(), None, APPROVALS_MAX)?;
        let (mut of_requester, mut of_stores) = (0, 0);
        for (_, id) in open.iter().filter_map(|(place, _)| address::parse_approval_end(place)) {
            if let Ok((record, _)) = self.read_approval(id) {
                of_requester += usize::from(record.requester == new.requester);
                of_stores += usize::from(record.store.is_some());
            }
        }
        let is_full = open.len() >= APPROVALS_MAX
            || of_requester >= APPROVALS_OF_ONE_MAX
            || new.store.is_some() && of_stores >= APPROVALS_OF_STORES_MAX;
        if is_full { Err(ApprovalError::TooMany.into()) } else { Ok(()) }
    }

    /// What came of changes that were approved, in the bytes of whoever did them; `None` if nothing is kept of it: for a day.
    ///
    /// # Errors
    /// [`ApprovalError::Gone`] if it was destroyed before an older copy of the storage came back; [`Error::ShredTable`], [`Error::Damaged`], [`Error::Storage`].
    pub fn approval_result(&self, id: ApprovalId) -> Result<Option<SecretBytes>, Error> {
        self.ledger.kept_secret(id, SecretPart::Answers)
    }

    pub(super) fn read_approval(&self, id: ApprovalId) -> Result<(ApprovalRecord, Revision), Error> {
        self.vault().read(&address::approval(id))?.ok_or_else(|| ApprovalError::NotFound(id).into())
    }
}

impl NewRequest {
    fn check(&self) -> Result<(), ApprovalError> {
        check_text(&self.reason)?;
        if !(APPROVAL_TIME_MIN..=APPROVAL_TIME_MAX).contains(&self.time) {
            return Err(ApprovalError::Time);
        }
        let shown = |change: &ShownChange| {
            let texts = [&change.request, &change.before, &change.after].map(Option::as_ref);
            let words = [Some(&change.operation), Some(&change.shown)];
            texts.into_iter().chain(words).flatten().map(String::len).sum::<usize>()
        };
        let is_small = (1..=BUNDLE_CHANGES_MAX).contains(&self.changes.len())
            && self.calls.len() <= APPROVAL_CALLS_SIZE_MAX
            && self.changes.iter().map(shown).sum::<usize>() <= APPROVAL_SHOWN_SIZE_MAX;
        if is_small { Ok(()) } else { Err(ApprovalError::TooLarge) }
    }
}

/// Refuses what is no reason.
pub(super) fn check_text(text: &str) -> Result<(), ApprovalError> {
    let is_text = text.len() <= APPROVAL_TEXT_SIZE_MAX && text.chars().all(is_shown);
    if is_text { Ok(()) } else { Err(ApprovalError::Text) }
}

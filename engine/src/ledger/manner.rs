//! The manners of making changes: at once, on trial, or several together.
//!
//! Whatever changes something calls [`Ledger::commit`] and knows nothing of this. A change that somebody has to approve is first made on trial, so that it can be shown what it builds on and what
//! comes of it; then, when it is approved, together with the others of its bundle, on the condition that nothing of that has moved.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Ledger;
use crate::error::Error;
use crate::key::id::{KeyId, StoreId};
use crate::record::AccessData;
use crate::shred::Slot;
use crate::storage::{Address, Compare, Write};

/// How the changes of one handle of the ledger are made.
pub(super) enum Manner {
    /// Each in a transaction of its own, when it comes.
    AtOnce,
    /// As [`Manner::AtOnce`], the first of them together with what stands here. None when it has been made.
    Beside(Mutex<Option<Beside>>),
    /// Not at all: what they would be made under is noted.
    OnTrial(Mutex<Tried>),
    /// All in one transaction, at the end.
    Together(Mutex<Gathered>),
}

/// What has to hold for a change besides what it looks at itself, and what is written with it.
#[derive(Clone, Default)]
pub(crate) struct Beside {
    pub(crate) compares: Vec<Compare>,
    pub(crate) writes: Vec<Write>,
}

/// What changes on trial have looked at and would have written.
#[derive(Default)]
pub(super) struct Tried {
    read: Vec<Compare>,
    written: BTreeSet<Address>,
    access: Vec<(StoreId, AccessData)>,
}

/// Changes that are to be made together.
#[derive(Default)]
pub(super) struct Gathered {
    beside: Beside,
    /// Shred secrets that were written for them: in flight until all is made.
    secrets: Vec<(Slot, KeyId)>,
    access: Vec<(StoreId, AccessData)>,
}

impl Ledger {
    /// The same ledger, whose first change is made together with `beside`.
    pub(crate) fn beside(&self, beside: Beside) -> Self {
        self.in_manner(Manner::Beside(Mutex::new(Some(beside))))
    }

    /// Makes `changes` on trial: nothing is changed, and nothing is made that would have to be destroyed. Gives what comes of them, and the conditions that they would be made under.
    ///
    /// # Errors
    /// Those of `changes`; [`Error::ChangesOverlap`] if two of them write the same record.
    pub(crate) fn try_out<T, E>(&self, changes: impl FnOnce(Self) -> Result<T, E>) -> Result<(T, Vec<Compare>), E> {
        let ledger = self.in_manner(Manner::OnTrial(Mutex::default()));
        let outcome = changes(ledger.clone())?;
        let Manner::OnTrial(tried) = &*ledger.manner else { return Ok((outcome, Vec::new())) };
        let Tried { read, .. } = std::mem::take(&mut *tried.lock());
        Ok((outcome, read))
    }

    /// Makes `changes` and `beside` in one transaction: all or none. None of them may build on another. Gives what comes of them, and whether the audit log tells of them yet.
    ///
    /// # Errors
    /// Those of `changes`; [`Error::ChangesOverlap`] if two of them write the same record, [`Error::Conflict`] if `beside` does not hold or something has moved, [`Error::Storage`]: nothing was changed.
    pub(crate) fn together<T, E: From<Error>>(
        &self,
        beside: Beside,
        changes: impl FnOnce(Self) -> Result<T, E>,
    ) -> Result<(T, Result<(), Error>), E> {
        let ledger = self.in_manner(Manner::Together(Mutex::new(Gathered { beside, ..Gathered::default() })));
        // Rows of authentication data that others add meanwhile could exclude those that are added here.
        let _adding = self.access.lock();
        let made = changes(ledger.clone());
        let Manner::Together(gathered) = &*ledger.manner else { return made.map(|made| (made, Ok(()))) };
        let Gathered { beside: Beside { compares, writes }, secrets, .. } = std::mem::take(&mut *gathered.lock());
        let made = made.and_then(|made| match self.commit_now(&compares, &writes) {
            Err(error) if !error.is_made() => Err(error.into()),
            logged => Ok((made, logged)),
        });
        // Whatever was not needed is destroyed, and what was replaced, as it is after each change.
        let slots: Vec<_> = secrets.iter().map(|(slot, _)| *slot).collect();
        self.source.shred_table.land(&slots);
        if let Err(error) = self.resume_destructions() {
            tracing::warn!(%error, "what was deleted is not yet destroyed: it is tried again each minute");
        }
        made
    }

    /// Whether changes are only tried.
    pub(crate) fn is_on_trial(&self) -> bool {
        matches!(*self.manner, Manner::OnTrial(_))
    }

    /// Whether changes are in force when they have been made here: not if they are made later, or not at all.
    pub(crate) fn makes_at_once(&self) -> bool {
        matches!(*self.manner, Manner::AtOnce | Manner::Beside(_))
    }

    /// Keeps secrets in flight until the changes are made, for which they were written; gives whether it does.
    pub(crate) fn keep_in_flight(&self, secrets: &[(Slot, KeyId)]) -> bool {
        let Manner::Together(gathered) = &*self.manner else { return false };
        gathered.lock().secrets.extend_from_slice(secrets);
        true
    }

    /// The authentication data that other changes of the same bundle add to a key store.
    pub(crate) fn access_beside(&self, store: StoreId) -> Vec<AccessData> {
        let of_store = |added: &[(StoreId, AccessData)]| {
            added.iter().filter(|(of, _)| *of == store).map(|(_, data)| data.clone()).collect()
        };
        match &*self.manner {
            Manner::AtOnce | Manner::Beside(_) => Vec::new(),
            Manner::OnTrial(tried) => of_store(&tried.lock().access),
            Manner::Together(gathered) => of_store(&gathered.lock().access),
        }
    }

    /// Notes that a change adds authentication data, for the others of its bundle.
    pub(crate) fn note_access(&self, store: StoreId, data: AccessData) {
        match &*self.manner {
            Manner::AtOnce | Manner::Beside(_) => {}
            Manner::OnTrial(tried) => tried.lock().access.push((store, data)),
            Manner::Together(gathered) => gathered.lock().access.push((store, data)),
        }
    }

    /// The one way of every change: durable, followed by the cache, left behind by all workers; unless it is on trial, or made later with others.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Closed`], [`Error::Storage`]; [`Error::ChangesOverlap`].
    pub(crate) fn commit(&self, compares: &[Compare], writes: &[Write]) -> Result<(), Error> {
        match &*self.manner {
            Manner::AtOnce => self.commit_now(compares, writes),
            Manner::Beside(beside) => {
                // Held until it is made: what fails may be tried again, and needs it then too.
                let mut beside = beside.lock();
                let mut all = beside.clone().unwrap_or_default();
                all.compares.extend_from_slice(compares);
                all.writes.extend_from_slice(writes);
                let made = self.commit_now(&all.compares, &all.writes);
                if made.as_ref().map_or_else(Error::is_made, |()| true) {
                    *beside = None;
                }
                made
            }
            Manner::OnTrial(tried) => tried.lock().add(compares, writes),
            Manner::Together(gathered) => gathered.lock().add(compares, writes),
        }
    }

    /// Whether something is to be made, or was, together with the first change.
    pub(crate) fn is_beside(&self) -> bool {
        matches!(*self.manner, Manner::Beside(_))
    }

    /// Whether what was to be made beside the first change has been made.
    pub(crate) fn has_made_first(&self) -> bool {
        matches!(&*self.manner, Manner::Beside(beside) if beside.lock().is_none())
    }

    /// Makes what was to be made beside the first change, if there was none.
    ///
    /// # Errors
    /// As [`Ledger::commit`].
    pub(crate) fn make_what_is_left(&self) -> Result<(), Error> {
        match &*self.manner {
            Manner::Beside(beside) if beside.lock().is_some() => self.commit(&[], &[]),
            _ => Ok(()),
        }
    }

    /// The same ledger, whose changes are made at once, whatever becomes of others.
    pub(crate) fn at_once(&self) -> Self {
        self.in_manner(Manner::AtOnce)
    }

    fn in_manner(&self, manner: Manner) -> Self {
        Self { manner: Arc::new(manner), ..self.clone() }
    }
}

impl Tried {
    fn add(&mut self, compares: &[Compare], writes: &[Write]) -> Result<(), Error> {
        self.read.extend_from_slice(compares);
        let mut written = writes.iter().map(|write| write.address().clone());
        if written.all(|address| self.written.insert(address)) { Ok(()) } else { Err(Error::ChangesOverlap) }
    }
}

impl Gathered {
    fn add(&mut self, compares: &[Compare], writes: &[Write]) -> Result<(), Error> {
        let taken: BTreeSet<_> = self.beside.writes.iter().map(Write::address).collect();
        if writes.iter().any(|write| taken.contains(write.address())) {
            return Err(Error::ChangesOverlap);
        }
        self.beside.compares.extend_from_slice(compares);
        self.beside.writes.extend_from_slice(writes);
        Ok(())
    }
}

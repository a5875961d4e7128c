//! How authentication data, access methods and states of key stores change. Each change is in force on every connection when its method returns.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::HeldRow;
use crate::emergency::UnwrittenStop;
use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::{AccessRowId, KeyId, StoreId};
use crate::key::state::KeyState;
use crate::key::text::cut;
use crate::ledger::Ledger;
use crate::limits::{
    ACCESS_CREATOR_SIZE_MAX, ACCESS_DESCRIPTION_SIZE_MAX, ACCESS_ROWS_MAX, DELETION_WAIT_MAX, DELETION_WAIT_MIN,
    LIST_PAGE_SIZE_MAX,
};
use crate::record::access::is_line;
use crate::record::key::milliseconds;
use crate::record::{
    AccessData, AccessMethod, AccessRow, Deletion, KeyStoreRecord, Permit, PermittedOperations, StoreState, address,
};
use crate::storage::{Compare, Revision, Write};

/// Authentication data to add.
#[derive(Clone, Debug)]
pub struct NewAccess {
    /// What a client must show.
    pub data: AccessData,
    /// What people say of it: one line of 0..=256 bytes.
    pub description: String,
    /// When it stops to pass by itself, in milliseconds since 1970.
    pub ends_ms: Option<u64>,
    /// What it permits.
    pub permit: NewPermit,
}

/// What authentication data are to permit. The default is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewPermit {
    /// Which operations; `None`: all.
    pub operations: Option<PermittedOperations>,
    /// With which keys of the store; `None`: with all.
    pub keys: Option<BTreeSet<KeyId>>,
}

/// Some of the rows of a key store, in the order of their ids.
#[derive(Clone, Debug)]
pub struct AccessPage {
    /// The rows, and when each was last used, in milliseconds since 1970, if it was.
    pub rows: Vec<(AccessRow, Option<u64>)>,
    /// After which one the next page begins; `None` if this is the last one.
    pub next: Option<AccessRowId>,
}

impl Engine {
    /// Adds a row of authentication data to a key store. On whose behalf, the row tells; of a name that is longer than 256 bytes, the beginning.
    ///
    /// # Errors
    /// [`Error::KeyStoreNotFound`], [`Error::InvalidAccessData`], [`Error::InvalidAccessDescription`], [`Error::InvalidPermit`], [`Error::KeyNotFound`] if it names a key that
    /// the store does not have, [`Error::AccessRowExists`], [`Error::TooManyAccessRows`], [`Error::Entropy`], [`Error::Damaged`], [`Error::Storage`].
    pub fn add_access(&self, store: StoreId, new: NewAccess) -> Result<AccessRow, Error> {
        self.add_access_beside(store, new, |_, _| ())
    }

    /// Adds the row of an issued certificate in place of a former one, which permits what that permits, and has that end at `former_ends_ms` at the latest.
    ///
    /// # Errors
    /// As [`Engine::add_access`]; [`Error::AccessRowNotFound`], [`Error::AccessStateWrong`] if the former one is not available, [`Error::NotACertificate`] if it is none.
    pub fn renew_access(
        &self,
        store: StoreId,
        former: AccessRowId,
        renewed: AccessData,
        ends_ms: u64,
        former_ends_ms: u64,
    ) -> Result<(AccessRow, AccessRow), Error> {
        let (mut before, revision) = self.ledger.read_access(store, former)?;
        must_be(&before, &[KeyState::Available], "available")?;
        if !matches!(before.data, AccessData::IssuedCertificate(_)) {
            return Err(Error::NotACertificate(former));
        }
        let Permit { operations, keys } = before.permit.clone();
        // Keys that are gone meanwhile are not named any more: if all of them are, the certificate permits nothing, and is not renewed.
        let is_there = |key: &KeyId| matches!(self.describe_named_key(*key), Ok(Some(_)));
        let keys = keys.map(|keys| keys.iter().copied().filter(is_there).collect());
        let permit = NewPermit { operations: Some(operations), keys };
        let new = NewAccess { data: renewed, description: before.description.clone(), ends_ms: Some(ends_ms), permit };
        before.ends_ms = Some(before.ends_ms.map_or(former_ends_ms, |ends_ms| ends_ms.min(former_ends_ms)));
        let place = address::access_row(store, former);
        let row = self.add_access_beside(store, new, |compares, writes| {
            compares.push(Compare::unchanged(place.clone(), revision));
            writes.push(self.vault().put(place, &before));
        })?;
        Ok((row, before))
    }

    fn add_access_beside(
        &self,
        store: StoreId,
        new: NewAccess,
        beside: impl FnOnce(&mut Vec<Compare>, &mut Vec<Write>),
    ) -> Result<AccessRow, Error> {
        self.describe_store(store)?;
        new.data.check()?;
        let row = AccessRow {
            id: AccessRowId::generate(&*self.ledger.random)?,
            store,
            data: new.data,
            description: new.description,
            state: KeyState::Available,
            created_ms: self.ledger.clock.now_ms(),
            creator: cut(&self.ledger.act().actor, ACCESS_CREATOR_SIZE_MAX),
            ends_ms: new.ends_ms,
            permit: self.permit(store, new.permit)?,
            deletion: None,
        };
        if !is_line(&row.description, ACCESS_DESCRIPTION_SIZE_MAX) {
            return Err(Error::InvalidAccessDescription);
        }
        // One at a time, so that there are never two that exclude each other, or too many.
        let _adding = self.ledger.makes_at_once().then(|| self.ledger.access.lock());
        let rows = self.ledger.source.read_access_rows(store)?;
        let beside_it = self.ledger.access_beside(store);
        if rows.len() + beside_it.len() >= ACCESS_ROWS_MAX {
            return Err(Error::TooManyAccessRows);
        }
        if let Some(AccessRow { id, state, data, .. }) = rows.into_iter().find(|other| other.data.excludes(&row.data)) {
            return Err(Error::AccessRowExists { id, state, data });
        }
        if beside_it.iter().any(|other| other.excludes(&row.data)) {
            return Err(Error::ChangesOverlap);
        }
        let place = address::access_row(store, row.id);
        let mut writes = vec![self.vault().put(place.clone(), &row)];
        let mut compares = vec![Compare::absent(place)];
        beside(&mut compares, &mut writes);
        self.ledger.commit(&compares, &writes)?;
        self.ledger.note_access(store, row.data.clone());
        Ok(row)
    }

    /// A row of the authentication data of a key store, and when it was last used, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`Error::AccessRowNotFound`], [`Error::Damaged`], [`Error::Storage`].
    pub fn describe_access(&self, store: StoreId, id: AccessRowId) -> Result<(AccessRow, Option<u64>), Error> {
        let (row, _) = self.ledger.read_access(store, id)?;
        let last_used_ms = self.ledger.source.last_use_of(id);
        Ok((row, last_used_ms))
    }

    /// One page of the rows of a key store that `filter` takes, in the order of their ids, after the id `after`: at most `limit`, and at most 1,000. A row that cannot be read is
    /// left out: it lets nobody in.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn list_access(
        &self,
        store: StoreId,
        filter: impl Fn(&AccessRow) -> bool,
        after: Option<AccessRowId>,
        limit: usize,
    ) -> Result<AccessPage, Error> {
        let limit = limit.min(LIST_PAGE_SIZE_MAX);
        let rows = self.ledger.source.read_access_rows(store)?;
        let later = |row: &AccessRow| after.is_none_or(|after| row.id > after);
        let mut rows = rows.into_iter().filter(|row| later(row) && filter(row));
        let page: Vec<_> = rows.by_ref().take(limit).collect();
        let next = page.last().map(|row| row.id).filter(|_| rows.next().is_some());
        let rows = page.into_iter().map(|row| (self.ledger.source.last_use_of(row.id), row));
        Ok(AccessPage { rows: rows.map(|(last, row)| (row, last)).collect(), next })
    }

    /// Sets what a row permits.
    ///
    /// # Errors
    /// [`Error::AccessRowNotFound`], [`Error::InvalidPermit`], [`Error::KeyNotFound`], [`Error::Conflict`], [`Error::Storage`].
    pub fn narrow_access(&self, store: StoreId, id: AccessRowId, permit: NewPermit) -> Result<AccessRow, Error> {
        let permit = self.permit(store, permit)?;
        self.ledger.change_access(store, id, |row| {
            row.permit = permit;
            Ok(())
        })
    }

    /// Describes a row anew.
    ///
    /// # Errors
    /// [`Error::InvalidAccessDescription`], [`Error::AccessRowNotFound`], [`Error::Conflict`], [`Error::Storage`].
    pub fn describe_access_as(&self, store: StoreId, id: AccessRowId, text: String) -> Result<AccessRow, Error> {
        if !is_line(&text, ACCESS_DESCRIPTION_SIZE_MAX) {
            return Err(Error::InvalidAccessDescription);
        }
        self.ledger.change_access(store, id, |row| {
            row.description = text;
            Ok(())
        })
    }

    /// Sets when a row stops to pass by itself, in milliseconds since 1970, or that it does not. What an issued certificate permits never lasts longer than that.
    ///
    /// # Errors
    /// [`Error::AccessEndTooLate`], [`Error::AccessRowNotFound`], [`Error::Conflict`], [`Error::Storage`].
    pub fn end_access_at(&self, store: StoreId, id: AccessRowId, ends_ms: Option<u64>) -> Result<AccessRow, Error> {
        self.ledger.change_access(store, id, |row| {
            let is_issued = matches!(row.data, AccessData::IssuedCertificate(_));
            let is_later = match (row.ends_ms, ends_ms) {
                (Some(now), Some(then)) => then > now,
                (Some(_), None) => true,
                (None, _) => false,
            };
            if is_issued && is_later {
                return Err(Error::AccessEndTooLate);
            }
            row.ends_ms = ends_ms;
            Ok(())
        })
    }

    /// Makes a disabled row available again.
    ///
    /// # Errors
    /// [`Error::AccessRowNotFound`], [`Error::AccessStateWrong`] if its deletion is requested, [`Error::Conflict`], also if somebody disables it at the same time, [`Error::Storage`].
    pub fn enable_access(&self, store: StoreId, id: AccessRowId) -> Result<AccessRow, Error> {
        let write = || self.ledger.write_access_state(store, id, KeyState::Available);
        self.ledger.enable(UnwrittenStop::Row(store, id), write)
    }

    /// Requests the deletion of a row: it lets nobody in from now on, and is deleted when `wait`, 24 hours to 30 days, or else what its key store says, is over by both clocks.
    ///
    /// # Errors
    /// [`Error::DeletionWait`], [`Error::AccessRowNotFound`], [`Error::AccessStateWrong`] if it is requested already, [`Error::Conflict`], [`Error::Storage`].
    pub fn request_access_deletion(
        &self,
        store: StoreId,
        id: AccessRowId,
        wait: Option<Duration>,
    ) -> Result<AccessRow, Error> {
        let wait = wait.map_or_else(|| self.describe_store(store).map(|store| store.deletion_wait()), Ok)?;
        if !(DELETION_WAIT_MIN..=DELETION_WAIT_MAX).contains(&wait) {
            return Err(Error::DeletionWait);
        }
        let (now_ms, running_ms) = (self.ledger.clock.now_ms(), self.ledger.use_counts().running_ms());
        self.ledger.change_access(store, id, |row| {
            must_be(row, &[KeyState::Available, KeyState::Disabled], "available or disabled")?;
            let deadline_ms = now_ms.checked_add(milliseconds(wait)).ok_or(Error::DeletionWait)?;
            row.state = KeyState::DeletionRequested;
            row.deletion = Some(Deletion { requested_ms: now_ms, deadline_ms, running_ms });
            Ok(())
        })
    }

    /// Cancels the deletion of a row, which is disabled then.
    ///
    /// # Errors
    /// [`Error::AccessRowNotFound`], [`Error::AccessStateWrong`] if none is requested, [`Error::Conflict`], [`Error::Storage`].
    pub fn cancel_access_deletion(&self, store: StoreId, id: AccessRowId) -> Result<AccessRow, Error> {
        self.ledger.change_access(store, id, |row| {
            must_be(row, &[KeyState::DeletionRequested], "waiting for their deletion")?;
            (row.state, row.deletion) = (KeyState::Disabled, None);
            Ok(())
        })
    }

    /// Adds methods to those that a key store asks for, and takes others away, whose rows stay. Who does not pass all that are set by a row of each does not come in any more.
    ///
    /// # Errors
    /// [`Error::LastAccessMethod`] if none would be left, [`Error::KeyStoreNotFound`], [`Error::Conflict`], [`Error::Storage`]: nothing was changed.
    pub fn change_access_methods(
        &self,
        store: StoreId,
        add: &[AccessMethod],
        remove: &[AccessMethod],
    ) -> Result<KeyStoreRecord, Error> {
        self.ledger.change_store(store, |record| {
            record.methods = add.iter().fold(record.methods, |methods, method| methods.with(*method));
            for method in remove {
                record.methods = record.methods.without(*method).ok_or(Error::LastAccessMethod(*method))?;
            }
            Ok(())
        })
    }

    /// Makes a disabled key store available again.
    ///
    /// # Errors
    /// [`Error::KeyStoreNotFound`], [`Error::Conflict`], also if somebody disables it at the same time, [`Error::Storage`].
    pub fn enable_store(&self, store: StoreId) -> Result<KeyStoreRecord, Error> {
        let write = || self.ledger.write_store_state(store, StoreState::Available);
        self.ledger.enable(UnwrittenStop::Store(store), write)
    }

    /// What `new` comes to in this store.
    fn permit(&self, store: StoreId, new: NewPermit) -> Result<Permit, Error> {
        let NewPermit { operations, keys } = new;
        let permit = Permit { operations: operations.unwrap_or(PermittedOperations::ALL), keys: keys.map(Arc::new) };
        if !permit.is_consistent() {
            return Err(Error::InvalidPermit);
        }
        for key in permit.keys.iter().flat_map(|keys| keys.iter()) {
            if self.describe_key(*key)?.store != store {
                return Err(Error::KeyNotFound(*key));
            }
        }
        Ok(permit)
    }
}

impl Ledger {
    /// A row, and when it was last changed.
    ///
    /// # Errors
    /// [`Error::AccessRowNotFound`], [`Error::Damaged`], [`Error::Storage`].
    pub(super) fn read_access(&self, store: StoreId, id: AccessRowId) -> Result<(AccessRow, Revision), Error> {
        self.vault().read::<AccessRow>(&address::access_row(store, id))?.ok_or(Error::AccessRowNotFound(id))
    }

    pub(crate) fn write_access_state(
        &self,
        store: StoreId,
        id: AccessRowId,
        state: KeyState,
    ) -> Result<AccessRow, Error> {
        self.change_access(store, id, |row| {
            must_be(row, &[KeyState::Available, KeyState::Disabled], "available or disabled")?;
            row.state = state;
            Ok(())
        })
    }

    pub(crate) fn write_store_state(&self, store: StoreId, state: StoreState) -> Result<KeyStoreRecord, Error> {
        self.change_store(store, |record| {
            record.state = state;
            Ok(())
        })
    }

    fn change_access(
        &self,
        store: StoreId,
        id: AccessRowId,
        alter: impl FnOnce(&mut AccessRow) -> Result<(), Error>,
    ) -> Result<AccessRow, Error> {
        let (mut row, revision) = self.read_access(store, id)?;
        self.check_expected(&row)?;
        alter(&mut row)?;
        let place = address::access_row(store, id);
        // Written even where nothing is new: whoever made it so may still be waiting, and what is said here must be in force.
        let write = self.vault().put(place.clone(), &row);
        self.commit(&[Compare::unchanged(place, revision)], &[write])?;
        Ok(row)
    }

    /// Changes the record of a key store.
    ///
    /// # Errors
    /// Those of `alter`, [`Error::KeyStoreNotFound`], [`Error::Conflict`], [`Error::Storage`]: nothing was changed.
    pub(crate) fn change_store(
        &self,
        store: StoreId,
        alter: impl FnOnce(&mut KeyStoreRecord) -> Result<(), Error>,
    ) -> Result<KeyStoreRecord, Error> {
        let place = address::key_store(store);
        let found = self.vault().read::<KeyStoreRecord>(&place)?;
        let (mut record, revision) = found.ok_or(Error::KeyStoreNotFound(store))?;
        self.check_expected(&record)?;
        alter(&mut record)?;
        // Written even where nothing is new: whoever made it so may still be waiting, and what is said here must be in force.
        let write = self.vault().put(place.clone(), &record);
        self.commit(&[Compare::unchanged(place, revision)], &[write])?;
        Ok(record)
    }
}

impl HeldRow {
    /// Whether it is one by which a client comes in at this time, if it shows what is asked for.
    #[must_use]
    pub fn passes(&self, now_ms: u64) -> bool {
        self.row().passes(now_ms)
    }
}

fn must_be(row: &AccessRow, states: &[KeyState], needed: &'static str) -> Result<(), Error> {
    let (id, state) = (row.id, row.state);
    if states.contains(&state) { Ok(()) } else { Err(Error::AccessStateWrong { id, state, needed }) }
}

//! Destroying: what was deleted becomes worthless where storage has forgotten it, in its free pages and in backups, because the shred secret is overwritten on every mirror.
//!
//! The change that deletes notes in its own transaction which secret is to go. After it the secret is overwritten, then the note is removed. Whatever comes between, a crash or a mirror that
//! is away, the note is found at the next start and each minute.
//!
//! The same note is made before a secret is written, and removed by the change that needs it: so whatever was written for a change that was not made is destroyed, wherever it was cut short.

use crate::act::Act;
use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::KeyId;
use crate::ledger::Ledger;
use crate::limits::SCAN_PAGE_RECORDS;
use crate::record::{Destroyed, KeyRecord, PendingDestruction, address};
use crate::shred::{ShredError, ShredSecret, ShredTable, Slot};
use crate::storage::{Address, Compare, Write};

impl ShredTable {
    /// The shred secret of this key, which every wrap of its material needs.
    ///
    /// # Errors
    /// [`Error::KeyShredded`] if it was destroyed, which cannot be for a key that lives unless storage is older than the destruction; [`Error::ShredTable`].
    pub(crate) fn secret_of(&self, key: &KeyRecord) -> Result<ShredSecret, Error> {
        let slot = Slot::new(key.shred_slot).ok_or(Error::KeyShredded(key.id))?;
        self.secret(slot, key.id)?.ok_or(Error::KeyShredded(key.id))
    }

    /// Whether nothing of a key can be unwrapped any more, whatever its record says: one from an old copy of the storage may not know of the destruction.
    ///
    /// # Errors
    /// [`Error::ShredTable`] if no mirror has its secret and not all of them can be asked.
    pub fn is_shredded(&self, key: &KeyRecord) -> Result<bool, Error> {
        match self.secret_of(key) {
            Ok(_) => Ok(false),
            Err(Error::KeyShredded(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

impl Engine {
    /// The shred table.
    #[must_use]
    pub fn shred_table(&self) -> &ShredTable {
        &self.ledger.source.shred_table
    }

    /// Since when something of a key, itself or versions of it, is to be destroyed and is not yet, in milliseconds since 1970: a mirror of the shred table is away.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Storage`].
    pub fn pending_destruction(&self, id: KeyId) -> Result<Option<u64>, Error> {
        let places = address::pending_destructions_of(id);
        let pending = self.vault().scan::<PendingDestruction>(&places, None, SCAN_PAGE_RECORDS)?;
        Ok(pending.iter().filter(|(_, pending)| pending.was_used).map(|(_, pending)| pending.since_ms).min())
    }

    /// How many secrets are to be destroyed and are not yet, counted up to 1,000.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Storage`].
    pub fn pending_destructions(&self) -> Result<usize, Error> {
        let places = address::pending_destructions();
        let pending = self.vault().scan::<PendingDestruction>(&places, None, SCAN_PAGE_RECORDS)?;
        Ok(pending.iter().filter(|(_, pending)| pending.was_used).count())
    }
}

impl Ledger {
    /// The shred secret that what is wrapped at an address needs: that of the key, for material of a key; that of the import, for a transport key; that of the request, for what is kept of an approval; else none.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], [`Error::KeyShredded`], [`Error::ImportNotFound`] if that of an import was destroyed, [`Error::Approval`] if that of a request was, [`Error::ShredTable`], [`Error::Damaged`], [`Error::Storage`].
    pub(crate) fn shred_secret_at(&self, address: &Address) -> Result<Option<ShredSecret>, Error> {
        if let Some((_, import, slot)) = address::parse_transport_key(address) {
            return self.secret_of_import(import, slot)?.ok_or(Error::ImportNotFound(import)).map(Some);
        }
        if let Some((request, _, slot)) = address::parse_approval_secret(address) {
            return self.secret_of_approval(request, slot).map(Some);
        }
        let Some(id) = address::parse_key_version(address) else { return Ok(None) };
        let (record, _) = self.read_key(id)?;
        self.source.shred_table.secret_of(&record).map(Some)
    }

    /// Notes that the secrets of keys are to be destroyed, writes them to the shred table, and makes a change that refers to their slots. `change` gets the writes that remove the notes,
    /// and makes them in its own transaction: so that a secret is destroyed, at once or later, unless the change was made.
    ///
    /// # Errors
    /// [`Error::ShredTable`], [`Error::Storage`]: the change was not tried; those of `change`.
    pub(crate) fn with_slots(
        &self,
        keys: &[(KeyId, &ShredSecret)],
        change: impl FnOnce(&[Slot], Vec<Write>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // On trial nothing is written that would have to be destroyed.
        if keys.is_empty() || self.is_on_trial() {
            return change(&[], Vec::new());
        }
        let notes = |slots: &[Slot]| -> Vec<_> {
            slots.iter().zip(keys).map(|(slot, (id, _))| address::pending_destruction(*id, *slot)).collect()
        };
        let pending = PendingDestruction { since_ms: self.clock.now_ms(), was_used: false };
        self.follower.check()?;
        let table = &self.source.shred_table;
        let slots = table.put(keys, |slots, sequence, is_behind| {
            let mut writes: Vec<_> = notes(slots).into_iter().map(|note| self.vault().put(note, &pending)).collect();
            writes.push(self.note_shred_table(sequence, is_behind));
            self.vault().transact(&[], &writes).map(drop)
        })?;
        let remove = || notes(&slots).into_iter().map(|address| Write::Delete { address }).collect();
        let changed = change(&slots, remove());
        let secrets: Vec<_> = slots.iter().copied().zip(keys.iter().map(|(id, _)| *id)).collect();
        if changed.is_ok() && self.keep_in_flight(&secrets) {
            return changed;
        }
        if changed.is_err()
            && let Err(error) = self.take_back(&secrets, &remove())
        {
            tracing::warn!(%error, slots = slots.len(), "slots of the shred table stay taken for nothing: it is tried again each minute");
        }
        table.land(&slots);
        changed
    }

    /// Destroys secrets that were written for one change, and removes their notes, unless the change was made: then the notes are gone.
    fn take_back(&self, secrets: &[(Slot, KeyId)], remove: &[Write]) -> Result<(), Error> {
        let Some((slot, id)) = secrets.first() else { return Ok(()) };
        if self.vault().storage().get(&address::pending_destruction(*id, *slot))?.is_some() {
            self.source.shred_table.take_back(secrets)?;
            self.vault().transact(&[], remove)?;
        }
        Ok(())
    }

    /// The write that notes that the secret which a key had before a change is to be destroyed, if the change gives it another one or none.
    pub(crate) fn note_pending(&self, before: &KeyRecord, after: &KeyRecord) -> Option<Write> {
        let former = Slot::new(before.shred_slot).filter(|former| former.get() != after.shred_slot)?;
        let pending = PendingDestruction { since_ms: after.changed_ms, was_used: true };
        Some(self.vault().put(address::pending_destruction(after.id, former), &pending))
    }

    /// Destroys the secrets that a key had before a change that was made. What cannot be done now is done later. Gives the key as it is then.
    pub(crate) fn destroy_former_secrets(&self, key: KeyRecord) -> KeyRecord {
        if let Err(error) = self.destroy_pending(&address::pending_destructions_of(key.id)) {
            tracing::warn!(key = %key.id, %error, "deleted, but not yet destroyed: it is tried again each minute");
        }
        self.read_key(key.id).map_or(key, |(record, _)| record)
    }

    /// Brings back the mirrors of the shred table that can be, and destroys what is to be destroyed.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`].
    pub(crate) fn tend_shred_table(&self) -> Result<(), Error> {
        if let Err(error) = self.source.shred_table.tend() {
            tracing::error!(%error, "the mirrors of the shred table cannot be brought together");
        }
        self.resume_destructions()
    }

    /// Destroys what is to be destroyed, as far as the mirrors are there.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`].
    pub(crate) fn resume_destructions(&self) -> Result<(), Error> {
        match self.destroy_pending(&address::pending_destructions()) {
            Err(error @ (Error::Storage(_) | Error::Closed)) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "some of what was deleted is not yet destroyed: it is tried again each minute");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Destroys the secrets that are noted at addresses beginning with `prefix`: all that can be, whatever the others fail of.
    ///
    /// # Errors
    /// [`Error::ShredTable`], [`Error::Damaged`], [`Error::Storage`], [`Error::Closed`].
    pub(crate) fn destroy_pending(&self, prefix: &Address) -> Result<(), Error> {
        let (mut after, mut failed) = (None, None);
        loop {
            let page = self.vault().storage().scan(prefix, after.as_ref(), SCAN_PAGE_RECORDS)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let (mut used, mut unused) = (Vec::with_capacity(page.len()), Vec::new());
            for (slot, id) in page.iter().filter_map(|(address, _)| address::parse_pending_destruction(address)) {
                match self.noted(slot, id) {
                    Ok(Some(PendingDestruction { was_used: true, .. })) => used.push((slot, id)),
                    Ok(Some(PendingDestruction { was_used: false, .. })) => unused.push((slot, id)),
                    Ok(None) => {}
                    Err(error) => failed = Some(error),
                }
            }
            let table = &self.source.shred_table;
            let mut destroyed = match table.destroy(&used) {
                Ok(()) => used,
                Err(error) => {
                    let is_older = matches!(error, ShredError::Older(_));
                    failed = Some(error.into());
                    // What is beyond the end does not hold up the rest.
                    used.retain(|secret| is_older && table.destroy(std::slice::from_ref(secret)).is_ok());
                    used
                }
            };
            match table.take_back(&unused) {
                Ok(()) => destroyed.append(&mut unused),
                Err(error) => failed = Some(error.into()),
            }
            destroyed.into_iter().try_for_each(|(slot, id)| self.note_destroyed(slot, id))?;
        }
        failed.map_or(Ok(()), Err)
    }

    /// What is noted of a secret, if it is to be destroyed now.
    fn noted(&self, slot: Slot, id: KeyId) -> Result<Option<PendingDestruction>, Error> {
        // A change that was made since the note was found has removed it before it landed.
        if self.source.shred_table.is_in_flight(slot) {
            return Ok(None);
        }
        let Some((noted, _)) = self.vault().read(&address::pending_destruction(id, slot))? else { return Ok(None) };
        Ok(self.is_former(slot, id)?.then_some(noted))
    }

    /// Whether the key does not live by this secret: a note that says so is wrong, and is not obeyed.
    fn is_former(&self, slot: Slot, id: KeyId) -> Result<bool, Error> {
        match self.read_key(id) {
            Ok((record, _)) if record.shred_slot == slot.get() => {
                tracing::error!(key = %id, slot = slot.get(), "the shred secret of a key that lives is noted to be destroyed: it is kept");
                Ok(false)
            }
            Ok(_) | Err(Error::KeyNotFound(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Removes the note of a secret that is destroyed. With the last one of a deleted key, the key is told to be destroyed.
    fn note_destroyed(&self, slot: Slot, id: KeyId) -> Result<(), Error> {
        let mut writes = vec![Write::Delete { address: address::pending_destruction(id, slot) }];
        let mut compares = Vec::new();
        match self.read_key(id) {
            Ok((before, revision)) => {
                let noted = self.vault().storage().scan(&address::pending_destructions_of(id), None, 2)?;
                let mut record = before.clone();
                if let Some(deleted) =
                    record.deleted.as_mut().filter(|deleted| noted.len() == 1 && deleted.destroyed.is_none())
                {
                    let class = self.source.shred_table.class();
                    deleted.destroyed = Some(Destroyed { class, at_ms: self.clock.now_ms() });
                    compares.push(Compare::unchanged(address::key(id), revision));
                    self.put_key(Some(&before), &record, &mut writes);
                }
            }
            Err(Error::KeyNotFound(_)) => {}
            Err(error) => return Err(error),
        }
        let shown = "the shred secret of a key, a version, an import or a request for approval was destroyed";
        match self.on_behalf_of(Act::of_engine_because("destruction", shown)).commit(&compares, &writes) {
            // It was purged meanwhile: the note is found again.
            Err(Error::Conflict) => Ok(()),
            other => other,
        }
    }
}

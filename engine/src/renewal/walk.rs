//! A walk over everything that is stored.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Needed;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::limits::{RENEWAL_BATCH_RECORDS, RENEWAL_BATCH_SIZE, SCAN_PAGE_RECORDS};
use crate::record::address;
use crate::record::vault::versions_needed;
use crate::storage::{Address, Compare, Database, Revision, Versioned, Write};

/// Walks over all records, page by page.
pub(super) struct Walk<'r> {
    ledger: &'r Ledger,
    ending: &'r AtomicBool,
    /// Called after each page with how many milliseconds that took.
    rest: Option<&'r dyn Fn(u64)>,
}

impl<'r> Walk<'r> {
    /// A walk that does not rest.
    pub(super) const fn new(ledger: &'r Ledger, ending: &'r AtomicBool) -> Self {
        Self { ledger, ending, rest: None }
    }

    /// The same, with rests.
    pub(super) const fn resting(self, rest: &'r dyn Fn(u64)) -> Self {
        Self { rest: Some(rest), ..self }
    }

    /// Counts the records that need versions of the system key of which `wanted` says so. What is no record counts too: nobody knows what it needs.
    pub(super) fn count(&self, wanted: impl Fn(&[u32]) -> bool) -> Result<Needed, Error> {
        let mut needed = Needed::default();
        self.each_page(SCAN_PAGE_RECORDS, &mut |page| {
            for (address, found) in page.into_iter().filter(|(_, found)| !found.value.is_empty()) {
                if versions_needed(&found.value).is_none_or(|versions| wanted(&versions)) {
                    needed.records += 1;
                    needed.first.get_or_insert(address);
                }
            }
            Ok(())
        })?;
        Ok(needed)
    }

    /// Protects anew what is not protected by the current system key alone; tells `renewed` how many records, batch by batch. What is damaged is left, and logged; gives the error of
    /// one of them.
    pub(super) fn renew_all(&self, renewed: &mut dyn FnMut(u64)) -> Result<Option<Error>, Error> {
        let mut damaged = None;
        self.each_page(RENEWAL_BATCH_RECORDS, &mut |page| {
            let mut batch = Batch::default();
            for (address, found) in page {
                // What is wrapped would be unwrapped.
                self.ledger.source.lock.check()?;
                match self.renew(&address, &found) {
                    Ok(Some(write)) => batch.push(&address, found.revision, write),
                    Ok(None) => {}
                    Err(
                        error @ (Error::Damaged(_)
                        | Error::SystemKeyMissing(_)
                        | Error::ShredTable(_)
                        | Error::KeyNotFound(_)
                        | Error::ImportNotFound(_) | Error::Approval(_)),
                    ) => {
                        tracing::error!(%error, %address, "a record cannot be protected anew by the current system key");
                        damaged = Some(error);
                    }
                    Err(error) => return Err(error),
                }
                if batch.size >= RENEWAL_BATCH_SIZE {
                    renewed(self.commit(std::mem::take(&mut batch))?);
                }
            }
            renewed(self.commit(batch)?);
            Ok(())
        })?;
        Ok(damaged)
    }

    /// The write that protects anew what was found at an address. Nothing is to be done for what has changed since: whoever changed it has protected it by the current key, or the next
    /// walk does.
    fn renew(&self, address: &Address, found: &Versioned) -> Result<Option<Write>, Error> {
        let vault = self.ledger.vault();
        let renewed = vault.renew(address, &found.value, |address| self.ledger.shred_secret_at(address));
        // A key that has another shred secret by now, or none, does not open what it had before.
        let may_be_stale = matches!(
            renewed,
            Err(Error::Damaged(_)
                | Error::KeyShredded(_)
                | Error::KeyNotFound(_)
                | Error::ImportNotFound(_)
                | Error::Approval(_))
        );
        if may_be_stale && vault.storage().get(address)?.is_none_or(|now| now.revision != found.revision) {
            return Ok(None);
        }
        // Nobody can unwrap it any more, and nothing would ever free the old system key from it.
        if let (Err(Error::KeyShredded(key)), Some(_)) = (&renewed, address::parse_key_version(address)) {
            tracing::warn!(%key, "the material of a key is removed whose shred secret was destroyed");
            return Ok(Some(Write::Delete { address: address.clone() }));
        }
        if let (Err(Error::Approval(error)), Some(_)) = (&renewed, address::parse_approval_secret(address)) {
            tracing::warn!(%error, "what was kept of a request for approval is removed");
            return Ok(Some(Write::Delete { address: address.clone() }));
        }
        renewed
    }

    /// Protects one record anew, if there is one.
    pub(super) fn renew_at(&self, address: &Address) -> Result<(), Error> {
        let vault = self.ledger.vault();
        let Some(found) = vault.storage().get(address)? else { return Ok(()) };
        if let Some(write) = self.renew(address, &found)? {
            let compares = [Compare::unchanged(address.clone(), found.revision)];
            self.ledger.renewed.note(&compares, || vault.transact(&compares, &[write]))?;
        }
        Ok(())
    }

    /// Writes a batch, without the records that have changed since they were read; gives how many were written.
    fn commit(&self, batch: Batch) -> Result<u64, Error> {
        let Batch { compares, writes, .. } = batch;
        if writes.is_empty() {
            return Ok(0);
        }
        let vault = self.ledger.vault();
        // Each record goes through the journal: without end, that would take the room of changes that somebody waits for.
        vault.storage().check_spare_space()?;
        let all = u64::try_from(writes.len()).unwrap_or(u64::MAX);
        let (renewed, revision) = match self.ledger.renewed.note(&compares, || vault.transact(&compares, &writes)) {
            Ok(revision) => (all, Some(revision)),
            Err(Error::Conflict) => self.commit_each(&compares, &writes)?,
            Err(error) => return Err(error),
        };
        // The cache reads again what was written. Waiting for it keeps changes by others from having to wait for more than one batch.
        revision.map_or(Ok(()), |revision| self.ledger.follower.wait_for(revision))?;
        Ok(renewed)
    }

    fn commit_each(&self, compares: &[Compare], writes: &[Write]) -> Result<(u64, Option<Revision>), Error> {
        let (mut renewed, mut last) = (0, None);
        for (compare, write) in compares.iter().zip(writes) {
            let (compares, writes) = (std::slice::from_ref(compare), std::slice::from_ref(write));
            match self.ledger.renewed.note(compares, || self.ledger.vault().transact(compares, writes)) {
                Ok(revision) => (renewed, last) = (renewed + 1, Some(revision)),
                // Whoever changed it has protected it by the current key; else the next walk does.
                Err(Error::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((renewed, last))
    }

    fn each_page(
        &self,
        limit: usize,
        act: &mut dyn FnMut(Vec<(Address, Versioned)>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for database in Database::ALL {
            let prefix = Address::new(database, "");
            let mut after = None;
            loop {
                if self.ending.load(Ordering::Relaxed) {
                    return Err(Error::Closed);
                }
                let began_ms = self.ledger.clock.monotonic_ms();
                let page = self.ledger.vault().storage().scan(&prefix, after.as_ref(), limit)?;
                let Some((last, _)) = page.last() else { break };
                after = Some(last.clone());
                act(page)?;
                if let Some(rest) = self.rest {
                    rest(self.ledger.clock.monotonic_ms().saturating_sub(began_ms));
                }
            }
        }
        Ok(())
    }
}

/// Records that are written together, each if it has not changed.
#[derive(Default)]
struct Batch {
    compares: Vec<Compare>,
    writes: Vec<Write>,
    /// Sum of the values, in bytes.
    size: usize,
}

impl Batch {
    fn push(&mut self, address: &Address, revision: Revision, write: Write) {
        if let Write::Put { value, .. } = &write {
            self.size += value.len();
        }
        self.compares.push(Compare::unchanged(address.clone(), revision));
        self.writes.push(write);
    }
}

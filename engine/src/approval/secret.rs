//! What of a request for approval may hold secrets: what exactly is to be done, and what it has answered.
//!
//! Each is wrapped with a shred secret of its own, as keys are, which stands in the shred table under the id of the request. It is destroyed as soon as the request is decided or its time is over, and that
//! of the answers a day later: so what free pages and backups hold of it opens nothing any more, and a request that comes back with an old copy of storage is not done again.

use super::{ApprovalError, ApprovalId};
use crate::error::Error;
use crate::key::id::KeyId;
use crate::key::material::SecretBytes;
use crate::ledger::Ledger;
use crate::record::approval::ApprovalSecretRecord;
use crate::record::{PendingDestruction, address};
use crate::shred::{ShredSecret, Slot};
use crate::storage::{Address, Write};

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum SecretPart {
    /// What exactly is to be done.
    Calls = b'c',
    /// What it has answered.
    Answers = b'a',
}

impl SecretPart {
    /// That of this byte in an address.
    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            b'c' => Some(Self::Calls),
            b'a' => Some(Self::Answers),
            _ => None,
        }
    }
}

impl Ledger {
    /// Keeps `content`; `commit` makes the writes that do so, in one transaction with its own.
    ///
    /// # Errors
    /// [`Error::Entropy`], [`Error::ShredTable`], [`Error::Storage`], those of `commit`: it is not kept.
    pub(super) fn keep_secret(
        &self,
        id: ApprovalId,
        part: SecretPart,
        content: &SecretBytes,
        commit: impl FnOnce(Vec<Write>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let secret = ShredSecret::generate(&*self.random)?;
        self.with_slots(&[(secret_id(id), &secret)], |slots, landed| {
            let slot = slots.first().ok_or(Error::Conflict)?;
            let place = address::approval_secret(id, part, *slot);
            let wrapped = self.vault().wrap::<ApprovalSecretRecord>(&place, Some(&secret), content.expose())?;
            let put = self.vault().put(place, &ApprovalSecretRecord { wrapped });
            commit(landed.into_iter().chain([put]).collect())
        })
    }

    /// What is kept of a request; `None` if it is not.
    ///
    /// # Errors
    /// [`ApprovalError::Gone`] if its shred secret was destroyed, so that it has come back with an old copy of storage; [`Error::ShredTable`], [`Error::Damaged`], [`Error::SystemKeyMissing`],
    /// [`Error::Storage`].
    pub(super) fn kept_secret(&self, id: ApprovalId, part: SecretPart) -> Result<Option<SecretBytes>, Error> {
        let Some(place) = self.places(id, part)?.pop() else { return Ok(None) };
        let secret = self.shred_secret_at(&place)?;
        let Some((record, _)) = self.vault().read::<ApprovalSecretRecord>(&place)? else { return Ok(None) };
        self.vault().unwrap::<ApprovalSecretRecord>(&place, secret.as_ref(), &record.wrapped).map(Some)
    }

    /// The writes that remove what is kept, and note that its shred secret is to be destroyed.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub(super) fn end_secret(&self, id: ApprovalId, part: SecretPart) -> Result<Vec<Write>, Error> {
        let pending = PendingDestruction { since_ms: self.clock.now_ms(), was_used: true };
        let mut writes = Vec::new();
        for place in self.places(id, part)? {
            if let Some((id, _, slot)) = address::parse_approval_secret(&place) {
                writes.push(self.vault().put(address::pending_destruction(secret_id(id), slot), &pending));
            }
            writes.push(Write::Delete { address: place });
        }
        Ok(writes)
    }

    /// Destroys the shred secrets of what was ended. What cannot be done now is done later.
    pub(super) fn destroy_secrets(&self, id: ApprovalId) {
        if let Err(error) = self.destroy_pending(&address::pending_destructions_of(secret_id(id))) {
            tracing::warn!(request = %id, %error, "over, but what was asked for is not yet destroyed: it is tried again each minute");
        }
    }

    /// The shred secret of what is kept of a request in this slot.
    ///
    /// # Errors
    /// [`ApprovalError::Gone`] if it was destroyed; [`Error::ShredTable`].
    pub(crate) fn secret_of_approval(&self, id: ApprovalId, slot: Slot) -> Result<ShredSecret, Error> {
        let secret = self.source.shred_table.secret(slot, secret_id(id))?;
        secret.ok_or_else(|| ApprovalError::Gone(id).into())
    }

    fn places(&self, id: ApprovalId, part: SecretPart) -> Result<Vec<Address>, Error> {
        let found = self.vault().storage().scan(&address::approval_secrets_of(id, part), None, PLACES_MAX)?;
        Ok(found.into_iter().map(|(place, _)| place).collect())
    }
}

/// Under which id the shred secrets of a request stand in the table: half of it is random, so no key has it.
pub(crate) const fn secret_id(id: ApprovalId) -> KeyId {
    KeyId(id.0)
}

/// There is one.
const PLACES_MAX: usize = 8;

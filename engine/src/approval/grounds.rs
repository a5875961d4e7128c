//! What a change builds on, as it stood when it was asked for.

use std::collections::BTreeSet;

use super::ApprovalError;
use crate::crypto::checksum::sha256;
use crate::error::Error;
use crate::record::vault::Vault;
use crate::storage::{Address, Compare, Versioned};

/// One record that a change builds on, or that there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ground {
    /// Where.
    pub(crate) address: Address,
    /// SHA-256 of what it says, not of how it is protected: a rotation of the system key is no change of it. Of one that cannot be read, of what is stored there. `None`: there was no record.
    pub(crate) hash: Option<[u8; 32]>,
}

impl Ground {
    /// The records at `places` as they stand.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub(super) fn of(vault: &Vault, places: BTreeSet<Address>) -> Result<Vec<Self>, Error> {
        let ground = |address: Address| {
            let hash = read(vault, &address)?.map(|(hash, _)| hash);
            Ok(Self { address, hash })
        };
        places.into_iter().map(ground).collect()
    }

    /// The condition that it still stands so, if it does now.
    ///
    /// # Errors
    /// [`ApprovalError::Moved`] if it does not; [`Error::Storage`].
    pub(super) fn compare(&self, vault: &Vault) -> Result<Compare, Error> {
        let found = read(vault, &self.address)?;
        if found.as_ref().map(|(hash, _)| hash) != self.hash.as_ref() {
            return Err(ApprovalError::Moved(self.address.to_string()).into());
        }
        let address = self.address.clone();
        Ok(found.map_or_else(|| Compare::absent(address.clone()), |(_, compare)| compare))
    }
}

fn read(vault: &Vault, address: &Address) -> Result<Option<([u8; 32], Compare)>, Error> {
    let Some(Versioned { value, revision }) = vault.storage().get(address)? else { return Ok(None) };
    let hash = match vault.fields(address, &value) {
        Ok(said) => sha256(&[&said]),
        // What is damaged can be replaced: it must be the same that is damaged still.
        Err(Error::Damaged(_) | Error::SystemKeyMissing(_)) => sha256(&[UNREADABLE, &value]),
        Err(error) => return Err(error),
    };
    Ok(Some((hash, Compare::unchanged(address.clone(), revision))))
}

/// Before what is hashed of a record that cannot be read: no record says so, whose first byte is its type.
const UNREADABLE: &[u8] = b"unreadable record";

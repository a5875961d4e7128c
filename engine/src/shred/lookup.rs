//! Reading the secret of a key.

use super::error::ShredError;
use super::mirror::read_slot;
use super::slot::{Content, ShredSecret, Slot};
use super::table::ShredTable;
use crate::key::id::KeyId;

impl ShredTable {
    /// The secret of a key, which stands in `slot`; `None` if it was destroyed.
    ///
    /// # Errors
    /// [`ShredError::Mirror`] if it is not found and not every mirror can be asked; [`ShredError::Older`] for a slot that the table never had, or that [`ShredTable::reserve`] has found
    /// empty or with another key in it; [`ShredError::Damaged`].
    pub(crate) fn secret(&self, slot: Slot, id: KeyId) -> Result<Option<ShredSecret>, ShredError> {
        if let Found::Secret(secret) = self.find(slot, id)? {
            return Ok(Some(secret));
        }
        // Once more, while no mirror can come back: one that does so between the look at the slot and that at what is kept would make its keys look destroyed.
        let writer = self.writer.lock();
        let found = self.find(slot, id)?;
        if let Found::Secret(secret) = found {
            return Ok(Some(secret));
        }
        self.check()?;
        match found {
            Found::Beyond => Err(ShredError::Older(slot)),
            _ if writer.lacks(slot, id) => Err(ShredError::Older(slot)),
            Found::Damaged => Err(ShredError::Damaged(slot)),
            Found::Secret(_) | Found::Nothing => Ok(None),
        }
    }

    /// What the mirrors have of it.
    fn find(&self, slot: Slot, id: KeyId) -> Result<Found, ShredError> {
        // Good ones first. Another one may be behind, but what it holds for a slot that a key names is its secret.
        let states = self.mirrors.iter().map(|mirror| (mirror, mirror.state()));
        let (good, others): (Vec<_>, Vec<_>) = states.partition(|(_, state)| state.fault.is_none());
        let (mut found, mut error) = (Found::Beyond, None);
        for (mirror, state) in good.into_iter().chain(others) {
            match state.file.map(|file| read_slot(&*file, slot, &self.installation)) {
                Some(Ok(Some(Content::Taken { id: held, secret }))) if held == id => return Ok(Found::Secret(secret)),
                Some(Ok(Some(Content::Damaged))) => found = Found::Damaged,
                Some(Ok(Some(_))) if matches!(found, Found::Beyond) => found = Found::Nothing,
                Some(Err(fault)) => error = Some(ShredError::Mirror { path: mirror.path.clone(), error: fault }),
                _ => {}
            }
        }
        error.map_or(Ok(found), Err)
    }
}

/// What all mirrors together have of the secret of a key.
enum Found {
    Secret(ShredSecret),
    /// The slot is beyond their ends.
    Beyond,
    /// What is damaged on one of them may be it.
    Damaged,
    /// The slot is free, or another key's.
    Nothing,
}

//! Persons as they are read from the vault.

use std::collections::BTreeMap;

use super::{AssignedKeys, Person, PersonId};
use crate::error::Error;
use crate::limits::SCAN_PAGE_RECORDS;
use crate::record::{AssignedKeysRecord, PersonRecord, address};
use crate::source::VaultSource;

impl VaultSource {
    /// Puts in force what is stored of a person. One whose records cannot be read is nobody.
    pub(crate) fn refresh_person(&self, id: PersonId) {
        let person = self.read_person(id).unwrap_or_else(|error| {
            tracing::error!(person = %id, %error, "a person cannot be read: he is not let in");
            None
        });
        self.persons.publish(id, person);
    }

    /// As [`VaultSource::refresh_person`] for everybody who is known, or was.
    ///
    /// # Errors
    /// [`Error::Storage`]: the list of the persons cannot be read.
    pub(crate) fn refresh_persons(&self) -> Result<(), Error> {
        let mut ids = self.persons.ids();
        let mut after = None;
        loop {
            let page = self.vault.storage().scan(&address::persons(), after.as_ref(), SCAN_PAGE_RECORDS)?;
            ids.extend(page.iter().filter_map(|(place, _)| address::parse_person(place)));
            match page.into_iter().next_back() {
                Some((last, _)) => after = Some(last),
                None => break,
            }
        }
        ids.into_iter().for_each(|id| self.refresh_person(id));
        Ok(())
    }

    /// A person as storage has him now, if it has.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::SystemKeyMissing`], [`Error::Storage`].
    pub(crate) fn read_person(&self, id: PersonId) -> Result<Option<Person>, Error> {
        let place = address::person(id);
        let Some((record, revision)) = self.vault.read::<PersonRecord>(&place)? else { return Ok(None) };
        if record.id != id {
            return Err(Error::Damaged(place.to_string()));
        }
        let mut keys = BTreeMap::new();
        let mut after = place.clone();
        loop {
            let page = self.vault.storage().scan(&place, Some(&after), SCAN_PAGE_RECORDS)?;
            let Some((last, _)) = page.last() else { break };
            after = last.clone();
            for (place, found) in &page {
                let (_, store) =
                    address::parse_assigned_keys(place).ok_or_else(|| Error::Damaged(place.to_string()))?;
                let AssignedKeysRecord { keys: assigned } = self.vault.open(place, &found.value)?;
                keys.insert(store, AssignedKeys { keys: assigned, revision: found.revision });
            }
        }
        Ok(Some(Person { record, revision, keys }))
    }
}

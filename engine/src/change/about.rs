//! What people say of a key: its description and labels.

use std::collections::BTreeMap;

use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::KeyId;
use crate::key::name::Name;
use crate::record::KeyRecord;

/// What is to be said of a key from now on. What is not named stays.
#[derive(Clone, Debug, Default)]
pub struct AboutChange {
    /// Its description; an empty one is none.
    pub description: Option<String>,
    /// Labels by name; `None` removes one, whether or not it is there.
    pub labels: BTreeMap<Name, Option<String>>,
}

impl Engine {
    /// Changes description and labels of a key that is not deleted.
    ///
    /// # Errors
    /// [`Error::InvalidAbout`], [`Error::KeyNotFound`], [`Error::KeyStateWrong`] if it is deleted, [`Error::Conflict`], [`Error::Storage`].
    pub fn set_about(&self, id: KeyId, change: AboutChange) -> Result<KeyRecord, Error> {
        let AboutChange { description, labels } = change;
        self.ledger.change_key(id, |key| {
            key.must_live()?;
            let about = &mut key.record.about;
            if let Some(description) = description {
                about.description = description;
            }
            for (name, value) in labels {
                match value {
                    Some(value) => about.labels.insert(name, value),
                    None => about.labels.remove(&name),
                };
            }
            Ok(about.check()?)
        })
    }
}

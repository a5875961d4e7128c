//! Names and aliases of keys, as they are looked up and listed. Reads storage, so it is never called on a worker thread.

use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::StoreId;
use crate::key::name::Name;
use crate::limits::LIST_PAGE_SIZE_MAX;
use crate::record::key_name::KeyNameRecord;
use crate::record::{KeyRecord, address};
use crate::unreadable::Unreadable;

pub use crate::record::content::alias_revision;

/// Some of the aliases of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasPage {
    /// Each alias and the key that it stands for, in the order of the aliases.
    pub aliases: Vec<(Name, KeyRecord)>,
    /// After which alias the next page begins; `None` if this is the last one.
    pub next: Option<Name>,
    /// Aliases that were passed over because their records, or those of their keys, are damaged.
    pub unreadable: usize,
}

impl Engine {
    /// The key that this name or alias stands for in this store, if there is one. One that is moved meanwhile stands for the key before or for the key after, never for none.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Storage`].
    pub fn key_by_name(&self, store: StoreId, name: &Name) -> Result<Option<KeyRecord>, Error> {
        let place = address::key_name(store, name);
        let mut seen = None;
        while let Some((named, revision)) = self.vault().read::<KeyNameRecord>(&place)? {
            let record = self.describe_named_key(named.key)?;
            if record.is_some() || seen == Some(revision) {
                return Ok(record);
            }
            // Deleted since its name was read: the name is free by now, or, an alias, had been moved to another key before.
            seen = Some(revision);
        }
        Ok(None)
    }

    /// How often aliases were changed since the start. What was looked up by a name while this was the same is in force inside a frame in which it still is.
    #[must_use]
    pub fn alias_changes(&self) -> u64 {
        self.ledger.source.alias_changes()
    }

    /// One page of the aliases of a store in the order of their names, after the alias `after`, at most 1,000.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn list_aliases(&self, store: StoreId, after: Option<&Name>, limit: usize) -> Result<AliasPage, Error> {
        let after = after.map(|alias| address::alias(store, alias));
        let limit = limit.min(LIST_PAGE_SIZE_MAX);
        let entries = self.vault().storage().scan(&address::aliases(store), after.as_ref(), limit)?;
        // Told by the entries that were read, not by the keys: an alias that is deleted meanwhile does not end the list.
        let last = entries.last().filter(|_| entries.len() == limit);
        let next = last.and_then(|(address, _)| address::parse_alias(address));
        let (mut aliases, mut unreadable) = (Vec::with_capacity(entries.len()), Unreadable::default());
        for alias in entries.iter().filter_map(|(address, _)| address::parse_alias(address)) {
            // What the entry does not say, and nobody could trust it to, the alias itself says.
            let found = unreadable.pass_over(self.key_by_name(store, &alias))?;
            if let Some(key) = found.filter(|key| key.aliases.contains(&alias)) {
                aliases.push((alias, key));
            }
        }
        Ok(AliasPage { aliases, next, unreadable: self.tell_unreadable(store, unreadable) })
    }
}

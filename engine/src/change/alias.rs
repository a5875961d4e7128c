//! Aliases: other names of a key in its store. They share one space with the names of keys, so that a name always stands for one key.

use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::{KeyId, StoreId};
use crate::key::name::Name;
use crate::limits::ALIASES_MAX;
use crate::record::key_name::KeyNameRecord;
use crate::record::{KeyRecord, address};
use crate::storage::{Compare, Revision, Write};

impl Engine {
    /// Gives a key of a store, which is not deleted, one more name.
    ///
    /// # Errors
    /// [`Error::NameTaken`] by a key or as an alias, [`Error::TooManyAliases`], [`Error::KeyNotFound`] in this store, [`Error::KeyStateWrong`] if it is deleted,
    /// [`Error::Conflict`], [`Error::Storage`].
    pub fn create_alias(&self, store: StoreId, alias: &Name, key: KeyId) -> Result<KeyRecord, Error> {
        if self.find_key(store, alias)?.is_some() {
            return Err(Error::NameTaken(alias.clone()));
        }
        let created = self.ledger.change_key(key, |key| {
            must_take_alias(&key.record, store)?;
            key.must_live()?;
            key.record.aliases.insert(alias.clone());
            let place = address::key_name(store, alias);
            key.writes.push(self.vault().put(place.clone(), &KeyNameRecord::alias_of(key.record.id)));
            key.writes.push(Write::Put { address: address::alias(store, alias), value: Vec::new() });
            key.compares.push(Compare::absent(place));
            Ok(())
        });
        match created {
            // Taken between the look at the name and the change, or else the key has moved.
            Err(Error::Conflict) if self.find_key(store, alias)?.is_some() => Err(Error::NameTaken(alias.clone())),
            created => created,
        }
    }

    /// Has an alias, if it stands for `of` where that is given, stand for another key of its store, in one step: whoever asks for it gets the key before or this one, and once this
    /// returns, this one. Gives the record of this key. Who works with the key before by its id goes on with that one.
    ///
    /// # Errors
    /// [`Error::AliasNotFound`], also if it stands for a key that is not `of`; [`Error::NotAsExpected`], [`Error::TooManyAliases`], [`Error::KeyNotFound`] in this store,
    /// [`Error::KeyStateWrong`] if it is deleted, [`Error::Conflict`], [`Error::Storage`].
    pub fn move_alias(&self, of: Option<KeyId>, store: StoreId, alias: &Name, to: KeyId) -> Result<KeyRecord, Error> {
        let (from, alias_revision) = self.read_alias(of, store, alias)?;
        let ledger = self.ledger.after_look();
        if from == to {
            // Whoever moved it may still be waiting: what is said here must be in force too.
            return ledger.change_key(to, |_| Ok(()));
        }
        let (mut before, before_revision) = ledger.read_key(from)?;
        ledger.change_key(to, |key| {
            must_take_alias(&key.record, store)?;
            key.must_live()?;
            key.record.aliases.insert(alias.clone());
            let unaltered = before.clone();
            before.aliases.remove(alias);
            before.changed_ms = key.now_ms;
            self.ledger.put_key(Some(&unaltered), &before, &mut key.writes);
            let place = address::key_name(store, alias);
            key.writes.push(self.vault().put(place.clone(), &KeyNameRecord::alias_of(to)));
            // As it was; written, so that those who follow storage see that an alias was moved.
            key.writes.push(Write::Put { address: address::alias(store, alias), value: Vec::new() });
            key.compares.push(Compare::unchanged(address::key(from), before_revision));
            key.compares.push(Compare::unchanged(place, alias_revision));
            Ok(())
        })
    }

    /// Takes an alias from the key that has it, which is `of` where that is given; gives the record of the key.
    ///
    /// # Errors
    /// [`Error::AliasNotFound`], also if it stands for a key that is not `of`; [`Error::NotAsExpected`], [`Error::Conflict`], [`Error::Storage`].
    pub fn delete_alias(&self, of: Option<KeyId>, store: StoreId, alias: &Name) -> Result<KeyRecord, Error> {
        let (key, revision) = self.read_alias(of, store, alias)?;
        self.ledger.after_look().change_key(key, |key| {
            key.record.aliases.remove(alias);
            let place = address::key_name(store, alias);
            key.writes.push(Write::Delete { address: place.clone() });
            key.writes.push(Write::Delete { address: address::alias(store, alias) });
            key.compares.push(Compare::unchanged(place, revision));
            Ok(())
        })
    }

    /// The key that an alias stands for, which has to be this one if one is given, and has to be as the actor has seen it; and when that was last changed.
    fn read_alias(&self, of: Option<KeyId>, store: StoreId, alias: &Name) -> Result<(KeyId, Revision), Error> {
        let found = self.vault().read::<KeyNameRecord>(&address::key_name(store, alias))?;
        match found {
            Some((record @ KeyNameRecord { key, is_alias: true }, revision)) if of.is_none_or(|of| of == key) => {
                self.ledger.check_expected(&record)?;
                Ok((key, revision))
            }
            _ => Err(Error::AliasNotFound(alias.clone())),
        }
    }
}

/// Refuses a key of another store, and one that has as many aliases as a key may have.
fn must_take_alias(record: &KeyRecord, store: StoreId) -> Result<(), Error> {
    if record.store != store {
        return Err(Error::KeyNotFound(record.id));
    }
    if record.aliases.len() >= ALIASES_MAX { Err(Error::TooManyAliases(record.id)) } else { Ok(()) }
}

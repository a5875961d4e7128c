//! Lists of keys, page by page, in constant memory. Reads storage, so it is never called on a worker thread.
//!
//! A page looks at a bounded number of keys, whether or not they match: it may be empty and still tell where the next one begins.

use claviger_algorithm::KeyKind;

use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::{KeyId, StoreId};
use crate::key::name::Name;
use crate::key::state::KeyState;
use crate::limits::{LIST_EXAMINED_MAX, LIST_PAGE_SIZE_MAX};
use crate::record::key_name::KeyNameRecord;
use crate::record::{KeyRecord, address};
use crate::storage::{Address, Versioned};
use crate::unreadable::Unreadable;

/// Which keys are listed: those that are all that is said. Nothing is said by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Of this kind.
    pub kind: Option<KeyKind>,
    /// In this state.
    pub state: Option<KeyState>,
    /// Whose names begin so: any bytes of a name, 0..=100. It makes the list shorter to walk, too.
    pub name_prefix: String,
    /// Whose names have this in them.
    pub name_part: String,
    /// Which have this label, and if a value is said, with this value.
    pub label: Option<(Name, Option<String>)>,
}

/// Some of the keys of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPage<After> {
    /// The keys that match, in their order. There may be none, and more to come.
    pub keys: Vec<KeyRecord>,
    /// After which one the next page begins; `None` if this is the last one.
    pub next: Option<After>,
    /// Records that were passed over, whatever was asked for, because they are damaged: what they say is not known.
    pub unreadable: usize,
}

/// What is looked at for a page.
struct Entry<After> {
    /// Where it stands in the list.
    place: Option<After>,
    /// The key that stands there, if it is one.
    key: Result<Option<KeyId>, Error>,
}

impl KeyFilter {
    fn matches(&self, key: &KeyRecord) -> bool {
        self.kind.is_none_or(|kind| key.algorithm.row().kind == kind)
            && self.state.is_none_or(|state| key.state == state)
            && key.name.as_str().starts_with(&self.name_prefix)
            && key.name.as_str().contains(&self.name_part)
            && self.label.as_ref().is_none_or(|(name, value)| match (key.about.labels.get(name), value) {
                (Some(found), Some(value)) => found == value,
                (found, None) => found.is_some(),
                (None, Some(_)) => false,
            })
    }

    /// How many keys are looked at for a page of `limit`: without a filter, each of them is one of the page.
    fn examined(&self, limit: usize) -> usize {
        let by_more_than_place = Self { name_prefix: String::new(), ..self.clone() } != Self::default();
        if by_more_than_place && limit > 0 { LIST_EXAMINED_MAX } else { limit.min(LIST_PAGE_SIZE_MAX) }
    }
}

impl Engine {
    /// One page of the keys of a store that match `filter`, in the order of their names, after the name `after`: at most `limit`, and at most 1,000; there are fewer where
    /// aliases or damaged records stand between. Each key comes once, at its own name. Deleted ones have none any more.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn list_keys(
        &self,
        store: StoreId,
        filter: &KeyFilter,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<KeyPage<Name>, Error> {
        let after = after.map(|name| address::key_name(store, name));
        let examined = filter.examined(limit);
        let prefix = address::key_names(store, &filter.name_prefix);
        let names = self.vault().storage().scan(&prefix, after.as_ref(), examined)?;
        let own = |(place, stored): &(Address, Versioned)| {
            let named: KeyNameRecord = self.vault().open(place, &stored.value)?;
            Ok((!named.is_alias).then_some(named.key))
        };
        let names = names.iter().map(|name| Entry { place: address::parse_key_name(&name.0), key: own(name) });
        let is_listed = |key: &KeyRecord| key.state != KeyState::Deleted;
        self.page(store, names.collect(), filter, examined, limit, is_listed)
    }

    /// One page of the deleted keys of a store that match `filter`, in the order of their ids, after the id `after`: at most `limit`, and at most 1,000. They are told of for
    /// 365 days.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn list_deleted_keys(
        &self,
        store: StoreId,
        filter: &KeyFilter,
        after: Option<KeyId>,
        limit: usize,
    ) -> Result<KeyPage<KeyId>, Error> {
        let after = after.map(|id| address::deleted_key(store, id));
        let examined = if filter.name_prefix.is_empty() { filter.examined(limit) } else { LIST_EXAMINED_MAX };
        let places = self.vault().storage().scan(&address::deleted_keys(store), after.as_ref(), examined)?;
        let ids = places.iter().filter_map(|(place, _)| address::parse_deleted_key(place));
        let ids = ids.map(|id| Entry { place: Some(id), key: Ok(Some(id)) }).collect();
        self.page(store, ids, filter, examined, limit, |key| key.state == KeyState::Deleted && key.store == store)
    }

    /// The keys of `places` that match. Where the next page begins is told by what was looked at, not by what matched: a key that is deleted meanwhile does not end the list.
    fn page<After>(
        &self,
        store: StoreId,
        places: Vec<Entry<After>>,
        filter: &KeyFilter,
        examined: usize,
        limit: usize,
        is_listed: impl Fn(&KeyRecord) -> bool,
    ) -> Result<KeyPage<After>, Error> {
        let limit = limit.min(LIST_PAGE_SIZE_MAX);
        let is_whole = places.len() < examined;
        let (mut keys, mut unreadable) = (Vec::new(), Unreadable::default());
        let mut last = None;
        let mut left = places.len();
        for Entry { place, key } in places {
            if keys.len() >= limit {
                break;
            }
            let key = key.and_then(|id| id.map_or(Ok(None), |id| self.find_described(id)));
            let key = unreadable.pass_over(key)?;
            keys.extend(key.filter(|key| is_listed(key) && filter.matches(key)));
            last = place.or(last);
            left -= 1;
        }
        Ok(KeyPage {
            keys,
            next: last.filter(|_| !is_whole || left > 0),
            unreadable: self.tell_unreadable(store, unreadable),
        })
    }

    /// Says what a page has passed over, if that is due; gives how many records.
    pub(crate) fn tell_unreadable(&self, store: StoreId, unreadable: Unreadable) -> usize {
        unreadable.tell(store, &self.ledger.unreadable, self.ledger.clock.monotonic_ms())
    }

    /// The description of a key that stood in a list; `None` if it is gone by now.
    fn find_described(&self, id: KeyId) -> Result<Option<KeyRecord>, Error> {
        match self.describe_key(id) {
            Ok(record) => Ok(Some(record)),
            Err(Error::KeyNotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

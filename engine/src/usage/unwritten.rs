//! What was gathered of the use of keys and is not in storage yet. There may be a million keys, so that the usual one, used in one version by one client, takes no memory of its own.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::client::Client;
use super::tally::{Count, PlaceHasher, Table};
use crate::key::id::KeyId;
use crate::key::version::KeyVersion;
use crate::limits::{UNWRITTEN_ENTRIES_MAX, UNWRITTEN_KEYS_MAX, WRITTEN_KEYS_MAX};
use crate::record::usage::{ClientUsage, KeyUsage, OthersUsage, VersionUsage};

/// The keys whose use is not written, with what is to be added to their records.
#[derive(Default)]
pub(super) struct Unwritten {
    keys: HashMap<KeyId, Added, BuildHasherDefault<PlaceHasher>>,
    /// Those of them that are rotated by use and are to be written first.
    bounded: Vec<KeyId>,
    /// Versions and clients of all of them, beyond the first of each.
    entries: usize,
    /// Items for which there was no place.
    lost: u64,
    /// Memory for gathering.
    pub(super) spare: Table,
}

/// What is to be added to the record of one key.
pub(super) struct Added {
    first: Use,
    /// Uses of other versions or by other clients.
    more: Option<Box<KeyUsage>>,
}

/// Uses of one version by one client.
struct Use {
    version: KeyVersion,
    /// Whether the key is rotated by use.
    has_bounds: bool,
    /// `None` if it is not known by name.
    client: Option<Client>,
    items: u64,
    bytes: u64,
    last_ms: u64,
}

impl Unwritten {
    /// Adds uses of a version by a client, who is `None` if nobody knows the name. What has no place is counted as lost.
    pub(super) fn add(
        &mut self,
        id: KeyId,
        version: KeyVersion,
        client: Option<&Client>,
        Count { items, bytes, has_bounds }: Count,
        now_ms: u64,
    ) {
        let uses = Use { version, has_bounds, client: client.cloned(), items, bytes, last_ms: now_ms };
        let mut had_bounds = false;
        if let Some(added) = self.keys.get_mut(&id) {
            had_bounds = added.has_bounds();
            match added.add(uses, self.entries >= UNWRITTEN_ENTRIES_MAX) {
                Some(entries) => self.entries += entries,
                None => self.lost = self.lost.saturating_add(items),
            }
        } else if self.keys.len() < UNWRITTEN_KEYS_MAX {
            self.keys.insert(id, Added { first: uses, more: None });
        } else {
            self.lost = self.lost.saturating_add(items);
            return;
        }
        if has_bounds && !had_bounds {
            self.bounded.push(id);
        }
    }

    /// Items that were used beside those.
    pub(super) fn add_lost(&mut self, items: u64) {
        self.lost = self.lost.saturating_add(items);
    }

    /// Items that were lost since this was asked last.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// What is to be added to the record of a key.
    pub(super) fn get(&self, id: KeyId) -> Option<&Added> {
        self.keys.get(&id)
    }

    /// All keys.
    pub(super) fn ids(&self) -> Vec<KeyId> {
        self.keys.keys().copied().collect()
    }

    /// Takes those keys that are rotated by use and were not taken before.
    pub(super) fn take_bounded(&mut self) -> Vec<KeyId> {
        std::mem::take(&mut self.bounded)
    }

    /// The record of this key has been written.
    pub(super) fn remove(&mut self, id: KeyId) {
        let entries = self.keys.remove(&id).map_or(0, |added| added.entries());
        self.entries -= entries;
    }

    /// Whether so many keys are unwritten that they must not wait for long.
    pub(super) fn is_crowded(&self) -> bool {
        self.keys.len() >= UNWRITTEN_KEYS_MAX / 4 * 3
    }

    /// Gives back the memory of a moment in which very many keys were used.
    pub(super) fn give_back(&mut self) {
        let kept = self.keys.len().max(WRITTEN_KEYS_MAX) * 2;
        if self.keys.capacity() > 2 * kept {
            self.keys.shrink_to(kept);
        }
    }
}

impl Use {
    fn add(&mut self, items: u64, bytes: u64, last_ms: u64) {
        self.items = self.items.saturating_add(items);
        self.bytes = self.bytes.saturating_add(bytes);
        self.last_ms = self.last_ms.max(last_ms);
    }
}

impl Added {
    /// Adds uses; gives how many versions and clients are new. If there is no place for new ones, a new client counts as another, and a new version is `None`.
    fn add(&mut self, uses: Use, is_full: bool) -> Option<usize> {
        let Use { version, has_bounds, client, items, bytes, last_ms } = uses;
        self.first.has_bounds |= has_bounds;
        let name = client.as_ref().map(Client::name);
        if self.first.version == version && self.first.client.as_ref().map(Client::name) == name {
            self.first.add(items, bytes, last_ms);
            return Some(0);
        }
        let before = self.entries();
        let has_version = self.more.as_ref().is_some_and(|more| more.version(version).is_some());
        if is_full && !has_version {
            if self.first.version != version {
                return None;
            }
            // One of two clients cannot be told from the other any more: both count as others.
            self.first.client = None;
            self.first.add(items, bytes, last_ms);
            return Some(0);
        }
        let more = self.more.get_or_insert_default();
        more.add_version(VersionUsage { version, items, bytes, last_ms });
        match name.filter(|name| !is_full || more.has_client(name)) {
            Some(client) => more.add_client(ClientUsage { client: client.clone(), items, last_ms }),
            None => more.add_others(OthersUsage { items, last_ms }),
        }
        Some(self.entries() - before)
    }

    /// Whether the key is rotated by use.
    pub(super) const fn has_bounds(&self) -> bool {
        self.first.has_bounds
    }

    /// Adds all of it to what is known of the key.
    pub(super) fn add_to(&self, usage: &mut KeyUsage) {
        let Use { version, client, items, bytes, last_ms, .. } = &self.first;
        let (items, last_ms) = (*items, *last_ms);
        usage.add_version(VersionUsage { version: *version, items, bytes: *bytes, last_ms });
        match client {
            Some(client) => usage.add_client(ClientUsage { client: client.name().clone(), items, last_ms }),
            None => usage.add_others(OthersUsage { items, last_ms }),
        }
        if let Some(more) = &self.more {
            usage.add(more);
        }
    }

    /// Versions and clients beyond the first of each.
    fn entries(&self) -> usize {
        self.more.as_ref().map_or(0, |more| more.versions.len() + more.clients.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::client::ClientName;

    const FIRST: KeyVersion = KeyVersion::FIRST;

    fn id(number: usize) -> KeyId {
        // As spread as random ones.
        KeyId((u128::try_from(number).unwrap().wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)).to_be_bytes())
    }

    fn client(name: &str) -> Client {
        Client::for_tests(ClientName::certificate(name, [1; 32]))
    }

    fn once() -> Count {
        Count { items: 1, bytes: 10, has_bounds: false }
    }

    fn usage(unwritten: &Unwritten, id: KeyId) -> KeyUsage {
        let mut usage = KeyUsage::default();
        unwritten.get(id).unwrap().add_to(&mut usage);
        usage
    }

    // R-K20
    #[test]
    fn uses_of_further_versions_and_by_nobody_known_are_kept_beside_the_first() {
        let mut unwritten = Unwritten::default();
        let second = FIRST.next().unwrap();
        for (version, now_ms) in [(FIRST, 3), (second, 5), (FIRST, 4), (second, 6)] {
            unwritten.add(id(1), version, None, once(), now_ms);
        }
        let usage = usage(&unwritten, id(1));
        let versions = usage.versions.iter().map(|usage| (usage.version, usage.items, usage.bytes, usage.last_ms));
        assert_eq!(versions.collect::<Vec<_>>(), [(FIRST, 2, 20, 4), (second, 2, 20, 6)]);
        assert_eq!(usage.others, OthersUsage { items: 4, last_ms: 6 });
        assert_eq!(unwritten.entries, 1, "a version");
        unwritten.remove(id(1));
        unwritten.remove(id(1));
        assert_eq!((unwritten.entries, unwritten.ids()), (0, Vec::new()));
    }

    // R-K20
    #[test]
    fn keys_are_bounded_in_number_and_in_memory_and_what_has_no_place_is_told() {
        assert!(size_of::<(KeyId, Added)>() <= 64);
        let mut unwritten = Unwritten::default();
        for number in 0..UNWRITTEN_KEYS_MAX {
            assert_eq!(unwritten.is_crowded(), number >= UNWRITTEN_KEYS_MAX / 4 * 3);
            unwritten.add(id(number), FIRST, None, once(), 1);
        }
        assert_eq!(unwritten.keys.capacity(), UNWRITTEN_KEYS_MAX, "the table is full, and not larger");
        unwritten.add(id(UNWRITTEN_KEYS_MAX), FIRST, None, Count { items: 3, has_bounds: true, ..once() }, 1);
        unwritten.add(id(7), FIRST, None, once(), 2);
        assert!(unwritten.get(id(UNWRITTEN_KEYS_MAX)).is_none() && unwritten.take_bounded().is_empty());
        assert_eq!(usage(&unwritten, id(7)).versions[0].items, 2, "a known key goes on being counted");
        assert_eq!((unwritten.take_lost(), unwritten.take_lost()), (3, 0));
        for number in 10..UNWRITTEN_KEYS_MAX {
            unwritten.remove(id(number));
        }
        unwritten.give_back();
        assert!(unwritten.keys.capacity() < 4 * WRITTEN_KEYS_MAX);
        assert_eq!(unwritten.ids().len(), 10);
    }

    // R-K20
    #[test]
    fn where_there_are_too_many_entries_new_versions_are_lost_and_the_use_of_known_ones_is_not() {
        let mut unwritten = Unwritten::default();
        let second = FIRST.next().unwrap();
        unwritten.add(id(1), FIRST, None, once(), 1);
        unwritten.entries = UNWRITTEN_ENTRIES_MAX;
        unwritten.add(id(1), second, None, once(), 1);
        unwritten.add(id(1), FIRST, None, once(), 1);
        unwritten.add(id(2), second, None, once(), 1);
        assert_eq!(usage(&unwritten, id(1)).versions.len(), 1);
        assert_eq!(usage(&unwritten, id(1)).versions[0].items, 2);
        assert_eq!(usage(&unwritten, id(2)).versions[0].items, 1, "the first of a key takes no entry");
        assert_eq!(unwritten.take_lost(), 1);
    }

    // R-K20
    #[test]
    fn where_there_are_too_many_entries_further_clients_of_a_key_take_no_memory_and_all_count_as_others() {
        let mut unwritten = Unwritten::default();
        let [a, b] = ["a", "b"].map(client);
        unwritten.add(id(1), FIRST, Some(&a), once(), 1);
        unwritten.entries = UNWRITTEN_ENTRIES_MAX;
        unwritten.add(id(1), FIRST, Some(&b), once(), 2);
        unwritten.add(id(1), FIRST, Some(&a), once(), 3);
        assert!(unwritten.get(id(1)).unwrap().more.is_none());
        let usage = usage(&unwritten, id(1));
        assert_eq!((usage.versions[0].items, usage.versions[0].bytes), (3, 30));
        assert_eq!((usage.clients.len(), usage.others), (0, OthersUsage { items: 3, last_ms: 3 }));
        assert_eq!(unwritten.take_lost(), 0);
    }
}

//! How a key is used: items and bytes of each version, and the clients that use it. Statistics: a kill loses the last second of them, and up to a minute where very many keys are in use.

use std::cmp::Reverse;

use crate::key::client::{ClientName, Shown};
use crate::key::version::KeyVersion;
use crate::limits::{CLIENTS_PER_KEY_MAX, VERSIONS_MAX};
use crate::record::codec::{Reader, Writer};
use crate::record::{Record, WrapField};

/// What is known of the use of one key. Counted is every item that an operation was done for with success, whatever the operation: opening and verifying too.
/// Reading its public key or its description is no use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyUsage {
    /// 0..=100 versions that were used, ascending; of more, the newest.
    pub versions: Vec<VersionUsage>,
    /// 0..=100 clients that used it, in the order of their names; of more, those seen last, and of clients of one common name fewer first.
    pub clients: Vec<ClientUsage>,
    /// All clients that are not among them.
    pub others: OthersUsage,
}

/// How much one version was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionUsage {
    /// Which one.
    pub version: KeyVersion,
    /// Items that it has made, opened or verified.
    pub items: u64,
    /// Bytes of their plaintexts, messages or digests.
    pub bytes: u64,
    /// When it was used last, in milliseconds since 1970; up to a second after the truth.
    pub last_ms: u64,
}

/// How much one client has used a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientUsage {
    /// Which one.
    pub client: ClientName,
    /// Items, as those of [`VersionUsage`]. From zero if it was forgotten meanwhile.
    pub items: u64,
    /// When it used the key last, in milliseconds since 1970; up to a second after the truth.
    pub last_ms: u64,
}

/// How much clients that are not remembered by name have used a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OthersUsage {
    /// Items, as those of [`VersionUsage`].
    pub items: u64,
    /// When one of them used the key last, in milliseconds since 1970; 0: never.
    pub last_ms: u64,
}

impl KeyUsage {
    /// The use of this version.
    #[must_use]
    pub fn version(&self, version: KeyVersion) -> Option<&VersionUsage> {
        self.versions.iter().find(|usage| usage.version == version)
    }

    /// Whether this client is remembered by name.
    pub(crate) fn has_client(&self, client: &ClientName) -> bool {
        self.clients.binary_search_by(|usage| usage.client.cmp(client)).is_ok()
    }

    /// When the key was used last, in milliseconds since 1970, and by whom if that is remembered; `None` if it never was.
    #[must_use]
    pub fn last(&self) -> Option<(u64, Option<&ClientName>)> {
        let client = self.clients.iter().max_by_key(|usage| usage.last_ms);
        let by_client = client.map(|usage| (usage.last_ms, Some(&usage.client)));
        let by_other = (self.others.last_ms > 0).then_some((self.others.last_ms, None));
        let by_version = self.versions.iter().map(|usage| (usage.last_ms, None)).max();
        [by_client, by_other, by_version].into_iter().flatten().rev().max_by_key(|(last_ms, _)| *last_ms)
    }

    /// Adds the use of a version.
    pub(crate) fn add_version(&mut self, added: VersionUsage) {
        match self.versions.binary_search_by_key(&added.version, |usage| usage.version) {
            Ok(place) => {
                if let Some(usage) = self.versions.get_mut(place) {
                    usage.items = usage.items.saturating_add(added.items);
                    usage.bytes = usage.bytes.saturating_add(added.bytes);
                    usage.last_ms = usage.last_ms.max(added.last_ms);
                }
            }
            Err(place) => {
                make_room(&mut self.versions);
                self.versions.insert(place, added);
                if self.versions.len() > VERSIONS_MAX {
                    self.versions.remove(0);
                }
            }
        }
    }

    /// Adds the use by a client. If there are too many, one of them joins the others.
    pub(crate) fn add_client(&mut self, added: ClientUsage) {
        match self.clients.binary_search_by(|usage| usage.client.cmp(&added.client)) {
            Ok(place) => {
                if let Some(usage) = self.clients.get_mut(place) {
                    usage.items = usage.items.saturating_add(added.items);
                    usage.last_ms = usage.last_ms.max(added.last_ms);
                }
            }
            Err(place) => {
                make_room(&mut self.clients);
                self.clients.insert(place, added);
                if self.clients.len() > CLIENTS_PER_KEY_MAX {
                    self.forget_client();
                }
            }
        }
    }

    /// Has a client join the others: of the common name with the most certificates the one seen longest ago, so that a client which renews its certificate every hour
    /// takes no room from the others; where nobody has two, the one seen longest ago of all.
    fn forget_client(&mut self) {
        // In the order of their names, those of one common name stand together.
        let crowded = self.clients.chunk_by(|a, b| a.client.has_name_of(&b.client));
        let crowded = crowded.flat_map(|same| same.iter().map(|usage| (same.len(), Reverse(usage.last_ms))));
        if let Some((place, _)) = crowded.enumerate().max_by_key(|(_, rank)| *rank) {
            let ClientUsage { items, last_ms, .. } = self.clients.remove(place);
            self.add_others(OthersUsage { items, last_ms });
        }
    }

    /// Adds the use by clients without a name.
    pub(crate) fn add_others(&mut self, added: OthersUsage) {
        self.others.items = self.others.items.saturating_add(added.items);
        self.others.last_ms = self.others.last_ms.max(added.last_ms);
    }

    /// Adds all of another usage of the same key.
    pub(crate) fn add(&mut self, added: &Self) {
        added.versions.iter().for_each(|usage| self.add_version(*usage));
        added.clients.iter().for_each(|usage| self.add_client(usage.clone()));
        self.add_others(added.others);
    }

    fn is_consistent(&self) -> bool {
        self.versions.len() <= VERSIONS_MAX
            && self.clients.len() <= CLIENTS_PER_KEY_MAX
            && self.versions.is_sorted_by(|a, b| a.version < b.version)
            && self.clients.is_sorted_by(|a, b| a.client < b.client)
    }
}

impl Record for KeyUsage {
    const RECORD_TYPE: u8 = 21;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        // At most VERSIONS_MAX, and CLIENTS_PER_KEY_MAX, by `is_consistent`.
        out.count(self.versions.len());
        for usage in &self.versions {
            out.u32(usage.version.get()).u64(usage.items).u64(usage.bytes).u64(usage.last_ms);
        }
        out.count(self.clients.len());
        for usage in &self.clients {
            match usage.client.shown() {
                Shown::Certificate { common_name, sha256 } => {
                    out.u8(CERTIFICATE).sized(common_name.as_bytes()).bytes(sha256)
                }
                Shown::Address(address) => out.u8(ADDRESS).bytes(&address.octets()),
            };
            out.u64(usage.items).u64(usage.last_ms);
        }
        out.u64(self.others.items).u64(self.others.last_ms);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let usage = Self {
            versions: reader.list(VERSIONS_MAX, version_usage)?,
            clients: reader.list(CLIENTS_PER_KEY_MAX, client_usage)?,
            others: OthersUsage { items: reader.u64()?, last_ms: reader.u64()? },
        };
        usage.is_consistent().then_some(usage)
    }
}

/// Room for one more. Most keys are used in one version by one client, and there may be very many that are not written yet: the first gets a place and no spare ones.
fn make_room<T>(list: &mut Vec<T>) {
    if list.is_empty() {
        list.reserve_exact(1);
    }
}

fn version_usage(reader: &mut Reader<'_>) -> Option<VersionUsage> {
    let version = KeyVersion::new(reader.u32()?)?;
    Some(VersionUsage { version, items: reader.u64()?, bytes: reader.u64()?, last_ms: reader.u64()? })
}

fn client_usage(reader: &mut Reader<'_>) -> Option<ClientUsage> {
    let shown = match reader.u8()? {
        CERTIFICATE => {
            let common_name = reader.text()?;
            Shown::Certificate { common_name, sha256: reader.array()? }
        }
        ADDRESS => Shown::Address(reader.array::<16>()?.into()),
        _ => return None,
    };
    let client = ClientName::from_shown(shown)?;
    Some(ClientUsage { client, items: reader.u64()?, last_ms: reader.u64()? })
}

const CERTIFICATE: u8 = 1;
const ADDRESS: u8 = 2;

#[cfg(test)]
mod tests;

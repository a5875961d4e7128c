//! All rows of a key store, as admissions ask for them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::key::client::SHA256_SIZE;
use crate::key::id::AccessRowId;
use crate::key::state::KeyState;
use crate::record::{AccessData, AccessRow, HardwareAddress, Network};

/// The rows of the authentication data of one key store at one moment. Those that are available are found by what a client shows; whether one has ended, the row itself says.
#[derive(Debug, Default)]
pub struct AccessTable {
    /// All of them, in the order of their ids.
    rows: Vec<Arc<HeldRow>>,
    by_public_key: HashMap<[u8; SHA256_SIZE], Vec<Arc<HeldRow>>>,
    by_hardware_address: HashMap<HardwareAddress, Arc<HeldRow>>,
    by_network: HashMap<Network, Arc<HeldRow>>,
    /// The prefixes of IPv4 and IPv6 networks that there are: an address is looked up once for each.
    prefixes: [Vec<u8>; 2],
}

/// A row, and when it was last used.
#[derive(Debug)]
pub struct HeldRow {
    row: AccessRow,
    /// In milliseconds since 1970; 0: never. Shared by the row in all policies.
    last_used_ms: Arc<AtomicU64>,
}

impl HeldRow {
    pub(crate) const fn new(row: AccessRow, last_used_ms: Arc<AtomicU64>) -> Self {
        Self { row, last_used_ms }
    }

    /// The row.
    #[must_use]
    pub const fn row(&self) -> &AccessRow {
        &self.row
    }

    /// Notes that somebody has come in by it, or does something having come in by it.
    pub fn note_use(&self, now_ms: u64) {
        self.last_used_ms.fetch_max(now_ms, Ordering::Relaxed);
    }
}

impl AccessTable {
    /// The table of these rows. Those for which `is_stopped` holds let nobody in.
    pub(crate) fn of(mut rows: Vec<Arc<HeldRow>>, is_stopped: impl Fn(AccessRowId) -> bool) -> Self {
        rows.sort_unstable_by_key(|held| held.row.id);
        let mut table = Self::default();
        for held in rows.iter().filter(|held| held.row.state == KeyState::Available && !is_stopped(held.row.id)) {
            match &held.row.data {
                AccessData::Network(network) => {
                    table.by_network.insert(*network, Arc::clone(held));
                    table.prefixes_of(network.address()).push(network.prefix());
                }
                AccessData::HardwareAddress(address) => {
                    table.by_hardware_address.insert(*address, Arc::clone(held));
                }
                AccessData::PinnedKey(sha256) => {
                    table.by_public_key.entry(*sha256).or_default().push(Arc::clone(held));
                }
                AccessData::IssuedCertificate(issued) => {
                    table.by_public_key.entry(issued.public_key_sha256).or_default().push(Arc::clone(held));
                }
            }
        }
        for prefixes in &mut table.prefixes {
            prefixes.sort_unstable();
            prefixes.dedup();
        }
        table.rows = rows;
        table
    }

    /// All rows, in whatever state, in the order of their ids.
    #[must_use]
    pub fn rows(&self) -> &[Arc<HeldRow>] {
        &self.rows
    }

    /// The available rows of certificates with a public key of this SHA-256, issued or pinned.
    #[must_use]
    pub fn certificates(&self, public_key_sha256: &[u8; SHA256_SIZE]) -> &[Arc<HeldRow>] {
        self.by_public_key.get(public_key_sha256).map_or(&[], Vec::as_slice)
    }

    /// The available rows of networks in which an address lies: 33 of IPv4 at most, 129 of IPv6.
    pub fn networks(&self, address: IpAddr) -> impl Iterator<Item = &Arc<HeldRow>> {
        let [v4, v6] = &self.prefixes;
        let prefixes = if address.to_canonical().is_ipv4() { v4 } else { v6 };
        let around = move |prefix: &u8| self.by_network.get(&Network::around(address, *prefix)?);
        prefixes.iter().filter_map(around)
    }

    /// The available row of a hardware address.
    #[must_use]
    pub fn hardware_address(&self, address: HardwareAddress) -> Option<&Arc<HeldRow>> {
        self.by_hardware_address.get(&address)
    }

    fn prefixes_of(&mut self, address: IpAddr) -> &mut Vec<u8> {
        let [v4, v6] = &mut self.prefixes;
        if address.is_ipv4() { v4 } else { v6 }
    }
}

//! The cache of unwrapped keys, and how it is kept right.
//!
//! `entry` one key, ready for use · `slot` one atomic pointer to it · `registry` key id to slot · `table` a worker's own short cut to slots ·
//! `loader` one load for each missing key, however many ask · `unasked` loads before anybody asks · `eviction` what goes when not all fit · `stores` policies of key stores.
//!
//! A frame finds its key through its worker's table or, on first use, the registry; then it reads one atomic pointer. There is no lock and no shared count on
//! that path. Whatever changes a key goes through [`Cache::refresh`], called for each change that storage reports, and through nothing else.

mod entry;
mod eviction;
mod loader;
mod registry;
mod slot;
mod stores;
mod table;
#[cfg(test)]
mod tests;
mod unasked;

pub use entry::KeyEntry;
pub(crate) use entry::{EntryVersion, PreparedKey, Uses};
pub use loader::LoadError;
pub(crate) use loader::{Fault, KeySource, Waiter};
pub(crate) use registry::Cache;
pub use registry::CacheActivity;
pub(crate) use slot::Slot;
pub(crate) use stores::Stores;
pub use stores::{StorePolicy, StoreSlot};
pub(crate) use table::SlotTable;
pub(crate) use unasked::Unasked;

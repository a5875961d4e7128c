//! What can be done with a key: one file for each family of operations, each a method of [`KeyEntry`](crate::cache::KeyEntry) over the items of one batch.
//!
//! A method first asks [`KeyEntry::check`](crate::cache::KeyEntry::check), so that everything that speaks of the key as a whole is decided before the first item,
//! then gives exactly one result for each item, in their order, to an [`ItemSink`]. One bad item does not fail the others. What was done is counted in the [`ReadScope`].

mod asymmetric;
mod data_key;
mod done;
mod encryption;
mod mac;
mod random_bytes;
mod scope;
mod secret;
mod signature;
mod version;

use crate::error::ItemError;

pub use data_key::{DataKeyForm, WrapItem};
pub use encryption::{DecryptItem, EncryptItem, ReencryptItem};
pub use mac::{MacItem, VerifyMacItem};
pub use random_bytes::random_bytes;
pub use scope::ReadScope;
pub use secret::SecretValue;
pub use signature::{PublicKeyValue, SignForm, SignItem, VerifyItem};

/// Takes the results of a batch, one for each item.
pub trait ItemSink {
    /// The next item's result: lends `fill` exactly `size_max` bytes to write to, and keeps as many as it says.
    ///
    /// A sink without room, or one that has been told to stop, does not call `fill`: then nothing is done for the item.
    fn item(&mut self, size_max: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize, ItemError>);

    /// The next item has no result.
    fn reject(&mut self, error: ItemError) {
        self.item(0, |_| Err(error));
    }
}

//! Make and verify message authentication codes.

use super::sign::Signature;
use super::{KEY_VERSION_SIZE, SIZE_FIELD_SIZE, check_size};
use crate::batch::{BatchOperation, BatchResults, ItemSize, Order};
use crate::call::Call;
use crate::error::Error;
use crate::key::Key;
use crate::limits::Limits;
use claviger_protocol::limits::MAC_SIZE_MAX;
use claviger_protocol::message::{MakeMac, MakeMacItem, Reply, VerifyMac, VerifyMacItem};
use claviger_protocol::{EncodeError, Status};

impl Key {
    /// Makes the message authentication code of a message, at most 32,768 bytes, with the current version of this key.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn make_mac(&self, message: &[u8]) -> Result<Signature, Error> {
        self.single(&MakeMac { key_id: self.id(), items: () }, MakeMacItem { message }).await
    }

    /// Makes any number of message authentication codes. Results are in the order of the items.
    ///
    /// # Errors
    /// Of each item, or of all of them if something is wrong with the key, the server or the connection.
    pub async fn make_mac_batch(&self, items: &[MakeMacItem<'_>]) -> Result<BatchResults<Signature>, Error> {
        self.many(&MakeMac { key_id: self.id(), items: () }, items).await
    }

    /// Verifies a message authentication code and comes back with the version of the key that made it. `key_version`
    /// names that version, if it is known; else the current one is tried, then older ones.
    ///
    /// # Errors
    /// As [`Error`] says; [`Status::VerificationFailed`] if it is not valid.
    pub async fn verify_mac(&self, message: &[u8], mac: &[u8], key_version: Option<u32>) -> Result<u32, Error> {
        self.single(&self.verify_mac_operation(key_version), VerifyMacItem { message, mac }).await
    }

    /// Verifies any number of message authentication codes. Results are in the order of the items.
    ///
    /// # Errors
    /// Of each item, or of all of them if something is wrong with the key, the server or the connection.
    pub async fn verify_mac_batch(
        &self,
        key_version: Option<u32>,
        items: &[VerifyMacItem<'_>],
    ) -> Result<BatchResults<u32>, Error> {
        self.many(&self.verify_mac_operation(key_version), items).await
    }

    fn verify_mac_operation(&self, key_version: Option<u32>) -> VerifyMac<()> {
        VerifyMac { key_id: self.id(), key_version: key_version.unwrap_or(0), items: () }
    }
}

impl BatchOperation for MakeMac<()> {
    type Item<'i> = MakeMacItem<'i>;
    type Value = Signature;

    fn measure(&self, item: MakeMacItem<'_>, limits: &Limits) -> Result<ItemSize, Status> {
        check_size(item.message, limits.message_size, Status::MessageTooLarge)?;
        Ok(ItemSize { request: SIZE_FIELD_SIZE + item.message.len(), reply: KEY_VERSION_SIZE + MAC_SIZE_MAX })
    }

    fn call(&self, items: &[MakeMacItem<'_>], order: Order) -> Result<Call, EncodeError> {
        let items = items.iter().copied();
        Call::new(MakeMac { key_id: self.key_id, items }, order.trace_id, order.deadline)
    }

    fn values(&self, reply: Reply<'_>) -> Option<Vec<Result<Signature, Status>>> {
        match reply {
            Reply::Versioned(results) => Some(results.map(|result| result.map(Signature::from)).collect()),
            _ => None,
        }
    }
}

impl BatchOperation for VerifyMac<()> {
    type Item<'i> = VerifyMacItem<'i>;
    type Value = u32;

    fn measure(&self, item: VerifyMacItem<'_>, limits: &Limits) -> Result<ItemSize, Status> {
        check_size(item.message, limits.message_size, Status::MessageTooLarge)?;
        check_size(item.mac, MAC_SIZE_MAX, Status::VerificationFailed)?;
        let request = 2 * SIZE_FIELD_SIZE + item.message.len() + item.mac.len();
        Ok(ItemSize { request, reply: KEY_VERSION_SIZE })
    }

    fn call(&self, items: &[VerifyMacItem<'_>], order: Order) -> Result<Call, EncodeError> {
        let &VerifyMac { key_id, key_version, items: () } = self;
        let items = items.iter().copied();
        Call::new(VerifyMac { key_id, key_version, items }, order.trace_id, order.deadline)
    }

    fn values(&self, reply: Reply<'_>) -> Option<Vec<Result<u32, Status>>> {
        match reply {
            Reply::Verified(results) => Some(results.map(|result| result.map(|result| result.key_version)).collect()),
            _ => None,
        }
    }
}

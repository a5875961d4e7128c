//! Keys that authenticate what is not secret: records with their addresses, and the lines of the audit log. Both come of the system key ([`crate::crypto::wrap`]).

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;

/// Authenticates records with their addresses. Wiped by the library on drop.
pub struct RecordKey(pub(super) hmac::Key);

/// Authenticates the lines of the audit log. Wiped by the library on drop.
pub struct AuditKey(pub(super) hmac::Key);

/// Size of the tag of a record, in bytes.
pub const RECORD_TAG_SIZE: usize = 32;

/// A record whose tag is not its own. Carries no cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record is not authentic")]
pub struct RecordNotAuthentic;

impl RecordKey {
    /// The tag of a record with these `bytes` at this `address`.
    ///
    /// HMAC-SHA-256 of `"claviger/record/1" | address size u64 | address | bytes`.
    pub fn tag(&self, address: &[u8], bytes: &[u8]) -> [u8; RECORD_TAG_SIZE] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"claviger/record/1");
        context.update(&(address.len() as u64).to_be_bytes());
        context.update(address);
        context.update(bytes);
        let mut tag = [0; RECORD_TAG_SIZE];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }

    /// Checks in constant time that `tag` is that of `bytes` at `address`.
    ///
    /// # Errors
    /// [`RecordNotAuthentic`] if it is not.
    pub fn verify(&self, address: &[u8], bytes: &[u8], tag: &[u8]) -> Result<(), RecordNotAuthentic> {
        if bool::from(self.tag(address, bytes).ct_eq(tag)) { Ok(()) } else { Err(RecordNotAuthentic) }
    }
}

impl AuditKey {
    /// HMAC-SHA-256 of `bytes`, as it is.
    pub fn tag(&self, bytes: &[u8]) -> [u8; RECORD_TAG_SIZE] {
        let mut tag = [0; RECORD_TAG_SIZE];
        tag.copy_from_slice(hmac::sign(&self.0, bytes).as_ref());
        tag
    }

    /// Checks in constant time that `tag` is that of `bytes`.
    ///
    /// # Errors
    /// [`RecordNotAuthentic`] if it is not.
    pub fn verify(&self, bytes: &[u8], tag: &[u8; RECORD_TAG_SIZE]) -> Result<(), RecordNotAuthentic> {
        hmac::verify(&self.0, bytes, tag).map_err(|_| RecordNotAuthentic)
    }
}

#[cfg(test)]
mod tests {
    use static_assertions::assert_not_impl_any;

    use super::*;
    use crate::crypto::wrap::SystemKey;

    assert_not_impl_any!(RecordKey: std::fmt::Debug, Clone, PartialEq);
    assert_not_impl_any!(AuditKey: std::fmt::Debug, Clone, PartialEq);

    // R-H1
    #[test]
    fn the_tag_of_a_record_binds_its_address_and_bytes() {
        let key = SystemKey::new(&[7; 32]).record_key();
        let tag = key.tag(b"address", b"bytes");
        assert_eq!(key.verify(b"address", b"bytes", &tag), Ok(()));
        let failed = Err(RecordNotAuthentic);
        assert_eq!(key.verify(b"addresS", b"bytes", &tag), failed);
        assert_eq!(key.verify(b"address", b"byteS", &tag), failed);
        assert_eq!(key.verify(b"addressb", b"ytes", &tag), failed, "fields do not slide");
        assert_eq!(key.verify(b"address", b"bytes", &tag[..31]), failed);
        assert_eq!(key.verify(b"address", b"bytes", &[]), failed);
        assert_eq!(SystemKey::new(&[8; 32]).record_key().verify(b"address", b"bytes", &tag), failed);
    }
}

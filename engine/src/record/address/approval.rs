//! Requests for approval, and what comes of them.

use super::{APPROVAL, APPROVAL_END, APPROVAL_POLICY, APPROVAL_RESULT_END, APPROVAL_SECRET, meta};
use crate::approval::{ApprovalId, SecretPart};
use crate::key::id::StoreId;
use crate::shred::Slot;
use crate::storage::{Address, Database};

/// What needs an approval in a key store, or in the installation.
pub(crate) fn approval_policy(store: Option<StoreId>) -> Address {
    meta(APPROVAL_POLICY, &[store.as_ref().map_or(&[], |store| &store.0[..])])
}

/// A request for approval. They come in the order in which they were made.
pub(crate) fn approval(id: ApprovalId) -> Address {
    meta(APPROVAL, &[&id.0])
}

/// All requests for approval, for scans.
pub(crate) fn approvals() -> Address {
    meta(APPROVAL, &[])
}

/// The id in the address of a request for approval.
pub(crate) fn parse_approval(address: &Address) -> Option<ApprovalId> {
    address.key.strip_prefix(&[APPROVAL])?.try_into().ok().map(ApprovalId)
}

/// That an open request for approval ends at this moment, in milliseconds since 1970.
pub(crate) fn approval_end(ends_ms: u64, id: ApprovalId) -> Address {
    meta(APPROVAL_END, &[&ends_ms.to_be_bytes(), &id.0])
}

/// The ends of all open requests for approval, for scans.
pub(crate) fn approval_ends() -> Address {
    meta(APPROVAL_END, &[])
}

/// Moment and request of an end.
pub(crate) fn parse_approval_end(address: &Address) -> Option<(u64, ApprovalId)> {
    moment_and_approval(APPROVAL_END, address)
}

/// That what came of a request is forgotten at this moment, in milliseconds since 1970.
pub(crate) fn approval_result_end(ends_ms: u64, id: ApprovalId) -> Address {
    meta(APPROVAL_RESULT_END, &[&ends_ms.to_be_bytes(), &id.0])
}

/// The ends of all results, for scans.
pub(crate) fn approval_result_ends() -> Address {
    meta(APPROVAL_RESULT_END, &[])
}

/// Moment and request of the end of a result.
pub(crate) fn parse_approval_result_end(address: &Address) -> Option<(u64, ApprovalId)> {
    moment_and_approval(APPROVAL_RESULT_END, address)
}

fn moment_and_approval(tag: u8, address: &Address) -> Option<(u64, ApprovalId)> {
    let (moment, id) = address.key.strip_prefix(&[tag])?.split_first_chunk()?;
    Some((u64::from_be_bytes(*moment), ApprovalId(id.try_into().ok()?)))
}

/// What of a request may hold secrets. The place tells in which slot the shred secret of it stands, so that this can be destroyed even if the record is damaged.
pub(crate) fn approval_secret(id: ApprovalId, part: SecretPart, slot: Slot) -> Address {
    meta(APPROVAL_SECRET, &[&id.0, &[part as u8], &slot.get().to_be_bytes()])
}

/// What is kept of one part of a request, for scans.
pub(crate) fn approval_secrets_of(id: ApprovalId, part: SecretPart) -> Address {
    meta(APPROVAL_SECRET, &[&id.0, &[part as u8]])
}

/// What of all requests may hold secrets, for scans.
pub(crate) fn approval_secrets() -> Address {
    meta(APPROVAL_SECRET, &[])
}

/// Request, part and slot in the address of what may hold secrets.
pub(crate) fn parse_approval_secret(address: &Address) -> Option<(ApprovalId, SecretPart, Slot)> {
    let address = Some(address).filter(|address| address.database == Database::Meta)?;
    let (id, rest) = address.key.strip_prefix(&[APPROVAL_SECRET])?.split_first_chunk()?;
    let (part, slot) = rest.split_first()?;
    let slot = Slot::new(u32::from_be_bytes(slot.try_into().ok()?))?;
    Some((ApprovalId(*id), SecretPart::from_byte(*part)?, slot))
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;

    #[test]
    fn places_of_what_requests_keep_tell_which_and_where_its_secret_is() {
        let (id, slot) = (ApprovalId([1; 16]), Slot::new(7).unwrap());
        for part in [SecretPart::Calls, SecretPart::Answers] {
            let place = approval_secret(id, part, slot);
            assert_eq!(parse_approval_secret(&place), Some((id, part, slot)));
            assert!(place.starts_with(&approval_secrets_of(id, part)) && place.starts_with(&approval_secrets()));
            assert_eq!(changed(&place), Changed::Nothing);
            for other in [Address { database: Database::Keys, ..place }, approval(id), approval_end(1, id)] {
                assert_eq!(parse_approval_secret(&other), None);
            }
        }
        assert!(
            !approval_secret(id, SecretPart::Calls, slot).starts_with(&approval_secrets_of(id, SecretPart::Answers))
        );
    }
}

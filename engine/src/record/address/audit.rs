//! What the audit log has beside its files.

use super::{INSTALLATION_KEY, OUTBOX};
use crate::storage::{Address, Database};

/// What a change has to tell to the audit log. Numbers begin at 1; at 0 stands what a restore has to tell.
pub(crate) fn outbox(number: u64) -> Address {
    Address { database: Database::Audit, key: [&[OUTBOX], &number.to_be_bytes()[..]].concat() }
}

/// All that is on its way to the audit log, for scans: it comes in the order of its numbers.
pub(crate) fn outboxes() -> Address {
    Address { database: Database::Audit, key: vec![OUTBOX] }
}

/// The number of what is on its way to the audit log.
pub(crate) fn parse_outbox(address: &Address) -> Option<u64> {
    let address = Some(address).filter(|address| address.database == Database::Audit)?;
    Some(u64::from_be_bytes(address.key.strip_prefix(&[OUTBOX])?.try_into().ok()?))
}

/// The installation key.
pub(crate) fn installation_key() -> Address {
    Address { database: Database::Audit, key: vec![INSTALLATION_KEY] }
}

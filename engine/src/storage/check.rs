//! Checks of what callers hand in, the same for every storage: what one storage takes, all take.

use std::collections::HashSet;

use super::{Address, Compare, StorageError, Write};
use crate::limits::{ADDRESS_SIZE_MAX, TRANSACTION_OPERATIONS_MAX, TRANSACTION_SIZE_MAX, VALUE_SIZE_MAX};

/// Checks the length of an address that is to hold a value.
pub(super) fn address(address: &Address) -> Result<(), StorageError> {
    match address.key.len() {
        1..=ADDRESS_SIZE_MAX => Ok(()),
        size => Err(StorageError::AddressSize { size, max: ADDRESS_SIZE_MAX }),
    }
}

/// Checks the arguments of a scan. An empty prefix means the whole database.
pub(super) fn scan(prefix: &Address, after: Option<&Address>) -> Result<(), StorageError> {
    match prefix.key.len() {
        0..=ADDRESS_SIZE_MAX => after.map_or(Ok(()), address),
        size => Err(StorageError::AddressSize { size, max: ADDRESS_SIZE_MAX }),
    }
}

/// Checks a transaction; returns the sum of its keys and values in bytes.
pub(super) fn transaction(compares: &[Compare], writes: &[Write]) -> Result<usize, StorageError> {
    let count = compares.len().saturating_add(writes.len());
    if count > TRANSACTION_OPERATIONS_MAX {
        return Err(StorageError::TooManyOperations { count, max: TRANSACTION_OPERATIONS_MAX });
    }
    for compare in compares {
        address(&compare.address)?;
    }
    let mut written = HashSet::with_capacity(writes.len());
    let mut size = 0;
    for write in writes {
        address(write.address())?;
        if !written.insert(write.address()) {
            return Err(StorageError::RepeatedAddress { address: write.address().clone() });
        }
        size += write.address().key.len() + value_size(write)?;
    }
    if size > TRANSACTION_SIZE_MAX {
        return Err(StorageError::TransactionTooLarge { size, max: TRANSACTION_SIZE_MAX });
    }
    Ok(size)
}

fn value_size(write: &Write) -> Result<usize, StorageError> {
    match write {
        Write::Put { address, value } if value.len() > VALUE_SIZE_MAX => {
            Err(StorageError::ValueTooLarge { address: address.clone(), size: value.len(), max: VALUE_SIZE_MAX })
        }
        Write::Put { value, .. } => Ok(value.len()),
        Write::Delete { .. } => Ok(0),
    }
}

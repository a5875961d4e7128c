//! One page of a scan, filled value by value and bounded in count and in bytes.

use std::ops::Bound;

use super::{Address, Versioned};
use crate::limits::{SCAN_PAGE_COUNT_MAX, SCAN_PAGE_SIZE};

/// Where the page after `after` starts. It is empty if that is not in the database of `prefix`.
pub(super) fn start<'a>(prefix: &'a Address, after: Option<&'a Address>) -> Bound<&'a Address> {
    match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix),
    }
}

/// The values of a page so far.
pub(super) struct Page {
    values: Vec<(Address, Versioned)>,
    size: usize,
    limit: usize,
}

impl Page {
    /// An empty page of at most `limit` values.
    pub(super) fn new(limit: usize) -> Self {
        Self { values: Vec::new(), size: 0, limit: limit.min(SCAN_PAGE_COUNT_MAX) }
    }

    /// Whether the page takes no further value.
    pub(super) fn is_full(&self) -> bool {
        self.values.len() >= self.limit || self.size >= SCAN_PAGE_SIZE
    }

    /// Adds a value.
    pub(super) fn push(&mut self, address: Address, versioned: Versioned) {
        self.size += address.key.len() + versioned.value.len();
        self.values.push((address, versioned));
    }

    /// The values, in the order in which they came.
    pub(super) fn finish(self) -> Vec<(Address, Versioned)> {
        self.values
    }
}

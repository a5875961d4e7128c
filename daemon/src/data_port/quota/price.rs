//! What requests cost.

use std::time::Duration;

use claviger_engine::key::id::StoreId;

use crate::limits::FRAME_COST;

/// What a request costs in one key store, or in two.
#[derive(Clone, Copy)]
pub(in super::super) struct Price([Option<(StoreId, Duration)>; 2]);

impl Price {
    /// Of work that takes so long in one key store, and what its frame costs.
    pub(in super::super) const fn of(store: StoreId, work: Duration) -> Self {
        Self([Some((store, work.saturating_add(FRAME_COST))), None])
    }

    /// And so much in another one.
    pub(in super::super) const fn and(self, store: StoreId, work: Duration) -> Self {
        let [first, _] = self.0;
        Self([first, Some((store, work))])
    }

    /// What it costs in each.
    pub(in super::super) fn parts(self) -> impl Iterator<Item = (StoreId, Duration)> {
        self.0.into_iter().flatten()
    }
}

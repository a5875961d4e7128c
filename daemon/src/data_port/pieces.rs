//! How a batch is cut for the compute pool.

use std::ops::Range;
use std::time::Duration;

use claviger_engine::limits::LANE_PIECE_COST;

use crate::limits::{LANE_LOOK_EVERY, LANE_PLACES_MAX};

/// How a batch is cut.
pub(super) struct Pieces {
    /// Items of the batch.
    pub(super) items: usize,
    /// How many of them are done: the others have no room in the reply.
    pub(super) fitting: usize,
    /// Pieces of [`LANE_PIECE_COST`] that the batch amounts to.
    by_cost: usize,
    /// Items of one piece, at least one.
    size: usize,
    /// What one item costs.
    item_cost: Duration,
}

impl Pieces {
    /// Pieces that take about [`LANE_PIECE_COST`] each, of a batch that costs `cost` if all its items are done; the first `fitting` are.
    pub(super) fn of(items: usize, fitting: usize, cost: Duration) -> Self {
        let by_cost =
            usize::try_from(cost.as_nanos().div_ceil(LANE_PIECE_COST.as_nanos()).max(1)).unwrap_or(usize::MAX);
        let item_cost = cost / u32::try_from(items.max(1)).unwrap_or(u32::MAX);
        Self { items, fitting: fitting.min(items), by_cost, size: items.div_ceil(by_cost).max(1), item_cost }
    }

    /// Places in the queue of the compute pool that they take: as much as they cost, so that nobody fills the pool with few but long pieces; but not so many that a
    /// request could never be taken.
    pub(super) fn places(&self) -> usize {
        self.by_cost.min(LANE_PLACES_MAX).max(self.count())
    }

    /// Items that are done before somebody looks again whether they are wanted, at least one: those that take [`LANE_LOOK_EVERY`].
    pub(super) fn items_of_a_look(&self) -> usize {
        let items = LANE_LOOK_EVERY.as_nanos() / self.item_cost.as_nanos().max(1);
        usize::try_from(items).unwrap_or(usize::MAX).max(1)
    }

    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.fitting.div_ceil(self.size)
    }

    /// The items of one of them.
    pub(super) fn part(&self, index: usize) -> Range<usize> {
        let start = index * self.size;
        start..self.fitting.min(start + self.size)
    }

    /// What one of them costs.
    pub(super) fn cost(&self, index: usize) -> Duration {
        self.cost_of(self.part(index))
    }

    /// What those cost that come behind one of them.
    pub(super) fn cost_behind(&self, index: usize) -> Duration {
        self.cost_of(self.part(index).end..self.fitting)
    }

    fn cost_of(&self, items: Range<usize>) -> Duration {
        self.item_cost.saturating_mul(u32::try_from(items.len()).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_take_about_as_long_as_they_should() {
        assert_eq!(Pieces::of(64, 64, Duration::from_micros(400)).size, 64);
        assert_eq!(Pieces::of(64, 64, Duration::from_micros(1_000)).size, 32);
        assert_eq!(Pieces::of(64, 64, Duration::from_secs(1)).size, 1);
        assert_eq!(Pieces::of(1, 1, Duration::ZERO).size, 1);
        assert_eq!(Pieces::of(3, 3, Duration::from_micros(1_001)).size, 1);
    }

    // R-P4
    #[test]
    fn long_pieces_take_places_for_what_they_cost_and_no_request_asks_for_too_many() {
        let places = |items, cost| Pieces::of(items, items, Duration::from_millis(cost)).places();
        assert_eq!(places(1, 0), 1);
        assert_eq!(places(1, 46), 92);
        assert_eq!(places(1_024, 100), 200);
        assert_eq!(places(1_024, 1_000_000), LANE_PLACES_MAX);
    }

    #[test]
    fn slow_items_have_a_look_each_and_fast_ones_share_one() {
        let items_of_a_look = |cost| Pieces::of(64, 64, 64 * cost).items_of_a_look();
        assert_eq!(items_of_a_look(Duration::from_secs(1)), 1);
        assert_eq!(items_of_a_look(LANE_LOOK_EVERY), 1);
        assert_eq!(items_of_a_look(LANE_LOOK_EVERY / 7), 7);
        assert!(items_of_a_look(Duration::ZERO) > 1_024, "all of them");
    }

    // R-A11
    #[test]
    fn pieces_cost_what_their_items_cost() {
        let pieces = Pieces::of(5, 4, Duration::from_millis(5));
        assert_eq!(
            (0..pieces.count()).map(|index| pieces.cost(index)).collect::<Vec<_>>(),
            [Duration::from_millis(1); 4]
        );
        let pieces = Pieces::of(64, 64, Duration::from_micros(640));
        assert_eq!((pieces.cost(0), pieces.cost(1)), (Duration::from_micros(320), Duration::from_micros(320)));
        assert_eq!([0, 1].map(|index| pieces.cost_behind(index)), [Duration::from_micros(320), Duration::ZERO]);
        let pieces = Pieces::of(5, 4, Duration::from_millis(5));
        assert_eq!(pieces.cost_behind(1), Duration::from_millis(2), "what does not fit costs nothing");
        let none = Pieces::of(0, 0, Duration::ZERO);
        assert_eq!([none.cost(0), none.cost_behind(0)], [Duration::ZERO; 2]);
    }

    #[test]
    fn pieces_are_all_that_fits_in_order() {
        for (items, fitting) in [(0, 0), (1, 1), (63, 63), (64, 64), (1_024, 1_024), (1_024, 226)] {
            for cost in [0, 1, 700, 100_000].map(Duration::from_micros) {
                let pieces = Pieces::of(items, fitting, cost);
                let all: Vec<_> = (0..pieces.count()).flat_map(|index| pieces.part(index)).collect();
                assert_eq!(all, (0..fitting).collect::<Vec<_>>());
            }
        }
    }
}

//! A queue that serves key stores in turn, and within each of them its connections, by what their work costs: whoever sends more waits longer, and nobody else does.
//!
//! Turns are taken by deficit round robin (Shreedhar and Varghese, 1995), on both levels alike: in each round, a flow may spend [`TURN_COST`], and what it saves up for a piece
//! that costs more is its own until nothing of it waits any more. So flows that wait get the same cost, whatever a piece of theirs costs, up to one piece and one turn;
//! what comes first of a connection is served first. A flow of which nothing waits is forgotten, so memory is bounded by what waits.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use crate::key::id::StoreId;
use crate::limits::LANE_PIECE_COST;

/// On whose behalf something waits, and what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The key store for whose clients it is done.
    pub store: StoreId,
    /// The number of the connection that asked for it; 0 for nobody.
    pub connection: u64,
    /// What it costs on one core. Counted as 1 microsecond..=1 second.
    pub cost: Duration,
    /// What those pieces of the same task cost that come behind it.
    pub rest: Duration,
}

impl Claim {
    /// Of what is done for nobody in particular: all of it waits in one line.
    pub const COMMON: Self =
        Self { store: StoreId([0; 16]), connection: 0, cost: Duration::ZERO, rest: Duration::ZERO };
}

/// What waits, by whose turn it is.
pub(crate) struct FairQueue<T> {
    stores: Turns<StoreId, Turns<u64, Line<T>>>,
}

impl<T> FairQueue<T> {
    /// Adds one behind those of the same connection. How many wait is bounded by whoever adds them.
    pub(crate) fn push(&mut self, claim: Claim, item: T) {
        let cost = claim.cost.clamp(COST_MIN, COST_MAX);
        self.stores.flow(claim.store).flow(claim.connection).push_back((cost, item));
    }

    /// Takes the one whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.stores.pop()
    }

    /// What those of the same connection cost that wait, counted until it is `enough`.
    pub(crate) fn waiting(&self, claim: &Claim, enough: Duration) -> Duration {
        let connections = self.stores.flows.get(&claim.store).map(|store| &store.backlog.flows);
        let line = connections.and_then(|flows| flows.get(&claim.connection)).map(|connection| &connection.backlog);
        let mut sum = Duration::ZERO;
        for (cost, _) in line.into_iter().flatten() {
            if sum >= enough {
                break;
            }
            sum += *cost;
        }
        sum
    }
}

/// Something of which the first piece can be taken.
trait Backlog {
    type Item;

    /// What the piece costs that [`Backlog::pop`] takes next.
    fn next_cost(&mut self) -> Option<Duration>;

    fn pop(&mut self) -> Option<Self::Item>;
}

/// Flows that take turns. None is empty.
struct Turns<K, B> {
    flows: HashMap<K, Flow<B>>,
    /// Whose turn it is comes first.
    order: VecDeque<K>,
}

struct Flow<B> {
    backlog: B,
    /// What it may spend.
    credit: Duration,
    /// Whether it has had the credit of its turn.
    has_turn: bool,
}

/// Pieces of one connection, with their costs.
type Line<T> = VecDeque<(Duration, T)>;

impl<K: Copy + Eq + Hash, B: Backlog + Default> Turns<K, B> {
    /// The flow of this key; a new one comes last. Something must be added to it.
    fn flow(&mut self, key: K) -> &mut B {
        let flow = match self.flows.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                self.order.push_back(key);
                place.insert(Flow { backlog: B::default(), credit: Duration::ZERO, has_turn: false })
            }
        };
        &mut flow.backlog
    }
}

impl<K: Copy + Eq + Hash, B: Backlog> Turns<K, B> {
    /// Gives all flows the credit of the rounds in which none can pay yet, so that nobody counts them one by one.
    fn pass_rounds(&mut self) {
        let rounds = |flow: &mut Flow<B>| {
            let missing = flow.backlog.next_cost()?.saturating_sub(flow.credit);
            Some(missing.as_nanos().div_ceil(TURN_COST.as_nanos()).saturating_sub(1))
        };
        let rounds = self.flows.values_mut().filter_map(rounds).min().unwrap_or(0);
        let credit = TURN_COST * u32::try_from(rounds).unwrap_or(0);
        self.flows.values_mut().for_each(|flow| flow.credit += credit);
    }
}

impl<K: Copy + Eq + Hash, B: Backlog> Backlog for Turns<K, B> {
    type Item = B::Item;

    /// Brings a flow to the front that can pay for its next piece: after two rounds at most.
    fn next_cost(&mut self) -> Option<Duration> {
        while !self.order.is_empty() {
            for _ in 0..self.order.len() {
                let flow = self.flows.get_mut(self.order.front()?)?;
                let cost = flow.backlog.next_cost()?;
                if !flow.has_turn {
                    flow.credit += TURN_COST;
                }
                flow.has_turn = cost <= flow.credit;
                if flow.has_turn {
                    return Some(cost);
                }
                self.order.rotate_left(1);
            }
            self.pass_rounds();
        }
        None
    }

    fn pop(&mut self) -> Option<Self::Item> {
        let cost = self.next_cost()?;
        let key = *self.order.front()?;
        let flow = self.flows.get_mut(&key)?;
        let item = flow.backlog.pop()?;
        flow.credit = flow.credit.saturating_sub(cost);
        if flow.backlog.next_cost().is_none() {
            self.flows.remove(&key);
            self.order.pop_front();
        }
        Some(item)
    }
}

impl<T> Backlog for Line<T> {
    type Item = T;

    fn next_cost(&mut self) -> Option<Duration> {
        self.front().map(|(cost, _)| *cost)
    }

    fn pop(&mut self) -> Option<T> {
        self.pop_front().map(|(_, item)| item)
    }
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { stores: Turns::default() }
    }
}

impl<K, B> Default for Turns<K, B> {
    fn default() -> Self {
        Self { flows: HashMap::new(), order: VecDeque::new() }
    }
}

/// What a flow may spend in a round: a piece of work as batches are cut.
const TURN_COST: Duration = LANE_PIECE_COST;

/// What a piece counts at least: no flow keeps its turn for ever by what costs nothing.
const COST_MIN: Duration = Duration::from_micros(1);

/// What a piece counts at most: a hundred times the slowest item, and a bound of the rounds until somebody can pay.
const COST_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn claim(store: u8, connection: u64, cost_us: u64) -> Claim {
        Claim { store: StoreId([store; 16]), connection, cost: Duration::from_micros(cost_us), ..Claim::COMMON }
    }

    /// A queue in which the claim of each piece is the piece.
    fn queue(claims: impl IntoIterator<Item = Claim>) -> FairQueue<Claim> {
        let mut queue = FairQueue::default();
        claims.into_iter().for_each(|claim| queue.push(claim, claim));
        queue
    }

    fn drained(mut queue: FairQueue<Claim>) -> Vec<Claim> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    fn spent(by: &[Claim], of: impl Fn(&Claim) -> bool) -> Duration {
        by.iter().filter(|claim| of(claim)).map(|claim| claim.cost).sum()
    }

    // R-A11
    #[test]
    fn rounds_in_which_nobody_can_pay_are_not_gone_through_one_by_one() {
        let mut all = queue((0..100).map(|store| claim(store, 1, 1_000_000)));
        all.push(claim(100, 1, 800_000), claim(100, 1, 800_000));
        // A turn of each is half a millisecond: 1,600 rounds, then 400 more.
        assert_eq!(all.pop(), Some(claim(100, 1, 800_000)));
        let credits: Vec<_> = all.stores.flows.values().map(|flow| flow.credit).collect();
        assert!(credits.iter().all(|credit| (799_000..=800_000).contains(&credit.as_micros())), "{credits:?}");
        assert_eq!((0..100).map(|_| all.pop().unwrap().store.0[0]).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
        assert_eq!(all.pop(), None);
    }

    // R-A11
    #[test]
    fn what_waits_of_a_connection_is_counted_until_it_is_enough() {
        let queue =
            queue([claim(1, 1, 300), claim(1, 2, 5_000), claim(1, 1, 400), claim(2, 1, 5_000), claim(1, 1, 500)]);
        let waiting = |store, connection| queue.waiting(&claim(store, connection, 0), Duration::from_micros(1_000));
        assert_eq!(waiting(1, 1), Duration::from_micros(1_200));
        assert_eq!(queue.waiting(&claim(1, 1, 0), Duration::from_micros(700)), Duration::from_micros(700));
        assert_eq!(waiting(1, 2), Duration::from_micros(5_000));
        assert_eq!((waiting(1, 3), waiting(3, 1)), (Duration::ZERO, Duration::ZERO));
    }

    // R-A11
    #[test]
    fn one_piece_of_a_store_waits_for_one_turn_of_a_store_that_floods() {
        let mut queue = queue((0..1_000).map(|number| claim(1, number % 10, 6_000)));
        // What was saved up before counts once, and is spent.
        queue.pop().unwrap();
        queue.push(claim(2, 1, 100), claim(2, 1, 100));
        let next: Vec<_> = std::iter::from_fn(|| queue.pop()).take(2).collect();
        assert!(next.contains(&claim(2, 1, 100)), "{next:?}");
    }

    // R-A11
    #[test]
    fn a_store_gets_no_more_by_more_connections() {
        let flood = (0..1_000).map(|number| claim(1, number, 500));
        let mut all = drained(queue(flood.chain((0..100).map(|_| claim(2, 1, 500)))));
        all.truncate(200);
        let of = |store| spent(&all, |claim| claim.store.0[0] == store);
        assert_eq!((of(1), of(2)), (Duration::from_millis(50), Duration::from_millis(50)));
    }

    // R-A11
    #[test]
    fn connections_of_a_store_get_the_same() {
        let dear = (0..100).map(|_| claim(1, 1, 5_000));
        let cheap = (0..1_000).map(|_| claim(1, 2, 500));
        let mut all = drained(queue(dear.chain(cheap)));
        all.truncate(550);
        let of = |connection| spent(&all, |claim| claim.connection == connection).as_millis();
        assert!(of(1).abs_diff(of(2)) <= 10, "{} and {}", of(1), of(2));
    }

    // R-A11
    #[test]
    fn what_costs_nothing_or_too_much_to_be_true_keeps_nobody_out() {
        let free = Claim { cost: Duration::ZERO, ..claim(1, 1, 0) };
        let endless = Claim { cost: Duration::MAX, ..claim(2, 1, 0) };
        let mut all = drained(queue((0..2_000).map(|_| free).chain([endless, endless]).chain([claim(3, 1, 500)])));
        assert_eq!(all.len(), 2_003);
        all.truncate(501);
        assert!(all.contains(&claim(3, 1, 500)));
    }

    #[test]
    fn nothing_is_remembered_of_whom_nothing_waits() {
        let mut queue = queue((0..1_000).map(|number| claim((number % 200) as u8, number, 700)));
        while queue.pop().is_some() {}
        assert!(queue.stores.flows.is_empty() && queue.stores.order.is_empty());
    }

    proptest! {
        // R-A11
        #[test]
        fn of_two_stores_that_wait_each_gets_half_of_the_cost(
            costs in [vec(1_u64..20_000, 200..400), vec(1_u64..20_000, 200..400)],
            connections in [1_u64..5, 1_u64..5],
        ) {
            let claims = costs.iter().zip(connections).zip(1..).flat_map(|((costs, connections), store)| {
                costs.iter().zip(0..).map(move |(cost, number)| claim(store, number % connections, *cost))
            });
            let mut queue = queue(claims);
            let mut left = costs.clone().map(|costs| costs.len());
            let mut spent = [Duration::ZERO; 2];
            // A piece is taken at once, and what is not spent of a turn is kept.
            let bound = Duration::from_micros(20_000) + TURN_COST * 2;
            while left.iter().all(|left| *left > 0) {
                let next = queue.pop().unwrap();
                let place = usize::from(next.store.0[0]) - 1;
                left[place] -= 1;
                spent[place] += next.cost;
                prop_assert!(spent[0].abs_diff(spent[1]) <= bound, "{spent:?}");
            }
        }

        // R-A11
        #[test]
        fn nothing_is_lost_and_each_connection_is_served_in_order(
            claims in vec((0_u8..4, 0_u64..4, 0_u64..10_000, any::<bool>()), 0..300),
        ) {
            let mut queue = FairQueue::default();
            let mut served = Vec::new();
            for (number, (store, connection, cost, serves)) in claims.iter().enumerate() {
                queue.push(claim(*store, *connection, *cost), (*store, *connection, number));
                served.extend(serves.then(|| queue.pop()).flatten());
            }
            served.extend(std::iter::from_fn(|| queue.pop()));
            prop_assert_eq!(served.len(), claims.len());
            for place in served.iter().map(|(store, connection, _)| (*store, *connection)) {
                let of = served.iter().filter(|(store, connection, _)| (*store, *connection) == place);
                prop_assert!(of.is_sorted_by_key(|(_, _, number)| *number));
            }
        }

        // R-A11
        #[test]
        fn none_starves_however_many_others_keep_coming(costs in vec(1_u64..20_000, 1..50), waits in 1_u64..20_000) {
            let flood: Vec<_> = costs.iter().zip(0..).map(|(cost, store)| claim(store, 1, *cost)).collect();
            let mut queue = queue(flood.iter().copied());
            let waiting = claim(200, 1, waits);
            queue.push(waiting, waiting);
            let mut before = Duration::ZERO;
            loop {
                let next = queue.pop().unwrap();
                if next == waiting {
                    break;
                }
                before += next.cost;
                // As soon as one is served, its store has another.
                queue.push(next, next);
            }
            let each = waiting.cost + TURN_COST * 2 + Duration::from_micros(20_000);
            prop_assert!(before <= each * u32::try_from(flood.len()).unwrap(), "{before:?}");
        }
    }
}

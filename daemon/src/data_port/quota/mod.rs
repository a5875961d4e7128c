//! Quotas: how much work a key store has done for its clients, all together and each, in cost units.
//!
//! A store has one bucket for all its clients and one for each of them, as far as it sets quotas; connections find theirs when they are let in, and ask them once a frame.

mod bucket;
mod price;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claviger_engine::access::HeldRow;
use claviger_engine::key::id::StoreId;
use claviger_engine::{AccessData, Engine, HardwareAddress, Quota, Quotas, StorePolicy};
use parking_lot::Mutex;

use self::bucket::Bucket;
pub(super) use self::price::Price;
use crate::limits::QUOTA_CLIENTS_MAX;

/// The quotas of all key stores.
pub(crate) struct AllQuotas {
    engine: Arc<Engine>,
    workers: usize,
    /// Of those that set some, or did: as many as there are key stores at most.
    stores: Mutex<HashMap<StoreId, Arc<StoreQuotas>>>,
}

/// What the connections of one worker need to find theirs.
#[derive(Clone)]
pub(super) struct WorkerQuotas {
    all: Arc<AllQuotas>,
    /// The number of the worker, from 0.
    worker: usize,
}

/// What a client may have done in a key store, and what all its clients may, as far as that is bounded.
pub(super) struct Allowance {
    buckets: [Option<Arc<Bucket>>; 2],
    of: Arc<StoreQuotas>,
    quotas: WorkerQuotas,
}

/// How often requests were refused because of a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QuotaRefusals {
    /// By the quota of all clients of the store together.
    pub(crate) by_store: u64,
    /// By that of a client.
    pub(crate) by_client: u64,
}

/// A client as a quota tells it from others: by what lets it in, or it would make itself another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum QuotaClient {
    /// SHA-256 of the public key of its certificate.
    PublicKey([u8; 32]),
    HardwareAddress(HardwareAddress),
    /// Where it comes from: an IPv4 address, or an IPv6 network of 64 bits, in which a host chooses its addresses itself.
    Address(IpAddr),
}

/// The quotas of one key store, and what is left of them.
struct StoreQuotas {
    left: Mutex<Left>,
    /// In the order of [`Allowance::buckets`].
    refused: [AtomicU64; 2],
}

#[derive(Default)]
struct Left {
    /// Of the newest policy that was seen.
    generation: u64,
    quotas: Quotas,
    store: Option<Arc<Bucket>>,
    clients: HashMap<QuotaClient, Arc<Bucket>>,
    /// Of the clients that find no place among the others.
    others: Option<Arc<Bucket>>,
}

impl AllQuotas {
    /// Quotas in the time of `engine`, for so many workers.
    pub(super) fn new(engine: Arc<Engine>, workers: usize) -> Arc<Self> {
        Arc::new(Self { engine, workers, stores: Mutex::default() })
    }

    /// How often each key store that has had quotas has refused because of them.
    pub(crate) fn refusals(&self) -> Vec<(StoreId, QuotaRefusals)> {
        let stores = self.stores.lock();
        let refused = |of: &StoreQuotas| {
            let [by_store, by_client] = of.refused.each_ref().map(|count| count.load(Ordering::Relaxed));
            QuotaRefusals { by_store, by_client }
        };
        stores.iter().map(|(store, of)| (*store, refused(of))).collect()
    }

    /// Time by a clock that nobody sets.
    fn now(&self) -> Duration {
        self.engine.monotonic()
    }
}

impl WorkerQuotas {
    /// Those of the worker with this number.
    pub(super) const fn new(all: Arc<AllQuotas>, worker: usize) -> Self {
        Self { all, worker }
    }

    /// What the client that comes from `address`, and was let in by `rows`, may have done in a key store under this policy; `None` if it sets no quotas.
    pub(super) fn allowance(
        &self,
        store: StoreId,
        policy: &StorePolicy,
        rows: &[Arc<HeldRow>],
        address: IpAddr,
    ) -> Option<Allowance> {
        let StorePolicy { generation, quotas, .. } = *policy;
        if quotas == Quotas::default() {
            return None;
        }
        let make = || Arc::new(StoreQuotas { left: Mutex::default(), refused: Default::default() });
        let of = Arc::clone(self.all.stores.lock().entry(store).or_insert_with(make));
        let client = QuotaClient::of(rows, address);
        let buckets = of.left.lock().buckets(generation, quotas, client, self.all.workers, || self.all.now());
        Some(Allowance { buckets, of, quotas: self.clone() })
    }
}

impl Allowance {
    /// Takes `cost` of both, or of none.
    ///
    /// # Errors
    /// How long it is until there is something again of what is used up.
    pub(super) fn take(&self, cost: Duration) -> Result<(), Duration> {
        let WorkerQuotas { all, worker } = &self.quotas;
        take_of_all(&self.buckets, *worker, cost, || all.now()).map_err(|(place, wait)| {
            if let Some(refused) = self.of.refused.get(place) {
                refused.fetch_add(1, Ordering::Relaxed);
            }
            wait
        })
    }

    /// Gives back what was taken for something that was not done.
    pub(super) fn give_back(&self, cost: Duration) {
        self.buckets.iter().flatten().for_each(|bucket| bucket.give_back(self.quotas.worker, cost));
    }
}

/// Takes `cost` of each bucket, or of none: of that of the client first, so that one who is over his own quota touches nothing that is everybody's.
///
/// # Errors
/// The place of the bucket that is empty, and how long it is.
fn take_of_all(
    buckets: &[Option<Arc<Bucket>>; 2],
    worker: usize,
    cost: Duration,
    now: impl Fn() -> Duration,
) -> Result<(), (usize, Duration)> {
    for (place, bucket) in buckets.iter().enumerate().rev() {
        if let Some(Err(wait)) = bucket.as_ref().map(|bucket| bucket.take(worker, cost, &now)) {
            buckets.iter().skip(place + 1).flatten().for_each(|bucket| bucket.give_back(worker, cost));
            return Err((place, wait));
        }
    }
    Ok(())
}

impl Left {
    /// The bucket of the store and that of a client, under the policy of this generation or a newer one. What was used up stays so, unless the quota is another one.
    fn buckets(
        &mut self,
        generation: u64,
        quotas: Quotas,
        client: QuotaClient,
        workers: usize,
        now: impl FnOnce() -> Duration,
    ) -> [Option<Arc<Bucket>>; 2] {
        let new = |quota: Quota| Arc::new(Bucket::new(quota, workers));
        // Another worker may be ahead: what it has found is not undone. This one decides anew in its next frame.
        let quotas = if generation < self.generation { self.quotas } else { quotas };
        self.generation = self.generation.max(generation);
        if self.quotas.store != quotas.store {
            self.store = quotas.store.map(new);
        }
        if self.quotas.client != quotas.client {
            self.clients = HashMap::new();
            self.others = quotas.client.map(new);
        }
        self.quotas = quotas;
        let of_client = quotas.client.and_then(|quota| {
            let is_new = !self.clients.contains_key(&client);
            if is_new && self.clients.len() >= QUOTA_CLIENTS_MAX {
                let now = now();
                self.clients.retain(|_, bucket| Arc::strong_count(bucket) > 1 || !bucket.is_full(now));
            }
            if is_new && self.clients.len() >= QUOTA_CLIENTS_MAX {
                return self.others.clone();
            }
            Some(Arc::clone(self.clients.entry(client).or_insert_with(|| new(quota))))
        });
        [self.store.clone(), of_client]
    }
}

impl QuotaClient {
    /// Whoever came in by these rows, from this address. A certificate proves more than a hardware address, and that is less easily changed than an address.
    fn of(rows: &[Arc<HeldRow>], address: IpAddr) -> Self {
        let shown = rows.iter().filter_map(|held| match &held.row().data {
            AccessData::IssuedCertificate(issued) => Some(Self::PublicKey(issued.public_key_sha256)),
            AccessData::PinnedKey(sha256) => Some(Self::PublicKey(*sha256)),
            AccessData::HardwareAddress(address) => Some(Self::HardwareAddress(*address)),
            AccessData::Network(_) => None,
        });
        let by_worth = |client: &Self| matches!(client, Self::HardwareAddress(_));
        shown.min_by_key(by_worth).unwrap_or_else(|| Self::at(address))
    }

    /// Whoever comes from this address.
    fn at(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
            address => address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> QuotaClient {
        QuotaClient::at(IpAddr::from(number.to_be_bytes()))
    }

    fn quotas(store: Option<(u32, u32)>, client: Option<(u32, u32)>) -> Quotas {
        let quota = |(rate, burst)| Quota::new(rate, burst).unwrap();
        Quotas { store: store.map(quota), client: client.map(quota) }
    }

    fn is_same(one: &Option<Arc<Bucket>>, other: &Option<Arc<Bucket>>) -> bool {
        Arc::ptr_eq(one.as_ref().unwrap(), other.as_ref().unwrap())
    }

    // R-A11
    #[test]
    fn addresses_that_one_host_can_choose_are_one_client() {
        let at = |address: &str| QuotaClient::at(address.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
        assert_eq!(at("192.0.2.1"), at("::ffff:192.0.2.1"));
    }

    // R-A11
    #[test]
    fn clients_have_buckets_of_their_own_and_the_store_has_one() {
        let mut left = Left::default();
        let both = quotas(Some((1, 1)), Some((1, 1)));
        let mut of = |number| left.buckets(1, both, client(number), 1, || Duration::ZERO);
        let (one, other, again) = (of(1), of(2), of(1));
        assert!(is_same(&one[0], &other[0]) && is_same(&one[1], &again[1]));
        assert!(!is_same(&one[1], &other[1]));
        let [store, client] = left.buckets(1, quotas(Some((1, 1)), None), client(1), 1, || Duration::ZERO);
        assert!(is_same(&store, &one[0]), "one that is not changed keeps what is used up");
        assert!(client.is_none());
    }

    // R-A11
    #[test]
    fn a_change_of_a_quota_begins_with_a_full_bucket_and_one_that_is_the_same_does_not() {
        let mut left = Left::default();
        let now = || Duration::from_secs(1);
        let first = left.buckets(1, quotas(Some((1, 1)), None), client(1), 1, now);
        first[0].as_ref().unwrap().take(0, Duration::from_secs(1), now).unwrap();
        let same = left.buckets(1, quotas(Some((1, 1)), Some((1, 1))), client(1), 1, now);
        assert!(same[0].as_ref().unwrap().take(0, Duration::from_secs(1), now).is_err());
        let changed = left.buckets(1, quotas(Some((2, 1)), None), client(1), 1, now);
        assert!(changed[0].as_ref().unwrap().take(0, Duration::from_secs(1), now).is_ok());
        assert!(left.buckets(1, Quotas::default(), client(1), 1, now).iter().all(Option::is_none));
    }

    // R-A11
    #[test]
    fn a_policy_that_is_not_in_force_any_more_brings_no_quota_back() {
        let mut left = Left::default();
        let (before, after) = (quotas(Some((1, 1)), Some((1, 1))), quotas(Some((2, 1)), Some((2, 1))));
        left.buckets(1, before, client(1), 1, || Duration::ZERO);
        let in_force = left.buckets(2, after, client(1), 1, || Duration::ZERO);
        let late = left.buckets(1, before, client(1), 1, || Duration::ZERO);
        let again = left.buckets(2, after, client(1), 1, || Duration::ZERO);
        for place in 0..2 {
            assert!(is_same(&in_force[place], &late[place]) && is_same(&in_force[place], &again[place]));
        }
    }

    // R-A11
    #[test]
    fn a_client_over_its_own_quota_takes_nothing_of_what_is_everybody_s() {
        let mut left = Left::default();
        let now = || Duration::from_secs(10);
        let both = quotas(Some((1_000_000, 1_000_000)), Some((1, 1)));
        let [store, of_client] = left.buckets(1, both, client(1), 1, now);
        of_client.as_ref().unwrap().take(0, Duration::from_secs(1), now).unwrap();
        let buckets = [store, of_client];
        let cost = Duration::from_millis(1);
        for _ in 0..10 {
            let (place, wait) = take_of_all(&buckets, 0, cost, now).unwrap_err();
            assert_eq!((place, wait > Duration::from_secs(1)), (1, true));
        }
        assert!(buckets[0].as_ref().unwrap().is_full(now()));
        // What all have used up together is refused to each, and counts for none of them.
        buckets[0].as_ref().unwrap().take(0, Duration::from_secs(2), now).unwrap();
        let [_, other] = left.buckets(1, both, client(2), 1, now);
        let buckets = [buckets[0].clone(), other];
        assert_eq!(take_of_all(&buckets, 0, cost, now).unwrap_err().0, 0);
        assert!(buckets[1].as_ref().unwrap().take(0, cost, now).is_ok());
    }

    // R-A11
    #[test]
    fn clients_beyond_the_bound_share_one_bucket_until_others_are_as_good_as_new() {
        let mut left = Left::default();
        let each = quotas(None, Some((1_000_000, 1_000_000)));
        let start = Duration::from_secs(10);
        let many = u32::try_from(QUOTA_CLIENTS_MAX).unwrap();
        for number in 0..many {
            let [_, bucket] = left.buckets(1, each, client(number), 1, || start);
            bucket.unwrap().take(0, Duration::from_secs(1), || start).unwrap();
        }
        let late = [many, many + 1].map(|number| left.buckets(1, each, client(number), 1, || start));
        assert!(is_same(&late[0][1], &late[1][1]), "no bucket is forgotten from which something is missing");
        assert_eq!(left.clients.len(), QUOTA_CLIENTS_MAX);
        let known = left.buckets(1, each, client(0), 1, || start);
        assert!(!is_same(&known[1], &late[0][1]));
        let later = left.buckets(1, each, client(many), 1, || start + Duration::from_secs(1));
        assert!(!is_same(&later[1], &late[0][1]));
        assert_eq!(left.clients.len(), 2, "one that is held, and the new one");
    }
}

//! What is counted within a minute, and told at its end: refusals of one kind after the first, and uses of keys by client. Bounded, whoever asks how often.

use std::collections::HashMap;
use std::mem;

use parking_lot::Mutex;

use super::event::{Event, EventKind, Use};
use crate::key::client::ClientName;
use crate::key::id::{KeyId, StoreId};
use crate::limits::{AUDIT_REFUSALS_MAX, AUDIT_USED_CLIENTS_MAX, AUDIT_USED_KEYS_MAX, AUDIT_USES_MAX};

/// The tables of the minute at hand.
#[derive(Default)]
pub(crate) struct Counts(Mutex<Minute>);

#[derive(Default)]
struct Minute {
    /// Its number, by the clock that never goes back.
    number: u64,
    /// How often after the first.
    refusals: HashMap<Refused, u64>,
    other_refusals: u64,
    uses: HashMap<KeyId, Uses>,
    /// Clients of all keys.
    clients: usize,
    /// Items of keys beyond those that are told apart.
    other_uses: u64,
}

/// What makes refusals the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refused {
    /// Who was refused, as far as that is known.
    pub client: String,
    /// At which key store, if at one.
    pub store: Option<StoreId>,
    /// Why.
    pub reason: &'static str,
}

#[derive(Default)]
struct Uses {
    clients: HashMap<ClientName, u64>,
    /// Items of clients beyond those that are told apart.
    others: u64,
}

impl Counts {
    /// Counts a refusal; `first` makes the event of the first one of its kind in this minute, to be told at once.
    pub(super) fn refuse(&self, refused: Refused, first: impl FnOnce(&Refused) -> Event) -> Option<Event> {
        let mut minute = self.0.lock();
        if let Some(more) = minute.refusals.get_mut(&refused) {
            *more = more.saturating_add(1);
            return None;
        }
        if minute.refusals.len() >= AUDIT_REFUSALS_MAX {
            minute.other_refusals = minute.other_refusals.saturating_add(1);
            return None;
        }
        let event = first(&refused);
        minute.refusals.insert(refused, 0);
        Some(event)
    }

    /// Counts items that a client has worked on with a key.
    pub(crate) fn used(&self, key: KeyId, client: Option<&ClientName>, items: u64) {
        let mut minute = self.0.lock();
        let Minute { uses, clients, other_uses, .. } = &mut *minute;
        if uses.len() >= AUDIT_USED_KEYS_MAX && !uses.contains_key(&key) {
            *other_uses = other_uses.saturating_add(items);
            return;
        }
        let of_key = uses.entry(key).or_default();
        let has_room = *clients < AUDIT_USED_CLIENTS_MAX && of_key.clients.len() < AUDIT_USES_MAX - 1;
        let count = match client {
            Some(client) if of_key.clients.contains_key(client) => of_key.clients.get_mut(client),
            Some(client) if has_room => {
                *clients += 1;
                Some(of_key.clients.entry(client.clone()).or_default())
            }
            _ => None,
        };
        let count = count.unwrap_or(&mut of_key.others);
        *count = count.saturating_add(items);
    }

    /// What the minute before has to tell, if another one has begun.
    pub(super) fn roll(&self, monotonic_ms: u64, now_ms: u64) -> Vec<Event> {
        let number = monotonic_ms / MINUTE_MS;
        let mut minute = self.0.lock();
        if minute.number == number {
            return Vec::new();
        }
        let before = mem::replace(&mut *minute, Minute { number, ..Minute::default() });
        drop(minute);
        before.tell(now_ms)
    }

    /// What there is to tell now, whether or not the minute is over.
    pub(super) fn end(&self, now_ms: u64) -> Vec<Event> {
        mem::take(&mut *self.0.lock()).tell(now_ms)
    }
}

impl Minute {
    fn tell(self, now_ms: u64) -> Vec<Event> {
        let mut events = Vec::new();
        for (Refused { client, store, reason }, more) in self.refusals {
            if more > 0 {
                let mut event = Event::new(EventKind::Refusals, now_ms);
                (event.actor, event.store, event.count) = (client, store, Some(more));
                event.reason = reason.to_owned();
                events.push(event);
            }
        }
        if self.other_refusals > 0 {
            let mut event = Event::new(EventKind::Refusals, now_ms);
            event.count = Some(self.other_refusals);
            event.shown = "of further clients, stores and reasons, counted together".to_owned();
            events.push(event);
        }
        for (key, Uses { clients, others }) in self.uses {
            let mut event = Event::new(EventKind::Uses, now_ms);
            event.keys.push(key);
            let told = clients.into_iter().map(|(client, items)| Use { client: client.to_string(), items });
            let others = (others > 0).then_some(Use { client: String::new(), items: others });
            event.uses = told.chain(others).collect();
            event.uses.sort_by(|one, other| one.client.cmp(&other.client));
            events.push(event);
        }
        if self.other_uses > 0 {
            let mut event = Event::new(EventKind::Uses, now_ms);
            event.uses.push(Use { client: String::new(), items: self.other_uses });
            event.shown = "of further keys, counted together".to_owned();
            events.push(event);
        }
        events
    }
}

const MINUTE_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn refused(client: &str) -> Refused {
        Refused { client: client.to_owned(), store: None, reason: "no row" }
    }

    fn first(counts: &Counts, client: &str) -> bool {
        counts.refuse(refused(client), |_| Event::default()).is_some()
    }

    fn client(number: u32) -> ClientName {
        ClientName::address(IpAddr::V4(Ipv4Addr::from(number)))
    }

    // R-O3
    #[test]
    fn the_first_refusal_of_a_kind_is_told_at_once_and_the_others_as_a_count_each_minute() {
        let counts = Counts::default();
        assert!(first(&counts, "alice") && first(&counts, "bob"));
        assert!(!first(&counts, "alice") && !first(&counts, "alice"));
        assert_eq!(counts.roll(59_999, 1), []);
        let told = counts.roll(60_000, 1);
        let [event] = &told[..] else { panic!("{told:?}") };
        assert_eq!((event.actor.as_str(), event.count, event.reason.as_str()), ("alice", Some(2), "no row"));
        assert!(first(&counts, "alice"), "another minute");
        assert_eq!(counts.roll(120_000, 1), []);
    }

    // R-O3
    #[test]
    fn a_flood_of_refusals_takes_a_bounded_table_and_a_bounded_log() {
        let counts = Counts::default();
        let told = (0..10 * AUDIT_REFUSALS_MAX).filter(|number| first(&counts, &number.to_string())).count();
        assert_eq!(told, AUDIT_REFUSALS_MAX);
        for _ in 0..10 {
            (0..AUDIT_REFUSALS_MAX).for_each(|number| assert!(!first(&counts, &number.to_string())));
        }
        let events = counts.roll(60_000, 1);
        assert_eq!(events.len(), AUDIT_REFUSALS_MAX + 1);
        let others = 9 * u64::try_from(AUDIT_REFUSALS_MAX).unwrap();
        assert!(events.iter().any(|event| event.count == Some(others)), "none is forgotten");
    }

    // R-O3
    #[test]
    fn uses_are_told_by_key_and_client_and_what_does_not_fit_is_summed() {
        let counts = Counts::default();
        let key = KeyId([1; 16]);
        counts.used(key, Some(&client(1)), 2);
        counts.used(key, Some(&client(1)), 3);
        counts.used(key, None, 4);
        let [event] = &counts.roll(60_000, 1)[..] else { panic!() };
        assert_eq!(event.keys, [key]);
        let told: Vec<_> = event.uses.iter().map(|used| (used.client.is_empty(), used.items)).collect();
        assert_eq!(told, [(true, 4), (false, 5)]);

        (0..1_000).for_each(|number| counts.used(key, Some(&client(number)), 1));
        let [event] = &counts.roll(120_000, 1)[..] else { panic!() };
        assert_eq!(event.uses.len(), AUDIT_USES_MAX);
        assert_eq!(event.uses.iter().map(|used| used.items).sum::<u64>(), 1_000);

        let keys = u128::try_from(AUDIT_USED_KEYS_MAX).unwrap() + 10;
        (0..keys).for_each(|number| counts.used(KeyId(number.to_be_bytes()), Some(&client(1)), 1));
        let events = counts.roll(180_000, 1);
        assert_eq!(events.len(), AUDIT_USED_KEYS_MAX + 1);
        let items: u64 = events.iter().flat_map(|event| &event.uses).map(|used| used.items).sum();
        assert_eq!(u128::from(items), keys);
    }
}

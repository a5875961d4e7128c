use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn version(number: u32, items: u64, last_ms: u64) -> VersionUsage {
    VersionUsage { version: KeyVersion::new(number).unwrap(), items, bytes: items.saturating_mul(10), last_ms }
}

fn client(number: usize, items: u64, last_ms: u64) -> ClientUsage {
    let client = if number.is_multiple_of(2) {
        ClientName::certificate(&format!("client-{number:04}"), [7; 32])
    } else {
        ClientName::address(std::net::Ipv4Addr::from_bits(number.try_into().unwrap()).into())
    };
    ClientUsage { client, items, last_ms }
}

fn encoded(usage: &KeyUsage) -> Vec<u8> {
    let mut writer = Writer::default();
    usage.encode(&mut writer);
    writer.finish()
}

fn decoded(bytes: &[u8]) -> Option<KeyUsage> {
    let mut reader = Reader::new(bytes);
    let usage = KeyUsage::decode(&mut reader)?;
    reader.finish()?;
    Some(usage)
}

/// As many versions and clients as there may be.
fn most() -> KeyUsage {
    let mut usage = KeyUsage::default();
    (1..=VERSIONS_MAX).for_each(|number| usage.add_version(version(number.try_into().unwrap(), 1, 1)));
    (0..CLIENTS_PER_KEY_MAX).for_each(|number| usage.add_client(client(number, 1, 100 + number as u64)));
    usage
}

// R-K20
#[test]
fn decodes_what_was_encoded_up_to_the_bounds() {
    for usage in [KeyUsage::default(), most()] {
        assert_eq!(decoded(&encoded(&usage)), Some(usage));
    }
}

// R-K20
#[test]
fn the_client_seen_longest_ago_joins_the_others() {
    let mut usage = most();
    usage.add_client(client(0, 5, 1_000));
    usage.add_client(client(CLIENTS_PER_KEY_MAX, 3, 999));
    assert_eq!(usage.clients.len(), CLIENTS_PER_KEY_MAX);
    // The second one: the first has been seen again.
    assert_eq!(usage.others, OthersUsage { items: 1, last_ms: 101 });
    assert!(usage.clients.contains(&client(0, 6, 1_000)));
    assert!(!usage.clients.iter().any(|usage| usage.client == client(1, 0, 0).client));
    // One whose last use is older than all others is not remembered at all.
    usage.add_client(client(1_001, 9, 50));
    assert_eq!(usage.others, OthersUsage { items: 10, last_ms: 101 });
}

fn certificate(common_name: &str, number: u64, last_ms: u64) -> ClientUsage {
    let mut sha256 = [0; 32];
    sha256[..8].copy_from_slice(&number.to_be_bytes());
    ClientUsage { client: ClientName::certificate(common_name, sha256), items: 1, last_ms }
}

// R-K20
#[test]
fn a_client_that_renews_its_certificate_takes_no_room_from_the_others() {
    let mut usage = most();
    let others: Vec<_> = usage.clients.iter().map(|usage| usage.client.clone()).skip(1).collect();
    let renewals = 1_000;
    (0..renewals).for_each(|hour| usage.add_client(certificate("renews", hour, 1_000 + hour)));
    let forgotten: Vec<_> = others.iter().filter(|client| !usage.has_client(client)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
    assert_eq!(usage.clients.len(), CLIENTS_PER_KEY_MAX);
    assert!(usage.has_client(&certificate("renews", renewals - 1, 0).client), "as it is now");
    assert_eq!(usage.others, OthersUsage { items: renewals, last_ms: 1_000 + renewals - 2 });
}

// R-K20
#[test]
fn who_is_forgotten_first() {
    // Names with their last uses, ascending by name; and who goes when one more comes.
    type LastUse = (&'static str, u64);
    let cases: [(&[LastUse], LastUse); 5] = [
        (&[("a", 5), ("a", 6), ("b", 1)], ("a", 5)),
        (&[("a", 6), ("a", 5), ("b", 1), ("b", 2), ("b", 3)], ("b", 1)),
        (&[("a", 9), ("a", 8), ("b", 7), ("b", 10)], ("b", 7)),
        (&[("", 9), ("", 8), ("b", 7)], ("", 8)),
        (&[("a", 3), ("b", 2), ("c", 4)], ("b", 2)),
    ];
    for (clients, (name, last_ms)) in cases {
        let numbered = clients.iter().zip(0..);
        let clients: Vec<_> = numbered.map(|((name, last_ms), n)| certificate(name, n, *last_ms)).collect();
        // Addresses are no two of one name.
        let mut usage = KeyUsage { clients: clients.clone(), ..KeyUsage::default() };
        (0..)
            .map(|n| client(2 * n + 1, 1, 100))
            .take(CLIENTS_PER_KEY_MAX - clients.len())
            .for_each(|client| usage.add_client(client));
        usage.add_client(client(9_999, 1, 100));
        let gone: Vec<_> = clients.iter().filter(|client| !usage.has_client(&client.client)).collect();
        assert_eq!(gone.len(), 1, "{clients:?}");
        assert_eq!((gone[0].client.common_name(), gone[0].last_ms), (Some(name), last_ms));
        assert!(usage.is_consistent());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    // R-K20
    #[test]
    fn a_name_is_forgotten_only_when_no_other_has_two_and_no_use_is_lost(
        uses in proptest::collection::vec((0..130_u8, 0..20_u64, 0..1_000_u64), 0..400)
    ) {
        let mut usage = KeyUsage::default();
        for (name, number, last_ms) in &uses {
            let before: BTreeSet<_> = usage.clients.iter().filter_map(|usage| usage.client.common_name().map(str::to_owned)).collect();
            usage.add_client(certificate(&name.to_string(), *number, *last_ms));
            let names: Vec<_> = usage.clients.iter().filter_map(|usage| usage.client.common_name()).collect();
            let distinct: BTreeSet<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let is_forgotten = before.iter().any(|name| !distinct.contains(name));
            prop_assert!(!is_forgotten || distinct.len() == names.len());
            prop_assert!(usage.is_consistent());
        }
        let items: u64 = usage.clients.iter().map(|usage| usage.items).sum();
        prop_assert_eq!(items + usage.others.items, uses.len() as u64);
    }
}

// R-K20
#[test]
fn of_more_versions_the_newest_stay() {
    let mut usage = most();
    usage.add_version(version(101, 1, 1));
    let numbers: Vec<_> = usage.versions.iter().map(|usage| usage.version.get()).collect();
    assert_eq!(numbers, (2..=101).collect::<Vec<_>>());
}

// R-K20
#[test]
fn usages_are_added_and_never_go_back() {
    let mut usage = KeyUsage::default();
    usage.add_version(version(1, 2, 50));
    usage.add_version(version(1, 3, 40));
    usage.add_version(version(2, u64::MAX, 1));
    usage.add_version(version(2, 1, 1));
    assert_eq!(usage.versions[0], version(1, 5, 50));
    assert_eq!(usage.versions[1].items, u64::MAX);
    let mut both = KeyUsage::default();
    both.add(&usage);
    assert_eq!(both, usage);
}

// R-K10
#[test]
fn the_last_use_is_that_of_whoever_came_last() {
    let mut usage = KeyUsage::default();
    assert_eq!(usage.last(), None);
    usage.add_others(OthersUsage { items: 1, last_ms: 5 });
    assert_eq!(usage.last(), Some((5, None)));
    usage.add_version(version(1, 1, 7));
    usage.add_client(client(1, 1, 7));
    usage.add_client(client(2, 1, 6));
    assert_eq!(usage.last(), Some((7, Some(&client(1, 1, 7).client))));
    usage.add_others(OthersUsage { items: 1, last_ms: 8 });
    assert_eq!(usage.last(), Some((8, None)));
}

#[test]
fn refuses_what_is_out_of_bounds_or_out_of_order() {
    let mut too_many = most();
    too_many.versions.push(version(101, 1, 1));
    let twice = KeyUsage { versions: vec![version(1, 1, 1), version(1, 1, 1)], ..KeyUsage::default() };
    let backward = KeyUsage { clients: vec![client(4, 1, 1), client(2, 1, 1)], ..KeyUsage::default() };
    for bad in [too_many, twice, backward] {
        assert_eq!(decoded(&encoded(&bad)), None);
    }
    let good = encoded(&most());
    assert_eq!(decoded(&good[..good.len() - 1]), None);
    assert_eq!(decoded(&[&good[..], &[0]].concat()), None);
    assert_eq!(decoded(&[0xff; 64]), None);
    // A client of an unknown sort.
    assert_eq!(decoded(&[0, 0, 0, 1, 3]), None);
}

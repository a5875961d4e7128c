//! Hosts on links of their own: what the kernel sees of them lets them in, or not. Needs root and iproute2.

use std::net::{IpAddr, Ipv6Addr};

use claviger_algorithm::Algorithm;
use claviger_engine::change::StoreSettings;
use claviger_engine::key::id::AccessRowId;
use claviger_engine::{AccessData, AccessMethod, HardwareAddress};
use claviger_protocol::limits::HELLO_OPTION_HARDWARE_ADDRESS;
use claviger_protocol::message::{Hello, HelloOption, Whoami};
use claviger_protocol::{Fact, KeyId, Status};

use crate::operations::facts;
use crate::support::certificates::add;
use crate::support::messages::encrypt;
use crate::support::network::{Host, can_make_hosts, ip};
use crate::support::{Client, Options, Server, within};

const TILL: &str = "02:00:5e:10:00:01";
const OTHER: &str = "02:00:5e:10:00:02";

/// A server on all addresses of this machine whose key store lets in the hardware address [`TILL`] and nobody else; the row, and a key.
fn server() -> (Server, AccessRowId, KeyId) {
    let server = Server::start_with(Options { ip: Ipv6Addr::UNSPECIFIED.into(), ..Options::default() });
    let (engine, store) = (&server.engine, server.store);
    let key = server.create("key", Algorithm::Xaes256Gcm);
    engine.change_access_methods(store, &[AccessMethod::HardwareAddress], &[AccessMethod::ClientCertificate]).unwrap();
    let row = add(engine, store, AccessData::HardwareAddress(TILL.parse().unwrap())).id;
    (server, row, key)
}

async fn status(client: &mut Client, key: KeyId) -> Status {
    client.call(encrypt(key, &[(b"", b"plain")])).await.status()
}

/// Asks until it is answered so, because what the kernel has seen is asked for each second.
async fn becomes(client: &mut Client, key: KeyId, expected: Status) {
    within(async {
        while status(client, key).await != expected {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// What Whoami tells of one fact.
async fn told(client: &mut Client, fact: Fact) -> Option<Vec<u8>> {
    let facts = facts(&client.call(Whoami).await.body);
    facts.into_iter().find(|(code, _)| *code == fact.code()).map(|(_, value)| value)
}

fn bytes(address: &str) -> Vec<u8> {
    address.parse::<HardwareAddress>().unwrap().bytes().to_vec()
}

// R-A4, R-A7
#[tokio::test]
async fn a_host_is_let_in_by_its_hardware_address_and_another_is_not() {
    if !can_make_hosts() {
        return;
    }
    let (till, other) = (Host::new(1, TILL), Host::new(2, OTHER));
    let (server, row, key) = server();
    let (engine, store) = (&server.engine, server.store);
    let mut client = till.client(&server, till.link().near.into(), None).await;
    client.say_hello().await;
    becomes(&mut client, key, Status::Ok).await;
    assert_eq!(told(&mut client, Fact::HardwareAddress).await, Some(bytes(TILL)));
    let mut stranger = other.client(&server, other.link().near.into(), None).await;
    stranger.say_hello().await;
    assert_eq!(status(&mut stranger, key).await, Status::NotPermitted);
    // Whoever is refused is told what is seen of him, like everybody.
    assert_eq!(told(&mut stranger, Fact::HardwareAddress).await, Some(bytes(OTHER)));
    // One that comes when the kernel is asked already is known at once.
    let mut second = till.client(&server, till.link().near.into(), None).await;
    second.say_hello().await;
    assert_eq!(status(&mut second, key).await, Status::Ok);
    engine.stop_access(store, row).unwrap();
    assert_eq!(status(&mut client, key).await, Status::NotPermitted);
    engine.enable_access(store, row).unwrap();
    assert_eq!(status(&mut client, key).await, Status::Ok);
    // Another machine takes the place of the host: what was seen before does not count for long.
    let moved = "02:00:5e:10:00:09";
    till.ip(&["link", "set", &till.inner(), "address", moved]);
    ip(&["neighbour", "replace", &till.link().far.to_string(), "lladdr", moved, "dev", &till.outer()]);
    becomes(&mut client, key, Status::NotPermitted).await;
}

// R-A4
#[tokio::test]
async fn a_host_is_let_in_over_ipv6_too() {
    if !can_make_hosts() {
        return;
    }
    let (till, other) = (Host::new(3, TILL), Host::new(4, OTHER));
    let (server, _, key) = server();
    for (host, expected, address) in [(&till, Status::Ok, TILL), (&other, Status::NotPermitted, OTHER)] {
        let mut client = host.client(&server, host.link().near_v6.into(), None).await;
        client.say_hello().await;
        becomes(&mut client, key, expected).await;
        assert_eq!(told(&mut client, Fact::HardwareAddress).await, Some(bytes(address)));
        assert_eq!(told(&mut client, Fact::Address).await, Some(host.link().far_v6.octets().to_vec()));
    }
}

// R-A4
#[tokio::test]
async fn only_what_the_kernel_still_believes_of_a_host_is_seen() {
    if !can_make_hosts() {
        return;
    }
    let host = Host::new(5, TILL);
    let (server, ..) = server();
    let seen_as = async |address: IpAddr, expected: Option<&str>| {
        let expected = expected.map(|expected| expected.parse::<HardwareAddress>().unwrap());
        within(async {
            while server.hardware_address(address) != expected {
                tokio::task::yield_now().await;
            }
        })
        .await;
    };
    for address in [IpAddr::from(host.link().far), host.link().far_v6.into()] {
        let (text, outer) = (address.to_string(), host.outer());
        let entry = |change: &str, state: &str| {
            ip(&["neighbour", change, &text, "lladdr", TILL, "dev", &outer, "nud", state]);
        };
        // Nobody speaks with the host, so that what is said of it stays.
        for state in ["stale", "permanent"] {
            entry("replace", state);
            seen_as(address, Some(TILL)).await;
            entry("replace", "noarp");
            seen_as(address, None).await;
        }
        entry("replace", "stale");
        seen_as(address, Some(TILL)).await;
        ip(&["neighbour", "replace", &text, "dev", &outer, "nud", "failed"]);
        seen_as(address, None).await;
        entry("replace", "stale");
        seen_as(address, Some(TILL)).await;
        ip(&["neighbour", "del", &text, "dev", &outer]);
        seen_as(address, None).await;
    }
}

// R-A4
#[tokio::test]
async fn behind_a_router_nobody_is_seen_and_only_a_declared_address_lets_in_where_that_counts() {
    if !can_make_hosts() {
        return;
    }
    // The router itself would be let in, and so would the host, if it were seen.
    let router = Host::new(6, TILL);
    let host = Host::behind(&router, 7, OTHER);
    let (server, _, key) = server();
    let (engine, store) = (&server.engine, server.store);
    add(engine, store, AccessData::HardwareAddress(OTHER.parse().unwrap()));
    let mut client = host.client(&server, router.link().near.into(), None).await;
    client.say_hello().await;
    // The kernel has seen the router by now, and the table what the kernel has.
    let mut on_router = router.client(&server, router.link().near.into(), None).await;
    on_router.say_hello().await;
    becomes(&mut on_router, key, Status::Ok).await;
    assert_eq!(status(&mut client, key).await, Status::NotPermitted);
    assert_eq!(told(&mut client, Fact::HardwareAddress).await, None);
    let declared = bytes(OTHER);
    let options = [HelloOption { option: HELLO_OPTION_HARDWARE_ADDRESS, value: &declared }];
    assert_eq!(client.call(Hello { version_min: 1, version_max: 1, options }).await.status(), Status::Ok);
    assert_eq!(status(&mut client, key).await, Status::NotPermitted, "the store does not take its word");
    let settings = StoreSettings { declared_hardware_address: Some(true), ..StoreSettings::default() };
    engine.set_store_settings(store, settings).unwrap();
    assert_eq!(status(&mut client, key).await, Status::Ok);
    // Where the server sees for itself, what is said does not count.
    let options = [HelloOption { option: HELLO_OPTION_HARDWARE_ADDRESS, value: &[2, 0, 0x5e, 0x10, 0, 0x77] }];
    assert_eq!(on_router.call(Hello { version_min: 1, version_max: 1, options }).await.status(), Status::Ok);
    assert_eq!(status(&mut on_router, key).await, Status::Ok);
}

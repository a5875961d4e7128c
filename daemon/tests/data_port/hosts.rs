//! Hosts on a link of their own, in network namespaces: what the kernel sees of them lets them in, or not. Needs root and iproute2.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use claviger_algorithm::Algorithm;
use claviger_engine::{AccessData, AccessMethod};
use claviger_protocol::{KeyId, Status};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::support::certificates::{Credential, add};
use crate::support::client::tls;
use crate::support::messages::encrypt;
use crate::support::{Client, Options, Server, within};

/// A host in a namespace of its own, with a link to this one. Taken down when it is dropped.
struct Host {
    name: String,
    /// The address of this machine on the link.
    here: Ipv4Addr,
    /// That of the host.
    there: Ipv4Addr,
}

impl Host {
    /// The host number `number` of this process, with this hardware address.
    fn new(number: u8, hardware_address: &str) -> Self {
        let tag = std::process::id() % 0x1_0000;
        let name = format!("clv{tag:04x}-{number}");
        // 198.18.0.0/15 is for tests (RFC 2544): one network of four addresses for each link.
        let [high, low] = u16::try_from(tag).unwrap().to_be_bytes();
        let (here, there) = (
            Ipv4Addr::new(198, 18 + (high & 1), low, number * 4 + 1),
            Ipv4Addr::new(198, 18 + (high & 1), low, number * 4 + 2),
        );
        let host = Self { name, here, there };
        let (outer, inner) = (format!("{}o", host.name), format!("{}i", host.name));
        ip(&["netns", "add", &host.name]);
        ip(&[
            "link",
            "add",
            &outer,
            "type",
            "veth",
            "peer",
            "name",
            &inner,
            "address",
            hardware_address,
            "netns",
            &host.name,
        ]);
        ip(&["address", "add", &format!("{here}/30"), "dev", &outer]);
        ip(&["link", "set", &outer, "up"]);
        host.inside(&["address", "add", &format!("{there}/30"), "dev", &inner]);
        host.inside(&["link", "set", &inner, "up"]);
        host
    }

    fn inside(&self, arguments: &[&str]) {
        ip(&[&["-n", &self.name], arguments].concat());
    }

    /// A client on this host that has said Hello.
    async fn client(&self, server: &Server, credential: Option<&Credential>) -> Client {
        let (path, address) =
            (format!("/run/netns/{}", self.name), SocketAddr::new(self.here.into(), server.address.port()));
        // A thread of its own: it stays in the namespace.
        let connecting = thread::spawn(move || {
            let namespace = File::open(path).unwrap();
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            std::net::TcpStream::connect(address).unwrap()
        });
        let stream = tokio::task::spawn_blocking(move || connecting.join().unwrap()).await.unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = tokio::net::TcpStream::from_std(stream).unwrap();
        assert_eq!(stream.local_addr().unwrap().ip(), IpAddr::V4(self.there));
        let connector = TlsConnector::from(Arc::new(tls(&server.server_authority, credential)));
        let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into());
        let mut client = Client::over(Box::new(connector.connect(name, stream).await.unwrap()), None);
        client.say_hello().await;
        client
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The links go with it. What cannot be removed is left over for whoever looks.
        let _ = Command::new("ip").args(["link", "del", &format!("{}o", self.name)]).output();
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output();
    let output = output.expect("ip is installed: `cargo xtask test --install` does it");
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
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

// R-A4
#[tokio::test]
async fn a_host_is_let_in_by_its_hardware_address_and_another_is_not() {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "network namespaces need root");
        eprintln!("not tested: network namespaces need root");
        return;
    }
    let (till, other) = (Host::new(1, "02:00:5e:10:00:01"), Host::new(2, "02:00:5e:10:00:02"));
    let server = Server::start_with(Options { ip: Ipv4Addr::UNSPECIFIED, ..Options::default() });
    let (engine, store) = (&server.engine, server.store);
    let key = server.create("key", Algorithm::Xaes256Gcm);
    engine.change_access_methods(store, &[AccessMethod::HardwareAddress], &[AccessMethod::ClientCertificate]).unwrap();
    let row = add(engine, store, AccessData::HardwareAddress("02:00:5e:10:00:01".parse().unwrap()));
    let mut client = till.client(&server, None).await;
    becomes(&mut client, key, Status::Ok).await;
    let mut stranger = other.client(&server, None).await;
    assert_eq!(status(&mut stranger, key).await, Status::NotPermitted);
    // One that comes when the kernel is asked already is known at once.
    let mut second = till.client(&server, None).await;
    assert_eq!(status(&mut second, key).await, Status::Ok);
    engine.stop_access(store, row.id).unwrap();
    assert_eq!(status(&mut client, key).await, Status::NotPermitted);
    engine.enable_access(store, row.id).unwrap();
    assert_eq!(status(&mut client, key).await, Status::Ok);
    // Another machine takes the place of the host: what was seen before does not count for long.
    till.inside(&["link", "set", &format!("{}i", till.name), "address", "02:00:5e:10:00:09"]);
    ip(&[
        "neighbour",
        "replace",
        &till.there.to_string(),
        "lladdr",
        "02:00:5e:10:00:09",
        "dev",
        &format!("{}o", till.name),
    ]);
    becomes(&mut client, key, Status::NotPermitted).await;
}

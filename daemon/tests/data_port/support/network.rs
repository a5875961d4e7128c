//! Hosts on links of their own, in network namespaces. Needs root and iproute2.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::certificates::Credential;
use super::client::tls;
use super::{Client, Server};

/// A host in a namespace of its own, with a link to this machine. Taken down when it is dropped.
pub(crate) struct Host {
    name: String,
    link: Link,
}

/// The addresses of a link: of its nearer and its farther end.
pub(crate) struct Link {
    pub(crate) near: Ipv4Addr,
    pub(crate) far: Ipv4Addr,
    pub(crate) near_v6: Ipv6Addr,
    pub(crate) far_v6: Ipv6Addr,
}

/// Whether namespaces can be made here; in the test command they must.
pub(crate) fn can_make_hosts() -> bool {
    let can = rustix::process::geteuid().is_root();
    if !can {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "network namespaces need root");
        eprintln!("not tested: network namespaces need root");
    }
    can
}

impl Link {
    /// The link number `number` of this process. 198.18.0.0/15 is for tests (RFC 2544), and fd00::/8 is nobody's: one network for each link.
    fn new(number: u8) -> Self {
        let [high, low] = tag().to_be_bytes();
        let v4 = |last: u8| Ipv4Addr::new(198, 18 + (high & 1), low, number * 4 + last);
        let v6 = |last: u16| Ipv6Addr::new(0xfd00, 0xc1a, tag(), number.into(), 0, 0, 0, last);
        Self { near: v4(1), far: v4(2), near_v6: v6(1), far_v6: v6(2) }
    }
}

impl Host {
    /// The host number `number` of this process, with this hardware address on its link to this machine.
    pub(crate) fn new(number: u8, hardware_address: &str) -> Self {
        Self::beyond(None, number, hardware_address)
    }

    /// A host that reaches this machine through another one.
    pub(crate) fn behind(router: &Self, number: u8, hardware_address: &str) -> Self {
        let host = Self::beyond(Some(router), number, hardware_address);
        router.run(&["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
        host.ip(&["route", "add", "default", "via", &host.link.near.to_string()]);
        ip(&["route", "add", &format!("{}/32", host.link.far), "via", &router.link.far.to_string()]);
        host
    }

    /// A host with a link to this machine, or to another one.
    fn beyond(neighbour: Option<&Self>, number: u8, hardware_address: &str) -> Self {
        let host = Self { name: format!("clv{:04x}-{number}", tag()), link: Link::new(number) };
        let near = |arguments: &[&str]| neighbour.map_or_else(|| ip(arguments), |neighbour| neighbour.ip(arguments));
        let (outer, inner) = (host.outer(), host.inner());
        ip(&["netns", "add", &host.name]);
        let peer = ["peer", "name", &inner, "address", hardware_address, "netns", &host.name];
        near(&[&["link", "add", &outer, "type", "veth"][..], &peer].concat());
        let Link { near: near_v4, far, near_v6, far_v6 } = &host.link;
        near(&["address", "add", &format!("{near_v4}/30"), "dev", &outer]);
        near(&["address", "add", &format!("{near_v6}/64"), "dev", &outer, "nodad"]);
        near(&["link", "set", &outer, "up"]);
        host.ip(&["address", "add", &format!("{far}/30"), "dev", &inner]);
        host.ip(&["address", "add", &format!("{far_v6}/64"), "dev", &inner, "nodad"]);
        host.ip(&["link", "set", &inner, "up"]);
        host
    }

    pub(crate) const fn link(&self) -> &Link {
        &self.link
    }

    /// The name of the nearer end of its link.
    pub(crate) fn outer(&self) -> String {
        format!("{}o", self.name)
    }

    /// The name of the host's end of its link.
    pub(crate) fn inner(&self) -> String {
        format!("{}i", self.name)
    }

    /// `ip` on this host.
    pub(crate) fn ip(&self, arguments: &[&str]) {
        ip(&[&["-n", &self.name], arguments].concat());
    }

    fn run(&self, command: &[&str]) {
        ip(&[&["netns", "exec", &self.name], command].concat());
    }

    /// A client on this host, not greeted yet, of the server at this address of this machine.
    pub(crate) async fn client(&self, server: &Server, here: IpAddr, credential: Option<&Credential>) -> Client {
        let (path, address) = (format!("/run/netns/{}", self.name), SocketAddr::new(here, server.address.port()));
        // A thread of its own: it stays in the namespace.
        let connecting = thread::spawn(move || {
            let namespace = File::open(path).unwrap();
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            std::net::TcpStream::connect(address).unwrap()
        });
        let stream = tokio::task::spawn_blocking(move || connecting.join().unwrap()).await.unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = tokio::net::TcpStream::from_std(stream).unwrap();
        let from = stream.local_addr().unwrap().ip();
        assert!(from == IpAddr::V4(self.link.far) || from == IpAddr::V6(self.link.far_v6), "{from}");
        let connector = TlsConnector::from(Arc::new(tls(&server.server_authority, credential)));
        let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into());
        Client::over(Box::new(connector.connect(name, stream).await.unwrap()), None)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The links go with it. What cannot be removed is left over for whoever looks.
        let _ = Command::new("ip").args(["link", "del", &self.outer()]).output();
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

/// `ip` on this machine.
pub(crate) fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output();
    let output = output.expect("ip is installed: `cargo xtask test --install` does it");
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Tells the hosts of this process from those of others.
fn tag() -> u16 {
    u16::try_from(std::process::id() % 0x1_0000).unwrap()
}

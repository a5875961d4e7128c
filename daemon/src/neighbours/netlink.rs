//! The kernel's neighbour table (ARP and neighbour discovery), asked through netlink (rtnetlink, RTM_GETNEIGH).

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;

use claviger_engine::HardwareAddress;
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use super::Seen;
use crate::limits::NEIGHBOURS_MAX;

/// All neighbours whose hardware address the kernel believes, IPv4 and IPv6, on all links. Blocks.
///
/// # Errors
/// If the kernel cannot be asked, or says what cannot be understood.
pub(super) fn neighbours() -> io::Result<HashMap<IpAddr, Seen>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    let kernel = SocketAddr::new(0, 0);
    socket.connect(&kernel)?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let request = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
    let mut request = NetlinkMessage::new(header, NetlinkPayload::from(request));
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let mut seen = HashMap::new();
    loop {
        let (part, sender) = socket.recv_from_full()?;
        // Other processes may write to this socket, too.
        if sender.port_number() == kernel.port_number() && take(&part, &mut seen)? {
            return Ok(seen);
        }
    }
}

/// Takes the neighbours of one datagram; whether it was the last one.
fn take(mut part: &[u8], seen: &mut HashMap<IpAddr, Seen>) -> io::Result<bool> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer cannot be understood");
    while !part.is_empty() {
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(part).map_err(|_| malformed())?;
        let size = usize::try_from(message.header.length).ok().filter(|size| *size > 0).ok_or_else(malformed)?;
        match message.payload {
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNeighbour(neighbour)) => add(&neighbour, seen),
            _ => {}
        }
        // Messages begin at multiples of four bytes.
        part = part.get(size.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

fn add(neighbour: &NeighbourMessage, seen: &mut HashMap<IpAddr, Seen>) {
    let is_believed = matches!(
        neighbour.header.state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent
    );
    let (mut address, mut hardware_address) = (None, None);
    for attribute in &neighbour.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(shown)) => address = Some(IpAddr::V4(*shown)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(shown)) => {
                address = Some(IpAddr::V6(*shown).to_canonical());
            }
            NeighbourAttribute::LinkLayerAddress(bytes) => {
                hardware_address = <[u8; 6]>::try_from(bytes.as_slice()).ok().and_then(HardwareAddress::new);
            }
            _ => {}
        }
    }
    let (Some(address), Some(hardware_address), true) = (address, hardware_address, is_believed) else { return };
    if seen.len() >= NEIGHBOURS_MAX && !seen.contains_key(&address) {
        return;
    }
    let one = Seen::One(hardware_address);
    seen.entry(address).and_modify(|known| *known = if *known == one { one } else { Seen::Several }).or_insert(one);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbour(address: [u8; 4], hardware_address: &[u8], state: NeighbourState) -> NeighbourMessage {
        let mut neighbour = NeighbourMessage::default();
        neighbour.header.state = state;
        neighbour.attributes = vec![
            NeighbourAttribute::Destination(NeighbourAddress::Inet(address.into())),
            NeighbourAttribute::LinkLayerAddress(hardware_address.to_vec()),
        ];
        neighbour
    }

    fn seen(neighbours: &[NeighbourMessage]) -> HashMap<IpAddr, Seen> {
        let mut seen = HashMap::new();
        neighbours.iter().for_each(|neighbour| add(neighbour, &mut seen));
        seen
    }

    const CLIENT: [u8; 4] = [192, 0, 2, 7];
    const FIRST: [u8; 6] = [2, 0, 0x5e, 0x10, 0, 1];
    const SECOND: [u8; 6] = [2, 0, 0x5e, 0x10, 0, 2];

    // R-A4
    #[test]
    fn only_what_the_kernel_believes_is_seen() {
        let one = Seen::One(HardwareAddress::new(FIRST).unwrap());
        for (state, is_seen) in [
            (NeighbourState::Reachable, true),
            (NeighbourState::Stale, true),
            (NeighbourState::Permanent, true),
            (NeighbourState::Incomplete, false),
            (NeighbourState::Failed, false),
            (NeighbourState::Noarp, false),
            (NeighbourState::None, false),
        ] {
            let found = seen(&[neighbour(CLIENT, &FIRST, state)]).get(&IpAddr::from(CLIENT)).copied();
            assert_eq!(found, is_seen.then_some(one), "{state:?}");
        }
        for bad in [&[][..], &FIRST[..5], &[0; 6], &[0xff; 6], &[1, 0, 0, 0, 0, 1]] {
            assert!(seen(&[neighbour(CLIENT, bad, NeighbourState::Reachable)]).is_empty(), "{bad:?}");
        }
    }

    // R-A4
    #[test]
    fn an_address_of_several_machines_is_that_of_none() {
        let of = |hardware_address: &[u8]| neighbour(CLIENT, hardware_address, NeighbourState::Reachable);
        let found = |neighbours: &[NeighbourMessage]| seen(neighbours).get(&IpAddr::from(CLIENT)).copied();
        assert_eq!(found(&[of(&FIRST), of(&FIRST)]), Some(Seen::One(HardwareAddress::new(FIRST).unwrap())));
        assert_eq!(found(&[of(&FIRST), of(&SECOND)]), Some(Seen::Several));
        assert_eq!(found(&[of(&FIRST), of(&SECOND), of(&FIRST)]), Some(Seen::Several));
    }

    // R-A4
    #[test]
    fn the_kernel_answers_and_what_it_cannot_have_said_is_refused() {
        neighbours().unwrap();
        for bad in [&[1][..], &[0; 16], &[0xff; 20]] {
            assert!(take(bad, &mut HashMap::new()).is_err(), "{bad:?}");
        }
    }
}

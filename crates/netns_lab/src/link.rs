//! What `ip link set lo up` and `ip address add … dev lo` do, by rtnetlink(7), so that no test needs iproute2.

use std::{
    fs,
    net::{IpAddr, Ipv6Addr},
    os::fd::AsRawFd as _,
    thread::sleep,
    time::{Duration, Instant},
};

use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket};

// linux/rtnetlink.h, linux/netlink.h, linux/if.h
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_EXCL: u16 = 0x200;
const IFF_UP: u32 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_F_NODAD: u8 = 2;
const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

const PATIENCE: Duration = Duration::from_secs(20);

/// The loopback interface is the first of every namespace.
const LO: u32 = 1;

/// Switches the loopback interface on.
pub(crate) fn up() {
    let mut message = vec![AF_UNSPEC, 0, 0, 0];
    for word in [LO, IFF_UP, IFF_UP] {
        message.extend(word.to_ne_bytes());
    }
    ask(RTM_NEWLINK, 0, &message, "switching the loopback interface on");
}

/// Gives the loopback interface one more address.
pub(crate) fn add(address: IpAddr) {
    let (family, octets) = match address {
        IpAddr::V4(address) => (AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (AF_INET6, address.octets().to_vec()),
    };
    let prefix = u8::try_from(octets.len() * 8).unwrap();
    let mut message = vec![family, prefix, IFA_F_NODAD, 0];
    message.extend(LO.to_ne_bytes());
    for kind in [IFA_LOCAL, IFA_ADDRESS] {
        let length = u16::try_from(4 + octets.len()).unwrap();
        message.extend(length.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(&octets);
    }
    let flags = NLM_F_CREATE | NLM_F_EXCL;
    ask(RTM_NEWADDR, flags, &message, &format!("adding the address {address}"));
}

/// Waits until the kernel takes an IPv6 address that it was just given for its own: that route comes by the way, and while
/// it comes, connecting may fail.
pub(crate) fn wait_for(address: Ipv6Addr) {
    let octets = format!("{:032x}", address.to_bits());
    let begun = Instant::now();
    while !fs::read_to_string("/proc/net/ipv6_route")
        .unwrap()
        .lines()
        .any(|route| is_own(route, &octets))
    {
        assert!(begun.elapsed() < PATIENCE, "the kernel has no route to {address}");
        sleep(Duration::from_millis(1));
    }
}

/// Whether a line of `/proc/net/ipv6_route` leads to exactly this address, of the own machine.
fn is_own(route: &str, octets: &str) -> bool {
    const RTF_LOCAL: u32 = 0x8000_0000;
    let columns: Vec<&str> = route.split_ascii_whitespace().collect();
    columns[0] == octets && columns[1] == "80" && u32::from_str_radix(columns[8], 16).unwrap() & RTF_LOCAL != 0
}

/// Sends one request and reads its acknowledgement.
fn ask(kind: u16, flags: u16, message: &[u8], what: &str) {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )
    .unwrap();
    let mut request = Vec::new();
    request.extend(u32::try_from(16 + message.len()).unwrap().to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend((flags | NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    // Sequence number and port: there is one request and one asker.
    request.extend([0; 8]);
    request.extend(message);
    sendto(socket.as_raw_fd(), &request, &NetlinkAddr::new(0, 0), MsgFlags::empty()).unwrap();
    let mut answer = [0; 4096];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty()).unwrap();
    // struct nlmsgerr: the error stands after the header, negative; 0 is the acknowledgement.
    let error = i32::from_ne_bytes(answer[16..20].try_into().unwrap());
    assert!(
        length >= 20 && error == 0,
        "{what}: {}",
        std::io::Error::from_raw_os_error(-error)
    );
}

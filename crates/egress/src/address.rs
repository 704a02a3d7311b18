//! Which IP addresses the open internet owns: the one table that decides where a tenant's URL may lead.
//!
//! Pure, and used by [`crate::guard`]. What must stay true: an address is refused unless it is known to be global unicast,
//! so that a range nobody thought of is refused too (IPv6 outside `2000::/3`), and an IPv6 address that carries an IPv4
//! address inside is never kinder than that IPv4 address.
//!
//! Sources: the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and its updates).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(first: u16, second: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0), prefix)
}

const REFUSED_V4: &[(Ipv4Net, &str)] = &[
    (v4(0, 0, 0, 0, 8), "this network or unspecified"),
    (v4(10, 0, 0, 0, 8), "private"),
    (v4(100, 64, 0, 0, 10), "carrier-grade NAT"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    // The address of Azure's host agent: globally routable by its number, local by its meaning.
    (v4(168, 63, 129, 16, 32), "cloud metadata"),
    (v4(169, 254, 0, 0, 16), "link-local or cloud metadata"),
    (v4(172, 16, 0, 0, 12), "private"),
    (v4(192, 0, 0, 0, 24), "IETF protocol assignments"),
    (v4(192, 0, 2, 0, 24), "documentation"),
    (v4(192, 88, 99, 0, 24), "6to4 relay"),
    (v4(192, 168, 0, 0, 16), "private"),
    (v4(198, 18, 0, 0, 15), "benchmarking"),
    (v4(198, 51, 100, 0, 24), "documentation"),
    (v4(203, 0, 113, 0, 24), "documentation"),
    (v4(224, 0, 0, 0, 4), "multicast"),
    (v4(240, 0, 0, 0, 4), "reserved or broadcast"),
];

/// Ranges that keep their own name in a message; whatever else lies outside [`GLOBAL_V6`] is refused without one.
const REFUSED_V6: &[(Ipv6Net, &str)] = &[
    // Teredo, benchmarking and ORCHID all lie in the block of IETF protocol assignments.
    (v6(0x2001, 0, 23), "IETF protocol assignments or Teredo"),
    (v6(0x2001, 0x0db8, 32), "documentation"),
    (v6(0x2002, 0, 16), "6to4"),
    (v6(0x3fff, 0, 20), "documentation"),
    (v6(0xfc00, 0, 7), "unique local"),
    (v6(0xfe80, 0, 10), "link-local"),
    (v6(0xff00, 0, 8), "multicast"),
];

const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);

/// RFC 6052 §2.1: the IPv4 address stands in the last 32 bits.
const NAT64: Ipv6Net = v6(0x0064, 0xff9b, 96);

/// Why `address` is not for tenants, or `None` when it is a global unicast address.
pub fn refusal(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => refusal_v4(address),
        IpAddr::V6(address) => refusal_v6(address),
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    REFUSED_V4
        .iter()
        .find(|(net, _)| net.contains(&address))
        .map(|(_, reason)| *reason)
}

fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(inner) = embedded_v4(address) {
        return refusal_v4(inner);
    }
    if address.is_loopback() {
        return Some("loopback");
    }
    if address.is_unspecified() {
        return Some("unspecified");
    }
    if let Some((_, reason)) = REFUSED_V6.iter().find(|(net, _)| net.contains(&address)) {
        return Some(reason);
    }
    (!GLOBAL_V6.contains(&address)).then_some("outside global unicast")
}

/// The IPv4 address that a packet to `address` reaches in the end: IPv4-mapped, or through a NAT64 translator.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    if let Some(inner) = address.to_ipv4_mapped() {
        return Some(inner);
    }
    NAT64.contains(&address).then(|| {
        let [.., a, b, c, d] = address.octets();
        Ipv4Addr::new(a, b, c, d)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(address: &str) -> Option<&'static str> {
        refusal(address.parse().unwrap())
    }

    #[test]
    fn every_special_range_is_refused_at_both_of_its_ends_and_its_neighbours_are_not() {
        // (first, last, neighbour below, neighbour above); "" where the neighbour is special too.
        let table = [
            ("0.0.0.0", "0.255.255.255", "", "1.0.0.0"),
            ("10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
            ("100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"),
            ("127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"),
            ("168.63.129.16", "168.63.129.16", "168.63.129.15", "168.63.129.17"),
            ("169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"),
            ("172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"),
            ("192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"),
            ("192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"),
            ("192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"),
            ("192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"),
            ("198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"),
            ("198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"),
            ("203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"),
            ("224.0.0.0", "255.255.255.255", "223.255.255.255", ""),
            ("2001::", "2001:1ff:ffff::", "2000:ffff::", "2001:200::"),
            ("2001:db8::", "2001:db8:ffff::", "2001:db7:ffff::", "2001:db9::"),
            ("2002::", "2002:ffff::", "2001:ffff::", "2003::"),
            ("3fff::", "3fff:fff:ffff::", "3ffe:ffff::", "3fff:1000::"),
        ];
        for (first, last, below, above) in table {
            assert!(reason(first).is_some(), "{first} must be refused");
            assert!(reason(last).is_some(), "{last} must be refused");
            for neighbour in [below, above].into_iter().filter(|text| !text.is_empty()) {
                assert_eq!(reason(neighbour), None, "{neighbour} is global");
            }
        }
    }

    #[test]
    fn only_global_unicast_ipv6_passes() {
        for address in [
            "::",
            "::1",
            "::7f00:1",
            "::808:808",
            "100::1",
            "64:ff9b:1::1",
            "1fff::1",
            "4000::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:0:4136:e378::1",
            "2001:2::1",
            "2001:10::1",
            "5f00::1",
        ] {
            assert!(reason(address).is_some(), "{address} must be refused");
        }
        for address in ["2606:4700:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888"] {
            assert_eq!(reason(address), None, "{address} is global");
        }
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_address_is_judged_by_the_ipv4_table() {
        for address in [
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.5",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.5",
            "64:ff9b::7f00:1",
        ] {
            assert!(reason(address).is_some(), "{address} must be refused");
        }
        for address in ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8"] {
            assert_eq!(reason(address), None, "{address} leads to a global address");
        }
    }

    #[test]
    fn the_reason_names_the_range() {
        assert_eq!(reason("127.0.0.1"), Some("loopback"));
        assert_eq!(reason("192.168.1.1"), Some("private"));
        assert_eq!(reason("fd00::1"), Some("unique local"));
    }
}

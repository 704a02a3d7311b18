//! Where a request comes from: the one place that decides it, for the audit log, the limits, the logins and the metrics rule.
//!
//! A stranger can write any header, so only what a trusted proxy has added counts: the addresses of `X-Forwarded-For` (or of
//! `Forwarded`, RFC 7239) are read from the right, and the first that is no trusted proxy's is the client's. What stands left of
//! it is the client's own tale. Only the configured header is read, since proxies pass the other one on as they got it. A part
//! that can't be read ends the search: the request then comes from the socket's address.
use domain::config::{EdgeConfig, ProxyHeader};
use poem::{
    Addr, Endpoint, Request, Response, Result,
    http::{HeaderMap, HeaderName, header},
};
use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Once},
};

use super::context;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// A proxy that is not trusted was told of.
static WARNED: Once = Once::new();

/// Who sent a request, as far as addresses tell. Every request over the network has one: [`ClientAddress::of`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    ip: IpAddr,
    direct: bool,
    /// A trusted proxy has named it.
    named: bool,
    tls: bool,
}

impl ClientAddress {
    /// The address of a request; none if it did not come over the network.
    pub fn of(req: &Request) -> Option<Self> {
        req.data::<Self>().copied()
    }

    /// The client's address; IPv4 as such, however the socket wrote it.
    pub fn ip(self) -> IpAddr {
        self.ip
    }

    /// A process on this machine that came through no proxy.
    pub fn is_local_process(self) -> bool {
        self.direct && self.ip.is_loopback()
    }

    /// A proxy that nobody has named in `TRUSTED_PROXIES`, as far as its headers tell: the address is its own, and whoever it speaks for
    /// can't be told.
    pub fn hides_others(self) -> bool {
        !self.direct && !self.named
    }

    /// A trusted proxy took the request over TLS.
    pub fn came_over_tls(self) -> bool {
        self.tls
    }
}

/// Puts the request's [`ClientAddress`] into it.
pub async fn client<E: Endpoint<Output = Response>>(next: Arc<E>, mut req: Request) -> Result<Response> {
    if let Addr::SocketAddr(socket) = &req.remote_addr().0 {
        let socket = socket.ip();
        let context = context(&req)?;
        let address = decide(&context.edge, context.is_fronted(), socket, req.headers());
        if address.hides_others() && is_near(address.ip) {
            WARNED.call_once(|| {
                tracing::warn!(
                    event = "proxy_not_trusted",
                    address = %address.ip,
                    "a proxy forwards requests and is not in TRUSTED_PROXIES: all its visitors share its limits"
                );
            });
        }
        req.set_data(address);
    }
    next.call(req).await
}

/// Whether it may be the operator's own machine. Strangers elsewhere write such headers as well, and are no news.
fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

/// `fronted`: there must be a proxy that nobody has named, so that whoever comes by the network may be its visitor.
fn decide(edge: &EdgeConfig, fronted: bool, socket: IpAddr, headers: &HeaderMap) -> ClientAddress {
    let socket = socket.to_canonical();
    let trusted = |ip: IpAddr| edge.trusted_proxies.iter().any(|network| network.contains(ip));
    let told = |name| headers.contains_key(name);
    let direct = ![X_FORWARDED_FOR, header::FORWARDED, X_REAL_IP].into_iter().any(told) && !fronted;
    let stranger = ClientAddress {
        ip: socket,
        direct,
        named: false,
        tls: false,
    };
    if !trusted(socket) {
        return stranger;
    }
    let hops = match edge.proxy_header {
        ProxyHeader::XForwardedFor => x_forwarded(headers),
        ProxyHeader::Forwarded => forwarded(headers),
    };
    // From the nearest hop on; the last one if all of them are proxies.
    let mut found = None;
    for hop in hops {
        let Some(ip) = hop.ip else { return stranger };
        let proxy = trusted(ip);
        found = Some((ip, hop.tls));
        if !proxy {
            break;
        }
    }
    found.map_or(stranger, |(ip, tls)| ClientAddress {
        ip,
        direct,
        named: true,
        tls,
    })
}

/// One hop as the proxy behind it saw it.
#[derive(Debug, PartialEq, Eq)]
struct Hop {
    /// None if it can't be read.
    ip: Option<IpAddr>,
    tls: bool,
}

/// The hops of `X-Forwarded-For`, the nearest first. `X-Forwarded-Proto` tells of the client's connection alone.
fn x_forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let proto = headers.get_all(X_FORWARDED_PROTO).iter().next_back();
    let last = proto.and_then(|value| value.to_str().ok()?.rsplit(',').next());
    let tls = last.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"));
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    lines
        .flat_map(|line| line.to_str().unwrap_or("?").rsplit(','))
        .map(|part| Hop {
            ip: address(part.trim()),
            tls,
        })
        .collect()
}

/// The hops of `Forwarded`, the nearest first. An element without `for` says nothing of its hop.
fn forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let mut hops = Vec::new();
    for line in headers.get_all(header::FORWARDED) {
        match line.to_str().ok().and_then(elements) {
            Some(elements) => hops.extend(elements.iter().map(|pairs| hop(pairs))),
            None => hops.push(Hop { ip: None, tls: false }),
        }
    }
    hops.reverse();
    hops
}

fn hop(pairs: &[(String, String)]) -> Hop {
    let value = |wanted: &str| {
        pairs
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    };
    Hop {
        ip: value("for").and_then(address),
        tls: value("proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https")),
    }
}

/// `name=value` pairs, with names in lower case, of each element of a `Forwarded` line (RFC 7239, section 4); none if the line
/// breaks the grammar.
fn elements(line: &str) -> Option<Vec<Vec<(String, String)>>> {
    let mut elements = vec![Vec::new()];
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return None;
        }
        let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
            unquoted(quoted)?
        } else {
            let end = after.bytes().position(|b| !is_token(b)).unwrap_or(after.len());
            (after[..end].to_owned(), &after[end..])
        };
        elements.last_mut()?.push((name.to_ascii_lowercase(), value));
        let after = after.trim_start();
        rest = match after.chars().next() {
            None => "",
            Some(';') => after[1..].trim_start(),
            Some(',') => {
                elements.push(Vec::new());
                after[1..].trim_start()
            }
            Some(_) => return None,
        };
    }
    Some(elements)
}

/// A quoted string without its quotes, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// An address with or without a port; IPv6 also in brackets. `unknown` and made-up names are none.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let ip = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
        .or_else(|| Some(bare?.parse::<Ipv6Addr>().ok()?.into()))?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem::http::HeaderValue;

    fn edge(header: ProxyHeader) -> EdgeConfig {
        EdgeConfig {
            trusted_proxies: ["127.0.0.1", "10.0.0.0/8", "fd00::/8"]
                .map(|n| n.parse().unwrap())
                .into(),
            proxy_header: header,
            csp_report_uri: None,
            security_contact: None,
            max_connections: 1,
            dns_servers: vec![],
        }
    }

    fn seen(socket: &str, header: ProxyHeader, lines: &[(&'static str, &str)]) -> ClientAddress {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        decide(&edge(header), false, socket.parse().unwrap(), &headers)
    }

    #[test]
    fn behind_a_proxy_that_tells_nothing_nobody_is_of_this_machine() {
        let at = |fronted: bool| {
            decide(
                &edge(ProxyHeader::Forwarded),
                fronted,
                [127, 0, 0, 1].into(),
                &HeaderMap::new(),
            )
        };
        assert!(at(false).is_local_process() && !at(false).hides_others());
        assert!(!at(true).is_local_process() && at(true).hides_others());
    }

    fn x(socket: &str, lines: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        seen(socket, ProxyHeader::XForwardedFor, &lines).ip().to_string()
    }

    fn rfc(line: &str) -> String {
        let lines = [("forwarded", line)];
        seen("10.0.0.1", ProxyHeader::Forwarded, &lines).ip().to_string()
    }

    #[test]
    fn strangers_speak_for_nobody() {
        assert_eq!(x("198.51.100.7", &["203.0.113.1"]), "198.51.100.7");
        assert_eq!(x("::ffff:198.51.100.7", &[]), "198.51.100.7");
        let tls = [("x-forwarded-proto", "https"), ("x-forwarded-for", "203.0.113.1")];
        assert!(!seen("198.51.100.7", ProxyHeader::XForwardedFor, &tls).came_over_tls());
        assert!(seen("10.0.0.1", ProxyHeader::XForwardedFor, &tls).came_over_tls());
    }

    #[test]
    fn the_nearest_hop_that_is_no_proxy_is_the_client() {
        assert_eq!(x("10.0.0.1", &["203.0.113.1"]), "203.0.113.1");
        // What the client made up stands left of what the proxies added.
        assert_eq!(
            x("10.0.0.1", &["127.0.0.1, 8.8.8.8, 203.0.113.1, 10.9.9.9"]),
            "203.0.113.1"
        );
        assert_eq!(x("10.0.0.1", &["8.8.8.8", "203.0.113.1", "10.9.9.9"]), "203.0.113.1");
        assert_eq!(x("::ffff:10.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(x("fd00::1", &["203.0.113.1:99"]), "203.0.113.1");
        assert_eq!(x("10.0.0.1", &["10.1.1.1, 10.2.2.2"]), "10.1.1.1", "all are proxies");
        assert_eq!(x("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_can_not_be_read_is_nobody() {
        for line in [
            "",
            "unknown",
            "203.0.113.1,",
            "203.0.113.1, _hidden",
            "203.0.113.1;",
            "1.2.3",
            "a\u{e4}",
            "fe80::1%eth0",
        ] {
            assert_eq!(x("10.0.0.1", &[line]), "10.0.0.1", "{line}");
        }
        // Left of the client nobody looks.
        assert_eq!(x("10.0.0.1", &["garbage, 203.0.113.1"]), "203.0.113.1");
    }

    #[test]
    fn forwarded_is_read_as_its_grammar_says() {
        assert_eq!(rfc("for=192.0.2.43, for=198.51.100.17"), "198.51.100.17");
        assert_eq!(
            rfc("For=\"[2001:db8:cafe::17]:4711\";proto=https;by=203.0.113.43"),
            "2001:db8:cafe::17"
        );
        assert_eq!(rfc("for=\"a, b\\\"\";x=1 , by=1;for=192.0.2.1"), "192.0.2.1");
        assert_eq!(rfc("for=192.0.2.1, for=10.1.1.1"), "192.0.2.1");
        for line in [
            "for=\"192.0.2.1",
            "for",
            "for=unknown",
            "for=192.0.2.1, proto=https",
            "for=192.0.2.1 for=192.0.2.2",
            "=1",
        ] {
            assert_eq!(rfc(line), "10.0.0.1", "{line}");
        }
    }

    #[test]
    fn only_the_configured_header_is_read() {
        let both = [("x-forwarded-for", "203.0.113.1"), ("forwarded", "for=203.0.113.2")];
        assert_eq!(
            seen("10.0.0.1", ProxyHeader::XForwardedFor, &both).ip().to_string(),
            "203.0.113.1"
        );
        assert_eq!(
            seen("10.0.0.1", ProxyHeader::Forwarded, &both).ip().to_string(),
            "203.0.113.2"
        );
    }

    #[test]
    fn a_proxy_on_this_machine_is_no_process_of_this_machine() {
        assert!(seen("127.0.0.1", ProxyHeader::XForwardedFor, &[]).is_local_process());
        for header in ["x-forwarded-for", "forwarded", "x-real-ip"] {
            let told = seen("127.0.0.1", ProxyHeader::XForwardedFor, &[(header, "127.0.0.1")]);
            assert!(!told.is_local_process(), "{header}");
        }
        // One that is trusted and has named its client hides nobody; one that is not, or names nobody, does.
        let hides =
            |socket, lines: &[(&'static str, &str)]| seen(socket, ProxyHeader::XForwardedFor, lines).hides_others();
        assert!(!hides("10.0.0.1", &[("x-forwarded-for", "203.0.113.1")]) && !hides("192.168.0.1", &[]));
        assert!(hides("192.168.0.1", &[("x-forwarded-for", "203.0.113.1")]));
        assert!(
            hides("10.0.0.1", &[("x-forwarded-for", "unknown")]) && hides("10.0.0.1", &[("x-real-ip", "203.0.113.1")])
        );
        assert!(!seen("10.0.0.1", ProxyHeader::XForwardedFor, &[]).is_local_process());
    }
}

//! What stands between this installation and strangers: the proxies that may speak for their clients, reports of browsers,
//! connections, and the resolver that is asked for proofs of domains.
use super::Reader;
use ipnet::IpNet;
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};
use url::Url;

/// The edge of the installation.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// Whose word about where a request comes from is taken; nobody's if empty.
    pub trusted_proxies: Vec<Network>,
    /// The one header that these proxies set themselves. Any other is whatever the client has sent.
    pub proxy_header: ProxyHeader,
    /// Where browsers report what a policy has stopped.
    pub csp_report_uri: Option<String>,
    /// Where weaknesses are reported to the operator: a `mailto:` or `https:` address.
    pub security_contact: Option<Url>,
    /// Connections of one API process at most.
    pub max_connections: usize,
    /// Resolvers for the proofs of domains; the system's if empty.
    pub dns_servers: Vec<SocketAddr>,
}

impl EdgeConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        const REPORTS: &str = "https://reports.example.com/csp";
        let csp_report_uri = r.optional("CSP_REPORT_URI");
        if let Some(text) = &csp_report_uri
            && !is_report_uri(text)
        {
            r.wrong(
                "CSP_REPORT_URI",
                "must be an http or https URL without spaces, semicolons, commas or quotes",
                REPORTS,
            );
        }
        let security_contact = r.optional("SECURITY_CONTACT").and_then(|text| {
            let url = Url::parse(&text).ok().filter(is_contact);
            if url.is_none() {
                let what = "must be a mailto: or https: address without a password";
                r.wrong("SECURITY_CONTACT", what, "mailto:security@example.com");
            }
            url
        });
        Self {
            security_contact,
            trusted_proxies: r.list("TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8"),
            proxy_header: r.parsed("TRUSTED_PROXY_HEADER", ProxyHeader::default(), "x-forwarded-for"),
            csp_report_uri,
            max_connections: r.number("MAX_CONNECTIONS", 4096, 16..=1_000_000, "4096"),
            dns_servers: r.list("DNS_SERVERS", "9.9.9.9:53,[2620:fe::fe]:53"),
        }
    }
}

/// It becomes a part of a header, where these characters have a meaning.
fn is_report_uri(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b';' | b',' | b'"' | b'\'' | b'\\'))
}

fn is_contact(url: &Url) -> bool {
    url.password().is_none() && matches!(url.scheme(), "mailto" | "https")
}

/// An address or a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Whether `address` is in it; an IPv4 address is the same whether it comes mapped into IPv6 or not.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = text
            .parse::<IpAddr>()
            .map(|address| IpNet::from(address.to_canonical()));
        let network = address.or_else(|_| text.parse::<IpNet>());
        network
            .map(Self)
            .map_err(|_| "it is neither an address nor a network such as 10.0.0.0/8")
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a proxy says where a request comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, with `X-Forwarded-Proto`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl FromStr for ProxyHeader {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            "forwarded" => Ok(Self::Forwarded),
            _ => Err("it must be x-forwarded-for or forwarded"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_network_of_one() {
        let contains = |network: &str, address: &str| {
            let network: Network = network.parse().unwrap();
            network.contains(address.parse().unwrap())
        };
        assert!(contains("10.0.0.1", "10.0.0.1") && !contains("10.0.0.1", "10.0.0.2"));
        assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3") && !contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("2001:db8::/32", "2001:db8::1") && contains("::ffff:10.0.0.1", "10.0.0.1"));
        for wrong in ["", "10.0.0.0/33", "proxy.example", "10.0.0"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn weaknesses_are_reported_to_an_address_or_a_page() {
        let is = |text: &str| Url::parse(text).is_ok_and(|url| is_contact(&url));
        assert!(is("mailto:security@example.com") && is("https://example.com/security"));
        assert!(!is("security@example.com") && !is("http://example.com/") && !is("https://a:b@example.com/"));
    }

    #[test]
    fn a_report_address_can_not_end_its_directive() {
        assert!(is_report_uri("https://reports.example/csp?app=omniops"));
        for wrong in [
            "reports.example",
            "/csp",
            "https://r.example/a; script-src *",
            "https://r.example/\"",
            "javascript:1",
        ] {
            assert!(!is_report_uri(wrong), "{wrong}");
        }
    }
}

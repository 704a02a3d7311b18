//! How hosts and origins are written, and which of them a tenant may claim.
use std::{fmt, net::IpAddr, str::FromStr};
use url::{Host, Url};

use crate::{Error, Result};

/// Longest name, and longest label of one, in bytes (RFC 1035, section 2.3.4).
const NAME: usize = 253;
const LABEL: usize = 63;

/// Names that only mean something on one machine or in one network (RFC 6761, RFC 6762, RFC 8375 and ICANN's `internal`).
const LOCAL: [&str; 8] = [
    "home.arpa",
    "internal",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "test",
];

/// A host as browsers write it in `Origin`: lower case, punycode, and a port only where it isn't the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl HostName {
    /// The host of an http or https URL, if a certificate or a resolver could name it.
    pub fn of(url: &Url) -> Option<Self> {
        let host = url.host_str()?;
        let host = host.strip_suffix('.').unwrap_or(host);
        let fits = host.starts_with('[')
            || (host.len() <= NAME && host.split('.').all(|label| (1..=LABEL).contains(&label.len())));
        (matches!(url.scheme(), "http" | "https") && fits).then(|| match url.port() {
            Some(port) => Self(format!("{host}:{port}")),
            None => Self(host.to_owned()),
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host without its port, as an address or a name.
    pub fn host(&self) -> Host<&str> {
        let bare = match self.0.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => host,
            _ => &self.0,
        };
        let address = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some(Ok(address)) = address.map(str::parse) {
            return Host::Ipv6(address);
        }
        bare.parse().map_or(Host::Domain(bare), Host::Ipv4)
    }

    /// Whether the host is this machine or stands in a private network, where there are no certificates to be had.
    pub fn is_local(&self) -> bool {
        match self.host() {
            Host::Ipv4(address) => is_private(address.into()),
            Host::Ipv6(address) => is_private(address.into()),
            Host::Domain(name) => !name.contains('.') || LOCAL.iter().any(|suffix| is_under(name, suffix)),
        }
    }

    /// Refuses what no tenant can own by a proof: addresses, local names, and the suffixes under which names are given to
    /// others (`co.uk`, `github.io`).
    pub fn check_claim(&self) -> Result<()> {
        let reserved = match self.host() {
            Host::Domain(name) => self.is_local() || psl::suffix_str(name) == Some(name),
            Host::Ipv4(_) | Host::Ipv6(_) => true,
        };
        if reserved {
            let told = format!("{self} is an address, a local name or a public suffix; the operator may add it");
            return Err(Error::invalid("domain", told));
        }
        Ok(())
    }
}

fn is_under(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

impl FromStr for HostName {
    type Err = Error;

    /// Takes a bare host, `host:port`, an origin or a whole URL.
    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let wrong = || {
            Error::invalid(
                "domain",
                "must be a host such as shop.example or shop.example:8080, or a URL",
            )
        };
        if text.is_empty() || text.len() > 260 {
            return Err(wrong());
        }
        let url = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let url = Url::parse(&url).map_err(|_| wrong())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong());
        }
        // A bare `host:80` is http's own port; browsers leave it out of the origin.
        let host = Self::of(&url).ok_or_else(wrong)?;
        Ok(if text.contains("://") {
            host
        } else {
            Self(host.0.trim_end_matches(":80").to_owned())
        })
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The origin of a page as a browser writes it (RFC 6454, section 6.2): no other spelling of it, and never `null`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    text: String,
    host: HostName,
    encrypted: bool,
}

impl Origin {
    /// The page's host.
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// The origin as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether nobody on the way can have put another page in this one's place: it came over TLS, or its host is local.
    pub fn is_trustworthy(&self) -> bool {
        self.encrypted || self.host.is_local()
    }
}

impl FromStr for Origin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("origin", "must be an origin such as https://shop.example");
        let url = Url::parse(text).map_err(|_| wrong())?;
        if url.origin().ascii_serialization() != text {
            return Err(wrong());
        }
        Ok(Self {
            host: HostName::of(&url).ok_or_else(wrong)?,
            encrypted: url.scheme() == "https",
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> HostName {
        text.parse().unwrap()
    }

    #[test]
    fn hosts_urls_and_origins_name_the_same_domain() {
        for text in [
            "Shop.Example",
            "https://shop.example/path?q=1",
            "http://shop.example",
            "shop.example:443",
            "shop.example.",
        ] {
            assert_eq!(host(text).as_str(), "shop.example", "{text}");
        }
        assert_eq!(host("127.0.0.1:8080").as_str(), "127.0.0.1:8080");
        assert_eq!(host("http://localhost:3000").as_str(), "localhost:3000");
        assert_eq!(host("bücher.example").as_str(), "xn--bcher-kva.example");
        assert_eq!(host("[2001:DB8::1]:8080").as_str(), "[2001:db8::1]:8080");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = format!("{}.example", "a".repeat(64));
        let longer = "a.".repeat(125) + "example";
        for text in [
            "",
            "ftp://shop.example",
            "user:pw@shop.example",
            "a b",
            "javascript:alert(1)",
            "https://",
            "shop..example",
            "shop.example..",
            &long,
            &longer,
        ] {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_port_is_no_part_of_the_name() {
        assert_eq!(host("shop.example:8080").host(), Host::Domain("shop.example"));
        assert_eq!(host("127.0.0.1:8080").host(), Host::<&str>::Ipv4([127, 0, 0, 1].into()));
        for text in ["[::1]", "[::1]:3000"] {
            assert_eq!(host(text).host(), Host::<&str>::Ipv6("::1".parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn nobody_claims_an_address_a_local_name_or_a_public_suffix() {
        for text in [
            "127.0.0.1:3000",
            "203.0.113.1",
            "[2001:db8::1]",
            "localhost:3000",
            "a.localhost",
            "printer.local",
            "intranet",
            "com",
            "co.uk",
            "github.io",
            "2130706433",
        ] {
            assert!(host(text).check_claim().is_err(), "{text}");
        }
        for text in [
            "shop.example",
            "shop.co.uk",
            "shop.github.io",
            "shop.example:8443",
            "xn--bcher-kva.example",
        ] {
            assert!(host(text).check_claim().is_ok(), "{text}");
        }
    }

    #[test]
    fn an_origin_has_one_spelling() {
        let origin: Origin = "https://shop.example:8443".parse().unwrap();
        assert_eq!(origin.host().as_str(), "shop.example:8443");
        for text in [
            "null",
            "https://shop.example/",
            "https://Shop.example",
            "https://shop.example:443",
            "https://user@shop.example",
            "shop.example",
            "https://shop.example https://evil.example",
            "file://",
            "https://",
            "chrome-extension://abc",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_page_that_came_in_clear_is_trusted_on_local_hosts_only() {
        let trusted = |text: &str| text.parse::<Origin>().unwrap().is_trustworthy();
        for text in [
            "https://shop.example",
            "http://localhost:3000",
            "http://127.0.0.1:1",
            "http://10.0.0.5",
            "http://[::1]",
        ] {
            assert!(trusted(text), "{text}");
        }
        for text in ["http://shop.example", "http://203.0.113.1", "http://localhost.example"] {
            assert!(!trusted(text), "{text}");
        }
    }
}

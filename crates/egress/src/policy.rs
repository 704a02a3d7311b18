//! What the operator decides: limits, the name we give ourselves, and which local places are allowed all the same.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use url::{Host, Url};

/// The rules of a [`crate::Client`].
#[derive(Debug, Clone)]
pub struct Policy {
    /// Places that may lie on a local address, each an exact host and port. Empty: only global addresses.
    pub allow: Vec<HostPort>,
    /// How much and how long.
    pub limits: Limits,
    /// The `User-Agent` of every request.
    pub user_agent: String,
}

impl Policy {
    /// No local exceptions, default limits.
    pub fn new(user_agent: impl Into<String>) -> Self {
        Self {
            allow: Vec::new(),
            limits: Limits::default(),
            user_agent: user_agent.into(),
        }
    }
}

/// Bounds of one fetch.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of the body after decompression; a body that is longer is an error, not a cut.
    pub max_body_bytes: usize,
    /// Bytes of a request's body.
    pub max_request_bytes: usize,
    /// Bytes of all response header names and values together, per hop.
    pub max_header_bytes: usize,
    /// Redirects followed before giving up.
    pub max_redirects: usize,
    /// Name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the beginning of a hop until its response's head is complete, and between two pieces of the body.
    pub read_timeout: Duration,
    /// The whole fetch, with all redirects and the body.
    pub total_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 5 * 1024 * 1024,
            max_request_bytes: 5 * 1024 * 1024,
            max_header_bytes: 64 * 1024,
            max_redirects: 5,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(30),
        }
    }
}

/// A host and a port, as in `shop.test:8080`, `127.0.0.1:9000` or `[::1]:9000`.
///
/// The host is compared with the host *as the URL has it*, never with what that name resolves to: an exception for
/// `127.0.0.1:9000` does not open `http://shop.test:9000/`, wherever that name points.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    host: Host<String>,
    port: u16,
}

impl HostPort {
    /// The host and the (explicit or default) port of a URL; `None` for a URL without a host or a known port.
    pub fn of(url: &Url) -> Option<Self> {
        Some(Self {
            host: without_trailing_dot(url.host()?.to_owned()),
            port: url.port_or_known_default()?,
        })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host's address, if it is written as an address.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.host {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    /// The host's name, if it is not an address; lower case, without a trailing dot.
    pub fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Domain(name) => Some(name),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }
}

/// `shop.test.` and `shop.test` are one host.
fn without_trailing_dot(host: Host<String>) -> Host<String> {
    match host {
        Host::Domain(name) => Host::Domain(name.trim_end_matches('.').to_owned()),
        address => address,
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Why a text is not a [`HostPort`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostPortError {
    /// There is no `:port` at the end.
    #[error("`{0}` has no port: write host:port, as in shop.test:8080 or [::1]:8080")]
    NoPort(String),
    /// The port is not a number from 1 to 65535.
    #[error("`{text}`: the port `{port}` is not a number from 1 to 65535")]
    BadPort {
        /// The whole text.
        text: String,
        /// What stands after the last colon.
        port: String,
    },
    /// The host is neither a name nor an address.
    #[error("`{text}`: the host `{host}` is not a host name, an IPv4 address or an IPv6 address in [brackets]")]
    BadHost {
        /// The whole text.
        text: String,
        /// What stands before the last colon.
        host: String,
    },
}

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| HostPortError::NoPort(text.to_owned()))?;
        if port.ends_with(']') {
            return Err(HostPortError::NoPort(text.to_owned()));
        }
        let number = port
            .parse::<u16>()
            .ok()
            .filter(|number| *number != 0)
            .ok_or_else(|| HostPortError::BadPort {
                text: text.to_owned(),
                port: port.to_owned(),
            })?;
        let host = Host::parse(host)
            .map(without_trailing_dot)
            .map_err(|_| HostPortError::BadHost {
                text: text.to_owned(),
                host: host.to_owned(),
            })?;
        Ok(Self { host, port: number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<HostPort, HostPortError> {
        text.parse()
    }

    #[test]
    fn reads_names_and_addresses() {
        for (text, shown) in [
            ("shop.test:8080", "shop.test:8080"),
            (" Shop.Test.:80 ", "shop.test:80"),
            ("127.0.0.1:9000", "127.0.0.1:9000"),
            ("0x7f000001:9000", "127.0.0.1:9000"),
            ("[::1]:9000", "[::1]:9000"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn an_error_says_what_is_wrong_and_what_to_write() {
        for (text, part) in [
            ("shop.test", "has no port"),
            ("[::1]", "has no port"),
            ("shop.test:http", "`http` is not a number"),
            ("shop.test:0", "`0` is not a number from 1"),
            ("shop.test:70000", "`70000` is not"),
            ("::1:80", "in [brackets]"),
            ("http://shop.test:80", "host `http://shop.test`"),
            (":80", "host ``"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn a_url_is_reduced_to_host_and_effective_port() {
        let of = |url: &str| HostPort::of(&url.parse().unwrap()).unwrap().to_string();
        assert_eq!(of("https://Shop.Test./a?b#c"), "shop.test:443");
        assert_eq!(of("http://2130706433/"), "127.0.0.1:80");
        assert_eq!(of("http://[::ffff:10.0.0.5]:81/"), "[::ffff:a00:5]:81");
    }
}

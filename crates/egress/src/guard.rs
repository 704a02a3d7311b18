//! The check that stands before every connection: form of the URL, names, and the addresses behind a name.
//!
//! [`crate::Client`] and [`crate::proxy`] ask it for each hop and each connection, by the same two calls: [`Guard::check`], then
//! [`Guard::resolve`]. The addresses that were checked are the addresses connected to, so that a name cannot change its mind
//! in between (DNS rebinding).

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures::future::BoxFuture;
use url::Url;

use crate::{address, error::Error, policy::HostPort};

/// Turns a name into addresses. The system's resolver unless a test or an operator brings another.
pub trait Lookup: Send + Sync {
    /// All addresses of `name`; an error or an empty answer means that it does not resolve.
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// `getaddrinfo` on tokio's blocking pool.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|socket| socket.ip()).collect())
        })
    }
}

/// A URL that passed [`Guard::check`].
#[derive(Debug, Clone)]
pub struct Checked {
    /// Host and port to connect to.
    pub target: HostPort,
    /// The operator allows this place to be local.
    pub excepted: bool,
}

/// Names that mean the own machine, the own network or a cloud's metadata service, whatever they resolve to.
const LOCAL_NAMES: &[&str] = &[
    "localhost",
    "local",
    "localdomain",
    "internal",
    "home.arpa",
    "ip6-localhost",
    "ip6-loopback",
];

/// Ports of other protocols, where a request would be read as something else: the Fetch standard's list ("port blocking").
#[rustfmt::skip]
const FOREIGN_PORTS: &[u16] = &[
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111,
    113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554,
    556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666,
    6667, 6668, 6669, 6679, 6697, 10080,
];

/// The rules of a policy, ready to be asked.
#[derive(Clone)]
pub struct Guard {
    allow: Arc<[HostPort]>,
    lookup: Arc<dyn Lookup>,
}

impl Guard {
    /// A guard with the operator's exceptions.
    pub fn new(allow: &[HostPort], lookup: Arc<dyn Lookup>) -> Self {
        Self {
            allow: allow.into(),
            lookup,
        }
    }

    /// Checks everything that the URL alone tells. Makes no request and no DNS query.
    pub fn check(&self, url: &Url) -> Result<Checked, Error> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::RefusedScheme {
                url: without_credentials(url),
            });
        }
        let Some(target) = HostPort::of(url) else {
            return Err(Error::RefusedUrl {
                host: String::new(),
                reason: "it has no host",
            });
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::RefusedUrl {
                host: target.to_string(),
                reason: "it carries a user name or a password",
            });
        }
        let excepted = self.allow.contains(&target);
        if !excepted {
            refuse_local(&target)?;
            if FOREIGN_PORTS.contains(&target.port()) {
                return Err(Error::RefusedUrl {
                    host: target.to_string(),
                    reason: "its port belongs to another protocol",
                });
            }
        }
        Ok(Checked { target, excepted })
    }

    /// The addresses to connect to, all of them allowed. One refused address among several refuses the whole: an answer
    /// that mixes public and local addresses is a misconfiguration at best and rebinding at worst.
    pub async fn resolve(&self, checked: &Checked) -> Result<Vec<SocketAddr>, Error> {
        let port = checked.target.port();
        if let Some(address) = checked.target.ip() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let name = checked.target.name().unwrap_or_default();
        let addresses = self.addresses(name, checked.excepted).await?;
        Ok(addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, port))
            .collect())
    }

    /// Resolves `name` once; with `excepted` the address rule is lifted.
    async fn addresses(&self, name: &str, excepted: bool) -> Result<Vec<IpAddr>, Error> {
        let failed = |reason: String| Error::Dns {
            host: name.to_owned(),
            reason,
        };
        let addresses = self
            .lookup
            .lookup(name)
            .await
            .map_err(|error| failed(error.to_string()))?;
        if addresses.is_empty() {
            return Err(failed("the name has no address".to_owned()));
        }
        if !excepted {
            for address in &addresses {
                if let Some(rule) = address::refusal(*address) {
                    return Err(Error::refused_name(&name, rule));
                }
            }
        }
        Ok(addresses)
    }
}

/// For messages and records.
pub(crate) fn without_credentials(url: &Url) -> Url {
    let mut url = url.clone();
    // A URL that can have none has none.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url
}

fn refuse_local(target: &HostPort) -> Result<(), Error> {
    if let Some(address) = target.ip() {
        return match address::refusal(address) {
            Some(rule) => Err(Error::refused_ip(target, address, rule)),
            None => Ok(()),
        };
    }
    let name = target.name().unwrap_or_default();
    let local = LOCAL_NAMES.iter().any(|suffix| {
        name.strip_suffix(suffix)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    if local {
        return Err(Error::RefusedAddress {
            host: target.to_string(),
            reason: "the name belongs to local networks and metadata services".to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<Checked, Error> {
        let allow = ["127.0.0.1:9000".parse().unwrap(), "shop.test:8080".parse().unwrap()];
        Guard::new(&allow, Arc::new(SystemLookup)).check(&url.parse().unwrap())
    }

    #[test]
    fn every_way_to_write_a_local_address_is_the_same_address() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "0",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:ffff:10.0.0.5]",
            "[64:ff9b::10.0.0.5]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "2852039166",
            "0xa9fea9fe",
            "0251.0376.0251.0376",
        ] {
            let error = check(&format!("http://{host}/")).expect_err(host);
            assert_eq!(error.code(), "refused_address", "{host}: {error}");
        }
    }

    #[test]
    fn local_names_are_refused_without_a_lookup() {
        for host in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "metadata.google.internal",
            "printer.local",
            "localhost.localdomain",
            "router.home.arpa",
        ] {
            assert_eq!(
                check(&format!("http://{host}/")).expect_err(host).code(),
                "refused_address",
                "{host}"
            );
        }
        for host in ["mylocal.test", "internal.test", "notlocalhost.test"] {
            assert!(
                check(&format!("http://{host}/")).is_ok(),
                "{host} only looks like a local name"
            );
        }
    }

    #[test]
    fn an_exception_is_one_host_and_one_port() {
        assert!(check("http://127.0.0.1:9000/").unwrap().excepted);
        assert!(
            check("http://0x7f000001:9000/").unwrap().excepted,
            "the same address, written otherwise"
        );
        assert_eq!(check("http://127.0.0.1:9001/").unwrap_err().code(), "refused_address");
        assert_eq!(check("http://localhost:9000/").unwrap_err().code(), "refused_address");
        assert!(check("https://shop.test:8080/").unwrap().excepted);
        assert!(!check("https://shop.test/").unwrap().excepted);
        assert!(!check("https://other.test:9000/").unwrap().excepted);
    }

    #[test]
    fn ports_of_other_protocols_are_refused_and_the_operators_are_not() {
        for port in [22, 25, 587, 6667] {
            let error = check(&format!("http://public.test:{port}/")).unwrap_err();
            assert_eq!(error.code(), "refused_url", "{port}: {error}");
        }
        for port in [80, 443, 3000, 8080, 8443] {
            assert!(check(&format!("http://public.test:{port}/")).is_ok(), "{port}");
        }
        let guard = Guard::new(&["mail.test:25".parse().unwrap()], Arc::new(SystemLookup));
        assert!(guard.check(&"http://mail.test:25/".parse().unwrap()).is_ok());
    }

    #[test]
    fn other_schemes_and_credentials_in_the_url_are_refused() {
        for url in [
            "file:///etc/passwd",
            "gopher://shop.test/",
            "ftp://user:pw@shop.test/",
            "data:text/html,x",
            "ws://shop.test/",
        ] {
            let error = check(url).expect_err(url);
            assert_eq!(error.code(), "refused_scheme");
            assert!(!error.to_string().contains("pw"), "no password in a message: {error}");
        }
        for url in [
            "http://user@shop.test/",
            "http://user:pw@shop.test/",
            "http://:pw@shop.test/",
        ] {
            let error = check(url).expect_err(url);
            assert_eq!(error.code(), "refused_url");
            assert!(!error.to_string().contains("pw"), "no password in a message: {error}");
        }
    }
}

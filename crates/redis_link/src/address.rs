//! Where Redis is and who we are there, read from a URL. No network here; `connect` goes there.

use percent_encoding::percent_decode_str;
use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};
use url::{Host, Url};

const SERVER_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Where Redis is and who we are there. Cheap to clone; `Display` and `Debug` show no password.
///
/// | form | |
/// |---|---|
/// | `redis://[user[:password]@]host[:6379][/db]` | a server |
/// | `redis+sentinel://[user[:password]@]host[:26379],host…/service[/db]` | the master of a service, as its Sentinels say |
/// | `redis+unix:///path/to/socket[?db=0&user=…&pass=…]` | a socket on this machine; also spelled `unix:` |
///
/// `rediss` and `rediss+sentinel` use TLS for every connection and check the certificate against the host's name; a Sentinel
/// must then announce names or addresses that the master's certificate holds. Parameters:
///
/// - `ca=/path/ca.pem`: with TLS, the only authorities to trust. Without it those that Mozilla trusts. The file is read at each
///   connection, so it may be replaced.
/// - `sentinel_user`, `sentinel_password`: who we are to the Sentinels, which know nothing of the servers' users.
///
/// Whatever is special in a URL (`@ : / ? # %`) is percent-encoded in users, passwords, paths and parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Arc<Parts>);

/// What an address says. [`Address`] is this, shared.
#[derive(PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) route: Route,
    pub(crate) login: Login,
    pub(crate) db: i64,
    pub(crate) tls: Option<Tls>,
}

#[derive(PartialEq, Eq)]
pub(crate) enum Route {
    Server(Endpoint),
    Socket(PathBuf),
    Sentinel {
        sentinels: Vec<Endpoint>,
        service: String,
        login: Login,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
}

#[derive(Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

#[derive(PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) ca: Option<PathBuf>,
}

/// Why a URL is no address. Quotes nothing of the URL: a password with a stray `/` or `?` could be anywhere in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not one of ours.
    #[error("begin with redis://, rediss://, redis+sentinel://, rediss+sentinel:// or redis+unix://")]
    Scheme,
    /// A host is missing, or something is no host, or its port no port.
    #[error(
        "name the server as host or host:port, Sentinels separated by commas; percent-encode what is special in a password"
    )]
    Host,
    /// Something other than a number where the database's is.
    #[error("the database is a number: /0, or ?db=0 with a socket")]
    Database,
    /// A Sentinel address without the name of its service.
    #[error("Sentinels need the name of the service: redis+sentinel://host1,host2/service or …/service/0")]
    Service,
    /// The path of a socket is not absolute.
    #[error("give the socket's absolute path: redis+unix:///path/to/socket")]
    Socket,
    /// A parameter that is unknown, without a value, given twice, or senseless with this scheme.
    #[error(
        "a parameter is not understood: there is ca with rediss, sentinel_user and sentinel_password with Sentinels, \
         db, user and pass with sockets"
    )]
    Parameter,
    /// `#`, or a percent sign that begins no UTF-8.
    #[error("percent-encode what is special in users, passwords and paths: # as %23, % as %25")]
    Encoding,
}

impl Address {
    /// Reads a URL of one of the forms above.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = url.split_once("://").ok_or(AddressError::Scheme)?;
        if rest.contains('#') {
            return Err(AddressError::Encoding);
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut parameters = Parameters::read(query)?;
        let parts = match scheme {
            "redis" => server(rest, None),
            "rediss" => server(rest, Some(parameters.tls())),
            "redis+sentinel" => sentinel(rest, None, &mut parameters),
            "rediss+sentinel" => {
                let tls = parameters.tls();
                sentinel(rest, Some(tls), &mut parameters)
            }
            "redis+unix" | "unix" => socket(rest, &mut parameters),
            _ => Err(AddressError::Scheme),
        }?;
        parameters.all_used()?;
        Ok(Self(Arc::new(parts)))
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(url: &str) -> Result<Self, AddressError> {
        Self::parse(url)
    }
}

fn server(rest: &str, tls: Option<Tls>) -> Result<Parts, AddressError> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, host) = login(authority)?;
    Ok(Parts {
        route: Route::Server(Endpoint::parse(host, SERVER_PORT)?),
        login,
        db: database(path)?,
        tls,
    })
}

fn sentinel(rest: &str, tls: Option<Tls>, parameters: &mut Parameters) -> Result<Parts, AddressError> {
    let (authority, path) = rest.split_once('/').ok_or(AddressError::Service)?;
    let (service, db) = path.split_once('/').unwrap_or((path, ""));
    if service.is_empty() {
        return Err(AddressError::Service);
    }
    let (login, hosts) = login(authority)?;
    let sentinels = hosts.split(',').map(|host| Endpoint::parse(host, SENTINEL_PORT));
    Ok(Parts {
        route: Route::Sentinel {
            sentinels: sentinels.collect::<Result<_, _>>()?,
            service: decode(service)?,
            login: Login::new(parameters.take("sentinel_user"), parameters.take("sentinel_password")),
        },
        login,
        db: database(db)?,
        tls,
    })
}

fn socket(rest: &str, parameters: &mut Parameters) -> Result<Parts, AddressError> {
    if !rest.starts_with('/') {
        return Err(AddressError::Socket);
    }
    Ok(Parts {
        route: Route::Socket(decode(rest)?.into()),
        login: Login::new(parameters.take("user"), parameters.take("pass")),
        db: database(&parameters.take("db").unwrap_or_default())?,
        tls: None,
    })
}

/// Splits `[user[:password]@]rest`.
fn login(authority: &str) -> Result<(Login, &str), AddressError> {
    let Some((who, rest)) = authority.rsplit_once('@') else {
        return Ok((Login::default(), authority));
    };
    let (user, password) = match who.split_once(':') {
        Some((user, password)) => (decode(user)?, Some(decode(password)?)),
        None => (decode(who)?, None),
    };
    Ok((Login::new(Some(user).filter(|user| !user.is_empty()), password), rest))
}

impl Login {
    /// A user without a password is one with an empty password: Redis has no other way to log in.
    fn new(user: Option<String>, password: Option<String>) -> Self {
        let password = password.or_else(|| user.as_ref().map(|_| String::new()));
        Self { user, password }
    }
}

impl Endpoint {
    fn parse(host: &str, default_port: u16) -> Result<Self, AddressError> {
        let url = Url::parse(&format!("redis://{host}")).map_err(|_| AddressError::Host)?;
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(AddressError::Host),
        };
        Ok(Self {
            host,
            port: url.port().unwrap_or(default_port),
        })
    }
}

fn database(text: &str) -> Result<i64, AddressError> {
    if text.is_empty() {
        return Ok(0);
    }
    let number: u32 = text.parse().map_err(|_| AddressError::Database)?;
    Ok(number.into())
}

fn decode(text: &str) -> Result<String, AddressError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| AddressError::Encoding)
}

/// The part after `?`. A plus sign is a plus sign, since passwords may hold one.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(query: &str) -> Result<Self, AddressError> {
        let mut read = Vec::<(String, String)>::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or(AddressError::Parameter)?;
            if read.iter().any(|(known, _)| known == name) {
                return Err(AddressError::Parameter);
            }
            read.push((name.to_owned(), decode(value)?));
        }
        Ok(Self(read))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn tls(&mut self) -> Tls {
        Tls {
            ca: self.take("ca").map(PathBuf::from),
        }
    }

    fn all_used(&self) -> Result<(), AddressError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(AddressError::Parameter)
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The address as it may be shown: `***` for a password, no parameters.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { route, login, db, tls } = self.parts();
        let secure = if tls.is_some() { "s" } else { "" };
        match route {
            Route::Server(server) => write!(f, "redis{secure}://{login}{server}")?,
            Route::Socket(path) => write!(f, "redis+unix://{login}{}", path.display())?,
            Route::Sentinel { sentinels, service, .. } => {
                write!(f, "redis{secure}+sentinel://{login}")?;
                for (index, sentinel) in sentinels.iter().enumerate() {
                    let separator = if index > 0 { "," } else { "" };
                    write!(f, "{separator}{sentinel}")?;
                }
                write!(f, "/{service}")?;
            }
        }
        match (route, db) {
            (_, 0) => Ok(()),
            (Route::Socket(_), db) => write!(f, "?db={db}"),
            (_, db) => write!(f, "/{db}"),
        }
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.user.as_deref().unwrap_or_default())?;
        if self.password.is_some() {
            f.write_str(":***@")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        Address::parse(url).unwrap().to_string()
    }

    #[test]
    fn addresses_are_read_and_shown_without_their_passwords() {
        for (url, expected) in [
            ("redis://localhost", "redis://localhost:6379"),
            ("redis://localhost/", "redis://localhost:6379"),
            ("rediss://h:7000/3?ca=/ca.pem", "rediss://h:7000/3"),
            ("redis://:secret@10.0.0.1/15", "redis://:***@10.0.0.1:6379/15"),
            ("redis://me:secret@[::1]:1", "redis://me:***@[::1]:1"),
            (
                "redis+sentinel://me:secret@a,b:2/main/4",
                "redis+sentinel://me:***@a:26379,b:2/main/4",
            ),
            (
                "rediss+sentinel://a/main?sentinel_password=secret",
                "rediss+sentinel://a:26379/main",
            ),
            ("redis+unix:///run/r.sock?db=2", "redis+unix:///run/r.sock?db=2"),
            ("unix:///run/r.sock?pass=secret", "redis+unix://:***@/run/r.sock"),
        ] {
            assert_eq!(shown(url), expected);
            assert_eq!(
                format!("{:?}", Address::parse(url).unwrap()),
                format!("Address({expected})")
            );
        }
    }

    #[test]
    fn what_is_special_in_a_password_is_percent_encoded() {
        let address = Address::parse("redis://%40me:p%40%3A%2F%3F%23%25+@host").unwrap();
        let Login { user, password } = &address.parts().login;
        assert_eq!((user.as_deref(), password.as_deref()), (Some("@me"), Some("p@:/?#%+")));
        let address = Address::parse("redis+sentinel://a/main?sentinel_user=u&sentinel_password=a+b%26").unwrap();
        let Route::Sentinel { login, .. } = &address.parts().route else {
            panic!("no Sentinel")
        };
        assert_eq!(
            (login.user.as_deref(), login.password.as_deref()),
            (Some("u"), Some("a+b&"))
        );
    }

    #[test]
    fn what_is_no_address_is_refused_without_quoting_it() {
        for (url, expected) in [
            ("", AddressError::Scheme),
            ("localhost:6379", AddressError::Scheme),
            ("http://secret@h", AddressError::Scheme),
            ("redis://", AddressError::Host),
            ("redis://:6379", AddressError::Host),
            ("redis://me:secret/@h", AddressError::Host),
            ("redis://h:secret", AddressError::Host),
            ("redis+sentinel://a,,b/main", AddressError::Host),
            ("redis://h/secret", AddressError::Database),
            ("redis://h/-1", AddressError::Database),
            ("redis+unix:///s?db=secret", AddressError::Database),
            ("redis+sentinel://a", AddressError::Service),
            ("redis+sentinel://a/", AddressError::Service),
            ("redis+unix://s", AddressError::Socket),
            ("redis://h?ca=/ca.pem", AddressError::Parameter),
            ("rediss://h?secret", AddressError::Parameter),
            ("rediss://h?ca=/a&ca=/b", AddressError::Parameter),
            ("redis://h?secret=1", AddressError::Parameter),
            ("redis://me:sec#ret@h", AddressError::Encoding),
            ("redis://me:%ff@h", AddressError::Encoding),
        ] {
            let error = Address::parse(url).unwrap_err();
            assert_eq!(error, expected, "{url}");
            assert!(!error.to_string().contains("secret"));
        }
    }
}

//! The cookie of a person's session, and what tells our own pages from others'.
//!
//! Behind TLS it is `__Host-omniops`: no subdomain and no plain connection can set or read it. On `http://localhost`, where browsers
//! keep no such cookie, it is `omniops_local` without `Secure`. Elsewhere there are no sessions over plain HTTP: whoever listens
//! would have them.
use domain::{Error, error::Kind};
use poem::{
    Request,
    http::{header, uri::Authority},
};
use poem_openapi::registry::MetaSecurityScheme;
use std::time::Duration;
use url::{Host, Url};

use crate::error::Failure;

const SECURE: &str = "__Host-omniops";
const LOCAL: &str = "omniops_local";

/// The cookie's name under this public address, if sessions are possible there.
fn name(base_url: &str) -> Option<&'static str> {
    let url = Url::parse(base_url).ok()?;
    if url.scheme() == "https" {
        return Some(SECURE);
    }
    let local = match url.host()? {
        Host::Domain(host) => host == "localhost" || host.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    local.then_some(LOCAL)
}

/// The session's token of a request. Two different ones are none: one of them is somebody else's doing.
pub fn token<'a>(req: &'a Request, base_url: &str) -> Option<&'a str> {
    let name = name(base_url)?;
    let lines = req.headers().get_all(header::COOKIE).iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut own = pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(n, _)| *n == name);
    let (_, token) = own.next()?;
    own.all(|(_, other)| other == token).then_some(token)
}

/// `Set-Cookie` for a token; an empty one with no time left takes the cookie away.
pub fn set(base_url: &str, token: &str, left: Duration) -> Result<String, Failure> {
    let Some(name) = name(base_url) else {
        let message = "people log in over https only; set PUBLIC_URL to the address that TLS ends at";
        return Err(Error::new(Kind::Forbidden, "https_required", message).into());
    };
    let secure = if name == SECURE { "; Secure" } else { "" };
    Ok(format!(
        "{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}",
        left.as_secs()
    ))
}

/// Refuses what a browser says that another site's page has sent (Fetch Metadata, and `Origin` for those that don't have it). Programs say
/// neither.
pub fn from_own_page(req: &Request, base_url: &str) -> Result<(), Failure> {
    let text = |name: &str| req.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin = text("origin").is_none_or(|origin| is_own(req, origin, base_url));
    if site && origin {
        return Ok(());
    }
    let message = "this call is taken from pages of the installation only";
    Err(Error::new(Kind::Forbidden, "cross_site", message).into())
}

/// Whether an origin is the installation's: its public address, or the host that this request was sent to.
fn is_own(req: &Request, origin: &str, base_url: &str) -> bool {
    let (Ok(origin), Ok(base)) = (Url::parse(origin), Url::parse(base_url)) else {
        return false;
    };
    let host = req.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| req.uri().authority().map(Authority::as_str));
    let addressed = host.and_then(|host| Url::parse(&format!("{}://{host}", base.scheme())).ok());
    origin.origin() == base.origin() || addressed.is_some_and(|addressed| addressed.origin() == origin.origin())
}

/// The cookie in the contract.
pub fn scheme() -> MetaSecurityScheme {
    MetaSecurityScheme {
        ty: "apiKey",
        description: Some(
            "The cookie of `POST /api/admin/login`; together with the header `x-csrf-token` on all but GET, and with `?customer_id=` where an API key is taken as well",
        ),
        name: Some(SECURE),
        key_in: Some("cookie"),
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request {
        let mut builder = Request::builder().uri_str("/api/users");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.finish()
    }

    #[test]
    fn the_cookie_is_secure_but_on_this_machine_and_nowhere_plain() {
        let cookie = set("https://help.example", "t", Duration::from_mins(1)).unwrap();
        assert_eq!(
            cookie,
            "__Host-omniops=t; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure"
        );
        for local in ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:1"] {
            let cookie = set(local, "t", Duration::ZERO).unwrap();
            assert!(
                cookie.starts_with("omniops_local=t; ") && !cookie.contains("Secure"),
                "{cookie}"
            );
        }
        assert!(set("http://help.example", "t", Duration::ZERO).is_err());
        assert!(set("http://192.0.2.1", "t", Duration::ZERO).is_err());
    }

    #[test]
    fn one_token_is_read_and_two_are_none() {
        let base = "https://help.example";
        let of = |cookie: &'static str| token(&request(&[("cookie", cookie)]), base).map(str::to_owned);
        assert_eq!(of("a=1; __Host-omniops=t; b=2").as_deref(), Some("t"));
        assert_eq!(of("__Host-omniops=t; __Host-omniops=u"), None);
        assert_eq!(of("omniops_local=t"), None);
        assert_eq!(of("x__Host-omniops=t"), None);
    }

    #[test]
    fn pages_of_others_are_told_by_what_browsers_say() {
        let base = "https://help.example";
        let own = |headers: &[(&str, &str)]| from_own_page(&request(headers), base).is_ok();
        assert!(own(&[]) && own(&[("origin", base)]) && own(&[("sec-fetch-site", "same-origin"), ("origin", base)]));
        assert!(own(&[("origin", "https://10.0.0.1:8443"), ("host", "10.0.0.1:8443")]));
        for foreign in [
            &[("origin", "https://evil.example"), ("host", "help.example")],
            &[("origin", "null"), ("host", "help.example")],
            &[("origin", "http://help.example"), ("host", "help.example")],
            &[("sec-fetch-site", "cross-site"), ("origin", base)],
            &[("sec-fetch-site", "same-site"), ("host", "help.example")],
        ] {
            assert!(!own(foreign), "{foreign:?}");
        }
    }
}

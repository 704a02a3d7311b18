//! The client: one fetch, hop by hop, each hop checked, connected and read within its limits.
//!
//! The HTTP library below neither follows redirects nor honours proxies nor keeps cookies; all that could lead it
//! somewhere else is decided here. Two connection pools keep apart what the address rule was applied to and what the
//! operator excepted, so that a connection of one kind never serves the other.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::{
    body::{self, ACCEPT_ENCODING},
    classify::{classify, innermost},
    error::{Error, Phase},
    guard::{Checked, Guard, Lookup, SystemLookup},
    message::{Hop, Method, Redirects, Request, Response},
    policy::{HostPort, Limits, Policy},
};

/// Idle connections are kept this long: through a crawl's politeness delay, not for ever.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// Headers that the client or the HTTP library sets; a caller's own would confuse framing or routing.
const OWN_HEADERS: &[HeaderName] = &[
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::USER_AGENT,
];

/// Headers that may follow a redirect to another origin. A list of what is harmless, because nobody can list every name
/// under which callers send credentials.
const CROSS_ORIGIN_HEADERS: &[HeaderName] = &[header::ACCEPT, header::ACCEPT_LANGUAGE];

/// Validators and ranges belong to the first resource (RFC 9110 §15.4); on another one they would ask the wrong question.
const RESOURCE_HEADERS: &[HeaderName] = &[
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
];

/// The guarded HTTP client; cheap to clone.
#[derive(Clone)]
pub struct Client {
    guard: Guard,
    limits: Limits,
    public: reqwest::Client,
    excepted: Option<reqwest::Client>,
}

impl Client {
    /// A client over the system's resolver.
    pub fn new(policy: Policy) -> Result<Self, Error> {
        Self::with_lookup(policy, Arc::new(SystemLookup))
    }

    /// A client over another resolver.
    pub fn with_lookup(policy: Policy, lookup: Arc<dyn Lookup>) -> Result<Self, Error> {
        crate::install_crypto();
        let guard = Guard::new(&policy.allow, lookup);
        let public = build(&policy, &guard, false)?;
        let excepted = guard
            .has_exceptions()
            .then(|| build(&policy, &guard, true))
            .transpose()?;
        Ok(Self {
            guard,
            limits: policy.limits,
            public,
            excepted,
        })
    }

    /// The client's rules, for whatever else opens connections in a tenant's name.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Fetches one URL, following redirects unless the request says otherwise. Any status is a response; dropping the
    /// future closes the connection.
    pub async fn fetch(&self, mut request: Request) -> Result<Response, Error> {
        let started = Instant::now();
        let deadline = started + self.limits.total_timeout;
        refuse_own_headers(&request.headers)?;
        let mut redirects = Vec::new();
        loop {
            let checked = self.guard.check(&request.url)?;
            let answer = self.send(&request, &checked, deadline).await?;
            if request.redirects == Redirects::Follow
                && let Some(to) = redirect_target(&answer, &request.url, &checked.target)?
            {
                if redirects.len() == self.limits.max_redirects {
                    let (host, limit) = (checked.target.to_string(), self.limits.max_redirects);
                    return Err(Error::TooManyRedirects { host, limit, last: to });
                }
                let from = std::mem::replace(&mut request.url, to.clone());
                drop_headers(&mut request.headers, &from, &to);
                redirects.push(Hop::new(answer.status(), from, to));
                continue;
            }
            return self.read(request, redirects, answer, &checked.target, started).await;
        }
    }

    /// One hop, up to the response's head.
    async fn send(&self, request: &Request, checked: &Checked, deadline: Instant) -> Result<reqwest::Response, Error> {
        let client = match &self.excepted {
            Some(excepted) if checked.excepted => excepted,
            _ => &self.public,
        };
        let method = match request.method {
            Method::Get => http::Method::GET,
            Method::Head => http::Method::HEAD,
        };
        let sending = client
            .request(method, request.url.clone())
            .headers(request.headers.clone())
            .send();
        let answer = timeout_at(deadline, sending)
            .await
            .map_err(|_| timeout(&checked.target, Phase::Total))?
            .map_err(|error| classify(&error, &checked.target))?;
        let length: usize = answer
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if length > self.limits.max_header_bytes {
            return Err(too_large(&checked.target, "headers", self.limits.max_header_bytes));
        }
        Ok(answer)
    }

    /// The body of the last hop.
    async fn read(
        &self,
        request: Request,
        redirects: Vec<Hop>,
        answer: reqwest::Response,
        target: &HostPort,
        started: Instant,
    ) -> Result<Response, Error> {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bodiless = request.method == Method::Head || status == StatusCode::NOT_MODIFIED;
        let limit = request.max_body_bytes.unwrap_or(self.limits.max_body_bytes);
        let body = if bodiless {
            body::Body::default()
        } else {
            timeout_at(started + self.limits.total_timeout, body::read(answer, limit))
                .await
                .map_err(|_| timeout(target, Phase::Total))?
                .map_err(|failure| match failure {
                    body::Failure::TooLarge => too_large(target, "body", limit),
                    body::Failure::Encoding(reason) => Error::Protocol {
                        host: target.to_string(),
                        reason,
                    },
                    body::Failure::Broken(error) => classify(&error, target),
                })?
        };
        Ok(Response {
            status,
            headers,
            url: request.url,
            redirects,
            body: body.bytes,
            wire_bytes: body.wire_bytes,
            elapsed: started.elapsed(),
        })
    }
}

/// A connection pool whose resolver is the guard, with or without the address rule.
fn build(policy: &Policy, guard: &Guard, excepted: bool) -> Result<reqwest::Client, Error> {
    let limits = &policy.limits;
    let resolver = Resolver {
        guard: guard.clone(),
        excepted,
    };
    let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(ACCEPT_ENCODING))]);
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // Decoding is ours, since it has to be bounded; another crate of the build may have switched one of these on.
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        .default_headers(headers)
        .user_agent(&policy.user_agent)
        .dns_resolver(Arc::new(resolver))
        .connect_timeout(limits.connect_timeout)
        .read_timeout(limits.read_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .http2_max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
        .build()
        .map_err(|error| Error::Setup(innermost(&error)))
}

/// The guard in the place where the HTTP library asks for addresses.
struct Resolver {
    guard: Guard,
    excepted: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, excepted) = (self.guard.clone(), self.excepted);
        Box::pin(async move {
            let addresses = guard.addresses(name.as_str(), excepted).await?;
            // Port 0 stands for the URL's port.
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

fn refuse_own_headers(headers: &HeaderMap) -> Result<(), Error> {
    match OWN_HEADERS.iter().find(|name| headers.contains_key(*name)) {
        Some(name) => Err(Error::InvalidRequest(format!(
            "the header `{name}` is set by the client"
        ))),
        None => Ok(()),
    }
}

/// Where a redirect leads; `None` for any other response.
fn redirect_target(answer: &reqwest::Response, from: &Url, target: &HostPort) -> Result<Option<Url>, Error> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = answer.headers().get(header::LOCATION) else {
        return Ok(None);
    };
    // Raw UTF-8 in `Location` is common; the URL parser percent-encodes it.
    let text = String::from_utf8_lossy(location.as_bytes());
    let to = from.join(&text).map_err(|error| Error::Protocol {
        host: target.to_string(),
        reason: format!("it redirects to `{text}`, which is no URL: {error}"),
    })?;
    Ok(Some(to))
}

fn drop_headers(headers: &mut HeaderMap, from: &Url, to: &Url) {
    for name in RESOURCE_HEADERS {
        headers.remove(name);
    }
    if from.origin() != to.origin() {
        let mut kept = HeaderMap::new();
        for name in CROSS_ORIGIN_HEADERS {
            if let Some(value) = headers.remove(name) {
                kept.insert(name, value);
            }
        }
        *headers = kept;
    }
}

fn timeout(target: &HostPort, phase: Phase) -> Error {
    Error::Timeout {
        host: target.to_string(),
        phase,
    }
}

fn too_large(target: &HostPort, what: &'static str, limit: usize) -> Error {
    Error::TooLarge {
        host: target.to_string(),
        what,
        limit,
    }
}

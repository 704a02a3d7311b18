//! The client: one fetch, hop by hop, each hop checked, connected and read within its limits.
//!
//! The HTTP library below is a pool of connections and a parser: it follows nothing, honours no proxy and keeps no cookie, and
//! its connections come from [`crate::connect`] alone. All that could lead a fetch somewhere else is decided here.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    body::{self, ACCEPT_ENCODING},
    classify::classify,
    connect::Connector,
    error::{Error, Phase},
    guard::{Checked, Guard, Lookup, SystemLookup},
    message::{Hop, Method, Redirects, Request, Response},
    policy::{HostPort, Limits, Policy},
    redirect,
};

/// Idle connections are kept this long: through a crawl's politeness delay, not for ever.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// Idle connections kept for one place: as many as a crawl may have requests at once, which come and go together. With fewer, each
/// wave of requests would connect anew.
const POOL_PER_HOST: usize = 64;

/// The HTTP library reads no heads into less than this, nor more of a body at once than its limit for heads.
const LEAST_BUFFER: usize = 8 * 1024;

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

/// The guarded HTTP client; cheap to clone.
#[derive(Clone)]
pub struct Client {
    guard: Guard,
    limits: Limits,
    user_agent: HeaderValue,
    pool: legacy::Client<Connector, Full<Bytes>>,
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
        let user_agent = HeaderValue::try_from(&policy.user_agent)
            .map_err(|_| Error::Setup(format!("`{}` cannot be sent as User-Agent", policy.user_agent)))?;
        let connector = Connector::new(guard.clone(), policy.limits.connect_timeout)?;
        Ok(Self {
            guard,
            pool: pool(&policy.limits, connector),
            limits: policy.limits,
            user_agent,
        })
    }

    /// The client's rules, for whatever else opens connections in a tenant's name.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Fetches one URL, following redirects if the request says so, but never from the outside to a place that the operator
    /// excepted. Any status is a response; dropping the future closes the connection.
    pub async fn fetch(&self, mut request: Request) -> Result<Response, Error> {
        let started = Instant::now();
        let deadline = started + self.limits.total_timeout;
        self.refuse(&request)?;
        let mut redirects = Vec::new();
        let mut excepted = true;
        loop {
            let checked = self.guard.check(&request.url)?;
            if checked.excepted && !excepted {
                return Err(Error::RefusedAddress {
                    host: checked.target.to_string(),
                    reason: "a site that is not excepted leads to one that is".to_owned(),
                });
            }
            excepted = checked.excepted;
            let answer = timeout_at(deadline, self.send(&request, &checked))
                .await
                .map_err(|_| timed_out(&checked.target, Phase::Total))??;
            let status = answer.status();
            if request.redirects == Redirects::Follow
                && let Some(to) = redirect::target(status, answer.headers(), &request.url, &checked.target)?
                && let Some(method) = redirect::method(request.method, status, request.url.origin() == to.origin())
            {
                if redirects.len() == self.limits.max_redirects {
                    let (host, limit) = (checked.target.to_string(), self.limits.max_redirects);
                    return Err(Error::TooManyRedirects { host, limit, last: to });
                }
                let from = redirect::turn(&mut request, method, to.clone());
                redirects.push(Hop::new(status, from, to));
                continue;
            }
            return self.read(request, redirects, answer, &checked.target, started).await;
        }
    }

    /// What the caller must not ask for.
    fn refuse(&self, request: &Request) -> Result<(), Error> {
        if let Some(name) = OWN_HEADERS.iter().find(|name| request.headers.contains_key(*name)) {
            return Err(Error::InvalidRequest(format!(
                "the header `{name}` is set by the client"
            )));
        }
        let (length, limit) = (request.body.len(), self.limits.max_request_bytes);
        if length > limit {
            return Err(Error::InvalidRequest(format!(
                "its body has {length} bytes, and {limit} are the limit"
            )));
        }
        if length > 0 && request.method.is_safe() {
            return Err(Error::InvalidRequest("a GET or HEAD has no body".to_owned()));
        }
        Ok(())
    }

    /// One hop, up to the response's head.
    async fn send(&self, request: &Request, checked: &Checked) -> Result<http::Response<Incoming>, Error> {
        let mut message = http::Request::builder()
            .method(http::Method::from(request.method))
            .uri(request.url.as_str())
            .body(Full::new(request.body.clone()))
            .map_err(|error| Error::InvalidRequest(error.to_string()))?;
        let headers = message.headers_mut();
        *headers = request.headers.clone();
        headers.insert(header::USER_AGENT, self.user_agent.clone());
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(ACCEPT_ENCODING));
        if matches!(request.method, Method::Post | Method::Put) {
            // The library leaves it away where it is 0, and some servers insist (RFC 9110 §8.6).
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(request.body.len()));
        }
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        let answer = timeout(self.limits.read_timeout, self.pool.request(message))
            .await
            .map_err(|_| timed_out(&checked.target, Phase::Read))?
            .map_err(|error| classify(&error, &checked.target, &self.limits))?;
        let lengths = answer
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len());
        let limit = self.limits.max_header_bytes;
        if lengths.sum::<usize>() > limit {
            return Err(Error::too_large(&checked.target, "headers", limit));
        }
        Ok(answer)
    }

    /// The body of the last hop.
    async fn read(
        &self,
        request: Request,
        redirects: Vec<Hop>,
        answer: http::Response<Incoming>,
        target: &HostPort,
        started: Instant,
    ) -> Result<Response, Error> {
        let (head, incoming) = answer.into_parts();
        let bodiless = request.method == Method::Head || head.status == StatusCode::NOT_MODIFIED;
        let limit = request.max_body_bytes.unwrap_or(self.limits.max_body_bytes);
        let body = if bodiless {
            body::Body::default()
        } else {
            let bound = body::Bound {
                bytes: limit,
                cut: request.cut,
            };
            let reading = body::read(&head.headers, incoming, bound, self.limits.read_timeout);
            timeout_at(started + self.limits.total_timeout, reading)
                .await
                .map_err(|_| timed_out(target, Phase::Total))?
                .map_err(|failure| match failure {
                    body::Failure::TooLarge => Error::too_large(target, "body", limit),
                    body::Failure::Silent => timed_out(target, Phase::Read),
                    body::Failure::Encoding(reason) => Error::Protocol {
                        host: target.to_string(),
                        reason,
                    },
                    body::Failure::Broken(error) => classify(&error, target, &self.limits),
                })?
        };
        Ok(Response {
            status: head.status,
            headers: head.headers,
            url: request.url,
            redirects,
            body: body.bytes,
            wire_bytes: body.wire_bytes,
            elapsed: started.elapsed(),
        })
    }
}

fn pool(limits: &Limits, connector: Connector) -> legacy::Client<Connector, Full<Bytes>> {
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(POOL_PER_HOST)
        // A head that does not fit is never read to its end.
        .http1_max_buf_size(limits.max_header_bytes.max(LEAST_BUFFER))
        .http2_max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
        .build(connector)
}

fn timed_out(target: &HostPort, phase: Phase) -> Error {
    Error::Timeout {
        host: target.to_string(),
        phase,
    }
}

//! What goes into a fetch and what comes out of it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use url::Url;

/// The methods that a fetch may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Head and body.
    #[default]
    Get,
    /// The head alone.
    Head,
    /// Hands something over; not repeatable in general.
    Post,
    /// Stores something; repeatable.
    Put,
    /// Removes something; repeatable.
    Delete,
}

impl Method {
    /// Whether it asks for nothing but an answer (RFC 9110 §9.2.1), so that a retry changes nothing.
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }
}

impl From<Method> for http::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Head => Self::HEAD,
            Method::Post => Self::POST,
            Method::Put => Self::PUT,
            Method::Delete => Self::DELETE,
        }
    }
}

/// What to do with a redirect (301, 302, 303, 307, 308 with a `Location`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redirects {
    /// Follow, with every hop checked like the first URL. A POST, PUT or DELETE becomes a GET after 303, is repeated after 307
    /// and 308 within its origin, and any other redirect of it is handed back as the response.
    #[default]
    Follow,
    /// Hand the redirect back as the response; the caller judges its `Location`.
    Manual,
}

/// One fetch.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where to; `http` or `https`, without a user name or password. The fragment is not sent.
    pub url: Url,
    /// GET unless said otherwise.
    pub method: Method,
    /// What is sent; for a POST, PUT or DELETE only, at most the policy's `max_request_bytes`. Its `Content-Type` is the
    /// caller's.
    pub body: Bytes,
    /// More headers, such as `If-None-Match`. `Host`, `User-Agent`, `Accept-Encoding` and the framing headers belong to the
    /// client and are refused.
    pub headers: HeaderMap,
    /// GET and HEAD follow unless said otherwise, the others do not.
    pub redirects: Redirects,
    /// Instead of the policy's `max_body_bytes`.
    pub max_body_bytes: Option<usize>,
    /// A longer body is cut there instead of refused.
    pub cut: bool,
}

impl Request {
    /// A GET that follows redirects.
    pub fn get(url: Url) -> Self {
        Self {
            url,
            method: Method::Get,
            body: Bytes::new(),
            headers: HeaderMap::new(),
            redirects: Redirects::Follow,
            max_body_bytes: None,
            cut: false,
        }
    }

    /// A HEAD that follows redirects.
    pub fn head(url: Url) -> Self {
        Self {
            method: Method::Head,
            ..Self::get(url)
        }
    }

    /// A POST that hands redirects back.
    pub fn post(url: Url, body: impl Into<Bytes>) -> Self {
        Self::sending(Method::Post, url, body.into())
    }

    /// A PUT that hands redirects back.
    pub fn put(url: Url, body: impl Into<Bytes>) -> Self {
        Self::sending(Method::Put, url, body.into())
    }

    /// A DELETE that hands redirects back.
    pub fn delete(url: Url) -> Self {
        Self::sending(Method::Delete, url, Bytes::new())
    }

    fn sending(method: Method, url: Url, body: Bytes) -> Self {
        Self {
            method,
            body,
            redirects: Redirects::Manual,
            ..Self::get(url)
        }
    }

    /// Adds or replaces a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Says what to do with redirects.
    #[must_use]
    pub fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }

    /// Bounds the body of this fetch alone, in decompressed bytes.
    #[must_use]
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.max_body_bytes = Some(bytes);
        self
    }

    /// Takes the first so many decompressed bytes of a body and leaves the rest.
    #[must_use]
    pub fn first_bytes(mut self, bytes: usize) -> Self {
        self.cut = true;
        self.max_body_bytes(bytes)
    }
}

/// One redirect that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
    /// Who redirected.
    pub from: Url,
    /// Where to.
    pub to: Url,
    /// The redirect led from https to http.
    pub downgrade: bool,
}

impl Hop {
    pub(crate) fn new(status: StatusCode, from: Url, to: Url) -> Self {
        let downgrade = from.scheme() == "https" && to.scheme() == "http";
        Self {
            status,
            from,
            to,
            downgrade,
        }
    }
}

/// The answer of the last hop, read to its end.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status; 4xx and 5xx are answers, not errors.
    pub status: StatusCode,
    /// The headers as the server sent them, `Content-Encoding` included although `body` is decoded.
    pub headers: HeaderMap,
    /// The URL that answered, after redirects.
    pub url: Url,
    /// The redirects followed, in order.
    pub redirects: Vec<Hop>,
    /// The body, decompressed.
    pub body: Bytes,
    /// Bytes of the last hop's body as they came over the wire, before decompression.
    pub wire_bytes: u64,
    /// From the call to the last byte.
    pub elapsed: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_way_from_https_to_http_is_a_downgrade() {
        let downgrade =
            |from: &str, to: &str| Hop::new(StatusCode::FOUND, from.parse().unwrap(), to.parse().unwrap()).downgrade;
        assert!(downgrade("https://shop.test/", "http://shop.test/"));
        assert!(!downgrade("http://shop.test/", "https://shop.test/"));
        assert!(!downgrade("https://shop.test/", "https://other.test/"));
        assert!(!downgrade("http://shop.test/", "http://other.test/"));
    }
}

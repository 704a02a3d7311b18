//! What the proxy answers in its own name, and the record of it.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use url::Url;

use crate::{
    error::{Error, Phase},
    guard::without_credentials,
};

/// RFC 9209. The proxy removes it from the answers of sites, so that it is the proxy's own word wherever it stands.
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// The longest target that is kept, in bytes; a page can make URLs of any length.
const MAX_TARGET: usize = 2048;

/// One request that the proxy answered itself, because a rule forbade it or its target could not be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `CONNECT`, `GET` and so on.
    pub method: String,
    /// The URL, or for a `CONNECT` the `host:port`, as the browser wrote it but without credentials; cut after 2 KiB.
    pub target: String,
    /// The rule or the failure; [`Error::code`] names it.
    pub error: Error,
}

impl Refusal {
    pub(super) fn new(method: &http::Method, target: &str, error: Error) -> Self {
        let mut target = match Url::parse(target) {
            Ok(url) if url.authority().contains('@') => without_credentials(&url).to_string(),
            _ => target.to_owned(),
        };
        target.truncate(target.floor_char_boundary(MAX_TARGET));
        Self {
            method: method.to_string(),
            target,
            error,
        }
    }
}

/// The newest refusals, at most so many.
pub(super) struct Record {
    kept: Mutex<VecDeque<Refusal>>,
    most: usize,
}

impl Record {
    pub(super) fn new(most: usize) -> Self {
        Self {
            kept: Mutex::default(),
            most,
        }
    }

    pub(super) fn add(&self, refusal: Refusal) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back(refusal);
        while kept.len() > self.most {
            kept.pop_front();
        }
    }

    pub(super) fn take(&self) -> Vec<Refusal> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *kept).into()
    }
}

/// The answer that tells the browser of `error`: 403 for a rule, 502 or 504 for a failure on the way.
pub(super) fn answer(error: &Error) -> Response<Full<Bytes>> {
    let (status, kind) = meaning(error);
    let mut answer = Response::new(Full::from(format!("{}: {error}\n", error.code())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Both words are of our own alphabet.
    if let Ok(value) = HeaderValue::try_from(format!("egress; error={kind}; details=\"{}\"", error.code())) {
        headers.insert(PROXY_STATUS, value);
    }
    answer
}

/// The status and the error type of RFC 9209 §2.3.
fn meaning(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::RefusedAddress { .. } => (StatusCode::FORBIDDEN, "destination_ip_prohibited"),
        Error::RefusedScheme { .. } | Error::RefusedUrl { .. } => (StatusCode::FORBIDDEN, "http_request_denied"),
        Error::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "http_request_error"),
        Error::Dns { .. } => (StatusCode::BAD_GATEWAY, "dns_error"),
        Error::Connect { .. } | Error::Tls { .. } => (StatusCode::BAD_GATEWAY, "destination_unavailable"),
        Error::Timeout {
            phase: Phase::Connect, ..
        } => (StatusCode::GATEWAY_TIMEOUT, "connection_timeout"),
        Error::Timeout { .. } => (StatusCode::GATEWAY_TIMEOUT, "http_response_timeout"),
        Error::TooLarge { .. } => (StatusCode::BAD_GATEWAY, "http_response_header_section_size"),
        Error::TooManyRedirects { .. } | Error::Protocol { .. } => (StatusCode::BAD_GATEWAY, "http_protocol_error"),
        Error::Setup(_) => (StatusCode::INTERNAL_SERVER_ERROR, "proxy_internal_error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_recorded() {
        let error = Error::InvalidRequest("x".to_owned());
        let refusal = Refusal::new(&http::Method::GET, "http://user:pw@shop.test/a?b", error);
        assert_eq!(refusal.target, "http://shop.test/a?b");
    }

    #[test]
    fn the_record_keeps_the_newest_and_cuts_long_targets() {
        let record = Record::new(2);
        let error = Error::InvalidRequest("x".to_owned());
        for target in ["a", "b", &"é".repeat(5000)] {
            record.add(Refusal::new(&http::Method::GET, target, error.clone()));
        }
        let kept = record.take();
        assert_eq!(kept.iter().map(|r| r.target.len()).collect::<Vec<_>>(), [1, MAX_TARGET]);
        assert_eq!(kept[0].target, "b");
        assert!(record.take().is_empty());
    }
}

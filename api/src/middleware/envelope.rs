//! The outermost layer: a request id in and out, the headers of every answer, one measurement.
use poem::{
    Endpoint, PathPattern, Request, Response, Result,
    http::{HeaderMap, HeaderName, HeaderValue, header},
};
use std::{sync::Arc, time::Instant};

use super::{ClientAddress, context};
use crate::metrics;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names a request in logs and problems.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Takes the caller's id if it is a sane token, else makes one.
pub async fn envelope<E: Endpoint<Output = Response>>(next: Arc<E>, mut req: Request) -> Result<Response> {
    let began = Instant::now();
    let given = req
        .headers()
        .get(X_REQUEST_ID)
        .and_then(|v| v.to_str().ok())
        .filter(|v| is_sane(v));
    let id = given.map_or_else(|| domain::ids::new_id().simple().to_string(), str::to_owned);
    req.set_data(RequestId(id.clone()));
    let method = req.method().clone();
    let encrypted = is_encrypted(&req)?;
    let mut response = domain::audit::of_request(&id, next.call(req)).await?;
    let route = response.data::<PathPattern>().map_or("unmatched", |p| &p.0).to_owned();
    metrics::request(&route, &method, response.status(), began.elapsed());
    dress(response.headers_mut(), &id, encrypted);
    Ok(response)
}

/// Whether the browser reaches us over TLS: by the public address, or by the word of a proxy that is trusted.
fn is_encrypted(req: &Request) -> Result<bool> {
    let by_proxy = ClientAddress::of(req).is_some_and(ClientAddress::came_over_tls);
    Ok(by_proxy || context(req)?.base_url.starts_with("https://"))
}

fn is_sane(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Headers that an answer has not set itself.
fn dress(headers: &mut HeaderMap, id: &str, encrypted: bool) {
    let usual = [
        (header::CACHE_CONTROL, "no-store, must-revalidate"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=()",
        ),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in usual {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if encrypted {
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(X_REQUEST_ID, id);
    }
}

#[cfg(test)]
mod tests {
    use super::is_sane;

    #[test]
    fn only_short_plain_tokens_are_taken_over() {
        assert!(is_sane("018f-Ab_9.z"));
        for id in ["", "a b", "x\"y", "ü", &"a".repeat(65)] {
            assert!(!is_sane(id), "{id}");
        }
    }
}

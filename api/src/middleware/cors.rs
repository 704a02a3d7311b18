//! Cross-origin requests: pages of verified hosts may read our answers, others get no CORS header, which browsers refuse.
//! Cookies are never involved, so no answer allows credentials.
use domain::tenancy::HostName;
use poem::{
    Endpoint, Request, Response, Result,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};
use std::sync::Arc;

use super::context;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, OPTIONS");
const HEADERS: HeaderValue = HeaderValue::from_static("content-type, authorization, last-event-id");
const EXPOSED: HeaderValue = HeaderValue::from_static("x-request-id, retry-after, location");
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Answers preflights, and lets verified origins read answers.
pub async fn cors<E: Endpoint<Output = Response>>(next: Arc<E>, req: Request) -> Result<Response> {
    let Some(origin) = req.headers().get(header::ORIGIN).cloned() else {
        return next.call(req).await;
    };
    let host = origin.to_str().ok().and_then(|o| o.parse::<HostName>().ok());
    let context = context(&req)?;
    let allowed = host.is_some_and(|host| context.hosts.contains(&host));
    let preflight =
        req.method() == Method::OPTIONS && req.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight {
        Response::builder().status(StatusCode::NO_CONTENT).finish()
    } else {
        next.call(req).await?
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if allowed {
        allow(headers, origin, preflight);
    }
    Ok(response)
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue, preflight: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    } else {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

//! Cross-origin requests: pages of verified hosts may make the calls that their widget makes and read the answers. Every other
//! call, and every other page, gets no CORS header, which browsers refuse. Cookies are never involved, so no answer allows
//! credentials.
//!
//! Which calls are the widget's is read from the contract: those that take a widget's session, and those that lead to one. An
//! origin counts as a whole: a page at `http://` has no part in the grant of its `https://` host ([`Origin::is_trustworthy`]).
use domain::tenancy::Origin;
use poem::{
    Endpoint, Request, Response, Result,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};
use std::sync::Arc;

use super::context;
use crate::openapi::is_widgets;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, OPTIONS");
const HEADERS: HeaderValue = HeaderValue::from_static("content-type, authorization, last-event-id, omniops-proof");
const EXPOSED: HeaderValue =
    HeaderValue::from_static("x-request-id, retry-after, location, ratelimit, ratelimit-policy, omniops-challenge");
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Answers preflights, and lets verified origins read answers.
pub async fn cors<E: Endpoint<Output = Response>>(next: Arc<E>, req: Request) -> Result<Response> {
    let asked = req.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD);
    let preflight = asked.filter(|_| req.method() == Method::OPTIONS);
    let method = preflight.map_or(Some(req.method().clone()), |asked| {
        Method::from_bytes(asked.as_bytes()).ok()
    });
    let widgets = method.is_some_and(|method| is_widgets(&method, req.uri().path()));
    let Some(origin) = req.headers().get(header::ORIGIN).cloned() else {
        let mut response = next.call(req).await?;
        vary(widgets, response.headers_mut());
        return Ok(response);
    };
    let allowed = widgets && is_granted(&req, &origin)?;
    let preflight = preflight.is_some();
    let mut response = if preflight {
        Response::builder().status(StatusCode::NO_CONTENT).finish()
    } else {
        next.call(req).await?
    };
    let headers = response.headers_mut();
    vary(widgets, headers);
    if allowed {
        allow(headers, origin, preflight);
    }
    Ok(response)
}

/// Whether the origin is that of a trustworthy page on a verified host.
fn is_granted(req: &Request, origin: &HeaderValue) -> Result<bool> {
    let Some(origin) = origin.to_str().ok().and_then(|text| text.parse::<Origin>().ok()) else {
        return Ok(false);
    };
    let context = context(req)?;
    Ok(context.hosts.owner(origin.host()).is_some() && context.trusts(&origin))
}

/// What depends on the origin says so, whoever asks: a cache must not give one page's grant to another.
fn vary(widgets: bool, headers: &mut HeaderMap) {
    if widgets {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue, preflight: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    // The answer is for the page that asked; a page that isolates itself may read it, too.
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    if preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    } else {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

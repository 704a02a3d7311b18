//! Refusals before a handler runs: maintenance, bodies that are too large, and URLs that no text column can hold.
use domain::{Error, error::Kind};
use poem::{Endpoint, Request, Response, Result, http::StatusCode};
use std::{sync::Arc, time::Duration};

use super::context;
use crate::error::Failure;

/// Largest body of a request, in bytes.
const MAX_BODY: usize = 1 << 20;
/// What answers during maintenance as well.
const ALWAYS: [&str; 4] = ["/api/health", "/api/metrics", "/api/admin", "/admin"];

/// During maintenance everything but health, metrics and administration is 503.
pub async fn maintenance<E: Endpoint<Output = Response>>(next: Arc<E>, req: Request) -> Result<Response> {
    let path = req.uri().path();
    let open = ALWAYS.iter().any(|prefix| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if open || !context(&req)?.maintenance {
        return next.call(req).await;
    }
    let kind = Kind::Unavailable {
        retry_after: Duration::from_hours(1),
    };
    Err(Failure::from(Error::new(kind, "maintenance", "the installation is being maintained")).into())
}

/// Postgres' texts have no NUL, so nothing that is looked for has one.
pub async fn no_nul<E: Endpoint<Output = Response>>(next: Arc<E>, req: Request) -> Result<Response> {
    let url = req.uri().path_and_query().map_or("", |url| url.as_str());
    if url.contains("%00") {
        return Err(Failure::from(Error::invalid("url", "contains a NUL (%00)")).into());
    }
    next.call(req).await
}

/// Reads the body, so that its size is known whatever its framing says.
pub async fn body_limit<E: Endpoint<Output = Response>>(next: Arc<E>, mut req: Request) -> Result<Response> {
    let body = req.take_body().into_bytes_limit(MAX_BODY).await.map_err(|_| {
        Failure::with_status(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body must have at most {MAX_BODY} bytes"),
        )
    })?;
    req.set_body(body);
    next.call(req).await
}

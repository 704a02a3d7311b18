//! Turns every error, and every panic, into its problem, and logs our own faults once.
use domain::Error;
use futures::FutureExt;
use poem::{Endpoint, PathPattern, Request, Response, Result};
use std::{panic::AssertUnwindSafe, sync::Arc};

use super::RequestId;
use crate::{error::Failure, openapi};

/// The one place where a failure becomes an answer.
pub async fn problems<E: Endpoint<Output = Response>>(next: Arc<E>, req: Request) -> Result<Response> {
    let id = req.data::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let path = req.uri().path().to_owned();
    let result = AssertUnwindSafe(next.call(req)).catch_unwind().await;
    let (failure, route) = match result {
        Ok(Ok(response)) => return Ok(response),
        Ok(Err(error)) => {
            let route = error.data::<PathPattern>().cloned();
            (Failure::from(error), route)
        }
        Err(_) => (
            Failure::from(Error::internal("handling a request", std::io::Error::other("a panic"))),
            None,
        ),
    };
    let status = failure.status();
    if status.is_server_error() {
        tracing::error!(
            request.id = id,
            error.code = status.as_u16(),
            path,
            error = failure.story(),
            "a request failed"
        );
    }
    let mut response = failure.response(&id);
    if let Some(route) = route {
        response.set_data(route);
    }
    if status == poem::http::StatusCode::METHOD_NOT_ALLOWED {
        openapi::allow(&path, response.headers_mut());
    }
    Ok(response)
}

//! What every request passes, from the outside in: request id and metrics, security headers, CORS, problems, maintenance,
//! body limit, NULs. Problems are made inside of CORS and the headers, so that a refusal carries them like any answer.
mod cors;
mod envelope;
mod limits;
mod problems;

pub use cors::cors;
pub use envelope::{RequestId, envelope};
pub use limits::{body_limit, maintenance, no_nul};
pub use problems::problems;

use crate::Context;

/// The context, which the server puts into every request.
fn context(req: &poem::Request) -> poem::Result<Context> {
    let missing = || {
        domain::Error::internal(
            "reading the context",
            std::io::Error::other("no context in the request"),
        )
    };
    let context = req.data::<Context>().cloned();
    Ok(context.ok_or_else(|| crate::error::Failure::from(missing()))?)
}

//! What every request passes, from the outside in: the client's address, request id and metrics, security headers, CORS, limits,
//! problems, maintenance, body limit, NULs. Problems are made inside of CORS and the headers, so that a refusal carries them like any answer.
mod client;
mod cors;
mod envelope;
mod limits;
mod operations;
mod problems;
mod rate;
mod spent;

pub use client::{ClientAddress, client};
pub use cors::cors;
pub use envelope::{RequestId, envelope};
pub use limits::{Anonymous, Room, body_limit, head_limit, maintenance, no_nul};
pub use problems::problems;
pub use rate::rate;
pub use spent::Spent;

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

//! Turns the HTTP library's nested errors into ours.

use std::{error::Error as StdError, io};

use crate::{
    error::Error,
    policy::{HostPort, Limits},
};

/// Finds the most telling cause in the chain: an error of ours, which is a connection's, or what was wrong with the answer.
pub(crate) fn classify(error: &(dyn StdError + 'static), target: &HostPort, limits: &Limits) -> Error {
    for cause in causes(error) {
        if let Some(own) = cause.downcast_ref::<Error>() {
            return own.clone();
        }
        if cause.downcast_ref().is_some_and(hyper::Error::is_parse_too_large) {
            return Error::too_large(target, "headers", limits.max_header_bytes);
        }
    }
    Error::Protocol {
        host: target.to_string(),
        reason: innermost(error),
    }
}

/// The error and its causes, outermost first. An `io::Error` hides the error that it was made of from `source`.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&cause: &&'a (dyn StdError + 'static)| {
        match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => cause.source(),
        }
    })
}

/// The cause that started it, in its own words.
pub(crate) fn innermost(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

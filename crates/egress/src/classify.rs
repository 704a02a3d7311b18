//! Turns the HTTP library's nested errors into ours.

use std::{error::Error as StdError, io};

use crate::{
    error::{Error, Phase},
    policy::HostPort,
};

/// Finds the most telling cause in the chain: the guard's own refusal, then TLS, then a clock, then the connection.
pub(crate) fn classify(error: &(dyn StdError + 'static), target: &HostPort) -> Error {
    let (mut timed_out, mut connecting) = (false, false);
    for cause in causes(error) {
        if let Some(own) = cause.downcast_ref::<Error>() {
            return own.clone();
        }
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Error::Tls {
                host: target.to_string(),
                reason: tls.to_string(),
            };
        }
        if let Some(http) = cause.downcast_ref::<reqwest::Error>() {
            timed_out |= http.is_timeout();
            connecting |= http.is_connect();
        }
    }
    let (host, reason) = (target.to_string(), innermost(error));
    match (timed_out, connecting) {
        (true, true) => Error::Timeout {
            host,
            phase: Phase::Connect,
        },
        (true, false) => Error::Timeout {
            host,
            phase: Phase::Read,
        },
        (false, true) => Error::Connect { host, reason },
        (false, false) => Error::Protocol { host, reason },
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

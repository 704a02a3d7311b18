//! Everything a fetch can end in besides a response, each with a stable code for job records and APIs.

use std::net::IpAddr;

use url::Url;

/// Which clock ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Name resolution, TCP or TLS.
    Connect,
    /// A silence of the server, before or within the response.
    Read,
    /// The whole fetch.
    Total,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting took too long",
            Self::Read => "the server was silent for too long",
            Self::Total => "the whole fetch took too long",
        })
    }
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The host is, or resolves to, an address that is not global, or its name is local by convention.
    #[error("{host} is refused: {reason}")]
    RefusedAddress {
        /// `host:port` as the URL has it.
        host: String,
        /// The rule, with the address if the URL names it.
        reason: String,
    },
    /// Only `http` and `https` are fetched.
    #[error("{url} is refused: only http and https are fetched, not `{}`", url.scheme())]
    RefusedScheme {
        /// The URL asked for or redirected to.
        url: Url,
    },
    /// The URL is refused for its form, such as a user name or password in it.
    #[error("the URL of {host} is refused: {reason}")]
    RefusedUrl {
        /// The URL's host.
        host: String,
        /// What about its form.
        reason: &'static str,
    },
    /// The caller asked for what the client does not send: a header of its own, a body that is too long or misplaced.
    #[error("the request cannot be sent: {0}")]
    InvalidRequest(String),
    /// The name could not be resolved.
    #[error("{host} could not be resolved: {reason}")]
    Dns {
        /// The host's name.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// No TCP connection.
    #[error("could not connect to {host}: {reason}")]
    Connect {
        /// `host:port`.
        host: String,
        /// The innermost cause.
        reason: String,
    },
    /// The TLS handshake failed; most often the certificate.
    #[error("no secure connection to {host}: {reason}")]
    Tls {
        /// `host:port`.
        host: String,
        /// What the TLS library said.
        reason: String,
    },
    /// A clock ran out.
    #[error("{host}: {phase}")]
    Timeout {
        /// `host:port` of the hop under way.
        host: String,
        /// Which clock.
        phase: Phase,
    },
    /// The body or the head is longer than the limit.
    #[error("{host} sent more than {limit} bytes of {what}")]
    TooLarge {
        /// `host:port`.
        host: String,
        /// `body` or `headers`.
        what: &'static str,
        /// The limit, in bytes (of the body: after decompression).
        limit: usize,
    },
    /// The chain of redirects is longer than the limit, or a loop.
    #[error("{host} redirected more than {limit} times, last to {last}")]
    TooManyRedirects {
        /// `host:port` of the last hop.
        host: String,
        /// The limit.
        limit: usize,
        /// Where the next hop would have led.
        last: Url,
    },
    /// The answer is not valid HTTP, or ended early.
    #[error("{host} did not answer with valid HTTP: {reason}")]
    Protocol {
        /// `host:port`.
        host: String,
        /// The innermost cause.
        reason: String,
    },
    /// The client itself could not be built.
    #[error("the HTTP client could not be set up: {0}")]
    Setup(String),
}

impl Error {
    /// A refusal for an address that the URL names, and the rule that it falls under.
    pub(crate) fn refused_ip(host: &impl ToString, address: IpAddr, rule: &str) -> Self {
        Self::RefusedAddress {
            host: host.to_string(),
            reason: format!("{address} is not a public address ({rule})"),
        }
    }

    /// A refusal for an address behind a name. It stays unsaid: whoever asks may be a stranger who explores the operator's network.
    pub(crate) fn refused_name(host: &impl ToString, rule: &str) -> Self {
        Self::RefusedAddress {
            host: host.to_string(),
            reason: format!("it leads to an address that is not public ({rule})"),
        }
    }

    /// Too many bytes of `what` from `host`.
    pub(crate) fn too_large(host: &impl ToString, what: &'static str, limit: usize) -> Self {
        Self::TooLarge {
            host: host.to_string(),
            what,
            limit,
        }
    }

    /// A stable name for records and APIs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RefusedAddress { .. } => "refused_address",
            Self::RefusedScheme { .. } => "refused_scheme",
            Self::RefusedUrl { .. } => "refused_url",
            Self::InvalidRequest(_) => "invalid_request",
            Self::Dns { .. } => "dns",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Timeout { .. } => "timeout",
            Self::TooLarge { .. } => "too_large",
            Self::TooManyRedirects { .. } => "too_many_redirects",
            Self::Protocol { .. } => "protocol",
            Self::Setup(_) => "setup",
        }
    }

    /// Whether the same request may succeed later without anybody changing anything.
    ///
    /// A resolver does not tell a wrong name from a passing failure everywhere, so `dns` counts as retryable.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Dns { .. } | Self::Connect { .. } | Self::Timeout { .. } | Self::Protocol { .. }
        )
    }
}

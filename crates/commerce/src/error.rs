//! Why a shop gave no answer, by what somebody can do about it.
use std::time::Duration;

/// The result of every call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a shop gave no answer. The texts are for the shop's owner; they tell nothing of the network that the caller stands in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address leads somewhere that may not be asked.
    #[error("the address of the shop is refused: it must be https and lead to the public internet")]
    Address,
    /// The certificate or the handshake.
    #[error("there is no secure connection to the shop; most often its certificate is not valid")]
    Tls,
    /// No name, no route, nobody listening.
    #[error("the shop can't be reached")]
    Unreachable,
    /// It is too slow.
    #[error("the shop took too long to answer")]
    Timeout,
    /// The credentials are not taken.
    #[error("the shop refuses the credentials: {0}")]
    Unauthorized(String),
    /// The API is not there.
    #[error("there is no API of the shop at this address: {0}")]
    Missing(&'static str),
    /// The API is at another address.
    #[error("the shop redirects to {0}: give that address")]
    Moved(String),
    /// It wants to be left alone for some time.
    #[error("the shop is busy")]
    Busy {
        /// For how long.
        retry_after: Duration,
    },
    /// It fails by itself.
    #[error("the shop answers with an error: {0}")]
    Failing(String),
    /// Something that is no answer of the API, such as a page that asks for a proof of being human.
    #[error("the shop gives no answer that can be read: {0}")]
    Unreadable(String),
}

impl Error {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address => "store_address_refused",
            Self::Tls => "store_tls",
            Self::Unreachable => "store_unreachable",
            Self::Timeout => "store_timeout",
            Self::Unauthorized(_) => "store_unauthorized",
            Self::Missing(_) => "store_api_missing",
            Self::Moved(_) => "store_moved",
            Self::Busy { .. } => "store_busy",
            Self::Failing(_) => "store_failing",
            Self::Unreadable(_) => "store_unreadable",
        }
    }

    /// Whether the same request may succeed later without anybody changing anything.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable | Self::Timeout | Self::Busy { .. } | Self::Failing(_) | Self::Unreadable(_) => true,
            Self::Address | Self::Tls | Self::Unauthorized(_) | Self::Missing(_) | Self::Moved(_) => false,
        }
    }
}

impl From<egress::Error> for Error {
    fn from(error: egress::Error) -> Self {
        use egress::Error as E;
        match error {
            E::RefusedAddress { .. } | E::RefusedScheme { .. } | E::RefusedUrl { .. } | E::InvalidRequest(_) => {
                Self::Address
            }
            E::Tls { .. } => Self::Tls,
            E::Timeout { .. } => Self::Timeout,
            E::Dns { .. } | E::Connect { .. } | E::Setup(_) => Self::Unreachable,
            E::TooLarge { limit, .. } => Self::Unreadable(format!("it has more than {limit} bytes")),
            E::TooManyRedirects { .. } => Self::Unreadable("it redirects without end".to_owned()),
            E::Protocol { .. } => Self::Unreadable("it is no valid HTTP".to_owned()),
        }
    }
}

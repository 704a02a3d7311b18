//! Why there is no complete answer.
use secrecy::{ExposeSecret, SecretString};
use std::{fmt, time::Duration};

/// A shorter key is no secret, and may be a word of what somebody says.
const KEY_CHARS: usize = 8;

/// Why there is no complete answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings make no sense.
    #[error("the chat model cannot be used: {0}")]
    Settings(String),
    /// Too many calls failed lately; the provider is left alone.
    #[error("the provider failed too often and is left alone for {} s", retry_in.as_secs())]
    Resting {
        /// When it may be asked again.
        retry_in: Duration,
    },
    /// It answered with another status than 200.
    #[error("the provider answered {status}: {message}")]
    Status {
        /// HTTP status.
        status: u16,
        /// The provider's own word for it, such as `insufficient_quota`.
        code: Option<String>,
        /// What it said, shortened.
        message: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// It can't be connected to, or the connection failed before the answer's head.
    #[error("the provider can't be reached: {0}")]
    Unreachable(String),
    /// It said nothing for too long.
    #[error("the provider was too slow: no {0} in time")]
    Silent(Wait),
    /// It said something that is no stream of chat completions.
    #[error("the provider's stream can't be read: {0}")]
    Protocol(String),
    /// It said more than an answer may have.
    #[error("the provider's {what} has more than {limit} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it may be.
        limit: usize,
    },
    /// The stream ended, and the provider had not said that the answer does.
    #[error("the provider's stream broke off{}{}", if .0.is_empty() { "" } else { ": " }, .0)]
    Cut(String),
    /// It told of an error in its stream.
    #[error("the provider's stream ended with an error: {0}")]
    Failed(String),
    /// Its filter took the answer away.
    #[error("the provider's filter withheld the answer")]
    Filtered,
    /// The model wants a tool, and none was offered.
    #[error("the model asked for a tool that it was not offered")]
    ToolCall,
}

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The first text.
    FirstToken,
    /// More text.
    NextToken,
    /// The end of the answer.
    End,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstToken => "first token",
            Self::NextToken => "further token",
            Self::End => "end",
        })
    }
}

/// `text` without the key, which some providers repeat to whoever has sent it.
pub(crate) fn without(key: &SecretString, text: &str) -> String {
    let key = key.expose_secret();
    if key.len() < KEY_CHARS {
        return text.to_owned();
    }
    text.replace(key, "[key]")
}

impl Error {
    /// The same, without the key in what the provider said.
    pub(crate) fn without(self, key: &SecretString) -> Self {
        match self {
            Self::Status {
                status,
                code,
                message,
                retry_after,
            } => Self::Status {
                status,
                code: code.map(|code| without(key, &code)),
                message: without(key, &message),
                retry_after,
            },
            Self::Failed(message) => Self::Failed(without(key, &message)),
            Self::Protocol(message) => Self::Protocol(without(key, &message)),
            other => other,
        }
    }

    /// Whether the same request may succeed a moment later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Status { status, code, .. } => {
                // A used-up quota has the status of haste, and does not pass.
                let used_up = code.as_deref() == Some("insufficient_quota");
                matches!(status, 408 | 409 | 429 | 500..) && !used_up
            }
            Self::Unreachable(_) | Self::Cut(_) | Self::Failed(_) => true,
            _ => false,
        }
    }

    /// Whether it says something about the provider or its settings, and not about one request.
    pub fn is_the_provider_s(&self) -> bool {
        match self {
            // 400, 413, 422: this request. The others: the key, the model's name, the address, the load.
            Self::Status { status, .. } => !matches!(status, 400 | 413 | 422),
            Self::Unreachable(_) | Self::Silent(_) | Self::Protocol(_) | Self::Cut(_) | Self::Failed(_) => true,
            Self::Settings(_) | Self::Resting { .. } | Self::TooLarge { .. } | Self::Filtered | Self::ToolCall => false,
        }
    }

    /// Whether this model is not to be had at the moment, and another one may be.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 404 | 429 | 500..),
            Self::Resting { .. } => true,
            _ => false,
        }
    }

    /// Whether the model may have read what it was asked.
    pub fn may_be_billed(&self) -> bool {
        !matches!(
            self,
            Self::Settings(_) | Self::Resting { .. } | Self::Status { .. } | Self::Unreachable(_)
        )
    }

    /// How long the provider asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// One of a few words, for measurements.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Settings(_) => "settings",
            Self::Resting { .. } => "resting",
            Self::Status { status: 429, .. } => "rate_limited",
            Self::Status { status: 401 | 403, .. } => "unauthorized",
            Self::Status { status: 300..=499, .. } => "rejected",
            Self::Status { .. } => "server_error",
            Self::Unreachable(_) => "unreachable",
            Self::Silent(_) => "timeout",
            Self::Protocol(_) | Self::TooLarge { .. } => "unreadable",
            Self::Cut(_) | Self::Failed(_) => "broken_off",
            Self::Filtered => "filtered",
            Self::ToolCall => "tool_call",
        }
    }
}

/// A transport's error with its causes and without the URL, which adds nothing to an error that names the provider.
pub(crate) fn story(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut story = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        story = format!("{story}: {inner}");
        cause = inner.source();
    }
    story
}

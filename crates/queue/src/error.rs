//! What a publisher can tell its caller.

use redis::RedisError;

/// Why publishing or counting failed. A worker never sees one: it waits until Redis is back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no connection. Nothing was sent.
    #[error("Redis is away: {0}")]
    Away(#[source] RedisError),
    /// Redis has no room for more, in memory (`OOM`: the queue is full, or somebody else's data is) or on its disk (`MISCONF`).
    /// Workers still run and acknowledge what is there. Some of the errands may have been added before.
    #[error("Redis is full: {0}")]
    Full(#[source] RedisError),
    /// Redis did not answer in time. The command may have been carried out all the same.
    #[error("Redis did not answer: {0}")]
    Unanswered(#[source] RedisError),
    /// Redis refused the command or the connection broke under it.
    #[error("Redis: {0}")]
    Redis(#[source] RedisError),
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            Self::Unanswered(error)
        } else if error.is_connection_refusal() {
            Self::Away(error)
        } else if is_full(&error) {
            Self::Full(error)
        } else {
            Self::Redis(error)
        }
    }
}

/// In a pipeline each command has its own answer, and any of them may be the first without room.
fn is_full(error: &RedisError) -> bool {
    let refusals = error.clone().into_server_errors();
    refusals.is_some_and(|refusals| {
        refusals
            .iter()
            .any(|(_, error)| matches!(error.code(), "OOM" | "MISCONF"))
    })
}

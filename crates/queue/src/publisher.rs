//! The publishing side: appends errands, over one connection that mends itself.

use crate::{Config, Errand, Error};
use redis::{
    Client,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use std::time::Duration;
use tokio::time::timeout;

/// An API request waits no longer than this for a Redis that is away.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Errands sent in one pipeline, so that a large batch stays clear of the time limit.
const BATCH: usize = 500;

/// Appends errands to one stream. Clones share a connection.
#[derive(Clone)]
pub struct Publisher {
    pub(crate) conn: ConnectionManager,
    pub(crate) key: String,
}

impl Publisher {
    /// Connects at the first use, so that a service can start while Redis is away. Call it inside a Tokio runtime.
    pub fn connect(url: &str, stream: &str) -> Result<Self, Error> {
        let client = Client::open(url).map_err(Error::Address)?;
        // Reconnecting goes on for as long as it takes, while each caller waits only for ANSWER_WITHIN: otherwise the first
        // caller after an outage would get the error of an old attempt.
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(ANSWER_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN))
            .set_number_of_retries(usize::MAX)
            .set_max_delay(Duration::from_millis(500));
        let conn = ConnectionManager::new_lazy_with_config(client, config).map_err(Error::Address)?;
        Ok(Self {
            conn,
            key: Config::key(stream),
        })
    }

    /// Appends `errands` in order. After an error it is unknown which of them were added: publish again, since running an errand
    /// twice is harmless.
    pub async fn publish(&self, errands: &[Errand]) -> Result<(), Error> {
        for batch in errands.chunks(BATCH) {
            let mut pipeline = redis::pipe();
            for errand in batch {
                pipeline.add_command(errand.append(&self.key)).ignore();
            }
            let mut conn = self.conn.clone();
            answered(pipeline.query_async::<()>(&mut conn)).await?;
        }
        Ok(())
    }
}

/// The manager's own limit covers the answer; this one covers the wait for a connection, too.
pub(crate) async fn answered<T>(answer: impl Future<Output = redis::RedisResult<T>>) -> Result<T, Error> {
    match timeout(ANSWER_WITHIN, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) if error.is_timeout() => Err(Error::Unanswered(ANSWER_WITHIN)),
        Ok(Err(error)) => Err(Error::Redis(error)),
        Err(_) => Err(Error::Unanswered(ANSWER_WITHIN)),
    }
}

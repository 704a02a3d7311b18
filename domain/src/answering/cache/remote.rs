//! Entries in Redis, for all processes. Away, slow or wrong is a miss: a cache must not cost more than what it saves.
use redis_link::{Address, Limits, Link};
use secrecy::ExposeSecret;
use std::time::Duration;

use super::{Key, MAX_BYTES, SHORT};
use crate::{Error, Result, config::RedisConfig};

/// Longest wait for a connection, and for an answer.
const WAIT: Duration = Duration::from_millis(250);

/// Redis as a cache.
pub struct Remote(Link);

impl Remote {
    /// Connects at the first use.
    pub fn new(config: &RedisConfig) -> Result<Self> {
        let address =
            Address::parse(config.cache_url.expose_secret()).map_err(|e| Error::internal("REDIS_CACHE_URL", e))?;
        let limits = Limits {
            connect: WAIT,
            answer: WAIT,
        };
        Ok(Self(Link::new(address, limits)))
    }

    /// The sealed entry under `key`. Whatever is longer than an entry may be is not read to its end, and is none.
    pub async fn get(&self, key: &Key) -> Option<String> {
        let mut read = redis::cmd("GETRANGE");
        read.arg(key.to_string()).arg(0).arg(MAX_BYTES);
        let found: redis::RedisResult<Vec<u8>> = read.query_async(&mut self.0.clone()).await;
        match found {
            Ok(sealed) if sealed.is_empty() => None,
            // What is no text opens as little as a text that was changed.
            Ok(sealed) => Some(String::from_utf8(sealed).unwrap_or_default()),
            Err(error) => {
                tracing::debug!(%error, "no cached answer from Redis");
                None
            }
        }
    }

    /// Keeps a sealed entry for `left`, at most as long as Redis keeps any.
    pub async fn put(&self, key: &Key, sealed: &str, left: Duration) {
        let seconds = left.min(SHORT).as_secs();
        if seconds == 0 {
            return;
        }
        let mut write = redis::cmd("SET");
        write.arg(key.to_string()).arg(sealed).arg("EX").arg(seconds);
        let kept: redis::RedisResult<()> = write.query_async(&mut self.0.clone()).await;
        if let Err(error) = kept {
            tracing::debug!(%error, "an answer is not cached in Redis");
        }
    }
}

//! The Redis of what may be lost: counts of requests, and answers that several processes share (`REDIS_CACHE_URL`).
use redis_link::{Address, Limits, Link};
use secrecy::ExposeSecret;

use crate::{Error, Result, config::RedisConfig};

/// Asks it whether it is there. Cloning shares the connection.
#[derive(Clone)]
pub struct CacheServer(Link);

impl CacheServer {
    /// Connects at the first use. Call it inside a Tokio runtime.
    pub fn new(config: &RedisConfig) -> Result<Self> {
        let url = config.cache_url.expose_secret();
        let address = Address::parse(url).map_err(|e| Error::internal("REDIS_CACHE_URL", e))?;
        Ok(Self(Link::new(address, Limits::default())))
    }

    /// Whether it answers. Without it every process counts and keeps by itself.
    pub async fn ping(&self) -> Result<()> {
        let pong = redis::cmd("PING").query_async::<()>(&mut self.0.clone()).await;
        let away = |error| {
            Error::unavailable(
                "redis_unavailable",
                "the Redis of limits and cached answers does not answer",
                error,
            )
        };
        pong.map_err(away)
    }
}

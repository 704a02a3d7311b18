//! The link against a real Valkey, and a network that is cut.
#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

mod mending;
mod reaching;
mod sentinel;

use redis::{RedisError, RedisResult, cmd};
use redis_link::{Address, Limits, Link};
use std::time::Duration;

/// Short enough to reach within a test, long enough for a busy machine.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(2),
    answer: Duration::from_secs(2),
};

fn link(url: &str) -> Link {
    Link::new(Address::parse(url).unwrap(), LIMITS)
}

/// A link's own `PING`.
async fn ping(link: &Link) -> RedisResult<()> {
    cmd("PING").query_async(&mut link.clone()).await
}

async fn set(link: &Link, value: &str) -> RedisResult<()> {
    cmd("SET").arg("key").arg(value).query_async(&mut link.clone()).await
}

async fn get(link: &Link) -> RedisResult<Option<String>> {
    cmd("GET").arg("key").query_async(&mut link.clone()).await
}

/// The server's number of the link's connection.
async fn connection(link: &Link) -> RedisResult<u64> {
    cmd("CLIENT").arg("ID").query_async(&mut link.clone()).await
}

/// Whether there was no connection, so that nothing was sent.
fn is_unsent<T>(answer: &RedisResult<T>) -> bool {
    answer.as_ref().is_err_and(RedisError::is_connection_refusal)
}

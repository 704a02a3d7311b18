//! Entries in Redis, for all processes. Away, slow or wrong is a miss: a cache must not cost more than what it saves.
use redis::RedisResult;
use redis_link::{Address, Limits, Link};
use secrecy::ExposeSecret;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use uuid::Uuid;

use super::{Key, MAX_BYTES, SHORT};
use crate::{Error, Result, config::RedisConfig};

/// Longest wait for a connection, and for an answer.
const WAIT: Duration = Duration::from_millis(250);

/// Redis as a cache.
pub struct Remote {
    link: Link,
    /// The last command failed: what can be done without Redis is not tried on it.
    away: AtomicBool,
}

/// What became of a claim to make an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody else makes it.
    Ours,
    /// Another process does.
    Theirs,
    /// Nobody knows.
    Unknown,
}

impl Remote {
    /// Connects at the first use.
    pub fn new(config: &RedisConfig) -> Result<Self> {
        let address =
            Address::parse(config.cache_url.expose_secret()).map_err(|e| Error::internal("REDIS_CACHE_URL", e))?;
        let limits = Limits {
            connect: WAIT,
            answer: WAIT,
        };
        Ok(Self {
            link: Link::new(address, limits),
            away: AtomicBool::new(false),
        })
    }

    /// The sealed entry under `key`. Whatever is longer than an entry may be is not read to its end, and is none.
    pub async fn get(&self, key: &Key) -> Option<String> {
        text(self.asked(&read(key)).await?)
    }

    /// Deletes a customer's entries. What stays, because Redis is away, ends by itself within minutes.
    pub async fn forget(&self, customer: Uuid) {
        let (mut cursor, pattern) = (0u64, format!("omniops:answers:{{{customer}}}:*"));
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1000);
            let found: RedisResult<(u64, Vec<String>)> = scan.query_async(&mut self.link.clone()).await;
            let Ok((next, keys)) = found else { return };
            if !keys.is_empty() {
                let mut unlink = redis::cmd("UNLINK");
                let gone: RedisResult<u64> = unlink.arg(keys).query_async(&mut self.link.clone()).await;
                if gone.is_err() {
                    return;
                }
            }
            cursor = next;
            if cursor == 0 {
                return;
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
        let _: Option<()> = self.asked(&write).await;
    }

    /// Claims to make the answer under `key` for `time`, by a `token` that nobody else has; and the sealed entry, if somebody has made it
    /// before the claim.
    pub async fn claim(&self, key: &Key, token: &str, time: Duration) -> (Claim, Option<String>) {
        if self.away.load(Ordering::Relaxed) {
            return (Claim::Unknown, None);
        }
        let mut set = redis::cmd("SET");
        set.arg(key.claim()).arg(token).arg("NX").arg("PX");
        set.arg(time.as_millis() as u64);
        let mut both = redis::pipe();
        both.add_command(set).add_command(read(key));
        let answered: RedisResult<(Option<String>, Vec<u8>)> = both.query_async(&mut self.link.clone()).await;
        match self.noted(answered) {
            Some((Some(_), sealed)) => (Claim::Ours, text(sealed)),
            Some((None, sealed)) => (Claim::Theirs, text(sealed)),
            None => (Claim::Unknown, None),
        }
    }

    /// Gives a claim up, if it still is the one with this token. Another one that comes between the look and the deed costs
    /// one answer that is made twice.
    pub async fn release(&self, key: &Key, token: &str) {
        let mut look = redis::cmd("GET");
        look.arg(key.claim());
        let held: Option<Option<String>> = self.asked(&look).await;
        if held.flatten().as_deref() == Some(token) {
            let mut delete = redis::cmd("DEL");
            delete.arg(key.claim());
            let _: Option<i64> = self.asked(&delete).await;
        }
    }

    async fn asked<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Option<T> {
        self.noted(command.query_async(&mut self.link.clone()).await)
    }

    fn noted<T>(&self, answered: RedisResult<T>) -> Option<T> {
        self.away.store(answered.is_err(), Ordering::Relaxed);
        match answered {
            Ok(answer) => Some(answer),
            Err(error) => {
                tracing::debug!(%error, "Redis does not cache answers");
                None
            }
        }
    }
}

/// Reads an entry. What is longer than one may be is not read to its end.
fn read(key: &Key) -> redis::Cmd {
    let mut read = redis::cmd("GETRANGE");
    read.arg(key.to_string()).arg(0).arg(MAX_BYTES);
    read
}

/// An entry as it was read, if there is one. What is no text opens as little as a text that was changed.
fn text(sealed: Vec<u8>) -> Option<String> {
    (!sealed.is_empty()).then(|| String::from_utf8(sealed).unwrap_or_default())
}

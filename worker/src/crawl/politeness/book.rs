//! What all workers know together of a host, kept in Redis: who crawls it, how many requests each may have under way, when the next one
//! may begin, how much the host is slowed down for. One script, one key for a host, by the server's clock.
//!
//! Redis may be away: then everybody goes by what was last heard ([`super::Visitor`]), and it is asked again after a while, so that a
//! silent server costs little.
use egress::HostPort;
use redis::Script;
use redis_link::Link;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

/// A crawl that has not been heard for this long holds nothing any more.
pub(super) const LEASE: Duration = Duration::from_secs(15);
/// Longest wait for an answer.
pub(super) const ANSWER: Duration = Duration::from_millis(500);
/// Redis is not asked for this long after it gave none.
const REST: Duration = Duration::from_secs(5);

/// What a crawl met at a host since its last word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Answers that say nothing against the pace.
    pub fine: u32,
    /// The sum of their times.
    pub latency: Duration,
    /// Answers and silences that say: too much.
    pub bad: u32,
    /// How long the host asks to be left alone.
    pub asked: Duration,
}

/// What a crawl says to the book.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    /// Who.
    pub crawl: Uuid,
    /// Requests that it may have under way, as far as it knows.
    pub holds: usize,
    /// The pause that it makes by itself.
    pub delay: Duration,
    /// Whether a request is to begin.
    pub begins: bool,
    /// What it met.
    pub news: News,
}

/// What the book says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// Requests that the crawl may have under way.
    pub slots: usize,
    /// How long the request that is to begin has to wait.
    pub wait: Duration,
    /// The pause that the host needs; zero for as fast as the crawls like.
    pub slow: Duration,
    /// How long nobody may ask.
    pub pause: Duration,
    /// Crawls of this host.
    pub crawls: usize,
}

/// The book. Cloning shares it.
#[derive(Clone)]
pub(super) struct Book(Arc<Inner>);

struct Inner {
    redis: Link,
    script: Script,
    /// Requests at once to a host.
    per_host: usize,
    /// Longest wait for an answer.
    answer: Duration,
    /// Since an unanswered question: when the next one may be asked.
    away: Mutex<Option<Instant>>,
}

impl Book {
    pub fn new(redis: Link, per_host: usize, answer: Duration) -> Self {
        Self(Arc::new(Inner {
            redis,
            script: Script::new(include_str!("book.lua")),
            per_host,
            answer,
            away: Mutex::default(),
        }))
    }

    /// Has a word; nothing if Redis is away.
    pub async fn ask(&self, host: &str, word: Word) -> Option<Terms> {
        let holds = i64::try_from(word.holds).unwrap_or(i64::MAX);
        let (slots, wait, slow, pause, crawls) = self.call(host, word, holds).await?;
        Some(Terms {
            slots,
            wait: Duration::from_micros(wait),
            slow: Duration::from_micros(slow),
            pause: Duration::from_micros(pause),
            crawls,
        })
    }

    /// Gives back what a crawl holds.
    pub async fn leave(&self, host: &str, crawl: Uuid) {
        let word = Word {
            crawl,
            holds: 0,
            delay: Duration::ZERO,
            begins: false,
            news: News::default(),
        };
        self.call(host, word, -1).await;
    }

    async fn call(&self, host: &str, word: Word, holds: i64) -> Option<(usize, u64, u64, u64, usize)> {
        if self.away().is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let mut call = self.0.script.key(host);
        call.arg(word.crawl.to_string())
            .arg(holds)
            .arg(self.0.per_host)
            .arg(micros(LEASE))
            .arg(u8::from(word.begins))
            .arg(micros(word.delay))
            .arg(word.news.fine)
            .arg(micros(word.news.latency))
            .arg(word.news.bad)
            .arg(micros(word.news.asked));
        let mut redis = self.0.redis.clone();
        let trouble = match timeout(self.0.answer, call.invoke_async(&mut redis)).await {
            Ok(Ok(terms)) => {
                if self.set_away(None).is_some() {
                    tracing::info!("crawls share the limits of hosts again");
                }
                return Some(terms);
            }
            Ok(Err(error)) => error.to_string(),
            Err(elapsed) => elapsed.to_string(),
        };
        if self.set_away(Some(Instant::now() + REST)).is_none() {
            tracing::warn!(
                error = trouble,
                "Redis does not answer; each crawl keeps to its last share of a host"
            );
        }
        None
    }

    fn away(&self) -> Option<Instant> {
        *self.0.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_away(&self, until: Option<Instant>) -> Option<Instant> {
        std::mem::replace(&mut self.0.away.lock().unwrap_or_else(PoisonError::into_inner), until)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The host's key. A site that answers on both of the usual ports is one host.
pub(super) fn key_of(host: &HostPort) -> String {
    let name = host.to_string();
    let usual = name.strip_suffix(":443").or_else(|| name.strip_suffix(":80"));
    format!("host:{{{}}}", usual.unwrap_or(&name))
}

//! Asks Redis while it answers in time, and the process's own memory while it does not.
use hashlink::LruCache;
use redis_link::Link;
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::time::timeout;

use crate::{Answer, Ask, Blocks, Clock, Left, Memory, Rate, Remote, Verdict, micros};

/// Addresses that are known to be blocked, so that a flood of them asks nobody.
const KNOWN_BLOCKS: usize = 10_000;
/// A block is looked up again after so long, so that one that was lifted ends soon everywhere.
const RECHECK: u64 = 5_000_000;
/// µs at which a process's own time begins: later than any period is long, so that no period reaches back before it.
const BEGINNING: u64 = 10_000_000_000_000;

/// How a limiter works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Begins the keys in Redis.
    pub name: String,
    /// When addresses are blocked.
    pub blocks: Blocks,
    /// New addresses that are remembered in each period of `blocks`, in Redis; and keys of each sort in the process.
    pub addresses: u64,
    /// What all further addresses share.
    pub crowd: Rate,
    /// How long a proof of work that was used is remembered.
    pub proofs: Duration,
    /// The longest wait for Redis.
    pub deadline: Duration,
    /// While Redis does not answer, one request in this time asks it.
    pub retry: Duration,
}

/// What becomes of a request, and who decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The decision.
    pub answer: Answer,
    /// This process decided without Redis: its counts are its own.
    pub alone: bool,
}

/// Decides requests.
pub struct Limiter {
    remote: Remote,
    memory: Mutex<Memory>,
    /// Until when addresses are blocked, as far as this process has seen and checked lately.
    known: Mutex<LruCache<String, (u64, u64)>>,
    deadline: Duration,
    retry: u64,
    begun: Instant,
    /// When Redis is asked again; 0 while it answers.
    again: AtomicU64,
}

impl Limiter {
    /// Over the Redis of `link`, which should wait longer for an answer than `settings.deadline`.
    pub fn new(link: Link, settings: &Settings) -> Self {
        let Settings { blocks, addresses, .. } = settings;
        let remote = Remote::new(
            link,
            &settings.name,
            *blocks,
            *addresses,
            settings.crowd,
            settings.proofs,
        );
        Self {
            remote,
            memory: Mutex::new(Memory::new(usize::try_from(*addresses).unwrap_or(usize::MAX), *blocks)),
            known: Mutex::new(LruCache::new(KNOWN_BLOCKS)),
            deadline: settings.deadline,
            retry: micros(settings.retry),
            begun: Instant::now(),
            again: AtomicU64::new(0),
        }
    }

    /// Decides one request. Never fails and never waits longer than the deadline.
    pub async fn check(&self, ask: &Ask) -> Decision {
        let now = self.now();
        if let Some(wait) = ask
            .stranger
            .as_ref()
            .and_then(|stranger| self.known_block(&stranger.group, now))
        {
            let verdict = Verdict::Blocked { wait, fresh: false };
            // Nothing of any limit is to be had before the block ends.
            let none = Left {
                remaining: 0,
                full_in: wait,
            };
            let answer = Answer {
                verdict,
                left: vec![none; ask.limits.len()],
                violations: 0,
            };
            return Decision { answer, alone: false };
        }
        let (answer, alone) = match self.ask_redis(ask, now).await {
            Some(answer) => (answer, false),
            None => (lock(&self.memory).check(ask, now), true),
        };
        if let (Some(stranger), Verdict::Blocked { wait, .. }) = (&ask.stranger, answer.verdict) {
            let until = now + micros(wait);
            lock(&self.known).insert(stranger.group.clone(), (until, now + RECHECK));
        }
        Decision { answer, alone }
    }

    /// Whether the process decides without Redis at present.
    pub fn is_alone(&self) -> bool {
        self.again.load(Ordering::Relaxed) != 0
    }

    async fn ask_redis(&self, ask: &Ask, now: u64) -> Option<Answer> {
        let again = self.again.load(Ordering::Relaxed);
        if again != 0 {
            // One of those that come after the pause tries; the others go on without Redis.
            let mine = now >= again
                && self
                    .again
                    .compare_exchange(again, now + self.retry, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok();
            if !mine {
                return None;
            }
        }
        let why = match timeout(self.deadline, self.remote.check(ask, Clock::Server)).await {
            Ok(Ok(answer)) => {
                if self.again.swap(0, Ordering::Relaxed) != 0 {
                    tracing::info!(event = "limits_shared", "Redis counts for all processes again");
                }
                return Some(answer);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer in {} ms", self.deadline.as_millis()),
        };
        if self.again.swap(self.now() + self.retry, Ordering::Relaxed) == 0 {
            tracing::warn!(
                event = "limits_alone",
                error = why,
                "Redis does not count requests; each process counts for itself until it does"
            );
        }
        None
    }

    fn known_block(&self, group: &str, now: u64) -> Option<Duration> {
        let mut known = lock(&self.known);
        let (until, recheck) = *known.get(group)?;
        if now >= until.min(recheck) {
            known.remove(group);
            return None;
        }
        Some(Duration::from_micros(until - now))
    }

    /// Forgets an address; true if it was blocked. Other processes follow in seconds.
    pub async fn pardon(&self, group: &str) -> redis::RedisResult<bool> {
        let here = lock(&self.memory).pardon(group, self.now());
        lock(&self.known).remove(group);
        Ok(self.remote.pardon(group).await? || here)
    }

    /// Blocked addresses and for how long, those of Redis and those of this process.
    pub async fn blocked(&self) -> redis::RedisResult<Vec<(String, Duration)>> {
        let mut all = lock(&self.memory).blocked(self.now());
        for (group, left) in self.remote.blocked().await? {
            match all.iter_mut().find(|(known, _)| *known == group) {
                Some(known) => known.1 = known.1.max(left),
                None => all.push((group, left)),
            }
        }
        Ok(all
            .into_iter()
            .map(|(group, left)| (group, Duration::from_micros(left)))
            .collect())
    }

    fn now(&self) -> u64 {
        BEGINNING + micros(self.begun.elapsed())
    }
}

/// A panic elsewhere leaves counts that are as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

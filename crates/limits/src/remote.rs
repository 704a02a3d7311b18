//! Counts in Redis: one script, one round trip.
use redis::{RedisError, RedisResult, Script};
use redis_link::Link;
use std::time::Duration;

use crate::{Answer, Ask, Blocks, Left, Rate, Stranger, Verdict, micros};

const SCRIPT: &str = include_str!("script.lua");

/// Whose time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// That of Redis, which all replicas share.
    Server,
    /// This one, in µs: tests compare the script with other implementations.
    At(u64),
}

/// The counts in one Redis.
pub struct Remote {
    link: Link,
    script: Script,
    /// Begins every key, as a hash tag.
    name: String,
    blocks: Blocks,
    most: u64,
    crowd: Rate,
    proofs: Duration,
}

impl Remote {
    /// Keys begin with `{name}:`. Of strangers at most `most` are remembered in each period of `blocks`; further ones share
    /// `crowd`. A proof that was used is remembered for `proofs`.
    pub fn new(link: Link, name: &str, blocks: Blocks, most: u64, crowd: Rate, proofs: Duration) -> Self {
        Self {
            link,
            script: Script::new(SCRIPT),
            name: format!("{{{name}}}"),
            blocks,
            most,
            crowd,
            proofs,
        }
    }

    /// Decides one request.
    pub async fn check(&self, ask: &Ask, clock: Clock) -> RedisResult<Answer> {
        let mut call = self.script.prepare_invoke();
        let now = match clock {
            Clock::Server => 0,
            Clock::At(now) => now,
        };
        call.arg(now).arg(u8::from(ask.stranger.is_some()));
        if let Some(stranger) = &ask.stranger {
            self.introduce(&mut call, stranger);
        }
        for limit in &ask.limits {
            call.key(self.key(&limit.key));
            call.arg(limit.rate.interval())
                .arg(limit.rate.capacity())
                .arg(u8::from(limit.by_address));
        }
        let answer: Vec<u64> = call.invoke_async(&mut self.link.clone()).await?;
        read(&answer, ask.limits.len())
            .ok_or_else(|| RedisError::from(std::io::Error::other("an odd answer of the script")))
    }

    fn introduce(&self, call: &mut redis::ScriptInvocation<'_>, stranger: &Stranger) {
        let Self { blocks, crowd, .. } = self;
        call.key(self.record(&stranger.group))
            .key(self.key("blocked"))
            .key(self.key("fresh"))
            .key(self.key("crowd"));
        call.key(self.key(&format!("proof:{}", stranger.proof.as_deref().unwrap_or_default())));
        let proofs = stranger.proof.as_ref().map_or(0, |_| self.proofs.as_millis() as u64);
        call.arg(&stranger.group)
            .arg(blocks.rate.quota())
            .arg(micros(blocks.rate.period()));
        call.arg(micros(blocks.longest))
            .arg(micros(blocks.forget))
            .arg(self.most);
        call.arg(crowd.interval())
            .arg(crowd.capacity())
            .arg(u8::from(stranger.challenged))
            .arg(proofs);
    }

    fn key(&self, rest: &str) -> String {
        format!("{}:{rest}", self.name)
    }

    fn record(&self, group: &str) -> String {
        self.key(&format!("address:{group}"))
    }

    /// Forgets an address; true if it was blocked.
    pub async fn pardon(&self, group: &str) -> RedisResult<bool> {
        let mut both = redis::pipe();
        both.del(self.record(group)).ignore().zrem(self.key("blocked"), group);
        let (removed,): (u64,) = both.query_async(&mut self.link.clone()).await?;
        Ok(removed > 0)
    }

    /// Blocked addresses, and for how many µs; at most 1000, those that are blocked the longest first.
    pub async fn blocked(&self) -> RedisResult<Vec<(String, u64)>> {
        let mut both = redis::pipe();
        both.cmd("TIME");
        both.cmd("ZREVRANGE")
            .arg(self.key("blocked"))
            .arg(0)
            .arg(999)
            .arg("WITHSCORES");
        let ((seconds, rest), all): ((u64, u64), Vec<(String, f64)>) = both.query_async(&mut self.link.clone()).await?;
        let now = seconds * 1_000_000 + rest;
        let left = |(group, until): (String, f64)| (group, (until as u64).saturating_sub(now));
        Ok(all.into_iter().map(left).filter(|(_, left)| *left > 0).collect())
    }
}

fn read(answer: &[u64], limits: usize) -> Option<Answer> {
    let [verdict, what, by, violations, left @ ..] = answer else {
        return None;
    };
    let wait = Duration::from_micros(*what);
    let verdict = match verdict {
        0 => Verdict::Allowed,
        1 => Verdict::Refused {
            by: usize::try_from(*by).ok()?.checked_sub(1)?,
            wait,
        },
        2 => Verdict::Held { wait },
        3 | 4 => Verdict::Blocked {
            wait,
            fresh: *verdict == 4,
        },
        5 => Verdict::Crowded { wait },
        6 => Verdict::Challenged {
            effort: u32::try_from(*what).ok()?,
        },
        _ => return None,
    };
    let pairs = left.chunks_exact(2).take(limits);
    let left = pairs.map(|pair| Left {
        remaining: pair[0],
        full_in: Duration::from_micros(pair[1]),
    });
    Some(Answer {
        verdict,
        left: left.collect(),
        violations: *violations,
    })
}

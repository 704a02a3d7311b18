//! The same decisions for one process alone: what `script.lua` does, over tables that forget what was used the longest ago.
use hashlink::LruCache;
use std::time::Duration;

use crate::{Answer, Ask, Blocks, Left, Limit, Record, Stranger, Verdict};

/// Counts in the process. Time is passed in, in µs since any moment.
pub struct Memory {
    times: LruCache<String, u64>,
    records: LruCache<String, Record>,
    proofs: LruCache<String, ()>,
    blocks: Blocks,
}

impl Memory {
    /// Remembers at most `most` keys and `most` addresses.
    pub fn new(most: usize, blocks: Blocks) -> Self {
        Self {
            times: LruCache::new(most),
            records: LruCache::new(most),
            proofs: LruCache::new(most),
            blocks,
        }
    }

    /// Decides one request.
    pub fn check(&mut self, ask: &Ask, now: u64) -> Answer {
        let Some(stranger) = &ask.stranger else {
            return self.count(&ask.limits, now).0;
        };
        let mut record = self.records.get(&stranger.group).copied().unwrap_or_default();
        let answer = self.check_stranger(&ask.limits, stranger, &mut record, now);
        self.records.insert(stranger.group.clone(), record);
        Answer {
            violations: record.violations,
            ..answer
        }
    }

    fn check_stranger(&mut self, limits: &[Limit], stranger: &Stranger, record: &mut Record, now: u64) -> Answer {
        if let Some(verdict) = record.arrive(now, &self.blocks) {
            return Answer {
                verdict,
                left: self.left(limits, now),
                violations: 0,
            };
        }
        let half = |limit: &Limit| limit.by_address && limit.rate.is_half_used(self.time(limit), now);
        let suspicious = record.score(now) > 0 || record.strikes > 0 || limits.iter().any(half);
        let proved = stranger.proof.as_ref().is_some_and(|id| !self.proofs.contains_key(id));
        let room = limits
            .iter()
            .all(|limit| limit.rate.step(self.time(limit), now).is_ok());
        if room && stranger.challenged && suspicious && !proved {
            let effort = record.effort(now);
            return Answer {
                verdict: Verdict::Challenged { effort },
                left: self.left(limits, now),
                violations: 0,
            };
        }
        let (answer, refused) = self.count(limits, now);
        if refused {
            record.refuse(now);
        } else if let (Some(id), true) = (&stranger.proof, proved) {
            self.proofs.insert(id.clone(), ());
        }
        answer
    }

    /// Counts a request by all of `limits`, or by none.
    fn count(&mut self, limits: &[Limit], now: u64) -> (Answer, bool) {
        let steps: Vec<Result<u64, u64>> = limits
            .iter()
            .map(|limit| limit.rate.step(self.time(limit), now))
            .collect();
        // Of waits that are equally long, the first.
        let worst = steps
            .iter()
            .enumerate()
            .filter_map(|(at, step)| step.err().map(|wait| (at, wait)))
            .reduce(|worst, next| if next.1 > worst.1 { next } else { worst });
        if worst.is_none() {
            for (limit, step) in limits.iter().zip(&steps) {
                self.times.insert(limit.key.clone(), step.unwrap_or_default());
            }
        }
        let verdict = worst.map_or(Verdict::Allowed, |(by, wait)| Verdict::Refused {
            by,
            wait: Duration::from_micros(wait),
        });
        let answer = Answer {
            verdict,
            left: self.left(limits, now),
            violations: 0,
        };
        (answer, worst.is_some())
    }

    /// How long `limit` has no room for one more; nothing is counted.
    pub fn full_for(&self, limit: &Limit, now: u64) -> Option<Duration> {
        limit.rate.step(self.time(limit), now).err().map(Duration::from_micros)
    }

    fn time(&self, limit: &Limit) -> u64 {
        self.times.peek(&limit.key).copied().unwrap_or(0)
    }

    fn left(&self, limits: &[Limit], now: u64) -> Vec<Left> {
        limits
            .iter()
            .map(|limit| limit.rate.left(self.time(limit), now))
            .collect()
    }

    /// Forgets an address; true if it was blocked.
    pub fn pardon(&mut self, group: &str, now: u64) -> bool {
        self.records.remove(group).is_some_and(|record| record.blocked > now)
    }

    /// Blocked addresses, and for how many µs.
    pub fn blocked(&self, now: u64) -> Vec<(String, u64)> {
        let records = self.records.iter().filter(|(_, record)| record.blocked > now);
        records
            .map(|(group, record)| (group.clone(), record.blocked - now))
            .collect()
    }
}

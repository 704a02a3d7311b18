//! What is remembered of an address that nobody vouches for.
//!
//! Refusals make a score, which drains by one each [`DRAIN`]. From more than [`PATIENCE`] on, each further one makes the address stay
//! away: `min(2^(score - PATIENCE) s, LONGEST_HOLD)`. More requests in a period than [`Blocks::rate`] has make a block, whether
//! they were let through or not: the first one as long as the period, each further one twice as long up to
//! [`Blocks::longest`]; [`Blocks::forget`] after the last block's end it is the first again.
use std::time::Duration;

use crate::{Rate, Verdict, micros};

/// A score of one is forgotten in this time (µs).
pub const DRAIN: u64 = 10_000_000;
/// Refusals that cost nothing but themselves: a widget that retries, a page that is loaded again.
pub const PATIENCE: u64 = 5;
/// The highest score.
pub const WORST: u64 = 100;
/// The longest that an address must stay away for refusals alone (µs).
pub const LONGEST_HOLD: u64 = 900_000_000;

/// When an address is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// More than this in its period, counted from the first, is a block of that period.
    pub rate: Rate,
    /// Blocks double up to this.
    pub longest: Duration,
    /// So long after a block its address is like any other.
    pub forget: Duration,
}

/// What is remembered. Times are in µs, and 0 is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// When the running period began.
    pub began: u64,
    /// Requests in it.
    pub requests: u64,
    /// Refusals in it.
    pub violations: u64,
    /// When the score will have drained away.
    pub drained: u64,
    /// Until when it must stay away.
    pub held: u64,
    /// Until when it is blocked.
    pub blocked: u64,
    /// Blocks so far.
    pub strikes: u32,
}

impl Record {
    /// Refusals that are not forgotten yet.
    pub fn score(&self, now: u64) -> u64 {
        self.drained.saturating_sub(now).div_ceil(DRAIN)
    }

    /// One more request at `now`: the verdict if the record alone decides.
    pub(crate) fn arrive(&mut self, now: u64, blocks: &Blocks) -> Option<Verdict> {
        if self.blocked > now {
            let wait = Duration::from_micros(self.blocked - now);
            return Some(Verdict::Blocked { wait, fresh: false });
        }
        if self.strikes > 0 && now >= self.blocked + micros(blocks.forget) {
            self.strikes = 0;
        }
        if now >= self.began + micros(blocks.rate.period()) {
            (self.began, self.requests, self.violations) = (now, 0, 0);
        }
        self.requests += 1;
        if self.requests > u64::from(blocks.rate.quota()) {
            return Some(self.block(now, blocks));
        }
        if self.held > now {
            self.refuse(now);
            let wait = Duration::from_micros(self.held - now);
            return Some(Verdict::Held { wait });
        }
        None
    }

    fn block(&mut self, now: u64, blocks: &Blocks) -> Verdict {
        let doubled = micros(blocks.rate.period()).saturating_mul(1 << self.strikes.min(20));
        let wait = doubled.min(micros(blocks.longest));
        self.strikes += 1;
        self.blocked = now + wait;
        (self.began, self.requests, self.violations) = (0, 0, 0);
        let wait = Duration::from_micros(wait);
        Verdict::Blocked { wait, fresh: true }
    }

    /// Counts a refusal at `now`.
    pub(crate) fn refuse(&mut self, now: u64) {
        self.violations += 1;
        self.drained = (self.drained.max(now) + DRAIN).min(now + WORST * DRAIN);
        let score = self.score(now);
        if score > PATIENCE {
            let hold = (1_000_000 << (score - PATIENCE).min(20)).min(LONGEST_HOLD);
            self.held = self.held.max(now + hold);
        }
    }

    /// How much more than the least work its proofs need: one for each doubling of the score, one for each block.
    pub(crate) fn effort(&self, now: u64) -> u32 {
        effort(self.score(now), self.strikes)
    }
}

/// See [`Record::effort`].
pub(crate) fn effort(score: u64, strikes: u32) -> u32 {
    (u64::BITS - score.leading_zeros()) + strikes
}

//! How much somebody may ask for, decided for all replicas of a service at once and in one round trip to Redis.
//!
//! A request is held against several [`Limit`]s together: all of them have room and each counts it, or it is refused and none
//! does. Each is a generic cell rate (GCRA, ITU-T I.371): one timestamp a key, no counters to reset. What comes from an
//! address that nobody vouches for ([`Stranger`]) also has a [`record`]: refusals in a row make it wait longer, more requests in a
//! period than any visitor sends have it blocked for that period and then for twice as long each time, and it can be asked for a
//! proof of work first.
//!
//! ```text
//! Limiter::check ─┬─ blocked lately? ──────────── answered here
//!                 ├─ Redis: one EVALSHA ───────── `script.lua`, on Redis' clock
//!                 └─ no answer in time ────────── `Memory`, the same rules for this process alone
//! ```
//!
//! What must stay true:
//! - nobody waits for Redis longer than the deadline, and while it is away only one request in a while waits at all;
//! - the script and [`Memory`] decide alike (a property test runs both);
//! - what is kept is bounded: keys of strangers by their number, in Redis and in the process, all others by what they name;
//! - keys share one hash tag, so a request's keys are in one slot of a cluster.
mod limiter;
mod memory;
mod rate;
pub mod record;
mod remote;

pub use limiter::{Decision, Limiter, Settings};
pub use memory::Memory;
pub use rate::{Rate, RateError};
pub use record::{Blocks, Record};
pub use remote::{Clock, Remote};

use std::time::Duration;

/// One of the limits that a request is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What it is called; a word or a few with dashes.
    pub name: &'static str,
    /// Whom it counts, for example `chat-key:018f…`. Bounded by what exists, unless it is by address.
    pub key: String,
    /// How much.
    pub rate: Rate,
    /// It counts a stranger's address. Going beyond half of it makes the address suspicious.
    pub by_address: bool,
}

/// Somebody whom only an address tells from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// The address, or the network that counts as one (an IPv6 host has at least a /64).
    pub group: String,
    /// Whether suspicious ones are asked for a proof of work.
    pub challenged: bool,
    /// The id of a proof of work that was found right; good once.
    pub proof: Option<String>,
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Limits that all must have room.
    pub limits: Vec<Limit>,
    /// Set if nobody vouches for whoever asks.
    pub stranger: Option<Stranger>,
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Requests that would be let through now.
    pub remaining: u64,
    /// Until all of it is there again.
    pub full_in: Duration,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may go on.
    Allowed,
    /// The limit at this place of the list has no room until `wait` has passed.
    Refused {
        /// Its place in [`Ask::limits`].
        by: usize,
        /// When there is room.
        wait: Duration,
    },
    /// The address was refused several times, and must stay away for a while.
    Held {
        /// For how long.
        wait: Duration,
    },
    /// The address has sent more than anybody may, and is blocked.
    Blocked {
        /// For how long.
        wait: Duration,
        /// This request brought it about.
        fresh: bool,
    },
    /// So many addresses are new that all further ones share one limit, which has no room.
    Crowded {
        /// When there is room.
        wait: Duration,
    },
    /// A proof of work is needed.
    Challenged {
        /// How much more than the least work: grows with what is known of the address.
        effort: u32,
    },
}

/// What the keeper of the counts answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What becomes of the request.
    pub verdict: Verdict,
    /// Of each limit, in their order. None was counted unless the verdict is [`Verdict::Allowed`].
    pub left: Vec<Left>,
    /// Refusals of this address in the running period, with this one.
    pub violations: u64,
}

/// Microseconds, the unit of every timestamp.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

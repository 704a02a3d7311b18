//! A work queue over one Redis stream, as an [apalis](https://docs.rs/apalis) backend.
//!
//! A stream entry is an [`Errand`]: "go and look at this job". Everything else about a job (payload, attempts, delay, priority,
//! result) lives in a ledger elsewhere, so this crate has no results, retries or schedules, and losing the whole stream loses
//! no job as long as the ledger publishes it again. Delivery is at least once: a handler first claims its job in the ledger,
//! and that claim, not this crate, is what keeps two workers from doing the same thing.
//!
//! ```text
//! Publisher ── XADD ──▶ stream ── XREADGROUP ──▶ reader ─▶ Book ─▶ apalis ─▶ VerdictLayer ─▶ handler
//!                          ▲                                 ▲                    │
//!                          └── settle, renew, hand back ── keeper ◀── verdict ────┘
//! ```
//!
//! The verdict: a handler that returns `Ok` has settled its errand, which is acknowledged and deleted. `Err`, a panic or a
//! dropped future has not: the entry stays pending, and runs again once its lease has ended, here or elsewhere.
//!
//! What must stay true:
//! - no trouble with Redis ends a worker ([`Queue`]'s error is `Infallible`); a bug in this crate's own task does, loudly;
//! - an entry that another consumer holds is never renewed, acknowledged or handed back by us (`member`);
//! - every entry this process holds is in the book, and what Redis believes we hold beyond the book is handed back (`reader`);
//! - nothing waits by polling: an idle worker blocks in Redis, and wakes on the first entry.
//!
//! Needs Redis 7.0 or Valkey, and a user who may call scripts and `CLIENT ID`, `SETNAME`, `LIST` and `KILL`.

mod backend;
mod book;
mod config;
mod errand;
mod error;
mod health;
mod keeper;
mod member;
mod permissions;
mod publisher;
mod reader;
mod scripts;
mod shared;
mod stats;
mod verdict;

pub use backend::Queue;
pub use config::Config;
pub use errand::Errand;
pub use error::Error;
pub use health::Health;
pub use permissions::PERMISSIONS;
pub use publisher::Publisher;
#[doc(hidden)]
pub use redis::Client;
pub use redis_link::{Address, Limits, Link};
pub use stats::{Consumer, Stats};
pub use verdict::{VerdictLayer, VerdictService};

#![doc = include_str!("../README.md")]
//!
//! ## How it works
//!
//! ```text
//! Publisher ── XADD ──▶ stream ── XREADGROUP ──▶ reader ─▶ Book ─▶ apalis ─▶ VerdictLayer ─▶ handler
//!                          ▲                                 ▲                    │
//!                          └── settle, renew, hand back ── keeper ◀── verdict ────┘
//! ```
//!
//! [`Publisher`] appends each [`Errand`] to the stream. [`Queue`] is the backend of one worker: its reader blocks in Redis on a
//! connection of its own and its keeper acknowledges, renews leases and hands back on another; the book between them knows every
//! entry that this process holds. Entries of workers that show no sign of life are reclaimed by the others.
//!
//! What must stay true:
//! - no trouble with Redis ends a worker ([`Queue`]'s error is `Infallible`); a bug in this crate's own task does, loudly;
//! - an entry that another consumer holds is never renewed, acknowledged or handed back by us (`member`);
//! - every entry this process holds is in the book, and what Redis believes we hold beyond the book is handed back (`reader`);
//! - nothing waits by polling: an idle worker blocks in Redis, and wakes on the first entry.

mod backend;
mod book;
mod config;
mod errand;
mod error;
mod health;
mod keeper;
mod member;
mod pace;
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
pub use redis_link::{Address, Limits, Link};
pub use stats::{Consumer, Stats};
pub use verdict::{VerdictLayer, VerdictService};

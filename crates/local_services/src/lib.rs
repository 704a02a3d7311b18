//! A private PostgreSQL 18 (with pgvector and `pg_trgm`) and Valkey on Unix sockets, without root, Docker or open ports.
//!
//! One program owns a state folder and the two servers in it: [`Runtime`] finds the programs in a wheel cache,
//! [`Services`] starts, watches and stops them. Everything here blocks; call it from an async program with
//! `spawn_blocking`. Starting takes well under a second when the wheels are there.
//!
//! What must stay true:
//! - nothing outlives the owner, even when it is killed: a watchdog process holds the other end of a pipe (`watchdog`);
//! - nobody but the owner's user (for root: the user it gives its privileges up to) gets at the sockets, which is why
//!   connections need no password;
//! - durable data is never deleted, and a folder that holds something else is never used.
//!
//! `PR_SET_PDEATHSIG` is not an alternative to the watchdog: it fires when the *thread* that started the child ends.

mod account;
mod error;
mod memory;
mod postgres;
mod process;
mod runtime;
mod services;
mod state;
mod url;
mod valkey;
mod watchdog;

use std::path::PathBuf;

pub use error::Error;
pub use runtime::Runtime;
pub use services::Services;

/// How to run the servers.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder for data, logs and sockets; made when missing. Only one owner at a time may use it.
    pub state: PathBuf,
    /// What the data is worth.
    pub durability: Durability,
    /// The user to run the servers as when the owner is root, which PostgreSQL refuses to run as. Every folder above
    /// `state` and above the wheel cache must let this user through. Data that is already there keeps its user.
    pub run_as: String,
}

impl Options {
    /// Servers whose data outlives them.
    pub fn durable(state: impl Into<PathBuf>) -> Self {
        Self::new(state.into(), Durability::Durable)
    }

    /// Servers for one test run: stopping them deletes the state folder.
    pub fn fast(state: impl Into<PathBuf>) -> Self {
        Self::new(state.into(), Durability::Fast)
    }

    fn new(state: PathBuf, durability: Durability) -> Self {
        Self {
            state,
            durability,
            run_as: "nobody".to_owned(),
        }
    }
}

/// What the data is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Commits survive a loss of power (for Valkey: all but the last second), and the state folder stays.
    Durable,
    /// Data survives a crash or restart of a server but not of the machine, and the state folder goes when the owner
    /// stops or dies.
    Fast,
}

/// One of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// PostgreSQL.
    Postgres,
    /// Valkey, which speaks the Redis protocol.
    Valkey,
}

impl Server {
    /// The name in messages, logs and file names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Valkey => "valkey",
        }
    }
}

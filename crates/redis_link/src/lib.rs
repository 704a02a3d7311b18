//! One way to reach Redis or Valkey, whatever stands between: a socket, a host, TLS, an ACL user, a group of Sentinels.
//!
//! [`Address`] says where Redis is, and is made from a URL without any network. From it come the two kinds of connection that a
//! service needs:
//!
//! - [`Link`], for everything that is answered at once. Clones share one connection, which is made at the first use and
//!   again whenever it breaks, for ever. It is a [`redis::aio::ConnectionLike`], so commands, pipelines and scripts go over it.
//! - [`Address::dedicated`], for commands that block (`BLPOP`, `XREADGROUP`): a connection that nobody else waits behind. It does
//!   not mend itself; [`Backoff`] says how long to wait before the next one.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use redis_link::{Address, Limits, Link};
//!
//! let address = Address::parse("rediss://app:secret@redis.example.com/2?ca=/etc/ssl/redis.pem")?;
//! let mut link = Link::new(address, Limits::default());
//! let visits: u64 = redis::cmd("INCR").arg("visits").query_async(&mut link).await?;
//! # Ok(())
//! # }
//! ```
//!
//! What must stay true:
//! - nobody waits without limit: for a connection at most [`Limits::connect`], then for the answer at most [`Limits::answer`];
//!   and nobody waits for a connection that has been missing for longer than that;
//! - no command is ever sent twice: after an error that came later than sending, only the caller knows whether to repeat;
//! - a connection that missed an answer is not used again, because a network that went silent does not say so;
//! - no password appears in an error, a log line or `Debug`.

mod address;
mod backoff;
mod connect;
mod link;
mod tls;

pub use address::{Address, AddressError};
pub use backoff::Backoff;
pub use link::Link;

use std::time::Duration;

/// How long a caller waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a connection: finding the server (asking the Sentinels), TCP, TLS and logging in together.
    pub connect: Duration,
    /// For an answer once the command is sent. A blocking command must end earlier than this.
    pub answer: Duration,
}

impl Default for Limits {
    /// 2 s each.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            answer: Duration::from_secs(2),
        }
    }
}

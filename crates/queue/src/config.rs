//! The settings of one worker on one stream. Times that depend on each other are derived here and nowhere else.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};
use tokio::sync::Notify;

/// Longest time between two looks for what dead workers hold.
const RECLAIM: Duration = Duration::from_secs(5);

/// How a [`Queue`](crate::Queue) reads its stream.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the stream, e.g. `crawl`; see [`Config::key`].
    pub stream: String,
    /// Consumer group. Workers of one group share the entries.
    pub group: String,
    /// Handlers that run at once. Must also be given to the worker's `.concurrency()`: apalis does not tell a backend.
    pub concurrency: usize,
    /// Entries that may wait in this process beyond those running: 0 for slow handlers, so that an entry waits where any free
    /// worker can take it; 1 saves a round trip to Redis between two handlers and keeps at most one entry waiting behind them;
    /// about `concurrency` for handlers of a few milliseconds.
    pub prefetch: usize,
    /// For handlers of which some take milliseconds and others hours: of `prefetch`, only as many wait as short handlers have
    /// ended within this time (those that took less than ten times as long). While they end fast, the next entries are at hand; as
    /// soon as they don't, nothing is fetched ahead.
    pub patience: Option<Duration>,
    /// How long an entry stays with a worker that shows no sign of life, and how long a failed one rests before it runs again.
    pub lease: Duration,
    /// How long one blocking read waits. Shorter finds a dead connection sooner; it has no bearing on how soon an entry starts.
    pub block: Duration,
    /// Notified when a read brought fewer entries than there was room for: whoever fills the stream from elsewhere may do so now.
    pub dry: Option<Arc<Notify>>,
    /// While it is true, nothing is taken: for a worker that could do nothing with an entry but keep it from the others.
    pub rests: Option<Arc<AtomicBool>>,
}

impl Config {
    /// Group `workers`, no prefetch, a lease of 30 s, reads that block for 5 s.
    pub fn new(stream: impl Into<String>, concurrency: usize) -> Self {
        Self {
            stream: stream.into(),
            group: "workers".to_owned(),
            concurrency,
            prefetch: 0,
            patience: None,
            lease: Duration::from_secs(30),
            block: Duration::from_secs(5),
            dry: None,
            rests: None,
        }
    }

    /// The Redis key of a stream. The braces are a hash tag: whatever key may join this one shares its Cluster slot.
    pub fn key(stream: &str) -> String {
        format!("queue:{{{stream}}}")
    }

    /// Two renewals may fail before a lease is lost.
    pub(crate) fn renew_every(&self) -> Duration {
        self.lease / 3
    }

    /// An orphan waits at most this long after its lease ended, however long leases are.
    pub(crate) fn reclaim_every(&self) -> Duration {
        (self.lease / 6).min(RECLAIM)
    }

    /// After an outage every lease looks old, so the living get this long to renew before anybody reclaims.
    pub(crate) fn amnesty(&self) -> Duration {
        self.lease / 2
    }

    /// The longest wait for an answer on the reader's connection, which must outlast a blocking read.
    pub(crate) fn read_timeout(&self) -> Duration {
        self.block + Duration::from_secs(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orphans_do_not_wait_longer_where_leases_are_long() {
        let wait = |lease| {
            let lease = Duration::from_secs(lease);
            Config {
                lease,
                ..Config::new("s", 1)
            }
            .reclaim_every()
        };
        let waits = [6, 30, 3600].map(wait);
        assert_eq!(waits, [1, 5, 5].map(Duration::from_secs));
    }
}

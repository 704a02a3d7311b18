//! How full a stream is and who works on it, for a dispatcher that keeps streams short, and for metrics.

use crate::{Error, Publisher, scripts::STATS};
use redis::streams::StreamInfoConsumersReply;

/// One moment's view of a stream and one of its groups. All zero when the stream does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries that no worker was given yet.
    pub waiting: u64,
    /// Entries that workers hold: prefetched, running, or failed and resting for a lease.
    pub held: u64,
    /// Age of the oldest waiting entry in ms, by the server's clock.
    pub oldest_waiting_ms: Option<u64>,
    /// The group's consumers.
    pub consumers: Vec<Consumer>,
}

/// One worker's share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// Unique for each start of a worker.
    pub name: String,
    /// Entries that it holds.
    pub pending: u64,
    /// Time since its last activity in ms. Redis 7.0 does not count empty reads, so a large value is no sign of death.
    pub idle_ms: u64,
}

/// Entries in the stream, entries held, the oldest waiting entry, the time in seconds and microseconds, the consumers.
type Answer = (u64, u64, String, (u64, u64), StreamInfoConsumersReply);

impl Publisher {
    /// Counts the stream as `group` sees it.
    pub async fn stats(&self, group: &str) -> Result<Stats, Error> {
        let mut call = STATS.key(&self.key);
        call.arg(group);
        let answer: Option<Answer> = call.invoke_async(&mut self.link.clone()).await?;
        Ok(answer.map(Stats::from).unwrap_or_default())
    }
}

impl From<Answer> for Stats {
    fn from((length, held, oldest, (seconds, micros), consumers): Answer) -> Self {
        let now = seconds * 1000 + micros / 1000;
        Self {
            // Acknowledged entries are deleted, so what is there and not held is waiting.
            waiting: length.saturating_sub(held),
            held,
            oldest_waiting_ms: published_ms(&oldest).map(|published| now.saturating_sub(published)),
            consumers: consumers
                .consumers
                .into_iter()
                .map(|c| Consumer {
                    name: c.name,
                    pending: c.pending as u64,
                    idle_ms: c.idle as u64,
                })
                .collect(),
        }
    }
}

/// An entry's id is `<ms since the epoch>-<sequence>`.
fn published_ms(entry: &str) -> Option<u64> {
    entry.split_once('-')?.0.parse().ok()
}

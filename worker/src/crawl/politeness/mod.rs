//! How hard crawls may lean on one host: requests at once, and the pause between two, for all workers and customers together.
//!
//! ```text
//! crawl ─ turn ─▶ visitor (this crawl at this host) ─ once a second, or for each begin ─▶ book (Redis: all crawls of the host)
//! ```
//!
//! What must stay true: over all workers at most `CRAWL_PER_HOST` requests are under way to a host, and they begin as far apart as its
//! rules and its condition ask for, counted by Redis' clock; what a worker that died held is free again after a while; a crawl never
//! fails or hangs because Redis is away.
mod book;
#[cfg(test)]
mod tests;
mod visitor;

use egress::HostPort;
use redis_link::Link;
use std::{
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};
use uuid::Uuid;

use book::{ANSWER, Book, key_of};
use visitor::Guests;
pub(crate) use visitor::{Pace, UnderWay, Visitor};

/// The hosts that crawls of this process visit. Cloning shares.
#[derive(Clone)]
pub(crate) struct Politeness {
    book: Book,
    guests: Guests,
}

impl Politeness {
    /// With at most `per_host` requests at once to each host, counted over all who share this Redis.
    pub fn new(per_host: usize, redis: Link) -> Self {
        Self::waiting(per_host, redis, ANSWER)
    }

    /// With so long a wait for a word of Redis.
    fn waiting(per_host: usize, redis: Link, answer: Duration) -> Self {
        Self {
            book: Book::new(redis, per_host, answer),
            guests: Guests::default(),
        }
    }

    /// The crawl at the host; the same one for all who ask while it is held.
    pub fn visitor(&self, host: &HostPort, crawl: Uuid) -> Arc<Visitor> {
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (key_of(host), crawl);
        if let Some(known) = guests.get(&name).and_then(Weak::upgrade) {
            return known;
        }
        guests.retain(|_, guest| guest.strong_count() > 0);
        let fresh = Visitor::new(name.0.clone(), crawl, self.book.clone(), self.guests.clone());
        let fresh = Arc::new(fresh);
        guests.insert(name, Arc::downgrade(&fresh));
        fresh
    }
}

/// The pause between two requests to a host: what its robots.txt asks for, capped; else the configured one, from which the
/// operator's own sites are free.
pub(crate) fn delay(config: &domain::config::CrawlConfig, host: &HostPort, asked: Option<Duration>) -> Duration {
    const LONGEST: Duration = Duration::from_secs(30);
    let own = config.egress_allow.contains(host) && !config.delay_is_set;
    let usual = if own { Duration::ZERO } else { config.delay };
    asked.map_or(usual, |asked| asked.min(LONGEST))
}

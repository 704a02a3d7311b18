//! How hard this process may lean on one host: requests at once, and the pause between two.
use egress::HostPort;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};

/// The hosts that crawls of this process visit. Two crawls of one host share its limits. Cloning shares.
#[derive(Clone)]
pub(crate) struct Politeness {
    per_host: usize,
    hosts: Arc<Mutex<HashMap<HostPort, Weak<Host>>>>,
}

impl Politeness {
    /// With at most `per_host` requests at once to each.
    pub fn new(per_host: usize) -> Self {
        Self {
            per_host,
            hosts: Arc::default(),
        }
    }

    /// The host's limits, shared with whoever else visits it now.
    pub fn host(&self, host: &HostPort) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(host).and_then(Weak::upgrade) {
            return known;
        }
        hosts.retain(|_, host| host.strong_count() > 0);
        let fresh = Arc::new(Host {
            slots: Arc::new(Semaphore::new(self.per_host)),
            next: AsyncMutex::new(Instant::now()),
        });
        hosts.insert(host.clone(), Arc::downgrade(&fresh));
        fresh
    }
}

/// One host.
pub(crate) struct Host {
    slots: Arc<Semaphore>,
    next: AsyncMutex<Instant>,
}

impl Host {
    /// Waits for this request's turn; the turn ends when the permit is dropped. Requests begin at least `delay` apart.
    pub async fn turn(&self, delay: Duration) -> Option<OwnedSemaphorePermit> {
        let slot = self.slots.clone().acquire_owned().await.ok();
        // Held while waiting, so that those behind wait in line; dropped without a trace by whoever gives up.
        let mut next = self.next.lock().await;
        sleep_until(*next).await;
        *next = Instant::now() + delay;
        slot
    }
}

/// The pause between two requests to a host: what its robots.txt asks for, capped; else the configured one, from which the
/// operator's own sites are free.
pub(super) fn delay(config: &domain::config::CrawlConfig, host: &HostPort, asked: Option<Duration>) -> Duration {
    const LONGEST: Duration = Duration::from_secs(30);
    let own = config.egress_allow.contains(host) && !config.delay_is_set;
    let usual = if own { Duration::ZERO } else { config.delay };
    asked.map_or(usual, |asked| asked.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::config::CrawlConfig;

    fn host() -> Arc<Host> {
        Politeness::new(2).host(&"shop.test:80".parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn requests_begin_a_delay_apart_and_the_first_at_once() {
        let (host, start) = (host(), Instant::now());
        for _ in 0..3 {
            drop(host.turn(Duration::from_secs(2)).await);
        }
        assert_eq!(start.elapsed(), Duration::from_secs(4));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_limit_at_once() {
        let host = host();
        let held = (host.turn(Duration::ZERO).await, host.turn(Duration::ZERO).await);
        let third = host.turn(Duration::ZERO);
        assert!(tokio::time::timeout(Duration::from_mins(1), third).await.is_err());
        drop(held);
        assert!(host.turn(Duration::ZERO).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_waiting_delays_nobody() {
        let (host, start) = (host(), Instant::now());
        drop(host.turn(Duration::from_secs(10)).await);
        let impatient = host.turn(Duration::from_secs(10));
        assert!(tokio::time::timeout(Duration::from_secs(1), impatient).await.is_err());
        drop(host.turn(Duration::from_secs(10)).await);
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test]
    async fn two_crawls_of_a_host_share_its_limits() {
        let all = Politeness::new(1);
        let (first, other) = ("a.test:80".parse().unwrap(), "b.test:80".parse().unwrap());
        let held = all.host(&first);
        assert!(Arc::ptr_eq(&held, &all.host(&first)));
        assert!(!Arc::ptr_eq(&held, &all.host(&other)));
    }

    #[test]
    fn the_sites_own_wish_comes_first_and_local_sites_are_not_spared() {
        let own: HostPort = "127.0.0.1:8080".parse().unwrap();
        let other: HostPort = "shop.test:80".parse().unwrap();
        let mut config = CrawlConfig {
            user_agent: "OmniopsBot/1".into(),
            per_host: 4,
            delay: Duration::from_millis(250),
            delay_is_set: false,
            egress_allow: vec![own.clone()],
        };
        assert_eq!(delay(&config, &other, None), Duration::from_millis(250));
        assert_eq!(delay(&config, &own, None), Duration::ZERO);
        assert_eq!(
            delay(&config, &own, Some(Duration::from_secs(2))),
            Duration::from_secs(2)
        );
        assert_eq!(
            delay(&config, &other, Some(Duration::from_hours(1))),
            Duration::from_secs(30)
        );
        config.delay_is_set = true;
        assert_eq!(delay(&config, &own, None), Duration::from_millis(250));
    }
}

//! What a crawl may use up: bytes and minutes. Pages and depth are the frontier's (`leads`).
use entity::scrape_job;
use std::{
    sync::atomic::{
        AtomicI64,
        Ordering::{Relaxed, SeqCst},
    },
    time::{Duration, Instant},
};

/// A crawl's meter. What was used before a restart counts.
pub(super) struct Budget {
    max_bytes: Option<i64>,
    max: Option<Duration>,
    bytes: AtomicI64,
    before: Duration,
    since: Instant,
    /// Milliseconds at the last time that they were saved.
    saved: AtomicI64,
}

impl Budget {
    /// Begins to count.
    pub fn new(settings: &scrape_job::Model) -> Self {
        Self {
            max_bytes: settings.max_bytes,
            max: settings
                .max_minutes
                .map(|minutes| Duration::from_secs(60 * minutes.max(0) as u64)),
            bytes: AtomicI64::new(0),
            before: Duration::from_millis(settings.spent_ms.max(0) as u64),
            since: Instant::now(),
            saved: AtomicI64::new(settings.spent_ms),
        }
    }

    /// Whether somebody has to say how many bytes were used before.
    pub fn counts_bytes(&self) -> bool {
        self.max_bytes.is_some()
    }

    /// Starts from the bytes that were used before.
    pub fn resume(&self, bytes: i64) {
        self.bytes.store(bytes, SeqCst);
    }

    /// Counts bytes.
    pub fn spend(&self, bytes: i64) {
        self.bytes.fetch_add(bytes, SeqCst);
    }

    /// The reason to stop, if there is one.
    pub fn used_up(&self) -> Option<&'static str> {
        self.used_up_after(0)
    }

    /// The same with bytes that are about to be counted.
    pub fn used_up_after(&self, bytes: i64) -> Option<&'static str> {
        if self.max_bytes.is_some_and(|max| self.bytes.load(SeqCst) + bytes >= max) {
            return Some("budget: bytes");
        }
        self.max
            .is_some_and(|max| self.spent() >= max)
            .then_some("budget: minutes")
    }

    /// The time used, when it is worth saving: it is limited, and a second has gone by.
    pub fn worth_saving(&self) -> Option<i64> {
        self.max?;
        let spent = self.spent().as_millis() as i64;
        let due = spent - self.saved.load(Relaxed) >= 1000;
        due.then(|| {
            self.saved.store(spent, Relaxed);
            spent
        })
    }

    fn spent(&self) -> Duration {
        self.before + self.since.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crawl::scope::Scope;

    #[test]
    fn what_was_used_before_counts() {
        let settings = scrape_job::Model {
            max_bytes: Some(1000),
            max_minutes: Some(2),
            spent_ms: 119_000,
            ..Scope::settings()
        };
        let budget = Budget::new(&settings);
        budget.resume(400);
        assert_eq!(
            (budget.used_up(), budget.used_up_after(600)),
            (None, Some("budget: bytes"))
        );
        budget.spend(600);
        assert_eq!(budget.used_up(), Some("budget: bytes"));
        let late = Budget::new(&scrape_job::Model {
            spent_ms: 120_000,
            max_bytes: None,
            ..settings
        });
        assert_eq!(late.used_up(), Some("budget: minutes"));
        let free = Budget::new(&Scope::settings());
        free.spend(1 << 50);
        assert_eq!((free.used_up(), free.worth_saving()), (None, None));
    }
}

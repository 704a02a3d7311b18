//! How fast handlers have ended of late, which tells how soon an entry that is fetched ahead would begin.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Verdicts whose times are kept: more than anybody fetches ahead.
const KEPT: usize = 1024;

/// The times of the last verdicts, the latest first.
pub(crate) struct Pace {
    verdicts: VecDeque<Instant>,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self {
            verdicts: VecDeque::new(),
        }
    }

    /// A handler has ended.
    pub(crate) fn verdict(&mut self) {
        self.verdicts.push_front(Instant::now());
        self.verdicts.truncate(KEPT);
    }

    /// How many handlers have ended within the last `time`.
    pub(crate) fn verdicts_within(&self, time: Duration) -> usize {
        self.verdicts.partition_point(|at| at.elapsed() < time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ended_of_late_counts() {
        let mut pace = Pace::new();
        assert_eq!(pace.verdicts_within(Duration::from_mins(1)), 0);
        let long_ago = Instant::now().checked_sub(Duration::from_mins(1)).unwrap();
        pace.verdicts.push_front(long_ago);
        pace.verdict();
        pace.verdict();
        assert_eq!(pace.verdicts_within(Duration::from_secs(30)), 2);
        assert_eq!(pace.verdicts_within(Duration::from_hours(1)), 3);
    }
}

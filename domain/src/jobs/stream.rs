//! The streams that carry errands: one for each kind of job, the express lane, and the quarantine.
use std::fmt;

use super::{Kind, QUEUES};

/// Where an errand travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// The usual way.
    Queue(Kind),
    /// For the few jobs of any kind of a customer who has hardly any waiting: they start at once, and not behind the thousands of another
    /// one. Each has the next seat of its kind.
    Express,
    /// For jobs of any kind that may have taken workers down: each worker runs one of these at a time.
    Quarantine,
}

/// Every lane.
pub const LANES: [Lane; QUEUES.len() + 2] = [
    Lane::Queue(Kind::Scrape),
    Lane::Queue(Kind::Embed),
    Lane::Queue(Kind::Sync),
    Lane::Queue(Kind::Maintenance),
    Lane::Express,
    Lane::Quarantine,
];

/// The consumer group of all workers.
pub const GROUP: &str = "workers";

/// Errands that wait on a lane's stream at most, however many jobs do.
pub const MOST_WAITING: u64 = 4096;

impl Lane {
    /// The kind of its jobs; none for the express lane and the quarantine, which take all.
    pub fn kind(self) -> Option<Kind> {
        match self {
            Self::Queue(kind) => Some(kind),
            Self::Express | Self::Quarantine => None,
        }
    }

    /// Its stream's name.
    pub fn stream(self) -> String {
        format!("omniops-{self}")
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(kind) => kind.fmt(f),
            Self::Express => f.write_str("express"),
            Self::Quarantine => f.write_str("quarantine"),
        }
    }
}

/// How many errands may wait on a lane's stream, in tune with its workers: it doubles when they left less than a quarter though there
/// was more to do, before they run dry, and halves when they left more than three. A short line keeps priority and fairness effective; a long one keeps fast workers
/// busy between two rounds of the dispatcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    size: u64,
    /// Errands that waited when the last round was through.
    left: u64,
    /// Whether the last errands that were added left jobs behind for want of room.
    full: bool,
    /// Whether errands were taken or added in the last round.
    moving: bool,
}

impl Window {
    const LEAST: u64 = 4;

    /// Errands to add, when so many wait: none until half of the window is free, since choosing a few costs as much as choosing
    /// hundreds.
    pub fn room(&mut self, waiting: u64) -> u64 {
        if self.is_dry(waiting) {
            self.size = (self.size * 2).min(MOST_WAITING);
        } else if waiting > self.size * 3 / 4 {
            self.size = (self.size / 2).max(Self::LEAST);
        }
        self.moving = waiting < self.left;
        self.left = waiting;
        if waiting > self.size / 2 {
            0
        } else {
            self.size - waiting
        }
    }

    /// Whether workers run dry when so many errands wait, though there is more to do.
    pub fn is_dry(self, waiting: u64) -> bool {
        self.full && waiting < self.size / 4
    }

    /// Notes how many of the errands that had room there were.
    pub fn filled(&mut self, room: u64, added: u64) {
        if room > 0 {
            self.full = added >= room;
        }
        self.moving |= added > 0;
        self.left += added;
    }

    /// Whether another round is worthwhile soon.
    pub fn hungry(self) -> bool {
        self.full && self.moving
    }
}

impl Default for Window {
    fn default() -> Self {
        Self {
            size: Self::LEAST * 4,
            left: 0,
            full: false,
            moving: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(window: &mut Window, waiting: u64, backlog: u64) -> u64 {
        let room = window.room(waiting);
        window.filled(room, room.min(backlog));
        room
    }

    #[test]
    fn the_window_grows_for_workers_that_run_dry_and_shrinks_for_slow_ones() {
        let mut window = Window::default();
        let grown: Vec<u64> = (0..10).map(|_| round(&mut window, 0, u64::MAX)).collect();
        assert_eq!(grown[..4], [16, 32, 64, 128]);
        assert_eq!(grown[9], 4096, "and no further");
        let slow = 4000;
        for _ in 0..20 {
            round(&mut window, slow, u64::MAX);
        }
        assert_eq!(round(&mut window, 1, u64::MAX), 3);
    }

    #[test]
    fn an_empty_stream_without_a_backlog_is_no_reason_to_grow() {
        let mut window = Window::default();
        for _ in 0..10 {
            assert_eq!(round(&mut window, 0, 3), 16);
        }
        assert!(!window.hungry());
    }

    #[test]
    fn few_errands_wait_for_company_and_nobody_hurries_for_workers_that_take_nothing() {
        let mut window = Window::default();
        assert_eq!(round(&mut window, 0, 100), 16);
        assert!(window.hungry());
        assert_eq!(round(&mut window, 9, 100), 0);
        assert!(window.hungry(), "they are at it");
        assert_eq!(round(&mut window, 9, 100), 0);
        assert!(!window.hungry(), "they are not");
        assert_eq!(round(&mut window, 8, 100), 8);
        assert!(window.hungry());
    }
}

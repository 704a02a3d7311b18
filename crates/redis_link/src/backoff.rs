//! How long to wait between two attempts to connect.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// Delays that double from 50 ms up to 1 s, each shortened by a random part of up to one half, so that the many clients of a
/// server that comes back do not all arrive at the same moment.
#[derive(Clone, Debug)]
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Backoff {
    /// The delay before the next attempt.
    pub fn delay(&mut self) -> Duration {
        let longest = self.0;
        self.0 = (2 * longest).min(LONGEST);
        longest.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// An attempt has succeeded.
    pub fn reset(&mut self) {
        self.0 = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_cap_vary_and_start_again() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..100).map(|_| backoff.delay()).collect();
        assert!((FIRST / 2..=FIRST).contains(&delays[0]));
        assert!(delays[10..].iter().all(|delay| (LONGEST / 2..=LONGEST).contains(delay)));
        assert!(delays[10..].iter().any(|delay| *delay != delays[10]), "no jitter");
        backoff.reset();
        assert!(backoff.delay() <= FIRST);
    }
}

//! How many in how long, and the arithmetic of GCRA.
use std::{fmt, str::FromStr, time::Duration};

use crate::{Left, micros};

const LONGEST: Duration = Duration::from_hours(24 * 31);
const MOST: u32 = 10_000_000;

/// `quota` requests in `period`: all at once by somebody who was quiet for a period, and then one more each time that a
/// `quota`th of it has passed. So a period can see at most twice the quota (what was saved, and what came in), and any longer
/// time at most its share and one quota more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    quota: u32,
    period: Duration,
}

/// Why a text is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write it as NUMBER/TIME, such as 60/60s, 10/1h or 1000/1d: 1 to 10000000 in 1s to 31d")]
pub struct RateError;

impl Rate {
    /// `quota` (at least 1) in `period` (at least 1 s).
    pub fn new(quota: u32, period: Duration) -> Result<Self, RateError> {
        let fits = (1..=MOST).contains(&quota) && (Duration::from_secs(1)..=LONGEST).contains(&period);
        if fits {
            Ok(Self { quota, period })
        } else {
            Err(RateError)
        }
    }

    /// For constants: what is out of bounds is brought within.
    pub fn of(quota: u32, seconds: u64) -> Self {
        Self {
            quota: quota.clamp(1, MOST),
            period: Duration::from_secs(seconds.max(1)).min(LONGEST),
        }
    }

    /// Requests in a period.
    pub fn quota(self) -> u32 {
        self.quota
    }

    /// The period.
    pub fn period(self) -> Duration {
        self.period
    }

    /// µs after which one more request has room: GCRA's emission interval.
    pub(crate) fn interval(self) -> u64 {
        (micros(self.period) / u64::from(self.quota)).max(1)
    }

    /// µs that may be used up in advance: GCRA's limit with the interval.
    pub(crate) fn capacity(self) -> u64 {
        self.interval() * u64::from(self.quota)
    }

    /// One request at `now`, for a key whose theoretical arrival time is `tat` (µs; 0 if there is none): the new time, or how
    /// many µs too early it is.
    pub(crate) fn step(self, tat: u64, now: u64) -> Result<u64, u64> {
        let next = tat.max(now) + self.interval();
        let early = (next - now).saturating_sub(self.capacity());
        if early == 0 { Ok(next) } else { Err(early) }
    }

    /// What a key with this time has left.
    pub(crate) fn left(self, tat: u64, now: u64) -> Left {
        let used = tat.saturating_sub(now);
        Left {
            remaining: self.capacity().saturating_sub(used) / self.interval(),
            full_in: Duration::from_micros(used),
        }
    }

    /// Whether one more request goes beyond half of it.
    pub(crate) fn is_half_used(self, tat: u64, now: u64) -> bool {
        (tat.saturating_sub(now) + self.interval()) * 2 > self.capacity()
    }
}

impl FromStr for Rate {
    type Err = RateError;

    /// Reads `60/60s`; the units are s, m, h and d.
    fn from_str(text: &str) -> Result<Self, RateError> {
        let (quota, period) = text.split_once('/').ok_or(RateError)?;
        let period = period.trim();
        let unit = match period.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            _ => return Err(RateError),
        };
        let number: u64 = period[..period.len() - 1].parse().map_err(|_| RateError)?;
        let seconds = number.checked_mul(unit).ok_or(RateError)?;
        let quota = quota.trim().parse().map_err(|_| RateError)?;
        Self::new(quota, Duration::from_secs(seconds))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}s", self.quota, self.period.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_written() {
        for (text, shown) in [
            ("60/60s", "60/60s"),
            ("10/1h", "10/3600s"),
            (" 5 / 2m", "5/120s"),
            ("1/1d", "1/86400s"),
        ] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "60",
            "60/",
            "60/s",
            "60/60",
            "0/60s",
            "60/0s",
            "-1/60s",
            "1/99999d",
            "1/60é",
            "x/1s",
            "99999999999/1s",
        ] {
            assert_eq!(text.parse::<Rate>(), Err(RateError), "{text}");
        }
    }

    #[test]
    fn the_quota_goes_at_once_and_comes_back_evenly() {
        let rate: Rate = "4/60s".parse().unwrap();
        let (mut tat, now) = (0, 1_000_000_000);
        for remaining in [3, 2, 1, 0] {
            tat = rate.step(tat, now).unwrap();
            assert_eq!(rate.left(tat, now).remaining, remaining);
        }
        assert_eq!(rate.step(tat, now), Err(15_000_000));
        assert_eq!(rate.left(tat, now).full_in, Duration::from_mins(1));
        let later = now + 15_000_000;
        assert_eq!(rate.left(tat, later).remaining, 1);
        tat = rate.step(tat, later).unwrap();
        assert_eq!(rate.step(tat, later), Err(15_000_000));
    }
}

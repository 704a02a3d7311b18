//! The hours in which a site may be crawled: `22:00-06:00`, in UTC or at the offset that is named.
//!
//! An offset and not a time zone: what is written means the same all year, on every machine, and a crawl that waits for the hours to
//! begin waits for a moment that no change of clocks can move.
use std::{fmt, str::FromStr, time::Duration};
use time::{OffsetDateTime, Time, UtcOffset};

use crate::{Error, Result};

const DAY: i64 = 24 * 60;
/// Hours shorter than this would leave a crawl no time for anything but to begin.
const SHORTEST: i64 = 15;

/// A part of the day, which may go over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffPeak {
    /// Minutes after midnight.
    from: i64,
    to: i64,
    offset: UtcOffset,
}

impl OffPeak {
    /// How long a crawl has to wait at this moment; none inside of the hours.
    pub fn wait(&self, now: OffsetDateTime) -> Option<Duration> {
        let (hour, minute, second) = now.to_offset(self.offset).time().as_hms();
        let at = i64::from(hour) * 60 + i64::from(minute);
        let length = (self.to - self.from).rem_euclid(DAY);
        if (at - self.from).rem_euclid(DAY) < length {
            return None;
        }
        let minutes = (self.from - at).rem_euclid(DAY);
        u64::try_from(minutes * 60 - i64::from(second))
            .ok()
            .map(Duration::from_secs)
    }
}

impl FromStr for OffPeak {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let rule = "must be the hours from and to, as in 22:00-06:00 or, away from UTC, 22:00-06:00 +02:00";
            Error::invalid("off_peak", rule)
        };
        let (hours, offset) = text.trim().split_once(' ').unwrap_or((text.trim(), "Z"));
        let (from, to) = hours.split_once('-').ok_or_else(wrong)?;
        let read = Self {
            from: minutes(from).ok_or_else(wrong)?,
            to: minutes(to).ok_or_else(wrong)?,
            offset: offset_of(offset.trim()).ok_or_else(wrong)?,
        };
        if (read.to - read.from).rem_euclid(DAY) < SHORTEST {
            let rule = format!("must be at least {SHORTEST} minutes long; leave it out for the whole day");
            return Err(Error::invalid("off_peak", rule));
        }
        Ok(read)
    }
}

impl fmt::Display for OffPeak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from, self.to);
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)?;
        if self.offset.is_utc() {
            return Ok(());
        }
        let (hours, minutes, _) = self.offset.as_hms();
        let sign = if self.offset.is_negative() { '-' } else { '+' };
        write!(f, " {sign}{:02}:{:02}", hours.abs(), minutes.abs())
    }
}

/// `HH:MM` as minutes.
fn minutes(text: &str) -> Option<i64> {
    let (hour, minute) = two_digits(text)?;
    Time::from_hms(hour, minute, 0).ok()?;
    Some(i64::from(hour) * 60 + i64::from(minute))
}

/// `Z`, `+HH:MM` or `-HH:MM`, as far as clocks on this planet go (RFC 3339, `time-offset`).
fn offset_of(text: &str) -> Option<UtcOffset> {
    if text == "Z" {
        return Some(UtcOffset::UTC);
    }
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = two_digits(digits)?;
    let (hours, minutes) = (i8::try_from(hours).ok()?, i8::try_from(minutes).ok()?);
    if hours > 14 || minutes > 59 {
        return None;
    }
    UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
}

fn two_digits(text: &str) -> Option<(u8, u8)> {
    let (first, second) = text.split_once(':')?;
    let number = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    Some((number(first)?, number(second)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn hours(text: &str) -> OffPeak {
        text.parse().unwrap()
    }

    #[test]
    fn hours_may_go_over_midnight_and_stand_at_an_offset() {
        let night = hours("22:00-06:00");
        assert_eq!(night.wait(datetime!(2026-11-22 22:00 UTC)), None);
        assert_eq!(night.wait(datetime!(2026-11-23 05:59:59 UTC)), None);
        let day = night.wait(datetime!(2026-11-23 06:00 UTC)).unwrap();
        assert_eq!(day, Duration::from_hours(16));
        let soon = night.wait(datetime!(2026-11-23 21:59:30 UTC)).unwrap();
        assert_eq!(soon, Duration::from_secs(30));
        let noon = hours("11:00-13:00 +05:45");
        assert_eq!(noon.wait(datetime!(2026-11-23 05:15 UTC)), None);
        assert_eq!(
            noon.wait(datetime!(2026-11-23 07:15 UTC)),
            Some(Duration::from_hours(22))
        );
        assert_eq!(hours("22:00-06:00 -03:00").wait(datetime!(2026-11-23 01:00 UTC)), None);
    }

    #[test]
    fn the_wait_always_ends_inside_of_the_hours() {
        let (all, start) = (
            ["22:00-06:00", "00:00-00:15", "09:30-09:15 -11:00"].map(hours),
            datetime!(2026-11-22 00:00 UTC),
        );
        for hours in all {
            for step in 0..24 * 60 {
                let now = start + time::Duration::seconds(step * 60 + 7);
                let opens = now + hours.wait(now).unwrap_or_default();
                assert_eq!(hours.wait(opens), None, "{hours} at {now}");
            }
        }
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        for text in ["22:00-06:00", "00:00-23:59", "01:05-02:00 +05:45", "01:05-02:00 -03:30"] {
            assert_eq!(hours(text).to_string(), text);
        }
        assert_eq!(hours(" 22:00-06:00 Z ").to_string(), "22:00-06:00");
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for text in [
            "",
            "night",
            "22-06",
            "22:00",
            "24:00-06:00",
            "22:60-06:00",
            "22:00-06:00 CET",
            "22:00-06:00 +15:00",
            "+2:00-06:00",
            "22:00-06:00 +2",
            "22:00–06:00",
            "2:00-06:00",
            "22:00-06:00 +02:60",
        ] {
            let error = text.parse::<OffPeak>().unwrap_err();
            assert!(error.public_message().contains("22:00-06:00"), "{text}: {error:?}");
        }
        let error = "22:00-22:00".parse::<OffPeak>().unwrap_err();
        assert!(error.public_message().contains("at least 15 minutes"), "{error:?}");
    }
}

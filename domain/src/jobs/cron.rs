//! Cron expressions in a time zone: the one file that knows croner and jiff. Everything else speaks [`OffsetDateTime`].
//!
//! Five fields: minute, hour, day of month, month, day of week; `*`, lists, ranges, steps, names, and `L`, `W`, `#`. Time zones
//! are IANA's, from the system, else from the copy inside of jiff. When clocks go forward, a fixed time that falls into the gap
//! comes right after it; when they go back, it comes once.
use croner::parser::{CronParser, Seconds, Year};
use jiff::{Timestamp, tz::TimeZone};
use sha2::{Digest, Sha256};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Error, Result};

/// Nothing comes back more often than this.
pub(super) const SHORTEST: Duration = Duration::from_mins(15);
/// The longest delay of [`Cron::spread`].
const WIDEST: time::Duration = time::Duration::minutes(5);
const MINUTES_A_DAY: u16 = 24 * 60;

/// Times that come back.
#[derive(Clone, Debug)]
pub(super) struct Cron {
    pattern: croner::Cron,
    zone: TimeZone,
}

impl Cron {
    /// Reads an expression; the error names `cron` or `time_zone`.
    pub fn read(cron: &str, zone: &str) -> Result<Self> {
        if cron.len() > 100 || cron.split_whitespace().count() != 5 {
            let rule = "must have five fields: minute, hour, day of month, month, day of week";
            return Err(Error::invalid("cron", rule));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let pattern = parser
            .parse(cron)
            .map_err(|error| Error::invalid("cron", error.to_string()))?;
        let unknown = || Error::invalid("time_zone", "must be an IANA time zone such as Europe/Berlin");
        // Anything else, such as a path, is no business of the database of zones.
        let is_name = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
        if zone.len() > 64 || !zone.chars().all(is_name) {
            return Err(unknown());
        }
        let zone = TimeZone::get(zone).map_err(|_| unknown())?;
        Ok(Self { pattern, zone })
    }

    /// Refuses what comes back sooner than [`SHORTEST`], by the minutes and hours of a day and of the one after it.
    pub fn check_pace(&self) -> Result<()> {
        let (minutes, hours) = (
            self.pattern.pattern.minutes.values(),
            self.pattern.pattern.hours.values(),
        );
        let times = hours
            .iter()
            .flat_map(|hour| minutes.iter().map(move |minute| hour * 60 + minute));
        let mut times: Vec<u16> = times.collect();
        times.extend(times.first().map(|first| first + MINUTES_A_DAY));
        let shortest = SHORTEST.as_secs() / 60;
        if times.windows(2).any(|pair| u64::from(pair[1] - pair[0]) < shortest) {
            let rule = format!("must not come back sooner than after {shortest} minutes");
            return Err(Error::invalid("cron", rule));
        }
        Ok(())
    }

    /// The first time after `at`; none if it never comes.
    pub fn after(&self, at: OffsetDateTime) -> Result<Option<OffsetDateTime>> {
        let at = Timestamp::from_nanosecond(at.unix_timestamp_nanos()).map_err(out_of_range)?;
        let Ok(next) = self
            .pattern
            .find_next_occurrence(&at.to_zoned(self.zone.clone()), false)
        else {
            return Ok(None);
        };
        OffsetDateTime::from_unix_timestamp_nanos(next.timestamp().as_nanosecond())
            .map(Some)
            .map_err(out_of_range)
    }

    /// The first time after `at`, and a delay that is always the same for `id`: up to a tenth of the time until the one after
    /// it, and at most 5 min. So a thousand schedules for three o'clock do not begin in the same second.
    pub fn spread(&self, at: OffsetDateTime, id: Uuid) -> Result<Option<OffsetDateTime>> {
        let Some(next) = self.after(at)? else { return Ok(None) };
        let Some(second) = self.after(next)? else {
            return Ok(Some(next));
        };
        let width = ((second - next) / 10_i32).min(WIDEST);
        Ok(Some(next + width * f64::from(share(id))))
    }
}

/// A number from 0 to 1 that looks random and belongs to `id`.
fn share(id: Uuid) -> f32 {
    let hash = Sha256::digest(id.as_bytes());
    f32::from(u16::from_be_bytes([hash[0], hash[1]])) / f32::from(u16::MAX)
}

fn out_of_range(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("a time of a schedule", error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn cron(text: &str, zone: &str) -> Cron {
        Cron::read(text, zone).unwrap()
    }

    #[test]
    fn a_time_is_that_of_its_zone() {
        let at = datetime!(2026-11-22 12:00 UTC);
        let next = |zone| cron("30 3 * * *", zone).after(at).unwrap().unwrap();
        assert_eq!(next("UTC"), datetime!(2026-11-23 03:30 UTC));
        assert_eq!(next("Europe/Berlin"), datetime!(2026-11-23 02:30 UTC));
        assert_eq!(next("Asia/Kathmandu"), datetime!(2026-11-22 21:45 UTC));
        let friday = cron("0 9 * * FRI", "America/New_York").after(at).unwrap().unwrap();
        assert_eq!(friday, datetime!(2026-11-27 14:00 UTC));
    }

    #[test]
    fn a_night_when_clocks_change_has_each_time_once() {
        let berlin = cron("30 2 * * *", "Europe/Berlin");
        let nights = |mut at: OffsetDateTime| {
            std::array::from_fn::<_, 3, _>(|_| {
                at = berlin.after(at).unwrap().unwrap();
                at
            })
        };
        // There is no half past two on the 29th of March 2026: the clocks go from two to three.
        let forward = [
            datetime!(2026-03-28 01:30 UTC),
            datetime!(2026-03-29 01:00 UTC),
            datetime!(2026-03-30 00:30 UTC),
        ];
        assert_eq!(nights(datetime!(2026-03-27 12:00 UTC)), forward);
        // On the 25th of October 2026 it is half past two twice.
        let back = [
            datetime!(2026-10-24 00:30 UTC),
            datetime!(2026-10-25 00:30 UTC),
            datetime!(2026-10-26 01:30 UTC),
        ];
        assert_eq!(nights(datetime!(2026-10-23 12:00 UTC)), back);
    }

    #[test]
    fn what_is_no_cron_expression_is_refused_by_field() {
        for wrong in [
            "",
            "@daily",
            "* * * *",
            "0 0 3 * * *",
            "0 25 * * *",
            "x 3 * * *",
            "0 3 * * * 2027",
        ] {
            let error = Cron::read(wrong, "UTC").unwrap_err();
            assert!(error.public_message().starts_with("cron: "), "{wrong}: {error}");
        }
        for wrong in [
            "",
            "Mars/Olympus",
            "../../etc/passwd",
            "/etc/localtime",
            "Europe/Berlin\0",
        ] {
            let error = Cron::read("0 3 * * *", wrong).unwrap_err();
            assert!(error.public_message().starts_with("time_zone: "), "{wrong}: {error}");
        }
        assert_eq!(
            cron("0 0 30 2 *", "UTC")
                .after(datetime!(2026-11-22 12:00 UTC))
                .unwrap(),
            None
        );
    }

    #[test]
    fn a_quarter_of_an_hour_is_the_shortest_pace() {
        for well in ["*/15 * * * *", "7,37 * * * *", "0 3 * * *", "0 3,4 1 * *"] {
            cron(well, "UTC").check_pace().unwrap();
        }
        for much in ["* * * * *", "*/10 * * * *", "0,50 3,4 * * *", "0,55 0,23 * * *"] {
            let error = cron(much, "UTC").check_pace().unwrap_err();
            assert!(error.public_message().contains("15 minutes"), "{much}: {error}");
        }
    }

    #[test]
    fn many_schedules_for_one_time_are_spread_and_each_keeps_its_own() {
        let (at, nightly) = (datetime!(2026-11-22 12:00 UTC), cron("0 3 * * *", "UTC"));
        let ids = (0..1000u32).map(|n| Uuid::from_u128(u128::from(n) << 64));
        let delays: Vec<i64> = ids
            .map(|id| {
                let first = nightly.spread(at, id).unwrap().unwrap();
                let again = nightly.spread(at + time::Duration::days(1), id).unwrap().unwrap();
                assert_eq!(again - first, time::Duration::days(1));
                (first - datetime!(2026-11-23 03:00 UTC)).whole_seconds()
            })
            .collect();
        assert!(delays.iter().all(|delay| (0..=300).contains(delay)));
        let in_the_first_minute = delays.iter().filter(|delay| **delay < 60).count();
        assert!((150..250).contains(&in_the_first_minute), "{in_the_first_minute}");
        let quarter = cron("*/15 * * * *", "UTC").spread(at, Uuid::max()).unwrap().unwrap();
        assert!(quarter - datetime!(2026-11-22 12:15 UTC) <= time::Duration::seconds(90));
    }
}

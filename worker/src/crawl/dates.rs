//! Dates as sitemaps and pages write them (W3C date and time formats, <https://www.w3.org/TR/NOTE-datetime>), and feeds (RFC 5322).
use time::{
    Date, Duration, Month, OffsetDateTime, Time, UtcOffset,
    format_description::well_known::{Rfc2822, Rfc3339},
};

/// The day of the farthest west ends this long after the day in UTC.
const WEST: Duration = Duration::hours(12);

/// The last moment that a date may mean: a change on a day may be one of its evening, somewhere. What was fetched after that moment has
/// the change. None if it is no date.
pub(super) fn last_moment(text: &str) -> Option<OffsetDateTime> {
    let text = text.trim();
    if !text.is_ascii() {
        return None;
    }
    if !text.bytes().take(4).all(|byte| byte.is_ascii_digit()) {
        return mail(text);
    }
    let Some((date, clock)) = text.split_once(['T', 't', ' ']) else {
        return Some(end_of(text)?.midnight().assume_utc() + WEST);
    };
    if let Ok(exact) = OffsetDateTime::parse(&format!("{date}T{clock}"), &Rfc3339) {
        return Some(exact.to_offset(UtcOffset::UTC));
    }
    // Without seconds, which W3C allows, or without a zone, which it does not.
    let digits = clock.bytes().take_while(|b| b.is_ascii_digit() || *b == b':').count();
    let (clock, zone) = clock.split_at(digits);
    let mut parts = clock.split(':').map(|part| part.parse::<u8>().ok());
    let time = Time::from_hms(parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(59)).ok()?;
    let at = OffsetDateTime::new_utc(day(date)?, time);
    let zone = zone.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    match zone.as_bytes() {
        [] => Some(at + WEST),
        [b'Z' | b'z'] => Some(at),
        [sign @ (b'+' | b'-'), ..] => {
            let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
            let minutes = digits.get(..2)?.parse::<i64>().ok()? * 60 + digits.get(2..4)?.parse::<i64>().ok()?;
            Some(if *sign == b'+' {
                at - Duration::minutes(minutes)
            } else {
                at + Duration::minutes(minutes)
            })
        }
        _ => None,
    }
}

/// The moment that a page's date names: of a day its beginning; what has no zone is taken for UTC.
pub(super) fn moment(text: &str) -> Option<OffsetDateTime> {
    let text = text.trim();
    let Some((date, clock)) = text.split_once(['T', 't', ' ']) else {
        return Some(day(text)?.midnight().assume_utc());
    };
    let exact = |zone| OffsetDateTime::parse(&format!("{date}T{clock}{zone}"), &Rfc3339).ok();
    let found = ["", "Z", ":00Z"].into_iter().find_map(exact);
    found
        .map(|at| at.to_offset(UtcOffset::UTC))
        .or_else(|| last_moment(text))
}

/// `Fri, 02 Jan 2026 03:04:05 GMT`; the name of the day and the seconds may be missing.
fn mail(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc2822)
        .ok()
        .map(|at| at.to_offset(UtcOffset::UTC))
}

/// The day after a year, a month or a day.
fn end_of(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let year: i32 = parts.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let Some(month) = parts.next() else {
        return Date::from_calendar_date(year + 1, Month::January, 1).ok();
    };
    let month: Month = month.parse::<u8>().ok()?.try_into().ok()?;
    if parts.next().is_some() {
        return day(text)?.next_day();
    }
    let first = Date::from_calendar_date(year, month, 1).ok()?;
    first.replace_day(month.length(year)).ok()?.next_day()
}

fn day(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let year: i32 = parts.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let month: Month = parts.next()?.parse::<u8>().ok()?.try_into().ok()?;
    let day: u8 = parts.next()?.parse().ok()?;
    parts
        .next()
        .is_none()
        .then(|| Date::from_calendar_date(year, month, day).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_as_exact_as_it_is_told() {
        let moment = |text: &str| moment(text).map(|at| at.format(&Rfc3339).unwrap());
        for (text, at) in [
            ("2026-11-22", "2026-11-22T00:00:00Z"),
            ("2026-11-22T10:20:30+02:00", "2026-11-22T08:20:30Z"),
            ("2026-11-22T10:20:30+0200", "2026-11-22T08:20:30Z"),
            ("2026-11-22 10:20:30", "2026-11-22T10:20:30Z"),
            ("2026-11-22T10:20", "2026-11-22T10:20:00Z"),
        ] {
            assert_eq!(moment(text).as_deref(), Some(at), "{text}");
        }
        assert_eq!(moment("2026-13-01"), None);
        assert_eq!(moment("2026-11-22T25:00"), None);
    }

    #[test]
    fn a_date_ends_when_it_has_ended_everywhere() {
        let moment = |text: &str| last_moment(text).map(|at| at.format(&Rfc3339).unwrap());
        for (text, end) in [
            ("2026-11-22T10:20:30Z", "2026-11-22T10:20:30Z"),
            ("2026-11-22T10:20:30.25+02:00", "2026-11-22T08:20:30.25Z"),
            ("2026-11-22 10:20:30Z", "2026-11-22T10:20:30Z"),
            ("2026-11-22T10:20-0330", "2026-11-22T13:50:59Z"),
            ("2026-11-22T10:20Z", "2026-11-22T10:20:59Z"),
            ("2026-11-22T10:20:30", "2026-11-22T22:20:30Z"),
            (" 2026-11-22\n", "2026-11-23T12:00:00Z"),
            ("2024-02", "2024-03-01T12:00:00Z"),
            ("2025", "2026-01-01T12:00:00Z"),
            ("Fri, 02 Jan 2026 03:04:05 GMT", "2026-01-02T03:04:05Z"),
            ("Thu, 01 Jan 2026 22:04:05 EST", "2026-01-02T03:04:05Z"),
            ("2 Jan 2026 04:04:05 +0100", "2026-01-02T03:04:05Z"),
            ("Fri, 02 Jan 2026 03:04 UT", "2026-01-02T03:04:00Z"),
        ] {
            assert_eq!(moment(text).as_deref(), Some(end), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "22.11.2026",
            "Fri, 32 Jan 2026 03:04:05 GMT",
            "Fri, 02 Jan 2026",
            "2026-13-01",
            "2026-02-30",
            "9999",
            "26-11-22",
            "2026-11-22T25:00Z",
            "2026-11-22T10:20CET",
            "２０２６",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}

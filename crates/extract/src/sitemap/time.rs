//! The points in time that sitemaps and feeds name: W3C date-times (<https://www.w3.org/TR/NOTE-datetime>) and RFC 5322 dates.

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// Seconds since 1970 (UTC) of a date as sitemaps (`2026`, `2026-01`, `2026-01-02`, `2026-01-02T03:04[:05[.6]]Z`) and feeds
/// (`Fri, 02 Jan 2026 03:04:05 +0100`) write it. What is not given counts as its beginning, a missing zone as UTC.
#[must_use]
pub fn timestamp(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.len() > 64 || !text.is_ascii() {
        return None;
    }
    if text.as_bytes().first()?.is_ascii_digit() && text.as_bytes().get(..4)?.iter().all(u8::is_ascii_digit) {
        w3c(text)
    } else {
        mail(text)
    }
}

fn w3c(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, ""));
    let mut parts = date.split('-');
    let year = parts.next()?.parse().ok()?;
    let month = parts.next().map_or(Some(1), |part| part.parse().ok())?;
    let day = parts.next().map_or(Some(1), |part| part.parse().ok())?;
    let at = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let clock = if at == 0 { 0 } else { clock(&time[..at])? };
    if parts.next().is_some() {
        return None;
    }
    Some(days(year, month, day)? * 86_400 + clock - offset(&time[at..])?)
}

/// `Fri, 02 Jan 2026 03:04:05 GMT`; the name of the day is optional.
fn mail(text: &str) -> Option<i64> {
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut parts = text.split_ascii_whitespace();
    let day = parts.next()?.parse().ok()?;
    let name = parts.next()?.get(..3)?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|month| *month == name)? as u32 + 1;
    let year = parts.next()?.parse().ok()?;
    let clock = parts.next().map_or(Some(0), clock)?;
    Some(days(year, month, day)? * 86_400 + clock - offset(parts.next().unwrap_or_default())?)
}

fn clock(text: &str) -> Option<i64> {
    let mut parts = text.trim().split(':');
    let mut part = |most: i64| -> Option<i64> {
        let text = parts.next().unwrap_or("0");
        let value = text.split(['.', ',']).next()?.parse().ok()?;
        (0..=most).contains(&value).then_some(value)
    };
    // A leap second counts as the next second.
    let seconds = part(23)? * 3600 + part(59)? * 60 + part(60)?;
    parts.next().is_none().then_some(seconds)
}

/// `+01:00`, `-0530`, `+01`, `Z`, or one of the names of RFC 5322, in seconds.
fn offset(text: &str) -> Option<i64> {
    let named = |hours: i64| Some(hours * 3600);
    match text.to_ascii_uppercase().as_str() {
        "" | "Z" | "GMT" | "UT" | "UTC" => return Some(0),
        "EDT" => return named(-4),
        "EST" | "CDT" => return named(-5),
        "CST" | "MDT" => return named(-6),
        "MST" | "PDT" => return named(-7),
        "PST" => return named(-8),
        _ => {}
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let digits = rest.replace(':', "");
    let (hours, minutes) = match digits.len() {
        2 => (digits.parse::<i64>().ok()?, 0),
        4 => (digits[..2].parse::<i64>().ok()?, digits[2..].parse::<i64>().ok()?),
        _ => return None,
    };
    ((0..=23).contains(&hours) && (0..=59).contains(&minutes)).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: i64, month: u32, day: u32) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) || !(0..=9999).contains(&year) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * i64::from((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_moment() {
        let moment = Some(1_767_323_045);
        for text in [
            "2026-01-02T03:04:05Z",
            " 2026-01-02T03:04:05.678+00:00 ",
            "2026-01-02T04:04:05+01:00",
            "2026-01-02t04:04:05+0100",
            "2026-01-01 22:04:05-05",
            "2026-01-02 03:04:05",
            "Fri, 02 Jan 2026 03:04:05 GMT",
            "2 January 2026 04:04:05 +0100",
            "Thu, 01 Jan 2026 22:04:05 EST",
        ] {
            assert_eq!(timestamp(text), moment, "{text}");
        }
        assert_eq!(timestamp("2026-01-02"), Some(1_767_312_000));
        assert_eq!(timestamp("2026-01-02T03:04Z"), Some(1_767_323_040));
        assert_eq!(timestamp("2026"), timestamp("2026-01-01"));
        assert_eq!(timestamp("2026-03"), timestamp("2026-03-01T00:00Z"));
        assert_eq!(timestamp("1969-12-31T23:59:59Z"), Some(-1));
        assert_eq!(timestamp("2024-02-29"), Some(1_709_164_800));
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2025-02-29",
            "2026-01-02T25:00Z",
            "20260102",
            "2026-01-02-03",
            "02/01/2026",
            "2026-01-02T03:04:05 Mars",
        ] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }
}

//! What is alike in URLs: the form of a path, its parameters, the date that it names.

use std::hash::{DefaultHasher, Hash, Hasher};

use ::url::Url;

/// Parameters that turn the pages of one list.
const PAGING: &[&str] = &[
    "page",
    "paged",
    "pg",
    "p",
    "pagenum",
    "page_no",
    "pageno",
    "pagenumber",
    "seite",
    "pagina",
    "offset",
    "start",
    "from",
    "skip",
    "cursor",
    "after",
    "before",
];
/// Words of an address that say that its date is a calendar's and not an article's.
const CALENDAR: &[&str] = &[
    "calendar",
    "calendars",
    "kalender",
    "calendrier",
    "calendario",
    "availability",
    "tribe",
    "ical",
];
/// Words that say so where they are a part of the path, or of a parameter's name, by themselves: headlines have them, too.
const CALENDAR_PARTS: &[&str] = &[
    "cal",
    "agenda",
    "event",
    "events",
    "termine",
    "veranstaltungen",
    "schedule",
    "booking",
    "date",
    "day",
    "week",
    "month",
    "year",
];
/// Names of the parts of a date, which stand between its numbers in a query.
const PARTS: &[&str] = &["year", "yr", "y", "month", "mon", "m", "day", "d", "date"];

pub(super) fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The form of an address: numbers are alike, the last segment is like any other in its place, and of the query only the
/// names count.
pub(super) fn form(url: &Url) -> u64 {
    let path = url.path().trim_end_matches('/');
    let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
    let extension = last.rsplit_once('.').map(|(_, extension)| extension);
    let mut names: Vec<&str> = pairs(url).map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    // With a query the last segment is the program, and the query is what varies.
    let own = if names.is_empty() {
        None
    } else {
        Some(without_numbers(last))
    };
    hash((without_numbers(parent), own, extension, names))
}

fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with('#') {
            out.push('#');
        }
    }
    out
}

/// Names and values of the query.
pub(super) fn pairs(url: &Url) -> impl Iterator<Item = (&str, &str)> {
    let query = url.query().unwrap_or_default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

pub(super) fn is_paging(name: &str) -> bool {
    PAGING.iter().any(|it| name.eq_ignore_ascii_case(it))
}

pub(super) fn is_part_of_date(name: &str) -> bool {
    PARTS.iter().any(|it| name.eq_ignore_ascii_case(it))
}

/// A date in an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub year: u16,
    /// Whether the address speaks of a calendar.
    pub calendar: bool,
}

/// The date that an address names: a year beside a month (`2031/05`, `2031-5-7`, `year=2031&month=5`, `20310507`), or a year
/// alone where the address is a calendar's. Without that the month must have two digits.
///
/// A calendar's address speaks of one, and ends in its date: behind the date of an article or an event stands its name.
pub(super) fn date(url: &Url) -> Option<Date> {
    let path = url.path().to_ascii_lowercase();
    let query = url.query().unwrap_or_default().to_ascii_lowercase();
    let (path_words, query_words) = (words(&path), words(&query));
    if speaks_of_calendar(&path, &query, &path_words, &query_words) {
        let found = find(&query_words, true).or_else(|| find(&path_words, true).filter(|date| date.ends));
        if let Some(found) = found {
            return Some(Date {
                year: found.year,
                calendar: true,
            });
        }
    }
    let all: Vec<&str> = path_words.into_iter().chain(query_words).collect();
    find(&all, false).map(|found| Date {
        year: found.year,
        calendar: false,
    })
}

fn words(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).take(64).collect()
}

fn speaks_of_calendar(path: &str, query: &str, path_words: &[&str], query_words: &[&str]) -> bool {
    let is_part = |part: &str| CALENDAR_PARTS.contains(&part);
    let stem = |segment: &str| is_part(segment.split('.').next().unwrap_or_default());
    let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    path_words.iter().chain(query_words).any(|word| CALENDAR.contains(word))
        || path.split('/').any(stem)
        || names.flat_map(words).any(is_part)
}

/// A date among words.
struct Found {
    year: u16,
    /// Whether nothing but numbers stands behind it.
    ends: bool,
}

fn find(words: &[&str], calendar: bool) -> Option<Found> {
    let words: Vec<&str> = words.iter().copied().filter(|word| !PARTS.contains(word)).collect();
    let is_month = |word: &str| {
        let long = word.len() == 2 || (calendar && word.len() == 1);
        long && word.parse().is_ok_and(|month: u8| (1..=12).contains(&month))
    };
    for (index, word) in words.iter().enumerate() {
        let found = match word.len() {
            4 if calendar => Some(*word),
            4 => Some(*word).filter(|_| {
                words.get(index + 1).is_some_and(|next| is_month(next))
                    || (index > 0 && is_month(words[index - 1]) && index == words.len() - 1)
            }),
            8 => Some(&word[..4]).filter(|_| is_month(&word[4..6]) && word[6..].parse().is_ok_and(|day: u8| day <= 31)),
            _ => None,
        };
        let year = found.and_then(|year| year.parse().ok());
        if let Some(year) = year.filter(|year| (1000..=9999).contains(year)) {
            let is_number = |word: &&str| *word == "week" || word.bytes().all(|byte| byte.is_ascii_digit());
            return Some(Found {
                year,
                ends: words[index + 1..].iter().all(is_number),
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &str) -> Url {
        Url::parse("https://e.com").unwrap().join(path).unwrap()
    }

    #[test]
    fn dates_are_told_from_numbers() {
        let year = |path: &str| date(&url(path)).map(|date| (date.year, date.calendar));
        assert_eq!(year("/2031/05/a-post"), Some((2031, false)));
        assert_eq!(year("/calendar/2031-5"), Some((2031, true)));
        assert_eq!(year("/list?year=2031&month=5"), Some((2031, true)));
        assert_eq!(year("/c?d=20310507"), Some((2031, false)));
        assert_eq!(year("/archive/05-2031"), Some((2031, false)));
        assert_eq!(year("/product/2031"), None);
        // The calendar's word is a part by itself, and its date the end; else it is an article's, or an event's.
        assert_eq!(year("/2031/05/12/a-day-in-paris"), Some((2031, false)));
        assert_eq!(year("/events/2031/5/7"), Some((2031, true)));
        assert_eq!(year("/events/2031/05/07/a-concert"), Some((2031, false)));
        assert_eq!(year("/event/2031/a-concert"), None);
        assert_eq!(year("/tours/4-day-tour-2031"), None);
        assert_eq!(year("/kalender.php?d=2031-05"), Some((2031, true)));
        assert_eq!(year("/show?tribe-bar-date=2031-05-01"), Some((2031, true)));
        assert_eq!(year("/calendar/2031/week/12"), Some((2031, true)));
        assert_eq!(year("/product/2031/3"), None);
        assert_eq!(year("/product/20319907"), None);
    }

    #[test]
    fn forms_forget_what_varies() {
        let same = |a: &str, b: &str| form(&url(a)) == form(&url(b));
        assert!(same("/product/1", "/product/22") && same("/blog/one", "/blog/two"));
        assert!(same("/a/1/x", "/a/2/y") && same("/p.php?id=1", "/p.php?id=2"));
        assert!(!same("/product/1", "/blog/1") && !same("/p.php?id=1", "/q.php?id=1"));
        assert!(!same("/p?id=1", "/p?id=1&sort=x"));
    }
}

//! Opening hours: as a list of specifications, or as the short texts of schema.org (`Mo,Tu,We 09:00-12:00`).

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{put, text, thing::Thing};
use crate::page::dom::{Dom, Id};

const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
/// Most lines of opening hours.
const MAX_HOURS: usize = 30;

/// Opening hours: `name`, `hours` (`days`, `opens`, `closes`, and `from` and `through` for exceptions), from
/// `openingHoursSpecification` or from `openingHours` (`Mo-Fr 09:00-17:00`).
pub(super) fn hours(item: Thing<'_>) -> Option<Value> {
    let specified = item
        .list("openingHoursSpecification")
        .chain(item.list("specialOpeningHoursSpecification"));
    let mut lines: Vec<Value> = specified.take(MAX_HOURS).filter_map(specification).collect();
    if lines.is_empty() {
        let texts = item.list("openingHours").take(MAX_HOURS);
        let texts = texts.filter_map(|it| it.text(text::SHORT));
        lines = texts.flat_map(|text| short(&text)).take(MAX_HOURS).collect();
    }
    if lines.is_empty() {
        return None;
    }
    let mut out = Map::new();
    put(&mut out, "name", item.short(&["name"]));
    out.insert("hours".to_owned(), Value::Array(lines));
    Some(Value::Object(out))
}

/// Opening hours that a page's own foot says in the usual short form, for people (`Mon–Fri 9:00–17:00`).
pub(super) fn of_foot(dom: &Dom) -> Option<Value> {
    let mut lines: Vec<Value> = foots(dom).filter_map(|foot| of_one_foot(dom, foot)).flatten().collect();
    // A page may have its foot twice, for phones and for desktops.
    let mut seen = HashSet::new();
    lines.retain(|line| seen.insert(line.to_string()));
    lines.truncate(MAX_HOURS);
    (!lines.is_empty()).then(|| json!({ "hours": lines }))
}

/// What one foot says; nothing if it says more of times than is understood: a part of the hours, told as all of them, is wrong.
fn of_one_foot(dom: &Dom, foot: Id) -> Option<Vec<Value>> {
    let mut lines = Vec::new();
    for id in dom.descendants(foot).filter(|id| !is_unseen_in(dom, *id, foot)) {
        let said = dom.text_of(id).map(str::trim).unwrap_or_default();
        if (6..=200).contains(&said.len()) {
            lines.extend(said_hours(said)?);
        }
    }
    Some(lines)
}

/// The hours of a text, which may be none; `None` if it says times that are not understood.
fn said_hours(said: &str) -> Option<Vec<Value>> {
    // Behind a label.
    let rest = said.split_once(": ").map_or("", |(_, rest)| rest);
    let found = [said, rest].map(read);
    if let Some(whole) = found.iter().find(|it| it.is_whole && !it.lines.is_empty()) {
        return are_plain(&whole.lines).then(|| whole.lines.clone());
    }
    let is_silent = found.iter().all(|it| it.lines.is_empty()) && !tells_times(said);
    is_silent.then(Vec::new)
}

/// Whether nothing has to be guessed: each time within a day, those of the same days one after the other, none of an afternoon that is
/// told as a night.
fn are_plain(lines: &[Value]) -> bool {
    const EARLIEST: u32 = 5 * 60;
    let at = |line: &Value, key: &str| line[key].as_str().map(minutes).unwrap_or_default();
    let is_day = |line: &Value| {
        let opens = at(line, "opens");
        opens < at(line, "closes") && (opens == 0 || opens >= EARLIEST)
    };
    let follow = |pair: &[Value]| pair[0]["days"] != pair[1]["days"] || at(&pair[0], "closes") <= at(&pair[1], "opens");
    lines.iter().all(is_day) && lines.windows(2).all(follow)
}

/// Whether a text says from when to when something is, in whatever language: a span of times, or of numbers behind days.
fn tells_times(said: &str) -> bool {
    // Of German, Dutch, French, Italian and Spanish, where they are not as in English.
    const SHORT: [&str; 16] = [
        "di", "mi", "do", "so", "ma", "wo", "vr", "za", "zo", "lu", "me", "je", "ju", "ve", "vi", "gi",
    ];
    let said = with_plain_dashes(said);
    let is_number = |text: &str| matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_time = |text: &str| {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let rest = text[digits..].to_ascii_lowercase();
        matches!(digits, 1 | 2)
            && (rest.starts_with([':', 'h']) || matches!(rest.as_str(), "am" | "pm" | "a.m" | "p.m" | "uhr"))
    };
    let is_days = |word: &str| match word.split_once('-') {
        Some((first, last)) => [first, last].iter().all(|name| name.chars().all(char::is_alphabetic)),
        None => SHORT.contains(&word.to_lowercase().as_str()) || day(word).is_some(),
    };
    let words: Vec<&str> = said
        .split([' ', ',', ';', '\u{a0}', '\n', '\t', '(', ')'])
        .map(|word| word.trim_matches(['.', ':']))
        .filter(|word| !word.is_empty())
        .collect();
    let is_span = |at: usize| {
        words[at].split_once('-').is_some_and(|(opens, closes)| {
            let is_behind_days = at > 0 && is_days(words[at - 1]);
            is_time(opens) || is_time(closes) || is_behind_days && is_number(opens) && is_number(closes)
        })
    };
    (0..words.len()).any(is_span)
}

/// The feet of a page, not those of its parts.
pub(super) fn foots(dom: &Dom) -> impl Iterator<Item = Id> {
    let is_foot = |id: Id| dom.name(id) == "footer" || dom.attribute(id, "role") == Some("contentinfo");
    let is_part = |id: Id| matches!(dom.name(id), "article" | "section" | "main" | "footer" | "blockquote");
    dom.descendants(0)
        .filter(move |id| is_foot(*id) && !dom.ancestors(*id).any(is_part))
}

/// Whether a node below `top`, or something around it, says itself that no reader sees it.
pub(super) fn is_unseen_in(dom: &Dom, id: Id, top: Id) -> bool {
    let around = dom.ancestors(id).take_while(|up| *up != top);
    around
        .into_iter()
        .any(|up| text::is_unseen(dom, up) || matches!(dom.name(up), "script" | "style" | "template" | "noscript"))
}

fn minutes(time: &str) -> u32 {
    let mut parts = time.split(':').map(|part| part.parse::<u32>().unwrap_or_default());
    60 * parts.next().unwrap_or_default() + parts.next().unwrap_or_default()
}

fn specification(item: Thing<'_>) -> Option<Value> {
    let days: Vec<&str> = item
        .list("dayOfWeek")
        .filter_map(|it| day(&it.text(text::SHORT)?))
        .map(|day| DAYS[day])
        .collect();
    let mut out = Map::new();
    put(&mut out, "opens", item.short(&["opens"]));
    put(&mut out, "closes", item.short(&["closes"]));
    put(&mut out, "from", item.short(&["validFrom"]));
    put(&mut out, "through", item.short(&["validThrough"]));
    if (days.is_empty() && !out.contains_key("from")) || out.is_empty() {
        return None;
    }
    out.insert("days".to_owned(), json!(days));
    Some(Value::Object(out))
}

/// `Mo-Fr 09:00-12:00,13:00-17:00; Sa 10-14`. Days without times wait for those of the next part, times without days are of the days
/// before; what is not understood says nothing, and neither do days that waited for it.
fn short(text: &str) -> Vec<Value> {
    read(text).lines
}

/// What was understood of a text.
struct Read {
    lines: Vec<Value>,
    /// Whether that is all that it says. That a day is none of them says nothing else.
    is_whole: bool,
}

fn with_plain_dashes(text: &str) -> String {
    text.replace(['–', '—'], "-")
        .replace(" - ", "-")
        .replace("- ", "-")
        .replace(" -", "-")
}

fn read(text: &str) -> Read {
    const CLOSED: [&str; 6] = ["closed", "geschlossen", "gesloten", "fermé", "cerrado", "chiuso"];
    let text = with_plain_dashes(text);
    let (mut days, mut out, mut is_whole) = (Vec::new(), Vec::new(), true);
    for group in text.split(';') {
        // Days that have been given their times end the list with the next day.
        let mut told = true;
        for part in group.split(',') {
            let Some((own, times)) = part_of(part) else {
                is_whole &= CLOSED.iter().any(|word| part.trim().to_lowercase().ends_with(word));
                (days, told) = (Vec::new(), true);
                continue;
            };
            if told && !own.is_empty() {
                days.clear();
            }
            told = !times.is_empty();
            days.extend(
                own.into_iter()
                    .filter(|day| !days.contains(day))
                    .collect::<Vec<usize>>(),
            );
            is_whole &= times.is_empty() || !days.is_empty();
            let names: Vec<&str> = days.iter().map(|day| DAYS[*day]).collect();
            let lines = times.into_iter().filter(|_| !names.is_empty());
            out.extend(lines.map(|(opens, closes)| json!({ "days": names, "opens": opens, "closes": closes })));
        }
        is_whole &= told;
        days.clear();
    }
    Read { lines: out, is_whole }
}

/// When something opens and closes.
type Span = (String, String);

/// The days and the times of a part, either of which may be none.
fn part_of(part: &str) -> Option<(Vec<usize>, Vec<Span>)> {
    let (mut own, mut times) = (Vec::new(), Vec::new());
    for word in part.split_whitespace() {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        if let (true, Some(first), Some(last)) = (times.is_empty(), day(first), day(last)) {
            let count = (last + 7 - first) % 7 + 1;
            own.extend((0..count).map(|offset| (first + offset) % 7));
        } else {
            times.push(
                word.split_once('-')
                    .and_then(|(opens, closes)| Some((time(opens)?, time(closes)?)))?,
            );
        }
    }
    Some((own, times))
}

/// `9` and `9:30` as they are told.
fn time(text: &str) -> Option<String> {
    let mut parts = text.split(':');
    let hour = parts.next()?;
    let is_number = |text: &str| matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(hour) || hour.parse::<u8>().ok()? > 24 || !parts.clone().all(is_number) {
        return None;
    }
    Some(match parts.next() {
        Some(_) => text.to_owned(),
        None => format!("{hour:0>2}:00"),
    })
}

/// `Monday`, `https://schema.org/Monday`, `Mo`.
fn day(text: &str) -> Option<usize> {
    let word = text.trim().trim_end_matches([':', '.']).rsplit(['/', '#']).next()?;
    let word = word.to_ascii_lowercase();
    (word.len() >= 2).then(|| DAYS.iter().position(|day| day.starts_with(&word)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let line = |line: &Value| {
            let days: Vec<&str> = line["days"]
                .as_array()
                .unwrap()
                .iter()
                .map(|day| &day.as_str().unwrap()[..2])
                .collect();
            format!(
                "{} {}-{}",
                days.join(","),
                line["opens"].as_str().unwrap(),
                line["closes"].as_str().unwrap()
            )
        };
        short(text).iter().map(line).collect()
    }

    #[test]
    fn hours_of_the_foot() {
        let of = |html: &str| of_foot(&Dom::parse(html)).map(|found| found["hours"].as_array().unwrap().len());
        assert_eq!(
            of("<footer><p>Opening hours: Mon–Fri 9:00–17:00, Sat 10–14</p><p>Mon–Fri 9:00–17:00</p></footer>"),
            Some(2)
        );
        assert_eq!(
            of("<div role=contentinfo><ul><li>Mo - Fr 09:00 - 12:00</li><li>Copyright 2026</li></ul></div>"),
            Some(1)
        );
        for none in [
            "<p>Mon–Fri 9:00–17:00</p>",
            "<article><footer>Mon–Fri 9:00–17:00</footer></article>",
            "<footer>Mon–Fri 9–5</footer>",
            "<footer><p style='display:none'>Mon–Fri 9:00–17:00</p></footer>",
            "<footer>We are open</footer>",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn a_foot_that_says_more_hours_than_are_understood_says_none() {
        let of = |html: &str| of_foot(&Dom::parse(html)).map(|found| found["hours"].as_array().unwrap().len());
        for none in [
            "<footer>Mo–Do 9:00–17:00, Fr 9:00–15:00</footer>",
            "<footer>Di–Fr 10–18, Sa 10–14</footer>",
            "<footer><p>Di–Fr 10–18</p><p>Sa 10–14</p></footer>",
            "<footer><p>So 10–12</p><p>Sa 10–14</p></footer>",
            "<footer><p>Sa 10:00–14:00</p><p>Mittwochs 9:00–12:00</p></footer>",
            "<footer>Mon–Fri 8-12, 1-5</footer>",
            "<footer>Mon–Fri 1-5</footer>",
            "<footer>Mon-Fri 9:00-5:00, Sat 10:00-12:00</footer>",
            "<footer><p>Mon-Fri 9am-5pm</p><p>Sat 10:00-12:00</p></footer>",
            "<footer><p>Mon–Fri<br>9:00–17:00</p><p>Sat 10:00-12:00</p></footer>",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
        for (html, some) in [
            ("<footer>Mo–Fr 9:00–17:00, Sa 9–13, So geschlossen</footer>", 2),
            ("<footer>Mon–Fri 8-12, 13-17</footer>", 2),
            (
                "<footer><p>Sat 10–14</p><p>Main Street 12-14, 10115 Berlin</p><p>© 2019–2026</p><p>Sent in 2-3 days</p></footer>",
                1,
            ),
            ("<footer>Open: Sat 10–14</footer><footer>Do 10–14</footer>", 1),
        ] {
            assert_eq!(of(html), Some(some), "{html}");
        }
    }

    #[test]
    fn short_hours() {
        for (text, expected) in [
            ("Sa-Mo 09:00-17:00", &["sa,su,mo 09:00-17:00"][..]),
            ("Tu 8:30 - 12:00", &["tu 8:30-12:00"]),
            ("Mo,Tu,We,Th 09:00-12:00", &["mo,tu,we,th 09:00-12:00"]),
            ("Tu, Th 16:00–20:00", &["tu,th 16:00-20:00"]),
            (
                "Mo-Fr 09:00-12:00,13:00-17:00",
                &["mo,tu,we,th,fr 09:00-12:00", "mo,tu,we,th,fr 13:00-17:00"],
            ),
            (
                "Mo-Fr 09:00-12:00 13:00-17:00",
                &["mo,tu,we,th,fr 09:00-12:00", "mo,tu,we,th,fr 13:00-17:00"],
            ),
            (
                "Mo-Fr 9-17, Sa 10-14",
                &["mo,tu,we,th,fr 09:00-17:00", "sa 10:00-14:00"],
            ),
            (
                "Mo,We 9-12; Sa 10:00-14:00; Su closed",
                &["mo,we 09:00-12:00", "sa 10:00-14:00"],
            ),
            ("Mo closed, Tu 9-12", &["tu 09:00-12:00"]),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
        for none in [
            "Mo-Fr",
            "Mo closed",
            "Mo,Tu closed",
            "Xx 09:00-10:00",
            "",
            "09:00-10:00",
            "Mo 9-99",
            "Mo; 9-12",
        ] {
            assert_eq!(short(none), Vec::<Value>::new(), "{none}");
        }
        assert_eq!(day("http://schema.org/Sunday"), Some(6));
    }
}

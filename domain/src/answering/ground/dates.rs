//! Dates, times and days of the week in one writing, whatever the order and the language.
use regex::{Captures, Regex};
use std::{collections::HashMap, sync::LazyLock};

use super::visible::folded;

/// A date, as far as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Date {
    /// With the century.
    pub year: Option<u16>,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: Option<u8>,
}

impl Date {
    /// Whether `told` says at least as much, and nothing else.
    pub fn is_told_by(self, told: Self) -> bool {
        self.month == told.month
            && (self.year.is_none() || self.year == told.year)
            && (self.day.is_none() || self.day == told.day)
    }
}

/// What a text says of time: each date with its other reading, minutes of the day, days of the week from Monday, 1.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// Every date by its readings.
    pub dates: Vec<Vec<Date>>,
    /// Minutes since midnight.
    pub clock: Vec<u16>,
    /// 1 to 7.
    pub days: Vec<u8>,
    /// Months that stand alone.
    pub months: Vec<u8>,
}

const MONTHS: [&str; 12] = [
    "january jan januar jänner janvier janv enero ene gennaio gen januari janeiro styczeń stycznia",
    "february feb februar février févr fevr febrero febbraio febbr februari fevereiro fev luty lutego",
    "march mar märz mars marzo mrz maart março marzec marca",
    "april apr avril abril abr aprile kwiecień kwietnia",
    "may mai mayo maggio mei maio maj maja",
    "june jun juni juin junio giugno giu junho czerwiec czerwca",
    "july jul juli juillet juil julio luglio lug julho lipiec lipca",
    "august aug août aout agosto ago augustus sierpień sierpnia",
    "september sep sept septembre septiembre settembre set setembro wrzesień września",
    "october oct oktober okt octobre octubre ottobre ott outubro out październik października",
    "november nov novembre noviembre novembro listopad listopada",
    "december dec dezember dez décembre déc diciembre dic dicembre dezembro grudzień grudnia",
];

const DAYS: [&str; 7] = [
    "monday mon mondays montag montags lundi lunes lunedì maandag segunda-feira poniedziałek poniedziałku",
    "tuesday tue tues tuesdays dienstag dienstags mardi martes martedì dinsdag terça-feira wtorek wtorku",
    "wednesday wed wednesdays mittwoch mittwochs mercredi miércoles mercoledì woensdag quarta-feira środa środy",
    "thursday thu thur thurs thursdays donnerstag donnerstags jeudi jueves giovedì donderdag quinta-feira czwartek czwartku",
    "friday fri fridays freitag freitags vendredi viernes venerdì vrijdag sexta-feira piątek piątku",
    "saturday sat saturdays samstag samstags sonnabend samedi sábado sabato zaterdag sobota soboty",
    "sunday sun sundays sonntag sonntags dimanche domingo domenica zondag niedziela niedzieli",
];

/// Months and days whose names are other words as well count only beside a number or in capitals.
const ALSO_WORDS: [&str; 16] = [
    "may", "march", "mar", "mars", "set", "out", "ago", "sun", "sat", "wed", "mon", "gen", "mei", "maj", "dec", "dic",
];

/// Those of them that often follow a number: "two out of 3", "set 5".
const AMBIGUOUS: [&str; 5] = ["may", "march", "set", "out", "sun"];

type Names = LazyLock<HashMap<String, u8>>;
static MONTH_NAMES: Names = LazyLock::new(|| numbered(&MONTHS));
static DAY_NAMES: Names = LazyLock::new(|| numbered(&DAYS));

fn numbered(table: &[&str]) -> HashMap<String, u8> {
    table
        .iter()
        .enumerate()
        .flat_map(|(at, list)| list.split(' ').map(move |name| (folded(name), at as u8 + 1)))
        .collect()
}

/// The day of the week that a word names, from Monday, 1.
pub fn day(word: &str) -> Option<u8> {
    DAY_NAMES.get(&folded(word)).copied()
}

/// Whether a folded word names a day of the week or a month.
pub fn is_named(word: &str) -> bool {
    DAY_NAMES.contains_key(word) || MONTH_NAMES.contains_key(word)
}

/// The month that a word names.
pub fn month(word: &str) -> Option<u8> {
    MONTH_NAMES.get(&folded(word.trim_end_matches('.'))).copied()
}

pattern!(YEAR_FIRST, r"\b(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})\b");
pattern!(YEAR_LAST, r"\b(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})\b");
pattern!(CJK, r"(?:(\d{4})\s*年\s*)?(\d{1,2})\s*月(?:\s*(\d{1,2})\s*日)?");
pattern!(
    DAY_MONTH,
    r"\b(\d{1,2})(?:st|nd|rd|th|er|º|°|\.)?(?:\s+(?:of|de|di|du))?\s+(\p{L}{3,14})\b\.?(?:,?\s+(?:(?:de|of|del|do)\s+)?(\d{4}))?"
);
pattern!(
    MONTH_DAY,
    r"\b(\p{L}{3,14})\.?\s+(\d{1,2})(?:st|nd|rd|th)?\b(?:,?\s+(\d{4})\b)?"
);
pattern!(MONTH_YEAR, r"\b(\p{L}{3,14})\.?(?:\s+(?:de|of|del|do))?,?\s+(\d{4})\b");
pattern!(
    CLOCK,
    r"(?i)\b(\d{1,2})(?:[:h](\d{2})|\.(\d{2})\s?(?:uhr|h\b|hrs))\s*(a\.?m\b|p\.?m\b)?|\b(\d{1,2})\s*(a\.?m\b|p\.?m\b)"
);
pattern!(WORD, r"\p{L}[\p{L}-]*");
pattern!(
    SPAN,
    r"(?i)\b(\p{L}[\p{L}-]+?)\.?\s*(?:-|–|—|\bto\b|\bthrough\b|\btill\b|\bbis\b|\bau\b|\ba\b|\bal\b|\btot\b|\bdo\b|\bà\b)\s*(\p{L}[\p{L}-]+)"
);

/// Takes what says a time out of `text`, which keeps the rest; `told` says everything that a passage may mean.
pub fn take(text: &mut String, told: bool) -> Times {
    let mut times = Times::default();
    let mut rest = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let mut line = line.to_owned();
        if line.contains(|c: char| c.is_ascii_digit()) {
            take_figures(&mut line, &mut times);
        }
        names(&line, told, &mut times);
        rest.push_str(&line);
    }
    *text = rest;
    times
}

/// Dates and times of a line with digits.
fn take_figures(line: &mut String, times: &mut Times) {
    let dates = &mut times.dates;
    blank(line, &YEAR_FIRST, |c| {
        let found = date(number(c, 1), number(c, 2), number(c, 3));
        found.map(|date| dates.push(vec![date])).is_some()
    });
    blank(line, &YEAR_LAST, |c| {
        let year = number(c, 3).map(|y| if y < 100 { y + 2000 } else { y });
        let readings = [
            date(year, number(c, 2), number(c, 1)),
            date(year, number(c, 1), number(c, 2)),
        ];
        let readings: Vec<Date> = readings.into_iter().flatten().collect();
        let any = !readings.is_empty();
        if any {
            dates.push(readings);
        }
        any
    });
    if line.contains('月') {
        blank(line, &CJK, |c| {
            date(number(c, 1), number(c, 2), number(c, 3))
                .map(|date| dates.push(vec![date]))
                .is_some()
        });
    }
    if WORD.find_iter(line).any(|word| month(word.as_str()).is_some()) {
        for (pattern, day, name, year) in [(&*DAY_MONTH, 1, 2, 3), (&*MONTH_DAY, 2, 1, 3), (&*MONTH_YEAR, 9, 1, 2)] {
            blank(line, pattern, |c| {
                let word = c.get(name).map_or("", |m| m.as_str());
                let plain = word.starts_with(char::is_lowercase) && AMBIGUOUS.contains(&word) && c.get(year).is_none();
                let month = month(word).filter(|_| !plain).map(u16::from);
                date(number(c, year), month, number(c, day))
                    .map(|date| dates.push(vec![date]))
                    .is_some()
            });
        }
    }
    blank(line, &CLOCK, |c| {
        let clock = minutes(c);
        clock.map(|clock| times.clock.push(clock)).is_some()
    });
}

fn number(c: &Captures<'_>, group: usize) -> Option<u16> {
    c.get(group).and_then(|m| m.as_str().parse().ok())
}

fn date(year: Option<u16>, month: Option<u16>, day: Option<u16>) -> Option<Date> {
    let month = month.filter(|m| (1..=12).contains(m))? as u8;
    if year.is_some_and(|y| !(1900..=2199).contains(&y)) || day.is_some_and(|d| !(1..=31).contains(&d)) {
        return None;
    }
    Some(Date {
        year,
        month,
        day: day.map(|d| d as u8),
    })
}

fn minutes(c: &Captures<'_>) -> Option<u16> {
    let hour = number(c, 1).or_else(|| number(c, 5))?;
    let minute = number(c, 2).or_else(|| number(c, 3)).unwrap_or(0);
    let half = c.get(4).or_else(|| c.get(6)).map(|m| m.as_str().to_ascii_lowercase());
    let hour = match half.as_deref().and_then(|h| h.chars().next()) {
        Some('p') if hour < 12 => hour + 12,
        Some('a') if hour == 12 => 0,
        _ => hour,
    };
    (hour <= 24 && minute < 60).then_some(hour * 60 + minute)
}

/// Replaces what `pattern` finds by spaces where `takes` says so.
fn blank(text: &mut String, pattern: &Regex, mut takes: impl FnMut(&Captures<'_>) -> bool) {
    let blanked = pattern.replace_all(
        text,
        |c: &Captures<'_>| if takes(c) { " ; ".to_owned() } else { c[0].to_owned() },
    );
    *text = blanked.into_owned();
}

fn names(text: &str, told: bool, times: &mut Times) {
    for found in WORD.find_iter(text) {
        let word = found.as_str();
        let capital = word.starts_with(char::is_uppercase);
        let initial =
            text[..found.start()].trim_end().is_empty() || text[..found.start()].trim_end().ends_with(['.', '!', '?']);
        let also = ALSO_WORDS.contains(&word.to_lowercase().as_str());
        let short = word.chars().count() <= 4;
        if !told && ((also && (!capital || initial)) || (short && !capital)) {
            continue;
        }
        times.days.extend(day(word));
        times.months.extend(month(word));
    }
    if told && text.split(|c: char| !c.is_alphabetic()).any(|word| day(word).is_some()) {
        for c in SPAN.captures_iter(text) {
            if let (Some(from), Some(to)) = (day(&c[1]), day(&c[2])) {
                times
                    .days
                    .extend((0..7).map(|n| (from - 1 + n) % 7 + 1).take_while(|day| *day != to));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(text: &str) -> Vec<Vec<Date>> {
        take(&mut text.to_owned(), false).dates
    }

    #[test]
    fn a_date_has_many_writings() {
        let want = Date {
            year: Some(2026),
            month: 3,
            day: Some(5),
        };
        for text in [
            "on 5 March 2026.",
            "March 5th, 2026",
            "am 5. März 2026",
            "le 5 mars 2026",
            "5 de marzo de 2026",
            "2026-03-05",
            "05.03.2026",
            "2026年3月5日",
        ] {
            assert_eq!(dates(text)[0][0], want, "{text}");
        }
        assert_eq!(dates("3/5/2026")[0].len(), 2);
        assert!(Date { year: None, ..want }.is_told_by(want));
        assert!(!want.is_told_by(Date { year: None, ..want }));
    }

    #[test]
    fn days_times_and_months_are_found_in_several_languages() {
        let said = take(&mut "Open Saturday from 9 am to 17:30 in April.".to_owned(), false);
        assert_eq!(
            (said.days, said.clock, said.months),
            (vec![6], vec![540, 1050], vec![4])
        );
        assert_eq!(take(&mut "Samstags geöffnet".to_owned(), false).days, [6]);
        assert_eq!(
            take(&mut "You may sit in the sun.".to_owned(), false).days,
            Vec::<u8>::new()
        );
        assert_eq!(take(&mut "Mon–Fri 9:00".to_owned(), true).days, [1, 5, 1, 2, 3, 4]);
    }
}

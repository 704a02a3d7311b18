//! When something is open: hours belong to their days, and a day on which all is closed has none.
//!
//! "Monday to Friday 9:00-17:00, Saturday 10:00-14:00, closed on Sundays" tells every word of "on Saturdays we are open from 9 to 17".
use super::{amounts, dates, words::tokens};
use crate::answering::sentences::sentences;

pattern!(
    MARK,
    r"[,;|(]|\s(?:and|or|but|und|oder|aber|et|ou|mais|y|pero|e|ma|en|of|maar|mas|i|oraz|ale)\s"
);
pattern!(
    HOUR,
    r"(?i)\b(\d{1,2})(?:[:.h](\d{2}))?\s?(a\.?m\b|p\.?m\b)?(?:\s?(?:uhr|h|hrs|o'clock)\b)?"
);

const NOON: u16 = 12 * 60;
/// By beginnings of words.
const CLOSED: [&str; 12] = [
    "closed",
    "geschlossen",
    "ruhetag",
    "ferme",
    "fermee",
    "cerrad",
    "chius",
    "gesloten",
    "fechad",
    "zamkniet",
    "nieczynn",
    "closes",
];
const OPEN: [&str; 12] = [
    "open", "opened", "opening", "geoffnet", "offen", "ouvert", "abiert", "apert", "geopend", "abert", "otwart",
    "czynn",
];

/// What a text says of days.
#[derive(Clone, Debug, Default)]
pub struct Hours {
    told: Vec<Told>,
}

#[derive(Clone, Debug)]
struct Told {
    days: Vec<u8>,
    at: At,
}

#[derive(Clone, Debug)]
enum At {
    /// Minutes of the day, each with its other reading: "5" may be 17:00.
    Hours(Vec<[u16; 2]>),
    Closed,
    /// Without hours.
    Open,
}

impl Hours {
    /// Of a text: a sentence, or lines with tables.
    pub fn of(text: &str) -> Self {
        let mut read = Reading::default();
        if !text.lines().any(|line| !days(line).is_empty()) {
            return Self::default();
        }
        for line in text.lines() {
            read.line(line);
        }
        Self { told: read.told }
    }

    /// Whether nothing is said of any day.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// Whether texts tell other hours for one of these days, and none tells these.
    pub fn are_others(&self, told: &[&Self]) -> bool {
        self.told.iter().any(|claim| {
            claim.days.iter().any(|day| {
                let of_day: Vec<&At> = told
                    .iter()
                    .flat_map(|t| &t.told)
                    .filter(|t| t.days.contains(day))
                    .map(|t| &t.at)
                    .collect();
                !of_day.is_empty() && !claim.at.is_told_by(&of_day)
            })
        })
    }
}

impl At {
    fn is_told_by(&self, told: &[&Self]) -> bool {
        match self {
            Self::Closed => told.iter().any(|at| matches!(at, Self::Closed)),
            Self::Open => told.iter().any(|at| !matches!(at, Self::Closed)),
            Self::Hours(claimed) => {
                let hours: Vec<&[u16; 2]> = told
                    .iter()
                    .filter_map(|at| match at {
                        Self::Hours(hours) => Some(hours),
                        Self::Closed | Self::Open => None,
                    })
                    .flatten()
                    .collect();
                let tells = |own: &[u16; 2]| hours.iter().any(|told| own.iter().any(|minute| told.contains(minute)));
                // A day that is only said to be open may have any.
                (hours.is_empty() && told.iter().any(|at| matches!(at, Self::Open))) || claimed.iter().all(tells)
            }
        }
    }
}

/// The days that the text has come to.
#[derive(Default)]
struct Reading {
    told: Vec<Told>,
    /// Those of the last hours: more hours may follow them.
    last: Vec<u8>,
    /// Days of which nothing is said yet: "Monday, Wednesday and Friday 9-12".
    waiting: Vec<u8>,
    header: Vec<Vec<u8>>,
}

impl Reading {
    fn line(&mut self, line: &str) {
        if line.trim_start().starts_with('|') {
            return self.row(line);
        }
        self.header.clear();
        for sentence in sentences(line) {
            for clause in MARK.split(&sentence) {
                self.clause(clause, days(clause));
            }
        }
    }

    /// A row of a table: its days are those of its own cells, or of the header's.
    fn row(&mut self, line: &str) {
        let cells = amounts::cells(line);
        if self.header.is_empty() {
            self.header = cells.iter().map(|cell| days(cell)).collect();
        }
        self.waiting.clear();
        self.last.clear();
        for (at, cell) in cells.iter().enumerate() {
            let mut of = days(cell);
            if of.is_empty() {
                of = self.header.get(at).cloned().unwrap_or_default();
            }
            self.clause(cell, of);
        }
        self.waiting.clear();
    }

    fn clause(&mut self, clause: &str, days: Vec<u8>) {
        let hours = hours(clause);
        let says = |words: &[&str]| {
            tokens(clause)
                .iter()
                .any(|word| words.iter().any(|form| word.starts_with(form)))
        };
        let at = if says(&CLOSED) {
            At::Closed
        } else if !hours.is_empty() {
            At::Hours(hours)
        } else if says(&OPEN) && !days.is_empty() {
            At::Open
        } else {
            self.waiting.extend(days);
            return;
        };
        let mut of = std::mem::take(&mut self.waiting);
        of.extend(days);
        if of.is_empty() && matches!(at, At::Hours(_)) {
            of.clone_from(&self.last);
        }
        if matches!(at, At::Open) {
            // "We are open on Monday, Tuesday 9-12": hours may follow.
            self.waiting.clone_from(&of);
        }
        self.last.clone_from(&of);
        if !of.is_empty() {
            self.told.push(Told { days: of, at });
        }
    }
}

/// Days of the week, spans of them with all between.
fn days(text: &str) -> Vec<u8> {
    dates::take(&mut text.to_owned(), true).days
}

/// Times of the day: with minutes or half of the day, or bare numbers that measure nothing.
fn hours(clause: &str) -> Vec<[u16; 2]> {
    if !clause.contains(|c: char| c.is_ascii_digit()) || !amounts::amounts(clause).is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for c in HOUR.captures_iter(clause) {
        let number = |group: usize| c.get(group).and_then(|m| m.as_str().parse::<u16>().ok());
        let (Some(hour), minute) = (number(1), number(2).unwrap_or(0)) else {
            continue;
        };
        if hour > 24 || minute > 59 {
            continue;
        }
        let half = c
            .get(3)
            .and_then(|m| m.as_str().chars().next())
            .map(|c| c.to_ascii_lowercase());
        let told = hour * 60 + minute;
        found.push(match half {
            Some('p') if hour < 12 => [told + NOON; 2],
            Some('a') if hour == 12 => [minute; 2],
            None if hour < 12 && c.get(2).is_none() => [told, told + NOON],
            _ => [told; 2],
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "Monday to Friday 9:00-17:00, Saturday 10:00-14:00, closed on Sundays.";
    const ROWS: &str = "| Day | Hours |\n|---|---|\n| Mon–Fri | 9:00–12:00, 13:00–17:00 |\n| Saturday | 10:00–14:00 |\n| Sunday | closed |";
    const COLUMNS: &str = "| Monday | Saturday | Sunday |\n|---|---|---|\n| 9–17 | 10–14 | closed |";
    const GERMAN: &str =
        "Öffnungszeiten\nMontag bis Freitag: 9.00 bis 17.00 Uhr\nSamstag: 10 bis 14 Uhr\nSonntag geschlossen";

    fn others(claim: &str, told: &str) -> bool {
        Hours::of(claim).are_others(&[&Hours::of(told)])
    }

    #[test]
    fn hours_of_another_day_are_seen() {
        for told in [SHOP, ROWS, COLUMNS] {
            for claim in [
                "On Saturdays we are open from 9 to 17.",
                "On Sundays we are open from 10:00 to 14:00.",
                "We are open on Sundays.",
                "On Saturday the shop is closed.",
                "Monday: 10 am to 2 pm.",
            ] {
                assert!(others(claim, told), "{claim}\n{told}");
            }
        }
        assert!(others("Samstags ist von 9 bis 17 Uhr geöffnet.", GERMAN));
        assert!(others("Am Sonntag ist von 10 bis 14 Uhr geöffnet.", GERMAN));
    }

    #[test]
    fn hours_of_the_day_itself_are_known_in_any_writing() {
        for told in [SHOP, ROWS, COLUMNS] {
            for claim in [
                "On Saturdays we are open from 10 to 14.",
                "On Saturday we open at 10 am and close at 2 pm.",
                "We are closed on Sundays.",
                "Monday 9 am to 5 pm, Saturday 10:00 to 14:00, and closed on Sunday.",
                "We are open on Mondays and Saturdays.",
                "Parcels are sent within 3 days, also on Saturdays.",
            ] {
                assert!(!others(claim, told), "{claim}\n{told}");
            }
        }
        assert!(!others("Samstags ist von 10 bis 14 Uhr geöffnet.", GERMAN));
        assert!(!others("Wir haben am Montag von 9 bis 17 Uhr geöffnet.", GERMAN));
        assert!(!others(
            "Open Wednesday 9-12.",
            "Open Monday, Wednesday and Friday 9:00-12:00."
        ));
        assert!(!others(
            "On Sunday we are open from 9 to 12.",
            "Parcels leave every Sunday. We are open from 9 to 12."
        ));
    }
}

//! Amounts and what they are told of: a price of one row of a table supports nothing that is said of another row.
//!
//! A passage is read as units: rows, items of lists, sentences. A claim that names what units tell amounts of (by a name, or by what a row
//! or an item begins with) must have one of theirs of the same kind: of "Lake 10" a price that its row has, not that of another.
use super::{
    bound::{self, Telling, subjects},
    facts::{FREE, Kind, MONEY_AFTER, MONEY_BEFORE, PERCENT_AFTER, currency_name, is_free},
    numbers::{NUMBER, readings, values_of},
    read::Claim,
    words::{content, like, tokens},
};
use crate::answering::sentences::sentences;

/// A number of something: its readings, and of what.
pub type Amount = (Vec<String>, String);

/// A part of a passage that speaks of one thing.
pub struct Unit {
    /// What it speaks of: a row's first cell, an item's words before the colon; of sentences all their words.
    about: Vec<String>,
    /// Names alone tell what a sentence speaks of.
    sentence: bool,
    amounts: Vec<Amount>,
    /// Amounts of the sentences beside it, which may go on with it.
    beside: Vec<Amount>,
    /// Its amounts and dates with the words that they are said with.
    pub tellings: Vec<Telling>,
}

impl Unit {
    /// Whether a sentence has a word.
    pub fn speaks_of(&self, word: &str) -> bool {
        self.sentence && self.about.iter().any(|own| like(own, word))
    }
}

/// Words of the headings above a line: of the first lines, title and path of the headings, and of the last heading since.
#[derive(Default)]
struct Above {
    title: Vec<String>,
    heading: Vec<String>,
    begun: bool,
}

/// Lines of at most so many words are headings, if no mark ends them.
const HEADING: usize = 12;

impl Above {
    /// Takes a line that is a heading.
    fn take(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        let short = line.split_whitespace().count() <= HEADING && !line.ends_with(['.', '!', ';', ',', '。']);
        let heads =
            line.starts_with('#') || line.ends_with(':') || (short && !line.starts_with(['-', '*', '+', '•', '|']));
        if !heads || !amounts(line).is_empty() {
            self.begun = true;
        } else if self.begun {
            self.heading = subjects(line);
        } else {
            self.title.extend(subjects(line));
        }
    }

    fn words(&self) -> Vec<String> {
        self.title.iter().chain(&self.heading).cloned().collect()
    }
}

/// The units of a passage.
pub fn units(text: &str) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut header: Vec<&str> = Vec::new();
    let mut above = Above::default();
    for line in text.lines() {
        let row = line.trim_start().starts_with('|');
        above.take(line);
        let context = above.words();
        if !row {
            header.clear();
            units.extend(unit_of_item(line, &context).map_or_else(|| of_sentences(line, &context), |unit| vec![unit]));
            continue;
        }
        let cells = cells(line);
        if header.is_empty() {
            header.clone_from(&cells);
        } else if !cells
            .iter()
            .all(|cell| cell.chars().all(|c| matches!(c, '-' | ':' | ' ')))
        {
            units.push(unit_of_row(&header, &cells, &context));
        }
    }
    units
}

pub fn cells(line: &str) -> Vec<&str> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(str::trim).collect()
}

/// A cell that has a number alone means what the column's name says: "Price (EUR)".
fn unit_of_row(header: &[&str], cells: &[&str], context: &[String]) -> Unit {
    let told = cells.iter().enumerate().skip(1).flat_map(|(at, cell)| {
        let bare = NUMBER.find(cell).is_some_and(|number| number.as_str() == *cell);
        let column = header.get(at).copied().unwrap_or_default();
        match kind_of_column(column).filter(|_| bare) {
            Some(kind) => vec![(readings(cell), kind)],
            None => amounts(cell),
        }
    });
    let amounts: Vec<Amount> = told.collect();
    let words = subjects(&[header, cells].concat().join(" "));
    Unit {
        about: content(cells.first().copied().unwrap_or_default()),
        sentence: false,
        tellings: bound::of_row(&amounts, &words, context),
        amounts,
        beside: Vec::new(),
    }
}

fn kind_of_column(name: &str) -> Option<String> {
    let words = || name.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '/' | ','));
    let currency = words().find_map(currency_name).map(str::to_owned);
    currency.or_else(|| {
        let inner = name.rsplit_once(['(', '['])?.1.trim_end_matches([')', ']']);
        measured(inner)
    })
}

/// An item that begins with what it is about: "- Lake 10: 899 EUR".
fn unit_of_item(line: &str, context: &[String]) -> Option<Unit> {
    let item = line
        .trim_start()
        .strip_prefix(['-', '*', '+', '•'])?
        .strip_prefix(' ')?;
    let (about, told) = [": ", " – ", " — "].iter().find_map(|mark| item.split_once(mark))?;
    Some(Unit {
        about: content(about),
        sentence: false,
        amounts: amounts(told),
        beside: Vec::new(),
        tellings: bound::of_sentence(item, context),
    })
}

fn of_sentences(line: &str, context: &[String]) -> Vec<Unit> {
    let sentences = sentences(line);
    let told: Vec<Vec<Amount>> = sentences.iter().map(|sentence| amounts(sentence)).collect();
    let beside = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| told.get(before));
        before.into_iter().chain(told.get(at + 1)).flatten().cloned().collect()
    };
    let leant_on = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| sentences.get(before));
        before
            .filter(|_| bound::leans(&sentences[at]))
            .map_or_else(Vec::new, |before| subjects(before))
    };
    let unit = |(at, sentence): (usize, &String)| Unit {
        about: content(sentence),
        sentence: true,
        amounts: told[at].clone(),
        beside: beside(at),
        tellings: if told[at].is_empty() && !sentence.contains(|c: char| c.is_ascii_digit()) {
            Vec::new()
        } else {
            bound::of_sentence(sentence, &[context, &leant_on(at)].concat())
        },
    };
    sentences.iter().enumerate().map(unit).collect()
}

/// The amounts of a text: money, percentages, and numbers with what they measure right behind them.
pub fn amounts(text: &str) -> Vec<Amount> {
    let mut found = Vec::new();
    for number in NUMBER.find_iter(text) {
        let (left, right) = (&text[..number.start()], &text[number.end()..]);
        let currency = MONEY_BEFORE.captures(left).or_else(|| MONEY_AFTER.captures(right));
        let kind = match currency {
            Some(currency) => currency_name(&currency[1]).map(str::to_owned),
            None if PERCENT_AFTER.is_match(right) => Some("%".to_owned()),
            None => measured(right.trim_start_matches(['-', ' ', '\u{a0}'])),
        };
        let mut values = readings(number.as_str());
        // "Lake 10 899 EUR" is no number of thousands.
        if let Some((_, last)) = number.as_str().rsplit_once(char::is_whitespace) {
            values.extend(readings(last));
        }
        found.extend(kind.map(|kind| (values, kind)));
    }
    let words = tokens(text);
    for (at, word) in words.iter().enumerate() {
        if is_free(word) {
            found.push((vec!["0".to_owned()], FREE.to_owned()));
        }
        let values: Vec<String> = if ONE.contains(&word.as_str()) {
            vec!["1".to_owned()]
        } else {
            values_of(word).map(str::to_owned).collect()
        };
        let figure = word.starts_with(|c: char| c.is_ascii_digit());
        let mut behind = words.iter().skip(at + 1);
        let next = behind.next();
        let of_days = next.is_some_and(|next| SORTS.contains(&next.as_str()));
        // A figure right before its unit was found above.
        let counted = if of_days {
            behind.next()
        } else {
            next.filter(|_| !figure)
        };
        let values = if figure { readings(word) } else { values };
        found.extend(
            counted
                .and_then(|word| unit(word))
                .filter(|_| !values.is_empty())
                .map(|kind| (values, kind)),
        );
    }
    found
}

/// "A week" is one.
#[rustfmt::skip]
const ONE: [&str; 16] = [
    "one", "a", "an", "ein", "eine", "einen", "einem", "einer", "un", "une", "una", "uno", "een", "um", "uma", "jeden",
];
/// What stands between a number and the days that it counts.
pub const SORTS: [&str; 8] = [
    "working", "business", "calendar", "full", "whole", "more", "volle", "ganze",
];

#[rustfmt::skip]
const UNITS: [&str; 50] = [
    "mm", "cm", "m", "km", "kg", "g", "t", "l", "ml", "w", "kw", "kwh", "v", "mb", "gb", "tb", "kb", "ms", "s", "h", "lb", "oz", "ft",
    "inch", "mile", "litre", "liter", "gram", "watt", "volt", "second", "minute", "hour", "day", "week", "month", "year", "sekunde",
    "stunde", "tag", "werktag", "arbeitstag", "woche", "monat", "jahr", "jour", "semaine", "heure", "dia", "giorn",
];

/// What the word at a text's beginning measures, if it is a unit: the same for one and many of them.
pub fn measured(text: &str) -> Option<String> {
    unit(tokens(text.split_whitespace().next()?).first()?)
}

/// The same of one folded word.
pub fn unit(first: &str) -> Option<String> {
    let unit = UNITS.iter().find(|unit| match unit.len() {
        0..=3 if !matches!(**unit, "day" | "tag") => first == **unit || first.strip_suffix('s') == Some(**unit),
        _ => first.starts_with(**unit),
    });
    unit.map(|unit| (*unit).to_owned())
}

/// The kind of the amount that a claim has of something of which the units tell other ones.
pub fn astray(claim: &Claim, units: &[&Unit]) -> Option<Kind> {
    let claimed = amounts(&claim.plain);
    let kinds = claimed.iter().map(|(_, kind)| kind);
    let subjects = claim
        .names
        .iter()
        .map(|name| (name, true))
        .chain(claim.words.iter().map(|word| (word, false)));
    for kind in kinds {
        let of_kind = |amounts: &[Amount]| -> Vec<Vec<String>> {
            amounts
                .iter()
                .filter(|(_, other)| other == kind)
                .map(|(values, _)| values.clone())
                .collect()
        };
        let ours = of_kind(&claimed);
        let meets = |amounts: &[Amount]| {
            of_kind(amounts)
                .iter()
                .any(|told| ours.iter().any(|own| own.iter().any(|v| told.contains(v))))
        };
        for (subject, is_name) in subjects.clone() {
            let about = || {
                units
                    .iter()
                    .filter(|unit| (is_name || !unit.sentence) && unit.about.iter().any(|word| like(subject, word)))
            };
            let tells = about().any(|unit| !of_kind(&unit.amounts).is_empty());
            if tells && !about().any(|unit| meets(&unit.amounts) || meets(&unit.beside)) {
                let price = kind.chars().all(char::is_uppercase);
                return Some(if price { Kind::Price } else { Kind::Number });
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOATS: &str = "| Kayak | Weight | Price (EUR) |\n|---|---|---|\n| Fjord 14 | 24 kg | 1.299,00 |\n| Lake 10 | 19 kg | 899 |\n\n\
        - Tern: 129 EUR\n- Sula: 89 EUR\n\nThe Heron was made for lakes. It weighs 21 kg.";

    fn is_astray(claim: &str) -> bool {
        let units = units(BOATS);
        astray(&Claim::of(claim, Some("en")), &units.iter().collect::<Vec<_>>()).is_some()
    }

    #[test]
    fn amounts_of_other_rows_items_and_sentences_support_nothing() {
        for claim in [
            "The Lake 10 costs 1,299 EUR.",
            "Lake 10 is sold at €1299.",
            "| Lake 10 | 24 kg |",
            "The Fjord 14 weighs 19 kg.",
            "Der Lake 10 kostet 1.299 EUR.",
            "The Sula costs 129 EUR.",
        ] {
            assert!(is_astray(claim), "{claim}");
        }
    }

    #[test]
    fn amounts_of_what_is_named_are_its_own_be_they_told_together_or_one_by_one() {
        for claim in [
            "The Lake 10 costs 899 EUR and weighs 19 kg.",
            "The Fjord 14 costs 1,299 EUR, the Lake 10 899 EUR.",
            "The Tern costs 129 EUR, and the Sula 89 EUR.",
            "The Heron weighs 21 kg.",
            "Kayaks weigh 19 to 24 kg.",
            "We deliver within 3 days.",
        ] {
            assert!(!is_astray(claim), "{claim}");
        }
    }
}

//! What an amount or a date is said of: of two sentences of one form, each has its own.
//!
//! "Standard shipping costs 4.90 EUR. Express shipping costs 12.90 EUR." has all words of "express shipping costs 4.90 EUR", and the price.
//! So texts are read as tellings, amounts with the words that they are said with, and those of a claim are compared with those of the
//! passages: an amount is another's if a telling of another amount fits the claim's words better than every telling of its own.
//!
//! A true sentence that is lost costs more than the check gains, so only what fits better in every respect counts.
use std::collections::BTreeSet;

use super::{
    amounts::{Amount, SORTS, Unit, amounts, measured, unit},
    dates,
    facts::{FREE, Kind, currency_name, is_free},
    judge::FIRM,
    negation::denies,
    numbers::values_of,
    read::{Claim, Known},
    visible::folded,
    words::{Words, content, like, tokens},
};

/// Amounts of one dimension with the words that they are said with.
#[derive(Clone, Debug)]
pub struct Telling {
    dimension: String,
    amounts: Vec<Amount>,
    words: Vec<String>,
    /// Words of the headings above it and of the sentence that its own leans on.
    context: Vec<String>,
}

const DATE: &str = "date";
const MONEY: &str = "money";

/// Words with which a sentence goes on to speak of what the one before it named.
#[rustfmt::skip]
const LEANING: [&str; 46] = [
    "it", "its", "they", "this", "that", "these", "those", "he", "she", "both", "each", "then", "es", "sie", "er", "dies", "diese", "dieser",
    "dieses", "das", "dann", "il", "elle", "ils", "elles", "ce", "cela", "cette", "ces", "ella", "ellos", "ellas", "esto", "este", "esta", "esso",
    "essa", "questo", "questa", "het", "dit", "dat", "deze", "ele", "ela", "isto",
];

/// Those that point back wherever they stand.
const BACK: [&str; 12] = [
    "it", "its", "they", "them", "their", "dessen", "deren", "sein", "seine", "lui", "leur", "ello",
];

/// Words that say that there is an amount, and not of what.
#[rustfmt::skip]
const TELLING: [&str; 58] = [
    "cost", "costs", "price", "prices", "priced", "pay", "pays", "paid", "take", "takes", "weigh", "weighs", "weight", "amount", "amounts", "fee",
    "fees", "charge", "charged", "kostet", "kosten", "preis", "preise", "betragt", "dauert", "dauern", "wiegt", "wiegen", "gewicht", "zahlen", "gebuhr",
    "coute", "coutent", "prix", "pese", "dure", "cuesta", "cuestan", "precio", "precios", "pesa", "dura", "costa", "costano", "prezzo", "kost",
    "prijs", "duurt", "weegt", "custa", "custam", "preco", "kosztuje", "cena", "trwa", "wynosi", "wazy", "only",
];

/// The words of a text that say what it speaks of: neither amounts nor what there is to say of them.
pub fn subjects(text: &str) -> Vec<String> {
    let tells = |word: &str| {
        TELLING.contains(&word)
            || dates::is_named(word)
            || values_of(word).next().is_some()
            || unit(word).is_some()
            || currency_name(word).is_some()
            || is_free(word)
            || SORTS.contains(&word)
    };
    let mut words = content(text);
    words.retain(|word| !tells(word));
    words.extend(designations(text));
    words
}

pattern!(DESIGNATION, r"(\p{Lu}\p{L}{2,})[ -](\d{1,4}(?:\.\d{1,3})*)\b");

/// Whether a clause has a word that points back to what was named before it.
pub fn points_back(clause: &str) -> bool {
    tokens(clause).iter().any(|word| BACK.contains(&word.as_str()))
}

/// Names that end in a number: "Debian 12" is not Debian 11.
pub fn named_by_number(text: &str) -> Vec<String> {
    designations(text)
}

fn designations(text: &str) -> Vec<String> {
    let named = DESIGNATION.captures_iter(text).filter_map(|c| {
        let (name, number) = (c.get(1)?.as_str(), c.get(2)?);
        let next = text[number.end()..]
            .trim_start_matches(['.', ' '])
            .split_whitespace()
            .next();
        let counts =
            next.is_some_and(|next| measured(next).is_some() || currency_name(next).is_some() || next.starts_with('%'));
        let dated = dates::month(name).or_else(|| next.and_then(dates::month)).is_some();
        // The number first: words are compared by their beginnings.
        (!counts && !dated && !content(name).is_empty()).then(|| format!("{}#{}", number.as_str(), folded(name)))
    });
    named.collect()
}

/// What kinds of amounts are compared with each other: all lengths, all weights.
fn dimension(kind: &str) -> &str {
    match kind {
        "kb" | "mb" | "gb" | "tb" => "data",
        "mm" | "cm" | "m" | "km" | "inch" | "ft" | "mile" => "length",
        "g" | "kg" | "gram" | "lb" | "oz" => "weight",
        "ms" | "s" | "h" | "second" | "minute" | "hour" | "day" | "week" | "month" | "year" => "time",
        kind if kind == FREE || kind.chars().all(char::is_uppercase) => MONEY,
        other => other,
    }
}

/// Whether a sentence goes on to speak of what the one before it named.
pub fn leans(sentence: &str) -> bool {
    let begins = sentence.trim_start_matches(['*', '_', '"', '“', '„', ' ']);
    let pointing = || {
        tokens(begins)
            .first()
            .is_some_and(|word| LEANING.contains(&word.as_str()))
    };
    !begins.starts_with(char::is_alphabetic) || pointing()
}

/// Tellings of amounts that stand in one row of a table.
pub fn of_row(amounts: &[Amount], words: &[String], context: &[String]) -> Vec<Telling> {
    let telling = |amount: &Amount| Telling {
        dimension: dimension(&amount.1).to_owned(),
        amounts: vec![amount.clone()],
        words: words.to_vec(),
        context: context.to_vec(),
    };
    amounts.iter().map(telling).collect()
}

/// The tellings of a passage's sentence: what stands before an amount and its clause belongs to it, and what is left to the last one.
pub fn of_sentence(sentence: &str, context: &[String]) -> Vec<Telling> {
    let mut tellings = Vec::new();
    for (told, rest) in by_dimension(sentence, context) {
        let last = tellings.len() + told.len();
        tellings.extend(told);
        if let Some(last) = last.checked_sub(1).and_then(|last| tellings.get_mut(last)) {
            last.words.extend(rest);
        }
    }
    tellings
}

/// The tellings of each dimension with the words behind the last one.
fn by_dimension(sentence: &str, context: &[String]) -> Vec<(Vec<Telling>, Vec<String>)> {
    let told: Vec<(&str, Vec<Amount>)> = clauses(sentence)
        .into_iter()
        .map(|clause| (clause, amounts(clause).into_iter().chain(dates_of(clause)).collect()))
        .collect();
    let kinds = told.iter().flat_map(|(_, told)| told).map(|(_, kind)| dimension(kind));
    let dimensions: BTreeSet<&str> = kinds.collect();
    dimensions
        .into_iter()
        .map(|of| of_dimension(of, &told, context))
        .collect()
}

fn of_dimension(of: &str, told: &[(&str, Vec<Amount>)], context: &[String]) -> (Vec<Telling>, Vec<String>) {
    let mut tellings = Vec::new();
    let mut before = Vec::new();
    for (clause, amounts) in told {
        let words = subjects(clause);
        let amounts: Vec<Amount> = amounts
            .iter()
            .filter(|(_, kind)| dimension(kind) == of)
            .cloned()
            .collect();
        if amounts.is_empty() {
            before.extend(words);
        } else {
            let mut words: Vec<String> = before.drain(..).chain(words).collect();
            // "…, and from 100 EUR on it is free."
            if words.is_empty() {
                words = tellings
                    .last()
                    .map_or_else(Vec::new, |last: &Telling| last.words.clone());
            }
            tellings.push(Telling {
                dimension: of.to_owned(),
                amounts,
                words,
                context: context.to_vec(),
            });
        }
    }
    (tellings, before)
}

pattern!(
    MARK,
    r"[,;:–—(]\s+|\s[(–—-]\s?|\s(?:and|or|but|while|und|oder|aber|et|ou|mais|o|pero|ma|en|of|maar|mas|oraz|ale)\s"
);

fn clauses(sentence: &str) -> Vec<&str> {
    MARK.split(sentence)
        .filter(|clause| !clause.trim().is_empty())
        .collect()
}

/// Days of a year; the year is the fact check's matter.
fn dates_of(clause: &str) -> Option<Amount> {
    if !clause.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let times = dates::take(&mut clause.to_owned(), true);
    let days = times.dates.iter().flatten();
    let days: Vec<String> = days.filter_map(|d| Some(format!("{}-{}", d.month, d.day?))).collect();
    (!days.is_empty()).then(|| (days, DATE.to_owned()))
}

/// The kind of an amount that a claim has of something of which the passages tell another: of those that it rests `on`, or of `all`.
pub fn astray(claim: &Claim, on: &[&Known], all: &[Known]) -> Option<Kind> {
    // What a claim says behind its last amount may be of something else: "within 60 days, and get a refund".
    let claimed: Vec<Telling> = by_dimension(&claim.plain, &[])
        .into_iter()
        .flat_map(|(told, _)| told)
        .collect();
    let wrong = claimed.iter().find(|claimed| is_another_s(claimed, on, all))?;
    Some(match wrong.dimension.as_str() {
        DATE => Kind::Date,
        "%" => Kind::Percentage,
        MONEY => Kind::Price,
        _ => Kind::Number,
    })
}

/// Whether it tells that something costs nothing, and no amount.
fn is_free_of(telling: &Telling) -> bool {
    telling.amounts.iter().all(|(_, kind)| kind == FREE)
}

/// Whether a claim says free, and nothing beyond what the passages tell a price of: what is free sometimes is not so always.
pub fn is_priced(claim: &Claim, on: &[&Known]) -> bool {
    let words = subjects(&claim.plain);
    let prices = |telling: &&Telling| telling.dimension == MONEY && !is_free_of(telling);
    let tellings = on
        .iter()
        .flat_map(|known| known.units())
        .flat_map(|unit| &unit.tellings);
    !words.is_empty()
        && tellings
            .filter(prices)
            .any(|telling| !telling.words.is_empty() && words.iter().all(|word| telling.knows(word)))
}

/// The tellings of a claim's amounts, with the parts of the passage beside them.
fn holders<'a>(units: &'a [Unit], claimed: &'a Telling) -> impl Iterator<Item = (&'a Telling, &'a [Unit])> {
    units.iter().enumerate().flat_map(move |(at, unit)| {
        let beside = &units[at.saturating_sub(1)..units.len().min(at + 2)];
        let own = unit.tellings.iter().filter(|telling| telling.tells(claimed));
        own.map(move |telling| (telling, beside))
    })
}

/// Of what a claim says amounts: the share of these words that the passages have; none where it says it of nothing. Nothing is known where
/// no telling of an amount has a word of what the claim says it of.
pub fn share(claim: &Claim, on: &[&Known], trusted: &Words) -> Option<f64> {
    let subject = |word: &&String| !word.contains('#') && !trusted.know(word);
    let spoken = subjects(&claim.plain);
    let words: Vec<&String> = spoken.iter().filter(subject).collect();
    if words.is_empty() {
        return None;
    }
    let known = words
        .iter()
        .filter(|word| on.iter().any(|known| known.words.know(word)))
        .count();
    let strange = |claimed: &Telling| {
        let mut holders = on.iter().flat_map(|known| holders(known.units(), claimed)).peekable();
        let speaks_of = |(holder, beside): (&Telling, &[Unit])| {
            // Of what is free, the first word says what it is.
            let first = claimed
                .words
                .iter()
                .filter(subject)
                .take(usize::from(is_free_of(claimed)));
            let own: Vec<&String> = first.collect();
            let own = if own.is_empty() { &words } else { &own };
            own.iter().any(|word| {
                holder.knows(word) || (holder.words.is_empty() && beside.iter().any(|unit| unit.speaks_of(word)))
            })
        };
        holders.peek().is_some() && !holders.any(speaks_of)
    };
    let mut claimed = by_dimension(&claim.plain, &[]).into_iter().flat_map(|(told, _)| told);
    if !denies(&claim.plain) && claimed.any(|claimed| strange(&claimed)) {
        return Some(0.0);
    }
    Some(known as f64 / words.len() as f64)
}

fn is_another_s(claimed: &Telling, on: &[&Known], all: &[Known]) -> bool {
    if claimed.words.is_empty() {
        return false;
    }
    let units = || on.iter().flat_map(|known| known.units());
    let own = |telling: &&Telling| telling.tells(claimed);
    let holders: Vec<(&Unit, &Telling)> = units()
        .flat_map(|unit| unit.tellings.iter().filter(own).map(move |telling| (unit, telling)))
        .collect();
    if holders.is_empty() {
        // Other numbers are facts, which the passages tell; one may be an article.
        let one = claimed.amounts.iter().all(|(values, _)| *values == ["1"]);
        let kinds = |telling: &Telling| {
            telling
                .amounts
                .iter()
                .any(|(_, kind)| claimed.amounts.iter().any(|(_, own)| own == kind))
        };
        return one && units().flat_map(|unit| &unit.tellings).any(kinds);
    }
    let rival = |telling: &&Telling| telling.dimension == claimed.dimension && !telling.tells(claimed);
    let within = units().any(|unit| {
        unit.tellings.iter().filter(rival).any(|rival| {
            holders.iter().all(|(at, holder)| {
                claimed.fits(rival, holder) || (std::ptr::eq(*at, unit) && claimed.is_of(rival, holder))
            })
        })
    });
    let unknown = |word: &&String| !on.iter().any(|known| known.words.know(word));
    let beyond = || {
        let foreign = claimed.words.iter().any(|word| unknown(&word));
        foreign
            && claimed.words.len() > 1
            && all.iter().flat_map(Known::units).any(|unit| {
                let rivals = unit.tellings.iter().filter(rival);
                rivals
                    .into_iter()
                    .any(|rival| claimed.words.iter().all(|word| rival.knows(word)))
            })
    };
    within || beyond()
}

/// Whether a word is another with something before it: of "Standardlieferung" is told what is told of a "Lieferung".
fn is_sort_of(compound: &str, word: &str) -> bool {
    const SHORTEST: usize = 5;
    word.chars().count() >= SHORTEST && compound.ends_with(word)
}

impl Telling {
    fn tells(&self, other: &Self) -> bool {
        let meets = |(values, kind): &Amount| {
            other
                .amounts
                .iter()
                .any(|(others, of)| of == kind && others.iter().any(|value| values.contains(value)))
        };
        self.amounts.iter().any(meets)
    }

    fn says(&self, word: &str) -> bool {
        self.words.iter().any(|own| like(word, own) || is_sort_of(own, word))
    }

    fn knows(&self, word: &str) -> bool {
        self.says(word) || self.context.iter().any(|own| like(word, own))
    }

    /// Whether a rival has all of this claim's words that a holder has, and more, and most of them.
    fn fits(&self, rival: &Self, holder: &Self) -> bool {
        let (mut shared, mut more) = (0_usize, false);
        for word in &self.words {
            let known = rival.knows(word);
            if !known && holder.knows(word) {
                return false;
            }
            shared += usize::from(known);
            more |= known && !holder.knows(word);
        }
        more && shared as f64 >= FIRM * self.words.len() as f64
    }

    /// Whether, of two tellings of one sentence, this claim speaks of the rival: it has all of the rival's words, and not all of the
    /// holder's. "Adults pay 12 EUR, students 8 EUR."
    fn is_of(&self, rival: &Self, holder: &Self) -> bool {
        !rival.words.is_empty()
            && rival.words.iter().all(|word| self.says(word))
            && rival.words.iter().any(|word| !holder.says(word))
            && holder.words.iter().any(|word| !self.says(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_astray(claim: &str, cited: &str, others: &[&str]) -> bool {
        let on = Known::of(cited);
        let all: Vec<Known> = others.iter().map(|text| Known::of(text)).collect();
        astray(&Claim::of(claim, Some("en")), &[&on], &all).is_some()
    }

    const SHIPPING: &str = "Standard shipping costs 4.90 EUR. Express shipping costs 12.90 EUR.";
    const PRICES: &str = "Adults pay 12 EUR. Students pay 8 EUR.";
    const SHORT_PRICES: &str = "Adults pay 12 EUR, students 8 EUR.";
    const TIMES: &str = "Delivery within Germany takes 3 days. Delivery to Norway takes 9 days.";
    const DATES: &str = "The sale ends on 5 March; the course begins on 8 April.";
    const GERMAN: &str = "Der Standardversand kostet 4,90 EUR. Der Expressversand kostet 12,90 EUR.";

    #[test]
    fn the_amount_of_the_sentence_beside_supports_nothing() {
        for (claim, text) in [
            ("Express shipping costs 4.90 EUR.", SHIPPING),
            ("Standard shipping costs 12.90 EUR.", SHIPPING),
            ("Students pay 12 EUR.", PRICES),
            ("Adults pay 8 EUR.", PRICES),
            ("Students pay 12 EUR.", SHORT_PRICES),
            ("Delivery to Norway takes 3 days.", TIMES),
            ("Delivery within Germany takes 9 days.", TIMES),
            ("The course begins on 5 March.", DATES),
            ("The sale ends on 8 April.", DATES),
            ("Der Expressversand kostet 4,90 EUR.", GERMAN),
            (
                "Express shipping costs 4.90 EUR.",
                "Express shipping is for the hurried. It costs 12.90 EUR. Standard shipping costs 4.90 EUR.",
            ),
        ] {
            assert!(is_astray(claim, text, &[]), "{claim}");
        }
    }

    #[test]
    fn what_an_amount_is_said_of_may_be_told_in_other_words() {
        for (claim, text) in [
            ("Express shipping costs 12.90 EUR.", SHIPPING),
            ("Shipping costs 4.90 EUR, or 12.90 EUR as express shipping.", SHIPPING),
            ("The price for students is 8 EUR.", PRICES),
            ("Students pay 8 EUR.", SHORT_PRICES),
            ("Adults pay 12 EUR and students 8 EUR.", SHORT_PRICES),
            ("It takes 9 days to Norway.", TIMES),
            ("The course starts on April 8.", DATES),
            ("Until 5 March there is a sale.", DATES),
            (
                "Express shipping costs 12.90 EUR.",
                "Express shipping is for the hurried. It costs 12.90 EUR. Standard shipping costs 4.90 EUR.",
            ),
            (
                "You can return items within 60 days and get a refund.",
                "Returns are possible within 60 days. Refunds are paid within 5 days after the return arrives.",
            ),
            (
                "Shipping costs 4.90 EUR below 100 EUR.",
                "Shipping within Germany costs 4.90 EUR; from 100 EUR on it is free.",
            ),
            (
                "Express parcels cost 12.90 EUR.",
                "## Standard\n\nA parcel costs 4.90 EUR.\n\n## Express\n\nA parcel costs 12.90 EUR.",
            ),
        ] {
            assert!(!is_astray(claim, text, &[]), "{claim}");
        }
    }

    #[test]
    fn another_passage_tells_it_of_what_the_cited_one_does_not_name() {
        let cited = "Standard shipping costs 4.90 EUR.";
        let other = "Express shipping costs 12.90 EUR.";
        assert!(is_astray("Express shipping costs 4.90 EUR.", cited, &[cited, other]));
        assert!(!is_astray("Express shipping costs 12.90 EUR.", other, &[cited, other]));
        assert!(!is_astray("Your parcel costs 4.90 EUR.", cited, &[cited, other]));
    }

    #[test]
    fn headings_say_of_what_the_text_below_them_speaks() {
        let text = "## Standard\n\nA parcel costs 4.90 EUR.\n\n## Express\n\nA parcel costs 12.90 EUR.";
        assert!(is_astray("Express parcels cost 4.90 EUR.", text, &[]));
    }
}

//! Times that something takes or lasts: so many of a unit, a word that says as much, or the day or year that it lasts to.
use regex::Regex;
use std::sync::LazyLock;

use super::{
    numbers::{ONE, WORDS, bare, is_number},
    pattern,
};

/// Units of time, whole words.
#[rustfmt::skip]
const UNITS: [&str; 112] = [
    "second", "seconds", "sec", "secs", "minute", "minutes", "min", "mins", "hour", "hours", "hr", "hrs", "h", "s", "ms", "day", "days",
    "night", "nights", "week", "weeks", "weekend", "fortnight", "month", "months", "year", "years", "decade", "decades", "century",
    "sekunde", "sekunden", "minuten", "stunde", "stunden", "tag", "tage", "tagen", "werktag", "werktage", "werktagen", "arbeitstag",
    "arbeitstage", "arbeitstagen", "nacht", "woche", "wochen", "monat", "monate", "monaten", "monats", "jahr", "jahre", "jahren", "seconde",
    "secondes", "heure", "heures", "jour", "jours", "nuit", "semaine", "semaines", "mois", "an", "ans", "année", "années", "segundos", "minuto",
    "minutos", "hora", "horas", "día", "días", "noche", "semana", "semanas", "mes", "meses", "año", "años", "secondi", "minuti", "ora",
    "ore", "giorno", "giorni", "settimana", "settimane", "mese", "mesi", "anno", "anni", "minuut", "uur", "uren", "dag", "dagen", "werkdagen",
    "weken", "maand", "maanden", "jaar", "dia", "dias", "mês", "anos", "dni", "tygodni", "miesięcy", "lat",
];
/// Words for a number that is not told.
#[rustfmt::skip]
const SOME: [&str; 20] = [
    "few", "several", "couple", "some", "many", "same", "next", "einige", "paar", "mehrere", "wenige", "quelques", "plusieurs", "unos",
    "varios", "alcuni", "enkele", "alguns", "kilka", "full",
];
/// Behind these a unit says how often, not how long.
const OFTEN: [&str; 12] = [
    "once", "twice", "times", "time", "every", "per", "einmal", "zweimal", "mal", "fois", "veces", "volte",
];
/// Words between a number and its unit: "two to four working days".
const BETWEEN: usize = 3;

/// Words that say how long by themselves, and what has an end in the calendar.
static ALONE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:overnight|immediately|instantly|forever|indefinite\w*|unlimited|lifetime|lifelong|permanent\w*|at once|sofort|über nacht|unbegrenzt|unbefristet|lebenslang\w*|illimité\w*|immédiatement|ilimitado|illimitato|onbeperkt|levenslang|(?:19|20)\d\d|january|february|april|june|july|august|september|october|november|december|januar|februar|märz|juni|juli|oktober|dezember|(?:mon|tues|wednes|thurs|fri|satur|sun)day|\d+\s?(?:h|hrs?|min|s|ms|d))\b",
    )
});

/// Whether a text says how long.
pub fn is_in(text: &str) -> bool {
    super::sentences(text).any(|sentence| {
        let words: Vec<&str> = sentence.split_whitespace().collect();
        ALONE.is_match(&sentence) || (0..words.len()).any(|at| is_counted(&words, at))
    })
}

/// Whether the word is a unit with a number before it, or both ("30-day").
fn is_counted(words: &[&str], at: usize) -> bool {
    let word = bare(words[at]);
    let mut parts = word.rsplit('-');
    let unit = parts.next().unwrap_or_default();
    if !UNITS.contains(&unit) {
        return false;
    }
    if parts.any(|part| part.starts_with(|c: char| c.is_ascii_digit()) || WORDS.contains(&part) || ONE.contains(&part))
    {
        return true;
    }
    let before = words[..at].iter().rev().take(BETWEEN + 1);
    for (n, other) in before.enumerate() {
        let other = bare(other);
        if OFTEN.contains(&other.as_str()) {
            return false;
        }
        let one = n < 2 && ONE.contains(&other.as_str());
        let often = one
            && at
                .checked_sub(n + 2)
                .is_some_and(|before| OFTEN.contains(&bare(words[before]).as_str()));
        if one && !often
            || SOME.contains(&other.as_str())
            || !ONE.contains(&other.as_str()) && is_number(words, at - n - 1)
        {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_a_unit_of_time_says_how_long() {
        for text in [
            "It takes 5 working days.",
            "Within two to four working days.",
            "Goods can be returned within **30 days**.",
            "about an hour",
            "a few hours",
            "A 30-day guarantee",
            "Let it dry overnight.",
            "| Warranty | 3 years |",
            "until 2050",
            "bis zu zwei Wochen",
            "Garantie: 12 Monate",
            "environ 3 jours ouvrables",
            "from April to October",
            "90min",
        ] {
            assert!(is_in(text), "{text}");
        }
        for text in [
            "Wash it by hand at 30 degrees with a cleaner for membranes.",
            "Wax the hull once a year.",
            "Two people carry it. It lasts for ages.",
            "It is 430 cm long.",
            "It weighs 24 kg.",
            "Rinse it after each day at sea, 3 times a week.",
        ] {
            assert!(!is_in(text), "{text}");
        }
    }
}

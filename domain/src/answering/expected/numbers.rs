//! Counts and measures in a text. A number that belongs to a name (version 3, Sognefjord 14, RFC 9309) says how much of nothing, and of
//! "how many servers?" one that counts packages is no answer.
use super::plain;
use crate::answering::support::akin;

/// Words before a number that it belongs to.
#[rustfmt::skip]
const NUMBERED: [&str; 28] = [
    "version", "versions", "release", "releases", "section", "chapter", "part", "figure", "table", "step", "page", "note", "example", "rfc",
    "pep", "iso", "no", "nr", "kapitel", "abschnitt", "abbildung", "seite", "schritt", "chapitre", "capítulo", "capitolo", "hoofdstuk",
    "rozdział",
];
/// Beginnings of words behind a number that it surely measures.
#[rustfmt::skip]
const UNITS: [&str; 68] = [
    "second", "minute", "hour", "day", "night", "week", "month", "year", "decade", "people", "person", "percent", "byte", "character", "mm",
    "cm", "km", "kg", "mb", "gb", "tb", "kb", "ms", "lbs", "inch", "feet", "foot", "mile", "meter", "metre", "litre", "liter", "gram", "kilo",
    "ton", "watt", "volt", "sekunde", "stunde", "tag", "woche", "monat", "jahr", "zentimeter", "zeichen", "prozent", "jour", "semaine",
    "mois", "heure", "année", "día", "semana", "mes", "año", "hora", "giorn", "settiman", "mese", "anni", "ore", "dagen", "weken", "maand",
    "jaar", "dni", "tygodni", "godzin",
];
/// Units of length, and what writings are long by.
#[rustfmt::skip]
const LENGTHS: [&str; 27] = [
    "mm", "cm", "m", "km", "ft", "in", "yd", "mi", "inch", "inches", "feet", "foot", "yard", "mile", "meter", "metre", "millimet", "centimet",
    "zentimeter", "kilomet", "metro", "page", "seite", "word", "character", "zeichen", "line",
];
/// Beginnings of words for a length.
const LENGTH: [&str; 8] = [
    "long",
    "length",
    "läng",
    "lang",
    "longueur",
    "largo",
    "lunghezza",
    "lengte",
];
/// Numbers in words, and words that say as much.
#[rustfmt::skip]
pub(super) const WORDS: [&str; 63] = [
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "dozen", "dozens", "hundred", "hundreds",
    "thousand", "thousands", "million", "millions", "twice", "several", "unlimited", "forever", "indefinitely", "zwei", "drei", "vier",
    "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf", "unbegrenzt", "deux", "trois", "quatre", "cinq", "dix", "illimité",
    "dos", "tres", "cuatro", "cinco", "diez", "ilimitado", "due", "tre", "quattro", "cinque", "dieci", "illimitato", "dieci", "twee", "drie",
    "vijf", "tien", "dois", "duas", "dez", "kilka",
];
/// Words that are a number only before what they measure: "one year", but not "one can".
pub(super) const ONE: [&str; 16] = [
    "one", "a", "an", "half", "ein", "eine", "einen", "einem", "einer", "halbe", "un", "une", "una", "uno", "een", "um",
];
/// Words that end in "s" and are no things.
const NO_THINGS: [&str; 14] = [
    "is", "was", "has", "this", "its", "as", "plus", "versus", "always", "less", "across", "does", "besides", "perhaps",
];

/// Whether a text counts or measures something: of things that are `counted`, only these.
pub fn is_in(text: &str, counted: &[String]) -> bool {
    super::sentences(text).any(|sentence| {
        let words: Vec<&str> = sentence.split_whitespace().collect();
        let said = plain(&sentence);
        let named = counted.is_empty()
            || counted
                .iter()
                .any(|thing| said.split(' ').any(|word| akin(thing, word)));
        named && (0..words.len()).any(|at| is_number(&words, at) && !counts_others(&words[at + 1..], counted))
    })
}

/// Words right behind a number and its unit that say what it measures.
const ASIDE: usize = 4;
#[rustfmt::skip]
const OTHER_MEASURES: [&str; 24] = [
    "wide", "width", "beam", "high", "height", "tall", "deep", "depth", "diameter", "rim", "breit", "breite", "hoch", "höhe", "tief", "tiefe",
    "durchmesser", "largeur", "hauteur", "ancho", "altura", "larghezza", "altezza", "breed",
];

/// Whether a text says how long a thing is: a number of a unit of length, or of pages and the like, or one in a sentence that speaks of length.
pub fn is_length(text: &str) -> bool {
    super::sentences(text).any(|sentence| {
        let words: Vec<&str> = sentence.split_whitespace().collect();
        let says = words
            .iter()
            .any(|word| LENGTH.iter().any(|long| bare(word).starts_with(long)));
        (0..words.len()).any(|at| {
            let unit = words.get(at + 1).map(|next| bare(next)).unwrap_or_default();
            let glued = bare(words[at]);
            let glued = glued.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ','));
            let long = |unit: &str| {
                LENGTHS.contains(&unit) || LENGTHS.iter().any(|known| known.len() > 3 && unit.starts_with(known))
            };
            // "61 cm wide" is no length.
            let clause = words[..at]
                .iter()
                .rposition(|word| word.ends_with(','))
                .map_or(0, |end| end + 1);
            let near = &words[clause.min(at)..words.len().min(at + ASIDE)];
            let other = || near.iter().any(|word| OTHER_MEASURES.contains(&bare(word).as_str()));
            is_number(&words, at) && (says || ((long(&unit) || long(glued)) && !other()))
        })
    })
}

/// The things that an English question asks the number of: "lines", "code" of "How many lines of code does it have?"
pub fn counted(question: &str) -> Vec<String> {
    const VERBS: [&str; 20] = [
        "do", "does", "did", "are", "is", "was", "were", "can", "could", "has", "have", "will", "would", "should",
        "may", "must", "use", "in", "on", "per",
    ];
    let asked = [" how many ", " number of "]
        .iter()
        .find_map(|sign| question.split_once(sign));
    let Some((_, rest)) = asked else {
        return Vec::new();
    };
    let things = rest.split_whitespace().take_while(|word| !VERBS.contains(word)).take(4);
    things.filter(|word| word.len() > 3).map(str::to_owned).collect()
}

/// A word without the marks around it.
pub(super) fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

pub(super) fn is_number(words: &[&str], at: usize) -> bool {
    let word = bare(words[at]);
    let next = words.get(at + 1).map(|next| bare(next)).unwrap_or_default();
    let measures = next.len() < 3 && matches!(next.as_str(), "m" | "g" | "l" | "h" | "s")
        || UNITS.iter().any(|unit| next.starts_with(unit));
    if ONE.contains(&word.as_str()) {
        return measures;
    }
    if !word.starts_with(|c: char| c.is_ascii_digit()) {
        return WORDS.contains(&word.as_str()) || word.split('-').any(|part| WORDS.contains(&part));
    }
    let versioned = word.matches('.').count() > 1 && !word.ends_with("000");
    let before = at.checked_sub(1).map(|before| words[before]);
    let numbered = before.is_some_and(|before| {
        let begins = at == 1 || words[at - 2].ends_with(['.', '!', '?', ':']);
        let name = before.starts_with(char::is_uppercase) && before.ends_with(char::is_alphanumeric) && !begins;
        name || NUMBERED.contains(&bare(before).as_str())
    });
    measures || !(versioned || numbered)
}

/// Whether what follows a number names other things than those.
fn counts_others(behind: &[&str], counted: &[String]) -> bool {
    let bare = |word: &&str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let follow: Vec<String> = behind.iter().take(3).map(bare).collect();
    let thing = |word: &String| word.len() > 3 && word.ends_with('s') && !NO_THINGS.contains(&word.as_str());
    let meant = |word: &String| counted.iter().any(|thing| akin(thing, word));
    let measure = |word: &String| UNITS.iter().any(|unit| word.starts_with(unit));
    let other = follow.first().is_some_and(measure) || follow.iter().take(2).any(thing);
    !counted.is_empty() && !follow.iter().any(meant) && other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_names_measure_nothing() {
        for text in [
            "It takes 5 working days.",
            "About two weeks.",
            "Weight: 24 kg",
            "the Sognefjord 24 kg",
            "One year, or twenty-four months.",
            "Garantie 3 Jahre",
            "at most 65,535",
            "Only 3 are left.",
            "2.000.000 Zeilen",
        ] {
            assert!(is_in(text, &[]), "{text}");
        }
        for text in [
            "It comes with the Sognefjord 14.",
            "Requires version 3.",
            "Release 3.11.2 of it",
            "see Section 7.4",
            "One can do that.",
            "We like it.",
        ] {
            assert!(!is_in(text, &[]), "{text}");
        }
    }

    #[test]
    fn what_counts_other_things_does_not_count() {
        let servers = counted(" how many servers does it have ");
        assert_eq!(servers, ["servers"]);
        assert_eq!(counted(" how many lines of code does it have "), ["lines", "code"]);
        assert!(is_in("It runs on 12 servers.", &servers));
        assert!(is_in("Servers: 12", &servers));
        assert!(!is_in("Length: 430 cm", &servers));
        assert!(!is_in(
            "More than 58100 packages, from news servers to games.",
            &servers
        ));
    }
}

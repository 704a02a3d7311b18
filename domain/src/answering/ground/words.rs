//! Words that carry meaning, compared by their stems across inflections, and the language of a sentence.
//!
//! Scripts without spaces are compared by pairs of characters. The lists hold function words and what answers are framed with
//! ("according to", "here are"): neither says anything that a passage could support.
use std::{
    collections::{BTreeSet, HashSet},
    sync::LazyLock,
};

use super::visible::folded;

const LISTS: [(&str, &str); 8] = [
    ("en", include_str!("words/en.txt")),
    ("de", include_str!("words/de.txt")),
    ("fr", include_str!("words/fr.txt")),
    ("es", include_str!("words/es.txt")),
    ("it", include_str!("words/it.txt")),
    ("nl", include_str!("words/nl.txt")),
    ("pt", include_str!("words/pt.txt")),
    ("pl", include_str!("words/pl.txt")),
];

/// Those of all languages.
static SMALL: LazyLock<HashSet<String>> = LazyLock::new(|| {
    LISTS
        .iter()
        .flat_map(|(_, list)| list.split_whitespace().map(folded))
        .collect()
});

/// Words of at least this many letters are equal when one begins with the other.
const BEGINNING: usize = 4;
/// Characters that tell a text's language.
const READ: usize = 400;
/// Longer words are equal when this many letters are.
const STEM: usize = 5;

/// Lower-case words and numbers of a text, in order. What stands without spaces comes in pairs of characters.
pub fn tokens(text: &str) -> Vec<String> {
    let text = folded(text);
    let mut out = Vec::new();
    let mut word = String::new();
    let mut pair: Option<char> = None;
    for c in text.chars() {
        if dense(c) {
            flush(&mut word, &mut out);
            if let Some(before) = pair {
                out.push([before, c].iter().collect());
            }
            pair = Some(c);
            continue;
        }
        pair = None;
        if c.is_alphanumeric() {
            word.push(c);
        } else if !matches!(c, '\'' | '’') || word.is_empty() {
            flush(&mut word, &mut out);
        }
    }
    flush(&mut word, &mut out);
    out
}

fn flush(word: &mut String, out: &mut Vec<String>) {
    if !word.is_empty() {
        out.push(std::mem::take(word));
    }
}

/// Characters that carry meaning in scripts without spaces; kana that inflect don't.
fn dense(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}' | '\u{e01}'..='\u{e3a}')
}

/// Whether a word says something by itself. Numbers are facts, which are checked apart.
fn carries(word: &str) -> bool {
    let length = word.chars().count();
    let short = if word.is_ascii() { length < 3 } else { length < 2 };
    let kana = word.chars().all(|c| matches!(c, '\u{3040}'..='\u{309f}'));
    !short && !kana && !word.starts_with(|c: char| c.is_ascii_digit()) && !SMALL.contains(word)
}

/// The meaningful words of a text, each once, in order.
pub fn content(text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    let words = tokens(text).into_iter().filter(|w| carries(w));
    words.filter(|w| seen.insert(w.clone())).collect()
}

/// The words of a passage, to look others up in.
#[derive(Clone, Debug, Default)]
pub struct Words {
    all: BTreeSet<String>,
}

impl Words {
    /// Of texts.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            all: texts.into_iter().flat_map(tokens).collect(),
        }
    }

    /// Whether the word, or an inflection of it, is among them.
    pub fn know(&self, word: &str) -> bool {
        if self.all.contains(word) {
            return true;
        }
        let ends: Vec<usize> = word.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
        if ends.len() < BEGINNING || word.chars().any(dense) {
            return false;
        }
        let beginnings = ends[BEGINNING - 1..ends.len() - 1].iter();
        if beginnings.clone().any(|end| self.all.contains(&word[..*end])) {
            return true;
        }
        let stem = &word[..ends[ends.len().min(STEM) - 1]];
        self.all
            .range(stem.to_owned()..)
            .next()
            .is_some_and(|next| next.starts_with(stem))
    }
}

/// Whether two words are one, or inflections of one.
pub fn like(one: &str, other: &str) -> bool {
    let begins = |long: &str, short: &str| short.chars().count() >= BEGINNING && long.starts_with(short);
    let stem = |word: &str| {
        word.char_indices()
            .nth(STEM - 1)
            .map(|(at, c)| word[..at + c.len_utf8()].to_owned())
    };
    one == other || begins(one, other) || begins(other, one) || stem(one).is_some_and(|s| other.starts_with(&s))
}

/// The language of a text by its beginning, if script or words tell: an ISO 639 code; Chinese is taken for Japanese.
pub fn language(text: &str) -> Option<&'static str> {
    let text = text.char_indices().nth(READ).map_or(text, |(end, _)| &text[..end]);
    let foreign: Vec<&str> = text.chars().filter_map(script).collect();
    if foreign.len() * 2 > text.chars().filter(|c| c.is_alphabetic()).count() {
        return foreign.first().copied();
    }
    crate::language::detect(text).map(crate::language::Locale::code)
}

fn script(c: char) -> Option<&'static str> {
    match c {
        '\u{370}'..='\u{3ff}' => Some("el"),
        '\u{400}'..='\u{52f}' => Some("ru"),
        '\u{590}'..='\u{5ff}' => Some("he"),
        '\u{600}'..='\u{6ff}' => Some("ar"),
        '\u{900}'..='\u{97f}' => Some("hi"),
        '\u{e00}'..='\u{e7f}' => Some("th"),
        '\u{ac00}'..='\u{d7a3}' => Some("ko"),
        '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' => Some("ja"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inflections_are_found_and_other_words_are_not() {
        let words = Words::of(["Parcels are delivered within four working days. Die Lieferung kostet 4,90 EUR."]);
        for known in ["parcel", "delivery", "deliver", "lieferungen", "days", "workings"] {
            assert!(words.know(known), "{known}");
        }
        for unknown in ["free", "refund", "dog", "par", "kosmos"] {
            assert!(!words.know(unknown), "{unknown}");
        }
        assert!(Words::of(["送料は全国一律500円です"]).know("送料"));
    }

    #[test]
    fn only_words_that_say_something_count() {
        assert_eq!(content("Yes, here is what the site says:"), Vec::<String>::new());
        assert_eq!(content("The Fjord 14 weighs 24 kg."), ["fjord", "weighs"]);
        assert_eq!(content("Ja, die Lieferung ist kostenlos."), ["lieferung", "kostenlos"]);
    }

    #[test]
    fn small_words_and_scripts_tell_the_language() {
        for (text, want) in [
            ("The parcel is on its way to you.", Some("en")),
            ("Die Lieferung dauert bei uns nicht lange.", Some("de")),
            ("La livraison est gratuite pour les clients.", Some("fr")),
            ("El envío es gratis para los clientes.", Some("es")),
            ("送料は無料です", Some("ja")),
            ("Доставка бесплатна", Some("ru")),
            ("4.90 EUR", None),
            ("送料", Some("ja")),
        ] {
            assert_eq!(language(text), want, "{text}");
        }
    }
}

//! What the support check judges by: signs that can be had without a model that reads.
//!
//! Cosines alone tell the subject, not whether it is answered. So beside the best one stand how much of the question the best passage
//! takes up (words weighted by how rare they are on the site), the rarest word that no passage has, whether the passage holds the
//! kind of fact that is asked for, and whether the passages name what the question names.
use serde::Serialize;

use crate::{
    answering::{
        definition,
        expected::{Fact, plain},
    },
    language,
    retrieval::{Passage, Word},
};

/// Passages that may support an answer.
pub const TOP: usize = 3;
/// The rarity, about that of a word in one of 20,000 chunks, from which on a word weighs 1; none weighs nothing.
const RAREST: f64 = 10.0;
const LEAST: f64 = 0.05;
/// A site of fewer chunks is small.
const FEW: i64 = 1000;
/// How much of a passage's words counts beside its cosine when the one is looked for that should hold the fact.
const WORDS: f64 = 0.3;

/// The signs for one question.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a sign of its own, which is there or not"
)]
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Signals {
    /// The best cosine with the question; none without vectors.
    pub cosine: Option<f64>,
    /// The weight of the question's words that the best passage has, as a share.
    pub covered: f64,
    /// The share of the question's words that the best passage has, each counted as one.
    pub counted: f64,
    /// The weight of the rarest word that none of the passages has, 0 to 1; the larger the site, the more an unknown word says.
    pub missing: f64,
    /// A kind of fact is asked for that the likeliest passage does not hold.
    pub no_fact: bool,
    /// The question names something that no passage names.
    pub unnamed: bool,
    /// A section's heading is the question, or a glossary has what the question asks to be told.
    pub asked_there: bool,
    /// The passages are in another language than the question, so that no word of it could be there.
    pub foreign: bool,
    /// A passage has all of the question's words, and the site is small.
    pub all_of_few: bool,
}

/// The signs of `question` for `passages`, best first.
pub fn read(question: &str, passages: &[Passage]) -> Signals {
    let top = &passages[..passages.len().min(TOP)];
    let texts: Vec<String> = top.iter().map(|p| format!("{}\n{}", p.heading_path, p.text)).collect();
    let said: Vec<String> = texts.iter().map(|text| plain(text)).collect();
    let shares: Vec<f64> = top.iter().zip(&said).map(|(p, said)| covered(&p.words, said)).collect();
    let worth = |at: &usize| top[*at].cosine.unwrap_or(0.0) + WORDS * shares[*at];
    let likeliest = (0..top.len()).rev().max_by(|a, b| worth(a).total_cmp(&worth(b)));
    // Of passages in several languages, the likeliest's words are the question's.
    let words = likeliest.map_or(&[][..], |at| &top[at].words);
    let nowhere = |w: &&Word| {
        let here = |p: &Passage| p.words.iter().any(|own| own.lexeme == w.lexeme && own.here);
        !top.iter().any(here) && !said.iter().any(|said| mentions(said, &w.lexeme))
    };
    let fact = Fact::of(question);
    let asked = plain(question);
    let heading = |p: &Passage| plain(unnumbered(p.heading_path.rsplit(" > ").next().unwrap_or_default()));
    let lower: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
    Signals {
        cosine: top.iter().filter_map(|p| p.cosine).reduce(f64::max),
        covered: shares.iter().copied().fold(0.0, f64::max),
        counted: top
            .iter()
            .zip(&said)
            .map(|(p, said)| counted(&p.words, said))
            .fold(0.0, f64::max),
        missing: words.iter().filter(nowhere).map(weight).fold(0.0, f64::max),
        no_fact: fact.zip(likeliest).is_some_and(|(fact, at)| !fact.is_in(&texts[at])),
        unnamed: names(question)
            .iter()
            .any(|name| lower.iter().all(|text| !is_named(text, name))),
        foreign: is_foreign(question, top),
        all_of_few: top.iter().zip(&said).any(|(p, said)| {
            let all = !p.words.is_empty() && p.words.iter().all(|word| has(word, said));
            all && p.of.is_some_and(|chunks| chunks < FEW)
        }),
        asked_there: (asked.split_whitespace().count() > 2 && top.iter().any(|p| heading(p) == asked))
            || definition::is_in_glossary(question, top),
    }
}

/// Whether the question is surely in another language than the passages.
fn is_foreign(question: &str, passages: &[Passage]) -> bool {
    let Some(asked) = language::detect(question) else {
        return false;
    };
    let mut told = passages.iter().filter_map(|p| language::detect(&p.text)).peekable();
    told.peek().is_some() && told.all(|told| told != asked)
}

fn weight(word: &Word) -> f64 {
    (word.rarity / RAREST).clamp(LEAST, 1.0)
}

/// The weight of the words that a passage has as a share of all.
fn covered(words: &[Word], said: &str) -> f64 {
    let all: f64 = words.iter().map(weight).sum();
    match words {
        [] => 1.0,
        _ => words.iter().filter(|word| has(word, said)).map(weight).sum::<f64>() / all,
    }
}

/// The share of the words that a passage has.
fn counted(words: &[Word], said: &str) -> f64 {
    match words {
        [] => 1.0,
        _ => words.iter().filter(|word| has(word, said)).count() as f64 / words.len() as f64,
    }
}

/// Whether a passage has a word, or one of its family in its text, as [`plain`] gives it.
pub fn has(word: &Word, said: &str) -> bool {
    word.here || mentions(said, &word.lexeme)
}

fn mentions(said: &str, lexeme: &str) -> bool {
    let mut words = said.split(' ');
    words.any(|word| akin(lexeme, word)) || is_written_apart(said, lexeme) || is_written_together(said, lexeme)
}

/// Whether a text has the parts of a word with a hyphen, or writes it as one: "e-mail", where it says "mail" or "email".
fn is_written_apart(said: &str, lexeme: &str) -> bool {
    let parts = || lexeme.split('-').filter(|part| part.chars().count() > 2);
    let has = |part: &str| said.split(' ').any(|word| akin(part, word));
    lexeme.contains('-') && (has(&lexeme.replace('-', "")) || (parts().count() > 0 && parts().all(has)))
}

/// Whether two words in a row are the one that is asked for: "email", where a text says "e-mail".
fn is_written_together(said: &str, lexeme: &str) -> bool {
    let mut pairs = said.split_whitespace().zip(said.split_whitespace().skip(1));
    lexeme.chars().count() > 4
        && pairs.any(|(one, other)| {
            lexeme
                .strip_prefix(one)
                .is_some_and(|rest| !rest.is_empty() && rest == other)
        })
}

/// A heading without the number of its section.
fn unnumbered(heading: &str) -> &str {
    heading.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c.is_whitespace())
}

/// What is asked with the one word and told with the other.
const MEASURES: [(&str, &str); 42] = [
    ("much", "cost"),
    ("much", "price"),
    ("pay", "cost"),
    ("pay", "fee"),
    ("zahl", "kost"),
    ("bezahl", "kost"),
    ("combien", "coût"),
    ("combien", "prix"),
    ("long", "length"),
    ("wide", "width"),
    ("high", "height"),
    ("tall", "height"),
    ("deep", "depth"),
    ("heav", "weight"),
    ("fast", "speed"),
    ("big", "size"),
    ("old", "age"),
    ("lang", "länge"),
    ("hoch", "höhe"),
    ("groß", "größe"),
    ("schwer", "gewicht"),
    ("long", "longueur"),
    ("haut", "hauteur"),
    ("lourd", "poids"),
    ("alto", "altura"),
    // Who wants money back is told of refunds.
    ("money", "refund"),
    ("money", "reimburs"),
    ("geld", "erstatt"),
    ("geld", "erstattung"),
    ("geld", "rückerstattung"),
    ("argent", "rembours"),
    ("argent", "remboursement"),
    ("dinero", "reembols"),
    ("soldi", "rimbors"),
    // A shop that ships is asked about deliveries.
    ("deliver", "ship"),
    ("deliver", "shipped"),
    ("deliver", "shipping"),
    ("deliver", "shipment"),
    ("liefer", "versand"),
    ("lieferung", "versand"),
    ("livr", "expédi"),
    ("livraison", "expédition"),
];

fn measures(a: &str, b: &str) -> bool {
    let is = |word: &str, stem: &str| word.strip_prefix(stem).is_some_and(|rest| rest.chars().count() <= 2);
    MEASURES.iter().any(|(asked, told)| is(a, asked) && is(b, told))
}

/// Whether two words are of one family as far as their beginnings tell: `deliver` and `delivery`, `Stornierung` and `stornieren`,
/// `Telefon` and `Telefonnummer`.
pub fn akin(a: &str, b: &str) -> bool {
    if a == b || measures(a, b) || measures(b, a) {
        return true;
    }
    let (long, short) = (
        a.chars().count().max(b.chars().count()),
        a.chars().count().min(b.chars().count()),
    );
    let common = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count();
    let whole = common == short && short >= 5;
    whole || (common >= 4 && common * 10 >= long * 7)
}

/// Whether a text in lower case has a name. One of digits is no part of another number: of "4" nothing is said in "3.4".
pub fn is_named(text: &str, name: &str) -> bool {
    let number = name.starts_with(|c: char| c.is_ascii_digit());
    text.match_indices(name).any(|(at, _)| {
        let (before, behind) = (&text[..at], &text[at + name.len()..]);
        !number
            || !(before.ends_with(|c: char| c.is_alphanumeric() || c == '.')
                || behind.starts_with(char::is_alphanumeric))
    })
}

/// Whether a question's capitals tell names: not where every noun has one, nor where everything is in capitals.
pub fn tells_names(question: &str) -> bool {
    const GERMAN: [&str; 20] = [
        "der", "die", "das", "ist", "wie", "was", "und", "für", "ich", "sie", "ein", "eine", "wann", "kann", "haben",
        "gibt", "wo", "wer", "bei", "ihre",
    ];
    let mut words = question.split_whitespace();
    let german = words.any(|word| GERMAN.contains(&word.to_lowercase().as_str()));
    let shouted = !question.chars().any(char::is_lowercase);
    !german && !shouted
}

/// The names in a question, in lower case: words with a capital in the middle of it or with a digit. German writes every noun so,
/// and capital letters throughout say nothing.
pub fn names(question: &str) -> Vec<String> {
    if !tells_names(question) {
        return Vec::new();
    }
    let words: Vec<&str> = question.split_whitespace().collect();
    let bare = |w: &&str| {
        w.trim_matches(|c: char| !c.is_alphanumeric())
            .trim_end_matches("'s")
            .trim_end_matches("’s")
            .to_owned()
    };
    let named = |(n, w): (usize, String)| {
        let capital = n > 0 && w.starts_with(char::is_uppercase) && w.chars().count() > 1;
        let digit = w.contains(|c: char| c.is_ascii_digit());
        (capital || digit).then(|| w.to_lowercase())
    };
    words.iter().map(bare).enumerate().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answering::support::tests::passage;

    fn of(question: &str, words: &[(&str, f64)], heading_path: &str, text: &str) -> Signals {
        let word = |(lexeme, rarity): &(&str, f64)| Word {
            lexeme: (*lexeme).into(),
            rarity: *rarity,
            here: false,
        };
        let passage = Passage {
            heading_path: heading_path.into(),
            words: words.iter().map(word).collect(),
            ..passage(Some(0.5), 0.5, text)
        };
        read(question, &[passage])
    }

    #[test]
    fn rare_words_weigh_more_than_frequent_ones() {
        let signals = of(
            "How do I install Django?",
            &[("instal", 1.6), ("django", 10.6)],
            "",
            "Run the installer.",
        );
        assert!(
            signals.covered < 0.2 && signals.missing > 0.9 && signals.unnamed,
            "{signals:?}"
        );
        let signals = of(
            "How do I set up a kayak?",
            &[("set", 1.6), ("kayak", 8.0)],
            "",
            "Kayaks float.",
        );
        assert!(
            signals.covered > 0.8 && signals.missing < 0.2 && !signals.unnamed,
            "{signals:?}"
        );
    }

    #[test]
    fn on_a_small_site_words_count_alike() {
        let words = [("abroad", 1.4), ("ship", 0.3), ("cost", 0.3)];
        let signals = of(
            "What does shipping abroad cost?",
            &words,
            "",
            "We ship at a cost of 4.90 EUR.",
        );
        assert!(signals.covered < 0.6 && signals.counted > 0.6, "{signals:?}");
    }

    #[test]
    fn a_fact_of_the_kind_must_stand_there_and_a_heading_may_ask_the_same() {
        let words = [("cost", 5.0)];
        assert!(of("How much does it cost?", &words, "", "The cost depends.").no_fact);
        assert!(!of("How much does it cost?", &words, "", "The cost is 5 EUR.").no_fact);
        assert!(
            of(
                "how much does it cost",
                &words,
                "FAQ > 2.1. How much does it cost?",
                "Nothing."
            )
            .asked_there
        );
    }

    #[test]
    fn words_of_one_family_are_akin() {
        for (a, b) in [
            ("deliver", "delivery"),
            ("stornierung", "stornieren"),
            ("telefonnummer", "telefon"),
            ("cost", "cost"),
            ("long", "length"),
            ("gewicht", "schwer"),
            ("heavi", "weight"),
            ("much", "costs"),
            ("price", "much"),
            ("deliveri", "shipping"),
            ("lieferung", "versand"),
        ] {
            assert!(akin(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("form", "formaldehyde"),
            ("port", "portable"),
            ("interest", "internet"),
            ("cat", "cats"),
            ("longitude", "length"),
        ] {
            assert!(!akin(a, b), "{a} {b}");
        }
    }

    #[test]
    fn a_compound_is_the_same_together_apart_and_with_a_hyphen() {
        for (lexeme, text) in [
            ("e-mail", "Send mail to the list."),
            ("e-mail", "Send an email."),
            ("email", "Send an e-mail."),
            ("check-in", "The check-in opens."),
            ("checkout", "The check-out closes."),
        ] {
            assert!(mentions(&plain(text), lexeme), "{lexeme} {text}");
        }
        for (lexeme, text) in [
            ("e-mail", "The letter e."),
            ("check-in", "Come in."),
            ("email", "An e or a mailbox."),
        ] {
            assert!(!mentions(&plain(text), lexeme), "{lexeme} {text}");
        }
    }

    #[test]
    fn a_number_in_a_name_is_not_a_part_of_another() {
        assert!(
            is_named("python 4 is out", "4")
                && is_named("since 3.11.2 of it", "3.11")
                && is_named("numpy's arrays", "numpy")
        );
        assert!(!is_named("python 3.4 and 42", "4"));
    }

    #[test]
    fn names_are_told_by_their_capitals() {
        assert_eq!(names("How do I install Django on Heroku?"), ["django", "heroku"]);
        assert_eq!(names("Which version comes with Python 3.11?"), ["python", "3.11"]);
        assert!(names("Wie wird das Wetter morgen in Freiburg?").is_empty());
        assert!(names("WHERE IS MY PARCEL?").is_empty());
    }
}

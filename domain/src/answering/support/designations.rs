//! Designations in a question: a name with a number, or letters and digits in one word ("Fjord 14", "ZX-300"). They tell one thing from
//! others that are called nearly the same. A site that has only those says nothing of it, however near its words are.
use crate::{answering::expected::plain, retrieval::Passage};

/// Words behind a name among which its number stands: "Debian GNU/Linux 11".
const BETWEEN: usize = 5;
/// Words of a text that may be one designation: "Python 3.11", "ZX 300".
const PARTS: usize = 4;

/// Words before a number that do not name a thing with it: where it is found, when something is, what is paid, how much of it there is.
#[rustfmt::skip]
const NO_NAMES: [&str; 54] = [
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december", "jan", "feb",
    "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday",
    "sunday", "eur", "usd", "gbp", "nok", "chf", "version", "release", "section", "chapter", "part", "page", "step", "question", "size",
    "level", "first", "last", "next", "top", "only", "other", "least", "most",
];
/// Words before a name that is written small: "how long is the fjord 14?".
const ARTICLES: [&str; 6] = ["the", "a", "an", "my", "your", "our"];

/// A thing's name with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Designation {
    /// In lower case, without what stands between its letters and digits: "fjord14".
    whole: String,
    /// The two apart, if they stand apart: "fjord" and "14".
    apart: Option<(String, String)>,
}

/// The designations in `question`. German writes every noun with a capital, so there only those in one word count.
pub fn designations(question: &str) -> Vec<Designation> {
    let words: Vec<&str> = question.split_whitespace().collect();
    let mut found: Vec<Designation> = words.iter().filter_map(|word| in_one(word)).collect();
    if super::signals::tells_names(question) {
        found.extend((1..words.len()).filter_map(|at| numbered(&words, at)));
    }
    found
}

/// A word of letters and then digits.
fn in_one(word: &str) -> Option<Designation> {
    let bare = bare(word);
    let code = bare.starts_with(char::is_alphabetic) && bare.contains(|c: char| c.is_ascii_digit());
    // Not addresses, paths and calls.
    let clean = bare
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '/'));
    (code && clean).then(|| Designation {
        whole: squeezed(bare),
        apart: None,
    })
}

/// A number with the name before it.
fn numbered(words: &[&str], at: usize) -> Option<Designation> {
    let number = bare(words[at]);
    let digits =
        number.starts_with(|c: char| c.is_ascii_digit()) && number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let name = words[at - 1];
    let capital = at > 1 && name.contains(char::is_uppercase);
    let article = at.checked_sub(2).map(|before| words[before].to_lowercase());
    let small = at + 1 == words.len() && article.is_some_and(|word| ARTICLES.contains(&word.as_str()));
    let letters = name.chars().count() > 1 && name.chars().all(char::is_alphabetic);
    let lower = name.to_lowercase();
    if !digits || !letters || !(capital || small) || NO_NAMES.contains(&lower.as_str()) {
        return None;
    }
    // Of "3.11.2" a site may tell as 3.11.
    let number: Vec<&str> = number.split('.').take(2).collect();
    let number = number.join(".");
    Some(Designation {
        whole: squeezed(&format!("{name}{number}")),
        apart: Some((lower, squeezed(&number))),
    })
}

impl Designation {
    /// Whether a passage speaks of it.
    pub fn is_in(&self, passage: &Passage) -> bool {
        let text = format!("{}\n{}\n{}", passage.title, passage.heading_path, passage.text);
        let said = plain(&text);
        let said: Vec<&str> = said.split_whitespace().collect();
        (0..said.len()).any(|at| self.ends_in(&said, at) || self.is_told_apart(&said, at))
    }

    /// Whether the words from a place on are it.
    fn ends_in(&self, said: &[&str], at: usize) -> bool {
        let mut rest = self.whole.as_str();
        for word in said[at..].iter().take(PARTS) {
            match rest.strip_prefix(word) {
                Some("") => return true,
                Some(more) => rest = more,
                None => return false,
            }
        }
        false
    }

    /// Whether the number stands at a place, some words behind the name.
    fn is_told_apart(&self, said: &[&str], at: usize) -> bool {
        let Some((name, number)) = &self.apart else {
            return false;
        };
        let number = Self {
            whole: number.clone(),
            apart: None,
        };
        said[at.saturating_sub(BETWEEN)..at].contains(&name.as_str()) && number.ends_in(said, at)
    }
}

fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

fn squeezed(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answering::support::tests::passage;

    fn wholes(question: &str) -> Vec<String> {
        designations(question).into_iter().map(|d| d.whole).collect()
    }

    #[test]
    fn names_with_numbers_are_told_from_counts_and_dates() {
        for (question, whole) in [
            ("How long is the Fjord 14?", "fjord14"),
            ("how long is the fjord 14?", "fjord14"),
            ("Does the ZX-300 float?", "zx300"),
            ("Is it for Python 3.11.2, or older?", "python311"),
            ("Wie schwer ist der ZX-300?", "zx300"),
        ] {
            assert_eq!(wholes(question), [whole], "{question}");
        }
        for question in [
            "Can I return it within 60 days?",
            "Are you open on May 24?",
            "Does it cost more than EUR 50?",
            "What does Section 4 say?",
            "Is it sent within the first 2?",
            "Wie viel kostet der Versand ab Größe 42?",
            "Is 3D printing allowed?",
            "DO YOU SHIP TO NORWAY 2 TIMES?",
        ] {
            assert_eq!(wholes(question), [""; 0], "{question}");
        }
    }

    #[test]
    fn a_longer_name_is_another_thing() {
        let is_in = |question: &str, text: &str| designations(question)[0].is_in(&passage(Some(0.5), 1.0, text));
        for (question, text) in [
            ("How long is the Fjord 14?", "The Fjord 14 is 430 cm long."),
            ("How long is the Fjord 14?", "The Fjord-14 is long."),
            ("How long is the Fjord 14?", "The Fjord comes as 12 and 14."),
            ("Is it for Python 3.11?", "Python 3.10 and 3.11"),
            ("When did Debian 11 come out?", "Debian GNU/Linux 11 came out in 2021."),
            ("Does the ZX-300 float?", "The zx 300 floats."),
        ] {
            assert!(is_in(question, text), "{question} {text}");
        }
        for (question, text) in [
            ("How long is the Fjord 14?", "The Sognefjord 14 is 430 cm long."),
            ("How long is the Fjord 14?", "The Fjord 12 is 400 cm long."),
            ("Is it for Python 3.11?", "Python 3.1 and 3.10"),
            ("Does the ZX-300 float?", "The ZX-3000 floats."),
        ] {
            assert!(!is_in(question, text), "{question} {text}");
        }
    }
}

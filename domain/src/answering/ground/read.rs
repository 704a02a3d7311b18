//! Passages and sentences, read for what they say: words, names, facts.
use std::{collections::HashSet, sync::OnceLock};

use super::{
    super::sentences,
    amounts::{self, Unit},
    dates,
    facts::Facts,
    hours::Hours,
    judge::CITATION,
    links::{self, LINK},
    names,
    subject::{self, Part},
    visible::folded,
    words::{Words, content, language, tokens},
};

pattern!(WORD, r"\p{L}[\p{L}\p{M}'’-]*");

/// A passage, read.
pub struct Known {
    pub words: Words,
    pub sentences: Vec<String>,
    pub code: HashSet<String>,
    pub lines: HashSet<String>,
    pub language: Option<&'static str>,
    text: String,
    linked: String,
    facts: OnceLock<Facts>,
    units: OnceLock<Vec<Unit>>,
    hours: OnceLock<Hours>,
    parts: OnceLock<Vec<Part>>,
}

/// What a sentence says, read.
pub struct Claim {
    pub plain: String,
    pub words: Vec<String>,
    pub names: Vec<String>,
    /// Names that are told by more than a capital, in whatever language.
    pub certain: Vec<String>,
    pub facts: Facts,
    pub language: Option<&'static str>,
}

impl Known {
    pub fn of(text: &str) -> Self {
        let text = &text.replace("](mailto:", "] (").replace("](tel:", "] (");
        let bare = LINK.replace_all(text, "$1");
        let mut code = HashSet::new();
        let mut fenced = false;
        for line in text.lines() {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            if fenced && !fence {
                code.insert(squeezed(line));
            }
            code.extend(line.split('`').skip(1).step_by(2).map(squeezed));
        }
        let sentences = text
            .lines()
            .flat_map(sentences::sentences)
            .filter(|s| s.split_whitespace().count() > 1);
        Self {
            words: Words::of([bare.as_ref()]),
            sentences: sentences.collect(),
            code,
            lines: text.lines().map(squeezed).collect(),
            language: language(text),
            text: bare.into_owned(),
            linked: text.clone(),
            facts: OnceLock::new(),
            units: OnceLock::new(),
            hours: OnceLock::new(),
            parts: OnceLock::new(),
        }
    }

    /// What it tells that may be true or false: read when something rests on it.
    pub fn facts(&self) -> &Facts {
        self.facts.get_or_init(|| Facts::told(&self.linked))
    }

    /// Its parts, each of one thing: read when a claim has an amount.
    pub fn units(&self) -> &[Unit] {
        self.units.get_or_init(|| amounts::units(&self.text))
    }

    /// Its parts, each of one thing or person: read when a claim names one.
    pub fn parts(&self) -> &[Part] {
        self.parts.get_or_init(|| subject::parts(&self.text, self.language))
    }

    /// What it says of days: read when a claim names one.
    pub fn hours(&self) -> &Hours {
        self.hours.get_or_init(|| Hours::of(&self.text))
    }
}

impl Claim {
    pub fn of(text: &str, usual: Option<&'static str>) -> Self {
        let plain = CITATION.replace_all(text, "");
        let plain = LINK.replace_all(&plain, "$1");
        let plain: String = links::without(&plain)
            .chars()
            .filter(|c| !matches!(c, '*' | '`' | '|' | '#'))
            .collect();
        let language = language(&plain);
        let english = usual.is_none_or(|usual| usual == "en");
        let agent = names::agent(&plain).filter(|_| english);
        let linked = LINK.replace_all(text, "$1");
        Self {
            certain: names::marked(&links::without(&linked))
                .into_iter()
                .chain(agent)
                .collect(),
            words: content(&plain),
            // German writes every noun with a capital.
            names: if language == Some("de") {
                Vec::new()
            } else {
                capitals(&plain)
            },
            facts: Facts::claimed(text, language.or(usual)),
            language,
            plain,
        }
    }
}

/// Words with a capital that no sentence begins with; days and months are facts.
fn capitals(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for found in WORD.find_iter(text) {
        let word = found.as_str();
        let before = text[..found.start()].trim_end();
        let begins = before.is_empty()
            || before.ends_with([
                '.', '!', '?', ':', '"', '“', '„', '«', '(', '-', '–', '•', '/', '>', ';',
            ]);
        let capital = word.starts_with(char::is_uppercase) && word.chars().count() > 1;
        if capital && !begins && !content(word).is_empty() && dates::month(word).is_none() && dates::day(word).is_none()
        {
            names.push(folded(
                word.trim_end_matches(['\'', '’', '-'])
                    .trim_end_matches("'s")
                    .trim_end_matches("’s"),
            ));
        }
    }
    names.iter().flat_map(|name| tokens(name)).collect()
}

/// A line as it is compared: without white space at its ends, and single spaces in it.
pub fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

//! Questions for what something is, and what of a site says it: the entry of a glossary, a heading that is the thing's name, a sentence
//! that says "X is a …".
//!
//! Vectors put near such a question whatever speaks of the thing often, and stems take "enumerate" for "enumeration". So the passages
//! that define it come first, by how clearly they do. A question that is longer, or for a fact, is none of these.
use super::{
    expected::{Expected, plain},
    sentences::{Kind, Piece},
};
use crate::retrieval::Passage;

/// Passages of which the ones that define come first.
pub(super) const LOOKED_THROUGH: usize = 120;
/// What a passage gains that has an entry for the thing.
const ENTERED: f64 = 0.3;
/// What one gains besides whose page or section is a glossary: an entry of another list may be a setting or a part that is called so.
const GLOSSARY: f64 = 0.2;
/// What one gains that stands under its name.
const NAMED: f64 = 0.2;
/// What one gains that says what it is in a sentence, or what it is short for.
const SAID: f64 = 0.12;
/// Words of a thing's name at most.
const WORDS: usize = 4;
/// Words that may follow a name in a heading that asks for it ("What is Debian GNU/Linux?").
const MORE: usize = 2;

/// What such questions begin with, and what some must end with.
#[rustfmt::skip]
const ASKS: [(&str, &[&str]); 34] = [
    (" what is ", &[]), (" what s ", &[]), (" what are ", &[]), (" what was ", &[]), (" whats ", &[]), (" define ", &[]),
    (" explain ", &[]), (" what is meant by ", &[]), (" the meaning of ", &[]), (" meaning of ", &[]), (" definition of ", &[]),
    (" what does ", &[" mean ", " do ", " stand for "]), (" what do ", &[" mean ", " do ", " stand for "]),
    (" was ist ", &[]), (" was sind ", &[]), (" was bedeutet ", &[]), (" was heißt ", &[]), (" was macht ", &[]),
    (" qu est ce que ", &[]), (" qu est ce qu ", &[]), (" c est quoi ", &[]), (" que signifie ", &[]),
    (" qué es ", &[]), (" qué son ", &[]), (" qué significa ", &[]), (" qué hace ", &[]),
    (" che cos è ", &[]), (" cos è ", &[]), (" cosa significa ", &[]),
    (" wat is ", &[]), (" wat betekent ", &[]), (" o que é ", &[]), (" o que significa ", &[]), (" co to jest ", &[]),
];
#[rustfmt::skip]
const ARTICLES: [&str; 26] = [
    "a", "an", "the", "ein", "eine", "einen", "der", "die", "das", "un", "une", "le", "la", "les", "l", "el", "los", "las", "una", "il",
    "lo", "een", "het", "um", "uma", "o",
];
/// Words that tell that more is asked for than what a thing is.
#[rustfmt::skip]
const RELATIONS: [&str; 60] = [
    "of", "for", "in", "on", "at", "to", "with", "between", "from", "by", "my", "your", "our", "their", "his", "her", "its", "this", "that",
    "it", "and", "or", "if", "when", "you", "i", "we", "best", "most", "next", "current", "maximum", "minimum", "von", "für", "im", "mit",
    "zwischen", "mein", "meine", "ihr", "ihre", "euer", "eure", "de", "du", "des", "pour", "dans", "entre", "votre", "vos", "del", "para",
    "su", "di", "per", "van", "voor", "uw",
];
/// Verbs that say what a thing is: those behind which an article must follow, and others.
#[rustfmt::skip]
const IS: [&str; 16] = [
    "is", "are", "was", "were", "ist", "sind", "est", "sont", "es", "son", "è", "sono", "zijn", "é", "são", "jest",
];
#[rustfmt::skip]
const MEANS: [&str; 13] = [
    "means", "refers", "stands", "denotes", "bedeutet", "bezeichnet", "heißt", "désigne", "signifie", "significa", "betekent", "indica",
    "oznacza",
];

/// What a sentence may call a thing before it says what it does: "The VACUUM command rebuilds …".
#[rustfmt::skip]
const SORTS: [&str; 22] = [
    "command", "statement", "function", "method", "option", "keyword", "operator", "module", "class", "tool", "program", "setting",
    "parameter", "clause", "feature", "button", "page", "service", "package", "utility", "library", "flag",
];
/// Beginnings of words in the names of glossaries.
#[rustfmt::skip]
const GLOSSARIES: [&str; 14] = [
    "glossar", "terminolog", "vocabular", "definition", "abbreviation", "acronym", "begriff", "lexikon", "abkürzung", "lexique", "glosario",
    "woordenlijst", "słownik", "terms",
];

/// What signatures begin with.
const KINDS: [&str; 8] = [
    "class ",
    "exception ",
    "function ",
    "method ",
    "async ",
    "def ",
    "static ",
    "classmethod ",
];

/// The name of the thing that a question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    /// Lower-case words between single spaces, without spaces around.
    name: String,
    /// The name in the question's own letters if it is in capitals: an abbreviation.
    short: Option<String>,
}

impl Term {
    /// What `question` asks to be told, if that is all it asks.
    pub fn of(question: &str) -> Option<Self> {
        if Expected::of(question).is_some() {
            return None;
        }
        let asked = plain(question);
        let behind = |(beginning, ends): &(&str, &[&str])| {
            let rest = asked.strip_prefix(beginning)?;
            let rest = format!(" {rest}");
            match ends {
                [] => Some(rest),
                _ => ends
                    .iter()
                    .find_map(|end| Some(format!("{} ", rest.strip_suffix(end)?))),
            }
        };
        let rest = ASKS.iter().filter_map(behind).min_by_key(String::len)?;
        let words: Vec<&str> = rest
            .split_whitespace()
            .skip_while(|word| ARTICLES.contains(word))
            .collect();
        let more = words.iter().any(|word| RELATIONS.contains(word));
        if words.is_empty() || words.len() > WORDS || more || words.concat().chars().count() < 2 {
            return None;
        }
        let name = words.join(" ");
        let mut own = question.split(|c: char| !c.is_alphanumeric());
        let short = own.find(|word| word.to_lowercase() == name && word.len() > 1);
        let short = short.filter(|word| !word.chars().any(char::is_lowercase));
        Some(Self {
            short: short.map(str::to_owned),
            name,
        })
    }

    /// What a passage gains by how it defines the thing.
    fn worth(&self, passage: &Passage) -> f64 {
        let heading = passage.heading_path.rsplit(" > ").next().unwrap_or_default();
        let said = |line: &str| self.is_explained_by(line) || self.is_short_for(line);
        match () {
            () if self.is_entered_in(passage) && is_glossary(passage) => ENTERED + GLOSSARY,
            () if self.is_entered_in(passage) => ENTERED,
            () if self.is_heading(heading) => NAMED,
            () if passage.text.lines().any(said) => SAID,
            () => 0.0,
        }
    }

    /// Whether a passage has an entry for the thing. One that leads to another is one if the other is there.
    fn is_entered_in(&self, passage: &Passage) -> bool {
        let lines: Vec<&str> = passage.text.lines().collect();
        let named = |name: &Self| {
            let entry = |pair: &&[&str]| pair[1].trim_start().starts_with(": ") && name.is_named_by(pair[0]);
            lines.windows(2).find(entry).map(|pair| pair[1])
        };
        named(self).is_some_and(|text| leads_to(text).is_none_or(|other| named(&other).is_some()))
    }

    /// Which pieces of a text say what the thing is: an entry goes on where the pieces do, and to where it leads.
    pub fn defining(&self, pieces: &[Piece]) -> Vec<bool> {
        let defines = |term: &Self, p: &Piece| p.kind != Kind::Code && term.is_defined_by(&p.text);
        let led: Option<Self> = pieces.iter().find_map(|p| {
            let (name, text) = p.text.split_once(": ")?;
            leads_to(text).filter(|_| self.is_named_by(name))
        });
        let mut found: Vec<bool> = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let goes_on = piece.continues && found.last().is_some_and(|before| *before);
            found.push(goes_on || defines(self, piece) || led.as_ref().is_some_and(|led| defines(led, piece)));
        }
        found
    }

    /// Whether a piece of text says what the thing is: its entry, or a sentence about it.
    pub fn is_defined_by(&self, text: &str) -> bool {
        let named = [": ", " – ", " — "]
            .iter()
            .filter_map(|mark| text.split_once(mark))
            .any(|(name, rest)| self.is_named_by(name) && rest.split_whitespace().count() > 3);
        named || self.is_explained_by(text) || self.is_short_for(text)
    }

    /// Whether a heading is the thing's name, or asks for it.
    pub fn is_heading(&self, heading: &str) -> bool {
        let heading = heading.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c.is_whitespace());
        let mut parts = heading.split([':', '—', '–', '(', ')']);
        let asks = || {
            let asked = Self::of(heading)?.name;
            let more = asked.strip_prefix(self.name.as_str())?;
            Some(more.is_empty() || (more.starts_with(' ') && goes_on_with_names(heading, more)))
        };
        parts.any(|part| self.is(plain(part).trim())) || asks().unwrap_or(false)
    }

    /// Whether an entry's first line names the thing: as it is, or as something that is called: `csv.reader(file)`.
    fn is_named_by(&self, line: &str) -> bool {
        let line = line.trim_start_matches(['-', '*', ' ']).replace(['*', '`', '_'], "");
        let called = line.split('(').next().unwrap_or_default().trim();
        let called = KINDS
            .iter()
            .find_map(|kind| called.strip_prefix(kind))
            .unwrap_or(called)
            .trim();
        let last = called.rsplit('.').next().unwrap_or_default();
        let dotted = line.contains('(') && !called.contains(' ');
        self.is(plain(called).trim()) || (dotted && self.is(plain(last).trim()))
    }

    /// Whether a sentence begins with the thing and says what it is.
    fn is_explained_by(&self, text: &str) -> bool {
        let said = plain(text);
        let said = said.trim_start();
        let said = ARTICLES
            .iter()
            .find_map(|article| said.strip_prefix(article)?.strip_prefix(' '))
            .unwrap_or(said);
        let behind = |name: &str| said.strip_prefix(name)?.strip_prefix(' ');
        let Some(rest) = behind(&self.name).or_else(|| behind(&format!("{}s", self.name))) else {
            return false;
        };
        let mut rest = rest.split(' ');
        let (verb, next) = (rest.next().unwrap_or_default(), rest.next().unwrap_or_default());
        let does =
            SORTS.contains(&verb) && next.ends_with('s') && !IS.contains(&next) && !["has", "does"].contains(&next);
        does || MEANS.contains(&verb) || (IS.contains(&verb) && (ARTICLES.contains(&next) || next == "one"))
    }

    /// Whether a text tells what the name is short for.
    fn is_short_for(&self, text: &str) -> bool {
        self.short
            .as_ref()
            .is_some_and(|short| text.contains(&format!("({short})")))
    }

    /// Whether a name is the thing's, be it of one or of many.
    fn is(&self, name: &str) -> bool {
        let one = |name: &str| name.strip_suffix('s').unwrap_or(name).to_owned();
        name == self.name || (self.name.len() > 3 && one(name) == one(&self.name))
    }
}

/// Whether a few words of a heading are the rest of a name: "Debian GNU/Linux" is Debian, "a Debian package" another thing.
fn goes_on_with_names(heading: &str, more: &str) -> bool {
    let own: Vec<&str> = heading.split(|c: char| !c.is_alphanumeric()).collect();
    let name = |word: &str| {
        let written = own.iter().rfind(|own| own.to_lowercase() == word);
        written.is_some_and(|own| own.starts_with(char::is_uppercase))
    };
    let article = own
        .iter()
        .any(|word| ["a", "an"].contains(&word.to_lowercase().as_str()));
    !article && more.split_whitespace().count() <= MORE && more.split_whitespace().all(name)
}

/// Whether a passage's page or section explains terms.
fn is_glossary(passage: &Passage) -> bool {
    let called = plain(&format!("{} {}", passage.title, passage.heading_path));
    called
        .split(' ')
        .any(|word| GLOSSARIES.iter().any(|beginning| word.starts_with(beginning)))
}

/// Whether the site explains in a glossary what the question asks to be told.
pub(super) fn is_in_glossary(question: &str, passages: &[Passage]) -> bool {
    let entered = |term: Term| passages.iter().any(|p| is_glossary(p) && term.is_entered_in(p));
    Term::of(question).is_some_and(entered)
}

/// What an entry's text leads to, if it says nothing else: "See fin."
fn leads_to(text: &str) -> Option<Term> {
    let said = text.trim_start_matches([':', ' ']);
    let name = ["See ", "see ", "Siehe ", "Voir ", "Véase ", "Vedi ", "Zie "]
        .iter()
        .find_map(|see| said.strip_prefix(see))?;
    let name = plain(name.trim_start_matches("also "));
    let words = name.split_whitespace().count();
    (1..=WORDS).contains(&words).then(|| Term {
        name: name.trim().to_owned(),
        short: None,
    })
}

/// The passages with those first that say what the question asks to be told, if it asks what something is.
pub(super) fn first(question: &str, mut passages: Vec<Passage>) -> Vec<Passage> {
    if let Some(term) = Term::of(question) {
        for passage in &mut passages {
            passage.score += term.worth(passage);
        }
        passages.sort_by(|a, b| b.score.total_cmp(&a.score));
    }
    passages
}

#[cfg(test)]
mod tests;

//! Whether a piece of an answer may be shown: what it says must be said by a passage, the one that it cites or another.
//!
//! Everything that can be wrong by itself (numbers, prices, dates, addresses, names, promises) must stand in the passage; of the
//! other words, most. Where words don't tell, since the sentence is a paraphrase or a translation, meaning may
//! ([`Verdict::Unsure`]). Only what is kept is seen.
use regex::Captures;
use std::collections::{BTreeSet, HashSet};

use super::{
    amounts::{self, Unit},
    bound,
    facts::Facts,
    hours::Hours,
    html, limits,
    links::{self, IMAGE, LINK, Links},
    negation,
    read::{Claim, Known, squeezed},
    split::{Piece, Shape},
    subject,
    words::{language, tokens},
};
use crate::retrieval::Passage;

pattern!(
    pub(super) CITATION,
    r"[ \u{a0}]?(?:\[(\d{1,3}(?:\s*[,–-]\s*\d{1,3})*)\]|【(\d{1,3})[^】\n]{0,20}】)"
);
pattern!(AUTOLINK, r"<((?:[A-Za-z][A-Za-z0-9+.-]*:|[^\s<>@]+@)[^\s<>]*)>");
pattern!(DEFINITION, r"^\s*\[[^\]\n]+\]:");

/// As many words in a row as the prompt has are a copy of it.
const COPIED: usize = 6;
/// The share of the words of a sentence that a passage must have.
pub(super) const FIRM: f64 = 0.6;
/// The same where the facts of the sentence stand in the passage as well, and where words are pairs of characters.
const FIRM_WITH_FACTS: f64 = 0.4;
/// Below this share meaning is not asked.
const UNSURE: f64 = 0.3;
/// The share that is enough where there is nobody to ask for the meaning, of more than a few words.
const ENOUGH: f64 = 0.5;
const FEW: usize = 3;

/// Why a piece, or a part of one, is not shown; counted in the receipt by its name.
pub type Reason = &'static str;

/// What becomes of a piece.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is shown, as this text, and rests on these passages.
    Keep(String, Vec<usize>),
    /// It says nothing by itself, and is shown with the next that is kept.
    Hold(String),
    /// It is not shown.
    Drop(Reason),
    /// Words don't tell. It is kept if its meaning is near enough to one of these sentences.
    Unsure {
        /// As it would be shown.
        text: String,
        /// What it rests on then.
        on: Vec<usize>,
        /// What it says.
        claim: String,
        /// What it may repeat.
        said: Vec<String>,
        /// Whether it is kept when nobody can tell.
        enough: bool,
    },
}

/// What an answer may rest on, and what must not be in it.
pub struct Judge {
    pub(super) passages: Vec<Known>,
    /// What the customer says of itself in its settings.
    trusted: Known,
    pub(super) links: Links,
    secrets: HashSet<Vec<String>>,
    boundary: String,
    asked_in: Option<&'static str>,
}

/// How well passages support a sentence.
pub(super) enum Weight {
    Firm,
    Unsure(f64),
    Not(Reason),
}

impl Judge {
    /// Answers to `question` may rest on `passages`, numbered from 1, and on `trusted`, and lead to `links`; nothing of `secret`,
    /// the prompt, may be repeated.
    pub fn new(
        question: &str,
        passages: &[&Passage],
        trusted: &str,
        mut links: Links,
        secret: &str,
        boundary: &str,
    ) -> Self {
        for passage in passages {
            links.name(&passage.text, &passage.url);
        }
        let told: Vec<Known> = passages
            .iter()
            .map(|p| Known::of(&format!("{}\n{}\n{}", p.title, p.heading_path, p.text)))
            .collect();
        let said = tokens(secret);
        Self {
            passages: told,
            trusted: Known::of(trusted),
            links,
            secrets: said.windows(COPIED).map(<[String]>::to_vec).collect(),
            boundary: boundary.to_owned(),
            asked_in: language(question),
        }
    }

    /// Judges a piece; `removed` counts the parts that are taken out of one that is kept.
    pub fn check(&self, piece: &Piece, removed: &mut dyn FnMut(Reason)) -> Verdict {
        let body = &piece.body;
        if (!self.boundary.is_empty() && body.contains(&self.boundary)) || self.repeats_prompt(body) {
            return Verdict::Drop("prompt");
        }
        match piece.shape {
            Shape::Code => self.code(body, removed),
            Shape::Table => self.table(body, removed),
            Shape::Heading => match self.prose(body.trim_start_matches('#').trim(), removed) {
                Verdict::Keep(text, _) | Verdict::Hold(text) => {
                    let marks = body.chars().take_while(|c| *c == '#').count().min(6);
                    Verdict::Hold(format!("{} {text}", "#".repeat(marks)))
                }
                Verdict::Unsure { .. } => Verdict::Drop("unsupported"),
                dropped @ Verdict::Drop(_) => dropped,
            },
            Shape::Sentence => match self.prose(body, removed) {
                Verdict::Keep(text, on) if text.ends_with(':') && on.is_empty() => Verdict::Hold(text),
                verdict => verdict,
            },
        }
    }

    fn repeats_prompt(&self, text: &str) -> bool {
        tokens(text).windows(COPIED).any(|words| self.secrets.contains(words))
    }

    fn prose(&self, body: &str, removed: &mut dyn FnMut(Reason)) -> Verdict {
        let text = match self.cleaned(body, removed) {
            Ok(text) => text,
            Err(reason) => return Verdict::Drop(reason),
        };
        let (text, cited) = self.cited(&text, removed);
        let claim = Claim::of(&text, self.usual());
        if claim.words.is_empty() && claim.names.is_empty() && claim.facts.is_empty() {
            return if cited.is_empty() || !claim.plain.trim().is_empty() {
                Verdict::Hold(text)
            } else {
                Verdict::Drop("citation")
            };
        }
        if cited.is_empty() {
            self.uncited(text, &claim)
        } else {
            self.check_cited(text, cited, &claim, removed)
        }
    }

    pub(super) fn usual(&self) -> Option<&'static str> {
        self.passages.iter().find_map(|p| p.language)
    }

    /// Markdown without images, markup and links that lead elsewhere.
    pub(super) fn cleaned(&self, body: &str, removed: &mut dyn FnMut(Reason)) -> Result<String, Reason> {
        if DEFINITION.is_match(body) {
            return Err("link");
        }
        let text = IMAGE.replace_all(body, |_: &Captures<'_>| {
            removed("image");
            ""
        });
        if text.contains("![") {
            return Err("image");
        }
        let text = unlinked(&text);
        let text = html::plain(&text, |code| {
            self.passages.iter().any(|p| p.code.contains(&squeezed(code)))
        })
        .ok_or("html")?;
        let mut kept = Vec::new();
        let text = LINK.replace_all(&text, |c: &Captures<'_>| {
            let (words, target) = (&c[1], &c[2]);
            if CITATION.is_match(words) {
                return words.to_owned();
            }
            match target.split_once(':') {
                Some(("mailto" | "tel", address)) if words.contains(address) => words.to_owned(),
                Some(("mailto" | "tel", address)) => format!("{words} ({address})"),
                _ if self.links.allow(target) && target.contains("://") => {
                    kept.push(target.to_owned());
                    format!("[{words}]({target})")
                }
                _ => {
                    removed("link");
                    words.to_owned()
                }
            }
        });
        let bare = LINK.replace_all(&text, "$1");
        if bare.contains("](") || links::found(&bare).iter().any(|address| !self.links.allow(address)) {
            return Err("link");
        }
        let mut text = text.into_owned();
        // Half of a pair of marks has nothing to mark.
        if text.matches('`').count() % 2 == 1 {
            text = text.replace('`', "");
        }
        if text
            .split('`')
            .step_by(2)
            .map(|prose| prose.matches("**").count())
            .sum::<usize>()
            % 2
            == 1
        {
            text = prose(&text, |prose| prose.replace("**", ""));
        }
        Ok(text.trim().to_owned())
    }

    /// The text with citations of passages that there are, in one writing.
    pub(super) fn cited(&self, text: &str, removed: &mut dyn FnMut(Reason)) -> (String, Vec<usize>) {
        let mut cited = BTreeSet::new();
        let text = prose(text, |prose| {
            let mark = |c: &Captures<'_>| {
                let found = c.get(0).map_or(0, |found| found.start());
                if is_index(&prose[..found], &c[0]) {
                    return c[0].to_owned();
                }
                let list = c.get(1).or_else(|| c.get(2)).map_or("", |m| m.as_str());
                let numbers: Vec<usize> = list
                    .split([',', '-', '–'])
                    .filter_map(|n| n.trim().parse().ok())
                    .collect();
                let good: Vec<usize> = numbers
                    .iter()
                    .copied()
                    .filter(|n| (1..=self.passages.len()).contains(n))
                    .collect();
                (good.len()..numbers.len()).for_each(|_| removed("citation"));
                cited.extend(&good);
                let space = if c[0].starts_with([' ', '\u{a0}']) { " " } else { "" };
                let marks = marks(good);
                if marks.is_empty() {
                    String::new()
                } else {
                    format!("{space}{marks}")
                }
            };
            CITATION.replace_all(prose, mark).into_owned()
        });
        (text, cited.into_iter().collect())
    }

    fn check_cited(&self, text: String, cited: Vec<usize>, claim: &Claim, removed: &mut dyn FnMut(Reason)) -> Verdict {
        let weight = self.weigh(claim, &cited);
        if matches!(weight, Weight::Firm) {
            return Verdict::Keep(text, cited);
        }
        if let Some(right) = self.firm(claim) {
            removed("recited");
            return Verdict::Keep(recited(&text, right), vec![right]);
        }
        match weight {
            Weight::Unsure(share) => self.unsure(text, cited.clone(), &cited, claim, share),
            Weight::Firm => Verdict::Keep(text, cited),
            Weight::Not(reason) => Verdict::Drop(reason),
        }
    }

    fn uncited(&self, text: String, claim: &Claim) -> Verdict {
        if let Some(right) = self.firm(claim) {
            return if text.ends_with(':') {
                Verdict::Hold(text)
            } else {
                Verdict::Keep(text, vec![right])
            };
        }
        let all: Vec<usize> = (1..=self.passages.len()).collect();
        match self.weigh(claim, &all) {
            Weight::Firm => Verdict::Keep(text, self.nearest(claim).into_iter().collect()),
            Weight::Unsure(share) => self.unsure(text, self.nearest(claim).into_iter().collect(), &all, claim, share),
            Weight::Not(reason) => Verdict::Drop(reason),
        }
    }

    fn unsure(&self, text: String, on: Vec<usize>, among: &[usize], claim: &Claim, share: f64) -> Verdict {
        let said = among
            .iter()
            .flat_map(|n| self.passages[n - 1].sentences.iter().cloned());
        Verdict::Unsure {
            text,
            on,
            claim: claim.plain.clone(),
            said: said.collect(),
            enough: share >= ENOUGH && claim.words.len() > FEW,
        }
    }

    /// A passage that by itself says all of it.
    fn firm(&self, claim: &Claim) -> Option<usize> {
        (1..=self.passages.len()).find(|n| matches!(self.weigh(claim, &[*n]), Weight::Firm))
    }

    /// The passage with most of its words.
    pub(super) fn nearest(&self, claim: &Claim) -> Option<usize> {
        let share = |n: &usize| {
            claim
                .words
                .iter()
                .filter(|w| self.passages[n - 1].words.know(w))
                .count()
        };
        (1..=self.passages.len()).rev().max_by_key(share)
    }

    pub(super) fn weigh(&self, claim: &Claim, on: &[usize]) -> Weight {
        let told: Vec<&Known> = on
            .iter()
            .map(|n| &self.passages[n - 1])
            .chain([&self.trusted])
            .collect();
        let facts: Vec<&Facts> = told.iter().map(|known| known.facts()).collect();
        if let Some(kind) = claim.facts.beyond(&facts) {
            return Weight::Not(kind.as_str());
        }
        let know = |word: &String| told.iter().any(|t| t.words.know(word));
        if !claim.names.iter().chain(&claim.certain).all(know) {
            return Weight::Not("name");
        }
        let units = || on.iter().flat_map(|n| self.passages[*n - 1].units());
        if !claim.facts.is_empty()
            && let Some(kind) = amounts::astray(claim, &units().collect::<Vec<&Unit>>())
        {
            return Weight::Not(kind.as_str());
        }
        if let Some(kind) = bound::astray(claim, &told, &self.passages) {
            return Weight::Not(kind.as_str());
        }
        let hours = Hours::of(&claim.plain);
        if !hours.is_empty() && hours.are_others(&told.iter().map(|known| known.hours()).collect::<Vec<_>>()) {
            return Weight::Not("hours");
        }
        if subject::astray(claim, &told) {
            return Weight::Not("subject");
        }
        let said = || told.iter().flat_map(|t| &t.sentences);
        // What is denied on another page is denied.
        let anywhere = self.passages.iter().chain([&self.trusted]).flat_map(|t| &t.sentences);
        if negation::is_denied(&claim.plain, anywhere) {
            return Weight::Not("negation");
        }
        if claim.facts.promises_free() && !negation::denies(&claim.plain) {
            let bare = limits::is_without_condition(&claim.plain, said(), negation::denies);
            if bare || (!limits::is_conditional(&claim.plain) && bound::is_priced(claim, &told)) {
                return Weight::Not("promise");
            }
        }
        if limits::is_turned(&claim.plain, said(), negation::denies) {
            return Weight::Not("limit");
        }
        // The customer's own name supports nothing that is said of it.
        let words: Vec<&String> = claim.words.iter().filter(|w| !self.trusted.words.know(w)).collect();
        let count = words.len();
        let known = words.iter().filter(|w| know(w)).count();
        let share = if count == 0 { 1.0 } else { known as f64 / count as f64 };
        let anchored = !claim.facts.is_empty();
        let pairs = words.iter().filter(|w| !w.is_ascii() && w.chars().count() == 2).count() * 2 > count;
        // The words with which an amount is told are known wherever there are amounts; what it is told of must be.
        let told_of = (anchored && !pairs && hours.is_empty())
            .then(|| bound::share(claim, &told, &self.trusted.words))
            .flatten();
        let firm = if anchored || pairs { FIRM_WITH_FACTS } else { FIRM };
        if share >= firm && (anchored || count > 2 || known == count) && told_of.is_none_or(|share| share >= ENOUGH) {
            return Weight::Firm;
        }
        let share = told_of.map_or(share, |told_of| share.min(told_of).max(UNSURE));
        // In another language the words can't be the same. The visitor's language is one to answer in; what the passage tells must
        // show through all the same: by a fact, a name or a word that both languages have.
        let foreign = on.iter().all(|n| {
            self.passages[n - 1]
                .language
                .is_some_and(|l| claim.language.is_some_and(|c| c != l))
        });
        if foreign && claim.language == self.asked_in {
            if anchored && denied_abroad(claim, said()) {
                return Weight::Not("negation");
            }
            return if anchored || !claim.names.is_empty() {
                Weight::Firm
            } else {
                Weight::Unsure(share.min(ENOUGH / 2.0) + if known > 1 { ENOUGH } else { 0.0 })
            };
        }
        if share >= UNSURE {
            Weight::Unsure(share)
        } else {
            Weight::Not("unsupported")
        }
    }
}

/// Whether the sentences of another language that tell a claim's facts all deny, and the claim does not, or the other way round.
fn denied_abroad<'a>(claim: &Claim, said: impl Iterator<Item = &'a String>) -> bool {
    let mut telling = said
        .filter(|sentence| claim.facts.beyond(&[&Facts::told(sentence)]).is_none())
        .peekable();
    telling.peek().is_some() && telling.all(|sentence| !negation::may_say(&claim.plain, sentence))
}

/// Citations of passages.
pub fn marks(passages: impl IntoIterator<Item = usize>) -> String {
    passages
        .into_iter()
        .fold(String::new(), |marks, n| format!("{marks}[{n}]"))
}

/// Autolinks as addresses: `<https://…>`, `<a@b.c>`.
fn unlinked(text: &str) -> String {
    AUTOLINK.replace_all(text, "$1").into_owned()
}

/// The text with another citation in place of its own.
fn recited(text: &str, right: usize) -> String {
    let mut first = true;
    let mut mark = |before: &str, c: &Captures<'_>| {
        let space = if c[0].starts_with([' ', '\u{a0}']) { " " } else { "" };
        if is_index(before, &c[0]) {
            c[0].to_owned()
        } else if std::mem::take(&mut first) {
            format!("{space}[{right}]")
        } else {
            String::new()
        }
    };
    prose(text, |prose| {
        let mark = |c: &Captures<'_>| mark(&prose[..c.get(0).map_or(0, |found| found.start())], c);
        CITATION.replace_all(prose, mark).into_owned()
    })
}

/// The text with what stands between backticks as it is, and the rest changed.
fn prose(text: &str, mut change: impl FnMut(&str) -> String) -> String {
    let parts = text.split('`').enumerate();
    let changed: Vec<String> = parts
        .map(|(n, part)| if n % 2 == 0 { change(part) } else { part.to_owned() })
        .collect();
    changed.join("`")
}

/// Whether a number in brackets is the place in a list, as code has it, and not a citation: `sys.argv[1]`, `rows()[2]`.
fn is_index(before: &str, brackets: &str) -> bool {
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let word = word.trim_start_matches(['(', '"', '*']);
    let inside = |c: char| matches!(c, '.' | '_' | '(') && !word.ends_with(c);
    let code = word.chars().any(inside) && word.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ')'));
    brackets.starts_with('[') && code && !word.contains("://") && !word.contains(|c: char| c.is_ascii_digit())
}

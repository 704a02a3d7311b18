//! Whether a piece of an answer may be shown: what it says must be said by a passage, the one that it cites or another.
//!
//! Everything that can be wrong by itself (numbers, prices, dates, addresses, names, promises) must stand in the passage; of the
//! other words, most. Where words don't tell, since the sentence is a paraphrase or a translation, meaning may
//! ([`Verdict::Unsure`]). Only what is kept is seen.
use regex::{Captures, Regex};
use std::{
    collections::{BTreeSet, HashSet},
    sync::LazyLock,
};

use super::{
    super::sentences,
    dates,
    facts::Facts,
    html,
    links::{self, IMAGE, LINK, Links},
    split::{Piece, Shape},
    visible::folded,
    words::{Words, content, language, tokens},
};
use crate::retrieval::Passage;

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        #[expect(clippy::expect_used, reason = "a constant pattern, compiled by every test run")]
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).expect("a constant pattern"));
    };
}
pattern!(CITATION, r"[ \u{a0}]?(?:\[(\d{1,3}(?:\s*[,–-]\s*\d{1,3})*)\]|【(\d{1,3})[^】\n]{0,20}】)");
pattern!(DEFINITION, r"^\s*\[[^\]\n]+\]:");
pattern!(WORD, r"\p{L}[\p{L}\p{M}'’-]*");

/// As many words in a row as the prompt has are a copy of it.
const COPIED: usize = 6;
/// The share of the words of a sentence that a passage must have.
const FIRM: f64 = 0.6;
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

/// A passage, read.
struct Known {
    words: Words,
    facts: Facts,
    sentences: Vec<String>,
    code: HashSet<String>,
    lines: HashSet<String>,
    language: Option<&'static str>,
}

/// What an answer may rest on, and what must not be in it.
pub struct Judge {
    passages: Vec<Known>,
    /// What the customer says of itself in its settings.
    trusted: Known,
    links: Links,
    secrets: HashSet<Vec<String>>,
    boundary: String,
    asked_in: Option<&'static str>,
}

/// What a sentence says, read.
struct Claim {
    plain: String,
    words: Vec<String>,
    names: Vec<String>,
    facts: Facts,
    language: Option<&'static str>,
}

enum Weight {
    Firm,
    Unsure(f64),
    Not(Reason),
}

impl Judge {
    /// Answers to `question` may rest on `passages`, numbered from 1, and on `trusted`, and lead to `links`; nothing of `secret`,
    /// the prompt, may be repeated.
    pub fn new(question: &str, passages: &[&Passage], trusted: &str, mut links: Links, secret: &str, boundary: &str) -> Self {
        for passage in passages {
            links.name(&passage.text, &passage.url);
        }
        let told: Vec<Known> = passages.iter().map(|p| Known::of(&format!("{}\n{}\n{}", p.title, p.heading_path, p.text))).collect();
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
            return if cited.is_empty() || !claim.plain.trim().is_empty() { Verdict::Hold(text) } else { Verdict::Drop("citation") };
        }
        if cited.is_empty() { self.uncited(text, &claim) } else { self.check_cited(text, cited, &claim, removed) }
    }

    fn usual(&self) -> Option<&'static str> {
        self.passages.iter().find_map(|p| p.language)
    }

    /// Markdown without images, markup and links that lead elsewhere.
    fn cleaned(&self, body: &str, removed: &mut dyn FnMut(Reason)) -> Result<String, Reason> {
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
        let text = html::plain(&text, |code| self.passages.iter().any(|p| p.code.contains(&squeezed(code)))).ok_or("html")?;
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
        if text.matches("**").count() % 2 == 1 {
            text = text.replace("**", "");
        }
        if text.matches('`').count() % 2 == 1 {
            text = text.replace('`', "");
        }
        Ok(text.trim().to_owned())
    }

    /// The text with citations of passages that there are, in one writing.
    fn cited(&self, text: &str, removed: &mut dyn FnMut(Reason)) -> (String, Vec<usize>) {
        let mut cited = BTreeSet::new();
        let text = CITATION.replace_all(text, |c: &Captures<'_>| {
            let list = c.get(1).or_else(|| c.get(2)).map_or("", |m| m.as_str());
            let numbers: Vec<usize> = list.split([',', '-', '–']).filter_map(|n| n.trim().parse().ok()).collect();
            let good: Vec<usize> = numbers.iter().copied().filter(|n| (1..=self.passages.len()).contains(n)).collect();
            (good.len()..numbers.len()).for_each(|_| removed("citation"));
            cited.extend(&good);
            let space = if c[0].starts_with([' ', '\u{a0}']) { " " } else { "" };
            let marks: String = good.iter().map(|n| format!("[{n}]")).collect();
            if marks.is_empty() { String::new() } else { format!("{space}{marks}") }
        });
        (text.into_owned(), cited.into_iter().collect())
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
            return if text.ends_with(':') { Verdict::Hold(text) } else { Verdict::Keep(text, vec![right]) };
        }
        let all: Vec<usize> = (1..=self.passages.len()).collect();
        match self.weigh(claim, &all) {
            Weight::Firm => Verdict::Keep(text, self.nearest(claim).into_iter().collect()),
            Weight::Unsure(share) => self.unsure(text, self.nearest(claim).into_iter().collect(), &all, claim, share),
            Weight::Not(reason) => Verdict::Drop(reason),
        }
    }

    fn unsure(&self, text: String, on: Vec<usize>, among: &[usize], claim: &Claim, share: f64) -> Verdict {
        let said = among.iter().flat_map(|n| self.passages[n - 1].sentences.iter().cloned());
        Verdict::Unsure { text, on, claim: claim.plain.clone(), said: said.collect(), enough: share >= ENOUGH && claim.words.len() > FEW }
    }

    /// A passage that by itself says all of it.
    fn firm(&self, claim: &Claim) -> Option<usize> {
        (1..=self.passages.len()).find(|n| matches!(self.weigh(claim, &[*n]), Weight::Firm))
    }

    /// The passage with most of its words.
    fn nearest(&self, claim: &Claim) -> Option<usize> {
        let share = |n: &usize| claim.words.iter().filter(|w| self.passages[n - 1].words.know(w)).count();
        (1..=self.passages.len()).rev().max_by_key(share)
    }

    fn weigh(&self, claim: &Claim, on: &[usize]) -> Weight {
        let told: Vec<&Known> = on.iter().map(|n| &self.passages[n - 1]).chain([&self.trusted]).collect();
        let facts: Vec<&Facts> = told.iter().map(|t| &t.facts).collect();
        if let Some(kind) = claim.facts.beyond(&facts) {
            return Weight::Not(kind.as_str());
        }
        let know = |word: &String| told.iter().any(|t| t.words.know(word));
        if !claim.names.iter().all(know) {
            return Weight::Not("name");
        }
        // The customer's own name supports nothing that is said of it.
        let words: Vec<&String> = claim.words.iter().filter(|w| !self.trusted.words.know(w)).collect();
        let count = words.len();
        let known = words.iter().filter(|w| know(w)).count();
        let share = if count == 0 { 1.0 } else { known as f64 / count as f64 };
        let anchored = !claim.facts.is_empty();
        let pairs = words.iter().filter(|w| !w.is_ascii() && w.chars().count() == 2).count() * 2 > count;
        let firm = if anchored || pairs { FIRM_WITH_FACTS } else { FIRM };
        if share >= firm && (anchored || count > 2 || known == count) {
            return Weight::Firm;
        }
        // In another language the words can't be the same. The visitor's language is one to answer in; what the passage tells must
        // show through all the same: by a fact, a name or a word that both languages have.
        let foreign = on.iter().all(|n| self.passages[n - 1].language.is_some_and(|l| claim.language.is_some_and(|c| c != l)));
        if foreign && claim.language == self.asked_in {
            return if anchored || !claim.names.is_empty() { Weight::Firm } else { Weight::Unsure(share.min(ENOUGH / 2.0) + if known > 1 { ENOUGH } else { 0.0 }) };
        }
        if share >= UNSURE { Weight::Unsure(share) } else { Weight::Not("unsupported") }
    }

    /// Lines of code stand in a passage, or are made of its words.
    fn code(&self, body: &str, removed: &mut dyn FnMut(Reason)) -> Verdict {
        let lines: Vec<&str> = body.lines().collect();
        let Some((fence, rest)) = lines.split_first() else { return Verdict::Drop("unsupported") };
        let rest = match rest.split_last() {
            Some((last, inner)) if last.trim_start().starts_with(&fence[..3]) => inner,
            _ => rest,
        };
        let kept: Vec<&str> = rest.iter().copied().filter(|line| line.trim().is_empty() || self.code_line(line)).collect();
        let (all, left) = (rest.iter().filter(|l| !l.trim().is_empty()).count(), kept.iter().filter(|l| !l.trim().is_empty()).count());
        if left == 0 || left * 2 < all {
            return Verdict::Drop("unsupported");
        }
        (left..all).for_each(|_| removed("unsupported"));
        let info: String = fence[3..].trim_start_matches('`').chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '#')).take(20).collect();
        let on = self.nearest(&Claim::of(&kept.join(" "), None)).into_iter().collect();
        Verdict::Keep(format!("```{info}\n{}\n```", kept.join("\n")), on)
    }

    fn code_line(&self, line: &str) -> bool {
        let literal = squeezed(line);
        if self.passages.iter().any(|p| p.code.contains(&literal)) {
            return true;
        }
        let addresses = links::found(line);
        if html::plain(line, |_| false).as_deref() != Some(line) || addresses.iter().any(|a| !self.links.allow(a)) {
            return false;
        }
        if self.passages.iter().any(|p| p.lines.contains(&literal)) {
            return true;
        }
        let claim = Claim { names: Vec::new(), ..Claim::of(line, None) };
        let all: Vec<usize> = (1..=self.passages.len()).collect();
        matches!(self.weigh(&claim, &all), Weight::Firm)
    }

    /// Rows that passages support, under the words of the header that they know.
    fn table(&self, body: &str, removed: &mut dyn FnMut(Reason)) -> Verdict {
        let all: Vec<usize> = (1..=self.passages.len()).collect();
        let mut rows = Vec::new();
        let mut on = BTreeSet::new();
        for (n, line) in body.lines().enumerate() {
            if n == 1 && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ' | '\t')) {
                rows.push(line.to_owned());
                continue;
            }
            let row = self.cleaned(line, removed).map(|text| self.cited(&text, removed));
            let (text, cited) = match row {
                Ok(row) => row,
                Err(reason) => {
                    removed(reason);
                    continue;
                }
            };
            if n == 0 {
                rows.push(self.header(&text));
                continue;
            }
            let claim = Claim { names: Vec::new(), ..Claim::of(&text, self.usual()) };
            if claim.words.is_empty() && claim.facts.is_empty() {
                continue;
            }
            match self.weigh(&claim, &all) {
                Weight::Firm => {
                    on.extend(if cited.is_empty() { self.nearest(&claim).into_iter().collect() } else { cited });
                    rows.push(text);
                }
                Weight::Unsure(_) => removed("unsupported"),
                Weight::Not(reason) => removed(reason),
            }
        }
        if rows.len() < 3 { Verdict::Drop("unsupported") } else { Verdict::Keep(rows.join("\n"), on.into_iter().collect()) }
    }

    fn header(&self, line: &str) -> String {
        let known = |cell: &str| {
            let claim = Claim::of(cell, None);
            let all: Vec<&Facts> = self.passages.iter().map(|p| &p.facts).collect();
            claim.facts.beyond(&all).is_none() && claim.words.iter().all(|w| self.passages.iter().any(|p| p.words.know(w)))
        };
        let cells = line.split('|').map(|cell| if known(cell) { cell } else { "  " });
        cells.collect::<Vec<_>>().join("|")
    }
}

impl Known {
    fn of(text: &str) -> Self {
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
        let sentences = text.lines().flat_map(sentences::sentences).filter(|s| s.split_whitespace().count() > 1);
        Self {
            words: Words::of([bare.as_ref()]),
            facts: Facts::told(text),
            sentences: sentences.collect(),
            code,
            lines: text.lines().map(squeezed).collect(),
            language: language(text),
        }
    }
}

impl Claim {
    fn of(text: &str, usual: Option<&'static str>) -> Self {
        let plain = CITATION.replace_all(text, "");
        let plain = LINK.replace_all(&plain, "$1");
        let plain: String = links::without(&plain).chars().filter(|c| !matches!(c, '*' | '`' | '|' | '#')).collect();
        let language = language(&plain);
        Self {
            words: content(&plain),
            // German writes every noun with a capital.
            names: if language == Some("de") { Vec::new() } else { names(&plain) },
            facts: Facts::claimed(text, language.or(usual)),
            language,
            plain,
        }
    }
}

/// Words with a capital that no sentence begins with; days and months are facts.
fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for found in WORD.find_iter(text) {
        let word = found.as_str();
        let before = text[..found.start()].trim_end();
        let begins = before.is_empty() || before.ends_with(['.', '!', '?', ':', '"', '“', '„', '«', '(', '-', '–', '•', '/', '>', ';']);
        let capital = word.starts_with(char::is_uppercase) && word.chars().count() > 1;
        if capital && !begins && !content(word).is_empty() && dates::month(word).is_none() && dates::day(word).is_none() {
            names.push(folded(word.trim_end_matches(['\'', '’', '-']).trim_end_matches("'s").trim_end_matches("’s")));
        }
    }
    names.iter().flat_map(|name| tokens(name)).collect()
}

/// A line as it is compared: without white space at its ends, and single spaces in it.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Autolinks as addresses: `<https://…>`, `<a@b.c>`.
fn unlinked(text: &str) -> String {
    static AUTOLINK: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"<((?:[A-Za-z][A-Za-z0-9+.-]*:|[^\s<>@]+@)[^\s<>]*)>").ok());
    AUTOLINK.as_ref().map_or_else(|| text.to_owned(), |pattern| pattern.replace_all(text, "$1").into_owned())
}

/// The text with another citation in place of its own.
fn recited(text: &str, right: usize) -> String {
    let mut first = true;
    let text = CITATION.replace_all(text, |c: &Captures<'_>| {
        let space = if c[0].starts_with([' ', '\u{a0}']) { " " } else { "" };
        if std::mem::take(&mut first) { format!("{space}[{right}]") } else { String::new() }
    });
    text.into_owned()
}

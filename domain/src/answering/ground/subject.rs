//! Of whom or what a sentence speaks: with the words of one sentence and the name of another everything may be said.
//!
//! "The Tern is made for long tours. Beginners should take the Lake 10." has all words of "the Lake 10 is made for long tours". So of what a
//! claim names (with a number as "Lake 10", as a row or an item of a list begins, or behind the same word as another name: "to Oslo", "to
//! Bergen") some part of the passages has to tell no less of the rest than a part that names another of its sort.
//!
//! Amounts are compared by [`super::amounts`] and [`super::bound`]. What names nobody is left to the words.
use std::collections::BTreeMap;

use super::{
    amounts::{amounts, cells},
    bound::{leans, named_by_number, points_back, subjects},
    dates,
    facts::{sizes_claimed, sizes_told},
    judge::FIRM,
    read::{Claim, Known},
    visible::folded,
    words::{content, like},
};
use crate::answering::sentences::sentences;

pattern!(
    APART,
    r"[;:–—]\s+|,\s+(?:(?:and|but|while|whereas|und|aber|während|et|mais|y|pero|e|ma|en|maar)\s+)?(?:(?:the|der|die|das|le|la|el|il|het)\s)?"
);
pattern!(FULL_NAME, r"(?:^|[^\p{L}])(\p{Lu}\p{Ll}+) (\p{Lu}\p{Ll}+)\b");
pattern!(VALUE, r"\d[\d.,:]*");
pattern!(WORD, r"\p{L}[\p{L}\p{M}'’-]*");

/// A row, an item, or a clause.
pub struct Part {
    words: Vec<String>,
    context: Vec<String>,
    names: Vec<Name>,
    /// What a row or an item begins with.
    head: Vec<String>,
    sizes: Vec<String>,
    /// Its numbers, as they are written: of rows and items alone.
    values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    /// In small letters; behind its number, if it has one.
    key: String,
    sort: Sort,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Sort {
    /// With a number, or as a row begins.
    Thing,
    /// A name of two words, both with a capital.
    Full,
    /// A capital, behind this word.
    Behind(String),
}

/// The parts of a passage in this language.
pub fn parts(text: &str, language: Option<&str>) -> Vec<Part> {
    let heads = heads(text);
    let mut parts: Vec<Part> = Vec::new();
    let mut context: Vec<String> = Vec::new();
    for line in text.lines() {
        if let Some(head) = head_of(line) {
            let own: Vec<String> = unique(&head, &heads);
            parts.push(Part {
                words: content(line),
                context: context.clone(),
                names: names(line, &heads, language),
                head: own,
                sizes: sizes_told(line),
                values: values(line),
            });
            continue;
        }
        let short = line.split_whitespace().count() <= HEADING && !line.trim_end().ends_with(['.', '!', ';', ',']);
        if line.starts_with('#') || (short && !line.trim().is_empty()) {
            context.extend(content(line));
        }
        for sentence in sentences(line) {
            for (n, clause) in clauses(&sentence).into_iter().enumerate() {
                let back = (n == 0 && leans(clause)) || points_back(clause);
                let before = parts.last().filter(|_| back);
                let mut context = context.clone();
                let mut own = names(clause, &heads, language);
                if let Some(before) = before {
                    context.extend(before.words.iter().chain(&before.context).cloned());
                    own.extend(before.names.iter().cloned());
                }
                parts.push(Part {
                    words: content(clause),
                    context,
                    names: own,
                    head: Vec::new(),
                    sizes: sizes_told(clause),
                    values: Vec::new(),
                });
            }
        }
    }
    parts
}

const HEADING: usize = 12;

/// A sentence's clauses; an article at the beginning of one stays with it.
fn clauses(sentence: &str) -> Vec<&str> {
    let (mut clauses, mut begin) = (Vec::new(), 0);
    for mark in APART.find_iter(sentence) {
        let words = mark
            .as_str()
            .trim_end()
            .rsplit(char::is_whitespace)
            .next()
            .unwrap_or_default();
        let article = ARTICLES.contains(&words);
        if mark.as_str().starts_with(',') && !article && mark.as_str().split_whitespace().count() < 2 {
            continue;
        }
        clauses.push(&sentence[begin..mark.start()]);
        begin = if article {
            mark.end() - words.len() - 1
        } else {
            mark.end()
        };
    }
    clauses.push(&sentence[begin..]);
    clauses
}

const ARTICLES: [&str; 9] = ["the", "der", "die", "das", "le", "la", "el", "il", "het"];

/// What the line of a table or a list begins with.
fn head_of(line: &str) -> Option<Vec<String>> {
    let line = line.trim();
    if line.starts_with('|') {
        return cells(line)
            .first()
            .map(|cell| content(cell))
            .filter(|head| !head.is_empty());
    }
    let item = line.strip_prefix(['-', '*', '+', '•'])?.strip_prefix(' ')?;
    let about = [": ", " – ", " — "].iter().find_map(|mark| item.split_once(mark))?.0;
    Some(content(about)).filter(|head| !head.is_empty() && head.len() <= HEADING)
}

/// How many rows and items begin with each word.
fn heads(text: &str) -> BTreeMap<String, usize> {
    let mut heads = BTreeMap::new();
    for word in text.lines().filter_map(head_of).flatten() {
        *heads.entry(word).or_default() += 1;
    }
    heads
}

/// Words that only one row begins with.
fn unique(head: &[String], heads: &BTreeMap<String, usize>) -> Vec<String> {
    head.iter()
        .filter(|word| heads.get(*word) == Some(&1))
        .cloned()
        .collect()
}

/// The numbers of a text that are no part of a name.
fn values(text: &str) -> Vec<String> {
    let named: Vec<String> = named_by_number(text);
    let is_named = |value: &str| named.iter().any(|name| name.starts_with(&format!("{value}#")));
    VALUE
        .find_iter(text)
        .map(|found| found.as_str().trim_end_matches(['.', ',', ':']).to_owned())
        .filter(|value| !is_named(value))
        .collect()
}

/// What a text names. German writes every noun with a capital.
fn names(text: &str, heads: &BTreeMap<String, usize>, language: Option<&str>) -> Vec<Name> {
    let thing = |key: String| Name { key, sort: Sort::Thing };
    let mut names: Vec<Name> = named_by_number(text).into_iter().map(thing).collect();
    if language != Some("de") {
        let full = FULL_NAME.captures_iter(text).filter(|c| {
            [1, 2]
                .iter()
                .any(|n| c.get(*n).is_some_and(|word| !content(word.as_str()).is_empty()))
        });
        names.extend(full.map(|c| Name {
            key: folded(&c[2]),
            sort: Sort::Full,
        }));
    }
    let mut before: Option<String> = None;
    for found in WORD.find_iter(text) {
        let word = folded(found.as_str().trim_end_matches("'s").trim_end_matches("’s"));
        let numbered = names.iter().any(|name| name.key.ends_with(&format!("#{word}")));
        let capital = found.as_str().starts_with(char::is_uppercase) && found.as_str().chars().count() > 1;
        let says = !content(&word).is_empty() && dates::month(&word).is_none() && dates::day(&word).is_none();
        if capital && says && !numbered {
            if heads.get(&word) == Some(&1) {
                names.push(thing(word.clone()));
            } else if let Some(behind) = before.filter(|_| language != Some("de")) {
                names.push(Name {
                    key: word.clone(),
                    sort: Sort::Behind(behind),
                });
            }
        }
        let ends = text[found.end()..].starts_with(['.', '!', '?', ':', ',', ';', '(']);
        before = Some(word).filter(|word| !ends && content(word).is_empty());
    }
    names
}

impl Part {
    fn has(&self, key: &str) -> bool {
        let said = |word: &str| self.words.iter().chain(&self.context).any(|own| like(word, own));
        match key.split_once('#') {
            None => said(key),
            Some((_, name)) => {
                let of_name = |other: &&Name| other.key.ends_with(&format!("#{name}"));
                self.names.iter().any(|own| own.key == key)
                    || (said(name) && !self.names.iter().any(|own| of_name(&own)))
            }
        }
    }

    fn share(&self, rest: &[&String], with_context: bool) -> f64 {
        let context = self.context.iter().filter(|_| with_context);
        let said: Vec<&String> = self.words.iter().chain(context).collect();
        let known = rest.iter().filter(|word| said.iter().any(|own| like(word, own)));
        known.count() as f64 / rest.len() as f64
    }
}

/// Whether the passages tell what a claim says of something else of the sort that it names.
pub fn astray(claim: &Claim, on: &[&Known]) -> bool {
    let parts: Vec<&Part> = on.iter().flat_map(|known| known.parts()).collect();
    let mut claimed: Vec<Name> = names(&claim.plain, &BTreeMap::new(), claim.language);
    let heads = claim.words.iter().filter(|word| {
        let begins = |part: &Part| part.head.iter().any(|head| like(head, word));
        parts.iter().any(|part| begins(part))
    });
    claimed.extend(heads.map(|word| Name {
        key: word.clone(),
        sort: Sort::Thing,
    }));
    claimed.iter().any(|name| is_another_s(name, &claimed, claim, &parts))
}

fn is_another_s(name: &Name, claimed: &[Name], claim: &Claim, parts: &[&Part]) -> bool {
    let own = name.key.rsplit('#').next().unwrap_or(&name.key);
    let spoken: Vec<String> = subjects(&claim.plain);
    let known = |word: &&String| parts.iter().any(|part| part.words.iter().any(|own| like(word, own)));
    let rest: Vec<&String> = spoken
        .iter()
        .filter(|word| !word.contains('#') && !like(word, own))
        .filter(known)
        .collect();
    let (with, without): (Vec<&&Part>, Vec<&&Part>) = parts.iter().partition(|part| part.has(&name.key));
    if rest.is_empty() || with.is_empty() {
        return false;
    }
    let said = |key: &str| {
        let word = key.rsplit('#').next().unwrap_or(key);
        claimed.iter().any(|other| other.key == key)
            || (!key.contains('#') && claim.words.iter().any(|own| like(own, word)))
    };
    let of_another = |part: &Part| {
        let row = !part.head.is_empty() && name.sort == Sort::Thing && !part.head.iter().any(|head| said(head));
        row || part
            .names
            .iter()
            .any(|other| other.sort == name.sort && !said(&other.key))
    };
    let sizes = sizes_claimed(&claim.plain);
    let has_size = |part: &Part| sizes.iter().any(|size| part.sizes.contains(size));
    let values = values(&claim.plain);
    let has_value = |part: &Part| values.iter().any(|value| part.values.contains(value));
    let tells = |has: &dyn Fn(&Part) -> bool| {
        without.iter().any(|part| has(part) && of_another(part)) && !with.iter().any(|part| has(part))
    };
    if (with.iter().any(|part| !part.sizes.is_empty()) && tells(&has_size))
        || (with.iter().any(|part| !part.values.is_empty()) && tells(&has_value))
    {
        return true;
    }
    // Others see to whose amounts are.
    if !amounts(&claim.plain).is_empty() {
        return false;
    }
    let theirs = with.iter().map(|part| part.share(&rest, true)).fold(0.0, f64::max);
    without.iter().any(|part| {
        let share = part.share(&rest, false);
        if share < FIRM || share <= theirs {
            return false;
        }
        let of_another_row =
            !part.head.is_empty() && name.sort == Sort::Thing && !part.head.iter().any(|head| said(head));
        let same_sort = |other: &&Name| other.sort == name.sort && !said(&other.key);
        let another = part.names.iter().find(same_sort);
        let whole = || {
            let others = |word: &&String| {
                let named = |other: &Name| like(other.key.rsplit('#').next().unwrap_or_default(), word);
                !part.names.iter().any(named)
            };
            part.words
                .iter()
                .filter(others)
                .all(|word| claim.words.iter().any(|own| like(own, word)))
        };
        of_another_row || (another.is_some() && (rest.len() > 1 || whole()))
    })
}

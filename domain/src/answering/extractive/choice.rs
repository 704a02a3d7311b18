//! Which pieces of a section are quoted: within so many words, in their order, each with what it can't be understood without.
use super::{section::Worth, words};
use crate::answering::sentences::{Kind, Piece};

/// Lines of code that an answer shows.
const CODE_LINES: usize = 24;
/// Pieces this far behind the best are left out, and when the answer says something already, those this far behind.
const FAR: f32 = 0.2;
const FAR_WHEN_LONG: f32 = 0.1;
const LONG: usize = 45;
/// A procedure of no more words is never cut.
const WHOLE_STEPS: usize = 350;

/// A choice to be made.
pub(super) struct Choice<'a> {
    pub pieces: &'a [Piece],
    pub worth: &'a Worth,
    pub budget: usize,
    /// Words more that a procedure may have that is too long to be shown whole; nothing where answers are short at any price.
    pub steps: usize,
}

impl Choice<'_> {
    /// The beginning of the section.
    pub fn beginning(&self) -> Vec<usize> {
        let mut chosen: Vec<usize> = Vec::new();
        let mut used = 0;
        for i in 0..self.pieces.len() {
            let (cost, kind) = (words(&self.pieces[i].text), self.pieces[i].kind);
            let limit = match kind {
                Kind::Step if self.stays_whole(i) => usize::MAX,
                Kind::Step => self.budget + self.steps,
                _ => self.budget,
            };
            if self.is_long_code(i) || (used + cost > limit && !chosen.is_empty()) {
                break;
            }
            used += cost;
            chosen.push(i);
        }
        self.without_loose_end(chosen)
    }

    /// What is nearest to the question within the budget, in order.
    pub fn nearest(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.pieces.len()).filter(|i| !self.is_long_code(*i)).collect();
        order.sort_by(|a, b| self.worth.of(*b).total_cmp(&self.worth.of(*a)));
        let best = order.first().map_or(0.0, |i| self.worth.of(*i));
        // The fact that is asked for must not fall to sentences that only speak of it.
        let told = |i: &usize| self.worth.holds_fact(*i) && self.worth.of(*i) >= best - FAR;
        if let Some(at) = order.iter().position(told) {
            order[..=at].rotate_right(1);
        }
        let mut chosen: Vec<usize> = Vec::new();
        let mut used = 0;
        for i in order {
            let far = if used >= LONG { FAR_WHEN_LONG } else { FAR };
            if chosen.contains(&i) || (!chosen.is_empty() && self.worth.of(i) < best - far) {
                continue;
            }
            let mut with = self.with_needed(i);
            with.retain(|n| !chosen.contains(n));
            let cost: usize = with.iter().map(|n| words(&self.pieces[*n].text)).sum();
            let extra = if self.pieces[i].kind == Kind::Step {
                self.steps
            } else {
                0
            };
            if used + cost > self.budget + extra && !chosen.is_empty() {
                continue;
            }
            used += cost;
            chosen.extend(with);
        }
        chosen.sort_unstable();
        chosen.dedup();
        self.within(chosen)
    }

    /// A piece with what it makes no sense without, in order.
    fn with_needed(&self, i: usize) -> Vec<usize> {
        let piece = &self.pieces[i];
        let members = self.group(i);
        let mut with: Vec<usize> = match piece.kind {
            Kind::Sentence | Kind::Code => vec![i],
            Kind::Step => members.clone().collect(),
            Kind::Item | Kind::Row => {
                let all: usize = members.clone().map(|n| words(&self.pieces[n].text)).sum();
                if all <= self.budget / 2 {
                    members.clone().collect()
                } else {
                    vec![i]
                }
            }
        };
        let mut first = *members.start();
        // A few sentences back at most: further off nobody looks for what "it" is.
        for _ in 0..3 {
            if !self.leans_back(first) {
                break;
            }
            first -= 1;
            with.insert(0, first);
        }
        if piece.kind == Kind::Sentence && piece.text.ends_with(':') {
            with.extend(self.announced(i));
        }
        with
    }

    /// What follows a sentence that announces it, as far as it may be shown.
    fn announced(&self, i: usize) -> Vec<usize> {
        let Some(next) = self.pieces.get(i + 1) else {
            return Vec::new();
        };
        match next.kind {
            Kind::Sentence => vec![i + 1],
            Kind::Code if self.is_long_code(i + 1) => Vec::new(),
            Kind::Step if self.stays_whole(i + 1) => self.group(i + 1).collect(),
            _ => {
                let mut left = self.budget;
                let fits = |n: &usize| {
                    let cost = words(&self.pieces[*n].text);
                    let fits = cost <= left;
                    left = left.saturating_sub(cost);
                    fits
                };
                self.group(i + 1).take_while(fits).collect()
            }
        }
    }

    /// The pieces of a list or table that a piece belongs to; of a sentence, itself.
    fn group(&self, i: usize) -> std::ops::RangeInclusive<usize> {
        let piece = &self.pieces[i];
        if matches!(piece.kind, Kind::Sentence | Kind::Code) {
            return i..=i;
        }
        let same = |n: &usize| self.pieces[*n].group == piece.group;
        let first = (0..i).rev().take_while(same).last().unwrap_or(i);
        let last = (i + 1..self.pieces.len()).take_while(same).last().unwrap_or(i);
        first..=last
    }

    /// Whether a piece is a step of a procedure that is shown whole or not at all.
    fn stays_whole(&self, i: usize) -> bool {
        let all = || self.group(i).map(|n| words(&self.pieces[n].text)).sum::<usize>();
        self.steps > 0 && self.pieces[i].kind == Kind::Step && all() <= WHOLE_STEPS
    }

    /// Whether a piece makes no sense without the one before it.
    fn leans_back(&self, i: usize) -> bool {
        let Some(before) = i.checked_sub(1).map(|n| &self.pieces[n]) else {
            return false;
        };
        let piece = &self.pieces[i];
        before.heading == piece.heading
            && match piece.kind {
                Kind::Sentence => piece.continues || (before.kind == Kind::Sentence && leans(&piece.text)),
                Kind::Step | Kind::Item | Kind::Row => before.kind == Kind::Sentence && before.text.ends_with(':'),
                Kind::Code => before.kind == Kind::Sentence,
            }
    }

    fn is_long_code(&self, i: usize) -> bool {
        let piece = &self.pieces[i];
        piece.kind == Kind::Code && piece.text.lines().count() > CODE_LINES + 2
    }

    /// Cut to the budget, should a single choice be longer.
    fn within(&self, chosen: Vec<usize>) -> Vec<usize> {
        let steps = chosen.iter().any(|i| self.pieces[*i].kind == Kind::Step);
        let limit = self.budget + if steps { self.steps } else { 0 };
        let mut used = 0;
        let mut kept = Vec::new();
        for i in chosen {
            used += words(&self.pieces[i].text);
            if used > limit && !kept.is_empty() && !self.stays_whole(i) {
                break;
            }
            kept.push(i);
        }
        self.without_loose_end(kept)
    }

    /// Without a last sentence that announces what is not there.
    fn without_loose_end(&self, mut chosen: Vec<usize>) -> Vec<usize> {
        while chosen.len() > 1
            && chosen
                .last()
                .is_some_and(|i| self.pieces[*i].kind == Kind::Sentence && self.pieces[*i].text.ends_with(':'))
        {
            chosen.pop();
        }
        chosen
    }
}

/// Words that point back at what was said before.
#[rustfmt::skip]
const POINTING: [&str; 74] = [
    "this", "that", "these", "those", "it", "its", "they", "them", "their", "he", "she", "his", "her", "such",
    "however", "also", "then", "but", "otherwise", "instead", "so", "therefore", "thus", "hence", "moreover",
    "furthermore", "additionally", "similarly", "likewise", "nevertheless", "still", "conversely", "and", "or",
    "both", "here", "dies", "diese", "dieser", "dieses", "das", "er", "sie", "es", "sonst", "dann", "aber",
    "auch", "jedoch", "daher", "deshalb", "außerdem", "danach", "dabei", "dafür", "dazu", "damit", "cela", "ceci",
    "ce", "il", "elle", "ils", "elles", "mais", "cependant", "esto", "eso", "sin", "pero", "questo", "però",
    "dit", "deze",
];
/// The same in several words.
#[rustfmt::skip]
const POINTING_PHRASES: [&str; 13] = [
    "if set to", "for example", "for instance", "in this case", "in that case", "in addition", "as a result", "on the other hand", "the latter", "the former", "the same", "zum beispiel", "par exemple",
];

/// Whether a sentence begins with a word that points back.
fn leans(text: &str) -> bool {
    let lower = text.trim_start_matches(['"', '(', '“', '*']).to_lowercase();
    let first = lower.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    POINTING.contains(&first) || POINTING_PHRASES.iter().any(|phrase| lower.starts_with(phrase))
}

//! The answer without a model: the site's own sentences, quoted.
//!
//! A short section is quoted whole, and one whose heading is the question from its beginning. Of others the sentences nearest to the
//! question are kept, in their order, each with what it can't be understood without: the sentence that it leans on, the line that
//! announces a list, all steps of a procedure.
use super::{
    expected::{Expected, plain},
    sentences::{Kind, Piece, pieces},
};
use crate::{answering::support::akin, retrieval::Passage};

/// Words of an answer from chosen sentences; of simplified answers as well.
const WORDS: usize = 110;
const SIMPLIFIED_WORDS: usize = 72;
/// Words of a section that is quoted whole.
const SHORT: usize = 85;
/// Words of an answer from a section that asks the same question: its author has already kept it short.
const SAME_WORDS: usize = 130;
/// How much longer than asked for an answer may be, if only so the steps of a list stay together.
const STEPS_WORDS: usize = 90;
/// Lines of code that an answer shows.
const CODE_LINES: usize = 24;
/// A heading this near to the question asks the same.
const SAME_QUESTION: f32 = 0.75;
/// How much more such a section is worth than its heading's nearness says: its author meant it to answer.
const SAME_WORTH: f32 = 0.4;
/// How much a piece gains that holds the kind of fact that is asked for.
const FACT: f32 = 0.1;
/// How much a sentence loses that answers nothing by itself: that asks, leads elsewhere, or is a title in capitals.
const IDLE: f32 = 0.6;
/// Pieces this far behind the best are left out, and when the answer says something already, those this far behind.
const FAR: f32 = 0.2;
const FAR_WHEN_LONG: f32 = 0.1;
const LONG: usize = 45;

/// A section to answer from.
pub struct Section {
    heading: String,
    /// What its sentences are about: its heading, and what that stands under.
    context: String,
    pieces: Vec<Piece>,
}

/// What a section's pieces are worth for a question.
pub struct Worth {
    /// How near the heading is to the question.
    heading: f32,
    /// Each piece's nearness, more where it holds the kind of fact that is asked for.
    pieces: Vec<f32>,
    /// Of each piece, how many words of the question it has.
    shared: Vec<usize>,
    /// A kind of fact is asked for that no piece holds.
    pub no_fact: bool,
}

impl Worth {
    /// Of the nearness of [`Section::texts`].
    pub fn new(section: &Section, near: &[f32], question: &str) -> Self {
        let expected = Expected::of(question);
        let asked = plain(question);
        let asked: Vec<&str> = asked
            .split_whitespace()
            .filter(|word| word.chars().count() > 2)
            .collect();
        let shared = |p: &Piece| {
            let said = plain(&p.text);
            asked
                .iter()
                .filter(|word| said.split(' ').any(|other| akin(word, other)))
                .count()
        };
        let fact = |p: &Piece| expected.is_some_and(|e| e.is_in(&p.text));
        let pieces = section.pieces.iter().zip(near.iter().skip(1));
        Self {
            heading: near.first().copied().unwrap_or(0.0),
            pieces: pieces
                .map(|(p, near)| near + if fact(p) { FACT } else { 0.0 } - if is_idle(p) { IDLE } else { 0.0 })
                .collect(),
            shared: section.pieces.iter().map(shared).collect(),
            no_fact: expected.is_some() && !section.pieces.iter().any(fact),
        }
    }

    /// What the section is worth: its best piece, or its heading, if that asks the same.
    pub fn best(&self) -> f32 {
        let heading = if self.asks_the_same() {
            self.heading + SAME_WORTH
        } else {
            0.0
        };
        self.pieces.iter().copied().fold(heading, f32::max)
    }

    fn asks_the_same(&self) -> bool {
        self.heading >= SAME_QUESTION
    }

    fn of(&self, piece: usize) -> f32 {
        self.pieces.get(piece).copied().unwrap_or(0.0)
    }
}

impl Section {
    /// The section that `best` belongs to, of the texts of its chunks in order.
    pub fn new(best: &Passage, texts: &[String]) -> Self {
        let heading = best.heading_path.rsplit(" > ").next().unwrap_or(&best.title).to_owned();
        let mut seen = std::collections::HashSet::new();
        let mut pieces = pieces(&texts.join("\n\n"));
        let says = |p: &Piece| p.text.contains(char::is_alphabetic);
        pieces.retain(|p| p.kind != Kind::Sentence || (says(p) && seen.insert(p.text.clone())));
        let context = match best.heading_path.rsplit(" > ").nth(1) {
            Some(above) => format!("{above}: {heading}"),
            None => heading.clone(),
        };
        Self {
            heading,
            context,
            pieces,
        }
    }

    /// Whether there is nothing to quote.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The pieces without the rows that others answer: of a table in which few rows share the most words with the question, only
    /// these are meant.
    fn told(&self, worth: &Worth) -> (Vec<Piece>, Worth) {
        let of = |i: usize| worth.shared.get(i).copied().unwrap_or(0);
        let rows = |group: usize| {
            let own = move |(_, p): &(usize, &Piece)| p.kind == Kind::Row && p.group == group;
            self.pieces.iter().enumerate().filter(own).map(|(i, _)| i)
        };
        let meant = |i: usize, p: &Piece| {
            let most = rows(p.group).map(of).max().unwrap_or(0);
            let (all, best) = (rows(p.group).count(), rows(p.group).filter(|n| of(*n) == most).count());
            p.kind != Kind::Row || most == 0 || best * 2 > all || of(i) == most
        };
        let kept: Vec<usize> = (0..self.pieces.len()).filter(|i| meant(*i, &self.pieces[*i])).collect();
        let worth = Worth {
            heading: worth.heading,
            pieces: kept.iter().map(|i| worth.of(*i)).collect(),
            shared: kept.iter().map(|i| of(*i)).collect(),
            no_fact: worth.no_fact,
        };
        (kept.iter().map(|i| self.pieces[*i].clone()).collect(), worth)
    }

    /// The texts whose nearness to the question [`Worth`] needs: the heading, then each piece.
    pub fn texts(&self) -> Vec<String> {
        let text = |p: &Piece| match &p.heading {
            Some(heading) => format!("{}: {heading}: {}", self.context, p.text),
            None => format!("{}: {}", self.context, p.text),
        };
        std::iter::once(self.heading.clone())
            .chain(self.pieces.iter().map(text))
            .collect()
    }
}

/// Writes what the section says to the question; empty if it says nothing. `share` of the usual length is used.
pub fn compose(section: &Section, worth: &Worth, simplified: bool, share: f32) -> String {
    let (kept, worth) = &section.told(worth);
    let pieces = kept.as_slice();
    let same = worth.asks_the_same();
    let budget = match (simplified, same) {
        (true, _) => SIMPLIFIED_WORDS,
        (false, true) => SAME_WORDS,
        (false, false) => WORDS,
    };
    let choice = Choice {
        pieces,
        worth,
        budget: (budget as f32 * share) as usize,
        steps: if simplified { 0 } else { STEPS_WORDS },
    };
    let whole: usize = pieces.iter().map(|p| words(&p.text)).sum();
    let one = pieces.windows(2).all(|pair| pair[0].heading == pair[1].heading);
    let chosen = if (whole <= SHORT.min(choice.budget) && one) || same {
        choice.beginning()
    } else {
        choice.nearest()
    };
    render(pieces, &chosen)
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

struct Choice<'a> {
    pieces: &'a [Piece],
    worth: &'a Worth,
    budget: usize,
    /// Words more that a procedure may have.
    steps: usize,
}

impl Choice<'_> {
    /// The beginning of the section.
    fn beginning(&self) -> Vec<usize> {
        let mut chosen: Vec<usize> = Vec::new();
        let mut used = 0;
        for i in 0..self.pieces.len() {
            let (cost, kind) = (words(&self.pieces[i].text), self.pieces[i].kind);
            let limit = match kind {
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
    fn nearest(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.pieces.len()).filter(|i| !self.is_long_code(*i)).collect();
        order.sort_by(|a, b| self.worth.of(*b).total_cmp(&self.worth.of(*a)));
        let best = order.first().map_or(0.0, |i| self.worth.of(*i));
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
            if used > limit && !kept.is_empty() {
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

/// Whether a sentence answers nothing by itself.
fn is_idle(piece: &Piece) -> bool {
    const LEADS: [&str; 10] = [
        "see ",
        "please refer to",
        "please see",
        "refer to",
        "siehe ",
        "voir ",
        "véase ",
        "vedi ",
        "zie ",
        "more about ",
    ];
    let lower = piece.text.to_lowercase();
    let sends = lower.starts_with("for ") && lower.contains(", see ");
    let shouts = piece.text.chars().any(char::is_uppercase)
        && !piece.text.chars().any(char::is_lowercase)
        && piece.text.len() > 12;
    let asks = piece.kind != Kind::Code && piece.text.ends_with('?');
    asks || (piece.kind == Kind::Sentence && (sends || shouts || LEADS.iter().any(|lead| lower.starts_with(lead))))
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
    "if set to", "for example", "for instance", "in this case", "in that case", "in addition", "as a result", "on
    the other hand", "the latter", "the former", "the same", "zum beispiel", "par exemple",
];

/// Whether a sentence begins with a word that points back.
fn leans(text: &str) -> bool {
    let lower = text.trim_start_matches(['"', '(', '“', '*']).to_lowercase();
    let first = lower.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    POINTING.contains(&first) || POINTING_PHRASES.iter().any(|phrase| lower.starts_with(phrase))
}

fn render(pieces: &[Piece], chosen: &[usize]) -> String {
    let mut out = String::new();
    let mut last: Option<usize> = None;
    for &i in chosen {
        let piece = &pieces[i];
        if let Some(before) = last {
            let follows = i == before + 1;
            let sentences = piece.kind == Kind::Sentence && pieces[before].kind == Kind::Sentence;
            out.push_str(match () {
                () if sentences && follows && !piece.starts_paragraph => " ",
                () if piece.group == pieces[before].group && !sentences => "\n",
                () => "\n\n",
            });
        }
        let under = last.and_then(|before| pieces[before].heading.as_ref());
        if let Some(heading) = piece.heading.as_ref().filter(|h| Some(*h) != under) {
            out.extend(["**", heading, "**\n\n"]);
        }
        out.push_str(&piece.text);
        last = Some(i);
    }
    out
}

/// Where the mark of the source stands: behind the last word, below code.
pub fn cited(body: &str, n: usize) -> String {
    let gap = if body.ends_with("```") { "\n\n" } else { " " };
    format!("{body}{gap}[{n}]")
}

/// The share of the question's words that a text has: what nearness is without a model.
pub fn shared_words(question: &str, text: &str) -> f32 {
    let (asked, said) = (plain(question), plain(text));
    let words: Vec<&str> = asked.split(' ').filter(|word| word.len() > 3).collect();
    let known = words.iter().filter(|word| said.contains(&format!(" {word}"))).count();
    known as f32 / words.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answering::support::tests::passage;

    fn section(text: &str) -> Section {
        Section::new(&passage(Some(0.8), 1.0, text), &[text.to_owned()])
    }

    /// An answer where the pieces that contain one of `near` are near to the question.
    fn answer(text: &str, near: &[&str], simplified: bool) -> String {
        let section = section(text);
        let value = |t: &String| if near.iter().any(|n| t.contains(n)) { 0.8 } else { 0.1 };
        let worth = Worth::new(&section, &section.texts().iter().map(value).collect::<Vec<_>>(), "zzz");
        compose(&section, &worth, simplified, 1.0)
    }

    fn filler(n: usize) -> String {
        let sentence =
            |i| format!("Lorem {i} ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor. ");
        (0..n).map(sentence).collect()
    }

    #[test]
    fn a_short_section_is_quoted_whole() {
        let text = "Parcels arrive in 2-4 days. Shipping costs 4.90 EUR.\n\nCarriers:\n\n- DHL\n- UPS";
        assert_eq!(answer(text, &[], false), text);
    }

    #[test]
    fn of_a_long_section_the_nearest_sentences_are_kept_in_order() {
        let text = format!(
            "Returns are free for 60 days. {} The refund takes five days.",
            filler(12)
        );
        let answer = answer(&text, &["Returns", "refund"], true);
        assert_eq!(answer, "Returns are free for 60 days.\n\nThe refund takes five days.");
    }

    #[test]
    fn steps_come_whole_with_the_sentence_that_announces_them() {
        let text = format!(
            "{}\n\nTo return a parcel:\n\n1. Print the label.\n2. Hand it in.",
            filler(12)
        );
        assert_eq!(
            answer(&text, &["Hand"], false),
            "To return a parcel:\n\n1. Print the label.\n2. Hand it in."
        );
    }

    #[test]
    fn of_a_long_table_the_row_that_answers_is_kept() {
        let rows: Vec<String> = (0..40)
            .map(|n| format!("| Country {n} | {n} days | {n} EUR |\n"))
            .collect();
        let rows = rows.concat();
        let text = format!("| Where | Time | Price |\n|---|---|---|\n{rows}");
        assert_eq!(
            answer(&text, &["Country 17 "], false),
            "- Country 17 – Time: 17 days; Price: 17 EUR"
        );
    }

    #[test]
    fn a_sentence_that_points_back_brings_what_it_points_at() {
        let text = format!(
            "{}\n\nThe label is free. It is sent by e-mail. {}",
            filler(6),
            filler(6)
        );
        assert_eq!(
            answer(&text, &["sent by"], false),
            "The label is free. It is sent by e-mail."
        );
    }

    #[test]
    fn an_answer_does_not_end_with_an_announcement() {
        let code = format!("```\n{}```", "x = 1\n".repeat(40));
        let text = format!("How to do it?\n\nUse a loop. Like this:\n\n{code}");
        let section = section(&text);
        let worth = Worth::new(&section, &[0.9, 0.5, 0.5, 0.5, 0.5], "zzz");
        assert_eq!(compose(&section, &worth, false, 1.0), "How to do it?\n\nUse a loop.");
    }

    #[test]
    fn the_kind_of_fact_that_is_asked_for_counts() {
        let text = format!("{} The lamp is made with care. It costs £89.", filler(12));
        let section = section(&text);
        let near: Vec<f32> = section.texts().iter().map(|_| 0.4).collect();
        let worth = Worth::new(&section, &near, "How much does it cost?");
        let answer = compose(&section, &worth, true, 1.0);
        assert!(answer.contains("The lamp is made with care. It costs £89."), "{answer}");
    }
}

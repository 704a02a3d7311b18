//! Fusion: `cosine + w · (rank / best rank of the question)²`, pure.
use serde::Serialize;
use std::collections::{BTreeSet, HashSet};
use uuid::Uuid;

use super::Candidate;

/// Weight of the lexical leg, tuned on two labelled sets (`docs/adr/0004-convex-fusion.md`). The relative rank is squared:
/// the few chunks that hold nearly all of the question's words gain, and those that hold one of them don't.
pub const LEXICAL_WEIGHT: f64 = 0.08;

/// Added where the section's heading is the question: more than any two cosines of good passages differ.
const HEADING_BONUS: f64 = 0.3;
/// A text of fewer bytes needs its heading to be understood.
const SHORT: usize = 80;
/// Shorter questions are names of subjects, which many sections have.
const HEADING_WORDS: usize = 3;

/// What a chunk was made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A piece of the page's content.
    #[default]
    Content,
    /// A question with its answer, which the last heading and the text are, whole.
    Faq,
    /// What is known of a product apart from its price and stock, which are never read from text.
    Product,
}

/// A chunk with its scores.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Passage {
    /// The chunk.
    pub chunk: Uuid,
    /// Its page.
    pub page: Uuid,
    /// The page's version as indexed.
    pub page_version: i64,
    /// The page's address.
    pub url: String,
    /// The page's title.
    pub title: String,
    /// What it was made of.
    pub kind: Kind,
    /// Position on the page.
    pub ordinal: i32,
    /// `Title > Section > …`.
    pub heading_path: String,
    /// The text.
    pub text: String,
    /// What passages are ordered by.
    pub score: f64,
    /// Cosine similarity to the question.
    pub cosine: Option<f64>,
    /// The lexical rank, 1 for the question's best.
    pub lexical: f64,
    /// The share of the question's words that occur in the chunk, 0 to 1.
    pub coverage: f64,
}

/// The share of the question's words that occur in any candidate, 0 to 1: a word that none has is one that the site does not
/// use, and speaks against an answer. A question of stop words alone has nothing against it.
pub fn known(candidates: &[Candidate]) -> f64 {
    let words: BTreeSet<&String> = candidates.iter().flat_map(|c| &c.words).collect();
    match candidates.first().map_or(0, |c| c.question_words) {
        0 => 1.0,
        asked => words.len() as f64 / f64::from(asked),
    }
}

/// Orders candidates, best first. A text that stands on several pages comes once, from where it fits best; among equals, from
/// the page with the shorter URL.
pub fn fuse(question: &str, candidates: Vec<Candidate>, limit: usize) -> Vec<Passage> {
    let best = candidates.iter().filter_map(|c| c.rank).fold(0.0, f64::max);
    let asked = words(question);
    let mut passages: Vec<Passage> = candidates.into_iter().map(|c| passage(c, best, &asked)).collect();
    passages.sort_by(|a, b| {
        let urls = || a.url.len().cmp(&b.url.len());
        b.score.total_cmp(&a.score).then_with(urls).then(a.chunk.cmp(&b.chunk))
    });
    let mut seen = HashSet::new();
    passages.retain(|passage| seen.insert(said(passage)));
    passages.truncate(limit);
    passages
}

/// What a passage says: a short text, such as "Yes.", says something only under its heading.
fn said(passage: &Passage) -> (String, String) {
    let heading = if passage.text.len() < SHORT {
        passage.heading_path.clone()
    } else {
        String::new()
    };
    (heading, passage.text.clone())
}

/// Lower-case words, without punctuation.
fn words(text: &str) -> Vec<String> {
    let parts = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect()
}

/// Whether a section's heading is the question, word for word: what an FAQ's author meant to answer it. Vectors can't tell "a
/// string to a number" from "a number to a string".
fn is_heading(heading_path: &str, asked: &[String]) -> bool {
    let heading = heading_path.rsplit(" > ").next().unwrap_or_default();
    asked.len() >= HEADING_WORDS && words(heading) == asked
}

fn passage(c: Candidate, best: f64, asked: &[String]) -> Passage {
    let lexical = if best > 0.0 { c.rank.unwrap_or(0.0) / best } else { 0.0 };
    let score = c
        .cosine
        .map_or(lexical, |cosine| cosine + LEXICAL_WEIGHT * lexical * lexical);
    let score = if is_heading(&c.heading_path, asked) {
        score + HEADING_BONUS
    } else {
        score
    };
    let coverage = if c.question_words > 0 {
        c.words.len() as f64 / f64::from(c.question_words)
    } else {
        0.0
    };
    Passage {
        chunk: c.id,
        page: c.page_id,
        page_version: c.page_version,
        url: c.url,
        title: c.title,
        kind: Kind::Content,
        ordinal: c.ordinal,
        heading_path: c.heading_path,
        text: c.text,
        score,
        cosine: c.cosine,
        lexical,
        coverage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(n: u128, cosine: Option<f64>, rank: Option<f64>) -> Candidate {
        Candidate {
            id: Uuid::from_u128(n),
            page_id: Uuid::nil(),
            page_version: 1,
            url: String::new(),
            title: String::new(),
            ordinal: 0,
            heading_path: String::new(),
            text: String::new(),
            cosine,
            rank,
            words: vec!["ship".into()],
            question_words: 2,
        }
    }

    #[test]
    fn words_decide_between_equal_meanings_and_do_not_outvote_a_clear_one() {
        let near_tie = vec![candidate(1, Some(0.50), None), candidate(2, Some(0.48), Some(0.9))];
        assert_eq!(fuse("", near_tie, 2)[0].chunk, Uuid::from_u128(2));
        let clear = vec![candidate(1, Some(0.80), None), candidate(2, Some(0.48), Some(0.9))];
        assert_eq!(fuse("", clear, 2)[0].chunk, Uuid::from_u128(1));
    }

    #[test]
    fn the_section_that_asks_the_same_question_comes_first() {
        let headed = |n, cosine, heading: &str| Candidate {
            heading_path: format!("FAQ > {heading}"),
            ..candidate(n, Some(cosine), None)
        };
        let candidates = vec![
            headed(1, 0.90, "How do I convert a number to a string?"),
            headed(2, 0.85, "How do I convert a string to a number?"),
        ];
        let found = fuse("how do I convert a string to a number", candidates, 2);
        assert_eq!(found[0].chunk, Uuid::from_u128(2));
    }

    #[test]
    fn a_text_on_several_pages_comes_once_and_short_ones_go_by_their_headings() {
        let said = |n, cosine, url: &str, heading: &str, text: &str| Candidate {
            url: url.into(),
            heading_path: heading.into(),
            text: text.into(),
            ..candidate(n, Some(cosine), None)
        };
        let long = "Send goods back within sixty days and get all of your money refunded, whatever the reason is.";
        let candidates = vec![
            said(1, 0.9, "/returns/print", "Returns", long),
            said(2, 0.9, "/returns", "Returns", long),
            said(3, 0.8, "/faq", "FAQ > Is it safe?", "Yes."),
            said(4, 0.7, "/faq", "FAQ > Is it free?", "Yes."),
            said(5, 0.6, "/other", "FAQ > Is it free?", "Yes."),
        ];
        let found: Vec<u128> = fuse("", candidates, 9).iter().map(|p| p.chunk.as_u128()).collect();
        assert_eq!(found, [2, 3, 4]);
    }

    #[test]
    fn a_word_counts_as_known_wherever_it_occurs() {
        let other = Candidate {
            words: vec!["cost".into()],
            ..candidate(2, None, None)
        };
        assert!((known(&[candidate(1, None, None), candidate(3, None, None)]) - 0.5).abs() < 1e-9);
        assert!((known(&[candidate(1, None, None), other]) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn without_vectors_the_words_decide_alone() {
        let found = fuse(
            "",
            vec![candidate(1, None, Some(0.1)), candidate(2, None, Some(0.3))],
            5,
        );
        assert_eq!(found[0].chunk, Uuid::from_u128(2));
        assert!((found[0].score - 1.0).abs() < 1e-9);
        assert!((found[0].coverage - 0.5).abs() < 1e-9);
    }
}

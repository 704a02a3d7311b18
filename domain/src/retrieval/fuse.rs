//! Fusion: `cosine + w · lexical² · √reach`, pure.
//!
//! `lexical` is the chunk's BM25 as a share of the best chunk's, and `reach` the best chunk's as a share of what the question could
//! reach. Squared, because some word of a question stands in nearly every chunk: the few that have most of it should gain. With the
//! reach, because the best of a bad lot is not good: of a question in another language hardly a word is found. Then the passages of a
//! section speak for one another ([`vouch`]). Weights and shapes are measured (`docs/adr/0018-bm25-by-inner-products.md`).
use serde::Serialize;
use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap},
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Candidate, Kind, select};

/// Weight of the words of a sentence, whose meaning a vector has.
const SENTENCE: f64 = 0.2;
/// Weight of keywords, which name what they look for.
const KEYWORDS: f64 = 0.4;
/// Weight of words in a language that the model was not trained on.
const FOREIGN: f64 = 0.7;
/// How much of a passage's score is that of its section.
const SECTION: f64 = 0.3;
/// Added where the section's heading is the question: more than any two cosines of good passages differ.
const HEADING_BONUS: f64 = 0.3;
/// Shorter questions are names of subjects, which many sections have.
const HEADING_WORDS: usize = 3;
/// Scores that differ by less are equal, and what is known of the pages decides.
const EQUAL: f64 = 1e-3;

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
    /// Chunks of its section, itself among them; 0 where nobody knows.
    #[serde(skip)]
    pub section: i32,
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
    /// The question's words in the chunk's language.
    pub words: Vec<Word>,
    /// Of how many chunks it was found; none where not all were read.
    #[serde(skip)]
    pub of: Option<i64>,
}

/// A word of a question.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Word {
    /// Its stem.
    pub lexeme: String,
    /// How rare it is: the logarithm of the customer's chunks to those that have it.
    pub rarity: f64,
    /// Whether the chunk has it.
    pub here: bool,
}

/// The share of the question's words that occur in any candidate, 0 to 1: a word that none has is one that the site does not
/// use, and speaks against an answer. A question of stop words alone has nothing against it. Of several languages, the one that
/// knows most of it is the question's.
pub fn known(candidates: &[Candidate]) -> f64 {
    let share = |config: &str| {
        let of_it = || candidates.iter().filter(|c| c.config == config);
        let words: BTreeSet<&String> = of_it().flat_map(|c| &c.words).collect();
        match of_it().next().map_or(0, |c| c.question_words) {
            0 => 1.0,
            asked => words.len() as f64 / f64::from(asked),
        }
    };
    let configs: BTreeSet<&str> = candidates.iter().map(|c| c.config.as_str()).collect();
    configs.into_iter().map(share).reduce(f64::max).unwrap_or(1.0)
}

/// Orders candidates, best first, each text once ([`select`]). `english_only`: the model knows no other language.
pub fn fuse(question: &str, candidates: Vec<Candidate>, english_only: bool, limit: usize) -> Vec<Passage> {
    let asked = words(question);
    let reach = candidates.iter().filter_map(|c| c.reach).fold(0.0, f64::max);
    let mut scored: Vec<Scored> = candidates
        .into_iter()
        .map(|c| {
            let weight = match c.sentence {
                _ if english_only && c.config != "english" => FOREIGN,
                true => SENTENCE,
                false => KEYWORDS,
            };
            Scored {
                changed_at: c.changed_at,
                passage: passage(c, reach, weight, &asked),
            }
        })
        .collect();
    vouch(&mut scored);
    scored.sort_by(order);
    select::select(scored.into_iter().map(|scored| scored.passage).collect(), &asked, limit)
}

/// A passage with what else decides its place.
struct Scored {
    passage: Passage,
    changed_at: Option<OffsetDateTime>,
}

/// Mixes each score with the mean of its section's: a section that is about the question has more than one passage that says so, and a
/// stray sentence stands alone. What of a section was not found counts as the worst that was.
fn vouch(scored: &mut [Scored]) {
    let key = |s: &Scored| (s.passage.page, s.passage.kind, s.passage.heading_path.clone());
    let floor = scored.iter().map(|s| s.passage.score).fold(f64::INFINITY, f64::min);
    let mut found: HashMap<_, (f64, i32)> = HashMap::new();
    for one in scored.iter() {
        let (sum, n) = found.entry(key(one)).or_default();
        (*sum, *n) = (*sum + one.passage.score, *n + 1);
    }
    for one in scored {
        let (sum, n) = found.get(&key(one)).copied().unwrap_or_default();
        let missing = f64::from((one.passage.section - n).max(0));
        let mean = (sum + missing * floor) / (f64::from(n) + missing).max(1.0);
        one.passage.score += SECTION * (mean - one.passage.score);
    }
}

/// Better ones first; among equals those of pages nearer to the site's root, then of those changed last.
fn order(a: &Scored, b: &Scored) -> Ordering {
    let score = |p: &Passage| (p.score / EQUAL).round();
    let depth = |p: &Passage| p.url.trim_end_matches('/').matches('/').count();
    let (first, second) = (&a.passage, &b.passage);
    score(second)
        .total_cmp(&score(first))
        .then_with(|| depth(first).cmp(&depth(second)))
        .then_with(|| b.changed_at.cmp(&a.changed_at))
        .then_with(|| first.url.len().cmp(&second.url.len()))
        .then_with(|| first.url.cmp(&second.url))
        .then_with(|| first.ordinal.cmp(&second.ordinal))
        .then_with(|| first.chunk.cmp(&second.chunk))
}

/// Lower-case words, without punctuation.
pub(super) fn words(text: &str) -> Vec<String> {
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

fn passage(c: Candidate, reach: f64, weight: f64, asked: &[String]) -> Passage {
    let lexical = if reach > 0.0 {
        c.reach.unwrap_or(0.0) / reach
    } else {
        0.0
    };
    let score = c
        .cosine
        .map_or(lexical, |cosine| cosine + weight * lexical * lexical * reach.sqrt());
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
    let word = |(lexeme, rarity): (&String, &f64)| Word {
        lexeme: lexeme.clone(),
        rarity: *rarity,
        here: c.words.contains(lexeme),
    };
    let said = c.asked.iter().zip(&c.rarity).map(word).collect();
    Passage {
        chunk: c.id,
        page: c.page_id,
        page_version: c.page_version,
        url: c.url,
        title: c.title,
        kind: Kind::of_word(&c.kind),
        ordinal: c.ordinal,
        heading_path: c.heading_path,
        section: c.section,
        text: c.text,
        score,
        cosine: c.cosine,
        lexical,
        coverage,
        words: said,
        of: c.of,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(n: u128, cosine: Option<f64>, reach: Option<f64>) -> Candidate {
        Candidate {
            id: Uuid::from_u128(n),
            page_id: Uuid::from_u128(n),
            text: format!("text {n}"),
            cosine,
            reach,
            config: "english".into(),
            words: vec!["ship".into()],
            question_words: 2,
            sentence: true,
            ..Candidate::default()
        }
    }

    fn order_of(question: &str, candidates: Vec<Candidate>, english_only: bool) -> Vec<u128> {
        let found = fuse(question, candidates, english_only, 9);
        found.iter().map(|p| p.chunk.as_u128()).collect()
    }

    #[test]
    fn words_decide_between_equal_meanings_and_do_not_outvote_a_clear_one() {
        let near_tie = vec![candidate(1, Some(0.50), None), candidate(2, Some(0.48), Some(0.9))];
        assert_eq!(order_of("", near_tie, false), [2, 1]);
        let clear = vec![candidate(1, Some(0.80), None), candidate(2, Some(0.48), Some(0.9))];
        assert_eq!(order_of("", clear, false), [1, 2]);
    }

    #[test]
    fn keywords_weigh_more_than_sentences_and_most_where_the_model_does_not_know_the_language() {
        let of = |config: &str, sentence| {
            let found = Candidate {
                config: config.into(),
                sentence,
                ..candidate(2, Some(0.48), Some(1.0))
            };
            vec![
                Candidate {
                    config: config.into(),
                    ..candidate(1, Some(0.80), None)
                },
                found,
            ]
        };
        assert_eq!(order_of("", of("english", true), true), [1, 2]);
        assert_eq!(order_of("", of("english", false), true), [2, 1]);
        assert_eq!(order_of("", of("german", true), true), [2, 1]);
        assert_eq!(order_of("", of("german", true), false), [1, 2]);
    }

    #[test]
    fn a_few_common_words_of_a_question_in_another_language_weigh_nothing() {
        let stray = vec![candidate(1, Some(0.50), None), candidate(2, Some(0.44), Some(0.05))];
        assert_eq!(order_of("", stray, false), [1, 2]);
    }

    #[test]
    fn passages_of_a_section_speak_for_one_another_and_what_was_not_found_against_them() {
        let of = |n, page, cosine, section| Candidate {
            page_id: Uuid::from_u128(page),
            section,
            ..candidate(n, Some(cosine), None)
        };
        let rest = || of(9, 9, 0.20, 1);
        let stray_first = vec![of(1, 1, 0.62, 4), of(2, 2, 0.60, 2), of(3, 2, 0.58, 2), rest()];
        assert_eq!(order_of("", stray_first, true), [2, 3, 1, 9]);
        let both_short = vec![of(1, 1, 0.62, 1), of(2, 2, 0.60, 2), of(3, 2, 0.58, 2), rest()];
        assert_eq!(order_of("", both_short, true), [1, 2, 3, 9]);
        let clear = vec![of(1, 1, 0.90, 4), of(2, 2, 0.60, 2), of(3, 2, 0.58, 2), rest()];
        assert_eq!(order_of("", clear, true), [1, 2, 3, 9]);
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
        assert_eq!(
            order_of("how do I convert a string to a number", candidates, true),
            [2, 1]
        );
    }

    #[test]
    fn equals_are_ordered_by_their_pages() {
        let on = |n, url: &str, changed: i64| Candidate {
            url: url.into(),
            text: format!("text {n}"),
            changed_at: (changed > 0).then(|| OffsetDateTime::from_unix_timestamp(changed).unwrap()),
            ..candidate(n, Some(0.5), None)
        };
        let candidates = vec![
            on(1, "https://a.example/archive/2019/returns", 9),
            on(2, "https://a.example/returns", 1),
            on(3, "https://a.example/refunds", 2),
            on(4, "https://a.example/sending", 0),
        ];
        assert_eq!(order_of("", candidates, true), [3, 2, 4, 1]);
    }

    #[test]
    fn a_word_counts_as_known_wherever_it_occurs_and_in_the_language_that_knows_most() {
        let other = Candidate {
            words: vec!["cost".into()],
            ..candidate(2, None, None)
        };
        let german = Candidate {
            config: "german".into(),
            words: vec![],
            ..candidate(4, None, None)
        };
        assert!((known(&[candidate(1, None, None), candidate(3, None, None)]) - 0.5).abs() < 1e-9);
        assert!((known(&[candidate(1, None, None), other, german]) - 1.0).abs() < 1e-9);
        assert!((known(&[]) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn without_vectors_the_words_decide_alone() {
        let found = fuse(
            "",
            vec![candidate(1, None, Some(0.1)), candidate(2, None, Some(0.3))],
            true,
            5,
        );
        assert_eq!(found[0].chunk, Uuid::from_u128(2));
        assert!((found[0].score - 1.0).abs() < 1e-9);
        assert!((found[0].coverage - 0.5).abs() < 1e-9);
    }
}

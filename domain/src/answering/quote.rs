//! The extractive answer: what the best sections say, quoted.
//!
//! Of the best passages' sections the one is quoted that answers best: nearness of its sentences counts beside the passage's score, and
//! so do the kind of fact that is asked for and what the heading says of the subject. A question of two parts is answered from a section for each.
use super::{
    answerer::{Answerer, CONSIDERED, Usage},
    expected::plain,
    extractive::{self, Section, Worth},
    ground::{self, Removed},
    support,
    written::{SHOWN, Written, one_a_page, sources},
};
use crate::{
    Error, Result,
    retrieval::{Mode, Passage, Word},
    tenancy::Customer,
};

/// Sections that are looked into.
const SECTIONS: usize = 3;
/// Sections of passages that score this much less than the best are not.
const BEHIND: f64 = 0.12;
/// Texts that are compared with the question at most: an answer waits for them.
const TEXTS: usize = 48;
/// What the nearest sentence counts for beside the passage's score.
const SENTENCE: f64 = 0.3;

/// What a section gains whose passage has all of the question's words: a near text without the rare one is about something else.
const WORDS: f64 = 0.15;
/// What a section loses that does not hold the kind of fact that is asked for.
const NO_FACT: f64 = 0.15;
/// What a section loses whose heading is about something else, and gains whose heading promises the advice that is asked for.
const ANOTHER: f64 = 0.25;
const ADVICE: f64 = 0.1;

/// A section that may be quoted.
struct Quotable<'a> {
    passage: &'a Passage,
    section: Section,
    worth: Worth,
    value: f64,
}

impl Answerer {
    /// Quotes what answers best; other pages are further sources.
    pub(super) async fn extract(&self, customer: &Customer, question: &str, passages: &[Passage]) -> Result<Written> {
        let parts = parts(question);
        let share = if parts.len() > 1 { 0.6 } else { 1.0 };
        let mut quoted: Vec<(Passage, String)> = Vec::new();
        for part in &parts {
            let found;
            let passages: &[Passage] = if parts.len() > 1 {
                let searched = self.searcher.search(customer, part, Mode::Hybrid, CONSIDERED).await?;
                found = ground::disarm(searched.passages).0;
                if self.supported(part, &found).is_err() {
                    continue;
                }
                &found
            } else {
                passages
            };
            let (passage, body) = self.quote(customer, part, passages, share).await?;
            if quoted.iter().all(|(_, other)| *other != body) {
                quoted.push((passage, body));
            }
        }
        if quoted.is_empty() {
            quoted.push(self.quote(customer, question, passages, 1.0).await?);
        }
        self.led_home(customer, written(&quoted, passages)).await
    }

    /// The passage whose section answers best, and what it says.
    async fn quote(
        &self,
        customer: &Customer,
        question: &str,
        passages: &[Passage],
        share: f32,
    ) -> Result<(Passage, String)> {
        let sections = self.sections(customer, passages).await?;
        let texts: Vec<Vec<String>> = sections.iter().map(|(_, section)| section.texts()).collect();
        let compared: Vec<String> = texts.concat().into_iter().take(TEXTS).collect();
        let near = self.near(question, &compared).await?;
        let mut rest = near.as_slice();
        let mut all = Vec::new();
        for ((passage, section), texts) in sections.into_iter().zip(&texts) {
            let (own, others) = rest.split_at(texts.len().min(rest.len()));
            rest = others;
            let worth = Worth::new(&section, own, question);
            let value = passage.score
                + SENTENCE * f64::from(worth.best())
                + WORDS * held(passage)
                + sign(extractive::subject::advises(question, &passage.heading_path), ADVICE)
                - sign(
                    extractive::subject::is_another(question, &passage.heading_path),
                    ANOTHER,
                )
                - sign(worth.no_fact, NO_FACT);
            all.push(Quotable {
                passage,
                section,
                worth,
                value,
            });
        }
        // The first of equals is the better passage's.
        let best = all.iter().rev().max_by(|a, b| a.value.total_cmp(&b.value));
        let best = best.ok_or_else(|| Error::internal("quoting", "no passage"))?;
        let body = extractive::compose(&best.section, &best.worth, self.simplified, share);
        let body = if body.is_empty() {
            best.passage.text.clone()
        } else {
            body
        };
        Ok((best.passage.clone(), body))
    }

    /// The different sections of the best passages that have something to quote; if none has, the best one's.
    async fn sections<'a>(&self, customer: &Customer, passages: &'a [Passage]) -> Result<Vec<(&'a Passage, Section)>> {
        let first = passages
            .first()
            .ok_or_else(|| Error::internal("quoting", "no passage"))?;
        let mut chosen: Vec<&Passage> = Vec::new();
        for passage in passages.iter().take_while(|p| p.score >= first.score - BEHIND) {
            let known = |p: &&Passage| p.page == passage.page && p.heading_path == passage.heading_path;
            if chosen.len() < SECTIONS && !chosen.iter().any(known) {
                chosen.push(passage);
            }
        }
        let mut out = Vec::new();
        for passage in chosen {
            let texts = self.searcher.section(customer, passage).await?;
            let texts: Vec<String> = texts.iter().map(|text| ground::disarmed(text).0).collect();
            let section = Section::new(passage, &texts);
            if !section.is_empty() || passages.len() == 1 {
                out.push((passage, section));
            }
        }
        if out.is_empty() {
            out.push((first, Section::new(first, std::slice::from_ref(&first.text))));
        }
        Ok(out)
    }

    /// How near each text is to the question; by their words without a model.
    async fn near(&self, question: &str, texts: &[String]) -> Result<Vec<f32>> {
        let near = self.searcher.nearness(question, texts).await?;
        Ok(near.unwrap_or_else(|| {
            texts
                .iter()
                .map(|text| extractive::shared_words(question, text))
                .collect()
        }))
    }
}

fn sign(is: bool, weight: f64) -> f64 {
    if is { weight } else { 0.0 }
}

/// The share of the question's words that the passage has, each by how rare it is on the site.
fn held(passage: &Passage) -> f64 {
    let sum = |words: &mut dyn Iterator<Item = &Word>| words.map(|word| word.rarity.max(0.0)).sum::<f64>();
    let said = plain(&format!("{}\n{}", passage.heading_path, passage.text));
    let all = sum(&mut passage.words.iter());
    if all > 0.0 {
        sum(&mut passage.words.iter().filter(|word| support::has(word, &said))) / all
    } else {
        1.0
    }
}

/// The answer with the marks of its sources: first the pages that are quoted, then others.
fn written(quoted: &[(Passage, String)], passages: &[Passage]) -> Written {
    let mut shown: Vec<&Passage> = Vec::new();
    let mut texts = Vec::new();
    for (passage, body) in quoted {
        let known = shown.iter().position(|p| p.page == passage.page);
        let n = known.unwrap_or_else(|| {
            shown.push(passage);
            shown.len() - 1
        });
        texts.push(extractive::cited(body, n + 1));
    }
    for passage in one_a_page(passages) {
        if shown.len() < SHOWN && shown.iter().all(|p| p.page != passage.page) {
            shown.push(passage);
        }
    }
    Written {
        text: texts.join("\n\n"),
        sources: sources(&shown),
        refusal: None,
        usage: Usage::default(),
        model: "extractive".into(),
        notes: Vec::new(),
        removed: Removed::default(),
    }
}

/// The parts of a question that asks two things: two sentences that ask, or two clauses that each begin with a question word.
fn parts(question: &str) -> Vec<String> {
    const JOINTS: [&str; 16] = [
        " and ",
        ", and ",
        " und ",
        " et ",
        " y ",
        " e ",
        " en ",
        " i ",
        " & ",
        " and also ",
        " sowie ",
        "; ",
        ", ",
        " plus ",
        " ed ",
        " oder ",
    ];
    const ASKING: [&str; 62] = [
        "how", "what", "when", "where", "who", "which", "why", "can", "do", "does", "is", "are", "wie", "was", "wann",
        "wo", "wer", "welche", "welcher", "welches", "warum", "kann", "gibt", "comment", "combien", "quand", "où",
        "qui", "quel", "quelle", "quels", "quelles", "pourquoi", "est-ce", "cómo", "cuánto", "cuándo", "dónde",
        "quién", "qué", "cuál", "come", "quanto", "quando", "dove", "chi", "quale", "perché", "hoe", "wat", "wanneer",
        "waar", "welk", "waarom", "como", "onde", "quem", "qual", "jak", "kiedy", "gdzie", "ile",
    ];
    let asks = |text: &str| {
        let first = text.split_whitespace().next().unwrap_or_default().to_lowercase();
        ASKING.contains(&first.trim_start_matches('¿')) && text.split_whitespace().count() >= 3
    };
    let sentences: Vec<&str> = question
        .split_inclusive(['?', '？'])
        .map(str::trim)
        .filter(|s| !s.is_empty())
        .collect();
    if let [first, second] = sentences[..]
        && asks(first)
        && asks(second)
        && second.ends_with(['?', '？'])
    {
        return vec![first.to_owned(), second.to_owned()];
    }
    if sentences.len() == 1 && asks(question) {
        for joint in JOINTS {
            if let Some((first, second)) = question.split_once(joint)
                && asks(first)
                && asks(second)
            {
                return vec![format!("{first}?"), second.to_owned()];
            }
        }
    }
    vec![question.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answering::support::tests::passage;
    use uuid::Uuid;

    #[test]
    fn a_question_of_two_parts_has_two() {
        let cases: [(&str, &[&str]); 6] = [
            (
                "How long does delivery take and what does it cost?",
                &["How long does delivery take?", "what does it cost?"],
            ),
            (
                "Where are you? When do you open?",
                &["Where are you?", "When do you open?"],
            ),
            (
                "Was kostet der Versand und wie lange dauert er?",
                &["Was kostet der Versand?", "wie lange dauert er?"],
            ),
            (
                "What is the difference between a list and a tuple?",
                &["What is the difference between a list and a tuple?"],
            ),
            (
                "How do I delete and restore a page?",
                &["How do I delete and restore a page?"],
            ),
            ("Returns", &["Returns"]),
        ];
        for (question, want) in cases {
            assert_eq!(parts(question), want);
        }
    }

    #[test]
    fn what_is_quoted_comes_first_and_a_page_has_one_number() {
        let of = |page: u128| Passage {
            page: Uuid::from_u128(page),
            url: format!("https://shop.example/{page}"),
            ..passage(Some(0.8), 1.0, "text")
        };
        let quoted = [
            (of(2), "Two.".to_owned()),
            (of(1), "One.".to_owned()),
            (of(2), "```\nx\n```".to_owned()),
        ];
        let written = written(&quoted, &[of(1), of(3)]);
        assert_eq!(written.text, "Two. [1]\n\nOne. [2]\n\n```\nx\n```\n\n[1]");
        let urls: Vec<&str> = written
            .sources
            .iter()
            .map(|s| s.url.rsplit('/').next().unwrap())
            .collect();
        assert_eq!(urls, ["2", "1", "3"]);
    }
}

//! The extractive answer: what the best sections say, quoted.
//!
//! Of the best passages' sections the one is quoted that answers best: nearness of its sentences counts beside the passage's score, and
//! so do the kind of fact that is asked for and what the heading says of the subject. A question of two parts is answered from a section for each.
use super::{
    answerer::{Answerer, Usage},
    asked::Asked,
    expected::{Fact, plain},
    extractive::{self, Section, Worth},
    ground::{self, Removed},
    parts::parts,
    sentences::sentences,
    stand_in::{best_sections, different, stands_in},
    support::{self, Refusal},
    written::{Written, sources},
};
use std::{cmp::Reverse, collections::VecDeque};

use crate::{
    Error, Result,
    retrieval::{Passage, Version, Word},
    tenancy::Customer,
};

/// Sections that are looked into.
pub(super) const SECTIONS: usize = 3;
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
/// From this share on a passage has all words of the question.
const ALL: f64 = 0.999;

/// A name is rare that one in so many chunks has, as a logarithm: about one in 150.
const RARE: f64 = 5.0;

/// A section that may be quoted.
struct Quotable<'a> {
    passage: &'a Passage,
    section: Section,
    worth: Worth,
    value: f64,
}

/// What a section says to a question.
struct Quotation {
    passage: Passage,
    body: String,
    /// It holds the fact that is asked for, if one is.
    tells: bool,
}

impl Answerer {
    /// Quotes what answers best. What does not hold the fact that is asked for is no answer.
    pub(super) async fn extract(&self, customer: &Customer, asked: &Asked, passages: &[Passage]) -> Result<Written> {
        let question = asked.meant.as_str();
        let parts = parts(question);
        let share = match parts.len() {
            0 | 1 => 1.0,
            // Together they are no longer than one.
            n if self.simplified => 1.0 / n as f32,
            _ => 0.6,
        };
        let mut quoted: Vec<Quotation> = Vec::new();
        for part in &parts {
            let found;
            let passages: &[Passage] = if parts.len() > 1 {
                found = self.find(customer, Version::Published, part).await?.passages;
                if self
                    .supported(customer, Version::Published, part, &found)
                    .await?
                    .is_err()
                {
                    continue;
                }
                &found
            } else {
                passages
            };
            let quotation = Box::pin(self.quote(customer, part, passages, share)).await?;
            if quotation.tells && quoted.iter().all(|other| other.body != quotation.body) {
                quoted.push(quotation);
            }
        }
        if quoted.is_empty() && parts.len() > 1 {
            let quotation = Box::pin(self.quote(customer, question, passages, 1.0)).await?;
            quoted.extend(Some(quotation).filter(|quotation| quotation.tells));
        }
        if quoted.is_empty() {
            return self
                .refuse(customer, Refusal::NotAnswered, passages, asked.locale)
                .await;
        }
        self.led_home(customer, written(&quoted)).await
    }

    /// What the section says that answers best. If it does not hold the fact that is asked for, another one may in its place.
    async fn quote(&self, customer: &Customer, question: &str, passages: &[Passage], share: f32) -> Result<Quotation> {
        let mut all = self.quotable(customer, question, best_sections(passages)).await?;
        // The first of equals is the better passage's.
        all.sort_by(|a, b| b.value.total_cmp(&a.value));
        let best = all.first().ok_or_else(|| Error::internal("quoting", "no passage"))?;
        // A table of contents is near to what it leads to, and says nothing of it.
        let best = all
            .iter()
            .find(|one| says(&self.quoted(question, one, share)))
            .unwrap_or(best);
        let best = another_s(best, &all);
        let quoted = self.quoted(question, best, share);
        if quoted.tells || !Fact::of(question).is_some_and(|fact| fact.plainly) {
            return Ok(quoted);
        }
        let others = passages.iter().filter(|other| stands_in(question, best.passage, other));
        let others: Vec<&Passage> = different(others).take(SECTIONS).collect();
        if others.is_empty() {
            return Ok(quoted);
        }
        let mut others = self.quotable(customer, question, others).await?;
        others.sort_by(|a, b| b.value.total_cmp(&a.value));
        let told = others.iter().map(|other| self.quoted(question, other, share));
        Ok(told.into_iter().find(|other| other.tells).unwrap_or(quoted))
    }

    /// The sections of passages with what they are worth for the question.
    async fn quotable<'a>(
        &self,
        customer: &Customer,
        question: &str,
        chosen: Vec<&'a Passage>,
    ) -> Result<Vec<Quotable<'a>>> {
        let sections = self.sections(customer, chosen).await?;
        let texts: Vec<Vec<String>> = sections.iter().map(|(_, section)| section.texts()).collect();
        let near = self.near_of_all(customer, question, &texts).await;
        let mut all = Vec::new();
        for ((passage, section), near) in sections.into_iter().zip(&near) {
            let worth = Worth::new(&section, near, question).replying(&section, held(passage) >= ALL);
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
        Ok(all)
    }

    /// How near each text of each section is to the question. Of long sections those are compared that share most words with it.
    async fn near_of_all(&self, customer: &Customer, question: &str, texts: &[Vec<String>]) -> Vec<Vec<f32>> {
        let compared = compared(question, texts);
        let chosen: Vec<String> = compared
            .iter()
            .map(|(section, text)| texts[*section][*text].clone())
            .collect();
        let mut all: Vec<Vec<f32>> = texts.iter().map(|texts| vec![0.0; texts.len()]).collect();
        let near = self.near(customer, question, &chosen).await;
        for ((section, text), near) in compared.into_iter().zip(near) {
            all[section][text] = near;
        }
        all
    }

    /// What one section says.
    fn quoted(&self, question: &str, of: &Quotable, share: f32) -> Quotation {
        let body = extractive::compose(&of.section, &of.worth, self.simplified, share);
        let body = if body.is_empty() {
            extractive::shortened(&of.passage.text, extractive::most(self.simplified, share))
        } else {
            body
        };
        Quotation {
            passage: of.passage.clone(),
            tells: of.worth.asks_the_same() && promises(of.passage, question)
                || tells(question, of.passage, &of.section, &body),
            body: of.section.introduced(&of.worth, body),
        }
    }

    /// The sections of passages that have something to quote; if none has, the first one's.
    async fn sections<'a>(&self, customer: &Customer, chosen: Vec<&'a Passage>) -> Result<Vec<(&'a Passage, Section)>> {
        let alone = chosen.len() == 1;
        let first = chosen.first().copied();
        let mut out = Vec::new();
        for passage in chosen {
            let texts = self.searcher.section(customer, passage).await?;
            // As one text: an order at the end of one chunk takes what it orders in the next with it.
            let (text, _) = ground::disarmed(&texts.join("\n\n"));
            let section = Section::new(passage, &[text]);
            if !section.is_empty() || alone {
                out.push((passage, section));
            }
        }
        if out.is_empty() {
            out.extend(first.map(|first| (first, Section::new(first, std::slice::from_ref(&first.text)))));
        }
        Ok(out)
    }

    /// How near each text is to the question; by their words without a model, or while it does not answer.
    async fn near(&self, customer: &Customer, question: &str, texts: &[String]) -> Vec<f32> {
        let near = self.searcher.nearness(customer, question, texts).await;
        let near = near.unwrap_or_else(|error| {
            tracing::warn!(error = error.story(), "quoting by words alone");
            None
        });
        near.unwrap_or_else(|| {
            texts
                .iter()
                .map(|text| extractive::shared_words(question, text))
                .collect()
        })
    }
}

/// Instead of a section that says yes or no to another question, one that has more of this question's words and is worth hardly less.
fn another_s<'a, 'b>(best: &'a Quotable<'b>, all: &'a [Quotable<'b>]) -> &'a Quotable<'b> {
    const HARDLY: f64 = 0.2;
    let own = held(best.passage);
    let better = |one: &&Quotable| {
        !one.worth.replies_to_another() && held(one.passage) > own + 0.01 && one.value + HARDLY >= best.value
    };
    let found = all.iter().find(|one| better(one));
    found.filter(|_| best.worth.replies_to_another()).unwrap_or(best)
}

/// Which texts of which sections are compared with a question: every heading, which comes first, and of the others as many of each section,
/// those with the most of the question's words, the first of equals.
fn compared(question: &str, texts: &[Vec<String>]) -> Vec<(usize, usize)> {
    let headings = (0..texts.len())
        .filter(|section| !texts[*section].is_empty())
        .map(|section| (section, 0));
    let mut compared: Vec<(usize, usize)> = headings.take(TEXTS).collect();
    let mut ranked: Vec<VecDeque<usize>> = texts
        .iter()
        .map(|texts| {
            let mut of: Vec<usize> = (1..texts.len()).collect();
            of.sort_by_cached_key(|at| Reverse((extractive::shared_words(question, &texts[*at]) * 1000.0) as u32));
            of.into()
        })
        .collect();
    while compared.len() < TEXTS && ranked.iter().any(|of| !of.is_empty()) {
        for (section, of) in ranked.iter_mut().enumerate() {
            compared.extend(of.pop_front().map(|text| (section, text)));
        }
    }
    compared.truncate(TEXTS);
    compared
}

/// Whether what is quoted says something: more than what the section is called, or what others may ask.
fn says(quoted: &Quotation) -> bool {
    let asks = |line: &str| sentences(line).iter().all(|sentence| sentence.ends_with('?'));
    !extractive::only_names(&quoted.passage, &quoted.body) && !quoted.body.lines().all(asks)
}

/// Whether a section whose heading is near to the question can be trusted to answer it, whatever it says: if a fact is plainly asked for,
/// the heading has to ask for such a one. "Washing a dry suit" says how, not how long.
fn promises(passage: &Passage, question: &str) -> bool {
    let heading = passage.heading_path.rsplit(" > ").next().unwrap_or_default();
    Fact::of(question).is_none_or(|fact| !fact.plainly || fact.is_asked_by(heading))
}

/// Whether what is quoted of a section can be the answer: it holds the fact that is asked for, and the section names what the question
/// names, as far as that is rare on the site.
fn tells(question: &str, passage: &Passage, section: &Section, body: &str) -> bool {
    let told = format!(
        "{} {} {}\n{}",
        passage.url,
        passage.title,
        passage.heading_path,
        section.text()
    )
    .to_lowercase();
    let rare = |name: &&String| {
        let mut words = passage.words.iter().filter(|word| word.rarity >= RARE);
        words.any(|word| support::akin(&word.lexeme, name))
    };
    let fact = Fact::of(question).filter(|fact| fact.plainly);
    !extractive::only_names(passage, body)
        && fact.is_none_or(|fact| fact.is_in(body))
        && support::names(question)
            .iter()
            .filter(rare)
            .all(|name| support::is_named(&told, name))
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

/// The answer with the marks of its sources: the pages that are quoted, as a model's are those that it cites.
fn written(quoted: &[Quotation]) -> Written {
    let mut shown: Vec<&Passage> = Vec::new();
    let mut texts = Vec::new();
    for Quotation { passage, body, .. } in quoted {
        let known = shown.iter().position(|p| p.page == passage.page);
        let n = known.unwrap_or_else(|| {
            shown.push(passage);
            shown.len() - 1
        });
        texts.push(extractive::cited(body, n + 1));
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

#[cfg(test)]
mod tests;

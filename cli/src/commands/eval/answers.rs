//! A set of questions, asked of an installation's index by the product's own walk, and what the answers are worth.
//!
//! A set names for each question the pages that answer it and phrases that an answer must have, or says that the site does not
//! answer it (`cli/evals/README.md`). Nothing is stored of what is asked.
use anyhow::{Context as _, Result};
use domain::{
    answering::{Answer, Answerer, Refusal},
    config::{Config, cache_dir, environment},
    retrieval::Searcher,
    tenancy::{self, Db, HostName},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::{
    process,
    table::{Align, Table},
};

/// Questions about one site.
#[derive(Deserialize)]
struct Set {
    questions: Vec<Case>,
}

/// A question and what is expected of its answer.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Case {
    question: String,
    /// Parts of URLs: the first source must have one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pages: Vec<String>,
    /// What the answer must say, in any case of letters; alternatives stand between `|`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    phrases: Vec<String>,
    /// The site does not answer this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unanswerable: Option<Unanswerable>,
}

/// How far a question that the site does not answer is from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Unanswerable {
    /// On the site's own subject.
    Near,
    /// About something else.
    Other,
}

/// What became of a question.
#[derive(Debug, Serialize)]
struct Outcome {
    #[serde(flatten)]
    case: Case,
    refused: Option<&'static str>,
    right_source: bool,
    has_phrases: bool,
    words: usize,
    answer: String,
    sources: Vec<String>,
}

/// Asks every question of `sets` of the customer of `domain`, prints a table, and writes the answers to `out`.
pub async fn run(sets: &[PathBuf], domain: &HostName, out: Option<&Path>) -> Result<()> {
    let sets = sets
        .iter()
        .map(|path| read(path))
        .collect::<Result<Vec<(String, Set)>>>()?;
    let config = Config::from_env()?;
    let db = Db::connect(&config.database)
        .await
        .context("connecting to Postgres (DATABASE_URL)")?;
    let embedder = process::embedder(&config.model, &cache_dir(&environment())).await?;
    let searcher = Searcher::new(db.clone(), embedder).await?;
    let answerer = Answerer::new(&db, searcher, &config.model)?;
    let customer = tenancy::find_by_host(&db, domain, false)
        .await?
        .with_context(|| format!("no customer has the domain {domain}"))?;
    let mut writer = match out {
        Some(path) => Some(BufWriter::new(
            File::create(path).with_context(|| format!("writing {}", path.display()))?,
        )),
        None => None,
    };
    let mut table = scores();
    for (name, set) in sets {
        let mut outcomes = Vec::with_capacity(set.questions.len());
        for case in set.questions {
            let answer = answerer.preview(&customer, &case.question).await?;
            let outcome = judge(case, answer);
            if let Some(writer) = &mut writer {
                writeln!(writer, "{}", serde_json::to_string(&outcome)?)?;
            }
            outcomes.push(outcome);
        }
        table.row(row(name, &outcomes));
    }
    if let Some(mut writer) = writer {
        writer.flush()?;
    }
    println!("{table}");
    db.close().await;
    Ok(())
}

fn read(path: &Path) -> Result<(String, Set)> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let set = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, set))
}

fn judge(case: Case, answer: Answer) -> Outcome {
    let sources: Vec<String> = answer.sources.iter().map(|s| s.url.clone()).collect();
    let (first, text) = (sources.first(), answer.text.to_lowercase());
    let says = |phrase: &String| phrase.split('|').any(|p| text.contains(&p.to_lowercase()));
    let answered = answer.refusal.is_none();
    Outcome {
        refused: answer.refusal.map(Refusal::as_str),
        right_source: answered && first.is_some_and(|url| case.pages.iter().any(|page| url.contains(page))),
        has_phrases: answered && case.phrases.iter().all(says),
        words: answer.text.split_whitespace().count(),
        answer: answer.text,
        sources,
        case,
    }
}

const COLUMNS: usize = 8;

fn scores() -> Table<COLUMNS> {
    Table::new([
        ("set", Align::Left),
        ("answerable", Align::Right),
        ("right source", Align::Right),
        ("right and says it", Align::Right),
        ("wrongly refused", Align::Right),
        ("near refused", Align::Right),
        ("other refused", Align::Right),
        ("words p50/p90", Align::Right),
    ])
}

fn row(name: String, outcomes: &[Outcome]) -> [String; COLUMNS] {
    let answerable: Vec<&Outcome> = outcomes.iter().filter(|o| o.case.unanswerable.is_none()).collect();
    let of = |n: usize, all: usize| match all {
        0 => "-".to_owned(),
        _ => format!("{n} of {all} ({:.0} %)", n as f64 * 100.0 / all as f64),
    };
    let count = |test: &dyn Fn(&Outcome) -> bool| of(answerable.iter().filter(|o| test(o)).count(), answerable.len());
    let refused = |kind| {
        let asked: Vec<_> = outcomes.iter().filter(|o| o.case.unanswerable == Some(kind)).collect();
        of(asked.iter().filter(|o| o.refused.is_some()).count(), asked.len())
    };
    let mut words: Vec<usize> = answerable
        .iter()
        .filter(|o| o.refused.is_none())
        .map(|o| o.words)
        .collect();
    words.sort_unstable();
    let at = |share: usize| words.get(words.len() * share / 100).copied().unwrap_or(0);
    [
        name,
        answerable.len().to_string(),
        count(&|o| o.right_source),
        count(&|o| o.right_source && o.has_phrases),
        count(&|o| o.refused.is_some()),
        refused(Unanswerable::Near),
        refused(Unanswerable::Other),
        format!("{} / {}", at(50), at(90)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{
        answering::{Source, Usage},
        people::Standing,
    };
    use uuid::Uuid;

    fn answer(text: &str, url: &str, refusal: Option<Refusal>) -> Answer {
        let source = Source {
            n: 1,
            title: String::new(),
            url: url.into(),
            snippet: String::new(),
            score: 1.0,
            page: Uuid::nil(),
            page_version: 1,
        };
        Answer {
            conversation: Uuid::nil(),
            message: Uuid::nil(),
            text: text.into(),
            sources: vec![source],
            refusal,
            usage: Usage::default(),
            model: "extractive".into(),
            notes: Vec::new(),
            cached: false,
            standing: Standing::default(),
        }
    }

    #[test]
    fn an_answer_is_right_when_its_first_source_and_its_words_are() {
        let case = Case {
            question: "How long?".into(),
            pages: vec!["returns.html".into()],
            phrases: vec!["60 Days|two months".into(), "free".into()],
            unanswerable: None,
        };
        let url = "https://shop.example/returns.html";
        let good = judge(case.clone(), answer("Free within 60 days. [1]", url, None));
        assert!(good.right_source && good.has_phrases);
        assert!(!judge(case.clone(), answer("Within 60 days.", url, None)).has_phrases);
        assert!(!judge(case.clone(), answer("Free, 60 days.", "https://shop.example/", None)).right_source);
        let refused = judge(case, answer("free, 60 days", url, Some(Refusal::NotAnswered)));
        assert!(!refused.right_source && !refused.has_phrases);
        assert_eq!(
            row("x".into(), &[good, refused])[2..5],
            ["1 of 2 (50 %)", "1 of 2 (50 %)", "1 of 2 (50 %)"]
        );
    }

    #[test]
    fn the_committed_sets_are_well_formed() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("evals/answers");
        let mut seen = 0;
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let (_, set) = read(&path).unwrap();
            for case in set.questions {
                assert!(
                    case.pages.is_empty() == case.unanswerable.is_some(),
                    "{}: {} names pages or is unanswerable",
                    path.display(),
                    case.question
                );
            }
            seen += 1;
        }
        assert!(seen >= 5);
    }
}

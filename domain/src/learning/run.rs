//! Asking all golden questions of a version of the index, and what that says: for each question the rank of an expected page, whether it
//! is answered, and which phrases the answer lacks. A crawl's staged version is compared with what answers are made from now, by the
//! same questions at the same time, so that nothing but the crawl makes the difference; so is the index with a new model's vectors.
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

use super::golden::{self, Golden};
use crate::{
    Result,
    answering::{Answerer, Examined, Refusal},
    ids,
    retrieval::Version,
    tenancy::{Customer, Db, TenantTx, sql},
};

/// An expected page passes among so many pages.
const FIRST: usize = 5;
/// Decimals of the figures that are kept.
const PRECISION: f64 = 1e4;

/// Why a run is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody asked for it.
    Asked,
    /// A crawl is about to be shown.
    Crawl,
    /// The index, the settings or the questions have changed since the last one.
    Change,
}

impl Cause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Crawl => "crawl",
            Self::Change => "change",
        }
    }
}

/// What became of one question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The golden question.
    pub id: Uuid,
    /// Its words.
    pub question: String,
    /// Its expected pages.
    pub urls: Vec<String>,
    /// The rank of the first expected page among the pages found, from 1.
    pub rank: Option<usize>,
    /// Why it would be refused, if it would.
    pub refused: Option<Refusal>,
    /// Phrases that an answer could not be made of.
    pub missing: Vec<String>,
    /// The page that came first.
    pub first: Option<String>,
    /// An expected page is among the first five, it is answered, and no phrase is missing.
    pub passed: bool,
}

/// What became of all questions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// In the order of the questions.
    pub outcomes: Vec<Outcome>,
}

impl Run {
    /// How many passed.
    pub fn passed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.passed).count()
    }

    /// The share of questions with an expected page among the first `k`; 1 without questions.
    pub fn recall(&self, k: usize) -> f64 {
        self.mean(|outcome| f64::from(u8::from(outcome.rank.is_some_and(|rank| rank <= k))))
    }

    /// The mean of one over the rank of the first expected page; 1 without questions.
    pub fn mrr(&self) -> f64 {
        self.mean(|outcome| outcome.rank.map_or(0.0, |rank| 1.0 / rank as f64))
    }

    fn mean(&self, of: impl Fn(&Outcome) -> f64) -> f64 {
        if self.outcomes.is_empty() {
            return 1.0;
        }
        let sum: f64 = self.outcomes.iter().map(of).sum();
        (sum / self.outcomes.len() as f64 * PRECISION).round() / PRECISION
    }

    /// The figures.
    pub fn told(&self) -> Value {
        json!({
            "questions": self.outcomes.len(), "passed": self.passed(),
            "recall_1": self.recall(1), "recall_5": self.recall(FIRST), "mrr": self.mrr(),
        })
    }
}

/// The same questions, asked of what is shown and of what it is to become.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// What is shown.
    pub before: Run,
    /// What would be.
    pub after: Run,
}

impl Comparison {
    /// Questions that pass now and would not then: each with what it meets now and what it would meet.
    pub fn lost(&self) -> Vec<(&Outcome, &Outcome)> {
        let after: HashMap<Uuid, &Outcome> = self.after.outcomes.iter().map(|o| (o.id, o)).collect();
        let passed = self.before.outcomes.iter().filter(|before| before.passed);
        let pairs = passed.filter_map(|before| Some((before, *after.get(&before.id)?)));
        pairs.filter(|(_, after)| !after.passed).collect()
    }

    /// Whether more than this share of the questions that pass now would be lost.
    pub fn falls_by_more_than(&self, share: f64) -> bool {
        let lost = self.lost().len();
        lost > 0 && lost as f64 > share * self.before.passed() as f64
    }

    /// What is wrong, if more is lost than `tolerated`.
    pub fn doubt(&self, tolerated: f64) -> Option<String> {
        let (lost, passed) = (self.lost().len(), self.before.passed());
        self.falls_by_more_than(tolerated)
            .then(|| format!("{lost} of {passed} golden questions would not be answered as expected any more"))
    }

    /// The lost questions, for people.
    pub fn named(&self) -> Value {
        let named = self.lost().into_iter().map(|(before, after)| {
            json!({
                "id": before.id, "question": before.question, "urls": before.urls, "rank_before": before.rank,
                "rank": after.rank, "refused": after.refused, "missing": after.missing, "first": after.first,
            })
        });
        named.collect()
    }
}

/// The share of its golden questions that a customer lets a crawl lose without being asked: none, unless the setting says otherwise.
pub fn tolerance(customer: &Customer) -> f64 {
    let share = customer.settings.get("golden_tolerance").and_then(Value::as_f64);
    share.filter(|share| (0.0..=1.0).contains(share)).unwrap_or_default()
}

/// Asks golden questions.
#[derive(Clone)]
pub struct Examiner {
    db: Db,
    answerer: Answerer,
}

impl Examiner {
    /// Asks them as `answerer` searches.
    pub fn new(db: Db, answerer: Answerer) -> Self {
        Self { db, answerer }
    }

    /// Asks all golden questions of the customer of a version.
    pub async fn ask(&self, customer: &Customer, version: Version) -> Result<Run> {
        let tx = self.db.tenant(customer).await?;
        let questions = golden::all(&tx).await?;
        let expected = expected(&tx, version).await?;
        tx.commit().await?;
        let mut outcomes = Vec::with_capacity(questions.len());
        for golden in questions {
            let met = self.answerer.examine(customer, version, &golden.question).await?;
            let pages = expected.get(&golden.id);
            outcomes.push(judge(golden, &met, pages));
        }
        Ok(Run { outcomes })
    }

    /// Asks them of what is shown, and of the version that it is to become.
    pub async fn compare(&self, customer: &Customer, next: Version) -> Result<Comparison> {
        Ok(Comparison {
            before: self.ask(customer, Version::Published).await?,
            after: self.ask(customer, next).await?,
        })
    }
}

/// The pages that each question expects: those at its addresses, and those with the same content, one of which is found for all. In what
/// is shown, a page may still be spoken for by one that has other content by now.
async fn expected(tx: &TenantTx, version: Version) -> Result<HashMap<Uuid, HashSet<Uuid>>> {
    const FIND: &str = "
        SELECT DISTINCT q.id AS question, o.id AS page FROM golden_questions q CROSS JOIN unnest(q.urls) AS u (url)
          JOIN scraped_pages e ON e.customer_id = q.customer_id AND e.url_hash = hash_url(u.url)
          JOIN scraped_pages o ON o.customer_id = e.customer_id
            AND (o.id = e.id OR o.id = e.duplicate_of OR o.content_hash = e.content_hash AND e.purged_at IS NULL
              OR $2 AND o.id = e.shown_by AND o.indexed_version < o.version)
        WHERE q.customer_id = $1";
    #[derive(FromQueryResult)]
    struct Pair {
        question: Uuid,
        page: Uuid,
    }
    let mut expected: HashMap<Uuid, HashSet<Uuid>> = HashMap::new();
    let values = [tx.customer().into(), (!matches!(version, Version::Staged(_))).into()];
    for pair in Pair::find_by_statement(sql(FIND, values)).all(&**tx).await? {
        expected.entry(pair.question).or_default().insert(pair.page);
    }
    Ok(expected)
}

fn judge(golden: Golden, met: &Examined, expected: Option<&HashSet<Uuid>>) -> Outcome {
    let is_expected = |page: Uuid| expected.is_some_and(|pages| pages.contains(&page));
    let rank = met.pages.iter().position(|met| is_expected(met.page)).map(|at| at + 1);
    let text = plain(&met.text);
    let has = |phrase: &str| match plain(phrase) {
        // Scripts that write without spaces.
        words if words.chars().any(|c| c >= '\u{2e80}') => text.contains(words.trim()),
        words => text.contains(&words),
    };
    let missing: Vec<String> = golden.phrases.into_iter().filter(|phrase| !has(phrase)).collect();
    Outcome {
        id: golden.id,
        question: golden.question,
        urls: golden.urls,
        rank,
        refused: met.refusal,
        passed: rank.is_some_and(|rank| rank <= FIRST) && met.refusal.is_none() && missing.is_empty(),
        missing,
        first: met.pages.first().map(|met| met.url.clone()),
    }
}

/// Words without their case, their marks and the space between them.
fn plain(text: &str) -> String {
    let words = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    format!(" {} ", words.map(str::to_lowercase).collect::<Vec<_>>().join(" "))
}

/// What a run depends on beside the code: changes with the index, the settings and the questions of the customer `c`.
pub(super) const FINGERPRINT: &str = "md5(concat(c.index_version, ' ', c.settings::text, ' ',
    (SELECT string_agg(concat(g.id, g.updated_at), ' ' ORDER BY g.id) FROM golden_questions g WHERE g.customer_id = c.id)))";

/// What is kept of a run beside its outcomes.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// Why it was made.
    pub cause: Cause,
    /// By which job.
    pub job: Uuid,
    /// Whether it was asked of what the job has staged.
    pub staged: bool,
    /// Whether what it was asked of is what answers are made from.
    pub published: bool,
    /// The lost questions.
    pub lost: &'a Value,
}

/// Keeps a run; a job's later run takes the place of its earlier one, so that a job that is run again tells once.
pub async fn keep(tx: &TenantTx, run: &Run, of: Circumstances<'_>) -> Result<Uuid> {
    const EARLIER: &str = "DELETE FROM golden_runs WHERE customer_id = $1 AND job_id = $2";
    let put = format!(
        "INSERT INTO golden_runs (id, customer_id, cause, job_id, staged, published, index_version, fingerprint, questions, passed,
           recall_1, recall_5, mrr, lost, results)
         SELECT $2, c.id, $3, $4, $5, $6, c.index_version, {FINGERPRINT}, $7, $8, $9, $10, $11, $12, $13
         FROM customer_configs c WHERE c.id = $1"
    );
    let id = ids::new_id();
    let values = [
        tx.customer().into(),
        id.into(),
        of.cause.as_str().into(),
        of.job.into(),
        of.staged.into(),
        of.published.into(),
        (run.outcomes.len() as i32).into(),
        (run.passed() as i32).into(),
        run.recall(1).into(),
        run.recall(FIRST).into(),
        run.mrr().into(),
        of.lost.clone().into(),
        serde_json::to_value(&run.outcomes)?.into(),
    ];
    tx.execute_raw(sql(EARLIER, [tx.customer().into(), of.job.into()]))
        .await?;
    tx.execute_raw(sql(&put, values)).await?;
    golden::prune(tx).await?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answering::Met;

    fn golden(n: u128, phrases: &[&str]) -> Golden {
        let at = time::OffsetDateTime::UNIX_EPOCH;
        Golden {
            id: Uuid::from_u128(n),
            question: "How long may I return it?".into(),
            urls: vec!["https://shop.example/returns".into()],
            phrases: phrases.iter().map(|&phrase| phrase.to_owned()).collect(),
            created_at: at,
            updated_at: at,
        }
    }

    fn met(pages: &[u128], refusal: Option<Refusal>) -> Examined {
        let page = |n: &u128| Met {
            page: Uuid::from_u128(*n),
            version: 1,
            url: format!("https://shop.example/{n}"),
            title: String::new(),
            score: 1.0,
        };
        Examined {
            pages: pages.iter().map(page).collect(),
            refusal,
            text: "Returns\nWithin **sixty days**, for free.".into(),
        }
    }

    fn outcome(n: u128, pages: &[u128], refusal: Option<Refusal>, phrases: &[&str]) -> Outcome {
        judge(
            golden(n, phrases),
            &met(pages, refusal),
            Some(&HashSet::from([Uuid::from_u128(7)])),
        )
    }

    #[test]
    fn a_question_passes_by_its_page_its_answer_and_its_phrases() {
        let good = outcome(1, &[3, 7], None, &["Sixty  days"]);
        assert_eq!((good.rank, good.passed), (Some(2), true));
        assert_eq!(good.first.as_deref(), Some("https://shop.example/3"));
        assert!(!outcome(1, &[7], Some(Refusal::NotAnswered), &[]).passed);
        let lacking = outcome(1, &[7], None, &["sixty", "ninety", "sixty day"]);
        assert_eq!((lacking.missing.len(), lacking.passed), (2, false), "whole words only");
        let late = outcome(1, &[1, 2, 3, 4, 5, 7], None, &[]);
        assert_eq!((late.rank, late.passed), (Some(6), false));
        assert_eq!(judge(golden(1, &[]), &met(&[7], None), None).rank, None);
    }

    #[test]
    fn figures_are_means_over_all_questions() {
        let run = Run {
            outcomes: vec![
                outcome(1, &[7], None, &[]),
                outcome(2, &[3, 7], None, &[]),
                outcome(3, &[3], None, &[]),
            ],
        };
        assert_eq!(
            (run.passed(), run.recall(1), run.recall(5), run.mrr()),
            (2, 0.3333, 0.6667, 0.5)
        );
        assert!((Run::default().mrr() - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn only_what_passed_before_can_be_lost_and_a_share_may_be() {
        let (good, bad) = (|n| outcome(n, &[7], None, &[]), |n| outcome(n, &[], None, &[]));
        let compared = |before: Vec<Outcome>, after: Vec<Outcome>| Comparison {
            before: Run { outcomes: before },
            after: Run { outcomes: after },
        };
        let one = compared(vec![good(1), good(2), bad(3)], vec![good(1), bad(2), bad(3)]);
        let ids: Vec<u128> = one.lost().iter().map(|(before, _)| before.id.as_u128()).collect();
        assert_eq!(ids, [2]);
        assert!(one.falls_by_more_than(0.0) && one.falls_by_more_than(0.4) && !one.falls_by_more_than(0.5));
        assert_eq!(one.named()[0]["rank_before"], 1);
        // A question that was removed or made in between says nothing.
        assert!(compared(vec![good(1)], vec![bad(2)]).lost().is_empty());
        assert!(!compared(vec![bad(1)], vec![good(1)]).falls_by_more_than(0.0));
        assert!(!Comparison::default().falls_by_more_than(0.0));
    }
}

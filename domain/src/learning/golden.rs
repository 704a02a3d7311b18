//! A customer's golden questions: each with the pages of which one should answer it, and phrases that an answer should be made of.
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::{Value, json};
use std::collections::HashSet;
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use crate::{
    Error, FieldError, Result, audit, error, ids,
    jobs::{self, MaintenanceTask, NewJob, Operator, Payload, Submitted},
    tenancy::{HostName, TenantTx, sql},
};

/// Golden questions of one customer at most: all of them are asked twice at the end of each crawl.
pub const MOST: i64 = 100;
/// URLs, and phrases, of one question at most.
const PARTS: usize = 10;
/// Longest question, in characters; a visitor's may be longer.
const QUESTION: usize = 500;
/// Longest URL, in bytes.
const URL: usize = 2000;
/// Longest phrase, in characters.
const PHRASE: usize = 200;
/// Runs that are kept for each customer.
const RUNS: i64 = 100;
/// Names the one run that a customer's jobs may be at.
pub(super) const DEDUPE: &str = "golden run";

/// A golden question.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Golden {
    /// The row.
    pub id: Uuid,
    /// As a visitor would ask it.
    pub question: String,
    /// Addresses, any of which should answer it.
    pub urls: Vec<String>,
    /// Texts that an answer should be made of.
    pub phrases: Vec<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was changed last.
    pub updated_at: OffsetDateTime,
}

/// A golden question to be, or what is to be changed of one.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// See [`Golden::question`].
    pub question: Option<String>,
    /// See [`Golden::urls`].
    pub urls: Option<Vec<String>>,
    /// See [`Golden::phrases`].
    pub phrases: Option<Vec<String>>,
}

/// A kept run, without what it found of each question.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct RunRow {
    /// The row.
    pub id: Uuid,
    /// Why it was made: `asked`, `crawl` or `change`.
    pub cause: String,
    /// The job that made it.
    pub job_id: Option<Uuid>,
    /// It was asked of what a crawl had staged.
    pub staged: bool,
    /// What it was asked of is or was what answers are made from.
    pub published: bool,
    /// The index version that it was asked of, or, staged, beside.
    pub index_version: i64,
    /// Questions that were asked.
    pub questions: i32,
    /// Those that passed.
    pub passed: i32,
    /// The share of questions whose first page is an expected one.
    pub recall_1: f64,
    /// The share of questions with an expected page among the first five.
    pub recall_5: f64,
    /// The mean of one over the rank of the first expected page.
    pub mrr: f64,
    /// Questions that passed before it, in the published version, and not in this one.
    pub lost: Value,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

const COLUMNS: &str = "id, question, urls, phrases, created_at, updated_at";
const RUN: &str =
    "id, cause, job_id, staged, published, index_version, questions, passed, recall_1, recall_5, mrr, lost, created_at";

/// The customer's golden questions, oldest first, after `after`.
pub async fn list(tx: &TenantTx, after: Option<Uuid>, limit: u64) -> Result<Vec<Golden>> {
    let find = format!(
        "SELECT {COLUMNS} FROM golden_questions WHERE customer_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3"
    );
    let values = [tx.customer().into(), after.into(), (limit as i64).into()];
    Ok(Golden::find_by_statement(sql(&find, values)).all(&**tx).await?)
}

/// All of them.
pub async fn all(tx: &TenantTx) -> Result<Vec<Golden>> {
    list(tx, None, MOST as u64).await
}

/// One of them.
pub async fn get(tx: &TenantTx, id: Uuid) -> Result<Golden> {
    let find = format!("SELECT {COLUMNS} FROM golden_questions WHERE customer_id = $1 AND id = $2");
    let found = Golden::find_by_statement(sql(&find, [tx.customer().into(), id.into()]));
    found
        .one(&**tx)
        .await?
        .ok_or_else(|| Error::not_found("golden question"))
}

/// Makes a golden question.
pub async fn create(tx: &TenantTx, new: &Change, by: Operator<'_>) -> Result<Golden> {
    const COUNT: &str = "SELECT count(*) AS n FROM golden_questions WHERE customer_id = $1";
    const INSERT: &str =
        "INSERT INTO golden_questions (id, customer_id, question, urls, phrases) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (customer_id, question) DO NOTHING";
    let new = checked(tx, new).await?;
    let (Some(question), Some(urls)) = (new.question, new.urls) else {
        return Err(Error::invalid("question", "is required, and so are its urls"));
    };
    alone(tx).await?;
    let row = tx.query_one_raw(sql(COUNT, [tx.customer().into()])).await?;
    let count: i64 = row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
    if count >= MOST {
        let told = format!("a customer has at most {MOST} golden questions");
        return Err(Error::conflict("too_many_golden_questions", told));
    }
    let id = ids::new_id();
    let values = [
        id.into(),
        tx.customer().into(),
        question.into(),
        urls.into(),
        new.phrases.unwrap_or_default().into(),
    ];
    if tx.execute_raw(sql(INSERT, values)).await?.rows_affected() == 0 {
        return Err(twice());
    }
    note(tx, id, "golden.created", by).await?;
    get(tx, id).await
}

/// Changes what is given of a golden question.
pub async fn change(tx: &TenantTx, id: Uuid, change: &Change, by: Operator<'_>) -> Result<Golden> {
    const TAKEN: &str = "SELECT FROM golden_questions WHERE customer_id = $1 AND question = $3 AND id <> $2";
    const UPDATE: &str = "
        UPDATE golden_questions SET question = $3, urls = $4, phrases = $5, updated_at = now() WHERE customer_id = $1 AND id = $2";
    alone(tx).await?;
    let before = get(tx, id).await?;
    let change = checked(tx, change).await?;
    let question = change.question.unwrap_or(before.question);
    let taken = [tx.customer().into(), id.into(), question.clone().into()];
    if tx.query_one_raw(sql(TAKEN, taken)).await?.is_some() {
        return Err(twice());
    }
    let values = [
        tx.customer().into(),
        id.into(),
        question.into(),
        change.urls.unwrap_or(before.urls).into(),
        change.phrases.unwrap_or(before.phrases).into(),
    ];
    tx.execute_raw(sql(UPDATE, values)).await?;
    note(tx, id, "golden.changed", by).await?;
    get(tx, id).await
}

/// Removes a golden question. A crawl that is staging then goes by what is left; without any it is simply shown at its end.
pub async fn remove(tx: &TenantTx, id: Uuid, by: Operator<'_>) -> Result<()> {
    const DELETE: &str = "DELETE FROM golden_questions WHERE customer_id = $1 AND id = $2";
    let gone = tx.execute_raw(sql(DELETE, [tx.customer().into(), id.into()])).await?;
    if gone.rows_affected() == 0 {
        return Err(Error::not_found("golden question"));
    }
    note(tx, id, "golden.removed", by).await
}

/// One change of a customer's questions at a time, so that they can be counted and compared.
async fn alone(tx: &TenantTx) -> Result<()> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('golden ' || $1::text, 0))";
    tx.execute_raw(sql(LOCK, [tx.customer().into()])).await?;
    Ok(())
}

fn twice() -> Error {
    Error::conflict("golden_question_exists", "there is a golden question with these words")
}

async fn note(tx: &TenantTx, id: Uuid, action: &str, by: Operator<'_>) -> Result<()> {
    let entry = audit::Entry {
        customer: Some(tx.customer()),
        actor: by.actor,
        action,
        resource: &id.to_string(),
        metadata: json!({}),
        ip: by.ip,
    };
    audit::record(&**tx, entry).await
}

/// The change as it is stored, or every rule that it breaks.
async fn checked(tx: &TenantTx, change: &Change) -> Result<Change> {
    const OWN: &str = "SELECT host FROM customer_domains WHERE customer_id = $1";
    let mut wrong = Vec::new();
    let question = change
        .question
        .as_deref()
        .map(|text| line("question", text, QUESTION, &mut wrong));
    let phrases = change.phrases.as_ref().map(|phrases| {
        some("phrases", phrases, 0, &mut wrong);
        let each = phrases.iter().enumerate();
        let each = each.map(|(n, text)| line(&format!("phrases[{n}]"), text, PHRASE, &mut wrong));
        each.collect::<Vec<_>>()
    });
    let mut urls = None;
    if let Some(given) = &change.urls {
        some("urls", given, 1, &mut wrong);
        let rows = tx.query_all_raw(sql(OWN, [tx.customer().into()])).await?;
        let own: HashSet<String> = rows
            .iter()
            .map(|row| row.try_get("", "host"))
            .collect::<Result<_, _>>()?;
        let mut read = Vec::new();
        for (n, text) in given.iter().enumerate() {
            match address(text, &own) {
                Ok(url) if read.contains(&url) => {}
                Ok(url) => read.push(url),
                Err(reason) => wrong.push(field(&format!("urls[{n}]"), reason)),
            }
        }
        urls = Some(read);
    }
    if wrong.is_empty() {
        return Ok(Change {
            question,
            urls,
            phrases,
        });
    }
    let told: Vec<String> = wrong.iter().map(|f| format!("{} {}", f.field, f.reason)).collect();
    Err(Error::new(
        error::Kind::Invalid(wrong),
        "invalid_request",
        told.join("; "),
    ))
}

fn field(name: &str, reason: impl Into<String>) -> FieldError {
    FieldError {
        field: name.to_owned(),
        reason: reason.into(),
    }
}

fn some(name: &str, items: &[String], least: usize, wrong: &mut Vec<FieldError>) {
    if !(least..=PARTS).contains(&items.len()) {
        wrong.push(field(
            name,
            format!("must have {least} to {PARTS} items, not {}", items.len()),
        ));
    }
}

fn line(name: &str, text: &str, most: usize, wrong: &mut Vec<FieldError>) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = text.chars().count();
    if !(1..=most).contains(&length) || text.chars().any(char::is_control) {
        wrong.push(field(name, format!("must be one line of 1 to {most} characters")));
    }
    text
}

/// A URL as the page store has it, if it is on one of the customer's hosts.
fn address(text: &str, own: &HashSet<String>) -> Result<String, String> {
    let url = Url::parse(text.trim()).map_err(|e| format!("is not a URL: {e}"))?;
    if text.len() > URL || !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "must start with http:// or https:// and have at most {URL} bytes"
        ));
    }
    let host = HostName::of(&url).ok_or("has no host")?;
    if !own.contains(host.as_str()) {
        return Err(format!("{host} is not one of this customer's domains"));
    }
    Ok(extract::url::normalize(&url).to_string())
}

/// A job that asks all golden questions now.
pub async fn request_run(tx: &TenantTx) -> Result<Submitted> {
    let task = MaintenanceTask::GoldenRun;
    let job = NewJob {
        dedupe_key: Some(DEDUPE.to_owned()),
        priority: jobs::NOW,
        ..NewJob::new(tx.customer(), Payload::Maintenance { task })
    };
    jobs::submit(&**tx, &job).await
}

/// Kept runs, newest first, before `before`.
pub async fn runs(tx: &TenantTx, before: Option<Uuid>, limit: u64) -> Result<Vec<RunRow>> {
    let find = format!(
        "SELECT {RUN} FROM golden_runs WHERE customer_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3"
    );
    let values = [tx.customer().into(), before.into(), (limit as i64).into()];
    Ok(RunRow::find_by_statement(sql(&find, values)).all(&**tx).await?)
}

/// One of them, with what it found of each question.
pub async fn run(tx: &TenantTx, id: Uuid) -> Result<(RunRow, Value)> {
    let find = format!("SELECT {RUN}, results FROM golden_runs WHERE customer_id = $1 AND id = $2");
    let row = tx
        .query_one_raw(sql(&find, [tx.customer().into(), id.into()]))
        .await?
        .ok_or_else(|| Error::not_found("golden run"))?;
    Ok((RunRow::from_query_result(&row, "")?, row.try_get("", "results")?))
}

/// Deletes all but the last runs.
pub(super) async fn prune(tx: &TenantTx) -> Result<()> {
    const PRUNE: &str = "DELETE FROM golden_runs WHERE customer_id = $1 AND id <= (
        SELECT id FROM golden_runs WHERE customer_id = $1 ORDER BY id DESC OFFSET $2 LIMIT 1)";
    tx.execute_raw(sql(PRUNE, [tx.customer().into(), RUNS.into()])).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expected_page_is_one_of_the_customers_own_and_spelled_as_pages_are() {
        let own = HashSet::from(["shop.example".to_owned()]);
        assert_eq!(
            address(" https://Shop.example/a/../b#part ", &own).unwrap(),
            "https://shop.example/b"
        );
        for wrong in [
            "shop.example/a",
            "ftp://shop.example/",
            "https://other.example/",
            "data:x",
        ] {
            assert!(address(wrong, &own).is_err(), "{wrong}");
        }
    }
}

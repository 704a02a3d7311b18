//! A copy of all that is held about a person, as one JSON document: at once where it is small, by a job where it is large. A
//! job's document stays in the database, under row-level security, for a day.
//!
//! What must stay true: no copy is larger than its bounds, and a large one is text from the database to whoever takes it: nobody's
//! person fills a process's memory.
use sea_orm::{ConnectionTrait, QueryResult, Statement};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{
    Privacy,
    find::Visitors,
    map::{Of, Rows, Table, tables},
    mentions,
    subject::Subject,
};
use crate::{
    Error, Result, audit, ids,
    jobs::{MaintenanceTask, NewJob, Operator, Payload, Submitted, remember, replay, request_hash, submit},
    tenancy::{Customer, TenantTx, sql},
};

/// The form of a document.
pub const SCHEMA: &str = "omniops.subject-export/1";
/// Hours that a job's document can be had.
const HOURS: i32 = 24;
/// Before bulk work: a person waits, and the law counts days.
const PRIORITY: i16 = 10;

/// How much a copy may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// More rows than this are a job's work,
    pub rows_at_once: i64,
    /// and more bytes than this.
    pub bytes_at_once: i64,
    /// More rows than this nobody makes a copy of,
    pub rows: i64,
    /// nor of more bytes.
    pub bytes: i64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            rows_at_once: 2000,
            bytes_at_once: 1 << 20,
            rows: 200_000,
            bytes: 64 << 20,
        }
    }
}

/// What came of asking for a copy.
#[derive(Clone, Debug, PartialEq)]
pub enum Copy {
    /// The document, as text.
    Document(String),
    /// A job makes it.
    Later(ExportJob, Submitted),
}

/// A document that a job makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportJob {
    /// Its id.
    pub id: Uuid,
    /// The job.
    pub job: Option<Uuid>,
    /// Whether the document can be had.
    pub done: bool,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// Until when it can be had.
    pub expires_at: OffsetDateTime,
}

impl Privacy {
    /// A copy of all that is held about a person. Give a job to the dispatcher. Of requests with the same `key` one makes a job; a copy
    /// that is made at once is kept nowhere, so it is made again.
    pub async fn export(
        &self,
        customer: &Customer,
        subject: &Subject,
        key: Option<&str>,
        by: Operator<'_>,
    ) -> Result<Copy> {
        let hash = self.seals.subject_key().hash(customer.id, subject);
        let tx = self.db.tenant(customer).await?;
        // By the keyed hash: what is kept of the request names nobody.
        let request = request_hash("export", &json!({ "subject": hex::encode(&hash) }));
        let before = match key {
            Some(key) => replay(&tx, key, &request).await?,
            None => None,
        };
        let rows = Visitors::of(&tx, subject).await?.rows(&tx, hash).await?;
        if let Some(before) = &before
            && let Some(copy) = again(&tx, before).await?
        {
            return Ok(copy);
        }
        let looks = matches!(subject, Subject::Email(_));
        let small = self.is_small(&tx, &rows).await?;
        let copy = if !small || looks && mentions::many(&tx).await? {
            let (job, submitted) = plan(&tx, subject, &rows).await?;
            Copy::Later(job, submitted)
        } else {
            Copy::Document(self.document(&tx, customer, subject.kind(), &rows).await?)
        };
        let later = matches!(copy, Copy::Later(..));
        let entry = audit::Entry {
            customer: Some(customer.id),
            actor: by.actor,
            action: "gdpr.exported",
            resource: &hex::encode(&rows.subject[..8]),
            metadata: json!({ "subject_kind": subject.kind(), "by_job": later }),
            ip: by.ip,
        };
        audit::record(&*tx, entry).await?;
        // A document that was handed out is kept nowhere: it is made again, and that is told like the first time.
        if let (Some(key), None) = (key, &before) {
            let export = match &copy {
                Copy::Later(job, _) => Some(job.id),
                Copy::Document(_) => None,
            };
            // The subject, so that an erasure finds it.
            let answer = json!({ "export_id": export, "subject": hex::encode(&rows.subject) });
            remember(&tx, key, &answer).await?;
        }
        tx.commit().await?;
        metrics::counter!("omniops_subject_exports_total", "kind" => subject.kind()).increment(1);
        tracing::info!(event = "gdpr_exported", customer = %customer.id, later);
        Ok(copy)
    }

    /// How a job's document stands; another customer's, and one whose day is over, is none.
    pub async fn export_job(&self, customer: &Customer, id: Uuid) -> Result<ExportJob> {
        let tx = self.db.tenant_read(customer).await?;
        find(&tx, id).await
    }

    /// The document, as text. Each time that it is taken is told in the audit log.
    pub async fn export_document(&self, customer: &Customer, id: Uuid, by: Operator<'_>) -> Result<String> {
        const READ: &str = "SELECT document FROM subject_exports WHERE customer_id = $1 AND id = $2";
        let tx = self.db.tenant(customer).await?;
        find(&tx, id).await?;
        let row = tx.query_one_raw(sql(READ, [customer.id.into(), id.into()])).await?;
        let document: Option<String> = row.map(|row| row.try_get("", "document")).transpose()?.flatten();
        let not_ready = || Error::conflict("export_not_ready", "the job has not made the document yet");
        let document = document.ok_or_else(not_ready)?;
        let entry = audit::Entry {
            customer: Some(customer.id),
            actor: by.actor,
            action: "gdpr.document_taken",
            resource: &id.to_string(),
            metadata: json!({}),
            ip: by.ip,
        };
        audit::record(&*tx, entry).await?;
        tx.commit().await?;
        Ok(document)
    }

    async fn document(&self, tx: &TenantTx, customer: &Customer, kind: &str, rows: &Rows) -> Result<String> {
        let (held, counts) = held_rows(tx, rows).await?;
        let made_at = now(tx).await?.format(&Rfc3339);
        let made_at = made_at.map_err(|e| Error::internal("a document's time", e))?;
        let mentions = match kind {
            "email" => self.mentioned(tx, rows).await?,
            _ => json!([]),
        };
        let rest = json!({
            "schema": SCHEMA,
            "made_at": made_at,
            "customer": { "id": customer.id, "domain": customer.domain, "name": customer.name },
            "subject_kind": kind,
            "sessions": rows.sessions,
            "counts": counts,
            "mentions": mentions,
        });
        // The rows are the database's own text, and are not read here.
        let mut text = rest.to_string();
        text.pop();
        text.push_str(",\"held\":");
        text.push_str(&held);
        text.push('}');
        Ok(text)
    }

    /// Whether the copy can be made at once; refused if there is more than any copy may be.
    async fn is_small(&self, tx: &TenantTx, rows: &Rows) -> Result<bool> {
        let bounds = self.bounds;
        let (mut count, mut bytes) = (0, 0);
        for (table, of) in exported() {
            count += number(tx, rows.count(tx.customer(), table, &of)).await?;
        }
        if count <= bounds.rows {
            for (table, of) in exported() {
                bytes += number(tx, rows.weigh(tx.customer(), table, &of)).await?;
            }
        }
        if count > bounds.rows || bytes > bounds.bytes {
            let told = format!(
                "more than {} rows or {} MiB are held; ask for one session at a time, or let older conversations end first (retention_days)",
                bounds.rows,
                bounds.bytes >> 20
            );
            return Err(Error::conflict("export_too_large", told));
        }
        Ok(count <= bounds.rows_at_once && bytes <= bounds.bytes_at_once)
    }

    /// Texts of others in which the address stands. A job knows the address by its hash only, under the key of the moment in which it
    /// was asked for.
    async fn mentioned(&self, tx: &TenantTx, rows: &Rows) -> Result<Value> {
        let keys = self.seals.subject_keys();
        let whose = |address: &str, _: Uuid| {
            let subject = Subject::Email(address.to_owned());
            keys.iter().any(|key| key.hash(tx.customer(), &subject) == rows.subject)
        };
        let found = mentions::find(tx, &whose).await?;
        let others = found
            .into_iter()
            .filter(|mention| !rows.messages.contains(&mention.row));
        Ok(others
            .map(|m| json!({ "table": m.table, "column": m.column, "id": m.row, "text": m.text }))
            .collect())
    }

    /// Makes the document that was planned; returns how many bytes it has, or none if nobody wants it any more: it has expired, or the
    /// person was forgotten meanwhile.
    pub async fn make_export(&self, customer: &Customer, id: Uuid) -> Result<Option<usize>> {
        const PLAN: &str = "SELECT subject_kind, subject, visitors, sessions FROM subject_exports
            WHERE customer_id = $1 AND id = $2 AND state = 'pending' AND expires_at > now()";
        loop {
            let tx = self.db.tenant_read(customer).await?;
            let Some(row) = tx.query_one_raw(sql(PLAN, [customer.id.into(), id.into()])).await? else {
                return Ok(None);
            };
            let forgotten = forgotten(&tx).await?;
            let visitors = Visitors {
                ids: row.try_get("", "visitors")?,
                sessions: row.try_get("", "sessions")?,
            };
            let kind: String = row.try_get("", "subject_kind")?;
            let rows = visitors.rows(&tx, row.try_get("", "subject")?).await?;
            // There may be more than when it was planned.
            self.is_small(&tx, &rows).await?;
            let document = self.document(&tx, customer, &kind, &rows).await?;
            tx.commit().await?;
            let bytes = document.len();
            match self.keep(customer, id, document, forgotten).await? {
                Kept::Done => return Ok(Some(bytes)),
                Kept::Nobody => return Ok(None),
                Kept::Stale => {}
            }
        }
    }

    /// Keeps a document that was read when so many people had been `forgotten`.
    async fn keep(&self, customer: &Customer, id: Uuid, document: String, before: i64) -> Result<Kept> {
        const LOCK: &str = "SELECT id FROM subject_exports WHERE customer_id = $1 AND id = $2 FOR UPDATE";
        const KEEP: &str =
            "UPDATE subject_exports SET state = 'done', document = $3 WHERE customer_id = $1 AND id = $2";
        let tx = self.db.tenant(customer).await?;
        let which = [customer.id.into(), id.into()];
        // Where the person was forgotten meanwhile the row is gone, and so is what was read.
        if tx.query_one_raw(sql(LOCK, which)).await?.is_none() {
            return Ok(Kept::Nobody);
        }
        if forgotten(&tx).await? != before {
            return Ok(Kept::Stale);
        }
        tx.execute_raw(sql(KEEP, [customer.id.into(), id.into(), document.into()]))
            .await?;
        tx.commit().await?;
        Ok(Kept::Done)
    }
}

/// What became of a document that was read.
enum Kept {
    Done,
    /// Nobody wants it any more.
    Nobody,
    /// Somebody was forgotten after it was read, and may stand in it.
    Stale,
}

/// How many people the customer has forgotten.
async fn forgotten(tx: &TenantTx) -> Result<i64> {
    const COUNT: &str = "SELECT count(*) AS n FROM erasures WHERE customer_id = $1";
    let row = tx.query_one_raw(sql(COUNT, [tx.customer().into()])).await?;
    let row = row.ok_or_else(|| Error::internal("the number of erasures", "no row"))?;
    Ok(row.try_get("", "n")?)
}

/// The tables of which rows are handed out.
fn exported() -> impl Iterator<Item = (&'static Table, Of)> {
    tables().filter_map(|table| Some((table, table.of.filter(|of| !of.export.is_empty())?)))
}

async fn number(tx: &TenantTx, query: Statement) -> Result<i64> {
    let row = tx.query_one_raw(query).await?;
    Ok(row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default())
}

/// The rows by table as the text of an object, and how many of each there are.
async fn held_rows(tx: &TenantTx, rows: &Rows) -> Result<(String, Map<String, Value>)> {
    let (mut held, mut counts) = (String::from("{"), Map::new());
    for (table, of) in exported() {
        let read = tx.query_all_raw(rows.read(tx.customer(), table, &of)).await?;
        counts.insert(table.name.to_owned(), read.len().into());
        if held.len() > 1 {
            held.push(',');
        }
        // A String takes everything that is written to it.
        let _ = write!(held, "\"{}\":[", table.name);
        for (n, row) in read.iter().enumerate() {
            if n > 0 {
                held.push(',');
            }
            held.push_str(&row.try_get::<String>("", "row")?);
        }
        held.push(']');
    }
    held.push('}');
    Ok((held, counts))
}

async fn now(tx: &TenantTx) -> Result<OffsetDateTime> {
    let row = tx.query_one_raw(sql("SELECT now() AS now", [])).await?;
    let row = row.ok_or_else(|| Error::internal("the database's clock", "no row"))?;
    Ok(row.try_get("", "now")?)
}

/// The job that a request with this key was answered with before, if it was one.
async fn again(tx: &TenantTx, before: &Value) -> Result<Option<Copy>> {
    let Some(id) = before["export_id"].as_str().and_then(|id| id.parse().ok()) else {
        return Ok(None);
    };
    let job = find(tx, id).await?;
    let submitted = Submitted {
        id: job.job.unwrap_or_default(),
        fresh: false,
        errand: None,
    };
    Ok(Some(Copy::Later(job, submitted)))
}

async fn plan(tx: &TenantTx, subject: &Subject, rows: &Rows) -> Result<(ExportJob, Submitted)> {
    const INSERT: &str = "
        INSERT INTO subject_exports (id, customer_id, subject_kind, subject, visitors, sessions, job_id, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(hours => $8))";
    let id = ids::new_id();
    let task = MaintenanceTask::ExportSubject { export: id };
    let mut job = NewJob::new(tx.customer(), Payload::Maintenance { task });
    job.priority = PRIORITY;
    let submitted = submit(&**tx, &job).await?;
    let values = [
        id.into(),
        tx.customer().into(),
        subject.kind().into(),
        rows.subject.clone().into(),
        rows.visitors.clone().into(),
        rows.sessions.clone().into(),
        submitted.id.into(),
        HOURS.into(),
    ];
    tx.execute_raw(sql(INSERT, values)).await?;
    Ok((find(tx, id).await?, submitted))
}

async fn find(tx: &TenantTx, id: Uuid) -> Result<ExportJob> {
    const FIND: &str = "SELECT id, job_id, state, created_at, expires_at FROM subject_exports
        WHERE customer_id = $1 AND id = $2 AND expires_at > now()";
    let row = tx.query_one_raw(sql(FIND, [tx.customer().into(), id.into()])).await?;
    let row = row.ok_or_else(|| Error::not_found("export"))?;
    read(&row)
}

fn read(row: &QueryResult) -> Result<ExportJob> {
    Ok(ExportJob {
        id: row.try_get("", "id")?,
        job: row.try_get("", "job_id")?,
        done: row.try_get::<String>("", "state")? == "done",
        created_at: row.try_get("", "created_at")?,
        expires_at: row.try_get("", "expires_at")?,
    })
}

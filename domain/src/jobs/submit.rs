//! New jobs, written in the transaction of what caused them: one statement, however many there are.
//!
//! While its customer has few jobs waiting and nothing holds the queue back, a new job may start at once: its errand comes with
//! the answer, for [`super::Dispatcher::dispatch`] to publish after the commit. Everything else waits for the dispatcher's next
//! round, which chooses by priority and fairness, and which finds what a process did not come to publish.
use queue::Errand;
use sea_orm::{ConnectionTrait, QueryResult};
use serde_json::{Value, json};
use std::collections::HashMap;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{JobError, Payload};
use crate::{Error, Result, ids, tenancy::sql};

/// Waiting jobs of one customer and kind up to which a new one is dispatched at once, by the express lane.
const DIRECT: i64 = 16;

/// Priority of what somebody waits for: a page that was corrected, a product of which the shop says that it has changed.
pub const NOW: i16 = 10;
/// Priority of larger work that a person has asked for.
pub const SOON: i16 = 5;
/// Priority of what goes by the clock, and of what follows from larger work.
pub const BULK: i16 = 0;

/// A job to be.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Whose it is; none for the system's own.
    pub customer: Option<Uuid>,
    /// What to do.
    pub payload: Payload,
    /// The job that waits for this one.
    pub parent: Option<Uuid>,
    /// Of a customer's jobs the one of higher priority runs first: [`NOW`], [`SOON`] or [`BULK`].
    pub priority: i16,
    /// Not before this moment.
    pub run_at: Option<OffsetDateTime>,
    /// While a job of the kind with this key is live, another is not made. One that waits for its first start comes as soon, and with the priority, that
    /// the latest asks for, if that is sooner or higher.
    pub dedupe_key: Option<String>,
}

impl NewJob {
    /// A job without parent, delay or dedupe key.
    pub fn new(customer: Uuid, payload: Payload) -> Self {
        Self {
            customer: Some(customer),
            ..Self::system(payload)
        }
    }

    /// The same for a job of the system's own.
    pub fn system(payload: Payload) -> Self {
        Self {
            customer: None,
            payload,
            parent: None,
            priority: BULK,
            run_at: None,
            dedupe_key: None,
        }
    }
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The job, new or the live one with the same dedupe key.
    pub id: Uuid,
    /// Whether it is new.
    pub fresh: bool,
    /// What [`super::Dispatcher::dispatch`] publishes after the commit; none if the job has to wait.
    pub errand: Option<Errand>,
}

/// Writes a job. After the commit, give the result to [`super::Dispatcher::dispatch`], so that it starts at once.
pub async fn submit(tx: &impl ConnectionTrait, new: &NewJob) -> Result<Submitted> {
    let mut made = submit_all(tx, std::slice::from_ref(new)).await?;
    made.pop()
        .ok_or_else(|| Error::internal("submitting a job", "no answer"))
}

/// Writes jobs, and says of each what became of it, in their order. A job that waits for a person's confirmation is no twin: the
/// new one takes its place.
pub async fn submit_all(tx: &impl ConnectionTrait, new: &[NewJob]) -> Result<Vec<Submitted>> {
    let new: Vec<(Uuid, &NewJob)> = new.iter().map(|new| (ids::new_id(), new)).collect();
    let mut made = insert(tx, &new).await?;
    let mut answer = Vec::with_capacity(new.len());
    for (id, new) in new {
        if !made.contains_key(&id) && supersede(tx, id, new).await? {
            made.extend(insert(tx, &[(id, new)]).await?);
        }
        if !made.contains_key(&id) {
            if let Some(twin) = live_twin(tx, new).await? {
                answer.push(twin);
                continue;
            }
            // The twin has ended since it was in the way.
            made.extend(insert(tx, &[(id, new)]).await?);
        }
        answer.push(match made.get(&id) {
            Some(direct) => Submitted {
                id,
                fresh: true,
                errand: direct.then(|| errand(id, new)),
            },
            None => live_twin(tx, new).await?.ok_or_else(just_ended)?,
        });
    }
    Ok(answer)
}

fn just_ended() -> Error {
    Error::conflict(
        "job_just_ended",
        "a job of the same kind ended at this moment; try again",
    )
}

/// Writes those jobs that have no live twin; returns which these are, and whether their errands may be published at once. It names no
/// index, so that a later schema can keep twins apart by another one while this build runs. What waits is counted in the backlog's order, which
/// keeps the planner from reading the jobs of the past for it.
async fn insert(tx: &impl ConnectionTrait, new: &[(Uuid, &NewJob)]) -> Result<HashMap<Uuid, bool>> {
    const INSERT: &str = "
        WITH asked AS (
          SELECT *, CASE WHEN run_at > now() THEN 'scheduled' ELSE 'queued' END AS state
          FROM jsonb_to_recordset($1) AS a (n integer, id uuid, customer_id uuid, parent_id uuid, kind text, payload jsonb,
            version integer, priority smallint, run_at timestamptz, dedupe_key text)),
        room AS (
          SELECT g.customer_id, g.kind, $2 - (SELECT count(*) FROM (
              SELECT FROM jobs j WHERE j.customer_id = g.customer_id AND j.kind = g.kind AND j.state = 'queued'
              ORDER BY j.priority DESC, j.run_at, j.id LIMIT $2) q) AS free
          FROM (SELECT DISTINCT customer_id, kind FROM asked) g
          WHERE NOT EXISTS (SELECT FROM queue_controls c WHERE c.kind = g.kind
            AND (c.paused_at IS NOT NULL OR c.max_running IS NOT NULL OR c.max_running_per_customer IS NOT NULL))),
        direct AS (
          SELECT a.id, a.state = 'queued' AND r.free >= row_number() OVER (PARTITION BY a.customer_id, a.kind ORDER BY a.priority DESC, a.n) AS now
          FROM asked a LEFT JOIN room r ON r.kind = a.kind AND r.customer_id IS NOT DISTINCT FROM a.customer_id),
        made AS (
          INSERT INTO jobs (id, customer_id, parent_id, kind, payload, payload_version, state, priority, run_at, dedupe_key)
          SELECT id, customer_id, parent_id, kind, payload, version, state, priority, coalesce(run_at, now()), dedupe_key FROM asked ORDER BY n
          ON CONFLICT DO NOTHING
          RETURNING id, customer_id, kind, state),
        told AS (
          INSERT INTO job_events (customer_id, job_id, kind, data)
          SELECT customer_id, id, state, jsonb_build_object('kind', kind) FROM made)
        SELECT made.id, coalesce(direct.now, false) AS direct FROM made JOIN direct ON direct.id = made.id";
    if new.is_empty() {
        return Ok(HashMap::new());
    }
    let asked: Vec<Value> = new.iter().enumerate().map(row).collect::<Result<_>>()?;
    let values = [Value::Array(asked).into(), DIRECT.into()];
    let rows = tx.query_all_raw(sql(INSERT, values)).await?;
    let direct = |row: &QueryResult| Ok((row.try_get("", "id")?, row.try_get("", "direct")?));
    rows.iter().map(direct).collect()
}

fn row((n, (id, new)): (usize, &(Uuid, &NewJob))) -> Result<Value> {
    let run_at = new.run_at.map(|at| at.format(&Rfc3339)).transpose();
    let run_at = run_at.map_err(|e| Error::internal("a job's time", e))?;
    Ok(json!({
        "n": n, "id": id, "customer_id": new.customer, "parent_id": new.parent, "kind": new.payload.kind().as_str(),
        "payload": new.payload, "version": new.payload.version(), "priority": new.priority, "run_at": run_at, "dedupe_key": new.dedupe_key,
    }))
}

fn errand(id: Uuid, new: &NewJob) -> Errand {
    Errand {
        job: id.to_string(),
        kind: new.payload.kind().to_string(),
        customer: new.customer.map(|c| c.to_string()).unwrap_or_default(),
        version: new.payload.version(),
    }
}

/// Cancels the job that waits for a confirmation of what `new`, the job `id`, does anew; says whether there was one.
async fn supersede(tx: &impl ConnectionTrait, id: Uuid, new: &NewJob) -> Result<bool> {
    const SUPERSEDE: &str = "
        WITH superseded AS (
          UPDATE jobs SET state = 'cancelled', finished_at = now(), error = $4
          WHERE customer_id IS NOT DISTINCT FROM $1 AND kind = $2 AND dedupe_key = $3 AND state = 'needs_confirmation'
          RETURNING id, customer_id)
        INSERT INTO job_events (customer_id, job_id, kind, data)
        SELECT customer_id, id, 'cancelled', jsonb_build_object('reason', $4::jsonb->'message', 'superseded_by', $5::uuid) FROM superseded";
    let error = JobError::new("superseded", "a new request took its place");
    let values = [
        new.customer.into(),
        new.payload.kind().as_str().into(),
        new.dedupe_key.clone().into(),
        error.told(0).into(),
        id.into(),
    ];
    Ok(tx.execute_raw(sql(SUPERSEDE, values)).await?.rows_affected() > 0)
}

/// The live job that kept `new` from being made; none if it has ended meanwhile. If it waits it comes no later than `new` would, unless it has failed
/// before or somebody holds it at this moment, who may be about to begin it.
async fn live_twin(tx: &impl ConnectionTrait, new: &NewJob) -> Result<Option<Submitted>> {
    const LIVE: &str = "
        WITH live AS (
          SELECT id FROM jobs WHERE customer_id IS NOT DISTINCT FROM $1 AND kind = $2 AND dedupe_key = $3
            AND state IN ('scheduled', 'queued', 'running', 'needs_confirmation')),
        later AS (
          SELECT id FROM jobs WHERE id IN (SELECT id FROM live) AND state IN ('scheduled', 'queued') AND error IS NULL
            AND (priority < $4 OR run_at > coalesce($5, now())) FOR UPDATE SKIP LOCKED),
        sooner AS (
          UPDATE jobs SET priority = greatest(priority, $4), run_at = least(run_at, coalesce($5, now())) WHERE id IN (SELECT id FROM later))
        SELECT id FROM live";
    let values = [
        new.customer.into(),
        new.payload.kind().as_str().into(),
        new.dedupe_key.clone().into(),
        new.priority.into(),
        new.run_at.into(),
    ];
    let twin = |row: QueryResult| {
        Ok(Submitted {
            id: row.try_get("", "id")?,
            fresh: false,
            errand: None,
        })
    };
    tx.query_one_raw(sql(LIVE, values)).await?.map(twin).transpose()
}

/// How many jobs made by `parent` have not ended, and how many ended otherwise than done.
pub async fn live_children(tx: &impl ConnectionTrait, parent: Uuid) -> Result<(i64, i64)> {
    let query = "SELECT count(*) FILTER (WHERE state NOT IN ('done', 'failed', 'dead', 'cancelled')) AS live,
                        count(*) FILTER (WHERE state IN ('failed', 'dead', 'cancelled')) AS lost
                 FROM jobs WHERE parent_id = $1";
    let row = tx.query_one_raw(sql(query, [parent.into()])).await?;
    let row = row.ok_or_else(|| Error::internal("counting children", "no row"))?;
    Ok((row.try_get("", "live")?, row.try_get("", "lost")?))
}

/// The results of the jobs made by `parent` that are done.
pub async fn child_results(tx: &impl ConnectionTrait, parent: Uuid) -> Result<Vec<Value>> {
    let query = "SELECT result FROM jobs WHERE parent_id = $1 AND state = 'done' AND result IS NOT NULL";
    let rows = tx.query_all_raw(sql(query, [parent.into()])).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "result"))
        .collect::<Result<_, _>>()?)
}

//! Keeping and ending jobs: fenced progress, the ends of many runs in one statement, and the end of what cannot go on.
//!
//! What must stay true: a row that is not settled is not locked either, ends do not wait for a row that others hold, and rows are changed in the
//! order of their ids.
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use std::{collections::HashSet, sync::LazyLock};
use uuid::Uuid;

use super::{
    Lease, MAX_STARTS, Outcome,
    ending::{Ending, printable},
    events,
};
use crate::{
    Error, Result,
    error::BUSY,
    tenancy::{Commit, Db, sql},
};

/// What the state of a job becomes whose run ended: a job that was to be cancelled goes nowhere else, and a fault ends it with its last
/// start.
const TO: &str =
    "CASE WHEN e.state IN ('scheduled', 'queued', 'needs_confirmation') AND j.cancel_requested THEN 'cancelled'
            WHEN e.fault AND j.starts >= $10 THEN 'dead' ELSE e.state END";

/// The statement. Who holds a job is said by its token alone, not also by its state: the planner would otherwise read all running
/// jobs, and what is left of those that ran before, to find the few that end. A run that ended, well or badly, is no crash: the
/// starts begin again; a fault counts as one.
static SETTLE: LazyLock<String> = LazyLock::new(|| settling("", "true"));

/// The same but for those that somebody else holds.
static SETTLE_FREE: LazyLock<String> = LazyLock::new(|| {
    let free = "
        free AS (
          SELECT j.id FROM jobs j JOIN unnest($1::uuid[], $2::uuid[]) AS f (id, token) ON j.id = f.id
          WHERE j.lease_token = f.token ORDER BY j.id FOR UPDATE OF j SKIP LOCKED),";
    settling(free, "j.id = ANY (ARRAY(SELECT id FROM free))")
});

fn settling(before: &str, which: &str) -> String {
    format!(
        "
        WITH{before} written AS (
          UPDATE jobs j SET state = {TO}, attempts = e.attempts, error = nullif(e.error, '')::jsonb,
            result = CASE WHEN {TO} IN ('scheduled', 'queued') THEN j.result ELSE nullif(e.result, '')::jsonb END,
            confirmed_at = CASE WHEN {TO} <> 'needs_confirmation' THEN j.confirmed_at END,
            run_at = CASE WHEN {TO} IN ('scheduled', 'queued') THEN now() + make_interval(secs => e.delay_ms / 1000.0) ELSE j.run_at END,
            starts = CASE WHEN e.fault AND {TO} = 'scheduled' THEN j.starts ELSE 0 END,
            lease_token = NULL, worker_id = NULL,
            finished_at = CASE WHEN {TO} IN ('done', 'failed', 'dead', 'cancelled') THEN now() END
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::bigint[], $9::boolean[], $11::text[])
            AS e (id, token, state, event, attempts, result, error, delay_ms, fault, data)
          WHERE j.id = e.id AND j.lease_token = e.token AND {which}
          RETURNING j.id, j.customer_id, CASE WHEN j.state = e.state THEN e.event ELSE j.state END AS told,
            CASE WHEN j.state = e.state THEN e.data::jsonb ELSE e.data::jsonb - '{{retry_in_ms,in_ms,reason,result}}'::text[] END AS data)
        INSERT INTO job_events (customer_id, job_id, kind, data)
        SELECT customer_id, id, told, data FROM written RETURNING job_id"
    )
}

/// What became of a run's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is recorded.
    Recorded,
    /// Another worker has taken the job.
    Lost,
    /// Somebody else holds the job's row: it can be recorded when they let it go.
    Busy,
}

impl Settled {
    /// Whether it is recorded; an error that passes if that can't be said yet.
    pub fn recorded(self) -> Result<bool> {
        match self {
            Self::Recorded => Ok(true),
            Self::Lost => Ok(false),
            Self::Busy => Err(Error::unavailable(
                BUSY,
                "others were changing the same; nothing was done",
                "somebody else holds the job's row",
            )),
        }
    }
}

/// Records how runs ended; says of each what became of it. One that was asked to stop and has not ended by
/// itself is cancelled. The ends are on the disk when this returns.
pub async fn settle_all(db: &Db, ends: &[(Lease, Outcome)]) -> Result<Vec<Settled>> {
    let statement = |text| db.ledger_statement(Commit::Durable, ending(text, ends));
    let (rows, busy) = match statement(&SETTLE).await {
        Err(error) if error.code() == BUSY => (statement(&SETTLE_FREE).await?, true),
        rows => (rows?, false),
    };
    let written = rows.iter().map(|row| row.try_get("", "job_id"));
    let written: HashSet<Uuid> = written.collect::<Result<_, _>>()?;
    let left = ends.iter().map(|(lease, _)| *lease);
    let left: Vec<Lease> = left.filter(|lease| busy && !written.contains(&lease.job)).collect();
    let held = held(db, &left).await?;
    let settled = |(lease, _): &(Lease, Outcome)| match lease.job {
        job if written.contains(&job) => Settled::Recorded,
        job if held.contains(&job) => Settled::Busy,
        _ => Settled::Lost,
    };
    Ok(ends.iter().map(settled).collect())
}

/// Those of the jobs whose leases still hold.
async fn held(db: &Db, leases: &[Lease]) -> Result<HashSet<Uuid>> {
    const HELD: &str = "
        SELECT j.id FROM unnest($1::uuid[], $2::uuid[]) AS h (id, token) JOIN jobs j ON j.id = h.id WHERE j.lease_token = h.token";
    if leases.is_empty() {
        return Ok(HashSet::new());
    }
    let values = [
        leases.iter().map(|lease| lease.job).collect::<Vec<_>>().into(),
        leases.iter().map(|lease| lease.token).collect::<Vec<_>>().into(),
    ];
    let rows = db.ledger_statement(Commit::Durable, sql(HELD, values)).await?;
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

fn lease_lost() -> Error {
    Error::conflict("lease_lost", "another worker has taken this job")
}

/// Refuses unless the lease still holds (only a running job has a token), and keeps it held until the transaction ends: the first statement of every
/// transaction that writes a job's work.
pub async fn fence(tx: &impl ConnectionTrait, lease: Lease) -> Result<()> {
    let check = "SELECT 1 FROM jobs WHERE id = $1 AND lease_token = $2 FOR SHARE";
    let held = tx
        .query_one_raw(sql(check, [lease.job.into(), lease.token.into()]))
        .await?;
    held.map(drop).ok_or_else(lease_lost)
}

/// Saves progress. Progress that moves on forgives earlier starts: an innocent job survives many killed workers.
pub async fn save_progress(tx: &impl ConnectionTrait, lease: Lease, progress: &Value) -> Result<()> {
    const SAVE: &str = "
        WITH saved AS (
          UPDATE jobs SET progress = $3, starts = CASE WHEN progress IS DISTINCT FROM $3 THEN 0 ELSE starts END
          WHERE id = $1 AND lease_token = $2 RETURNING id, customer_id)
        INSERT INTO job_events (customer_id, job_id, kind, data) SELECT customer_id, id, 'progress', $3 FROM saved";
    let values = [lease.job.into(), lease.token.into(), printable(progress.clone()).into()];
    match tx.execute_raw(sql(SAVE, values)).await?.rows_affected() {
        0 => Err(lease_lost()),
        _ => Ok(()),
    }
}

/// Records how a run ended, if the lease still holds.
pub async fn settle(db: &Db, lease: Lease, outcome: &Outcome) -> Result<()> {
    let ends = [(lease, outcome.clone())];
    match settle_all(db, &ends).await?.as_slice() {
        [settled] => settled.recorded()?.then_some(()).ok_or_else(lease_lost),
        _ => Err(lease_lost()),
    }
}

/// Turns those of the jobs (or of all) that used up their starts into dead letters; returns which.
pub(super) async fn bury_exhausted(tx: &impl ConnectionTrait, only: Option<&[Uuid]>) -> Result<Vec<Uuid>> {
    // The least starts as a number: the index of suspects is used only where the planner sees the condition.
    let bury = format!("
        UPDATE jobs j SET state = 'dead', finished_at = now(), lease_token = NULL, worker_id = NULL,
          error = jsonb_build_object('code', 'worker_crashed', 'message',
            format('the worker was lost %s times in a row without any progress', starts), 'attempt', attempts)
        WHERE id IN (SELECT id FROM jobs d WHERE starts >= {MAX_STARTS} AND ($1::uuid[] IS NULL OR id = ANY($1))
          AND (state = 'queued' OR (state = 'running'
            AND NOT EXISTS (SELECT FROM workers w WHERE w.id = d.worker_id AND w.alive_until > now()))) FOR UPDATE SKIP LOCKED)
        RETURNING id, customer_id, error"
    );
    let only: Option<Vec<Uuid>> = only.map(<[Uuid]>::to_vec);
    let rows = tx.query_all_raw(sql(&bury, [only.into()])).await?;
    let mut dead = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, error): (Uuid, Value) = (row.try_get("", "id")?, row.try_get("", "error")?);
        events::record(
            tx,
            row.try_get("", "customer_id")?,
            id,
            "dead",
            json!({ "error": error }),
        )
        .await?;
        dead.push(id);
    }
    Ok(dead)
}

fn ending(text: &str, ends: &[(Lease, Outcome)]) -> Statement {
    let mut ended: Vec<(Lease, Ending)> = ends
        .iter()
        .map(|(lease, outcome)| (*lease, Ending::of(outcome, *lease)))
        .collect();
    ended.sort_unstable_by_key(|(lease, _)| lease.job);
    let texts = |of: fn(&Ending) -> String| ended.iter().map(|(_, ending)| of(ending)).collect::<Vec<_>>();
    let values = [
        ended.iter().map(|(lease, _)| lease.job).collect::<Vec<_>>().into(),
        ended.iter().map(|(lease, _)| lease.token).collect::<Vec<_>>().into(),
        texts(|ending| ending.state.to_owned()).into(),
        texts(|ending| ending.event.to_owned()).into(),
        ended
            .iter()
            .map(|(_, ending)| ending.attempts)
            .collect::<Vec<_>>()
            .into(),
        texts(Ending::result).into(),
        texts(Ending::error).into(),
        ended
            .iter()
            .map(|(_, ending)| ending.delay_ms())
            .collect::<Vec<_>>()
            .into(),
        ended.iter().map(|(_, ending)| ending.fault).collect::<Vec<_>>().into(),
        MAX_STARTS.into(),
        texts(Ending::data).into(),
    ];
    sql(text, values)
}

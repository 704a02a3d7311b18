//! A worker's turn at the ledger: what ended is settled and what begins is claimed, many jobs at a time, in one statement and one
//! commit.
//!
//! The lease is the worker's life ([`super::beat`]): a running job may be taken when its worker is no longer alive. A job whose
//! workers were lost twice without any progress is a suspect. It is only claimed from the quarantine, where a worker runs one
//! job at a time, so that what takes workers down does not take the same innocents down with it a third time.
//!
//! What must stay true: a row that is neither claimed nor settled is not locked either, and a claim never waits for what a frozen
//! worker's transaction still holds. Within a turn rows are changed in the order of their ids, so that two turns that want the same
//! jobs do not wait for each other.
use sea_orm::QueryResult;
use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};
use uuid::Uuid;

use super::{
    Ask, Claim, Claimed, Lease, MAX_STARTS, Outcome, SUSPECT_STARTS,
    claim::{bury, claimed},
    ending::Ending,
};
use crate::{
    Result, ids,
    tenancy::{Commit, Db, sql},
};

/// What became of a turn, in the order of asking.
#[derive(Debug, Default)]
pub struct Turn {
    /// Of each run that ended, whether its lease still held and its end is recorded.
    pub ended: Vec<bool>,
    /// Of each job that was asked for.
    pub claims: Vec<Claim>,
}

/// What the state of a job becomes whose run ended: a job that was to be cancelled goes nowhere else, and a fault ends it with its last
/// start.
const TO: &str =
    "CASE WHEN e.state IN ('scheduled', 'queued', 'needs_confirmation') AND j.cancel_requested THEN 'cancelled'
            WHEN e.fault AND j.starts >= $10 THEN 'dead' ELSE e.state END";

/// The statement. Who holds a job is said by its token alone, not also by its state: the planner would otherwise read all running
/// jobs, and what is left of those that ran before, to find the few that end. A run that ended, well or badly, is no crash: the
/// starts begin again; a fault counts as one. The columns are named, so that a running worker survives a migration that adds one.
static TURN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "
        WITH ended AS (
          SELECT id, token, state, event, attempts, nullif(result, '')::jsonb AS result, nullif(error, '')::jsonb AS error, delay_ms, fault, data::jsonb
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::bigint[], $9::boolean[], $11::text[])
            AS e (id, token, state, event, attempts, result, error, delay_ms, fault, data)),
        written AS (
          UPDATE jobs j SET state = {TO}, attempts = e.attempts, error = e.error,
            result = CASE WHEN {TO} IN ('scheduled', 'queued') THEN j.result ELSE e.result END,
            confirmed_at = CASE WHEN {TO} <> 'needs_confirmation' THEN j.confirmed_at END,
            run_at = CASE WHEN {TO} IN ('scheduled', 'queued') THEN now() + make_interval(secs => e.delay_ms / 1000.0) ELSE j.run_at END,
            starts = CASE WHEN e.fault AND {TO} = 'scheduled' THEN j.starts ELSE 0 END,
            lease_token = NULL, worker_id = NULL,
            finished_at = CASE WHEN {TO} IN ('done', 'failed', 'dead', 'cancelled') THEN now() END
          FROM ended e WHERE j.id = e.id AND j.lease_token = e.token
          RETURNING j.id, j.customer_id, CASE WHEN j.state = e.state THEN e.event ELSE j.state END AS told,
            CASE WHEN j.state = e.state THEN e.data ELSE e.data - '{{retry_in_ms,in_ms,reason,result}}'::text[] END AS data),
        asked AS (
          SELECT * FROM unnest($12::uuid[], $13::uuid[], $14::boolean[]) AS a (job, token, quarantined)),
        orphaned AS (
          SELECT j.id FROM jobs j JOIN asked ON asked.job = j.id
          WHERE j.lease_token IS NOT NULL AND NOT EXISTS (SELECT FROM workers w WHERE w.id = j.worker_id AND w.alive_until > now())
          FOR UPDATE OF j SKIP LOCKED),
        taken AS (
          UPDATE jobs j SET state = 'running', starts = j.starts + 1, lease_token = asked.token, worker_id = $15,
            started_at = coalesce(j.started_at, now())
          FROM asked WHERE j.id = asked.job AND (j.state = 'queued' OR j.id = ANY (ARRAY(SELECT id FROM orphaned)))
            AND NOT j.cancel_requested AND j.starts < $10 AND (j.starts < $16 OR asked.quarantined)
            AND j.kind <> ALL (ARRAY(SELECT kind FROM queue_controls WHERE paused_at IS NOT NULL))
            AND EXISTS (SELECT FROM workers w WHERE w.id = $15 AND w.alive_until > now())
          RETURNING j.*),
        told AS (
          INSERT INTO job_events (customer_id, job_id, kind, data)
          SELECT customer_id, id, told, data FROM written
          UNION ALL
          SELECT customer_id, id, 'started', jsonb_build_object('starts', starts, 'attempts', attempts) FROM taken)
        SELECT w.id AS ended, t.id, t.customer_id, t.parent_id, t.kind, t.payload, t.payload_version, t.state, t.priority, t.run_at, t.starts,
          t.attempts, t.max_attempts, t.lease_token, t.worker_id, t.cancel_requested, t.progress, t.result, t.error, t.dedupe_key,
          t.created_at, t.started_at, t.finished_at, t.confirmed_at,
          c.id AS c_id, c.domain AS c_domain, c.name AS c_name, c.index_version AS c_index_version,
          c.settings AS c_settings, c.created_at AS c_created_at
        FROM written w FULL JOIN taken t ON false LEFT JOIN customer_configs c ON c.id = t.customer_id"
    )
});

/// Records how runs ended, and takes those of the jobs that nobody holds for `worker`, if it is alive. One that was asked to stop and
/// has not ended by itself is cancelled.
///
/// Ends are on the disk when this returns. Claims alone need not be: if a crash of Postgres takes them back, then also all that was done
/// under them.
pub async fn turn(db: &Db, worker: Uuid, ends: &[(Lease, Outcome)], asks: &[Ask]) -> Result<Turn> {
    let commit = if ends.is_empty() {
        Commit::Relaxed
    } else {
        Commit::Durable
    };
    let tokens: Vec<Uuid> = asks.iter().map(|_| ids::new_id()).collect();
    let rows = db
        .ledger_statement(commit, statement(worker, ends, asks, &tokens))
        .await?;
    let mut written: HashSet<Uuid> = HashSet::with_capacity(ends.len());
    let mut taken: HashMap<Uuid, Claimed> = HashMap::with_capacity(asks.len());
    for row in &rows {
        match row.try_get("", "ended")? {
            Some(job) => drop(written.insert(job)),
            None => take(row, &mut taken)?,
        }
    }
    let left = asks.iter().zip(&tokens).filter(|(_, token)| !taken.contains_key(token));
    let left: Vec<Uuid> = left.map(|(ask, _)| ask.job).collect();
    let dead = if left.is_empty() { vec![] } else { bury(db, &left).await };
    let claims = asks.iter().zip(&tokens).map(|(ask, token)| match taken.remove(token) {
        Some(claimed) => Claim::Run(Box::new(claimed)),
        None if dead.contains(&ask.job) => Claim::Dead,
        None => Claim::Stale,
    });
    Ok(Turn {
        claims: claims.collect(),
        ended: ends.iter().map(|(lease, _)| written.contains(&lease.job)).collect(),
    })
}

/// A turn that only takes jobs.
pub async fn claim_all(db: &Db, worker: Uuid, asks: &[Ask]) -> Result<Vec<Claim>> {
    Ok(turn(db, worker, &[], asks).await?.claims)
}

/// A turn that only records how runs ended.
pub async fn settle_all(db: &Db, ends: &[(Lease, Outcome)]) -> Result<Vec<bool>> {
    Ok(turn(db, Uuid::nil(), ends, &[]).await?.ended)
}

fn take(row: &QueryResult, taken: &mut HashMap<Uuid, Claimed>) -> Result<()> {
    let claimed = claimed(row)?;
    taken.insert(claimed.lease.token, claimed);
    Ok(())
}

fn statement(worker: Uuid, ends: &[(Lease, Outcome)], asks: &[Ask], tokens: &[Uuid]) -> sea_orm::Statement {
    let mut ended: Vec<(Lease, Ending)> = ends
        .iter()
        .map(|(lease, outcome)| (*lease, Ending::of(outcome, *lease)))
        .collect();
    ended.sort_unstable_by_key(|(lease, _)| lease.job);
    let mut asked: Vec<(Ask, Uuid)> = asks.iter().copied().zip(tokens.iter().copied()).collect();
    asked.sort_unstable_by_key(|(ask, _)| ask.job);
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
        asked.iter().map(|(ask, _)| ask.job).collect::<Vec<_>>().into(),
        asked.iter().map(|(_, token)| *token).collect::<Vec<_>>().into(),
        asked.iter().map(|(ask, _)| ask.quarantined).collect::<Vec<_>>().into(),
        worker.into(),
        SUSPECT_STARTS.into(),
    ];
    sql(&TURN, values)
}

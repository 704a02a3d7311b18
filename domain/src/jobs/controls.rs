//! What operators hold queues back with: a pause, and limits on what runs at once.
//!
//! The claim and the dispatcher read the same rows, so that a pause takes effect with its commit: nothing of the kind begins
//! any more, and what runs goes on to its end.
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};
use serde_json::json;
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Kind;
use crate::{
    Error, Result, audit,
    tenancy::{Db, SystemTx, sql},
};

/// Who changes something about the queues.
#[derive(Clone, Copy, Debug)]
pub struct Operator<'a> {
    /// As the audit log names them: `admin`, `cli`.
    pub actor: &'a str,
    /// From where, when it is known.
    pub ip: Option<&'a str>,
}

impl<'a> Operator<'a> {
    /// Somebody on this machine: `cli`, `system`.
    pub const fn named(actor: &'a str) -> Self {
        Self { actor, ip: None }
    }
}

/// How a queue is held back; the default is not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct Control {
    /// Nothing of the kind is begun since then.
    pub paused_at: Option<OffsetDateTime>,
    /// Jobs of the kind that run at once, on all workers together.
    pub max_running: Option<i32>,
    /// The same for each customer.
    pub max_running_per_customer: Option<i32>,
}

impl Control {
    /// Whether only so many jobs of the kind may run at once.
    pub(super) fn is_limited(self) -> bool {
        self.max_running.is_some() || self.max_running_per_customer.is_some()
    }
}

/// Whether more jobs of a limited kind run, or wait on its stream (`sent`), than may.
pub(super) async fn is_exceeded(
    tx: &impl ConnectionTrait,
    kind: Kind,
    control: Control,
    sent: Vec<Uuid>,
) -> Result<bool> {
    const UNDER_WAY: &str = "
        SELECT coalesce(sum(n) > $3, false) OR coalesce(max(n) > $4, false) AS exceeded FROM (
          SELECT count(*) AS n FROM (
            SELECT customer_id FROM jobs WHERE kind = $1 AND state = 'running'
            UNION ALL
            SELECT customer_id FROM jobs WHERE id = ANY($2) AND state = 'queued') under_way GROUP BY customer_id) shares";
    let values = [
        kind.as_str().into(),
        sent.into(),
        control.max_running.map(i64::from).into(),
        control.max_running_per_customer.map(i64::from).into(),
    ];
    let row = tx.query_one_raw(sql(UNDER_WAY, values)).await?;
    Ok(row.map(|row| row.try_get("", "exceeded")).transpose()?.unwrap_or(false))
}

/// The queue of that name.
pub fn queue_named(name: &str) -> Result<Kind> {
    name.parse().map_err(|_| Error::not_found("queue"))
}

/// Lets nothing more of the kind begin. Again, it changes nothing.
pub async fn pause_queue(db: &Db, kind: Kind, by: Operator<'_>) -> Result<Control> {
    const PAUSE: &str = "
        INSERT INTO queue_controls (kind, paused_at) VALUES ($1, now())
        ON CONFLICT (kind) DO UPDATE SET paused_at = coalesce(queue_controls.paused_at, now()) RETURNING paused_at, max_running, max_running_per_customer";
    let tx = db.system().await?;
    let row = tx.query_one_raw(sql(PAUSE, [kind.as_str().into()])).await?;
    changed(tx, row, kind, "queue.paused", by).await
}

/// Ends a pause.
pub async fn resume_queue(db: &Db, kind: Kind, by: Operator<'_>) -> Result<Control> {
    const RESUME: &str = "
        INSERT INTO queue_controls (kind) VALUES ($1) ON CONFLICT (kind) DO UPDATE SET paused_at = NULL RETURNING paused_at, max_running, max_running_per_customer";
    let tx = db.system().await?;
    let row = tx.query_one_raw(sql(RESUME, [kind.as_str().into()])).await?;
    changed(tx, row, kind, "queue.resumed", by).await
}

/// Limits how many jobs of the kind run at once, in all and for each customer; none lifts the limit. What runs already, and what a
/// worker holds, ends as it would; what no worker was given yet is taken back within seconds if it is too much.
pub async fn limit_queue(
    db: &Db,
    kind: Kind,
    max_running: Option<i32>,
    per_customer: Option<i32>,
    by: Operator<'_>,
) -> Result<Control> {
    const LIMIT: &str = "
        INSERT INTO queue_controls (kind, max_running, max_running_per_customer) VALUES ($1, $2, $3)
        ON CONFLICT (kind) DO UPDATE SET max_running = $2, max_running_per_customer = $3 RETURNING paused_at, max_running, max_running_per_customer";
    for (field, limit) in [("max_running", max_running), ("max_running_per_customer", per_customer)] {
        if limit.is_some_and(|limit| limit < 1) {
            return Err(Error::invalid(
                field,
                "must be at least 1; to let nothing run, pause the queue",
            ));
        }
    }
    let tx = db.system().await?;
    let values = [kind.as_str().into(), max_running.into(), per_customer.into()];
    let row = tx.query_one_raw(sql(LIMIT, values)).await?;
    changed(tx, row, kind, "queue.limited", by).await
}

async fn changed(
    tx: SystemTx,
    row: Option<QueryResult>,
    kind: Kind,
    action: &str,
    by: Operator<'_>,
) -> Result<Control> {
    let row = row.ok_or_else(|| Error::internal("changing a queue", "no row"))?;
    let control = Control::from_query_result(&row, "")?;
    let entry = audit::Entry {
        customer: None,
        actor: by.actor,
        action,
        resource: kind.as_str(),
        metadata: json!({
            "max_running": control.max_running, "max_running_per_customer": control.max_running_per_customer,
        }),
        ip: by.ip,
    };
    audit::record(&*tx, entry).await?;
    tx.commit().await?;
    Ok(control)
}

/// The queues that something was ever said about.
pub(super) async fn all(tx: &impl ConnectionTrait) -> Result<HashMap<Kind, Control>> {
    // The columns are named, here and above, so that a running process survives a migration that adds one.
    const FIND: &str = "SELECT kind, paused_at, max_running, max_running_per_customer FROM queue_controls";
    let mut controls = HashMap::new();
    for row in tx.query_all_raw(sql(FIND, [])).await? {
        // A kind that only a newer version knows is none of ours.
        if let Ok(kind) = row.try_get::<String>("", "kind")?.parse() {
            controls.insert(kind, Control::from_query_result(&row, "")?);
        }
    }
    Ok(controls)
}

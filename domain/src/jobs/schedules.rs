//! Work that comes back by the clock: crawls of customers, and the system's own upkeep.
//!
//! A schedule is a row with the time of its next run; whoever finds that time past takes the row, submits the job and writes the
//! next time, all in one transaction, so that any number of processes fire a time once. What was missed while nobody was there
//! is made up for once, not as often as it was missed. Times come from the database's clock. A customer's schedule runs up to
//! five minutes after its time, always by the same delay ([`super::cron`]).
use entity::schedule;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder};
use serde_json::json;
use std::collections::HashSet;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Kind, MaintenanceTask, NewJob, Payload, Submitted, cron::Cron, submit};
use crate::{
    Error, FieldError, Result, audit, error, ids,
    pages::request::{ScrapeRequest, check_scrape, schedule_scrape},
    tenancy::{self, Customer, Db, TenantTx, columns, sql},
};

/// Schedules of one customer at most.
pub const MOST: usize = 20;
/// Schedules that are looked at together.
const BATCH: usize = 100;
/// The nightly cleaning, in the system's own schedules.
const RETENTION: &str = "nightly retention";
/// Proofs of domains that are looked at again.
const DOMAINS: &str = "domain checks";
/// Golden questions and unanswered ones.
const LEARNING: &str = "learning";
/// Products of shops.
const SHOPS: &str = "shops";
/// What is wrong with a task that this build does not know.
const NEWER: &str = "task_of_a_newer_build";

/// A customer's crawl to be, again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSchedule {
    /// Unique among the customer's.
    pub name: String,
    /// Five fields: minute, hour, day of month, month, day of week.
    pub cron: String,
    /// The IANA time zone of these.
    pub time_zone: String,
    /// Whether it runs.
    pub enabled: bool,
    /// What is crawled.
    pub scrape: ScrapeRequest,
}

/// The customer's schedules by name.
pub async fn list(tx: &TenantTx) -> Result<Vec<schedule::Model>> {
    let mine = schedule::Entity::find().filter(schedule::Column::CustomerId.eq(tx.customer()));
    Ok(mine.order_by_asc(schedule::Column::Name).all(&**tx).await?)
}

/// Replaces the customer's schedules by these; returns them by name. One that keeps its name keeps its history, and its next time
/// unless that was changed.
pub async fn replace(tx: &TenantTx, new: &[NewSchedule]) -> Result<Vec<schedule::Model>> {
    const ALONE: &str = "SELECT now() AS now, pg_advisory_xact_lock(hashtextextended('schedules ' || $1::text, 0))";
    const DROP: &str = "DELETE FROM schedules WHERE customer_id = $1 AND name <> ALL($2)";
    check(tx, new).await?;
    let row = tx.query_one_raw(sql(ALONE, [tx.customer().into()])).await?;
    let now: OffsetDateTime = row
        .map(|r| r.try_get("", "now"))
        .transpose()?
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let names: Vec<String> = new.iter().map(|n| n.name.clone()).collect();
    tx.execute_raw(sql(DROP, [tx.customer().into(), names.into()])).await?;
    let before = list(tx).await?;
    for new in new {
        keep(tx, new, before.iter().find(|old| old.name == new.name), now).await?;
    }
    list(tx).await
}

async fn keep(tx: &TenantTx, new: &NewSchedule, old: Option<&schedule::Model>, now: OffsetDateTime) -> Result<()> {
    const KEEP: &str = "
        INSERT INTO schedules (id, customer_id, name, kind, options, cron, time_zone, enabled, next_run_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (id) DO UPDATE SET options = $5, cron = $6, time_zone = $7, enabled = $8, next_run_at = $9";
    let id = old.map_or_else(ids::new_id, |old| old.id);
    let same = old.filter(|old| (&old.cron, &old.time_zone, old.enabled) == (&new.cron, &new.time_zone, new.enabled));
    let next = match same {
        Some(old) => old.next_run_at,
        None => Cron::read(&new.cron, &new.time_zone)?
            .spread(now, id)?
            .ok_or_else(|| Error::invalid("cron", "never comes"))?,
    };
    let values = [
        id.into(),
        tx.customer().into(),
        new.name.clone().into(),
        Kind::Scrape.as_str().into(),
        serde_json::to_value(&new.scrape)?.into(),
        new.cron.clone().into(),
        new.time_zone.clone().into(),
        new.enabled.into(),
        next.into(),
    ];
    tx.execute_raw(sql(KEEP, values)).await?;
    Ok(())
}

/// Refuses the list with every rule that it breaks, each field named with its place.
async fn check(tx: &TenantTx, new: &[NewSchedule]) -> Result<()> {
    if new.len() > MOST {
        return Err(Error::invalid("schedules", format!("must be at most {MOST}")));
    }
    let mut wrong = Vec::new();
    let mut names = HashSet::new();
    for (at, new) in new.iter().enumerate() {
        if !(1..=100).contains(&new.name.chars().count()) {
            wrong.push(field(at, "name", "must have 1 to 100 characters"));
        } else if !names.insert(&new.name) {
            wrong.push(field(at, "name", "is there twice"));
        }
        let times = Cron::read(&new.cron, &new.time_zone).and_then(|cron| cron.check_pace());
        wrong.extend(fields(times, at, "")?);
        wrong.extend(fields(check_scrape(tx, &new.scrape).await, at, "scrape.")?);
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = wrong.iter().map(|f| format!("{} {}", f.field, f.reason)).collect();
    Err(Error::new(
        error::Kind::Invalid(wrong),
        "invalid_request",
        told.join("; "),
    ))
}

/// The rules that were broken; another failure stays one.
fn fields(checked: Result<()>, at: usize, within: &str) -> Result<Vec<FieldError>> {
    let Err(error) = checked else { return Ok(vec![]) };
    let error::Kind::Invalid(wrong) = error.kind() else {
        return Err(error);
    };
    let placed = wrong
        .iter()
        .map(|f| field(at, &format!("{within}{}", f.field), &f.reason));
    Ok(placed.collect())
}

fn field(at: usize, name: &str, reason: &str) -> FieldError {
    FieldError {
        field: format!("schedules[{at}].{name}"),
        reason: reason.to_owned(),
    }
}

/// Makes the system's own schedules, or brings them up to date.
pub async fn ensure_system_schedules(db: &Db) -> Result<()> {
    const ENSURE: &str = "
        INSERT INTO schedules (id, customer_id, name, kind, options, cron, next_run_at) VALUES ($1, NULL, $2, $3, $4, $5, $6)
        ON CONFLICT (customer_id, name) DO UPDATE SET kind = $3, options = $4, cron = $5,
          next_run_at = CASE WHEN schedules.cron = $5 THEN schedules.next_run_at ELSE $6 END";
    let system = [
        (RETENTION, MaintenanceTask::Retention, "17 3 * * *"),
        (DOMAINS, MaintenanceTask::CheckDomains, "41 * * * *"),
        (LEARNING, MaintenanceTask::Learn, "*/10 * * * *"),
        (SHOPS, MaintenanceTask::SyncShops, "*/15 * * * *"),
    ];
    let tx = db.system().await?;
    let row = tx.query_one_raw(sql("SELECT now() AS now", [])).await?;
    let now = row
        .map(|r| r.try_get("", "now"))
        .transpose()?
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    for (name, task, cron) in system {
        let next = Cron::read(cron, "UTC")?.after(now)?;
        let values = [
            ids::new_id().into(),
            name.into(),
            Kind::Maintenance.as_str().into(),
            json!({ "task": task }).into(),
            cron.into(),
            next.into(),
        ];
        tx.execute_raw(sql(ENSURE, values)).await?;
    }
    tx.commit().await
}

/// A schedule whose time has come, and whose it is.
struct Due {
    id: Uuid,
    customer: Option<Uuid>,
}

/// Fires schedules whose time has come, at most a hundred; give the result to [`super::Dispatcher::dispatch`]. One that can't be
/// fired is passed over until its next time, and the log says why. Left at the time that has come, for the next look at it, is a task of the system
/// that only a newer build knows, and what failed because the database was away or busy: its time is not lost to an outage.
pub async fn fire_due(db: &Db) -> Result<Vec<Submitted>> {
    Ok(fire_some(db).await?.1)
}

/// Fires every schedule whose time has come.
pub async fn fire_all_due(db: &Db) -> Result<Vec<Submitted>> {
    let mut fired = Vec::new();
    loop {
        let (looked_at, some) = fire_some(db).await?;
        fired.extend(some);
        if looked_at < BATCH {
            return Ok(fired);
        }
    }
}

async fn fire_some(db: &Db) -> Result<(usize, Vec<Submitted>)> {
    const DUE: &str =
        "SELECT id, customer_id FROM schedules WHERE enabled AND next_run_at <= now() ORDER BY next_run_at LIMIT $1";
    let tx = db.system().await?;
    let rows = tx.query_all_raw(sql(DUE, [(BATCH as i64).into()])).await?;
    tx.commit().await?;
    let due = |row: &sea_orm::QueryResult| {
        Ok(Due {
            id: row.try_get("", "id")?,
            customer: row.try_get("", "customer_id")?,
        })
    };
    let due: Vec<Due> = rows.iter().map(due).collect::<Result<_>>()?;
    let (mut fired, mut left) = (Vec::new(), 0);
    for schedule in &due {
        match fire(db, schedule).await {
            Ok(made) => fired.extend(made),
            Err(error) if error.code() == NEWER => {
                tracing::debug!(schedule.id = %schedule.id, event = "schedule_of_a_newer_build");
                left += 1;
            }
            Err(error) if matches!(error.kind(), error::Kind::Unavailable { .. }) => {
                let story = error.story();
                tracing::warn!(schedule.id = %schedule.id, error.code = error.code(), error = story, event = "schedule_fired_later");
                left += 1;
            }
            Err(error) => pass_over(db, schedule.id, &error).await?,
        }
    }
    Ok((due.len() - left, fired))
}

async fn fire(db: &Db, due: &Due) -> Result<Option<Submitted>> {
    match due.customer {
        Some(customer) => crawl(db, due.id, &tenancy::get(db, customer).await?).await,
        None => keep_house(db, due.id).await,
    }
}

async fn crawl(db: &Db, id: Uuid, customer: &Customer) -> Result<Option<Submitted>> {
    let tx = db.tenant(customer).await?;
    let Some(taken) = take(&*tx, id, PASS).await? else {
        return Ok(None);
    };
    let request = scrape_of(&taken.row)?;
    check_scrape(&tx, &request).await?;
    let made = schedule_scrape(&tx, &request).await?;
    if made.fresh {
        let entry = audit::Entry {
            customer: Some(customer.id),
            actor: &format!("schedule:{id}"),
            action: "scrape.started",
            resource: &made.id.to_string(),
            metadata: json!({ "url": request.url, "max_pages": request.max_pages }),
            ip: None,
        };
        audit::record(&*tx, entry).await?;
    }
    taken.advance(&*tx, Some(made.id)).await?;
    tx.commit().await?;
    Ok(Some(made))
}

async fn keep_house(db: &Db, id: Uuid) -> Result<Option<Submitted>> {
    let tx = db.system().await?;
    let Some(taken) = take(&*tx, id, PASS).await? else {
        return Ok(None);
    };
    let task = taken.row.options.get("task").cloned().unwrap_or_default();
    let task: MaintenanceTask = serde_json::from_value(task)
        .map_err(|_| Error::conflict(NEWER, "the task is one that only a newer build can do"))?;
    let mut job = NewJob::system(Payload::Maintenance { task });
    job.dedupe_key = Some(format!("schedule:{id}"));
    let made = submit(&*tx, &job).await?;
    taken.advance(&*tx, Some(made.id)).await?;
    tx.commit().await?;
    Ok(Some(made))
}

/// A schedule whose time has come, locked.
struct Taken {
    row: schedule::Model,
    now: OffsetDateTime,
}

/// What is done about a schedule that somebody else holds.
const PASS: &str = "SKIP LOCKED";
const WAIT: &str = "";

/// Locks the schedule, unless somebody else fires it or has fired it.
async fn take(tx: &impl ConnectionTrait, id: Uuid, held: &str) -> Result<Option<Taken>> {
    let take = format!(
        "SELECT {}, now() AS now FROM schedules WHERE id = $1 AND enabled AND next_run_at <= now() FOR UPDATE {held}",
        columns::<schedule::Entity>("schedules")
    );
    let Some(row) = tx.query_one_raw(sql(&take, [id.into()])).await? else {
        return Ok(None);
    };
    Ok(Some(Taken {
        row: schedule::Model::from_query_result(&row, "")?,
        now: row.try_get("", "now")?,
    }))
}

impl Taken {
    /// Writes the next time, and the job if one was made.
    async fn advance(&self, tx: &impl ConnectionTrait, job: Option<Uuid>) -> Result<()> {
        const ADVANCE: &str = "UPDATE schedules SET next_run_at = $2, last_job_id = coalesce($3, last_job_id),
            last_run_at = CASE WHEN $3 IS NULL THEN last_run_at ELSE now() END WHERE id = $1";
        let values = [self.row.id.into(), self.next().into(), job.into()];
        tx.execute_raw(sql(ADVANCE, values)).await?;
        Ok(())
    }

    /// The first time after now, so that what was missed is not made up for again. A row that can't be read, which nothing here
    /// writes, is looked at again tomorrow.
    fn next(&self) -> OffsetDateTime {
        let next = Cron::read(&self.row.cron, &self.row.time_zone).and_then(|cron| match self.row.customer_id {
            Some(_) => cron.spread(self.now, self.row.id),
            None => cron.after(self.now),
        });
        next.ok().flatten().unwrap_or(self.now + time::Duration::DAY)
    }
}

/// The schedule waits for its next time. What it has begun is rolled back, maybe only in a moment.
async fn pass_over(db: &Db, id: Uuid, error: &Error) -> Result<()> {
    tracing::warn!(schedule.id = %id, error.code = error.code(), error = error.story(), event = "schedule_passed_over");
    let tx = db.system().await?;
    if let Some(taken) = take(&*tx, id, WAIT).await? {
        taken.advance(&*tx, None).await?;
    }
    tx.commit().await
}

/// What a customer's schedule crawls.
pub fn scrape_of(schedule: &schedule::Model) -> Result<ScrapeRequest> {
    Ok(serde_json::from_value(schedule.options.clone())?)
}

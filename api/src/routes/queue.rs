//! The queues, for the operator: how they stand, and what holds them back. Dead letters are in [`super::dead`].
use domain::jobs::{self, Control, CustomerStats, Kind, Lag, Operator, Overview, QueueStats, queue_named};
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::ToJSON,
};
use serde_json::Value;
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{Admin, Body},
    openapi::Tag,
};

/// Errands in Redis.
#[derive(Debug, Object)]
struct Errands {
    /// Those that no worker was given yet.
    waiting: u64,
    /// Those that workers hold.
    held: u64,
}

/// One queue.
#[derive(Debug, Object)]
pub struct Queue {
    kind: String,
    /// Jobs that could run now.
    depth: i64,
    /// Jobs that wait for their time.
    scheduled: i64,
    /// Those of them that have failed before.
    retries: i64,
    running: i64,
    /// Jobs that wait for a person's confirmation.
    needs_confirmation: i64,
    /// Dead letters.
    dead: i64,
    /// How long the oldest runnable job has waited.
    oldest_seconds: f64,
    /// Nothing of the kind is begun.
    paused: bool,
    /// Since when.
    #[oai(nullable)]
    paused_at: Option<OffsetDateTime>,
    /// Jobs that run at once, on all workers together; null for any number.
    #[oai(nullable)]
    max_running: Option<i32>,
    /// The same for each customer.
    #[oai(nullable)]
    max_running_per_customer: Option<i32>,
    /// What is on the queue's stream; null while Redis is away, and where it was not asked.
    #[oai(nullable)]
    lag: Option<Errands>,
}

impl From<QueueStats> for Queue {
    fn from(stats: QueueStats) -> Self {
        Self {
            kind: stats.kind.to_string(),
            depth: stats.depth,
            scheduled: stats.scheduled,
            retries: stats.retries,
            running: stats.running,
            needs_confirmation: stats.needs_confirmation,
            dead: stats.dead,
            oldest_seconds: stats.oldest_seconds,
            paused: stats.control.paused_at.is_some(),
            paused_at: stats.control.paused_at,
            max_running: stats.control.max_running,
            max_running_per_customer: stats.control.max_running_per_customer,
            lag: None,
        }
    }
}

/// What one customer has in one queue.
#[derive(Debug, Object)]
struct QueueCustomer {
    /// Null for the system's own jobs.
    #[oai(nullable)]
    customer_id: Option<Uuid>,
    /// Its primary domain.
    #[oai(nullable)]
    domain: Option<String>,
    kind: String,
    depth: i64,
    scheduled: i64,
    /// Those of the scheduled that have failed before.
    retries: i64,
    running: i64,
    needs_confirmation: i64,
    dead: i64,
    oldest_seconds: f64,
}

impl From<CustomerStats> for QueueCustomer {
    fn from(stats: CustomerStats) -> Self {
        Self {
            customer_id: stats.customer_id,
            domain: stats.domain,
            kind: stats.kind,
            depth: stats.depth,
            scheduled: stats.scheduled,
            retries: stats.retries,
            running: stats.running,
            needs_confirmation: stats.needs_confirmation,
            dead: stats.dead,
            oldest_seconds: stats.oldest_seconds,
        }
    }
}

/// A job in a worker's hands.
#[derive(Debug, Object)]
struct RunningJob {
    job_id: Uuid,
    kind: String,
    #[oai(nullable)]
    customer_id: Option<Uuid>,
    /// When it was first begun.
    #[oai(nullable)]
    since: Option<OffsetDateTime>,
}

impl From<jobs::RunningJob> for RunningJob {
    fn from(job: jobs::RunningJob) -> Self {
        Self {
            job_id: job.job_id,
            kind: job.kind,
            customer_id: job.customer_id,
            since: job.since,
        }
    }
}

/// A worker process that was heard of within the last hour.
#[derive(Debug, Object)]
struct Worker {
    /// New at every start.
    id: Uuid,
    host: String,
    pid: i32,
    version: String,
    started_at: OffsetDateTime,
    heartbeat_age_seconds: f64,
    /// `alive`, `stopping`, or `lost`: then its jobs are given to others.
    state: String,
    running: Vec<RunningJob>,
}

impl From<jobs::Worker> for Worker {
    fn from(worker: jobs::Worker) -> Self {
        Self {
            id: worker.id,
            host: worker.host,
            pid: worker.pid,
            version: worker.version,
            started_at: worker.started_at,
            heartbeat_age_seconds: worker.heartbeat_age_seconds,
            state: worker.state.as_str().to_owned(),
            running: worker.running.into_iter().map(Into::into).collect(),
        }
    }
}

/// Queues, customers and workers.
#[derive(Debug, Object)]
struct QueueOverview {
    /// Every queue, also the empty ones.
    queues: Vec<Queue>,
    /// Errands of jobs whose customer has hardly any waiting, which start before others; null while Redis is away.
    #[oai(nullable)]
    express: Option<Errands>,
    /// Errands of jobs that took a worker down and run alone now; null while Redis is away.
    #[oai(nullable)]
    quarantine: Option<Errands>,
    /// Why `lag`, `express` and `quarantine` are missing; null while Redis answers.
    #[oai(nullable)]
    lag_missing: Option<String>,
    /// Who has most jobs waiting, at most 20; with `customer_id` only that customer, by queue.
    customers: Vec<QueueCustomer>,
    /// Every worker of the last hour.
    workers: Vec<Worker>,
}

impl From<Overview> for QueueOverview {
    fn from(overview: Overview) -> Self {
        let errands = |lag: Lag| {
            let Lag { lane, waiting, held } = lag;
            (lane, Errands { waiting, held })
        };
        let mut lag: HashMap<String, Errands> = overview.lag.into_iter().flatten().map(errands).collect();
        let mut queue = |stats: QueueStats| Queue {
            lag: lag.remove(stats.kind.as_str()),
            ..stats.into()
        };
        Self {
            queues: overview.queues.into_iter().map(&mut queue).collect(),
            express: lag.remove("express"),
            quarantine: lag.remove("quarantine"),
            lag_missing: overview.lag_missing,
            customers: overview.customers.into_iter().map(Into::into).collect(),
            workers: overview.workers.into_iter().map(Into::into).collect(),
        }
    }
}

/// What `GET /api/queue/stats` answers.
pub fn stats_json(overview: Overview) -> Value {
    QueueOverview::from(overview).to_json().unwrap_or_default()
}

/// What holds a queue back.
#[derive(Debug, Object)]
struct QueueControl {
    kind: String,
    paused: bool,
    #[oai(nullable)]
    paused_at: Option<OffsetDateTime>,
    #[oai(nullable)]
    max_running: Option<i32>,
    #[oai(nullable)]
    max_running_per_customer: Option<i32>,
}

impl QueueControl {
    fn of(kind: Kind, control: Control) -> Json<Self> {
        Json(Self {
            kind: kind.to_string(),
            paused: control.paused_at.is_some(),
            paused_at: control.paused_at,
            max_running: control.max_running,
            max_running_per_customer: control.max_running_per_customer,
        })
    }
}

/// How many jobs of a kind may run at once; what is null or left out has no limit.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct QueueLimits {
    /// On all workers together.
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "100000")))]
    max_running: Option<i32>,
    /// Of one customer.
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "100000")))]
    max_running_per_customer: Option<i32>,
}

/// Who the audit log names.
pub fn operator(admin: &Admin) -> Operator<'_> {
    admin.operator()
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// How the queues stand
    #[oai(
        path = "/api/queue/stats",
        method = "get",
        tag = "Tag::Operation",
        operation_id = "queue_stats"
    )]
    async fn stats(
        &self,
        context: Data<&Context>,
        _admin: Admin,
        customer_id: Query<Option<Uuid>>,
    ) -> Answer<Json<QueueOverview>> {
        let seen = jobs::overview(&context.db, &context.dispatcher, customer_id.0).await?;
        Ok(Json(seen.into()))
    }

    /// Let nothing more of a kind begin
    ///
    /// At once, on all workers. What runs goes on to its end.
    #[oai(
        path = "/api/queue/:name/pause",
        method = "post",
        tag = "Tag::Operation",
        operation_id = "pause_queue"
    )]
    async fn pause(&self, context: Data<&Context>, admin: Admin, name: Path<String>) -> Answer<Json<QueueControl>> {
        let kind = queue_named(&name.0)?;
        let control = jobs::pause_queue(&context.db, kind, operator(&admin)).await?;
        Ok(QueueControl::of(kind, control))
    }

    /// End a pause
    #[oai(
        path = "/api/queue/:name/resume",
        method = "post",
        tag = "Tag::Operation",
        operation_id = "resume_queue"
    )]
    async fn resume(&self, context: Data<&Context>, admin: Admin, name: Path<String>) -> Answer<Json<QueueControl>> {
        let kind = queue_named(&name.0)?;
        let control = jobs::resume_queue(&context.db, kind, operator(&admin)).await?;
        context.dispatcher.wake();
        Ok(QueueControl::of(kind, control))
    }

    /// Limit how many jobs of a kind run at once
    #[oai(
        path = "/api/queue/:name/limits",
        method = "put",
        tag = "Tag::Operation",
        operation_id = "limit_queue"
    )]
    async fn limit(
        &self,
        context: Data<&Context>,
        admin: Admin,
        name: Path<String>,
        body: Body<QueueLimits>,
    ) -> Answer<Json<QueueControl>> {
        let kind = queue_named(&name.0)?;
        let (all, each) = (body.0.max_running, body.0.max_running_per_customer);
        let control = jobs::limit_queue(&context.db, kind, all, each, operator(&admin)).await?;
        context.dispatcher.wake();
        Ok(QueueControl::of(kind, control))
    }
}

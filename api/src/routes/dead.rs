//! Dead letters, for the operator: read, and run again one by one or in bulk.
use domain::jobs::{self, DeadFilter, REPLAY_MOST, Replayed};
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{jobs::Job, queue::operator};
use crate::{
    Context,
    error::Answer,
    extractors::{Admin, Body, List, Paging},
    openapi::Tag,
};

/// Why a job died.
#[derive(Debug, Object)]
struct Death {
    code: String,
    message: String,
    #[oai(nullable)]
    at: Option<OffsetDateTime>,
}

/// A job that used up its attempts or its starts.
#[derive(Debug, Object)]
struct DeadLetter {
    /// The job.
    id: Uuid,
    kind: String,
    /// Null for the system's own jobs.
    #[oai(nullable)]
    customer_id: Option<Uuid>,
    /// The customer's primary domain.
    #[oai(nullable)]
    domain: Option<String>,
    error: Death,
    /// Runs that ended in an error worth another try.
    attempts: i32,
    /// Claims since the last progress.
    starts: i32,
    /// How far it was.
    progress: Value,
    #[oai(nullable)]
    parent_id: Option<Uuid>,
    created_at: OffsetDateTime,
    #[oai(nullable)]
    started_at: Option<OffsetDateTime>,
}

impl From<jobs::DeadLetter> for DeadLetter {
    fn from(letter: jobs::DeadLetter) -> Self {
        let job = letter.job;
        let text = |name: &str| job.error.as_ref()?.get(name)?.as_str().map(str::to_owned);
        Self {
            id: job.id,
            customer_id: job.customer_id,
            domain: letter.domain,
            error: Death {
                code: text("code").unwrap_or_default(),
                message: text("message").unwrap_or_default(),
                at: job.finished_at,
            },
            kind: job.kind,
            attempts: job.attempts,
            starts: job.starts,
            progress: job.progress,
            parent_id: job.parent_id,
            created_at: job.created_at,
            started_at: job.started_at,
        }
    }
}

/// Which dead letters to run again; without any rule, all of them.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct ReplayInput {
    /// Only of this kind.
    #[oai(nullable)]
    kind: Option<String>,
    /// Only of this customer.
    #[oai(nullable)]
    customer_id: Option<Uuid>,
    /// Only those that died of this error.
    #[oai(nullable, validator(min_length = 1, max_length = 100))]
    code: Option<String>,
    /// Only those that died before this moment.
    #[oai(nullable)]
    older_than: Option<OffsetDateTime>,
    /// So many at most, those that died first before others; 1000 unless said.
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "1000")))]
    limit: Option<i64>,
}

/// What was run again.
#[derive(Debug, Object)]
struct ReplayDone {
    replayed: i64,
    /// Those that stay dead because a live job does the same work.
    skipped: i64,
    /// Those that the rules still fit, with those skipped.
    remaining: i64,
}

impl From<Replayed> for ReplayDone {
    fn from(done: Replayed) -> Self {
        Self {
            replayed: done.replayed,
            skipped: done.skipped,
            remaining: done.remaining,
        }
    }
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// List dead letters, the newest job first
    #[oai(
        path = "/api/queue/dead",
        method = "get",
        tag = "Tag::Operation",
        operation_id = "list_dead_letters"
    )]
    async fn list(
        &self,
        context: Data<&Context>,
        _admin: Admin,
        kind: Query<Option<String>>,
        customer_id: Query<Option<Uuid>>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<DeadLetter>>> {
        let paging = Paging::of(limit.0, cursor.0.as_deref())?;
        let filter = DeadFilter {
            kind: kind.0.as_deref().map(str::parse).transpose()?,
            customer: customer_id.0,
            ..DeadFilter::default()
        };
        let rows = jobs::list_dead(&context.db, &filter, paging.after, paging.rows()).await?;
        Ok(Json(paging.list(rows, |row| row.job.id)))
    }

    /// Run a dead letter again
    ///
    /// With fresh attempts and starts; what it had done stays done. 409 `job_has_live_twin` while another job does the same
    /// work.
    #[oai(
        path = "/api/queue/dead/:id/replay",
        method = "post",
        tag = "Tag::Operation",
        operation_id = "replay_dead_letter"
    )]
    async fn replay(&self, context: Data<&Context>, admin: Admin, id: Path<Uuid>) -> Answer<Json<Job>> {
        context.takes_work().await?;
        let job = jobs::replay_dead(&context.db, id.0, operator(&admin)).await?;
        context.dispatcher.wake();
        Ok(Json(job.into()))
    }

    /// Run many dead letters again
    #[oai(
        path = "/api/queue/dead/replay",
        method = "post",
        tag = "Tag::Operation",
        operation_id = "replay_dead_letters"
    )]
    async fn replay_many(
        &self,
        context: Data<&Context>,
        admin: Admin,
        body: Body<ReplayInput>,
    ) -> Answer<Json<ReplayDone>> {
        let filter = DeadFilter {
            kind: body.0.kind.as_deref().map(str::parse).transpose()?,
            customer: body.0.customer_id,
            code: body.0.code,
            before: body.0.older_than,
        };
        let limit = body.0.limit.unwrap_or(REPLAY_MOST);
        context.takes_work().await?;
        let done = jobs::replay_all_dead(&context.db, &filter, limit, operator(&admin)).await?;
        context.dispatcher.wake();
        Ok(Json(done.into()))
    }
}

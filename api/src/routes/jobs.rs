//! Background jobs: how they stand, what they decided, and their events as they happen.
use domain::{
    Error,
    jobs::{self, EventReader, Filter, Operator},
    limits::Class,
    pages,
};
use entity::job;
use futures::{Stream, StreamExt, stream};
use poem::{
    Request,
    web::{Data, sse::Event},
};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    chat::failed,
    sse::{Events, event},
};
use crate::{
    Context,
    error::Answer,
    extractors::{Caller, Jobs, List, Paging},
    middleware::RequestId,
    once::Once,
    openapi::Tag,
};

/// Why a job ended badly.
#[derive(Debug, Object)]
struct JobError {
    code: String,
    message: String,
    #[oai(nullable)]
    at: Option<OffsetDateTime>,
}

/// A job of the ledger.
#[derive(Debug, Object)]
pub struct Job {
    id: Uuid,
    /// `scrape` or `embed`.
    kind: String,
    /// `scheduled`, `queued`, `running`, `needs_confirmation`, `done`, `failed`, `dead` or `cancelled`.
    state: String,
    /// Where a crawl begins; of other kinds nothing.
    #[oai(nullable)]
    start_url: Option<String>,
    /// `done`, `total` and more, by kind.
    progress: Value,
    /// What it brought, once it is done; what is to be confirmed, while it needs confirmation.
    #[oai(nullable)]
    result: Option<Value>,
    #[oai(nullable)]
    error: Option<JobError>,
    /// Runs that ended in an error worth another try.
    attempts: i32,
    /// Somebody asked it to stop.
    cancel_requested: bool,
    #[oai(nullable)]
    parent_id: Option<Uuid>,
    created_at: OffsetDateTime,
    #[oai(nullable)]
    started_at: Option<OffsetDateTime>,
    #[oai(nullable)]
    finished_at: Option<OffsetDateTime>,
    /// When a person let it go on.
    #[oai(nullable)]
    confirmed_at: Option<OffsetDateTime>,
}

impl From<job::Model> for Job {
    fn from(row: job::Model) -> Self {
        let text = |error: &Value, name| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let error = row.error.as_ref().map(|error| JobError {
            code: text(error, "code"),
            message: text(error, "message"),
            at: row.finished_at,
        });
        Self {
            id: row.id,
            start_url: pages::request::start_url(&row).map(str::to_owned),
            kind: row.kind,
            state: row.state,
            progress: row.progress,
            result: row.result,
            error,
            attempts: row.attempts,
            cancel_requested: row.cancel_requested,
            parent_id: row.parent_id,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            confirmed_at: row.confirmed_at,
        }
    }
}

#[derive(ApiResponse)]
enum EventsResponse {
    /// Events with `id`, `event` (its kind) and `data` `{job_id, kind, at, data}`; ends after the job's last event.
    #[oai(status = 200)]
    Ok(Events),
    /// The job has ended, and this client has been told all of it: it need not come back.
    #[oai(status = 204)]
    Told,
}

/// The kinds of work that have a limit of their own, however they are started.
const WORK: [(&str, Class); 3] = [
    ("scrape", Class::Scrape),
    ("embed", Class::Embed),
    ("sync", Class::Sync),
];

/// A job that the caller may stop and start.
async fn controlled(context: &Context, caller: &Caller<Jobs>, id: Uuid) -> domain::Result<job::Model> {
    let job = jobs::get(&context.db.tenant_read(&caller.customer).await?, id).await?;
    if let Some(scope) = jobs::scope(&job) {
        caller.principal.require(scope, true)?;
    }
    Ok(job)
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// List jobs, newest first
    #[oai(path = "/api/jobs", method = "get", tag = "Tag::Jobs", operation_id = "list_jobs")]
    async fn list(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
        kind: Query<Option<String>>,
        state: Query<Option<String>>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<Job>>> {
        let paging = Paging::of(limit.0, cursor.0.as_deref())?;
        let filter = Filter {
            kind: kind.0,
            state: state.0,
            before: paging.after,
        };
        let tx = context.db.tenant_read(&caller.customer).await?;
        let rows = jobs::list(&tx, &filter, paging.rows()).await?;
        Ok(Json(paging.list(rows, |row| row.id)))
    }

    /// Read a job
    #[oai(path = "/api/jobs/:id", method = "get", tag = "Tag::Jobs", operation_id = "get_job")]
    async fn get(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
        id: Path<Uuid>,
    ) -> Answer<Json<Job>> {
        let tx = context.db.tenant_read(&caller.customer).await?;
        Ok(Json(jobs::get(&tx, id.0).await?.into()))
    }

    /// Ask a job to stop
    ///
    /// What waits ends at once, what runs within seconds, together with the jobs that it has started. Copies of a person's data, deliveries to
    /// webhooks and waits for a person need the scope that they belong to as well (`privacy`, `webhooks`, `conversations`), here and in
    /// `retry`.
    #[oai(
        path = "/api/jobs/:id/cancel",
        method = "post",
        tag = "Tag::Jobs",
        operation_id = "cancel_job"
    )]
    async fn cancel(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
        id: Path<Uuid>,
    ) -> Answer<Json<Job>> {
        controlled(&context, &caller, id.0).await?;
        let tx = context.db.tenant(&caller.customer).await?;
        let job = jobs::cancel(&tx, id.0).await?;
        let (resource, kind) = (job.id.to_string(), json!({ "kind": job.kind }));
        caller.note(&tx, "job.cancelled", &resource, kind).await?;
        tx.commit().await?;
        context.dispatcher.wake();
        Ok(Json(job.into()))
    }

    /// Let a job go on that needs confirmation
    ///
    /// Its `result` says what is to be confirmed. Said again, it changes nothing; a job that nobody asks about is 409 `job_not_held`.
    #[oai(
        path = "/api/jobs/:id/confirm",
        method = "post",
        tag = "Tag::Jobs",
        operation_id = "confirm_job"
    )]
    async fn confirm(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
        id: Path<Uuid>,
    ) -> Answer<Json<Job>> {
        context.takes_work().await?;
        let tx = context.db.tenant(&caller.customer).await?;
        let by = Operator {
            actor: &caller.principal.actor(),
            ip: caller.ip.as_deref(),
        };
        let job = jobs::confirm(&tx, id.0, by).await?;
        tx.commit().await?;
        context.dispatcher.wake();
        Ok(Json(job.into()))
    }

    /// Run a job again that failed, died or was cancelled
    ///
    /// Counts like the call that starts such a job.
    #[oai(
        path = "/api/jobs/:id/retry",
        method = "post",
        tag = "Tag::Jobs",
        operation_id = "retry_job"
    )]
    async fn retry(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
        id: Path<Uuid>,
        /// The same key gives the same answer for a day.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        key: Header<Option<String>>,
    ) -> Answer<Json<Job>> {
        let before = controlled(&context, &caller, id.0).await?;
        context.takes_work().await?;
        let once = Once::of(key.0.as_deref(), "retry_job", &json!({ "job": id.0 }));
        let tx = context.db.tenant(&caller.customer).await?;
        if let Some(job) = once.before(&tx).await? {
            return Ok(Json(jobs::get(&tx, job).await?.into()));
        }
        // What has been answered before starts nothing, and costs nothing.
        if jobs::state::is_final(&before.state) {
            let class = WORK.iter().find(|(kind, _)| *kind == before.kind);
            let class = class.map_or(Class::Change, |(_, class)| *class);
            caller.spend(&context, class).await?;
        }
        let job = jobs::retry(&tx, id.0).await?;
        let (resource, kind) = (job.id.to_string(), json!({ "kind": job.kind }));
        caller.note(&tx, "job.retried", &resource, kind).await?;
        once.keep(&tx, job.id).await?;
        tx.commit().await?;
        context.dispatcher.wake();
        Ok(Json(job.into()))
    }

    /// Follow a job
    #[oai(
        path = "/api/jobs/:id/events",
        method = "get",
        tag = "Tag::Jobs",
        operation_id = "follow_job"
    )]
    async fn events(
        &self,
        req: &Request,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
        id: Path<Uuid>,
        /// Go on after this event.
        #[oai(name = "Last-Event-ID")]
        last: Header<Option<i64>>,
    ) -> Answer<EventsResponse> {
        let after = last.0.unwrap_or(0);
        if after < 0 {
            return Err(Error::invalid("Last-Event-ID", "must be the id of an event").into());
        }
        let tx = context.db.tenant_read(&caller.customer).await?;
        if jobs::all_told(&tx, id.0, after).await? {
            return Ok(EventsResponse::Told);
        }
        drop(tx);
        let request_id = req.data::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let told = follow(context.live.reader(&caller.customer, id.0, after), request_id);
        let stopping = context.life.stopping();
        Ok(EventsResponse::Ok(Events::resumable(
            told.take_until(stopping.cancelled_owned()),
        )))
    }
}

/// What the reader tells, to the end of the job.
fn follow(reader: EventReader, request_id: String) -> impl Stream<Item = Event> + Send {
    stream::unfold(Some(reader), move |reader| {
        let request_id = request_id.clone();
        async move {
            let mut reader = reader?;
            match reader.next().await {
                Ok(told) => told.map(|told| (sent(&told), Some(reader))),
                Err(error) => Some((failed(error, &request_id), None)),
            }
        }
    })
}

fn sent(told: &jobs::Event) -> Event {
    let data = json!({ "job_id": told.job_id, "kind": told.kind, "at": rfc3339(told.at), "data": told.data });
    event(&told.kind, &data).id(told.id.to_string())
}

fn rfc3339(at: OffsetDateTime) -> String {
    at.format(&time::format_description::well_known::Rfc3339)
        .unwrap_or_default()
}

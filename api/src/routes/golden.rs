//! A customer's golden questions, and what became of them.
use domain::{
    Error,
    jobs::{self, Operator, request_hash},
    learning::golden::{self, Change, Golden, RunRow},
    limits::Class,
};
use poem::web::Data;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::scrape::Dispatch;
use crate::{
    Context,
    error::Answer,
    extractors::{Body, Caller, Jobs, List, Paging, Settings},
    openapi::Tag,
};

/// A golden question to be.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewGolden {
    /// As a visitor would ask it.
    #[oai(validator(min_length = 1, max_length = 500))]
    question: String,
    /// Pages of the customer's own domains, any of which should answer it.
    #[oai(validator(min_items = 1, max_items = 10))]
    urls: Vec<String>,
    /// Texts that an answer should be made of, whatever their case and marks.
    #[oai(nullable, validator(max_items = 10))]
    phrases: Option<Vec<String>>,
}

/// What is to be changed of a golden question.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct GoldenPatch {
    #[oai(nullable, validator(min_length = 1, max_length = 500))]
    question: Option<String>,
    #[oai(nullable, validator(min_items = 1, max_items = 10))]
    urls: Option<Vec<String>>,
    #[oai(nullable, validator(max_items = 10))]
    phrases: Option<Vec<String>>,
}

/// A golden question.
#[derive(Debug, Object)]
struct GoldenQuestion {
    id: Uuid,
    question: String,
    /// As pages are spelled: see `GET /api/pages`.
    urls: Vec<String>,
    phrases: Vec<String>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl From<Golden> for GoldenQuestion {
    fn from(row: Golden) -> Self {
        Self {
            id: row.id,
            question: row.question,
            urls: row.urls,
            phrases: row.phrases,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What became of one golden question.
#[derive(Debug, Object)]
struct GoldenOutcome {
    id: Uuid,
    question: String,
    urls: Vec<String>,
    /// The place of the first expected page among the pages found, from 1.
    #[oai(nullable)]
    rank: Option<u64>,
    /// Why the question would be refused, if it would.
    #[oai(nullable)]
    refused: Option<String>,
    /// Phrases that an answer could not be made of.
    missing: Vec<String>,
    /// The page that came first.
    #[oai(nullable)]
    first: Option<String>,
    /// An expected page is among the first five, the question is answered, and no phrase is missing.
    passed: bool,
}

/// A run of all golden questions.
#[derive(Debug, Object)]
struct GoldenRun {
    id: Uuid,
    /// `asked` by somebody, before a `crawl` is shown, or after a `change` of index, settings or questions.
    cause: String,
    #[oai(nullable)]
    job_id: Option<Uuid>,
    /// It was asked of what a crawl had brought, before that was shown.
    staged: bool,
    /// What it was asked of is, or was, what answers are made from; false for a crawl that is held.
    published: bool,
    index_version: i64,
    questions: i32,
    passed: i32,
    /// The share of questions whose first page is an expected one.
    recall_1: f64,
    /// The share of questions with an expected page among the first five.
    recall_5: f64,
    /// The mean of one over the place of the first expected page.
    mrr: f64,
    /// Questions that passed in what was shown then, and not in this.
    lost: Value,
    created_at: OffsetDateTime,
}

impl From<RunRow> for GoldenRun {
    fn from(row: RunRow) -> Self {
        Self {
            id: row.id,
            cause: row.cause,
            job_id: row.job_id,
            staged: row.staged,
            published: row.published,
            index_version: row.index_version,
            questions: row.questions,
            passed: row.passed,
            recall_1: row.recall_1,
            recall_5: row.recall_5,
            mrr: row.mrr,
            lost: row.lost,
            created_at: row.created_at,
        }
    }
}

/// A run with what became of each question.
#[derive(Debug, Object)]
struct GoldenRunResults {
    run: GoldenRun,
    results: Vec<GoldenOutcome>,
}

fn outcome(value: &Value) -> Option<GoldenOutcome> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let texts = |name: &str| {
        let items = value[name].as_array().into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    Some(GoldenOutcome {
        id: value["id"].as_str()?.parse().ok()?,
        question: text("question")?,
        urls: texts("urls"),
        rank: value["rank"].as_u64(),
        refused: text("refused"),
        missing: texts("missing"),
        first: text("first"),
        passed: value["passed"].as_bool()?,
    })
}

/// A run that was asked for.
#[derive(Debug, Object)]
struct GoldenRunAccepted {
    job_id: Uuid,
    dispatch: Dispatch,
}

#[derive(ApiResponse)]
enum Made {
    /// The question.
    #[oai(status = 201)]
    Created(Json<GoldenQuestion>),
}

#[derive(ApiResponse)]
enum Removed {
    /// It is gone.
    #[oai(status = 204)]
    Gone,
}

#[derive(ApiResponse)]
enum RunResponse {
    /// The job is recorded; one that is under way is not made twice.
    #[oai(status = 202)]
    Accepted(Json<GoldenRunAccepted>, #[oai(header = "Location")] String),
}

fn accepted(job_id: Uuid, dispatch: Dispatch) -> RunResponse {
    RunResponse::Accepted(
        Json(GoldenRunAccepted { job_id, dispatch }),
        format!("/api/jobs/{job_id}"),
    )
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// List golden questions
    #[oai(
        path = "/api/golden",
        method = "get",
        tag = "Tag::Content",
        operation_id = "list_golden"
    )]
    async fn list(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Settings>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<GoldenQuestion>>> {
        let paging = Paging::of(limit.0, cursor.0.as_deref())?;
        let tx = context.db.tenant_read(&caller.customer).await?;
        let rows = golden::list(&tx, paging.after, paging.rows()).await?;
        Ok(Json(paging.list(rows, |row| row.id)))
    }

    /// Make a golden question
    ///
    /// From the next crawl on, what a crawl brings is only shown if no golden question is lost that passed before; else the crawl waits for
    /// a confirmation. A customer has at most 100.
    #[oai(
        path = "/api/golden",
        method = "post",
        tag = "Tag::Content",
        operation_id = "create_golden"
    )]
    async fn create(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Settings>,
        body: Body<NewGolden>,
    ) -> Answer<Made> {
        let new = Change {
            question: Some(body.0.question),
            urls: Some(body.0.urls),
            phrases: body.0.phrases,
        };
        let actor = caller.principal.actor();
        let tx = context.db.tenant(&caller.customer).await?;
        let row = golden::create(&tx, &new, by(&caller, &actor)).await?;
        tx.commit().await?;
        Ok(Made::Created(Json(row.into())))
    }

    /// Change a golden question
    #[oai(
        path = "/api/golden/:id",
        method = "patch",
        tag = "Tag::Content",
        operation_id = "change_golden"
    )]
    async fn change(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Settings>,
        id: Path<Uuid>,
        body: Body<GoldenPatch>,
    ) -> Answer<Json<GoldenQuestion>> {
        let change = Change {
            question: body.0.question,
            urls: body.0.urls,
            phrases: body.0.phrases,
        };
        let actor = caller.principal.actor();
        let tx = context.db.tenant(&caller.customer).await?;
        let row = golden::change(&tx, id.0, &change, by(&caller, &actor)).await?;
        tx.commit().await?;
        Ok(Json(row.into()))
    }

    /// Remove a golden question
    #[oai(
        path = "/api/golden/:id",
        method = "delete",
        tag = "Tag::Content",
        operation_id = "delete_golden"
    )]
    async fn remove(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Settings>,
        id: Path<Uuid>,
    ) -> Answer<Removed> {
        let actor = caller.principal.actor();
        let tx = context.db.tenant(&caller.customer).await?;
        golden::remove(&tx, id.0, by(&caller, &actor)).await?;
        tx.commit().await?;
        Ok(Removed::Gone)
    }

    /// Ask all golden questions now
    #[oai(
        path = "/api/golden/run",
        method = "post",
        tag = "Tag::Content",
        operation_id = "run_golden"
    )]
    async fn run(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
        /// The same key gives the same answer for a day.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        key: Header<Option<String>>,
    ) -> Answer<RunResponse> {
        context.takes_work().await?;
        let tx = context.db.tenant(&caller.customer).await?;
        if let Some(key) = &key.0
            && let Some(told) = jobs::replay(&tx, key, &request_hash("golden", &Value::Null)).await?
        {
            let made = told["job_id"]
                .as_str()
                .and_then(|id| id.parse().ok())
                .unwrap_or_default();
            let dispatch = context.dispatcher.dispatch(&[]).await.into();
            return Ok(accepted(made, dispatch));
        }
        if golden::list(&tx, None, 1).await?.is_empty() {
            let told = "there are no golden questions to ask";
            return Err(Error::conflict("no_golden_questions", told).into());
        }
        caller.spend(&context, Class::Batch).await?;
        let made = golden::request_run(&tx).await?;
        if made.fresh {
            let asked = Value::Object(Map::new());
            caller.note(&tx, "golden.started", &made.id.to_string(), asked).await?;
        }
        if let Some(key) = &key.0 {
            jobs::remember(&tx, key, &json!({ "job_id": made.id })).await?;
        }
        tx.commit().await?;
        let id = made.id;
        let dispatch = context.dispatcher.dispatch(&[made]).await.into();
        Ok(accepted(id, dispatch))
    }

    /// List runs of the golden questions, newest first
    ///
    /// The last hundred are kept.
    #[oai(
        path = "/api/golden/runs",
        method = "get",
        tag = "Tag::Content",
        operation_id = "list_golden_runs"
    )]
    async fn runs(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Settings>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<GoldenRun>>> {
        let paging = Paging::of(limit.0, cursor.0.as_deref())?;
        let tx = context.db.tenant_read(&caller.customer).await?;
        let rows = golden::runs(&tx, paging.after, paging.rows()).await?;
        Ok(Json(paging.list(rows, |row| row.id)))
    }

    /// Read a run with what became of each question
    #[oai(
        path = "/api/golden/runs/:id",
        method = "get",
        tag = "Tag::Content",
        operation_id = "get_golden_run"
    )]
    async fn one_run(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Settings>,
        id: Path<Uuid>,
    ) -> Answer<Json<GoldenRunResults>> {
        let tx = context.db.tenant_read(&caller.customer).await?;
        let (run, results) = golden::run(&tx, id.0).await?;
        let results = results.as_array().into_iter().flatten().filter_map(outcome).collect();
        Ok(Json(GoldenRunResults {
            run: run.into(),
            results,
        }))
    }
}

fn by<'a>(caller: &'a Caller<Settings>, actor: &'a str) -> Operator<'a> {
    Operator {
        actor,
        ip: caller.ip.as_deref(),
    }
}

//! Crawls that come back by the clock: the customer's list, and the call of an outside scheduler.
use domain::{
    Error,
    jobs::schedules::{self, NewSchedule},
};
use entity::schedule;
use poem::web::Data;
use poem_openapi::{ApiResponse, Object, OpenApi, payload::Json};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::scrape::{Crawl, NewScrape};
use crate::{
    Context,
    error::Answer,
    extractors::{Body, Caller, Jobs, List, Scheduler},
    openapi::Tag,
};

/// A crawl that comes back.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct ScheduleInput {
    /// Unique in the list; one that keeps its name keeps its history.
    #[oai(validator(min_length = 1, max_length = 100))]
    name: String,
    /// Five fields: minute, hour, day of month, month, day of week. Not more often than every 15 minutes.
    #[oai(validator(min_length = 9, max_length = 100))]
    cron: String,
    /// The IANA time zone of the fields; `UTC` unless said.
    #[oai(nullable, validator(min_length = 1, max_length = 64))]
    time_zone: Option<String>,
    /// Whether it runs; true unless said.
    #[oai(nullable)]
    enabled: Option<bool>,
    scrape: NewScrape,
}

impl From<ScheduleInput> for NewSchedule {
    fn from(input: ScheduleInput) -> Self {
        Self {
            name: input.name,
            cron: input.cron,
            time_zone: input.time_zone.unwrap_or_else(|| "UTC".to_owned()),
            enabled: input.enabled.unwrap_or(true),
            scrape: input.scrape.into(),
        }
    }
}

/// The whole list.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct ScheduleList {
    #[oai(validator(max_items = 20))]
    schedules: Vec<ScheduleInput>,
}

/// A crawl that comes back, as it stands.
#[derive(Debug, Object)]
struct Schedule {
    id: Uuid,
    name: String,
    cron: String,
    time_zone: String,
    enabled: bool,
    scrape: Crawl,
    /// Up to five minutes after the time that the fields name, always by the same delay; null while it is not enabled.
    #[oai(nullable)]
    next_run_at: Option<OffsetDateTime>,
    #[oai(nullable)]
    last_run_at: Option<OffsetDateTime>,
    /// The job of the last run.
    #[oai(nullable)]
    last_job_id: Option<Uuid>,
    created_at: OffsetDateTime,
}

impl TryFrom<schedule::Model> for Schedule {
    type Error = Error;

    fn try_from(row: schedule::Model) -> Result<Self, Error> {
        Ok(Self {
            scrape: schedules::scrape_of(&row)?.into(),
            id: row.id,
            name: row.name,
            cron: row.cron,
            time_zone: row.time_zone,
            enabled: row.enabled,
            next_run_at: row.enabled.then_some(row.next_run_at),
            last_run_at: row.last_run_at,
            last_job_id: row.last_job_id,
            created_at: row.created_at,
        })
    }
}

fn list(rows: Vec<schedule::Model>) -> Answer<Json<List<Schedule>>> {
    let items = rows.into_iter().map(TryInto::try_into);
    Ok(Json(List {
        items: items.collect::<Result<_, Error>>()?,
        next_cursor: None,
    }))
}

/// The jobs of the schedules that were due.
#[derive(Debug, Object)]
struct Fired {
    jobs: Vec<Uuid>,
}

#[derive(ApiResponse)]
enum FiredResponse {
    /// The jobs are recorded.
    #[oai(status = 202)]
    Accepted(Json<Fired>),
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// List the customer's schedules
    #[oai(
        path = "/api/schedules",
        method = "get",
        tag = "Tag::Jobs",
        operation_id = "list_schedules"
    )]
    async fn list(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
    ) -> Answer<Json<List<Schedule>>> {
        let tx = context.db.tenant_read(&caller.customer).await?;
        list(schedules::list(&tx).await?)
    }

    /// Replace the customer's schedules
    ///
    /// The whole list at once; what is not in it ends.
    #[oai(
        path = "/api/schedules",
        method = "put",
        tag = "Tag::Jobs",
        operation_id = "replace_schedules"
    )]
    async fn replace(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
        body: Body<ScheduleList>,
    ) -> Answer<Json<List<Schedule>>> {
        let new: Vec<NewSchedule> = body.0.schedules.into_iter().map(Into::into).collect();
        let tx = context.db.tenant(&caller.customer).await?;
        let rows = schedules::replace(&tx, &new).await?;
        let named = json!({ "names": new.iter().map(|new| &new.name).collect::<Vec<_>>() });
        caller
            .note(&tx, "schedules.replaced", &caller.customer.id.to_string(), named)
            .await?;
        tx.commit().await?;
        list(rows)
    }

    /// Start the crawls of every due schedule
    ///
    /// For a scheduler outside: the workers do the same by themselves, and a time that both find is run once.
    #[oai(
        path = "/api/scrape/scheduled",
        method = "post",
        tag = "Tag::Jobs",
        operation_id = "scrape_scheduled"
    )]
    async fn fire(&self, context: Data<&Context>, _scheduler: Scheduler) -> Answer<FiredResponse> {
        context.takes_work().await?;
        let made = schedules::fire_all_due(&context.db).await?;
        context.dispatcher.dispatch(&made).await;
        let jobs = made.into_iter().map(|made| made.id).collect();
        Ok(FiredResponse::Accepted(Json(Fired { jobs })))
    }
}

//! Whether the process answers, whether it is ready, what each part says, and the metrics.
use domain::{
    answering::{Circuit, Models},
    jobs::{measure, measure_streams, queue_stats},
    schema,
};
use poem::{http::StatusCode, web::Data};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::Query,
    payload::{Json, PlainText},
};
use std::time::Instant;
use time::OffsetDateTime;

use super::queue::Queue;
use crate::{
    Context,
    disk::Room,
    error::{Answer, Failure},
    extractors::{Admin, MetricsReader},
    openapi::Tag,
};

/// Whether the process answers.
#[derive(Debug, Object)]
struct Health {
    /// `ok`, `maintenance`, `stopping`, `unavailable`, or `migrations_pending`: the schema is older than this process.
    status: String,
    timestamp: OffsetDateTime,
}

/// One part.
#[derive(Debug, Object)]
struct Part {
    name: String,
    /// `ok`, `failing` or `off`.
    state: String,
    /// How long asking took.
    ms: u64,
    /// What it says, with `verbose=true`.
    #[oai(skip_serializing_if_is_none)]
    detail: Option<String>,
}

/// Every part.
#[derive(Debug, Object)]
struct Comprehensive {
    /// `ok`, or `degraded` while a part fails.
    status: String,
    timestamp: OffsetDateTime,
    version: String,
    parts: Vec<Part>,
    /// With `verbose=true`.
    #[oai(skip_serializing_if_is_none)]
    queues: Option<Vec<Queue>>,
}

#[derive(ApiResponse)]
enum HealthResponse {
    /// It does.
    #[oai(status = 200)]
    Up(Json<Health>),
    /// Not for now.
    #[oai(status = 503)]
    Down(Json<Health>),
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Whether the process answers
    #[expect(clippy::unused_async, reason = "the macro takes async functions only")]
    #[oai(
        path = "/api/health",
        method = "get",
        tag = "Tag::Operation",
        operation_id = "health"
    )]
    async fn health(&self, context: Data<&Context>) -> Answer<HealthResponse> {
        let status = if context.maintenance { "maintenance" } else { "ok" };
        Ok(health(&context, status))
    }

    /// Whether the process can do its work
    #[oai(
        path = "/api/health/ready",
        method = "get",
        tag = "Tag::Operation",
        operation_id = "ready"
    )]
    async fn ready(&self, context: Data<&Context>) -> Answer<HealthResponse> {
        let status = if context.life.is_stopping() {
            "stopping"
        } else {
            match schema::pending(&context.db, &context.migrations).await {
                Ok(pending) if pending.is_empty() => "ok",
                Ok(_) => "migrations_pending",
                Err(_) => "unavailable",
            }
        };
        Ok(health(&context, status))
    }

    /// What each part says
    #[oai(
        path = "/api/health/comprehensive",
        method = "get",
        tag = "Tag::Operation",
        operation_id = "comprehensive_health"
    )]
    async fn comprehensive(
        &self,
        context: Data<&Context>,
        _admin: Admin,
        verbose: Query<Option<bool>>,
    ) -> Answer<Json<Comprehensive>> {
        Ok(Json(comprehensive(&context, verbose.0.unwrap_or_default()).await))
    }

    /// Metrics in Prometheus' text format
    ///
    /// A process on this machine needs no credential.
    #[oai(
        path = "/api/metrics",
        method = "get",
        tag = "Tag::Operation",
        operation_id = "metrics"
    )]
    async fn metrics(&self, context: Data<&Context>, _reader: MetricsReader) -> Answer<PlainText<String>> {
        let Some(prometheus) = &context.prometheus else {
            let message = "this process records no metrics";
            return Err(Failure::with_status(StatusCode::NOT_FOUND, "no_metrics", message));
        };
        // The other metrics are worth reading while the database is away.
        if let Err(error) = measure(&context.db).await {
            tracing::warn!(error = error.story(), "the queues can't be measured");
        }
        measure_streams(&context.dispatcher).await;
        if let Some(models) = context.answerer.models() {
            models.measure();
        }
        Ok(PlainText(prometheus.render()))
    }
}

fn health(context: &Context, status: &str) -> HealthResponse {
    let body = Json(Health {
        status: status.to_owned(),
        timestamp: context.clock.now(),
    });
    if status == "ok" {
        HealthResponse::Up(body)
    } else {
        HealthResponse::Down(body)
    }
}

async fn comprehensive(context: &Context, verbose: bool) -> Comprehensive {
    let mut queues = None;
    let count = async {
        queues = Some(queue_stats(&context.db).await?);
        Ok(())
    };
    let mut parts = vec![
        part("database", context.db.ping()).await,
        migrations(context).await,
        part("redis", context.dispatcher.ping()).await,
        part("redis_cache", context.cache_server.ping()).await,
        part("queues", count).await,
        embedding(context).await,
        model(context),
        disk(context),
    ];
    if !verbose {
        for part in &mut parts {
            part.detail = None;
        }
    }
    let failing = parts.iter().any(|part| part.state == "failing");
    Comprehensive {
        status: if failing { "degraded" } else { "ok" }.to_owned(),
        timestamp: context.clock.now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        parts,
        queues: queues
            .filter(|_| verbose)
            .map(|queues| queues.into_iter().map(Into::into).collect()),
    }
}

async fn part(name: &str, check: impl Future<Output = domain::Result<()>>) -> Part {
    let began = Instant::now();
    let result = check.await;
    Part {
        name: name.to_owned(),
        state: if result.is_ok() { "ok" } else { "failing" }.to_owned(),
        ms: began.elapsed().as_millis() as u64,
        detail: result.err().map(|error| error.public_message().to_owned()),
    }
}

/// What the circuits of the writing models say; nobody is asked, since that costs money. `omniops doctor` asks.
fn model(context: &Context) -> Part {
    let circuits = context.answerer.models().map(Models::circuits).unwrap_or_default();
    let word = |state| match state {
        Circuit::Closed => "ok",
        Circuit::HalfOpen => "trying again",
        Circuit::Open => "left alone after failures",
    };
    let told: Vec<String> = circuits
        .iter()
        .map(|(name, state)| format!("{name}: {}", word(*state)))
        .collect();
    let failing = circuits.iter().any(|(_, state)| *state != Circuit::Closed);
    Part {
        name: "model".to_owned(),
        state: if failing { "failing" } else { "ok" }.to_owned(),
        ms: 0,
        detail: Some(if told.is_empty() {
            "extractive".to_owned()
        } else {
            told.join(", ")
        }),
    }
}

/// Whether the schema is as new as this process.
async fn migrations(context: &Context) -> Part {
    let mut pending = Vec::new();
    let checked = part("migrations", async {
        pending = schema::pending(&context.db, &context.migrations).await?;
        Ok(())
    })
    .await;
    if pending.is_empty() {
        return checked;
    }
    Part {
        state: "failing".to_owned(),
        detail: Some(format!("run `omniops migrate` for {}", pending.join(", "))),
        ..checked
    }
}

/// The room of the folders that this process writes to.
fn disk(context: &Context) -> Part {
    let rooms: Vec<_> = context.folders.iter().map(|folder| Room::of(folder)).collect();
    let fine = rooms.iter().all(|room| room.as_ref().is_ok_and(Room::suffices));
    let told = rooms.iter().map(|room| match room {
        Ok(room) => room.told(),
        Err(error) => error.to_string(),
    });
    Part {
        name: "disk".to_owned(),
        state: if fine { "ok" } else { "failing" }.to_owned(),
        ms: 0,
        detail: Some(told.collect::<Vec<_>>().join("; ")),
    }
}

/// Embeds a word, as every question does.
async fn embedding(context: &Context) -> Part {
    let Some((embedder, _)) = context.searcher.model() else {
        return Part {
            name: "embedding".to_owned(),
            state: "off".to_owned(),
            ms: 0,
            detail: Some("search is lexical".to_owned()),
        };
    };
    let name = embedder.model().name.clone();
    let words = ["health".to_owned()];
    let checked = part("embedding", async {
        context.searcher.embed_query(None, &words).await.map(|_| ())
    })
    .await;
    Part {
        detail: checked.detail.or(Some(name)),
        ..checked
    }
}

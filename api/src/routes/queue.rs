//! The queues, for the operator.
use domain::jobs::{QueueStats, queue_stats};
use poem::web::Data;
use poem_openapi::{Object, OpenApi, payload::Json};

use crate::{Context, error::Answer, extractors::Admin, openapi::Tag};

/// One queue.
#[derive(Debug, Object)]
pub struct Queue {
    kind: String,
    /// Jobs that could run now.
    depth: i64,
    /// Jobs that wait for their time.
    scheduled: i64,
    running: i64,
    /// Dead letters.
    dead: i64,
    /// How long the oldest runnable job has waited.
    oldest_seconds: f64,
}

impl From<QueueStats> for Queue {
    fn from(stats: QueueStats) -> Self {
        Self {
            kind: stats.kind.to_string(),
            depth: stats.depth,
            scheduled: stats.scheduled,
            running: stats.running,
            dead: stats.dead,
            oldest_seconds: stats.oldest_seconds,
        }
    }
}

/// Every queue.
#[derive(Debug, Object)]
struct Queues {
    queues: Vec<Queue>,
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
    async fn stats(&self, context: Data<&Context>, _admin: Admin) -> Answer<Json<Queues>> {
        let queues = queue_stats(&context.db).await?;
        Ok(Json(Queues {
            queues: queues.into_iter().map(Into::into).collect(),
        }))
    }
}

//! Synchronisation of shops.
use domain::{
    commerce::{self, SyncWork},
    jobs::{self, Submitted, request_hash},
    limits::Class,
};
use poem::web::Data;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi, param::Header, payload::Json};
use serde_json::{Value, json};
use uuid::Uuid;

use super::scrape::Dispatch;
use crate::{
    Context,
    error::Answer,
    extractors::{Body, Caller, Jobs},
    openapi::Tag,
};

/// Which products are read.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case")]
enum SyncMode {
    /// All of them; those that are not there any more go.
    Full,
    /// Those that have changed since the last time.
    Incremental,
}

impl From<SyncMode> for SyncWork {
    fn from(mode: SyncMode) -> Self {
        match mode {
            SyncMode::Full => Self::Full,
            SyncMode::Incremental => Self::Changes,
        }
    }
}

/// What to synchronise.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewSync {
    connection_id: Uuid,
    mode: SyncMode,
}

/// A synchronisation that was accepted.
#[derive(Debug, Object)]
struct SyncAccepted {
    job_id: Uuid,
    dispatch: Dispatch,
    /// False if one of the same shop is already under way: then it is that one.
    fresh: bool,
}

#[derive(ApiResponse)]
enum SyncResponse {
    /// The job is recorded.
    #[oai(status = 202)]
    Accepted(Json<SyncAccepted>, #[oai(header = "Location")] String),
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Synchronise a shop
    ///
    /// Changes are read once an hour and everything once a day by itself.
    #[oai(path = "/api/sync", method = "post", tag = "Tag::Jobs", operation_id = "sync")]
    async fn sync(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Jobs>,
        /// The same key with the same body gives the same answer for a day.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        key: Header<Option<String>>,
        body: Body<NewSync>,
    ) -> Answer<SyncResponse> {
        context.takes_work().await?;
        let key = key.0.as_deref().map(|key| (key, request_hash("sync", &body.1)));
        let made = record(&context, &caller, key, &body.0).await?;
        let id = made.id;
        let accepted = SyncAccepted {
            job_id: id,
            fresh: made.fresh,
            dispatch: context.dispatcher.dispatch(&[made]).await.into(),
        };
        Ok(SyncResponse::Accepted(Json(accepted), format!("/api/jobs/{id}")))
    }
}

/// Records the job once per idempotency key.
async fn record(
    context: &Context,
    caller: &Caller<Jobs>,
    key: Option<(&str, Vec<u8>)>,
    new: &NewSync,
) -> Answer<Submitted> {
    let tx = context.db.tenant(&caller.customer).await?;
    if let Some((key, hash)) = &key
        && let Some(answer) = jobs::replay(&tx, key, hash).await?
    {
        let id = answer
            .get("job_id")
            .and_then(Value::as_str)
            .and_then(|id| id.parse().ok());
        return Ok(Submitted {
            id: id.unwrap_or_default(),
            fresh: answer.get("fresh").and_then(Value::as_bool).unwrap_or_default(),
            errand: None,
        });
    }
    caller.spend(context, Class::Sync).await?;
    let made = commerce::sync(&tx, new.connection_id, new.mode.into()).await?;
    if made.fresh {
        let asked = json!({ "connection_id": new.connection_id });
        caller.note(&tx, "sync.started", &made.id.to_string(), asked).await?;
    }
    if let Some((key, _)) = key {
        jobs::remember(&tx, key, &json!({ "job_id": made.id, "fresh": made.fresh })).await?;
    }
    tx.commit().await?;
    Ok(made)
}

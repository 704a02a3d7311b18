//! Copies of what is held about a person, and what the night does for privacy.
use domain::{
    Result,
    privacy::{self, Privacy},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Ending;
use crate::job::Job;

/// Makes a copy; see [`Privacy::make_export`].
pub(super) async fn export(job: &Job, export: Uuid) -> Result<Ending> {
    let privacy = Privacy::new(job.ctx.db.clone(), &job.ctx.config);
    let made = privacy.make_export(job.customer()?, export);
    Ok(Ending::Done(match job.signal.until(made).await? {
        Some(bytes) => json!({ "bytes": bytes }),
        None => json!({ "skipped": "nobody wants it any more" }),
    }))
}

/// Deletes what is over, forgets again whom only the log knows, and brings the log of erasures up to date with what other processes did.
pub(super) async fn keep_house(job: &Job) -> Result<Value> {
    let ctx = &job.ctx;
    let mut done = json!(job.signal.until(privacy::retention::purge(&ctx.db)).await?);
    let privacy = Privacy::new(ctx.db.clone(), &ctx.config);
    let again = match job.signal.until(privacy.forget_unknown()).await {
        Ok(again) => json!(again.map(|again| again.visitors)),
        Err(error) if job.signal.why().is_none() => {
            tracing::error!(error = error.story(), event = "erasure_log_failed");
            Value::Null
        }
        Err(error) => return Err(error),
    };
    done["forgotten_again"] = again;
    let logged = match job.signal.until(privacy::sync_log(&privacy)).await {
        Ok(logged) => json!(logged),
        // The rest of the house does not wait for a disk.
        Err(error) if job.signal.why().is_none() => {
            tracing::error!(error = error.story(), event = "erasure_log_failed");
            Value::Null
        }
        Err(error) => return Err(error),
    };
    done["logged"] = logged;
    Ok(done)
}

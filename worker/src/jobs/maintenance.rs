//! The system's own upkeep.
use domain::{
    Result,
    jobs::{
        MaintenanceTask,
        retention::{Retention, sweep},
    },
    pages::removal,
};
use serde_json::json;

use super::{Ending, people};
use crate::job::Job;

/// Does a part of it; returns what was done. Asked to stop, it leaves the rest to whoever is next: what is gone is gone.
pub(super) async fn run(job: &Job, task: MaintenanceTask) -> Result<Ending> {
    match task {
        MaintenanceTask::Retention => {
            let swept = job.signal.until(sweep(&job.ctx.db, &Retention::default())).await?;
            let keep = job.ctx.config.worker.page_retention;
            let pages = job.signal.until(removal::purge(&job.ctx.db, keep)).await?;
            tracing::info!(job.id = %job.id(), event = "retention", jobs = swept.jobs, events = swept.events, urls = swept.urls, pages);
            let mut done = json!(swept);
            done["pages"] = pages.into();
            done["people"] = json!(job.signal.until(domain::people::purge(&job.ctx.db)).await?);
            Ok(Ending::Done(done))
        }
        MaintenanceTask::EndWait { conversation } => people::end_wait(job, conversation).await,
        MaintenanceTask::MailHandoff => people::mail_handoff(job).await,
        MaintenanceTask::DeliverWebhook { delivery } => people::deliver_webhook(job, delivery).await,
    }
}

//! The system's own upkeep.
use domain::{
    Error, Result, audit,
    jobs::{
        MaintenanceTask,
        retention::{Retention, sweep},
    },
    pages::{removal, staging},
    secrets::{self, Envelopes},
    tenancy::{Prover, check_due},
};
use serde_json::json;

use super::{Ending, learn, people, privacy, sync};
use crate::job::Job;

/// Links of the audit log's chain that are made again every night.
const NIGHTLY: u32 = 100_000;

/// How much of the newest part of the audit log is not what was written. Faults are told, and nothing else is held up by them.
async fn audit_faults(job: &Job, envelopes: &Envelopes) -> Result<usize> {
    let faults = audit::verify_newest(&job.ctx.db, envelopes, NIGHTLY).await?.faults;
    metrics::gauge!("omniops_audit_faults").set(faults.len() as f64);
    for fault in faults.iter().take(10) {
        tracing::error!(event = "audit_fault", fault, "the audit log is not what was written");
    }
    Ok(faults.len())
}

/// A night's work in parts. One that fails is told of and holds up none of the others: what visitors were promised is kept where the audit log
/// can't be read, and the other way round.
struct Night<'a> {
    job: &'a Job,
    /// The first failure, which is the job's.
    failed: Option<Error>,
}

impl Night<'_> {
    /// Does a part; none if it failed. An error only where the job was asked to stop.
    async fn part<T>(&mut self, name: &'static str, work: impl Future<Output = Result<T>>) -> Result<Option<T>> {
        match self.job.signal.until(Box::pin(work)).await {
            Ok(done) => Ok(Some(done)),
            Err(error) if self.job.signal.why().is_some() => Err(error),
            Err(error) => {
                let story = error.story();
                tracing::error!(job.id = %self.job.id(), event = "retention_failed", part = name, error = story, "a part of the night's work failed");
                self.failed.get_or_insert(error);
                Ok(None)
            }
        }
    }
}

/// Deletes what is over, and looks whether the audit log is what was written.
async fn night(job: &Job) -> Result<Ending> {
    let (db, config) = (&job.ctx.db, &job.ctx.config);
    let envelopes = Envelopes::new(&config.security.keys);
    let mut night = Night { job, failed: None };
    let swept = night.part("jobs", sweep(db, &Retention::default())).await?;
    let mut done = swept.map_or_else(|| json!({}), |swept| json!(swept));
    done["pages"] = json!(
        night
            .part("pages", removal::purge(db, config.worker.page_retention))
            .await?
    );
    done["people"] = json!(night.part("people", domain::people::purge(db)).await?);
    done["privacy"] = json!(night.part("privacy", privacy::keep_house(job)).await?);
    done["audit_faults"] = json!(night.part("audit_faults", audit_faults(job, &envelopes)).await?);
    let lines = audit::purge(db, &envelopes, config.security.audit_retention);
    done["audit_lines"] = json!(night.part("audit_lines", lines).await?);
    done["data_keys"] = json!(night.part("data_keys", secrets::discard_unused(db)).await?);
    done["staged_pages"] = json!(night.part("staged_pages", staging::sweep(db)).await?);
    done["shop_webhooks"] = json!(night.part("shop_webhooks", domain::commerce::purge(db)).await?);
    tracing::info!(job.id = %job.id(), event = "retention", %done);
    night.failed.map_or(Ok(Ending::Done(done)), Err)
}

/// Does a part of it; returns what was done. Asked to stop, it leaves the rest to whoever is next: what is gone is gone.
pub(super) async fn run(job: &Job, task: MaintenanceTask) -> Result<Ending> {
    match task {
        MaintenanceTask::Retention => night(job).await,
        MaintenanceTask::CheckDomains => {
            let prover = Prover::new(&job.ctx.config, job.ctx.http.clone());
            let checked = job.signal.until(check_due(&job.ctx.db, &prover)).await?;
            tracing::info!(job.id = %job.id(), event = "domain_checks", shown = checked.shown, absent = checked.absent, unknown = checked.unknown, ended = checked.ended);
            Ok(Ending::Done(json!(checked)))
        }
        MaintenanceTask::Learn => learn::plan(job).await,
        MaintenanceTask::SyncShops => sync::plan(job).await,
        MaintenanceTask::GoldenRun => learn::golden_run(job).await,
        MaintenanceTask::Gaps => learn::gaps(job).await,
        MaintenanceTask::EndWait { conversation } => people::end_wait(job, conversation).await,
        MaintenanceTask::MailHandoff => people::mail_handoff(job).await,
        MaintenanceTask::ExportSubject { export } => privacy::export(job, export).await,
        MaintenanceTask::DeliverWebhook { delivery } => people::deliver_webhook(job, delivery).await,
    }
}

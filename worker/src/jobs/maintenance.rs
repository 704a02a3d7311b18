//! The system's own upkeep.
use domain::{
    Result, audit,
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
    let verify = audit::verify_newest(&job.ctx.db, envelopes, NIGHTLY);
    let faults = job.signal.until(verify).await?.faults;
    metrics::gauge!("omniops_audit_faults").set(faults.len() as f64);
    for fault in faults.iter().take(10) {
        tracing::error!(event = "audit_fault", fault, "the audit log is not what was written");
    }
    Ok(faults.len())
}

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
            let envelopes = Envelopes::new(&job.ctx.config.security.keys);
            done["audit_faults"] = audit_faults(job, &envelopes).await?.into();
            let audit = audit::purge(&job.ctx.db, &envelopes, job.ctx.config.security.audit_retention);
            done["audit_lines"] = job.signal.until(audit).await?.into();
            done["data_keys"] = job.signal.until(secrets::discard_unused(&job.ctx.db)).await?.into();
            done["staged_pages"] = job.signal.until(staging::sweep(&job.ctx.db)).await?.into();
            done["shop_webhooks"] = job.signal.until(domain::commerce::purge(&job.ctx.db)).await?.into();
            done["privacy"] = privacy::keep_house(job).await?;
            Ok(Ending::Done(done))
        }
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

//! One errand from claim to settlement, for every kind of job.
//!
//! An errand is acknowledged (`Ok`) when there is nothing more to do about it: the job is settled, or was never ours. `Err`
//! means that the ledger could not be reached; the errand then runs again after its lease, and the claim decides.
use domain::{
    Error, Result, error,
    jobs::{self, Claim, Claimed, JobError, Kind, Outcome, Payload, Renewal},
    lifecycle::Lifecycle,
    tenancy,
};
use futures::FutureExt;
use queue::Errand;
use serde_json::Value;
use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};
use uuid::Uuid;

use crate::{
    Context, health,
    job::{Interrupt, Job},
    jobs as handlers, runtime, scheduler,
};

/// A cancelled job learns of it at the latest after this time.
const LOOK: Duration = Duration::from_secs(1);
/// How often the settlement is tried while the database is away.
const SETTLE_TRIES: u32 = 5;

/// A worker process's work.
pub struct Worker {
    ctx: Context,
    life: Lifecycle,
}

impl Worker {
    /// Nothing runs yet.
    pub fn new(ctx: Context, life: Lifecycle) -> Self {
        Self { ctx, life }
    }

    /// Works until the soft stop; returns when the jobs that ran then have been settled, or were cut off by the hard stop,
    /// which the caller gives (`config.worker.shutdown` after the soft one).
    pub async fn run(self) -> Result<()> {
        let Self { ctx, life } = self;
        let vitals = health::Vitals::new(&ctx);
        health::serve(&ctx, &life, &vitals).await;
        let scheduler = life.spawn(scheduler::run(ctx.clone(), life.clone(), vitals.clone()));
        runtime::run(&ctx, &life, &vitals).await?;
        let _ = scheduler.await;
        Ok(())
    }
}

/// Does what an errand asks for.
pub(crate) async fn errand(ctx: &Context, life: &Lifecycle, errand: &Errand) -> Result<()> {
    let Ok(id) = errand.job.parse::<Uuid>() else {
        tracing::warn!(job = errand.job, "an errand names no job");
        return Ok(());
    };
    match jobs::claim(&ctx.db, id, ctx.config.worker.lease).await? {
        Claim::Run(claimed) => run(ctx, life, *claimed).await,
        Claim::Dead => {
            tracing::error!(job.id = %id, job.kind = errand.kind, "the job is a dead letter: its workers were lost");
            count(&errand.kind, "dead");
            Ok(())
        }
        Claim::Stale => Ok(()),
    }
}

async fn run(ctx: &Context, life: &Lifecycle, claimed: Claimed) -> Result<()> {
    let started = Instant::now();
    let (lease, kind) = (claimed.lease, claimed.job.kind.clone());
    tracing::info!(job.id = %lease.job, job.kind = kind, starts = claimed.job.starts, event = "job_started");
    let outcome = work(ctx, life, claimed).await;
    if let Some(outcome) = outcome {
        settle(ctx, lease, &kind, &outcome, started).await?;
        if outcome == Outcome::HandBack {
            ctx.dispatcher.nudge(&[lease.job]).await;
        }
    }
    Ok(())
}

/// Runs the handler of the job's kind; nothing when another worker has taken the job.
async fn work(ctx: &Context, life: &Lifecycle, claimed: Claimed) -> Option<Outcome> {
    let (kind, stored) = (claimed.job.kind.clone(), claimed.job.payload.clone());
    let known = kind.parse::<Kind>().and_then(|k| Payload::read(k, &stored));
    let payload = match known {
        Ok(payload) => payload,
        Err(error) => return Some(fail(&error)),
    };
    let Some(owner) = claimed.job.customer_id else {
        return Some(fail(&Error::not_found("customer")));
    };
    let job = match tenancy::get(&ctx.db, owner).await {
        Ok(customer) => Job::new(ctx.clone(), claimed, customer),
        Err(error) => return Some(outcome_of(&error)),
    };
    let handler = AssertUnwindSafe(handlers::run(&job, payload)).catch_unwind();
    let ended = tokio::select! {
        ended = handler => ended,
        never = watch(&job, life) => match never {},
    };
    judge(&job, ended)
}

fn judge(job: &Job, ended: std::thread::Result<Result<Value>>) -> Option<Outcome> {
    match (ended, job.signal.why()) {
        (_, Some(Interrupt::Lost)) => None,
        (Ok(Ok(result)), _) => Some(Outcome::Done(result)),
        (Ok(Err(error)), _) if error.code() == "lease_lost" => None,
        (Ok(Err(_)), Some(Interrupt::Cancelled)) => Some(Outcome::Cancelled),
        (Ok(Err(_)), Some(Interrupt::Stopping)) => Some(Outcome::HandBack),
        (Ok(Err(error)), None) => {
            tracing::warn!(job.id = %job.id(), job.kind = job.row.kind, error.code = error.code(), error = error.story(), event = "job_error");
            Some(outcome_of(&error))
        }
        (Err(panic), _) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            tracing::error!(job.id = %job.id(), job.kind = job.row.kind, panic = said, event = "job_panic");
            let error = JobError::new("panic", "the job met a fault of ours; it is tried again");
            Some(Outcome::Retry(error, None))
        }
    }
}

/// What may pass is tried again; what the job itself is wrong about is not.
fn outcome_of(error: &Error) -> Outcome {
    let told = JobError::new(error.code(), error.public_message());
    match error.kind() {
        error::Kind::Unavailable { .. } | error::Kind::Internal => Outcome::Retry(told, None),
        error::Kind::TooMany { retry_after } => Outcome::Retry(told, Some(*retry_after)),
        _ => Outcome::Fail(told),
    }
}

fn fail(error: &Error) -> Outcome {
    tracing::warn!(error = error.story(), "a job that nobody can do");
    Outcome::Fail(JobError::new(error.code(), error.to_string()))
}

/// Keeps the lease, and passes on to the handler that it should stop.
async fn watch(job: &Job, life: &Lifecycle) -> Infallible {
    let lease = job.ctx.config.worker.lease;
    let stopping = life.stopping();
    let mut renewed = Instant::now();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK.min(lease / 3)) => {}
            () = stopping.cancelled(), if job.signal.why().is_none() => job.signal.give(Interrupt::Stopping),
        }
        match job.renew().await {
            Ok(Renewal::Held) => renewed = Instant::now(),
            Ok(Renewal::CancelRequested) => {
                renewed = Instant::now();
                job.signal.give(Interrupt::Cancelled);
            }
            Ok(Renewal::Lost) => job.signal.give(Interrupt::Lost),
            Err(error) if renewed.elapsed() > lease => {
                tracing::warn!(job.id = %job.id(), error = error.story(), "the lease could not be renewed and has ended");
                job.signal.give(Interrupt::Lost);
            }
            Err(error) => tracing::debug!(job.id = %job.id(), error = error.story(), "the lease is renewed later"),
        }
    }
}

async fn settle(ctx: &Context, lease: jobs::Lease, kind: &str, outcome: &Outcome, started: Instant) -> Result<()> {
    let mut tries = 1;
    let settled = loop {
        match jobs::settle(&ctx.db, lease, outcome).await {
            Err(error) if error.code() != "lease_lost" && tries < SETTLE_TRIES => {
                tracing::warn!(job.id = %lease.job, error = error.story(), tries, "the job is settled later");
                tokio::time::sleep(Duration::from_millis(200 << tries)).await;
                tries += 1;
            }
            settled => break settled,
        }
    };
    let state = word(outcome);
    match settled {
        Ok(()) => {}
        // Somebody else has the job: what became of it is theirs to say.
        Err(error) if error.code() == "lease_lost" => return Ok(()),
        Err(error) => return Err(error),
    }
    let took = started.elapsed();
    let code = match outcome {
        Outcome::Retry(error, _) | Outcome::Fail(error) => error.code.as_str(),
        _ => "",
    };
    tracing::info!(job.id = %lease.job, job.kind = kind, state, error.code = code, duration_ms = took.as_millis() as u64, event = "job_ended");
    count(kind, state);
    metrics::histogram!("omniops_job_duration_seconds", "kind" => kind.to_owned()).record(took.as_secs_f64());
    Ok(())
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done(_) => "done",
        Outcome::Retry(..) => "retry",
        Outcome::Fail(_) => "failed",
        Outcome::Cancelled => "cancelled",
        Outcome::HandBack => "handed_back",
    }
}

fn count(kind: &str, state: &'static str) {
    metrics::counter!("omniops_jobs_total", "kind" => kind.to_owned(), "state" => state).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_what_is_wrong_fails() {
        let away = Error::unavailable("database_unavailable", "away", std::io::Error::other("x"));
        let fault = Error::internal("a query", std::io::Error::other("x"));
        assert!(matches!(outcome_of(&away), Outcome::Retry(e, None) if e.code == "database_unavailable"));
        assert!(matches!(outcome_of(&fault), Outcome::Retry(e, None) if e.message.contains("our side")));
        assert!(
            matches!(outcome_of(&Error::conflict("robots_refused", "no")), Outcome::Fail(e) if e.code == "robots_refused")
        );
        assert!(matches!(outcome_of(&Error::not_found("page")), Outcome::Fail(_)));
    }
}

//! One errand from claim to settlement, for every kind of job.
//!
//! An errand is acknowledged (`Ok`) when there is nothing more to do about it: the job is settled, or was never ours. `Err`
//! means that the ledger could not be reached; the errand then runs again after its lease, and the claim decides.
use domain::{
    Error, Result, error,
    jobs::{Ask, Claim, Claimed, JobError, Kind, Lane, Lease, Outcome, Payload},
    lifecycle::Lifecycle,
};
use futures::FutureExt;
use queue::Errand;
use std::{
    convert::Infallible,
    future::pending,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Context, health,
    job::{Interrupt, Job},
    jobs::Ending,
    notary, runtime, scheduler,
    seats::{Place, Seat},
    vitals::Vitals,
};

/// How long a job of a newer build waits before anybody looks at it again: dispatchers of older builds leave it to newer ones.
const NEWER: Duration = Duration::from_secs(30);
/// How often the settlement is tried while the database is away, and where it is refused.
const SETTLE_TRIES: u32 = 7;
const REFUSED_TRIES: u32 = 3;
/// Waits before the ledger is asked again for a job that it gave no answer about: the first one, for a connection that has ended and is made
/// anew at once, and the longest, for a database that is away.
const CLAIM_AGAIN: Duration = Duration::from_millis(50);
const CLAIM_AGAIN_AT_MOST: Duration = Duration::from_secs(1);
/// Longest wait for a seat. What is fetched ahead waits some milliseconds, unless the runs before it turn out to be long ones.
const SEAT: Duration = Duration::from_millis(500);
/// The same for what comes by the express lane: where all seats are taken for longer, another worker may have a free one.
const EXPRESS_SEAT: Duration = Duration::from_millis(50);

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

    /// Works until the soft stop, which it gives itself when a part of it has ended; returns when the jobs that ran then have been settled, or were cut off by the hard stop,
    /// which the caller gives (`config.worker.shutdown` after the soft one).
    /// An error says that a part had ended: the process is to be started again.
    pub async fn run(self) -> Result<()> {
        let Self { ctx, life } = self;
        let shared = Arc::new(ctx.clone());
        let vitals = Vitals::new(&life, &ctx.heart, &ctx.claims);
        health::serve(&ctx, &life, &vitals).await;
        let (alive, over) = (CancellationToken::new(), CancellationToken::new());
        let heart = ctx
            .heart
            .clone()
            .run(ctx.clone(), life.clone(), alive.clone(), over.clone());
        let heart = part(&life, &vitals, "the heart", heart);
        tokio::select! {
            () = alive.cancelled() => {}
            () = life.stopping().cancelled_owned() => {}
        }
        vitals.begin();
        let scheduler = scheduler::run(ctx.clone(), life.clone(), vitals.clone());
        let scheduler = part(&life, &vitals, "the maintenance loop", scheduler);
        let notary = part(&life, &vitals, "the notary", notary::run(ctx.clone(), life.clone()));
        let browsers = life.spawn(ctx.browsers.clone().tend(over.clone()));
        let worked = runtime::run(&shared, &life, &vitals).await;
        over.cancel();
        let _ = browsers.await;
        let _ = scheduler.await;
        let _ = notary.await;
        let _ = heart.await;
        worked.and(vitals.verdict())
    }
}

/// Starts a part of the process, which ends with it and not before.
fn part<F>(life: &Lifecycle, vitals: &Vitals, name: &'static str, work: F) -> JoinHandle<Option<F::Output>>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let part = vitals.part(name);
    life.spawn(async move {
        let _part = part;
        work.await
    })
}

/// Does what an errand asks for. `cleared` is told when a suspect is none any more: its run goes on, for which the ledger needs no errand.
pub(crate) async fn errand(
    ctx: &Arc<Context>,
    life: &Lifecycle,
    lane: Lane,
    errand: &Errand,
    cleared: Option<oneshot::Sender<()>>,
) -> Result<()> {
    let Ok(job) = errand.job.parse::<Uuid>() else {
        tracing::warn!(job = errand.job, "an errand names no job");
        return Ok(());
    };
    let Ok(kind) = errand.kind.parse() else {
        tracing::warn!(
            job = errand.job,
            kind = errand.kind,
            "an errand of a kind that this build does not know"
        );
        return Ok(());
    };
    let Some(place) = place(ctx, life, lane, kind).await? else {
        if lane == Lane::Express {
            return ctx.dispatcher.forward(errand).await;
        }
        // Dropped, not kept: the dispatcher sees that it is gone, and publishes it where and when it belongs.
        ctx.dispatcher.wake();
        return Ok(());
    };
    alive(ctx, life).await?;
    let quarantined = lane == Lane::Quarantine;
    // Before the claim, which counts as a start: who waits here has nothing to do with a crash.
    let suspect = match cleared {
        Some(cleared) if quarantined => Some(Suspect {
            _alone: alone(ctx, life).await?,
            cleared,
        }),
        _ => None,
    };
    // What ends for the stop frees its seat for who waits here, and nothing begins any more.
    if life.is_stopping() {
        return Err(stopping());
    }
    match claim(ctx, life, Ask { job, quarantined }).await? {
        Claim::Run(claimed) => run(ctx, life, *claimed, place, suspect).await,
        Claim::Dead => {
            tracing::error!(job.id = %job, job.kind = errand.kind, "the job is a dead letter: its workers were lost");
            count(&errand.kind, "dead");
            Ok(())
        }
        Claim::Stale => Ok(()),
    }
}

/// Waits until the ledger takes this process for alive.
async fn alive(ctx: &Context, life: &Lifecycle) -> Result<()> {
    let lease = ctx.config.worker.lease;
    tokio::select! {
        biased;
        alive = tokio::time::timeout(lease, ctx.heart.alive(lease)) => alive.map_err(|_| unheard()),
        () = life.stopping().cancelled_owned() => Err(stopping()),
    }
}

/// Asks for the job until the ledger answers. Whoever gave up at the first failure would let the errand rest for a lease, fetch the next one
/// and let that rest, too: a database that is back within seconds would find nobody who wants anything of it.
async fn claim(ctx: &Context, life: &Lifecycle, ask: Ask) -> Result<Claim> {
    let began = Instant::now();
    let mut pause = CLAIM_AGAIN;
    loop {
        let claim = ctx.desk.claim(ctx, ask).await;
        ctx.claims.note(&claim);
        let Err(error) = claim else { return claim };
        if began.elapsed() >= ctx.config.worker.lease {
            return Err(error);
        }
        tracing::debug!(job.id = %ask.job, error = error.story(), "the ledger is asked for the job again");
        tokio::select! {
            () = life.stopping().cancelled_owned() => return Err(stopping()),
            () = tokio::time::sleep(pause) => {}
        }
        pause = (2 * pause).min(CLAIM_AGAIN_AT_MOST);
        alive(ctx, life).await?;
    }
}

/// What a run occupies.
struct Places {
    seat: Seat,
    suspect: Option<Suspect>,
}

/// What a run has besides that may take its worker down.
struct Suspect {
    /// The quarantine's one place.
    _alone: OwnedSemaphorePermit,
    cleared: oneshot::Sender<()>,
}

/// Waits for a place with which a job can be claimed, but not for long: none if what was fetched ahead would wait behind long runs.
async fn place(ctx: &Context, life: &Lifecycle, lane: Lane, kind: Kind) -> Result<Option<Place>> {
    let patience = if lane == Lane::Express { EXPRESS_SEAT } else { SEAT };
    tokio::select! {
        biased;
        place = tokio::time::timeout(patience, ctx.desk.place(lane, kind)) => place.ok().transpose(),
        () = life.stopping().cancelled_owned() => Err(stopping()),
    }
}

/// Waits with a job for its seat; none if it does not begin here.
async fn begin(ctx: &Context, life: &Lifecycle, job: &Job, place: Place) -> Option<Seat> {
    let ahead = match place {
        Place::Seat(seat) => return Some(seat),
        Place::Ahead(ahead) => ahead,
    };
    let kind = job.row.kind.parse().ok()?;
    tokio::select! {
        // In this order: what ends for the stop frees its seat for who waits here.
        biased;
        () = job.signal.given() => None,
        () = life.stopping().cancelled_owned() => None,
        seat = tokio::time::timeout(SEAT, ctx.desk.begin(kind, ahead)) => seat.ok()?.ok(),
    }
}

/// Waits for the quarantine's one place.
async fn alone(ctx: &Context, life: &Lifecycle) -> Result<OwnedSemaphorePermit> {
    tokio::select! {
        place = ctx.desk.alone() => place,
        () = life.stopping().cancelled_owned() => Err(stopping()),
    }
}

fn unheard() -> Error {
    Error::unavailable(
        "database_unavailable",
        "the database does not answer",
        "no sign of life got through",
    )
}

pub(crate) fn stopping() -> Error {
    Error::conflict("stopping", "the worker is stopping")
}

/// Gives up the quarantine's place: what has not taken its worker down in this time keeps the other suspects waiting no longer. Then it has one of its
/// kind's seats, as soon as there is one, in place of the quarantine's, which are few, as are those that the quarantine's queue hands out at a time.
async fn patience(ctx: &Context, kind: &str, places: &mut Places) -> Infallible {
    if places.suspect.is_some() {
        tokio::time::sleep(ctx.suspicion).await;
        let cleared = places.suspect.take().map(|suspect| suspect.cleared);
        if let (Some(cleared), Ok(kind)) = (cleared, kind.parse())
            && let Ok(seat) = ctx.desk.seat(kind).await
        {
            places.seat = seat;
            let _ = cleared.send(());
        }
    }
    pending().await
}

async fn run(
    ctx: &Arc<Context>,
    life: &Lifecycle,
    claimed: Claimed,
    place: Place,
    suspect: Option<Suspect>,
) -> Result<()> {
    let (lease, kind) = (claimed.lease, claimed.job.kind.clone());
    if claimed.job.payload_version > Payload::VERSION as i32 {
        tracing::info!(job.id = %lease.job, job.kind = kind, version = claimed.job.payload_version, event = "job_from_a_newer_build");
        return settle(ctx, lease, &kind, &Outcome::Later(NEWER), Instant::now()).await;
    }
    let job = Job::new(ctx.clone(), claimed);
    let watch = ctx.heart.watch(lease, job.signal.clone());
    let Some(seat) = begin(ctx, life, &job, place).await else {
        return give_back(ctx, &job, lease).await;
    };
    let (started, mut places) = (Instant::now(), Places { seat, suspect });
    tracing::info!(job.id = %lease.job, job.kind = kind, starts = job.row.starts, event = "job_started");
    let stopping = life.stopping();
    let mut handler = AssertUnwindSafe(ctx.handlers.run(&job)).catch_unwind();
    let ended = tokio::select! {
        // In this order, so that a handler that is through at once has nobody register for what else may come.
        biased;
        ended = &mut handler => ended,
        // Nothing that the handler still does counts, and it may be waiting for a database that never answers: it is dropped, and its
        // errand given up, so that others can have the job.
        () = job.signal.lost() => return Ok(()),
        never = patience(ctx, &kind, &mut places) => match never {},
        () = stopping.cancelled() => {
            job.signal.give(Interrupt::Stopping);
            handler.await
        }
    };
    drop(places.seat);
    if let Some(outcome) = judge(&job, ended) {
        settle(ctx, lease, &kind, &outcome, started).await?;
        if matches!(outcome, Outcome::HandBack | Outcome::Later(_)) {
            ctx.dispatcher.wake();
        }
    }
    drop(watch);
    Ok(())
}

/// Ends the claim of a job that did not get a seat.
async fn give_back(ctx: &Context, job: &Job, lease: Lease) -> Result<()> {
    let outcome = match job.signal.why() {
        Some(Interrupt::Lost) => return Ok(()),
        Some(Interrupt::Cancelled) => Outcome::Cancelled,
        Some(Interrupt::Stopping) | None => Outcome::HandBack,
    };
    settle(ctx, lease, &job.row.kind, &outcome, Instant::now()).await?;
    ctx.dispatcher.wake();
    Ok(())
}

fn judge(job: &Job, ended: std::thread::Result<Result<Ending>>) -> Option<Outcome> {
    match (ended, job.signal.why()) {
        (_, Some(Interrupt::Lost)) => None,
        (Ok(Ok(Ending::Done(result))), _) => Some(Outcome::Done(result)),
        (Ok(Ok(Ending::Hold(why))), _) => Some(Outcome::Hold(why)),
        (Ok(Ok(Ending::Later(after))), _) => Some(Outcome::Later(after)),
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
            Some(Outcome::Fault(error))
        }
    }
}

/// What may pass is tried again; what the job itself is wrong about is not.
fn outcome_of(error: &Error) -> Outcome {
    let told = JobError::new(error.code(), error.public_message());
    match error.kind() {
        _ if error.code() == "payload_unreadable" => Outcome::Fault(told),
        error::Kind::Unavailable { .. } | error::Kind::Internal => Outcome::Retry(told, None),
        error::Kind::TooMany { retry_after } => Outcome::Retry(told, Some(*retry_after)),
        _ => Outcome::Fail(told),
    }
}

async fn settle(ctx: &Context, lease: Lease, kind: &str, outcome: &Outcome, started: Instant) -> Result<()> {
    let unrecordable = Outcome::Fault(JobError::new("end_unrecordable", "how the job ended can't be recorded"));
    let (mut outcome, mut settled) = (outcome, record(ctx, lease, outcome).await);
    if let Err(error) = &settled
        && !passes(error)
    {
        // Left as it is, the job would run again and again, and no start of it would count.
        tracing::error!(job.id = %lease.job, job.kind = kind, error = error.story(), event = "end_unrecordable");
        outcome = &unrecordable;
        settled = record(ctx, lease, outcome).await;
    }
    let state = word(outcome);
    if !settled? {
        // Somebody else has the job: what became of it is theirs to say.
        return Ok(());
    }
    let took = started.elapsed();
    let code = match outcome {
        Outcome::Retry(error, _) | Outcome::Fault(error) | Outcome::Fail(error) => error.code.as_str(),
        _ => "",
    };
    tracing::info!(job.id = %lease.job, job.kind = kind, state, error.code = code, duration_ms = took.as_millis() as u64, event = "job_ended");
    count(kind, state);
    metrics::histogram!("omniops_job_duration_seconds", "kind" => kind.to_owned()).record(took.as_secs_f64());
    Ok(())
}

/// Asks until the end is recorded, or it seems that it won't be. Who holds the job's row lets it go some time.
async fn record(ctx: &Context, lease: Lease, outcome: &Outcome) -> Result<bool> {
    let mut tries = 1;
    loop {
        let settled = ctx.desk.settle(ctx, lease, outcome.clone()).await;
        let Err(error) = &settled else { return settled };
        let most = if passes(error) { SETTLE_TRIES } else { REFUSED_TRIES };
        if tries >= most && error.code() != error::BUSY {
            return settled;
        }
        tracing::warn!(job.id = %lease.job, error = error.story(), tries, "the job is settled later");
        tokio::time::sleep(Duration::from_millis(200 << tries.min(SETTLE_TRIES))).await;
        tries += 1;
    }
}

fn passes(error: &Error) -> bool {
    matches!(error.kind(), error::Kind::Unavailable { .. })
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done(_) => "done",
        Outcome::Retry(..) => "retry",
        Outcome::Fault(_) => "fault",
        Outcome::Fail(_) => "failed",
        Outcome::Cancelled => "cancelled",
        Outcome::HandBack => "handed_back",
        Outcome::Hold(_) => "needs_confirmation",
        Outcome::Later(_) => "later",
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
        let strange = Error::conflict("payload_unreadable", "from a later version");
        assert!(matches!(outcome_of(&strange), Outcome::Fault(_)));
    }

    /// What a task is made of is copied several times before the task runs, and allocated for each job.
    #[test]
    fn the_task_of_a_job_is_small() {
        fn size<A, F: Future>(_: impl Fn(A) -> F) -> usize {
            size_of::<F>()
        }
        type Given = (&'static Arc<Context>, &'static Lifecycle, &'static Errand);
        let task = size(|(ctx, life, named): Given| errand(ctx, life, Lane::Quarantine, named, None));
        assert!(task < 8192, "{task} bytes");
    }
}

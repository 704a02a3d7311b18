//! The maintenance loop: dispatches what is due, fires schedules, and mends what crashes left. Of all processes that run it, one at a time
//! does the work.
use domain::{
    Error, Result, error::Kind, jobs::schedules, lifecycle::Lifecycle, pages::model_change, privacy::Privacy,
};
use futures::FutureExt;
use std::time::{Duration, Instant};
use tokio::time::timeout;

use crate::{Context, batch::bounded, vitals::Vitals};

/// Longest wait between two rounds.
const ROUND: Duration = Duration::from_millis(200);
/// Wait between two rounds while the workers take what they get.
const HUNGRY: Duration = Duration::from_millis(40);
/// Longest time of a round.
const ROUND_LIMIT: Duration = Duration::from_secs(30);
/// Waits after failures, the first one and the longest: a connection that ended is made anew at once, a database that is away stays so for a while.
const REST: Duration = Duration::from_millis(50);
const REST_AT_MOST: Duration = Duration::from_secs(1);

/// Runs until the soft stop.
pub(crate) async fn run(ctx: Context, life: Lifecycle, vitals: Vitals) {
    let stopping = life.stopping();
    let every = (ctx.config.worker.lease / 6).clamp(Duration::from_millis(500), Duration::from_secs(2));
    let mut mended = None;
    let (mut failing, mut looked, mut rest) = (false, false, REST);
    while !life.is_stopping() {
        let round = Box::pin(round(&ctx, every, &mut mended));
        let result = vitals.ticking(bounded(ROUND_LIMIT, round)).await;
        match &result {
            Err(error) if !failing => {
                tracing::warn!(error = error.story(), "jobs are not dispatched; trying until it works");
            }
            Ok(_) if failing => tracing::info!("jobs are dispatched again"),
            _ => {}
        }
        failing = result.is_err();
        match &result {
            Err(error) if is_refusal(&ctx, error).await => vitals.rounds().refused(),
            _ => vitals.rounds().forget(),
        }
        if !failing && !looked {
            looked = true;
            let ctx = ctx.clone();
            life.spawn(async move { forget_again(&ctx).await });
        }
        let pause = rest;
        rest = if failing { (2 * rest).min(REST_AT_MOST) } else { REST };
        let wait = match result {
            Err(_) => tokio::time::sleep(pause).boxed(),
            Ok(true) => ctx.dispatcher.until_dry(HUNGRY).boxed(),
            Ok(false) => ctx.dispatcher.idle(ROUND).boxed(),
        };
        tokio::select! {
            () = stopping.cancelled() => {}
            () = wait => {}
        }
    }
}

/// Whether a round failed though there is a database, and a Redis that takes what is published.
async fn is_refusal(ctx: &Context, error: &Error) -> bool {
    let of_redis = error.code() == "redis_unavailable";
    let passes = matches!(error.kind(), Kind::Unavailable { .. }) && !of_redis;
    !passes
        && timeout(REST_AT_MOST, ctx.dispatcher.takes())
            .await
            .is_ok_and(|taken| taken.is_ok())
}

/// `mended` is when the rarer part was done last; before the first time, the system's own schedules are made.
async fn round(ctx: &Context, every: Duration, mended: &mut Option<Instant>) -> Result<bool> {
    if mended.is_none_or(|at| at.elapsed() >= every) {
        if mended.is_none() {
            schedules::ensure_system_schedules(&ctx.db).await?;
            change_models(ctx).await?;
        }
        *mended = Some(Instant::now());
        let fired = schedules::fire_due(&ctx.db).await?;
        if !fired.is_empty() {
            ctx.dispatcher.dispatch(&fired).await;
        }
        ctx.dispatcher.reconcile().await?;
    }
    ctx.dispatcher.tick().await
}

/// Forgets again whom the log of erasures names and the database does not know, as after a restore that nobody has replayed. Work goes on
/// without the log's disk.
async fn forget_again(ctx: &Context) {
    match Privacy::new(ctx.db.clone(), &ctx.config).forget_unknown().await {
        Ok(None) => {}
        Ok(Some(done)) => {
            tracing::warn!(
                event = "gdpr_forgotten_again",
                erasures = done.new,
                visitors = done.visitors,
                "the database was restored from before erasures that the log knows"
            );
        }
        Err(error) => tracing::error!(error = error.story(), event = "erasure_log_failed"),
    }
}

/// Lets indexes change to the model that this process was configured with. Asked for at a start only, so that a change that somebody
/// cancels stays cancelled.
async fn change_models(ctx: &Context) -> Result<()> {
    let Some((_, model)) = ctx.searcher.model() else {
        return Ok(());
    };
    let made = model_change::plan(&ctx.db, model).await?;
    if !made.is_empty() {
        tracing::info!(event = "embedding_model_changes", customers = made.len());
        ctx.dispatcher.dispatch(&made).await;
    }
    Ok(())
}

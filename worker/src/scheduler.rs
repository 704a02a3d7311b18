//! The maintenance loop: dispatches what is due, and mends what crashes left. Of all processes that run it, one at a time
//! does the work.
use domain::{Result, lifecycle::Lifecycle};
use std::time::{Duration, Instant};

use crate::{Context, health::Vitals};

/// Longest wait between two rounds.
const ROUND: Duration = Duration::from_millis(200);
/// Wait after a failure.
const REST: Duration = Duration::from_secs(1);

/// Runs until the soft stop.
pub(crate) async fn run(ctx: Context, life: Lifecycle, vitals: Vitals) {
    let stopping = life.stopping();
    let every = (ctx.config.worker.lease / 6).clamp(Duration::from_millis(500), Duration::from_secs(5));
    let mut mended = Instant::now();
    let mut failing = false;
    while !life.is_stopping() {
        let result = round(&ctx, every, &mut mended).await;
        vitals.ticked();
        match &result {
            Err(error) if !failing => {
                tracing::warn!(error = error.story(), "jobs are not dispatched; trying until it works");
            }
            Ok(()) if failing => tracing::info!("jobs are dispatched again"),
            _ => {}
        }
        failing = result.is_err();
        let wait = if failing { REST } else { ROUND };
        tokio::select! {
            () = stopping.cancelled() => {}
            () = ctx.dispatcher.idle(wait) => {}
        }
    }
}

async fn round(ctx: &Context, every: Duration, mended: &mut Instant) -> Result<()> {
    if mended.elapsed() >= every {
        *mended = Instant::now();
        ctx.dispatcher.reconcile().await?;
    }
    ctx.dispatcher.tick().await
}

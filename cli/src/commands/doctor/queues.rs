//! The queues: somebody works on them, nothing is stuck, nothing is forgotten.
use domain::{
    jobs::{QueueStats, Worker, WorkerState, list_workers, queue_stats},
    tenancy::Db,
};

use super::Finding;

/// Seconds that a job may wait before somebody should know.
const LONG: f64 = 600.0;

/// Checks the queues and the workers by the ledger.
pub async fn check(db: &Db) -> Vec<Finding> {
    let seen = async { Ok::<_, domain::Error>((queue_stats(db).await?, list_workers(db).await?)) };
    match seen.await {
        Ok((queues, fleet)) => vec![
            workers(&queues, &fleet),
            waiting(&queues),
            held(&queues),
            dead(&queues),
            paused(&queues),
        ],
        Err(error) => {
            let told = format!("{}; has the database been migrated (`omniops migrate`)?", error.story());
            vec![Finding::mend("queues", told)]
        }
    }
}

fn workers(queues: &[QueueStats], fleet: &[Worker]) -> Finding {
    const WHAT: &str = "workers";
    let (depth, alive) = (waiting_jobs(queues), count(fleet, WorkerState::Alive));
    let lost = count(fleet, WorkerState::Lost);
    match (alive, depth, lost) {
        (0, 1.., _) => Finding::mend(
            WHAT,
            format!("{depth} jobs wait and no worker is alive; start `omniops worker`"),
        ),
        (0, 0, _) => Finding::note(WHAT, "none is alive; jobs will wait until `omniops worker` runs"),
        (_, _, 1..) => {
            let told = format!(
                "{alive} alive, {lost} lost within the last hour; look for kills (out of memory?) in their logs"
            );
            Finding::note(WHAT, told)
        }
        _ => Finding::good(WHAT),
    }
}

fn count(fleet: &[Worker], state: WorkerState) -> usize {
    fleet.iter().filter(|worker| worker.state == state).count()
}

/// Jobs that could run now, without those of paused queues.
fn waiting_jobs(queues: &[QueueStats]) -> i64 {
    let open = queues.iter().filter(|queue| queue.control.paused_at.is_none());
    open.map(|queue| queue.depth).sum()
}

fn waiting(queues: &[QueueStats]) -> Finding {
    const WHAT: &str = "waiting jobs";
    let long = |queue: &&QueueStats| queue.control.paused_at.is_none() && queue.oldest_seconds > LONG;
    let told: Vec<String> = queues
        .iter()
        .filter(long)
        .map(|queue| {
            format!(
                "the oldest {} job has waited {:.0} min",
                queue.kind,
                queue.oldest_seconds / 60.0
            )
        })
        .collect();
    if told.is_empty() {
        return Finding::good(WHAT);
    }
    let advice = "add workers, raise WORKER_CONCURRENCY, or look for a limit (`omniops queue stats`)";
    Finding::note(WHAT, format!("{}; {advice}", told.join(", ")))
}

fn held(queues: &[QueueStats]) -> Finding {
    const WHAT: &str = "jobs to confirm";
    match queues.iter().map(|queue| queue.needs_confirmation).sum::<i64>() {
        0 => Finding::good(WHAT),
        n => Finding::note(
            WHAT,
            format!("{n}; their results say why, `POST /api/jobs/{{id}}/confirm` lets one go on, `…/cancel` ends it"),
        ),
    }
}

fn dead(queues: &[QueueStats]) -> Finding {
    const WHAT: &str = "dead letters";
    match queues.iter().map(|queue| queue.dead).sum::<i64>() {
        0 => Finding::good(WHAT),
        n => Finding::note(
            WHAT,
            format!("{n}; `omniops queue dead` says why, `omniops queue replay` runs them again"),
        ),
    }
}

fn paused(queues: &[QueueStats]) -> Finding {
    const WHAT: &str = "paused queues";
    let paused = queues.iter().filter(|queue| queue.control.paused_at.is_some());
    let names: Vec<String> = paused.map(|queue| queue.kind.to_string()).collect();
    if names.is_empty() {
        return Finding::good(WHAT);
    }
    let told = format!(
        "{}; nothing of them begins until `omniops queue resume`",
        names.join(", ")
    );
    Finding::note(WHAT, told)
}

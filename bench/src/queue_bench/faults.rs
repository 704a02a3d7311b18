//! What is left of the rate of whole jobs when a worker is killed and while connections end, and after it.
//!
//! Two workers do jobs that only take time, far fewer than the machine could do, so that the rate is that of their places and every pause
//! shows. Ended jobs are counted in the ledger.
use anyhow::{Result, ensure};
use std::time::Duration;
use tokio::time::{Instant, sleep};

use super::{
    cells::Bench,
    contender::{Contender, Part},
    figures::{Figures, Measure},
    stores::Cell,
};
use crate::{
    process::{PATIENCE, Process},
    protocol::{How, Line, Order, Role},
};

/// Jobs at once of each worker.
const PLACES: usize = 16;
const WORKERS: usize = 2;
/// How long a job takes.
const HOLD: Duration = Duration::from_millis(100);
/// A silent worker's jobs are another's after this time.
const LEASE_MS: u64 = 3000;
/// Until workers have begun and are left alone.
const SETTLE: Duration = Duration::from_secs(3);
/// How long a rate is measured.
const SPAN: Duration = Duration::from_secs(15);
/// Connections that are ended in a second.
const ENDED_A_SECOND: u32 = 5;

/// Only what was published: a schedule of the system may be due meanwhile.
const DONE: &str = "SELECT count(*) FROM jobs WHERE state = 'done' AND kind = 'scrape'";
const LIVE: &str = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running', 'scheduled') AND kind = 'scrape'";
/// The dead worker's jobs, given away or not; only they were begun before.
const ORPHANS: &str = "SELECT count(*) FROM jobs WHERE state = 'queued' AND starts > 0
    OR state = 'running' AND worker_id IN (SELECT id FROM workers WHERE alive_until < now())";
/// Ends one connection of the workers.
const END: &str = "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM (
    SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename = 'omniops' ORDER BY random() LIMIT 1) v";

/// Workers with more to do than they can until it ends.
struct Run {
    cell: Cell,
    workers: Vec<Process>,
    jobs: usize,
    span: Duration,
}

impl Bench {
    /// Ours only: what is measured is one rate as a share of another one.
    pub async fn faults(&self, part: Part, figures: &mut Figures) -> Result<()> {
        let mut add = |measure, value| figures.add(part, measure, Contender::Ledger, value);
        let span = SPAN / self.divisor as u32;

        let mut run = self.run_for(span, 2).await?;
        let before = run.rate().await?;
        let killed = Instant::now();
        run.workers.remove(0).kill().await?;
        run.workers.push(self.worker(&run.cell).await?);
        sleep(Duration::from_millis(LEASE_MS)).await;
        while run.cell.postgres(ORPHANS).await? > 0 {
            ensure!(killed.elapsed() < PATIENCE, "a killed worker's jobs do not run again");
            sleep(Duration::from_millis(20)).await;
        }
        add(Measure::RateAfterKill, run.rate().await? / before);
        let lost = run.end().await?;

        let run = self.run_for(span, 3).await?;
        let before = run.rate().await?;
        let (during, ended) = tokio::join!(run.rate(), run.end_connections());
        add(Measure::RateMeanwhile, during? / before);
        add(Measure::RateAfterwards, run.rate().await? / before);
        add(Measure::Ended, ended? as f64);
        add(Measure::Lost, (lost + run.end().await?) as f64);
        Ok(())
    }

    async fn run_for(&self, span: Duration, spans: u32) -> Result<Run> {
        self.stores.flush().await?;
        let cell = self.stores.cell(Contender::Ledger, LEASE_MS).await?;
        let seconds = (span * spans + SETTLE + Duration::from_millis(4 * LEASE_MS)).as_secs_f64();
        let jobs = (seconds / HOLD.as_secs_f64()) as usize * PLACES * WORKERS;
        let order = Order {
            jobs,
            ..cell.order.clone()
        };
        self.publish_order(Contender::Ledger, &order, How::Bulk).await?;
        cell.analyze().await?;
        let mut workers = Vec::new();
        for _ in 0..WORKERS {
            workers.push(self.worker(&cell).await?);
        }
        sleep(SETTLE).await;
        Ok(Run {
            cell,
            workers,
            jobs,
            span,
        })
    }

    async fn worker(&self, cell: &Cell) -> Result<Process> {
        let order = Order {
            concurrency: PLACES,
            hold_ms: HOLD.as_millis() as u64,
            ..cell.order.clone()
        };
        let mut worker = self.start(Contender::Ledger, Role::Work, &order)?;
        worker.until(|line: Line| (line == Line::Ready).then_some(())).await?;
        Ok(worker)
    }
}

impl Run {
    /// Jobs that end in a second.
    async fn rate(&self) -> Result<f64> {
        let (before, begun) = (self.cell.postgres(DONE).await?, Instant::now());
        sleep(self.span).await;
        let (after, seconds) = (self.cell.postgres(DONE).await?, begun.elapsed().as_secs_f64());
        ensure!(after < self.jobs as i64, "there was not enough to do");
        Ok((after - before) as f64 / seconds)
    }

    /// Connections end at random for as long as a rate is measured; says how many.
    async fn end_connections(&self) -> Result<i64> {
        let (begun, mut ended) = (Instant::now(), 0);
        while begun.elapsed() < self.span {
            ended += self.cell.postgres(END).await?;
            sleep(Duration::from_secs(1) / ENDED_A_SECOND).await;
        }
        Ok(ended)
    }

    /// Waits for the rest; says how many jobs were not done.
    async fn end(self) -> Result<i64> {
        let begun = Instant::now();
        while self.cell.postgres(LIVE).await? > 0 && begun.elapsed() < PATIENCE {
            sleep(Duration::from_millis(100)).await;
        }
        let lost = self.jobs as i64 - self.cell.postgres(DONE).await?;
        for worker in self.workers {
            worker.stop().await?;
        }
        Ok(lost)
    }
}

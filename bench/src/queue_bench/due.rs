//! Very many jobs that become due at the same moment, and what Redis holds while they are drained.
use anyhow::{Result, bail, ensure};
use domain::jobs::{Kind, Lane};
use std::time::Duration;
use tokio::time::{Instant, sleep};

use super::{
    cells::{Bench, LEASE_MS},
    contender::{Contender, Part},
    figures::{Figures, Measure},
    stores::Cell,
};
use crate::protocol::{How, Line, Order, Role, now};

/// Jobs that are due at once.
const DUE: usize = 100_000;
/// Their worker's concurrency.
const CONCURRENCY: usize = 64;
/// From the order to publish them until they are due, for each of them, in µs: several times what publishing takes.
const PUBLISHING: f64 = 150.0;
/// And for whatever else is done until then.
const PREPARATION: Duration = Duration::from_secs(5);
/// Between two looks at Redis.
const LOOK: Duration = Duration::from_millis(20);
/// Longest time from the moment that they are due to the end of the last one.
const PATIENCE: Duration = Duration::from_mins(2);

/// What Redis was seen to hold.
struct Held {
    least: f64,
    most: f64,
    errands: i64,
}

impl Bench {
    /// Jobs that were scheduled for one moment, before which their worker waits. Ours only: what is measured is that a backlog takes no
    /// place in Redis, however large it is.
    pub async fn due_at_once(&self, part: Part, figures: &mut Figures) -> Result<()> {
        let (contender, jobs) = (Contender::Ledger, DUE / self.divisor);
        self.stores.flush().await?;
        let cell = self.stores.cell(contender, LEASE_MS).await?;
        let due = now() + jobs as f64 * PUBLISHING + PREPARATION.as_secs_f64() * 1e6;
        let order = Order {
            due,
            jobs,
            concurrency: CONCURRENCY,
            ..cell.order.clone()
        };
        self.publish_order(contender, &order, How::Bulk).await?;
        cell.analyze().await?;
        let mut worker = self.start(contender, Role::Work, &order)?;
        worker.until(|line: Line| (line == Line::Ready).then_some(())).await?;
        let left = due - now();
        ensure!(left > 0.0, "publishing took until after the jobs were due");
        sleep(Duration::from_secs_f64(left / 1e6)).await;
        let held = self.watch(contender, &cell, jobs).await?;
        let seconds = (now() - due) / 1e6;
        worker.stop().await?;
        figures.add(part, Measure::DueRate, contender, jobs as f64 / seconds);
        figures.add(part, Measure::DueLeast, contender, held.least / 1e6);
        figures.add(part, Measure::DueMost, contender, held.most / 1e6);
        figures.add(part, Measure::DueErrands, contender, held.errands as f64);
        Ok(())
    }

    /// Looks at Redis until all jobs have ended.
    async fn watch(&self, contender: Contender, cell: &Cell, jobs: usize) -> Result<Held> {
        let stream = queue::Config::key(&Lane::Queue(Kind::Scrape).stream());
        let deadline = Instant::now() + PATIENCE;
        let mut held = Held {
            least: f64::INFINITY,
            most: 0.0,
            errands: 0,
        };
        while !contender.is_empty(&self.stores, cell, jobs).await? {
            if Instant::now() > deadline {
                bail!("jobs that were due at once are left");
            }
            for _ in 0..10 {
                let used = self.stores.redis.used().await?;
                held.least = held.least.min(used);
                held.most = held.most.max(used);
                held.errands = held.errands.max(self.stores.redis.number(&["XLEN", &stream]).await?);
                sleep(LOOK).await;
            }
        }
        Ok(held)
    }
}

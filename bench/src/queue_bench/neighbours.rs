//! How long the ten jobs of a customer wait, alone and beside the ten thousand of another one.
use anyhow::{Result, ensure};
use std::time::Duration;
use tokio::time::{Instant, sleep};

use super::{
    cells::{Bench, LEASE_MS},
    contender::{Contender, Part},
    figures::{Figures, Measure},
    stores::Cell,
};
use crate::{
    process::PATIENCE,
    protocol::{How, Line, Order, Role},
};

/// Jobs of the large customer.
const MANY: usize = 10_000;
/// Jobs of each small one.
const FEW: usize = 10;
/// Small customers, one after the other; the first ones meet a worker that has not done anything yet, and are not counted.
const TIMES: usize = 44;
/// Their worker's concurrency.
const CONCURRENCY: usize = 16;
/// How long a job takes, as a page of a quick site does.
const HOLD: Duration = Duration::from_millis(20);
/// Until the worker is at it.
const SETTLE: Duration = Duration::from_secs(1);

/// 95 % of the small customers' jobs began, or ended, within so many µs of their submission.
const STARTED: &str =
    "SELECT (1e6 * extract(epoch FROM percentile_disc(0.95) WITHIN GROUP (ORDER BY started_at - created_at)))::bigint
    FROM jobs WHERE customer_id IN (SELECT customer_id FROM jobs GROUP BY customer_id HAVING count(*) = 10 ORDER BY min(created_at) OFFSET 4)";
const ENDED: &str =
    "SELECT (1e6 * extract(epoch FROM percentile_disc(0.95) WITHIN GROUP (ORDER BY finished_at - created_at)))::bigint
    FROM jobs WHERE customer_id IN (SELECT customer_id FROM jobs GROUP BY customer_id HAVING count(*) = 10 ORDER BY min(created_at) OFFSET 4)";
/// Their jobs that are left.
const LEFT: &str = "SELECT count(*) FROM jobs WHERE state <> 'done'
    AND customer_id IN (SELECT customer_id FROM jobs GROUP BY customer_id HAVING count(*) = 10)";

/// ms.
struct Waits {
    start: f64,
    end: f64,
}

impl Bench {
    /// Ours only: the peers know no customers.
    pub async fn neighbours(&self, part: Part, figures: &mut Figures) -> Result<()> {
        let alone = self.waits(0).await?;
        let beside = self.waits(MANY).await?;
        let mut add = |measure, value| figures.add(part, measure, Contender::Ledger, value);
        add(Measure::FewStart, alone.start);
        add(Measure::FewStartBeside, beside.start);
        add(Measure::FewEnd, alone.end);
        add(Measure::FewEndBeside, beside.end);
        add(Measure::FewRatio, beside.end / alone.end);
        Ok(())
    }

    async fn waits(&self, many: usize) -> Result<Waits> {
        let contender = Contender::Ledger;
        self.stores.flush().await?;
        let cell = self.stores.cell(contender, LEASE_MS).await?;
        let order = |jobs| Order {
            jobs,
            ..cell.order.clone()
        };
        self.publish_order(contender, &order(many), How::Bulk).await?;
        cell.analyze().await?;
        let hold = Order {
            concurrency: CONCURRENCY,
            hold_ms: HOLD.as_millis() as u64,
            ..cell.order.clone()
        };
        let mut worker = self.start(contender, Role::Work, &hold)?;
        worker.until(|line: Line| (line == Line::Ready).then_some(())).await?;
        sleep(SETTLE).await;
        for _ in 0..TIMES {
            self.publish_order(contender, &order(FEW), How::Bulk).await?;
        }
        all_done(&cell).await?;
        if many > 0 {
            let waiting = cell
                .postgres("SELECT count(*) FROM jobs WHERE state = 'queued'")
                .await?;
            ensure!(
                waiting > 0,
                "the large customer's jobs were through before the small ones'"
            );
        }
        let waits = Waits {
            start: cell.postgres(STARTED).await? as f64 / 1e3,
            end: cell.postgres(ENDED).await? as f64 / 1e3,
        };
        worker.stop().await?;
        Ok(waits)
    }
}

async fn all_done(cell: &Cell) -> Result<()> {
    let begun = Instant::now();
    while cell.postgres(LEFT).await? > 0 {
        ensure!(begun.elapsed() < PATIENCE, "the small customers' jobs do not end");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

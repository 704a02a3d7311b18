//! Publishers and workers in Rust: ours, and peers from crates.io. What they share is here, one file each for the rest.
mod apalis_redis;
pub mod crawler;
pub mod embedder;
mod errands;
pub mod installation;
mod ledger;
pub mod pages;
pub mod plain;

use anyhow::Result;
use std::{
    io::Read as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::task::JoinSet;

use crate::protocol::{How, Line, Order, Role, now};

/// A contender that this executable plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Name {
    /// `crates/queue` alone.
    Errands,
    /// The crate apalis-redis.
    ApalisRedis,
    /// `domain::jobs` with `crates/queue` and the `worker` crate's runtime.
    Ledger,
}

/// Plays `role` of a contender.
pub async fn run(name: Name, role: Role, order: &Order) -> Result<()> {
    if role == Role::Work {
        end_with_stdin();
    }
    match (name, role) {
        (Name::Errands, Role::Publish) => publish(errands::Outlet::new(order)?, order).await,
        (Name::Errands, Role::Work) => errands::work(order).await,
        (Name::ApalisRedis, Role::Publish) => publish(apalis_redis::Outlet::new(order).await?, order).await,
        (Name::ApalisRedis, Role::Work) => apalis_redis::work(order).await,
        (Name::Ledger, Role::Publish) => publish(ledger::Outlet::new(order).await?, order).await,
        (Name::Ledger, Role::Work) => ledger::work(order).await,
    }
}

/// A worker ends with its driver, at once and wherever it is.
pub fn end_with_stdin() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

/// Where jobs are published.
trait Publish: Clone + Send + 'static {
    /// Publishes `jobs` new jobs with one call and returns their ids when the store has them.
    fn publish(&mut self, jobs: usize) -> impl Future<Output = Result<Vec<String>>> + Send;
}

async fn publish(mut outlet: impl Publish, order: &Order) -> Result<()> {
    let begun = now();
    match order.how {
        How::None => {}
        How::Single => {
            for _ in 0..order.jobs {
                outlet.publish(1).await?;
            }
        }
        How::Concurrent => concurrently(&outlet, order).await?,
        How::Bulk => {
            for first in (0..order.jobs).step_by(order.batch) {
                outlet.publish(order.batch.min(order.jobs - first)).await?;
            }
        }
        How::Paced => {
            for gap in &order.gaps {
                tokio::time::sleep(Duration::from_millis(*gap)).await;
                let at = now();
                for id in outlet.publish(1).await? {
                    Line::Sent { id, at }.emit();
                }
            }
        }
    }
    let seconds = (now() - begun) / 1e6;
    Line::Published {
        jobs: order.jobs,
        seconds,
    }
    .emit();
    Ok(())
}

async fn concurrently(outlet: &impl Publish, order: &Order) -> Result<()> {
    let taken = Arc::new(AtomicUsize::new(0));
    let mut lanes = JoinSet::new();
    for _ in 0..order.width {
        let (mut outlet, taken, jobs) = (outlet.clone(), taken.clone(), order.jobs);
        lanes.spawn(async move {
            while taken.fetch_add(1, SeqCst) < jobs {
                outlet.publish(1).await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane??;
    }
    Ok(())
}

/// Counts started jobs, tells the driver, and does what the order says a job does.
#[derive(Debug)]
struct Tally {
    started: AtomicUsize,
    order: Order,
}

impl Tally {
    fn new(order: &Order) -> Arc<Self> {
        Arc::new(Self {
            started: AtomicUsize::new(0),
            order: order.clone(),
        })
    }

    /// To be called at the start of a job.
    async fn handle(&self, id: &str) {
        let at = now();
        let started = self.started.fetch_add(1, SeqCst) + 1;
        if self.order.trace {
            Line::Start { id: id.to_owned(), at }.emit();
        }
        if started == self.order.mark {
            Line::Marked { at }.emit();
        }
        if started == self.order.jobs {
            Line::Handled { at }.emit();
        }
        if self.order.hold_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.order.hold_ms)).await;
        }
    }
}

//! The single measurements. Each is one contender, in processes of its own, on stores that hold nothing else.
use anyhow::{Context as _, Result, bail};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, sleep};

use super::{
    contender::{Contender, Part},
    figures::{Figures, Measure},
    stores::{Cell, Stores},
};
use crate::{
    process::{PATIENCE, Process},
    protocol::{How, Line, Order, Role, now},
    stats::percentile,
};

/// The concurrencies of the drain.
pub const CONCURRENCY: [usize; 3] = [1, 10, 64];
/// Lease, lock, heartbeat limit or expiry of a job, in ms.
pub const LEASE_MS: u64 = 6_000;
/// Jobs that a killed worker holds.
const HELD: usize = 10;
/// Jobs whose memory is measured; as many as apalis-redis takes, too, since nothing fetches them.
const QUEUED: usize = 100_000;
/// A drain that takes longer has failed.
const DRAIN_PATIENCE: Duration = Duration::from_mins(1);
/// From a worker's first word to the moment that it surely waits for jobs.
const SETTLE: Duration = Duration::from_secs(1);

/// What all measurements share.
pub struct Bench {
    /// The servers.
    pub stores: Stores,
    /// The installed peers.
    pub peers: PathBuf,
    /// Where the contenders' complaints go.
    pub log: PathBuf,
    /// Jobs are divided by this.
    pub divisor: usize,
    /// Prints each drain's statements.
    pub verbose: bool,
}

impl Bench {
    /// Starts a contender's process.
    pub fn start(&self, contender: Contender, role: Role, order: &Order) -> Result<Process> {
        let (program, args) = contender.command(&self.peers, role, order)?;
        let what = format!("{} {}", contender.label(), role.word());
        Process::start(&program, &args, &self.peers, &self.log, what)
    }

    /// Publishes as ordered and returns jobs/s.
    async fn publish(&self, contender: Contender, cell: &Cell, how: How, jobs: usize) -> Result<f64> {
        let order = Order {
            jobs,
            ..cell.order.clone()
        };
        self.publish_order(contender, &order, how).await
    }

    /// Publishes the jobs of `order` and returns jobs/s.
    pub async fn publish_order(&self, contender: Contender, order: &Order, how: How) -> Result<f64> {
        let order = Order { how, ..order.clone() };
        let mut publisher = self.start(contender, Role::Publish, &order)?;
        let rate = |line| match line {
            Line::Published { jobs, seconds } => Some(jobs as f64 / seconds),
            _ => None,
        };
        let rate = publisher.until(rate).await?;
        publisher.stop().await?;
        Ok(rate)
    }

    /// Publishing in ones, alone and by 16 at once.
    pub async fn singles(&self, part: Part, contender: Contender, figures: &mut Figures) -> Result<()> {
        let sizes = contender.sizes();
        for (how, measure, jobs) in [
            (How::Single, Measure::Single, sizes.single),
            (How::Concurrent, Measure::Concurrent, sizes.concurrent),
        ] {
            let jobs = jobs / self.divisor;
            self.stores.flush().await?;
            let cell = self.stores.cell(contender, LEASE_MS).await?;
            self.publish(contender, &cell, How::None, 0).await?;
            let costs = Costs::begin(&self.stores).await?;
            let rate = self.publish(contender, &cell, how, jobs).await?;
            figures.add(part, measure, contender, rate);
            if how == How::Single {
                let (commands, statements) = costs.end(&self.stores, &cell, jobs).await?;
                if contender.uses_redis() {
                    figures.add(part, Measure::CommandsSingle, contender, commands);
                }
                if contender.uses_postgres() {
                    figures.add(part, Measure::StatementsSingle, contender, statements.work);
                    figures.add(part, Measure::ControlSingle, contender, statements.control);
                }
            }
        }
        Ok(())
    }

    /// A backlog published in bulk, then drained.
    pub async fn drain(&self, part: Part, contender: Contender, at: usize, figures: &mut Figures) -> Result<()> {
        let concurrency = CONCURRENCY[at];
        let jobs = contender.sizes().drained[at] / self.divisor;
        self.stores.flush().await?;
        let cell = self.stores.cell(contender, LEASE_MS).await?;
        self.publish(contender, &cell, How::None, 0).await?;
        let costs = Costs::begin(&self.stores).await?;
        let bulk = self.publish(contender, &cell, How::Bulk, jobs).await?;
        let (commands, statements) = costs.end(&self.stores, &cell, jobs).await?;
        // A single bulk call tells little.
        if jobs >= 1_000 {
            figures.add(part, Measure::Bulk, contender, bulk);
            if contender.uses_redis() {
                figures.add(part, Measure::CommandsBulk, contender, commands);
            }
            if contender.uses_postgres() {
                figures.add(part, Measure::StatementsBulk, contender, statements.work);
            }
        }
        cell.analyze().await?;

        let costs = Costs::begin(&self.stores).await?;
        let mark = jobs / 10;
        let order = Order {
            jobs,
            concurrency,
            mark,
            ..cell.order.clone()
        };
        let mut worker = self.start(contender, Role::Work, &order)?;
        let marked = |line| match line {
            Line::Marked { at } => Some(at),
            _ => None,
        };
        let begun = worker.until(marked).await?;
        let (cpu_worker, cpu_servers) = (worker.cpu(), self.stores.cpu());
        worker
            .until(|line| matches!(line, Line::Handled { .. }).then_some(()))
            .await?;
        let deadline = Instant::now() + DRAIN_PATIENCE;
        while !contender.is_empty(&self.stores, &cell, jobs).await? {
            if Instant::now() > deadline {
                bail!("{} left jobs behind at concurrency {concurrency}", contender.label());
            }
            sleep(Duration::from_millis(1)).await;
        }
        let seconds = (now() - begun) / 1e6;
        let drained = (jobs - mark) as f64;
        let worker_us = (worker.cpu() - cpu_worker) / drained;
        let servers_us = (self.stores.cpu() - cpu_servers) / drained;
        let (commands, statements) = costs.end(&self.stores, &cell, jobs).await?;
        worker.stop().await?;
        figures.add(part, Measure::Drain(concurrency), contender, drained / seconds);
        figures.add(part, Measure::CpuWorker(concurrency), contender, worker_us);
        figures.add(part, Measure::CpuServers(concurrency), contender, servers_us);
        if contender.uses_redis() {
            figures.add(part, Measure::CommandsDrain(concurrency), contender, commands);
        }
        if contender.uses_postgres() {
            figures.add(part, Measure::StatementsDrain(concurrency), contender, statements.work);
            figures.add(part, Measure::ControlDrain(concurrency), contender, statements.control);
            if self.verbose {
                self.tell_statements(contender, concurrency, &cell).await?;
            }
        }
        Ok(())
    }

    async fn tell_statements(&self, contender: Contender, concurrency: usize, cell: &Cell) -> Result<()> {
        println!("  {} at {concurrency}: calls, total ms, statement", contender.label());
        for (calls, ms, query) in self.stores.top_statements(cell).await? {
            println!("  {calls:7} {ms:9.1}  {}", query.chars().take(160).collect::<String>());
        }
        Ok(())
    }

    /// How soon a job starts when nothing else is to be done: jobs arrive 5 to 50 ms apart.
    pub async fn pick_up(&self, part: Part, contender: Contender, round: u64, figures: &mut Figures) -> Result<()> {
        self.stores.flush().await?;
        let cell = self.stores.cell(contender, LEASE_MS).await?;
        self.publish(contender, &cell, How::None, 0).await?;
        let mut rng = StdRng::seed_from_u64(round);
        let gaps: Vec<u64> = (0..100 / self.divisor).map(|_| rng.random_range(5..=50)).collect();
        let watch = Order {
            trace: true,
            ..cell.order.clone()
        };
        let pace = Order {
            how: How::Paced,
            jobs: gaps.len(),
            gaps,
            ..cell.order.clone()
        };
        let mut worker = self.start(contender, Role::Work, &watch)?;
        worker.until(|line: Line| (line == Line::Ready).then_some(())).await?;
        sleep(SETTLE).await;
        let mut publisher = self.start(contender, Role::Publish, &pace)?;
        let mut sent = BTreeMap::new();
        loop {
            match publisher.next(PATIENCE).await? {
                Line::Sent { id, at } => drop(sent.insert(id, at)),
                Line::Published { .. } => break,
                _ => {}
            }
        }
        let mut waits = Vec::new();
        while waits.len() < sent.len() {
            if let Line::Start { id, at } = worker.next(PATIENCE).await?
                && let Some(sent) = sent.get(&id)
            {
                waits.push((at - sent) / 1e3);
            }
        }
        publisher.stop().await?;
        worker.stop().await?;
        waits.sort_by(f64::total_cmp);
        for percent in [50, 95, 99] {
            let value = percentile(&waits, percent).context("no job started")?;
            figures.add(part, Measure::PickUp(percent), contender, value);
        }
        Ok(())
    }

    /// A worker dies with its jobs; how long until the last of them runs again at another one. Does not flush: the contenders
    /// mostly wait, so they do it side by side.
    pub async fn recovery(&self, contender: Contender) -> Result<f64> {
        let cell = self.stores.cell(contender, LEASE_MS).await?;
        self.publish(contender, &cell, How::None, 0).await?;
        self.publish(contender, &cell, How::Bulk, HELD).await?;
        let watch = Order {
            trace: true,
            ..cell.order.clone()
        };
        let hold = Order {
            hold_ms: 600_000,
            ..watch.clone()
        };
        let mut victim = self.start(contender, Role::Work, &hold)?;
        starts(&mut victim).await?;
        let mut heir = self.start(contender, Role::Work, &watch)?;
        heir.until(|line: Line| (line == Line::Ready).then_some(())).await?;
        // Leases have been renewed for a while when it happens.
        sleep(3 * SETTLE).await;
        let killed = now();
        victim.kill().await?;
        let last = starts(&mut heir).await?;
        heir.stop().await?;
        Ok((last - killed) / 1e6)
    }

    /// Room that a backlog takes in the stores.
    pub async fn memory(&self, part: Part, contender: Contender, figures: &mut Figures) -> Result<()> {
        self.stores.flush().await?;
        let cell = self.stores.cell(contender, LEASE_MS).await?;
        // Whatever is made once, before.
        self.publish(contender, &cell, How::None, 0).await?;
        let before = self.stores.redis.memory().await?;
        let jobs = QUEUED / self.divisor;
        let tables = if contender.uses_postgres() {
            cell.tables().await?
        } else {
            0
        };
        self.publish(contender, &cell, How::Bulk, jobs).await?;
        if contender.uses_redis() {
            let after = self.stores.redis.memory().await?;
            figures.add(part, Measure::Memory, contender, (after - before) / jobs as f64);
        }
        if contender.uses_postgres() {
            let grown = (cell.tables().await? - tables) as f64;
            figures.add(part, Measure::Disk, contender, grown / jobs as f64);
        }
        self.stores.flush().await
    }
}

/// Waits until [`HELD`] jobs have started, and returns when the last did.
async fn starts(worker: &mut Process) -> Result<f64> {
    let mut last = BTreeMap::new();
    while last.len() < HELD {
        if let Line::Start { id, at } = worker.next(PATIENCE).await? {
            last.entry(id).or_insert(at);
        }
    }
    Ok(last.into_values().fold(0.0, f64::max))
}

/// Counters at the beginning of a measurement.
struct Costs {
    commands: f64,
}

impl Costs {
    async fn begin(stores: &Stores) -> Result<Self> {
        stores.forget_statements().await?;
        Ok(Self {
            commands: stores.redis.commands().await?,
        })
    }

    /// Redis commands and Postgres statements for each of `jobs`.
    async fn end(self, stores: &Stores, cell: &Cell, jobs: usize) -> Result<(f64, super::stores::Statements)> {
        let jobs = jobs as f64;
        let commands = (stores.redis.commands().await? - self.commands) / jobs;
        let mut statements = stores.statements(cell).await?;
        statements.work /= jobs;
        statements.control /= jobs;
        Ok((commands, statements))
    }
}

/// Runs `recovery` for all contenders of a part at once.
pub async fn recoveries(bench: &Bench, part: Part, figures: &mut Figures) -> Result<()> {
    bench.stores.flush().await?;
    let all = part.contenders().iter().map(|contender| bench.recovery(*contender));
    for (contender, seconds) in part.contenders().iter().zip(futures::future::join_all(all).await) {
        match seconds {
            Ok(seconds) => figures.add(part, Measure::Recovery, *contender, seconds),
            Err(error) => figures
                .failures
                .push(format!("recovery, {}: {error:#}", contender.label())),
        }
    }
    Ok(())
}

/// The folder of a file, made when missing.
pub fn folder_of(file: &Path) -> Result<&Path> {
    let folder = file.parent().context("a file without a folder")?;
    std::fs::create_dir_all(folder)?;
    Ok(folder)
}

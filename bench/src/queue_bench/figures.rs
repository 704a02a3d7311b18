//! What was measured, by part, measure and contender.
use std::collections::BTreeMap;

use super::contender::{Contender, Part};
use crate::stats::{Summary, summarize};

/// A row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Jobs/s published one at a time.
    Single,
    /// Jobs/s published by 16 at once.
    Concurrent,
    /// Jobs/s published 500 at a time.
    Bulk,
    /// Jobs/s drained at this concurrency.
    Drain(usize),
    /// ms from publishing to starting on an idle queue, at this percentile.
    PickUp(u8),
    /// µs of the worker's processor time for each job drained at this concurrency.
    CpuWorker(usize),
    /// The same of the servers.
    CpuServers(usize),
    /// s from a worker's death until all its jobs run again.
    Recovery,
    /// Redis commands for each job published one at a time.
    CommandsSingle,
    /// Redis commands for each job published in bulk.
    CommandsBulk,
    /// Redis commands for each job drained at this concurrency.
    CommandsDrain(usize),
    /// Postgres statements for each job published one at a time.
    StatementsSingle,
    /// Postgres statements for each job published in bulk.
    StatementsBulk,
    /// Postgres statements for each job drained at this concurrency.
    StatementsDrain(usize),
    /// `BEGIN`, `COMMIT` and the like for each job published one at a time.
    ControlSingle,
    /// The same for each job drained at this concurrency.
    ControlDrain(usize),
    /// Bytes of Redis memory for each queued job.
    Memory,
    /// Bytes of tables and indexes in Postgres for each queued job.
    Disk,
    /// Jobs/s of very many jobs from the moment that all are due.
    DueRate,
    /// MB that Redis used at least meanwhile.
    DueLeast,
    /// At most.
    DueMost,
    /// Errands that were on the stream at most.
    DueErrands,
    /// ms until 95 % of the jobs of customers who have ten have begun.
    FewStart,
    /// The same beside a customer who has ten thousand.
    FewStartBeside,
    /// ms until they have ended.
    FewEnd,
    /// The same beside a customer who has ten thousand.
    FewEndBeside,
    /// The last divided by the one before.
    FewRatio,
    /// Rate after a worker was killed and another one has its jobs, as a share of the rate before.
    RateAfterKill,
    /// Rate while connections to Postgres end, as a share of the rate before.
    RateMeanwhile,
    /// And afterwards.
    RateAfterwards,
    /// Connections that were ended.
    Ended,
    /// Jobs that were not done in the end.
    Lost,
}

impl Measure {
    /// The row's heading.
    pub fn label(self) -> String {
        match self {
            Self::Single => "publish, one at a time (jobs/s)".into(),
            Self::Concurrent => "publish, 16 at once (jobs/s)".into(),
            Self::Bulk => "publish, 500 a call (jobs/s)".into(),
            Self::Drain(at) => format!("drain, concurrency {at} (jobs/s)"),
            Self::PickUp(percent) => format!("idle pick-up, p{percent} (ms)"),
            Self::CpuWorker(at) => format!("CPU of the worker a job, drain at {at} (µs)"),
            Self::CpuServers(at) => format!("CPU of the servers a job, drain at {at} (µs)"),
            Self::Recovery => "kill -9 until its 10 jobs run again (s)".into(),
            Self::CommandsSingle => "Redis commands a job, publish one".into(),
            Self::CommandsBulk => "Redis commands a job, publish 500".into(),
            Self::CommandsDrain(at) => format!("Redis commands a job, drain at {at}"),
            Self::StatementsSingle => "Postgres statements a job, publish one".into(),
            Self::StatementsBulk => "Postgres statements a job, publish 500".into(),
            Self::StatementsDrain(at) => format!("Postgres statements a job, drain at {at}"),
            Self::ControlSingle => "BEGIN/COMMIT/SET a job, publish one".into(),
            Self::ControlDrain(at) => format!("BEGIN/COMMIT/SET a job, drain at {at}"),
            Self::Memory => "Redis memory a queued job (bytes)".into(),
            Self::Disk => "tables and indexes of a queued job (bytes)".into(),
            Self::DueRate => "100,000 jobs due at once (jobs/s)".into(),
            Self::DueLeast => "Redis memory meanwhile, least (MB)".into(),
            Self::DueMost => "Redis memory meanwhile, most (MB)".into(),
            Self::DueErrands => "errands on the stream meanwhile, most".into(),
            Self::FewStart => "a customer's 10 jobs of 20 ms: start, p95 (ms)".into(),
            Self::FewStartBeside => "beside another's 10,000: start, p95 (ms)".into(),
            Self::FewEnd => "a customer's 10 jobs of 20 ms: end, p95 (ms)".into(),
            Self::FewEndBeside => "beside another's 10,000: end, p95 (ms)".into(),
            Self::FewRatio => "end beside another's 10,000, times alone".into(),
            Self::RateAfterKill => "rate after a worker's kill -9, of that before".into(),
            Self::RateMeanwhile => "rate while 5 connections/s end, of that before".into(),
            Self::RateAfterwards => "rate afterwards, of that before".into(),
            Self::Ended => "connections ended".into(),
            Self::Lost => "jobs lost, failed or dead in both".into(),
        }
    }
}

/// All samples.
#[derive(Debug, Default)]
pub struct Figures {
    samples: BTreeMap<(Part, Measure), BTreeMap<Contender, Vec<f64>>>,
    /// What went wrong, for the report.
    pub failures: Vec<String>,
}

impl Figures {
    /// Adds a sample.
    pub fn add(&mut self, part: Part, measure: Measure, contender: Contender, value: f64) {
        let row = self.samples.entry((part, measure)).or_default();
        row.entry(contender).or_default().push(value);
    }

    /// The rows of a part, in the order of [`Measure`].
    pub fn rows(&self, part: Part) -> impl Iterator<Item = (Measure, &BTreeMap<Contender, Vec<f64>>)> {
        let rows = self.samples.iter().filter(move |((of, _), _)| *of == part);
        rows.map(|((_, measure), row)| (*measure, row))
    }

    /// One cell of a table.
    pub fn summary(&self, part: Part, measure: Measure, contender: Contender) -> Option<Summary> {
        summarize(self.samples.get(&(part, measure))?.get(&contender)?)
    }
}

//! What was measured, by part, measure and contender, and the statistics that the report shows.
use std::collections::BTreeMap;

use super::contender::{Contender, Part};

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
        }
    }
}

/// Median, least and most of some samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The median.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
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

/// `None` without samples.
pub fn summarize(samples: &[f64]) -> Option<Summary> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(Summary {
        median: percentile(&sorted, 50)?,
        min: *sorted.first()?,
        max: *sorted.last()?,
    })
}

/// Of sorted samples, by nearest rank; the median of an even number is the mean of the middle two.
pub fn percentile(sorted: &[f64], percent: u8) -> Option<f64> {
    let count = sorted.len();
    if percent == 50 && count > 0 && count.is_multiple_of(2) {
        return Some(f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]));
    }
    let rank = (count * usize::from(percent)).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_and_the_median_of_an_even_number_is_between_two() {
        let sorted: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(percentile(&sorted, 50), Some(10.5));
        assert_eq!(percentile(&sorted, 95), Some(19.0));
        assert_eq!(percentile(&sorted, 99), Some(20.0));
        assert_eq!(percentile(&[3.0, 1.0, 2.0][..1], 99), Some(3.0));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn a_summary_holds_the_middle_and_both_ends() {
        let made = summarize(&[3.0, 1.0, 2.0]);
        assert_eq!(
            made,
            Some(Summary {
                median: 2.0,
                min: 1.0,
                max: 3.0
            })
        );
        assert_eq!(summarize(&[]), None);
    }
}

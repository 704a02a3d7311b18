//! How far a crawl is, for people and for the worker that goes on with it.
//!
//! Counted from the rows. What moves without anything having been done, the pace and the estimate, is written only together with what
//! was done: progress that moves on forgives earlier crashes, and a clock must not do that.
use domain::{
    Result, jobs,
    pages::{frontier, store},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::VecDeque, time::Duration};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::way::{Reason, Wait};
use crate::{
    crawl::{Pace, Visitor},
    job::Job,
};

/// The pace is that of the last half minute.
const WINDOW: Duration = Duration::from_secs(30);
/// A pace is not told before this time.
const SETTLED: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// The start page and the sitemaps are being read.
    #[default]
    Starting,
    /// Pages are being visited.
    Crawling,
    /// All pages have been visited; their chunks are being embedded.
    Indexing,
}

/// What has been done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Progress {
    pub phase: Phase,
    /// URLs with a decision.
    pub done: i64,
    /// URLs seen and admitted.
    pub total: i64,
    pub new: i64,
    pub changed: i64,
    pub unchanged: i64,
    pub failed: i64,
    /// Embed jobs that have not ended.
    pub embed_jobs: i64,
    pub chunks: i64,
    pub chunks_embedded: i64,
    /// Pages that were taken out of answers at the end.
    pub retired: i64,
    /// How often the crawl gave way before it had read the sitemaps.
    pub postponed: i64,
}

impl Progress {
    /// What earlier runs have done.
    pub fn of(job: &Job) -> Self {
        Self::read(&job.row.progress)
    }

    fn read(told: &Value) -> Self {
        Self::deserialize(told).unwrap_or_default()
    }
}

/// What is told of a crawl: what has been done, and how it seems to go on.
#[derive(Debug, Serialize)]
pub(super) struct Told<'a> {
    #[serde(flatten)]
    pub progress: &'a Progress,
    #[serde(flatten)]
    pub outlook: Outlook,
    /// How fast the host is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// Why nothing is done at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// A wait, for people.
#[derive(Debug, Serialize)]
pub(super) struct Waits {
    reason: Reason,
    #[serde(with = "time::serde::rfc3339")]
    until: OffsetDateTime,
}

/// How a crawl seems to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Outlook {
    /// Of the last half minute.
    pub pages_per_second: Option<f64>,
    /// Whether pages are still being found.
    pub discovering: Option<bool>,
    /// Seconds to the last page; none while it can't be known.
    pub eta_seconds: Option<i64>,
}

/// Measures how fast a crawl goes and grows.
#[derive(Default)]
pub(super) struct Meter(VecDeque<(Instant, i64, i64)>);

impl Meter {
    /// Notes that `done` of `total` are done.
    pub fn note(&mut self, now: Instant, done: i64, total: i64) {
        while self.0.get(1).is_some_and(|(at, ..)| now - *at >= WINDOW) {
            self.0.pop_front();
        }
        self.0.push_back((now, done, total));
    }

    /// What the last half minute says. While pages are found as fast as they are visited nobody can know when it ends; else the rest
    /// shrinks by the difference.
    pub fn outlook(&self) -> Outlook {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else {
            return Outlook::default();
        };
        let time = last.0 - first.0;
        if time < SETTLED {
            return Outlook::default();
        }
        let rate = |grown: i64| grown as f64 / time.as_secs_f64();
        let (pace, growth) = (rate(last.1 - first.1), rate(last.2 - first.2));
        let left = (last.2 - last.1) as f64;
        let known = pace > 0.0 && growth < pace * 0.9;
        Outlook {
            pages_per_second: Some((pace * 10.0).round() / 10.0),
            discovering: Some(growth > 0.0),
            eta_seconds: known.then(|| (left / (pace - growth)).ceil() as i64),
        }
    }
}

/// What has been done, counted from the rows.
pub(super) async fn count(job: &Job, phase: Phase) -> Result<Progress> {
    let tx = job.read().await?;
    let counts = frontier::counts(&*tx, job.id()).await?;
    let (decisions, _) = store::tally(&tx, job.id()).await?;
    let (embed_jobs, _) = jobs::live_children(&*tx, job.id()).await?;
    let indexed = jobs::child_results(&*tx, job.id()).await?;
    tx.commit().await?;
    let of = |word: &str| decisions.get(word).copied().unwrap_or_default();
    Ok(Progress {
        phase,
        done: counts.visited(),
        total: counts.total,
        new: of("new"),
        changed: of("changed"),
        unchanged: of("same_hash") + of("not_modified"),
        failed: of("failed"),
        embed_jobs,
        chunks: sum(&indexed, "chunks"),
        chunks_embedded: sum(&indexed, "chunks_embedded"),
        retired: 0,
        postponed: 0,
    })
}

/// The sum of a field over the results of embed jobs.
pub(super) fn sum(results: &[Value], field: &str) -> i64 {
    results.iter().filter_map(|result| result[field].as_i64()).sum()
}

/// Saves what has been done, and how it seems to go on.
pub(super) async fn tell(job: &Job, progress: &Progress, outlook: Outlook, visitor: Option<&Visitor>) -> Result<()> {
    let told = Told {
        progress,
        outlook,
        pace: visitor.map(Visitor::pace),
        waits: None,
        at: job.ctx.clock.now(),
    };
    job.progress(&told).await
}

/// Saves that the crawl waits.
pub(super) async fn tell_wait(job: &Job, wait: Wait) -> Result<()> {
    let tx = job.read().await?;
    let before = Progress::read(&jobs::get(&tx, job.id()).await?.progress);
    tx.commit().await?;
    let postponed = before.postponed + i64::from(before.phase == Phase::Starting && wait.reason != Reason::OffPeak);
    let progress = &Progress {
        postponed,
        ..count(job, before.phase).await?
    };
    let now = job.ctx.clock.now();
    let told = Told {
        progress,
        outlook: Outlook::default(),
        pace: None,
        waits: Some(Waits {
            reason: wait.reason,
            until: now + wait.time,
        }),
        at: now,
    };
    job.progress(&told).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(samples: &[(u64, i64, i64)]) -> Outlook {
        let (mut meter, start) = (Meter::default(), Instant::now());
        for (seconds, done, total) in samples {
            meter.note(start + Duration::from_secs(*seconds), *done, *total);
        }
        meter.outlook()
    }

    #[test]
    fn an_estimate_needs_a_pace_and_an_end() {
        assert_eq!(after(&[]), Outlook::default());
        assert_eq!(after(&[(0, 0, 100), (2, 50, 100)]), Outlook::default());
        let steady = after(&[(0, 0, 100), (10, 20, 100)]);
        assert_eq!((steady.pages_per_second, steady.eta_seconds), (Some(2.0), Some(40)));
        assert_eq!(steady.discovering, Some(false));
        let growing = after(&[(0, 0, 10), (10, 20, 100)]);
        assert_eq!((growing.discovering, growing.eta_seconds), (Some(true), None));
        let slowly = after(&[(0, 0, 100), (10, 20, 110)]);
        assert_eq!((slowly.discovering, slowly.eta_seconds), (Some(true), Some(90)));
        let stuck = after(&[(0, 5, 100), (10, 5, 100)]);
        assert_eq!((stuck.pages_per_second, stuck.eta_seconds), (Some(0.0), None));
        assert_eq!(after(&[(0, 0, 40), (10, 40, 40)]).eta_seconds, Some(0));
    }

    #[test]
    fn only_the_last_half_minute_counts() {
        let fast_then_slow: Vec<_> = (0..=120)
            .map(|s| (s, if s < 60 { s as i64 * 100 } else { 6000 + (s as i64 - 60) }, 7000))
            .collect();
        let outlook = after(&fast_then_slow);
        assert_eq!(outlook.pages_per_second, Some(1.0));
        assert_eq!(outlook.eta_seconds, Some(940));
    }
}

//! When a crawl gives way: outside of its hours, while its host wants to be left alone, and when others have waited for its place
//! long enough. The frontier keeps everything, so that it goes on later as if nothing had been.
use domain::{Result, pages::off_peak::OffPeak};
use serde::{Deserialize, Serialize};
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use crate::{crawl::Visitor, job::Job};

/// How often is looked whether the crawl should give way.
const LOOK: Duration = Duration::from_secs(1);
/// A host that wants to be left alone for longer costs the crawl its place.
const PATIENCE: Duration = Duration::from_secs(10);
/// A crawl whose pages have not come yet keeps its place for this many turns: what it waits for would only be asked for again.
const FRUITLESS: u32 = 3;
/// The longest wait for requests under way.
const DRAIN: Duration = Duration::from_secs(15);

/// Why a crawl waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reason {
    /// Its hours have not begun.
    OffPeak,
    /// The host asked to be left alone.
    HostBusy,
    /// Others have waited for its place.
    Turn,
}

/// That a crawl gives way, why, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub reason: Reason,
    pub time: Duration,
}

/// How long a crawl has to wait for its hours.
pub(super) fn closed(hours: Option<&str>, now: OffsetDateTime) -> Result<Option<Wait>> {
    let hours: Option<OffPeak> = hours.map(str::parse).transpose()?;
    let wait = hours.and_then(|hours| hours.wait(now));
    Ok(wait.map(|time| Wait {
        reason: Reason::OffPeak,
        time,
    }))
}

/// One run's place among those who crawl.
pub(super) struct Place {
    since: Instant,
    turn: Duration,
}

impl Place {
    /// Taken now. Turns differ a little from job to job, so that crawls which began together do not end together for one that waits.
    pub fn taken(job: &Job) -> Self {
        let turn = job.ctx.crawl_turn;
        let share = f64::from(job.id().as_bytes()[15]) / 255.0;
        Self {
            since: Instant::now(),
            turn: turn + turn.mul_f64(share / 4.0),
        }
    }

    /// Whether it is somebody else's turn. `fruitful` says that the run has got something done.
    pub async fn is_over(&self, job: &Job, fruitful: bool) -> Result<bool> {
        let turn = if fruitful { self.turn } else { self.turn * FRUITLESS };
        Ok(self.since.elapsed() >= turn && job.is_awaited().await?)
    }
}

/// Returns when the crawl should give way.
pub(super) async fn watch(job: &Job, hours: Option<&str>, visitor: &Visitor, fruitful: &AtomicBool) -> Result<Wait> {
    let place = Place::taken(job);
    loop {
        sleep(LOOK).await;
        if let Some(wait) = closed(hours, job.ctx.clock.now())? {
            return Ok(wait);
        }
        if let Some(time) = visitor.paused().filter(|time| *time > PATIENCE) {
            let reason = Reason::HostBusy;
            return Ok(Wait { reason, time });
        }
        if place.is_over(job, fruitful.load(Relaxed)).await? {
            let (reason, time) = (Reason::Turn, Duration::ZERO);
            return Ok(Wait { reason, time });
        }
    }
}

/// Returns when no request is under way any more, and what the last ones brought is recorded.
pub(super) async fn drained(visitor: &Visitor) {
    /// Those who have got their turn begin their request.
    const QUIET: u32 = 2;
    visitor.close();
    let (end, mut quiet) = (Instant::now() + DRAIN, 0);
    while quiet < QUIET && Instant::now() < end {
        sleep(Duration::from_millis(100)).await;
        quiet = if visitor.under_way() == 0 { quiet + 1 } else { 0 };
    }
}

//! Crawls a site and has what is new indexed while it crawls.
//!
//! Everything that the crawl must remember is in rows, so any worker can go on with it: the phase in the job's progress, the
//! worklist in the frontier, what was decided in `job_urls`. Which pages still need an embed job is derived from rows as
//! well ([`super::indexing`]) instead of being noted: a page and its need for one are then the same row, and there is no moment
//! in between at which a crash could lose it.
//!
//! Where the customer has golden questions, what the crawl brings waits beside the index until these have been asked ([`release`]).
//!
//! A crawl keeps its place only while it may do something, and not for long while others wait for one ([`way`]).
mod progress;
mod release;
mod result;
mod way;

use domain::{
    Error, Result,
    pages::{frontier, request, staging, store},
    people,
};
use egress::HostPort;
use entity::scrape_job;
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;

use crate::{
    crawl::{Begun, Fetcher, Renderer, Site, Visitor, passes, seed, start_of},
    job::{Interrupt, Job},
    jobs::{
        Ending,
        indexing::{self, Pace},
        learn,
    },
};
use progress::{Meter, Outlook, Phase, Progress, count, tell, tell_wait};
use way::{Place, Reason, Wait};

/// Progress is saved, and embed jobs are made, at most this often.
const REPORT: Duration = Duration::from_secs(1);
/// The longest pause between reports of a large site.
const MAX_REPORT: Duration = Duration::from_secs(10);
/// No further embed jobs are made while so many have not ended: the indexers have enough to do, and looking for what waits takes
/// longer the more of it there is.
const BACKLOG: i64 = 40;
/// How often the embed jobs are looked at while the crawl waits for them.
const LOOK: Duration = Duration::from_millis(300);
/// A crawl that gave way while its pages are embedded looks again after this time.
const EMBEDDING: Duration = Duration::from_secs(5);
/// A crawl that gave way so often before all sitemaps were read begins without the rest: they would be read from the first again.
const PATIENT_STARTS: i64 = 3;
/// Hosts that a start page may lead to, one from another.
const MOST_MOVES: usize = 5;

/// Runs or goes on with a crawl.
pub(super) async fn run(job: &Job) -> Result<Ending> {
    let before = Progress::of(job);
    if before.phase == Phase::Starting {
        let tx = job.write().await?;
        staging::begin(&tx, job.id()).await?;
        tx.commit().await?;
    }
    if before.phase != Phase::Indexing {
        let crawled = Box::pin(crawl(job, before.phase)).await;
        // Without a signal an error is the crawl's own: what was under way then counts as tried.
        let gives_way = matches!(crawled, Ok(Some(_)));
        if gives_way || crawled.is_err() && !matches!(job.signal.why(), None | Some(Interrupt::Lost)) {
            release(job).await;
        }
        if let Some(wait) = crawled? {
            tell_wait(job, wait).await?;
            tracing::info!(job.id = %job.id(), reason = ?wait.reason, ms = wait.time.as_millis() as u64, event = "crawl_gives_way");
            return Ok(Ending::Later(wait.time));
        }
    }
    let tx = job.read().await?;
    let staged = staging::is_staged(&tx, job.id()).await?;
    tx.commit().await?;
    if staged {
        return Box::pin(release::run(job)).await;
    }
    let closed = job.signal.until(indexing::close(job)).await?;
    let retired = closed.retired as i64;
    if let Some(wait) = job.signal.until(index_all(job, closed.held.is_some(), retired)).await? {
        return Ok(Ending::Later(wait.time));
    }
    let mut result = result::of(job).await?;
    result["retired"] = retired.into();
    let tx = job.write().await?;
    frontier::clear(&**tx, job.id()).await?;
    if let Some(why) = &closed.held {
        people::crawl_held(&tx, job.id(), why["reason"].as_str()).await?;
    }
    tx.commit().await?;
    if retired > 0 {
        learn::after_index(job).await;
    }
    Ok(match closed.held {
        Some(why) => {
            result["held"] = why;
            Ending::Hold(result)
        }
        None => Ending::Done(result),
    })
}

/// Visits all there is to visit, or tells why that has to wait.
async fn crawl(job: &Job, phase: Phase) -> Result<Option<Wait>> {
    for _ in 0..=MOST_MOVES {
        if let Stay::Over(wait) = Box::pin(crawl_site(job, phase)).await? {
            return Ok(wait);
        }
    }
    let message = "the start page redirects from host to host for ever";
    Err(Error::conflict("start_redirects", message))
}

/// How a crawl's time at a host ended.
enum Stay {
    /// There is nothing left to visit, or it has to wait.
    Over(Option<Wait>),
    /// It begins at another host.
    Moved,
}

async fn crawl_site(job: &Job, phase: Phase) -> Result<Stay> {
    let tx = job.read().await?;
    let settings = store::scrape_settings(&tx, job.id()).await?;
    let settings = request::as_proved(&tx, settings).await?;
    tx.commit().await?;
    if let Some(wait) = way::closed(settings.off_peak.as_deref(), job.ctx.clock.now())? {
        return Ok(Stay::Over(Some(wait)));
    }
    let host = HostPort::of(&start_of(&settings)?).ok_or_else(|| Error::invalid("url", "has no host"))?;
    let visitor = job.ctx.politeness.visitor(&host, job.id());
    let ended = tokio::select! {
        ended = job.signal.until(stay(job, phase, settings, &visitor)) => ended,
        never = visitor.keep() => match never {},
    };
    visitor.leave().await;
    ended
}

/// Visits until there is nothing left or the crawl should give way; what is under way then is waited for.
async fn stay(job: &Job, phase: Phase, settings: scrape_job::Model, visitor: &Visitor) -> Result<Stay> {
    let stay = |begun| match begun {
        Begun::Here => Stay::Over(None),
        Begun::Elsewhere => Stay::Moved,
    };
    let (hours, fruitful) = (settings.off_peak.clone(), AtomicBool::default());
    let mut visits = pin!(visit(job, phase, settings, visitor, &fruitful));
    let wait = tokio::select! {
        ended = &mut visits => return ended.map(stay),
        wait = way::watch(job, hours.as_deref(), visitor, &fruitful) => wait?,
    };
    tokio::select! {
        ended = &mut visits => ended.map(stay),
        () = way::drained(visitor) => Ok(Stay::Over(Some(wait))),
    }
}

async fn visit(
    job: &Job,
    phase: Phase,
    settings: scrape_job::Model,
    visitor: &Visitor,
    fruitful: &AtomicBool,
) -> Result<Begun> {
    let site = Site::open(job, &settings, phase != Phase::Starting).await?;
    let renderer = Renderer::open(job, &settings).await?;
    let fetcher = Arc::new(Fetcher::new(job.clone(), settings, site, renderer)?);
    if phase == Phase::Starting {
        let sitemaps = Progress::of(job).postponed < PATIENT_STARTS;
        if seed(&fetcher, sitemaps).await? == Begun::Elsewhere {
            return Ok(Begun::Elsewhere);
        }
        let seeded = count(job, Phase::Crawling).await?;
        tell(job, &seeded, Outlook::default(), Some(visitor)).await?;
        fruitful.store(true, Relaxed);
    }
    tokio::select! {
        ended = passes(&fetcher) => ended?,
        failed = report(job, &fetcher, visitor, fruitful) => failed?,
    }
    let crawled = count(job, Phase::Indexing).await?;
    tell(job, &crawled, Outlook::default(), None).await?;
    Ok(Begun::Here)
}

/// Tells how the crawl goes on and hands out what can be indexed, until an error or for ever.
async fn report(job: &Job, fetcher: &Fetcher, visitor: &Visitor, fruitful: &AtomicBool) -> Result<()> {
    let (mut seen, mut pace, mut meter) = (0, Pace::default(), Meter::default());
    let (mut embed_jobs, mut took) = (0, Duration::ZERO);
    loop {
        tokio::time::sleep(until_report(took)).await;
        let began = Instant::now();
        let recorded = fetcher.recorded();
        if recorded != seen {
            seen = recorded;
            fruitful.store(true, Relaxed);
            if embed_jobs < BACKLOG {
                indexing::hand_out(job, &mut pace).await?;
            }
            let progress = count(job, Phase::Crawling).await?;
            embed_jobs = progress.embed_jobs;
            meter.note(Instant::now(), progress.done, progress.total);
            tell(job, &progress, meter.outlook(), Some(visitor)).await?;
        }
        took = began.elapsed();
    }
}

/// The pause before the next report. Counting takes the longer the larger the site is; it is to take a tenth of the crawl.
fn until_report(took: Duration) -> Duration {
    (took * 10).clamp(REPORT, MAX_REPORT)
}

/// Waits until all that the crawl found has been indexed, unless others have waited for its place for long.
async fn index_all(job: &Job, held: bool, retired: i64) -> Result<Option<Wait>> {
    indexing::hand_out_rest(job, held).await?;
    let (place, mut told) = (Place::taken(job), Progress::of(job));
    loop {
        let now = Progress {
            retired,
            ..count(job, Phase::Indexing).await?
        };
        let through = now.embed_jobs == 0;
        if now != told {
            tell(job, &now, Outlook::default(), None).await?;
            told = now;
        }
        // What changed while it was being indexed waits again.
        if through && !indexing::hand_out_rest(job, held).await? {
            return Ok(None);
        }
        if place.is_over(job, true).await? {
            let (reason, time) = (Reason::Turn, EMBEDDING);
            return Ok(Some(Wait { reason, time }));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Opens again what was under way; if that fails, the next run does it.
async fn release(job: &Job) {
    let released = async {
        let tx = job.write().await?;
        frontier::release(&**tx, job.id()).await?;
        tx.commit().await
    };
    if let Err(error) = released.await {
        tracing::warn!(job.id = %job.id(), error = error.story(), "what was under way is opened again later");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_sites_are_counted_less_often() {
        let pause = |ms| until_report(Duration::from_millis(ms));
        assert_eq!((pause(5), pause(50)), (REPORT, REPORT));
        assert_eq!(pause(400), Duration::from_secs(4));
        assert_eq!(pause(60_000), MAX_REPORT);
    }
}

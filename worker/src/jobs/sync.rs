//! Reads a shop's products: one that the shop has told of, those that have changed, or all of them with a sweep for those that are gone.
//!
//! A list is read batch by batch, and each batch is stored in the transaction of its progress, so that another worker goes on where this
//! one stopped; and after each of them it gives way to other syncs that wait. Requests take turns at the shop's host with crawls of it ([`Politeness`](crate::crawl)), one at a time. A shop that wants to be left alone makes
//! the job give way. What a full sync has not met is asked for by its ids before it goes, since a list that changes while it is read skips some; and a
//! sweep that would take too much waits for a person.
use async_trait::async_trait;
use commerce::{Store, Transport};
use domain::{
    Error, Result,
    commerce::{self as shops, SyncWork},
    error::Kind,
    pages::losses::Losses,
    secrets::Envelopes,
};
use egress::HostPort;
use entity::store_connection::Model;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use url::Url;
use uuid::Uuid;

use super::Ending;
use crate::{
    crawl::{Visitor, delay},
    job::Job,
};

/// Products of a shop at most.
const MOST: i64 = 100_000;
/// Products that are asked for by their ids together.
const TOGETHER: usize = 100;
/// Products that a held sweep names.
const NAMED: usize = 20;

/// Where a list stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    #[default]
    Reading,
    /// What was not met is looked for.
    Sweeping,
}

/// The job's progress, and at the end its result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Progress {
    phase: Phase,
    done: i64,
    total: Option<u64>,
    new: i64,
    changed: i64,
    gone: i64,
    /// Where the list goes on, and what it began with last.
    at: Option<String>,
    first: Option<String>,
    /// The last change that was seen.
    latest: Option<String>,
}

impl Progress {
    fn of(job: &Job) -> Self {
        serde_json::from_value(job.row.progress.clone()).unwrap_or_default()
    }

    fn result(&self) -> Value {
        json!({ "products": self.done, "new": self.new, "changed": self.changed, "gone": self.gone })
    }
}

/// Requests at the pace of the shop's host.
struct Paced {
    client: egress::Client,
    visitor: Arc<Visitor>,
    delay: Duration,
}

#[async_trait]
impl Transport for Paced {
    async fn send(&self, request: egress::Request) -> std::result::Result<egress::Response, egress::Error> {
        let turn = self.visitor.turn(self.delay).await;
        let answer = self.client.fetch(request).await;
        turn.hear(&answer);
        answer
    }
}

/// A shop that is being read.
struct Reading<'a> {
    job: &'a Job,
    row: Model,
    store: Store,
}

/// Reads products of a shop. One that was disconnected meanwhile needs nothing.
pub(super) async fn run(job: &Job, connection: Uuid, what: &SyncWork) -> Result<Ending> {
    let tx = job.read().await?;
    let row = match shops::find(&tx, connection).await {
        Err(error) if *error.kind() == Kind::NotFound => {
            return Ok(Ending::Done(json!({ "skipped": "the shop is not connected any more" })));
        }
        row => row?,
    };
    let url = Url::parse(&row.address).map_err(|e| Error::internal("a shop's address", e))?;
    let host = HostPort::of(&url).ok_or_else(|| Error::internal("a shop's address", "it has no host"))?;
    let visitor = job.ctx.politeness.visitor(&host, job.id());
    let transport = Paced {
        client: job.ctx.http.clone(),
        visitor: visitor.clone(),
        delay: delay(&job.ctx.config.crawl, &host, None),
    };
    let envelopes = Envelopes::new(&job.ctx.config.security.keys);
    let store = shops::open(&tx, &envelopes, &row, Arc::new(transport)).await?;
    tx.commit().await?;
    let reading = Reading { job, row, store };
    let ended = tokio::select! {
        ended = job.signal.until(reading.all(what)) => ended,
        never = visitor.keep() => match never {},
    };
    visitor.leave().await;
    match ended {
        Err(error) if job.signal.why().is_none() => reading.failed(error, what).await,
        ended => ended,
    }
}

impl Reading<'_> {
    async fn all(&self, what: &SyncWork) -> Result<Ending> {
        match what {
            SyncWork::Product { id } => self.one(id).await,
            SyncWork::Changes => self.list(self.row.changes_since.is_none()).await,
            SyncWork::Full => self.list(true).await,
        }
    }

    async fn one(&self, id: &str) -> Result<Ending> {
        let entry = self.store.product(id).await.map_err(shops::failure)?;
        let tx = self.job.write().await?;
        let saved = match entry {
            Some(entry) => shops::save(&tx, &self.row, &[entry], None).await?,
            None => shops::Saved {
                gone: shops::forget(&tx, self.row.id, &[id.to_owned()]).await?,
                ..shops::Saved::default()
            },
        };
        tx.commit().await?;
        self.job.ctx.dispatcher.dispatch(&saved.jobs).await;
        let told = json!({ "product": id, "new": saved.new, "changed": saved.changed, "gone": saved.gone });
        Ok(Ending::Done(told))
    }

    /// Reads a list from where it stands.
    async fn list(&self, full: bool) -> Result<Ending> {
        let mut progress = Progress::of(self.job);
        if progress == Progress::default() {
            let tx = self.job.write().await?;
            shops::begin(&tx, self.row.id).await?;
            tx.commit().await?;
        }
        while progress.phase == Phase::Reading {
            progress = self.batch(progress, full).await?;
            if self.job.is_awaited().await? {
                return Ok(Ending::Later(Duration::ZERO));
            }
        }
        if full && let Some(held) = self.sweep(&mut progress).await? {
            return Ok(Ending::Hold(held));
        }
        let tx = self.job.write().await?;
        shops::end(&tx, self.row.id, progress.latest.as_deref(), full).await?;
        tx.commit().await?;
        tracing::info!(job.id = %self.job.id(), event = "shop_synced", products = progress.done, new = progress.new, changed = progress.changed, gone = progress.gone);
        Ok(Ending::Done(progress.result()))
    }

    /// Reads and stores one batch; returns how the list stands then.
    async fn batch(&self, mut progress: Progress, full: bool) -> Result<Progress> {
        let since = self.row.changes_since.as_deref().filter(|_| !full);
        let batch = self
            .store
            .products(since, progress.at.as_deref())
            .await
            .map_err(shops::failure)?;
        let first = batch.entries.first().map(|entry| entry.id().to_owned());
        if first.is_some() && first == progress.first {
            let told = "the shop gives the same page of its list again and again";
            return Err(Error::unavailable("store_unreadable", told, told));
        }
        if progress.done + batch.entries.len() as i64 > MOST {
            return Err(Error::conflict(
                "store_too_large",
                format!("the shop has more than {MOST} products"),
            ));
        }
        let sweep = full.then(|| self.job.id());
        let tx = self.job.write().await?;
        let saved = shops::save(&tx, &self.row, &batch.entries, sweep).await?;
        progress.done += batch.entries.len() as i64;
        progress.total = batch.total.or(progress.total);
        progress.new += saved.new;
        progress.changed += saved.changed;
        progress.gone += saved.gone;
        progress.latest = batch.latest.max(progress.latest);
        progress.first = first;
        if batch.next.is_none() {
            progress.phase = Phase::Sweeping;
        }
        progress.at = batch.next;
        // Progress and products are there together or not at all.
        self.job.progress_within(&tx, &progress).await?;
        tx.commit().await?;
        self.job.ctx.dispatcher.dispatch(&saved.jobs).await;
        Ok(progress)
    }

    /// Takes away what the shop does not show any more; or tells why a person has to agree.
    async fn sweep(&self, progress: &mut Progress) -> Result<Option<Value>> {
        let mut gone: Vec<String> = Vec::new();
        let mut after: Option<String> = None;
        let live = loop {
            let tx = self.job.read().await?;
            let unseen = shops::unseen(&tx, self.row.id, self.job.id(), after.as_deref()).await?;
            let live = shops::live(&tx, self.row.id).await?;
            tx.commit().await?;
            let Some(last) = unseen.last() else { break live };
            after = Some(last.clone());
            let shown: BTreeSet<String> = self.store.shown(&unseen).await.map_err(shops::failure)?;
            gone.extend(unseen.into_iter().filter(|id| !shown.contains(id)));
        };
        let losses = Losses {
            lost: gone.len() as i64,
            live,
            ..Losses::default()
        };
        if losses.is_suspicious() && self.job.row.confirmed_at.is_none() {
            let named: Vec<&String> = gone.iter().take(NAMED).collect();
            return Ok(Some(json!({ "lost": losses.lost, "live": live, "named": named })));
        }
        for some in gone.chunks(TOGETHER) {
            let tx = self.job.write().await?;
            progress.gone += shops::forget(&tx, self.row.id, some).await?;
            self.job.progress_within(&tx, progress).await?;
            tx.commit().await?;
        }
        Ok(None)
    }

    /// A shop that wants to be left alone is, for as long as it says, if the run got anywhere: else it counts as a try that failed.
    async fn failed(&self, error: Error, what: &SyncWork) -> Result<Ending> {
        let tx = self.job.read().await?;
        let now = domain::jobs::get(&tx, self.job.id()).await?.progress;
        tx.commit().await?;
        if let Kind::TooMany { retry_after } = error.kind()
            && now != self.job.row.progress
        {
            return Ok(Ending::Later(*retry_after));
        }
        // One product may be odd by itself.
        if !matches!(what, SyncWork::Product { .. }) {
            let tx = self.job.write().await?;
            shops::fail(&tx, self.row.id, &error).await?;
            tx.commit().await?;
        }
        Err(error)
    }
}

/// Makes jobs for all shops whose time has come.
pub(super) async fn plan(job: &Job) -> Result<Ending> {
    let made = job.signal.until(shops::plan(&job.ctx.db)).await?;
    job.ctx.dispatcher.dispatch(&made).await;
    let fresh = made.iter().filter(|made| made.fresh).count();
    Ok(Ending::Done(json!({ "jobs": fresh })))
}

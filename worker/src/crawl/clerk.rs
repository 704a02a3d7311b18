//! The clerk of a pass: records what visits found and hands out what is visited next, in one transaction for all who wait.
//!
//! While a transaction runs, the next visits end and queue up for the next one; so transactions are few when there is much to do.
//! A URL is marked as under way before anybody gets it, and never more of them than visits can begin: what a killed worker leaves
//! marked was being fetched.
use domain::{
    Error, Result,
    pages::frontier::{self, Taken},
};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{Fetcher, fetcher::Finding, record};

/// How long a finding waits for others at most.
const LINGER: Duration = Duration::from_millis(20);
/// Most slips of one transaction.
const MOST: usize = 64;
/// Transactions that are tried because two of them wait for each other.
const TRIES: usize = 5;

/// What somebody wants to visit.
#[derive(Debug)]
enum Wish {
    /// Nothing.
    Nothing,
    /// Whatever is open; none when nothing is, and nothing that is under way can change that.
    Any,
    /// This URL, if it is open.
    Named(String),
}

struct Slip {
    finding: Option<Finding>,
    wish: Wish,
    reply: oneshot::Sender<Reply>,
}

#[derive(Default)]
struct Reply {
    admitted: Vec<String>,
    taken: Option<Taken>,
}

/// Where a crawler hands in what it found. Cloning shares.
#[derive(Clone)]
pub(crate) struct Counter(mpsc::Sender<Slip>);

impl Counter {
    /// Records a finding, if there is one, and waits for the next URL; none when the frontier is exhausted.
    pub async fn next(&self, finding: Option<Finding>) -> Result<Option<Taken>> {
        Ok(self.hand_in(finding, Wish::Any).await?.taken)
    }

    /// Takes one URL, if it is open.
    pub async fn take(&self, url: &str) -> Result<Option<Taken>> {
        Ok(self.hand_in(None, Wish::Named(url.to_owned())).await?.taken)
    }

    /// Records a finding and returns the URLs that it made known.
    pub async fn record(&self, finding: Finding) -> Result<Vec<String>> {
        Ok(self.hand_in(Some(finding), Wish::Nothing).await?.admitted)
    }

    async fn hand_in(&self, finding: Option<Finding>, wish: Wish) -> Result<Reply> {
        let (reply, answer) = oneshot::channel();
        let closed = || Error::conflict("interrupted", "the crawl's clerk has left");
        let slip = Slip { finding, wish, reply };
        self.0.send(slip).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())
    }
}

/// Serves one pass.
pub(super) struct Clerk {
    fetcher: Arc<Fetcher>,
    inbox: mpsc::Receiver<Slip>,
    /// Those who wait for any URL.
    parked: Vec<oneshot::Sender<Reply>>,
    /// URLs handed out whose findings are not in yet.
    out: usize,
    /// The last place that was taken: nothing before it is open.
    place: i64,
}

impl Clerk {
    /// A clerk and the counter to it.
    pub fn new(fetcher: &Arc<Fetcher>) -> (Counter, Self) {
        let (sender, inbox) = mpsc::channel(MOST);
        let clerk = Self {
            fetcher: fetcher.clone(),
            inbox,
            parked: Vec::new(),
            out: 0,
            place: 0,
        };
        (Counter(sender), clerk)
    }

    /// Serves until nobody can come any more.
    pub async fn work(mut self) -> Result<()> {
        loop {
            let slips = self.gather().await;
            if slips.is_empty() {
                return Ok(());
            }
            self.serve(slips).await?;
        }
    }

    /// The slips of the next transaction: waits a little for others as long as others are out.
    async fn gather(&mut self) -> Vec<Slip> {
        let mut slips = Vec::new();
        self.inbox.recv_many(&mut slips, MOST).await;
        let deadline = Instant::now() + LINGER;
        let enough = (self.fetcher.concurrency() / 2).clamp(1, MOST);
        loop {
            let brought = slips.iter().filter(|slip| slip.finding.is_some()).count();
            if slips.is_empty() || slips.len() >= enough || brought >= self.out {
                return slips;
            }
            match timeout_at(deadline, self.inbox.recv()).await {
                Ok(Some(slip)) => slips.push(slip),
                Ok(None) | Err(_) => return slips,
            }
        }
    }

    async fn serve(&mut self, slips: Vec<Slip>) -> Result<()> {
        let (mut findings, mut names) = (Vec::new(), Vec::new());
        let mut waiting = Vec::new();
        for slip in slips {
            let found = slip.finding.map(|finding| {
                findings.push(finding);
                findings.len() - 1
            });
            if let Wish::Named(url) = &slip.wish {
                names.push(url.clone());
            }
            waiting.push((found, slip.wish, slip.reply));
        }
        let any = waiting.iter().filter(|(_, wish, _)| matches!(wish, Wish::Any)).count() + self.parked.len();
        let (mut admitted, taken) = self.transact(&findings, &names, any).await?;
        self.fetcher.recorded.fetch_add(findings.len() as u64, Relaxed);
        // A crawler may have dropped a visit.
        self.out = self.out.saturating_sub(findings.len()) + taken.len();
        // Whoever names URLs takes them in any order, and nobody else does in the same pass.
        self.place = taken.last().map_or(self.place, |last| last.place);
        let (mut chosen, mut free): (Vec<_>, Vec<_>) =
            taken.into_iter().partition(|taken| names.contains(&taken.open.url));
        free.reverse();
        for (found, wish, reply) in waiting {
            let admitted = found.map(|of| std::mem::take(&mut admitted[of])).unwrap_or_default();
            let taken = match wish {
                Wish::Any => {
                    self.parked.push(reply);
                    continue;
                }
                Wish::Named(url) => {
                    let at = chosen.iter().position(|taken: &Taken| taken.open.url == url);
                    at.map(|at| chosen.swap_remove(at))
                }
                Wish::Nothing => None,
            };
            let _ = reply.send(Reply { admitted, taken });
        }
        while let Some(taken) = free.pop() {
            // Whoever is not there any more leaves the URL to the next pass.
            let Some(reply) = self.parked.pop() else { break };
            let _ = reply.send(Reply {
                taken: Some(taken),
                ..Reply::default()
            });
        }
        if self.out == 0 || self.fetcher.budget.used_up().is_some() {
            for reply in self.parked.drain(..) {
                let _ = reply.send(Reply::default());
            }
        }
        Ok(())
    }

    /// Records and takes, all or nothing. Two crawls of a customer may wait for each other's pages: then one tries again.
    async fn transact(
        &self,
        findings: &[Finding],
        names: &[String],
        any: usize,
    ) -> Result<(Vec<Vec<String>>, Vec<Taken>)> {
        let mut tries = 1;
        loop {
            match self.try_transact(findings, names, any).await {
                Err(error) if tries < TRIES && error.story().contains("deadlock detected") => tries += 1,
                other => return other,
            }
        }
    }

    async fn try_transact(
        &self,
        findings: &[Finding],
        names: &[String],
        any: usize,
    ) -> Result<(Vec<Vec<String>>, Vec<Taken>)> {
        let fetcher = &self.fetcher;
        let tx = fetcher.job.write().await?;
        frontier::work_by_keys(&**tx).await?;
        let recorded = match findings {
            [] => None,
            _ => Some(record::record(fetcher, &tx, findings).await?),
        };
        if let Some(spent) = fetcher.budget.worth_saving() {
            frontier::spend(&**tx, fetcher.job.id(), spent).await?;
        }
        let mut taken = Vec::new();
        let bytes = recorded.as_ref().map_or(0, |recorded| recorded.bytes);
        if fetcher.budget.used_up_after(bytes).is_none() {
            if !names.is_empty() {
                taken.extend(frontier::take_named(&**tx, fetcher.job.id(), names).await?);
            }
            if any > 0 {
                taken.extend(frontier::take(&**tx, fetcher.job.id(), self.place, any as i64).await?);
            }
        }
        tx.commit().await?;
        let admitted = recorded.map(|recorded| {
            recorded.keep(fetcher);
            recorded.admitted
        });
        Ok((admitted.unwrap_or_default(), taken))
    }
}

//! Answers that were given before: in the process (500, 5 min), in Redis (5 min), in `query_cache` (30 min); and one piece of work
//! for equal questions that are asked at the same time.
//!
//! A key stands for everything that an answer depends on, so nothing is ever invalidated: a changed page moves the customer's index
//! version on, a changed setting changes its text, and old entries are never asked for again. The customer's row is read when a
//! question is authenticated, by every process, so that no replica answers from an index that has changed.
//!
//! What must stay true:
//! - one customer's answer never reaches another: the customer is hashed into the key, names the entry in every layer, is checked
//!   by the seal, and the table has row-level security;
//! - what a visitor said earlier never reaches another visitor: only work without history is kept;
//! - what leaves the process is sealed with the installation's key, and opened again only under the key that it was sealed for:
//!   anything else is a miss. A layer that is away is a miss, too;
//! - nobody waits behind a lock: the maps are locked for a look, never over an await.
mod entry;
mod flight;
mod key;
mod local;
mod personal;
mod remote;
mod table;
mod turn;

use std::{mem, sync::Arc, time::Duration};
use tokio::sync::mpsc;
use uuid::Uuid;

pub use self::{key::Recipe, table::clear};
pub(super) use self::{
    key::{Key, same},
    personal::personal,
};

use self::{
    entry::{Entry, Sealer},
    flight::{Flights, Pilot},
    local::Local,
    remote::Remote,
    turn::Turn,
};
use super::{answerer::Part, draft::Draft, warm::Runs};
use crate::{
    Result,
    clock::Clock,
    config::RedisConfig,
    lifecycle::Lifecycle,
    secrets::MasterKeys,
    tenancy::{Customer, Db, TenantTx},
};

/// An entry is good for so long in this process and in Redis.
const SHORT: Duration = Duration::from_mins(5);
/// And never longer than this, whichever layers it went through.
const LONG: Duration = Duration::from_mins(30);
/// A sealed entry of more bytes is not kept.
const MAX_BYTES: usize = 64 * 1024;

/// The layers, and the work that is under way. Cloning shares.
#[derive(Clone)]
pub struct AnswerCache(Arc<Layers>);

struct Layers {
    db: Db,
    clock: Clock,
    life: Lifecycle,
    sealer: Sealer,
    local: Local,
    remote: Remote,
    flights: Flights,
    runs: Runs,
}

/// What the database has under a key.
#[derive(Default)]
pub(super) enum Seen {
    /// It has not been asked.
    #[default]
    Unasked,
    /// It has been: the sealed entry, if there is one.
    Asked(Option<String>),
}

/// An answer that is asked for.
pub(super) struct Wanted {
    pub key: Key,
    pub seen: Seen,
}

impl From<Key> for Wanted {
    fn from(key: Key) -> Self {
        let seen = Seen::Unasked;
        Self { key, seen }
    }
}

/// Where an answer was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Process,
    Redis,
    Database,
    /// Somebody was just making it.
    Flight,
    /// Another process was just making it.
    Elsewhere,
}

impl Layer {
    fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Redis => "redis",
            Self::Database => "database",
            Self::Flight => "flight",
            Self::Elsewhere => "elsewhere",
        }
    }
}

impl AnswerCache {
    /// Entries that leave the process are sealed under `masters`, the installation's keys. Work goes on until `life` ends.
    pub fn new(
        db: &Db,
        redis: &RedisConfig,
        masters: impl Into<MasterKeys>,
        clock: Clock,
        life: Lifecycle,
    ) -> Result<Self> {
        Ok(Self(Arc::new(Layers {
            db: db.awaited(),
            local: Local::new(clock.clone()),
            remote: Remote::new(redis)?,
            sealer: Sealer::new(masters),
            flights: Flights::default(),
            runs: Runs::default(),
            clock,
            life,
        })))
    }

    /// Lets go of a customer's answers, here and in Redis; the database's go with whatever made this necessary. What other processes
    /// hold is not asked for again once the customer's index version has moved on, and is gone after five minutes.
    pub(super) async fn forget(&self, customer: Uuid) {
        self.0.local.forget(customer);
        self.0.remote.forget(customer).await;
    }

    /// Who warms this cache.
    pub(super) fn runs(&self) -> &Runs {
        &self.0.runs
    }

    /// What work in the background lives with.
    pub(super) fn life(&self) -> &Lifecycle {
        &self.0.life
    }

    /// The answer under `key`, if there is one; begins no work.
    pub(super) async fn find(&self, customer: &Customer, key: &Key) -> Option<Draft> {
        match self.remembered(key) {
            Some(draft) => Some(draft),
            None => self.recall(customer, key, Seen::Unasked).await,
        }
    }

    /// Asks the database in a transaction that is open anyway; not for what this process remembers.
    pub(super) async fn look(&self, tx: &TenantTx, key: &Key) -> Seen {
        match self.0.local.get(key) {
            Some(_) => Seen::Unasked,
            None => Seen::Asked(table::get_in(tx, key).await),
        }
    }

    /// The answer that is `wanted`, or what `work` makes. Text goes to `parts` as it comes, whoever makes it. Those who ask the same at
    /// the same time share one piece of work, which ends when the last of them has left. Where it fails before anything was
    /// heard, one of those who waited begins it again; once. What is `dear` is made by one process at a time ([`turn`]).
    pub(super) async fn answer<W, F>(
        &self,
        customer: &Customer,
        wanted: Wanted,
        dear: bool,
        parts: Option<&mpsc::Sender<Part>>,
        work: W,
    ) -> Result<Draft>
    where
        W: Fn(mpsc::Sender<Part>) -> F + Send + Sync,
        F: Future<Output = Result<Draft>> + Send + 'static,
    {
        let Wanted { key, mut seen } = wanted;
        if let Some(draft) = self.remembered(&key) {
            draft.tell(parts).await;
            return Ok(draft);
        }
        let mut again = false;
        loop {
            let (seat, pilot) = self.0.flights.board(&key)?;
            let leads = pilot.is_some();
            if let Some(pilot) = pilot {
                let (sender, told) = mpsc::channel(64);
                let (key, seen) = (key.clone(), mem::take(&mut seen));
                let flight = self
                    .clone()
                    .fly(customer.clone(), Wanted { key, seen }, dear, pilot, told, work(sender));
                self.0.life.spawn(flight);
            }
            match seat.ride(parts).await {
                Ok(draft) => return Ok(draft),
                Err(failed) if leads || again || failed.heard => return Err(failed.error),
                Err(_) => again = true,
            }
        }
    }

    /// Looks outside of the process, else does the work; keeps what it made.
    async fn fly(
        self,
        customer: Customer,
        wanted: Wanted,
        dear: bool,
        pilot: Pilot,
        told: mpsc::Receiver<Part>,
        work: impl Future<Output = Result<Draft>>,
    ) {
        let Wanted { key, seen } = wanted;
        // Held until the others can find what was made.
        let mut claim = None;
        let made = async {
            if let Some(draft) = self.recall(&customer, &key, seen).await {
                return Ok(draft);
            }
            if dear {
                match self.turn(&key).await {
                    Turn::Made(draft) => return Ok(*draft),
                    Turn::Claimed(held) => claim = Some(held),
                    Turn::Alone => {}
                }
            }
            work.await
        };
        let landed = |draft: &Draft| self.remember(&key, draft);
        if let Some(draft) = pilot.fly(made, told, landed).await {
            self.keep(&customer, &key, &draft).await;
        }
        drop(claim);
    }

    /// What this process remembers.
    fn remembered(&self, key: &Key) -> Option<Draft> {
        let found = self.0.local.get(key);
        count(Layer::Process, if found.is_some() { "hit" } else { "miss" });
        found.map(|entry| entry.draft(Layer::Process.as_str()))
    }

    /// What the layers outside of the process have; remembered here from now on.
    async fn recall(&self, customer: &Customer, key: &Key, seen: Seen) -> Option<Draft> {
        let open = |sealed: Option<String>, layer: Layer| {
            let found = sealed.map(|sealed| self.0.sealer.open(key, &sealed, self.0.clock.now()));
            let result = match &found {
                None => "miss",
                Some(None) => "unreadable",
                Some(Some(_)) => "hit",
            };
            count(layer, result);
            found.flatten()
        };
        let (layer, entry) = if let Some(entry) = open(self.0.remote.get(key).await, Layer::Redis) {
            (Layer::Redis, entry)
        } else {
            let sealed = match seen {
                Seen::Unasked => table::get(&self.0.db, customer, key).await,
                Seen::Asked(sealed) => sealed,
            };
            let entry = open(sealed, Layer::Database)?;
            let again = self.0.sealer.seal(key, &entry)?;
            self.0.remote.put(key, &again, entry.left(self.0.clock.now())).await;
            (Layer::Database, entry)
        };
        let draft = entry.draft(layer.as_str());
        self.0.local.put(key.clone(), entry);
        Some(draft)
    }

    /// Keeps a new answer in the process, if it may be kept.
    fn remember(&self, key: &Key, draft: &Draft) {
        if draft.lasting && draft.cached.is_none() {
            self.0.local.put(key.clone(), Entry::new(draft, self.0.clock.now()));
        }
    }

    /// Keeps a new answer outside of the process, if it may be kept.
    async fn keep(&self, customer: &Customer, key: &Key, draft: &Draft) {
        if !draft.lasting || draft.cached.is_some() {
            return;
        }
        let entry = Entry::new(draft, self.0.clock.now());
        if let Some(sealed) = self.0.sealer.seal(key, &entry) {
            self.0.remote.put(key, &sealed, SHORT).await;
            table::put(&self.0.db, customer, key, &sealed).await;
        }
    }
}

fn count(layer: Layer, result: &'static str) {
    metrics::counter!("omniops_cache_requests_total", "layer" => layer.as_str(), "result" => result).increment(1);
}

/// Counts a question that may not be answered from the cache, by the reason.
pub(super) fn passed_by(reason: &'static str) {
    metrics::counter!("omniops_cache_bypassed_total", "reason" => reason).increment(1);
}

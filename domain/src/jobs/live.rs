//! Following a job: the rows tell, the announcements only wake.
//!
//! A reader asks the table for the events after the last one that it gave, which misses nothing and doubles nothing, since
//! the events of one job have their ids in the order of their commits ([`super::record`] says why). Between two looks it waits
//! for the hub of the process to name its job; without Redis it looks now and then.
//!
//! What must stay true: a reader holds at most one page of events, and no connection to the database while it waits or while
//! nobody asks it. So looks are tasks of their own, a few at a time in a process: they end whether or not somebody polls the
//! reader meanwhile, and they leave the pool to others.
mod hub;

use rand::Rng;
use redis_link::Address;
use sea_orm::FromQueryResult;
use secrecy::ExposeSecret;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use time::OffsetDateTime;
use tokio::{sync::Semaphore, time::timeout};
use uuid::Uuid;

use self::hub::{Hub, Subscription};
use super::{Event, ledger};
use crate::{
    Error, Result,
    config::RedisConfig,
    lifecycle::Lifecycle,
    tenancy::{Customer, Db, sql},
};

/// Between two looks while announcements come: for those that were lost, or are held up by a long transaction.
const SAFETY: Duration = Duration::from_secs(5);
/// Between two looks while none come, in ms; spread, so that readers don't come all at once.
const POLL: std::ops::Range<u64> = 500..1500;
/// Looks at the same time in a process.
const LOOKS: usize = 4;
/// After which a look is given up.
const LONGEST_LOOK: Duration = Duration::from_secs(10);
/// Events of one look.
const PAGE: i64 = 200;
/// A look ends with the event that reaches this many bytes of details.
const PAGE_BYTES: i64 = 64 * 1024;

/// Opens readers of events. Cloning shares the hub.
#[derive(Clone)]
pub struct Live {
    db: Db,
    life: Lifecycle,
    hub: Arc<Hub>,
    looks: Arc<Semaphore>,
}

/// What a look at the table shows.
enum Look {
    News(VecDeque<Row>),
    Nothing,
    /// The job has ended and all of it is told.
    Ended,
}

/// An event as it is kept until somebody asks for it: the details as text are a fraction of their size as a value.
#[derive(FromQueryResult)]
struct Row {
    id: i64,
    kind: String,
    data: String,
    at: OffsetDateTime,
}

impl Live {
    /// Connects to Redis when the first reader comes; ends with `life`.
    pub fn new(db: Db, config: &RedisConfig, life: Lifecycle) -> Result<Self> {
        let address = Address::parse(config.url.expose_secret()).map_err(|e| Error::internal("REDIS_URL", e))?;
        Ok(Self {
            db,
            hub: Hub::new(address, life.clone()),
            life,
            looks: Arc::new(Semaphore::new(LOOKS)),
        })
    }

    /// Reads the events of the customer's `job` after the event `after`, from the first one for 0.
    pub fn reader(&self, customer: &Customer, job: Uuid, after: i64) -> EventReader {
        EventReader {
            watch: self.watch(customer, job),
            db: self.db.clone(),
            customer: customer.clone(),
            job,
            after,
            ready: VecDeque::new(),
        }
    }

    /// A place to wait at for announcements of `subject`, a job or whatever else is announced on the customer's stream.
    pub(crate) fn watch(&self, customer: &Customer, subject: Uuid) -> Watch {
        Watch {
            subscription: self.hub.subscribe(customer.id, subject),
            live: self.clone(),
        }
    }

    /// How many readers there are in this process.
    pub fn readers(&self) -> usize {
        self.hub.readers()
    }
}

async fn look(db: Db, customer: Customer, job: Uuid, after: i64) -> Result<Look> {
    const AFTER: &str = "
        SELECT id, kind, data, at FROM (
          SELECT id, kind, data, at, sum(octet_length(data)) OVER (ORDER BY id) - octet_length(data) AS bytes_before
          FROM (SELECT id, kind, data::text AS data, at FROM job_events
                WHERE job_id = $1 AND id > $2 ORDER BY id LIMIT $3) page) sized
        WHERE bytes_before < $4 ORDER BY id";
    let values = [job.into(), after.into(), PAGE.into(), PAGE_BYTES.into()];
    let tx = db.tenant(&customer).await?;
    let rows = Row::find_by_statement(sql(AFTER, values)).all(&*tx).await?;
    let ended = rows.is_empty() && ledger::all_told(&tx, job, after).await?;
    tx.commit().await?;
    Ok(match (rows.is_empty(), ended) {
        (false, _) => Look::News(rows.into()),
        (true, false) => Look::Nothing,
        (true, true) => Look::Ended,
    })
}

/// How a reader waits for news, and looks for them.
pub(crate) struct Watch {
    live: Live,
    subscription: Subscription,
}

impl Watch {
    /// Runs a look as a task of its own, when it is its turn.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let looks = self.live.looks.clone();
        let turn = async move {
            let _turn = looks.acquire_owned().await;
            // A look on a connection that went silent would keep its turn until TCP gives up.
            let late = |elapsed| {
                Err(Error::unavailable(
                    "database_unavailable",
                    "the database does not answer",
                    elapsed,
                ))
            };
            timeout(LONGEST_LOOK, look).await.unwrap_or_else(late)
        };
        match self.live.life.spawn(turn).await {
            Ok(Some(look)) => look,
            Ok(None) => Err(Error::unavailable("stopping", "the server is stopping", "hard stop")),
            Err(error) => Err(Error::internal("reading events", error)),
        }
    }

    /// Waits until something was announced, or it is time to look all the same.
    pub(crate) async fn news(&mut self) {
        let patience = if self.live.hub.connected() {
            SAFETY
        } else {
            Duration::from_millis(rand::rng().random_range(POLL))
        };
        self.subscription.wait(patience).await;
    }
}

/// Yields the events of one job in order, each once.
pub struct EventReader {
    watch: Watch,
    db: Db,
    customer: Customer,
    job: Uuid,
    after: i64,
    ready: VecDeque<Row>,
}

impl EventReader {
    /// The next event; waits for as long as it takes. None once the job has ended and all of it is told: another call finds
    /// out whether it was started again since.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                self.after = row.id;
                return Ok(Some(Event {
                    id: row.id,
                    job_id: self.job,
                    kind: row.kind,
                    data: serde_json::from_str(&row.data)?,
                    at: row.at,
                }));
            }
            let look = look(self.db.clone(), self.customer.clone(), self.job, self.after);
            match self.watch.look(look).await? {
                Look::News(rows) => self.ready = rows,
                Look::Ended => return Ok(None),
                Look::Nothing => self.watch.news().await,
            }
        }
    }
}

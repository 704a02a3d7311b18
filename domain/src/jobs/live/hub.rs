//! The one Redis connection of a process that waits for announcements, for all readers of all customers.
//!
//! A task reads the streams of the customers that have readers, and wakes the readers of the jobs that entries name. It starts
//! with the first reader and ends with the last one, or at the soft stop. What must stay true: a reader that was woken, or
//! subscribed while its customer's stream was being listened to, finds in the table whatever it is not woken for later. So a
//! stream's position is fixed first, and then its readers are woken to look once; after a lost connection all of that
//! happens again.
use redis::{
    RedisResult,
    aio::MultiplexedConnection,
    streams::{StreamRangeReply, StreamReadReply},
};
use redis_link::{Address, Backoff, Limits};
use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::super::events::{customer_of, named, stream_key};
use crate::lifecycle::Lifecycle;

/// One wait for Redis.
const BLOCK: Duration = Duration::from_secs(2);
/// Announcements in one answer, for each stream.
const COUNT: usize = 1000;
/// What is announced one after the other within this time is read at once.
const BREATH: Duration = Duration::from_millis(5);
/// Between two tries to interrupt a wait that has not begun yet.
const INTERRUPT: Duration = Duration::from_millis(10);
const LIMITS: Limits = Limits {
    connect: BLOCK,
    answer: BLOCK.saturating_add(Duration::from_secs(1)),
};

/// Who reads, and how far the streams were read.
pub(super) struct Hub {
    address: Address,
    life: Lifecycle,
    state: Mutex<State>,
    /// The set of customers has changed.
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// The task is there.
    running: bool,
    /// The task has Redis.
    connected: bool,
    customers: HashMap<Uuid, Stream>,
}

/// A customer's stream and its readers.
#[derive(Default)]
struct Stream {
    /// The last entry read; none while it is not listened to.
    position: Option<String>,
    jobs: HashMap<Uuid, watch::Sender<()>>,
}

impl Hub {
    pub(super) fn new(address: Address, life: Lifecycle) -> Arc<Self> {
        Arc::new(Self {
            address,
            life,
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Registers a reader of `job` until the subscription is dropped.
    pub(super) fn subscribe(self: &Arc<Self>, customer: Uuid, job: Uuid) -> Subscription {
        let mut state = self.state();
        let stream = state.customers.entry(customer).or_default();
        let wake = stream.jobs.entry(job).or_default().subscribe();
        if stream.position.is_none() {
            self.changed.notify_one();
        }
        if !mem::replace(&mut state.running, true) {
            self.life.spawn(self.clone().run());
        }
        Subscription {
            hub: self.clone(),
            customer,
            job,
            wake,
        }
    }

    /// How many read.
    pub(super) fn readers(&self) -> usize {
        let state = self.state();
        let jobs = state.customers.values().flat_map(|stream| stream.jobs.values());
        jobs.map(watch::Sender::receiver_count).sum()
    }

    /// Whether announcements come.
    pub(super) fn connected(&self) -> bool {
        self.state().connected
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>) {
        let stopping = self.life.stopping();
        let listening = async {
            let mut backoff = Backoff::default();
            while !self.deserted() {
                if let Err(error) = self.listen().await {
                    if self.lost() {
                        backoff.reset();
                    }
                    tracing::debug!(%error, "live events are polled while Redis is away");
                    tokio::time::sleep(backoff.delay()).await;
                }
            }
        };
        if stopping.run_until_cancelled(listening).await.is_none() {
            self.lost();
            self.state().running = false;
        }
    }

    /// Whether nobody reads any more; then the task has ended for whoever comes next.
    fn deserted(&self) -> bool {
        let mut state = self.state();
        if state.customers.is_empty() {
            state.running = false;
            state.connected = false;
        }
        state.customers.is_empty()
    }

    /// Reads until nobody does.
    async fn listen(&self) -> RedisResult<()> {
        let mut reading = self.address.dedicated(LIMITS).await?;
        let mut control = self.address.dedicated(LIMITS).await?;
        let id: i64 = redis::cmd("CLIENT").arg("ID").query_async(&mut reading).await?;
        loop {
            let (listened, new) = self.streams();
            if !new.is_empty() {
                let positions = newest(&mut reading, &new).await?;
                self.begin(&new, positions);
            } else if listened.is_empty() {
                return Ok(());
            } else if let Some(heard) = self.wait(&mut reading, &mut control, id, &listened).await? {
                self.wake(&heard);
                tokio::time::sleep(BREATH).await;
            }
        }
    }

    /// The streams that are listened to, with their positions, and the customers whose streams are not yet.
    fn streams(&self) -> (Vec<(Uuid, String)>, Vec<Uuid>) {
        let state = self.state();
        let listened = state.customers.iter();
        let listened = listened.filter_map(|(id, stream)| Some((*id, stream.position.clone()?)));
        let new = state.customers.iter().filter(|(_, stream)| stream.position.is_none());
        (listened.collect(), new.map(|(id, _)| *id).collect())
    }

    /// Waits for the streams to move, or for a new customer.
    async fn wait(
        &self,
        reading: &mut MultiplexedConnection,
        control: &mut MultiplexedConnection,
        id: i64,
        streams: &[(Uuid, String)],
    ) -> RedisResult<Option<StreamReadReply>> {
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(COUNT).arg("BLOCK").arg(BLOCK.as_millis() as u64);
        read.arg("STREAMS");
        for (customer, _) in streams {
            read.arg(stream_key(*customer));
        }
        for (_, position) in streams {
            read.arg(position);
        }
        let mut reply = Box::pin(read.query_async(reading));
        tokio::select! {
            heard = &mut reply => return heard,
            () = self.changed.notified() => {}
        }
        // The wait may not have begun when this comes, so it is said until it is over.
        let mut unblock = redis::cmd("CLIENT");
        unblock.arg("UNBLOCK").arg(id);
        loop {
            tokio::select! {
                heard = &mut reply => return heard,
                unblocked = unblock.query_async::<i64>(control) => { unblocked?; }
            }
            if let Ok(heard) = tokio::time::timeout(INTERRUPT, &mut reply).await {
                return heard;
            }
        }
    }

    /// Notes where listening begins, and lets the readers look at what came before.
    fn begin(&self, customers: &[Uuid], positions: Vec<String>) {
        let mut state = self.state();
        state.connected = true;
        for (customer, position) in customers.iter().zip(positions) {
            if let Some(stream) = state.customers.get_mut(customer) {
                stream.position = Some(position);
                stream.wake_all();
            }
        }
    }

    /// Wakes the readers of the jobs that were named.
    fn wake(&self, heard: &StreamReadReply) {
        let mut state = self.state();
        for key in &heard.keys {
            let Some(stream) = customer_of(&key.key).and_then(|id| state.customers.get_mut(&id)) else {
                continue;
            };
            stream.position = key.ids.last().map(|entry| entry.id.clone());
            let named: HashSet<Uuid> = key.ids.iter().flat_map(named).collect();
            for readers in named.iter().filter_map(|job| stream.jobs.get(job)) {
                readers.send_replace(());
            }
        }
    }

    /// Redis is away: every reader looks by itself from now on. Returns whether it was there before.
    fn lost(&self) -> bool {
        let mut state = self.state();
        let was_connected = mem::replace(&mut state.connected, false);
        for stream in state.customers.values_mut() {
            stream.position = None;
            if was_connected {
                stream.wake_all();
            }
        }
        was_connected
    }
}

impl Stream {
    fn wake_all(&self) {
        for readers in self.jobs.values() {
            readers.send_replace(());
        }
    }
}

/// The newest entry of each stream.
async fn newest(conn: &mut MultiplexedConnection, customers: &[Uuid]) -> RedisResult<Vec<String>> {
    let mut pipe = redis::pipe();
    for customer in customers {
        let last = pipe.cmd("XREVRANGE").arg(stream_key(*customer)).arg("+").arg("-");
        last.arg("COUNT").arg(1);
    }
    let found: Vec<StreamRangeReply> = pipe.query_async(conn).await?;
    let position = |reply: StreamRangeReply| reply.ids.into_iter().next().map_or_else(|| "0-0".into(), |e| e.id);
    Ok(found.into_iter().map(position).collect())
}

/// A reader's place at the hub.
pub(super) struct Subscription {
    hub: Arc<Hub>,
    customer: Uuid,
    job: Uuid,
    wake: watch::Receiver<()>,
}

impl Subscription {
    /// Waits for an announcement since the last one, for `at_most`.
    pub(super) async fn wait(&mut self, at_most: Duration) {
        // Can't be closed: the hub keeps the other end for as long as this one is there.
        let _ = tokio::time::timeout(at_most, self.wake.changed()).await;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        let Some(stream) = state.customers.get_mut(&self.customer) else {
            return;
        };
        // This one is still counted.
        if stream
            .jobs
            .get(&self.job)
            .is_some_and(|readers| readers.receiver_count() <= 1)
        {
            stream.jobs.remove(&self.job);
        }
        if stream.jobs.is_empty() {
            state.customers.remove(&self.customer);
            self.hub.changed.notify_one();
        }
    }
}

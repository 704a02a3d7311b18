//! A crawl at a host: its share of the requests that the host may have under way, and the line in which its own requests wait.
//!
//! What the crawl may do is agreed with all others in the [`Book`], once a second and whenever something happened. While the host needs
//! no pause, a request costs nothing more than a local permit; else each begin is agreed, one at a time, so that crawls of a host take
//! turns. While Redis is away the crawl keeps to what it last heard: its own share of the slots, and as long a pause as all crawls
//! together made; nobody who was heard of then can make the sum exceed the limits.
use serde::Serialize;
use std::{
    collections::HashMap,
    convert::Infallible,
    future::pending,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until},
};
use uuid::Uuid;

use super::book::{Book, LEASE, News, Word};
use crate::crawl::answer::retry_after;

/// How often a crawl has a word with the book, and how often while it holds nothing.
const EVERY: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_millis(200);
/// The first pause that is made for a host by itself, the longest one, and the shortest that is worth making.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);
const SHORTEST: Duration = Duration::from_millis(20);

/// Who of this process crawls which host.
pub(super) type Guests = Arc<Mutex<HashMap<(String, Uuid), Weak<Visitor>>>>;

/// One crawl at one host.
pub(crate) struct Visitor {
    host: String,
    crawl: Uuid,
    book: Book,
    guests: Guests,
    slots: Arc<Semaphore>,
    standing: Mutex<Standing>,
    /// One word at a time: an answer that comes late would undo what a later one said.
    wire: AsyncMutex<()>,
    /// Held while waiting for a begin, so that those behind wait in line; keeps the begin of whoever gave up waiting.
    line: AsyncMutex<Option<Instant>>,
    /// Something happened that all should know.
    urgent: Notify,
    closed: AtomicBool,
    under_way: AtomicUsize,
}

/// How the crawl stands with the host.
#[derive(Default)]
struct Standing {
    /// Permits that are there, and how many of them go when they come back.
    capacity: usize,
    debt: usize,
    /// When the book was last heard.
    heard: Option<Instant>,
    introduced: bool,
    crawls: usize,
    /// The crawl's own pause, and the host's.
    delay: Duration,
    slow: Duration,
    pause: Option<Instant>,
    news: News,
    /// While Redis is away: the next begin, and the last time that the pace was lowered.
    next: Option<Instant>,
    slowed: Option<Instant>,
}

impl Standing {
    fn gap(&self) -> Duration {
        self.delay.max(self.slow)
    }

    fn paused(&self) -> Option<Instant> {
        self.pause.filter(|until| *until > Instant::now())
    }
}

/// How fast a crawl goes, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Pace {
    /// Requests that it may have under way.
    pub slots: usize,
    /// Crawls that share the host.
    pub crawls: usize,
    /// Milliseconds between two begins of all of them together.
    pub gap_ms: u64,
    /// Whether the host was found to need more than the configured pause.
    pub slowed: bool,
}

impl Visitor {
    pub(super) fn new(host: String, crawl: Uuid, book: Book, guests: Guests) -> Self {
        Self {
            host,
            crawl,
            book,
            guests,
            slots: Arc::new(Semaphore::new(0)),
            standing: Mutex::default(),
            wire: AsyncMutex::default(),
            line: AsyncMutex::default(),
            urgent: Notify::new(),
            closed: AtomicBool::default(),
            under_way: AtomicUsize::default(),
        }
    }

    /// Waits for a request's turn; the turn ends when it is dropped. Requests of all crawls of the host together begin at least `delay`
    /// apart. Needs [`Visitor::keep`] beside it.
    pub async fn turn(self: &Arc<Self>, delay: Duration) -> Turn {
        let asked = Instant::now();
        let introduced = {
            let mut standing = self.standing();
            standing.delay = delay;
            std::mem::replace(&mut standing.introduced, true)
        };
        if !introduced {
            self.talk(false).await;
        }
        let slot = self.slots.clone().acquire_owned().await.ok();
        let slot = Slot(self.clone(), slot);
        self.begin().await;
        if self.closed.load(SeqCst) {
            pending::<()>().await;
        }
        Turn {
            under_way: UnderWay::of(self),
            slot,
            waited: asked.elapsed(),
        }
    }

    /// Waits until the next request may begin.
    async fn begin(&self) {
        let mut line = self.line.lock().await;
        loop {
            let (pause, gap) = {
                let standing = self.standing();
                (standing.paused(), standing.gap())
            };
            if let Some(until) = pause {
                *line = None;
                sleep_until(until).await;
                continue;
            }
            if gap.is_zero() {
                return;
            }
            let at = match *line {
                Some(at) => at,
                None => *line.insert(self.reserve().await),
            };
            sleep_until(at).await;
            if self.standing().paused().is_none() {
                *line = None;
                return;
            }
        }
    }

    async fn reserve(&self) -> Instant {
        let agreed = self.talk(true).await;
        let now = Instant::now();
        let mut standing = self.standing();
        let (at, gap) = match agreed {
            Some(wait) => (now + wait, standing.gap()),
            None => (
                standing.next.map_or(now, |next| next.max(now)),
                standing.gap() * u32::try_from(standing.crawls).unwrap_or(u32::MAX),
            ),
        };
        standing.next = Some(at + gap);
        at
    }

    /// Keeps what the crawl holds, for as long as it is polled.
    pub async fn keep(&self) -> Infallible {
        loop {
            let every = if self.pace().slots == 0 { SOON } else { EVERY };
            tokio::select! {
                () = sleep(every) => {}
                () = self.urgent.notified() => {}
            }
            self.talk(false).await;
        }
    }

    /// Gives back what the crawl holds. Not to be used any more.
    pub async fn leave(&self) {
        let _one = self.wire.lock().await;
        self.book.leave(&self.host, self.crawl).await;
    }

    /// Lets no further request begin; those under way come to their end.
    pub fn close(&self) {
        self.closed.store(true, SeqCst);
    }

    /// Requests, and what they brought that is not recorded yet.
    pub fn under_way(&self) -> usize {
        self.under_way.load(SeqCst)
    }

    /// How fast the crawl goes.
    pub fn pace(&self) -> Pace {
        let standing = self.standing();
        Pace {
            slots: standing.capacity - standing.debt,
            crawls: standing.crawls,
            gap_ms: standing.gap().as_millis() as u64,
            slowed: standing.slow > standing.delay,
        }
    }

    /// How long the host still asks to be left alone.
    pub fn paused(&self) -> Option<Duration> {
        self.standing().paused().map(|until| until - Instant::now())
    }

    /// Has a word with the book; returns how long the request that is to begin has to wait, if the book could be asked.
    pub(super) async fn talk(&self, begins: bool) -> Option<Duration> {
        let _one = self.wire.lock().await;
        let word = {
            let mut standing = self.standing();
            Word {
                crawl: self.crawl,
                holds: standing.capacity,
                delay: standing.delay,
                begins,
                news: std::mem::take(&mut standing.news),
            }
        };
        let terms = self.book.ask(&self.host, word).await;
        let neighbours = if terms.is_none() { self.neighbours() } else { 0 };
        let mut standing = self.standing();
        let Some(terms) = terms else {
            alone(&mut standing, &word.news, neighbours);
            if standing.heard.is_none_or(|heard| heard.elapsed() > LEASE) {
                self.adjust(&mut standing, 1);
            }
            return None;
        };
        let now = Instant::now();
        standing.heard = Some(now);
        (standing.crawls, standing.slow) = (terms.crawls, terms.slow);
        standing.pause = standing.paused().max(Some(now + terms.pause));
        self.adjust(&mut standing, terms.slots);
        Some(terms.wait)
    }

    /// Crawls of the host in this process.
    fn neighbours(&self) -> usize {
        let guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        let here = guests
            .iter()
            .filter(|((host, _), guest)| *host == self.host && guest.strong_count() > 0);
        here.count()
    }

    /// Makes the permits as many as `slots`, at the latest when requests under way have ended.
    fn adjust(&self, standing: &mut Standing, slots: usize) {
        let effective = standing.capacity - standing.debt;
        if slots > effective {
            let pardoned = standing.debt.min(slots - effective);
            standing.debt -= pardoned;
            let new = slots - effective - pardoned;
            standing.capacity += new;
            self.slots.add_permits(new);
        } else if slots < effective {
            let free = self.slots.forget_permits(effective - slots);
            standing.capacity -= free;
            standing.debt += effective - slots - free;
            if free > 0 {
                self.urgent.notify_one();
            }
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pace by what this crawl alone meets: slower by a factor, faster by 0.1 requests a second for each answer, as in the book.
fn alone(standing: &mut Standing, news: &News, neighbours: usize) {
    standing.crawls = standing.crawls.max(neighbours).max(1);
    let now = Instant::now();
    if news.bad > 0 {
        let wave = standing.slow.max(Duration::from_secs(1));
        if standing.slowed.is_none_or(|slowed| now - slowed > wave) {
            standing.slow = (standing.gap() * 2).clamp(FIRST, LONGEST);
            standing.slowed = Some(now);
        }
    } else if !standing.slow.is_zero() {
        let rate = 1.0 / standing.slow.as_secs_f64() + 0.1 * f64::from(news.fine);
        let slow = Duration::from_secs_f64(1.0 / rate);
        let least = standing.delay.max(SHORTEST);
        standing.slow = if slow > least { slow } else { Duration::ZERO };
    }
}

/// A permit that knows whether it is still wanted when it comes back.
struct Slot(Arc<Visitor>, Option<OwnedSemaphorePermit>);

impl Drop for Slot {
    fn drop(&mut self) {
        let mut standing = self.0.standing();
        if standing.debt > 0
            && let Some(permit) = self.1.take()
        {
            permit.forget();
            standing.debt -= 1;
            standing.capacity -= 1;
            self.0.urgent.notify_one();
        }
    }
}

/// Something that the crawl should not be stopped in: a request, or the reading and recording of its answer, which would be
/// asked for again.
pub(crate) struct UnderWay(Arc<Visitor>);

impl UnderWay {
    fn of(visitor: &Arc<Visitor>) -> Self {
        visitor.under_way.fetch_add(1, SeqCst);
        Self(visitor.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, SeqCst);
    }
}

/// A request's turn.
pub(crate) struct Turn {
    under_way: UnderWay,
    slot: Slot,
    /// How long it took to come.
    pub waited: Duration,
}

impl Turn {
    /// Ends the turn, so that the next request may begin; what came of this one is under way until the returned value is dropped.
    pub fn end(self) -> UnderWay {
        self.under_way
    }

    /// Tells what the host answered, for the pace of all who ask it.
    pub fn hear(&self, answer: &Result<egress::Response, egress::Error>) {
        match answer {
            Ok(response) if matches!(response.status.as_u16(), 429 | 503 | 504) => {
                self.refused(retry_after(&response.headers));
            }
            Ok(response) => self.answered(response.elapsed),
            Err(egress::Error::Timeout { .. }) => self.refused(None),
            Err(_) => {}
        }
    }

    /// An answer came, after this time.
    pub fn answered(&self, after: Duration) {
        let mut standing = self.slot.0.standing();
        standing.news.fine += 1;
        standing.news.latency += after;
    }

    /// The host has too much to do, and may have said for how long it wants to be left alone.
    pub fn refused(&self, wait: Option<Duration>) {
        let wait = wait.unwrap_or_default();
        let mut standing = self.slot.0.standing();
        standing.news.bad += 1;
        standing.news.asked = standing.news.asked.max(wait);
        standing.pause = standing.paused().max(Some(Instant::now() + wait));
        self.slot.0.urgent.notify_one();
    }
}

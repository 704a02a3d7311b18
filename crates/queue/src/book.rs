//! What this process knows of every entry it holds. Pure bookkeeping: no Redis, no apalis, no waiting.
//!
//! ```text
//! admit ─▶ Waiting ─ take ─▶ Running ─ Ok ──▶ Settled ─ acknowledged ─▶ (gone)
//!             │                │   └── Err ─▶ Failed ── two leases ───▶ (gone)
//!             └─ lost ▶ (gone) └─ lost ▶ Lost ─ verdict ─▶ (gone)
//! ```
//!
//! An entry is in the book from its delivery until Redis has confirmed that it is no longer ours, so "held in Redis but not in
//! the book" always means an answer that never arrived here.

use crate::{
    config::Config,
    errand::{Entry, Errand},
    pace::Pace,
};
use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

/// A handler that takes this many times the patience is no short one, the wait for its turn included.
const SHORT: u32 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the queue, no handler yet.
    Waiting,
    Running,
    /// A handler still runs, but another worker was given the entry: no renewal, no acknowledgement. The ledger's token keeps the
    /// two apart.
    Lost,
    /// The handler is done; Redis has not confirmed the acknowledgement yet.
    Settled,
    /// Rests until its lease has ended; not renewed.
    Failed(Instant),
}

pub(crate) struct Book {
    concurrency: usize,
    prefetch: usize,
    patience: Option<Duration>,
    lease: Duration,
    entries: HashMap<String, State>,
    queue: VecDeque<(String, Errand)>,
    renewed: Instant,
    pace: Pace,
}

impl Book {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            concurrency: config.concurrency,
            prefetch: config.prefetch,
            patience: config.patience,
            lease: config.lease,
            entries: HashMap::new(),
            queue: VecDeque::new(),
            renewed: Instant::now(),
            pace: Pace::new(),
        }
    }

    /// How many more entries are worth asking for; 0 until half of those that may wait here are used up, which makes for fewer and
    /// larger reads.
    pub(crate) fn room(&self) -> usize {
        let open = self
            .with(|state| matches!(state, State::Waiting | State::Running | State::Lost))
            .count();
        let ahead = match self.patience {
            Some(patience) => self.prefetch.min(self.pace.verdicts_within(patience)),
            None => self.prefetch,
        };
        let room = (self.concurrency + ahead).saturating_sub(open);
        if room > ahead / 2 { room } else { 0 }
    }

    /// Takes in delivered entries. One that is known is not queued a second time, whatever Redis says; one that lost its lease
    /// and has come back while its handler still runs is simply ours again.
    pub(crate) fn admit(&mut self, delivered: Vec<Entry>) {
        for entry in delivered {
            match self.entries.get_mut(&entry.id) {
                Some(state @ State::Lost) => *state = State::Running,
                Some(State::Waiting | State::Running | State::Settled) => {}
                Some(State::Failed(_)) | None => self.enqueue(entry),
            }
        }
    }

    fn enqueue(&mut self, entry: Entry) {
        let state = if let Some(errand) = entry.errand {
            self.queue.push_back((entry.id.clone(), errand));
            State::Waiting
        } else {
            // Nobody could ever run it: delete it.
            tracing::error!(entry = entry.id, "an entry of the stream is no errand");
            State::Settled
        };
        self.entries.insert(entry.id, state);
    }

    /// The next entry to run. None while the last renewal is older than a lease (Redis was away, or this process was frozen):
    /// what waits here may have been given to others.
    pub(crate) fn take(&mut self) -> Option<(String, Errand)> {
        if self.renewed.elapsed() >= self.lease {
            return None;
        }
        while let Some((id, errand)) = self.queue.pop_front() {
            if let Some(state @ State::Waiting) = self.entries.get_mut(&id) {
                *state = State::Running;
                return Some((id, errand));
            }
        }
        None
    }

    /// Notes that a handler ended after so long. A long one says nothing about how soon the next will end, and one that gave its entry up
    /// after a wait must not be a reason to fetch another.
    pub(crate) fn took(&mut self, time: Duration) {
        if self.patience.is_some_and(|patience| time < SHORT * patience) {
            self.pace.verdict();
        }
    }

    /// What the handler of an entry came to.
    pub(crate) fn judge(&mut self, id: &str, settled: bool) {
        match self.entries.get_mut(id) {
            Some(state @ State::Running) if settled => *state = State::Settled,
            Some(state @ State::Running) => *state = State::Failed(Instant::now()),
            Some(State::Lost) => drop(self.entries.remove(id)),
            Some(State::Waiting | State::Settled | State::Failed(_)) | None => {}
        }
    }

    /// Entries to acknowledge, in the order of the stream.
    pub(crate) fn settled(&self) -> Vec<String> {
        let mut settled: Vec<String> = self.with(|state| state == State::Settled).cloned().collect();
        settled.sort_unstable_by_key(|id| place(id));
        settled
    }

    /// Redis has confirmed that these settled entries are gone.
    pub(crate) fn acknowledged(&mut self, ids: &[String]) {
        for id in ids {
            self.entries.remove(id);
        }
    }

    /// Entries whose lease must not end.
    pub(crate) fn leased(&self) -> Vec<String> {
        self.with(|state| matches!(state, State::Waiting | State::Running | State::Settled))
            .cloned()
            .collect()
    }

    /// A renewal that was sent at `sent` is through, and `lost` are no longer ours.
    pub(crate) fn renewed(&mut self, sent: Instant, lost: &[String]) {
        self.renewed = sent;
        for id in lost {
            match self.entries.get_mut(id) {
                Some(state @ State::Running) => *state = State::Lost,
                Some(State::Waiting | State::Settled) => drop(self.entries.remove(id)),
                Some(State::Lost | State::Failed(_)) | None => {}
            }
        }
        let long_ago = 2 * self.lease;
        self.entries
            .retain(|_, state| !matches!(state, State::Failed(at) if at.elapsed() > long_ago));
    }

    /// Everything that must not be handed back when strays are.
    pub(crate) fn known(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// Gives up what no handler has begun. The entries become strays, which are handed back.
    pub(crate) fn withdraw(&mut self) {
        self.queue.clear();
        self.entries.retain(|_, state| *state != State::Waiting);
    }

    fn with(&self, wanted: impl Fn(State) -> bool) -> impl Iterator<Item = &String> {
        self.entries
            .iter()
            .filter(move |(_, state)| wanted(**state))
            .map(|(id, _)| id)
    }
}

/// Where an entry stands in the stream: its id is a time in ms and a number within that.
fn place(id: &str) -> Option<(u64, u64)> {
    let (ms, number) = id.split_once('-')?;
    Some((ms.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_mins(1);

    fn entry(id: &str) -> Entry {
        let errand = Errand {
            job: "j".to_owned(),
            kind: "k".to_owned(),
            customer: "c".to_owned(),
            version: 1,
        };
        Entry {
            id: id.to_owned(),
            errand: Some(errand),
        }
    }

    fn book_with(ids: &[&str]) -> Book {
        let mut book = Book::new(&Config {
            lease: LEASE,
            ..Config::new("stream", 3)
        });
        book.admit(ids.iter().map(|id| entry(id)).collect());
        book
    }

    fn take(book: &mut Book) -> Option<String> {
        book.take().map(|(id, _)| id)
    }

    #[test]
    fn an_entry_takes_room_until_its_verdict_and_is_known_until_it_is_acknowledged() {
        let mut book = book_with(&["1", "2"]);
        assert_eq!(book.room(), 1);
        assert_eq!(take(&mut book).as_deref(), Some("1"));
        assert_eq!(book.room(), 1);
        book.judge("1", true);
        assert_eq!((book.room(), book.settled()), (2, vec!["1".to_owned()]));
        assert_eq!(book.known().len(), 2);
        book.acknowledged(&["1".to_owned()]);
        assert_eq!(book.known(), ["2"]);
    }

    #[test]
    fn an_entry_delivered_twice_runs_once() {
        let mut book = book_with(&["1", "1"]);
        take(&mut book);
        book.admit(vec![entry("1")]);
        book.judge("1", true);
        book.admit(vec![entry("1")]);
        assert_eq!(take(&mut book), None);
    }

    #[test]
    fn a_failed_entry_is_not_renewed_runs_when_it_comes_back_and_is_kept_from_the_strays() {
        let mut book = book_with(&["1"]);
        take(&mut book);
        book.judge("1", false);
        assert_eq!((book.leased(), book.settled(), book.known().len()), (vec![], vec![], 1));
        book.admit(vec![entry("1")]);
        assert_eq!(take(&mut book).as_deref(), Some("1"));
    }

    #[test]
    fn as_many_are_fetched_ahead_as_ended_fast() {
        let patience = Duration::from_mins(1);
        let mut book = Book::new(&Config {
            prefetch: 4,
            patience: Some(patience),
            ..Config::new("stream", 3)
        });
        assert_eq!(book.room(), 3);
        book.took(patience);
        book.took(patience);
        assert_eq!(book.room(), 5);
        book.took(SHORT * patience);
        assert_eq!(book.room(), 5, "a long one does not count");
        (0..10).for_each(|_| book.took(Duration::ZERO));
        assert_eq!(book.room(), 7);
    }

    #[test]
    fn what_was_lost_while_waiting_does_not_start() {
        let mut book = book_with(&["1", "2"]);
        book.renewed(Instant::now(), &["1".to_owned()]);
        assert_eq!(take(&mut book).as_deref(), Some("2"));
        assert_eq!(take(&mut book), None);
    }

    #[test]
    fn what_was_lost_while_running_is_neither_renewed_nor_acknowledged() {
        let mut book = book_with(&["1"]);
        take(&mut book);
        book.renewed(Instant::now(), &["1".to_owned()]);
        assert_eq!(book.leased(), Vec::<String>::new());
        book.judge("1", true);
        assert_eq!((book.settled(), book.known()), (vec![], vec![]));
    }

    #[test]
    fn what_comes_back_while_its_handler_still_runs_is_ours_again() {
        let mut book = book_with(&["1"]);
        take(&mut book);
        book.renewed(Instant::now(), &["1".to_owned()]);
        book.admit(vec![entry("1")]);
        assert_eq!(take(&mut book), None);
        book.judge("1", true);
        assert_eq!(book.settled(), ["1"]);
    }

    #[test]
    fn nothing_starts_on_a_lease_that_may_have_ended() {
        let mut book = book_with(&["1"]);
        book.renewed = Instant::now().checked_sub(LEASE).unwrap();
        assert_eq!(take(&mut book), None);
        book.renewed(Instant::now(), &[]);
        assert_eq!(take(&mut book).as_deref(), Some("1"));
    }

    #[test]
    fn withdrawn_entries_become_strays() {
        let mut book = book_with(&["1", "2"]);
        take(&mut book);
        book.withdraw();
        assert_eq!((take(&mut book), book.known()), (None, vec!["1".to_owned()]));
    }

    #[test]
    fn an_entry_that_is_no_errand_is_settled_unseen() {
        let mut book = book_with(&[]);
        book.admit(vec![Entry {
            id: "1".to_owned(),
            errand: None,
        }]);
        assert_eq!((take(&mut book), book.settled()), (None, vec!["1".to_owned()]));
    }
}

//! Group commit: what many tasks ask at the same time is asked in one statement.
//!
//! There is no task behind it. Whoever asks first does the work of all who ask meanwhile; those who come while batches are under
//! way make up the next one, and so do those who are about to ask: before it begins, everybody else who can go on does so, until
//! nobody new comes. So a single job waits for nothing, and a crowd shares a commit.
//!
//! Where two batches are under way at a time, a crowd is shared out among them: while one is at the database, the askers of the other go on.
//! So a crowd keeps the database and this process busy at once.
use domain::{Error, Result, error::Kind};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Semaphore, oneshot};

/// Most questions of one batch.
const MOST: usize = 256;
/// Questions that are too few to be shared out: a statement costs more than what it does for each of them.
const FEW: usize = 8;

/// Rounds of the runtime that a batch waits for company at most, and rounds without any after which it begins.
const YIELDS: usize = 64;
const PATIENCE: usize = 3;

type Asked<Q, A> = (Q, oneshot::Sender<Result<A>>);

/// Collects questions of type `Q`, each of which gets an `A`.
pub(crate) struct Batch<Q, A> {
    desk: Mutex<Desk<Q, A>>,
    at_once: usize,
    turns: Semaphore,
}

struct Desk<Q, A> {
    waiting: VecDeque<Asked<Q, A>>,
    /// Questions in the batches under way.
    under_way: usize,
}

impl<Q, A> Desk<Q, A> {
    /// Takes the next batch: all that waits, up to its share of all that is asked at the time.
    fn take(&mut self, at_once: usize) -> Vec<Asked<Q, A>> {
        let share = (self.waiting.len() + self.under_way).div_ceil(at_once);
        let taken = self.waiting.len().min(share.clamp(FEW, MOST));
        self.under_way += taken;
        self.waiting.drain(..taken).collect()
    }
}

impl<Q: Clone, A> Batch<Q, A> {
    /// Nobody waits yet; `at_once` batches are under way at a time.
    pub fn new(at_once: usize) -> Self {
        Self {
            desk: Mutex::new(Desk {
                waiting: VecDeque::new(),
                under_way: 0,
            }),
            at_once,
            turns: Semaphore::new(at_once),
        }
    }

    /// Asks, by way of `work`, which answers questions in their order; every caller gives the same `work`.
    pub async fn ask<F: Future<Output = Result<Vec<A>>>>(&self, question: Q, work: impl Fn(Vec<Q>) -> F) -> Result<A> {
        let (sender, mut answer) = oneshot::channel();
        self.desk().waiting.push_back((question, sender));
        loop {
            tokio::select! {
                biased;
                told = &mut answer => return told.unwrap_or_else(|_| Err(cut_off())),
                turn = self.turns.acquire() => {
                    let _turn = turn;
                    if !self.answer(&work).await {
                        break;
                    }
                }
            }
        }
        // Nobody waits: ours is under way. Whoever took it may be cut off with it.
        answer.await.unwrap_or_else(|_| Err(cut_off()))
    }

    /// Lets the runtime's other tasks come as far as they can.
    async fn gather(&self) {
        let (mut here, mut idle) = (self.desk().waiting.len(), 0);
        for _ in 0..YIELDS {
            tokio::task::yield_now().await;
            let now = self.desk().waiting.len();
            idle = if now > here { 0 } else { idle + 1 };
            here = now;
            if idle == PATIENCE || here >= MOST {
                return;
            }
        }
    }

    /// Answers the next batch; false if nobody waits.
    async fn answer<F: Future<Output = Result<Vec<A>>>>(&self, work: &impl Fn(Vec<Q>) -> F) -> bool {
        self.gather().await;
        let batch = self.desk().take(self.at_once);
        let _under_way = UnderWay(&self.desk, batch.len());
        if batch.is_empty() {
            return false;
        }
        let (questions, senders): (Vec<Q>, Vec<_>) = batch.into_iter().unzip();
        // In a box: it is one for the whole batch, and would be room in each of the tasks that ask.
        match Box::pin(work(questions.clone())).await {
            Ok(answers) => {
                for (sender, answer) in senders.into_iter().zip(answers) {
                    let _ = sender.send(Ok(answer));
                }
            }
            // What is wrong with one question is not wrong with the others.
            Err(error) if questions.len() > 1 && !matches!(error.kind(), Kind::Unavailable { .. }) => {
                for (sender, question) in senders.into_iter().zip(questions) {
                    let alone = Box::pin(work(vec![question])).await;
                    let _ = sender.send(alone.and_then(|mut answers| answers.pop().ok_or_else(cut_off)));
                }
            }
            Err(error) => {
                let story = error.story();
                let mut senders = senders.into_iter();
                let first = senders.next();
                for sender in senders {
                    let _ = sender.send(Err(Error::unavailable(
                        "database_unavailable",
                        "the database does not answer",
                        story.clone(),
                    )));
                }
                if let Some(first) = first {
                    let _ = first.send(Err(error));
                }
            }
        }
        true
    }

    fn desk(&self) -> MutexGuard<'_, Desk<Q, A>> {
        locked(&self.desk)
    }
}

/// So many questions are under way until this is dropped, however that comes about.
struct UnderWay<'a, Q, A>(&'a Mutex<Desk<Q, A>>, usize);

impl<Q, A> Drop for UnderWay<'_, Q, A> {
    fn drop(&mut self) {
        locked(self.0).under_way -= self.1;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives up on an answer after `limit`: a network that went silent does not say so.
pub(crate) async fn bounded<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(answer) => answer,
        Err(elapsed) => Err(Error::unavailable(
            "database_unavailable",
            "the database does not answer",
            elapsed,
        )),
    }
}

fn cut_off() -> Error {
    Error::unavailable(
        "database_unavailable",
        "the database does not answer",
        "the batch was cut off",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    #[tokio::test]
    async fn what_is_asked_while_a_batch_is_under_way_makes_up_the_next_one() {
        let (batch, calls) = (Batch::new(2), AtomicUsize::new(0));
        let double = |questions: Vec<usize>| {
            calls.fetch_add(1, SeqCst);
            async move {
                tokio::task::yield_now().await;
                Ok(questions.into_iter().map(|q| 2 * q).collect())
            }
        };
        let all = futures::future::join_all((0..100).map(|q| batch.ask(q, double))).await;
        let answers: Vec<usize> = all.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, (0..100).map(|q| 2 * q).collect::<Vec<_>>());
        assert!(calls.load(SeqCst) <= 2, "{calls:?} statements for 100 questions");
    }

    /// Both have to be under way for either to go on.
    #[tokio::test(start_paused = true)]
    async fn a_crowd_is_answered_by_two_batches_at_a_time_and_a_few_by_one() {
        let (batch, both, sizes) = (Batch::new(2), tokio::sync::Barrier::new(2), Mutex::new(vec![]));
        let meet = |questions: Vec<usize>| {
            locked(&sizes).push(questions.len());
            let both = &both;
            async move {
                if questions.len() > FEW {
                    both.wait().await;
                }
                Ok(questions)
            }
        };
        let crowd = futures::future::join_all((0..100).map(|q| batch.ask(q, meet)));
        let all = tokio::time::timeout(Duration::from_mins(1), crowd).await;
        assert!(all.expect("one waited for the other").iter().all(Result::is_ok));
        futures::future::join_all((0..FEW).map(|q| batch.ask(q, meet))).await;
        assert_eq!(*locked(&sizes), [50, 50, FEW]);
        assert_eq!(batch.desk().under_way, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_is_cut_off_answers_everybody_and_counts_no_more() {
        let batch: Batch<usize, usize> = Batch::new(2);
        let never = |_: Vec<usize>| std::future::pending();
        // Who comes last sees sooner that nobody else does, and leads.
        let cut = tokio::time::timeout(Duration::from_secs(1), batch.ask(2, never));
        let (told, cut) = tokio::join!(batch.ask(1, never), cut);
        assert!(cut.is_err());
        assert_eq!(told.unwrap_err().code(), "database_unavailable");
        assert_eq!(batch.desk().under_way, 0);
        assert_eq!(batch.ask(3, |q| async { Ok(q) }).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_question_that_cannot_be_answered_does_not_spoil_the_others() {
        let batch = Batch::new(2);
        let picky = |questions: Vec<usize>| async move {
            if questions.contains(&3) {
                return Err(Error::invalid("question", "is three"));
            }
            Ok(questions)
        };
        let all = futures::future::join_all((0..5).map(|q| batch.ask(q, picky))).await;
        let bad: Vec<usize> = (0..5).filter(|q| all[*q].is_err()).collect();
        assert_eq!(bad, [3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_database_is_given_up() {
        let batch: Batch<usize, usize> = Batch::new(2);
        let silent = |_| bounded(Duration::from_secs(10), std::future::pending());
        let answer = batch.ask(1, silent).await;
        assert_eq!(answer.unwrap_err().code(), "database_unavailable");
    }

    #[tokio::test]
    async fn when_the_database_is_away_everybody_is_told() {
        let batch: Batch<usize, usize> = Batch::new(2);
        let away = |_| async { Err(Error::unavailable("database_unavailable", "away", "gone")) };
        let all = futures::future::join_all((0..5).map(|q| batch.ask(q, away))).await;
        assert!(
            all.iter()
                .all(|a| a.as_ref().is_err_and(|e| e.code() == "database_unavailable"))
        );
    }
}

//! Group commit: what many tasks ask at the same time is asked in one statement.
//!
//! There is no task behind it. Whoever asks first does the work of all who ask meanwhile; those who come while a batch is under
//! way make up the next one, and so do those who are about to ask: before it begins, everybody else who can go on does so, until
//! nobody new comes. So a single job waits for nothing, and a crowd shares a commit.
use domain::{Error, Result, error::Kind};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;

/// Most questions of one batch.
const MOST: usize = 256;

/// Rounds of the runtime that a batch waits for company at most, and rounds without any after which it begins.
const YIELDS: usize = 64;
const PATIENCE: usize = 3;

type Waiting<Q, A> = Vec<(Q, oneshot::Sender<Result<A>>)>;

/// Collects questions of type `Q`, each of which gets an `A`.
pub(crate) struct Batch<Q, A> {
    waiting: Mutex<Waiting<Q, A>>,
    turn: tokio::sync::Mutex<()>,
}

impl<Q: Clone, A> Batch<Q, A> {
    /// Nobody waits yet.
    pub fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Asks, by way of `work`, which answers questions in their order; every caller gives the same `work`.
    pub async fn ask<F: Future<Output = Result<Vec<A>>>>(&self, question: Q, work: impl Fn(Vec<Q>) -> F) -> Result<A> {
        let (sender, mut answer) = oneshot::channel();
        self.waiting().push((question, sender));
        loop {
            let _turn = self.turn.lock().await;
            match answer.try_recv() {
                Ok(answer) => return answer,
                // Whoever took the question was cut off with it.
                Err(oneshot::error::TryRecvError::Closed) => return Err(cut_off()),
                Err(oneshot::error::TryRecvError::Empty) => self.answer(&work).await,
            }
        }
    }

    /// Lets the runtime's other tasks come as far as they can.
    async fn gather(&self) {
        let (mut here, mut idle) = (self.waiting().len(), 0);
        for _ in 0..YIELDS {
            tokio::task::yield_now().await;
            let now = self.waiting().len();
            idle = if now > here { 0 } else { idle + 1 };
            here = now;
            if idle == PATIENCE || here >= MOST {
                return;
            }
        }
    }

    async fn answer<F: Future<Output = Result<Vec<A>>>>(&self, work: &impl Fn(Vec<Q>) -> F) {
        self.gather().await;
        let batch: Waiting<Q, A> = {
            let mut waiting = self.waiting();
            let end = waiting.len().min(MOST);
            waiting.drain(..end).collect()
        };
        let (questions, senders): (Vec<Q>, Vec<_>) = batch.into_iter().unzip();
        match work(questions.clone()).await {
            Ok(answers) => {
                for (sender, answer) in senders.into_iter().zip(answers) {
                    let _ = sender.send(Ok(answer));
                }
            }
            // What is wrong with one question is not wrong with the others.
            Err(error) if questions.len() > 1 && !matches!(error.kind(), Kind::Unavailable { .. }) => {
                for (sender, question) in senders.into_iter().zip(questions) {
                    let alone = work(vec![question]).await;
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
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting<Q, A>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let (batch, calls) = (Batch::new(), AtomicUsize::new(0));
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

    #[tokio::test]
    async fn a_question_that_cannot_be_answered_does_not_spoil_the_others() {
        let batch = Batch::new();
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
        let batch: Batch<usize, usize> = Batch::new();
        let silent = |_| bounded(Duration::from_secs(10), std::future::pending());
        let answer = batch.ask(1, silent).await;
        assert_eq!(answer.unwrap_err().code(), "database_unavailable");
    }

    #[tokio::test]
    async fn when_the_database_is_away_everybody_is_told() {
        let batch: Batch<usize, usize> = Batch::new();
        let away = |_| async { Err(Error::unavailable("database_unavailable", "away", "gone")) };
        let all = futures::future::join_all((0..5).map(|q| batch.ask(q, away))).await;
        assert!(
            all.iter()
                .all(|a| a.as_ref().is_err_and(|e| e.code() == "database_unavailable"))
        );
    }
}

//! Answers that are made before anybody asks: a customer's usual questions, after a change of its pages.
//!
//! The process that is asked does the work itself, one question of a customer after the other, as if visitors asked. A job would
//! have to keep the questions in the ledger, whose payloads hold no content, and would fill the caches of a worker that nobody
//! asks. What a restart cuts off is no loss: whoever asks next gets the answer all the same.
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use super::{
    answerer::{Answerer, Question},
    support::Refusal,
};
use crate::{
    Error, Result,
    error::Kind,
    ids, people,
    tenancy::{self, Customer},
};

/// Customers at the same time in a process, so that visitors find models and connections free.
const RUNS: usize = 4;

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warmed {
    /// Its turn has not come yet.
    Waiting,
    /// The answer was made, and is kept.
    Kept,
    /// The answer was there.
    Known,
    /// There is no answer.
    Refused(Refusal),
    /// Its answer is never kept; why.
    Unfit(&'static str),
    /// It could not be answered, or not as well as it should be, and nothing is kept.
    Failed,
}

impl Warmed {
    /// The state's word and the reason's, if there is one.
    pub fn words(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Waiting => ("waiting", None),
            Self::Kept => ("kept", None),
            Self::Known => ("known", None),
            Self::Refused(refusal) => ("refused", Some(refusal.as_str())),
            Self::Unfit(reason) => ("unfit", Some(reason)),
            Self::Failed => ("failed", None),
        }
    }
}

/// The customers whose questions are being answered in this process. Cloning shares.
#[derive(Clone, Default)]
pub(super) struct Runs(Arc<Mutex<HashSet<Uuid>>>);

/// One customer's place among them, given up when it is dropped.
struct Run {
    runs: Runs,
    customer: Uuid,
}

impl Runs {
    fn begin(&self, customer: Uuid) -> Result<Run> {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let retry_after = Duration::from_secs(10);
        let refused = |code, message: &str| Err(Error::new(Kind::TooMany { retry_after }, code, message));
        if runs.contains(&customer) {
            return refused("warming", "the questions of the last call are not through yet");
        }
        if runs.len() >= RUNS {
            return refused("busy", "others' questions are being answered; try again in a moment");
        }
        runs.insert(customer);
        Ok(Run {
            runs: self.clone(),
            customer,
        })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.runs
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.customer);
    }
}

/// Questions that are being answered.
#[derive(Debug)]
pub struct Warming {
    states: Vec<Warmed>,
    news: mpsc::Receiver<(usize, Warmed)>,
}

impl Warming {
    /// What has become of them when all are through or `patience` has passed. The work goes on.
    pub async fn within(mut self, patience: Duration) -> Vec<Warmed> {
        let deadline = Instant::now() + patience;
        while let Ok(Some((n, state))) = timeout_at(deadline, self.news.recv()).await {
            self.states[n] = state;
        }
        self.states
    }
}

impl Answerer {
    /// Begins to answer `questions`, which nobody has asked. Refused while the customer's last ones are not through.
    pub fn warm(&self, customer: &Customer, questions: Vec<String>) -> Result<Warming> {
        let cache = self
            .cache
            .as_ref()
            .ok_or_else(|| Error::internal("warming", "there is no cache"))?;
        let run = cache.runs().begin(customer.id)?;
        let states = vec![Warmed::Waiting; questions.len()];
        let (told, news) = mpsc::channel(questions.len().max(1));
        let (answerer, customer, life) = (self.clone(), customer.id, cache.life());
        let stopping = life.stopping();
        life.spawn(async move {
            for (n, text) in questions.into_iter().enumerate() {
                if stopping.is_cancelled() {
                    break;
                }
                let state = answerer.warm_one(customer, text).await.unwrap_or_else(|error| {
                    tracing::warn!(
                        error = error.story(),
                        "a question could not be answered before it is asked"
                    );
                    Warmed::Failed
                });
                // Whoever asked for it may have stopped listening.
                let _ = told.try_send((n, state));
            }
            drop(run);
        });
        Ok(Warming { states, news })
    }

    /// The customer is read again for each question: its index or settings may have changed since the first one.
    async fn warm_one(&self, customer: Uuid, text: String) -> Result<Warmed> {
        let customer = tenancy::get(&self.db, customer).await?;
        let question = Question {
            session: ids::new_id(),
            text,
            locale: None,
        };
        let Ok(text) = question.checked() else {
            return Ok(Warmed::Unfit("length"));
        };
        if people::wants_person(text) {
            return Ok(Warmed::Unfit("handoff"));
        }
        let asked = self.understand(&customer, text, None, Vec::new()).await;
        if asked.small_talk(&customer).is_some() {
            return Ok(Warmed::Unfit("small_talk"));
        }
        let Some((cache, key)) = self.shared(&customer, &asked) else {
            return Ok(Warmed::Unfit("personal"));
        };
        let draft = cache
            .answer(
                &customer,
                key.into(),
                self.models.is_some(),
                None,
                self.work(&customer, &asked),
            )
            .await?;
        Ok(match (draft.written.refusal, draft.cached, draft.lasting) {
            (Some(refusal), ..) => Warmed::Refused(refusal),
            (None, Some(_), _) => Warmed::Known,
            (None, None, true) => Warmed::Kept,
            (None, None, false) => Warmed::Failed,
        })
    }
}

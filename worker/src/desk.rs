//! Where a process's jobs are claimed and settled: its turns at the ledger, each of which takes all that is asked at the time, and the
//! seats of those that run.
use domain::{
    Result,
    jobs::{self, Ask, Claim, LANES, Lane, Lease, Outcome, Turn},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Context,
    batch::{Batch, bounded},
    run::stopping,
    runtime,
};

/// Longest wait for the ledger's answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The desk of a process.
pub(crate) struct Desk {
    turns: Batch<Question, Answer>,
    seats: BTreeMap<Lane, Arc<Semaphore>>,
    quarantine: Arc<Semaphore>,
}

#[derive(Clone)]
enum Question {
    End(Lease, Outcome),
    Ask(Ask),
}

enum Answer {
    Ended(bool),
    Claim(Claim),
}

impl Desk {
    /// With as many seats for each lane as jobs of it run at once; `crawls` is the setting.
    pub fn new(crawls: usize) -> Self {
        let seats = |lane: Lane| (lane, Arc::new(Semaphore::new(runtime::concurrency(lane, crawls))));
        Self {
            turns: Batch::new(),
            seats: LANES.into_iter().map(seats).collect(),
            quarantine: Arc::new(Semaphore::new(1)),
        }
    }

    /// Waits for a seat of the lane.
    pub async fn seat(&self, lane: Lane) -> Result<OwnedSemaphorePermit> {
        let seats = self.seats.get(&lane).ok_or_else(stopping)?;
        seats.clone().acquire_owned().await.map_err(|_| stopping())
    }

    /// Waits for the quarantine's one place.
    pub async fn alone(&self) -> Result<OwnedSemaphorePermit> {
        self.quarantine.clone().acquire_owned().await.map_err(|_| stopping())
    }

    /// Asks for a job.
    pub async fn claim(&self, ctx: &Context, ask: Ask) -> Result<Claim> {
        match self.ask(ctx, Question::Ask(ask)).await? {
            Answer::Claim(claim) => Ok(claim),
            Answer::Ended(_) => Ok(Claim::Stale),
        }
    }

    /// Records how a run ended; false if its lease was lost.
    pub async fn settle(&self, ctx: &Context, lease: Lease, outcome: Outcome) -> Result<bool> {
        let answer = self.ask(ctx, Question::End(lease, outcome)).await?;
        Ok(matches!(answer, Answer::Ended(true)))
    }

    async fn ask(&self, ctx: &Context, question: Question) -> Result<Answer> {
        self.turns.ask(question, |questions| turn(ctx, questions)).await
    }
}

async fn turn(ctx: &Context, questions: Vec<Question>) -> Result<Vec<Answer>> {
    let (mut ends, mut asks) = (Vec::new(), Vec::new());
    let mut order = Vec::with_capacity(questions.len());
    for question in questions {
        order.push(matches!(question, Question::End(..)));
        match question {
            Question::End(lease, outcome) => ends.push((lease, outcome)),
            Question::Ask(ask) => asks.push(ask),
        }
    }
    let Turn { ended, claims } = bounded(ANSWER, jobs::turn(&ctx.db, ctx.heart.worker(), &ends, &asks)).await?;
    let (mut ended, mut claims) = (ended.into_iter(), claims.into_iter());
    let answers = order.into_iter().map(|end| {
        if end {
            ended.next().map(Answer::Ended)
        } else {
            claims.next().map(Answer::Claim)
        }
    });
    Ok(answers.flatten().collect())
}

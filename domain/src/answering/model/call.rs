//! One call of a model: its text as it comes, measured, and counted to its customer at the end.
use chat_model::{Answer, Ending, Error};
use metrics::{counter, histogram};
use std::time::Instant;

use super::{Writer, budget::Spending, told};
use crate::{
    Result,
    answering::{answerer::Usage, ground::Thoughts, note::Note},
};

/// A call that has begun. Dropped before its end it is counted as abandoned, with what was written so far.
pub(in crate::answering) struct Call {
    answer: Answer,
    writer: Writer,
    spending: Spending,
    began: Instant,
    /// Estimates, until the provider tells.
    tokens_in: u64,
    tokens_out: u64,
    notes: Vec<Note>,
    status: &'static str,
    thoughts: Thoughts,
    said: bool,
}

/// What a call came to.
#[derive(Debug)]
pub(in crate::answering) struct Finished {
    pub usage: Usage,
    pub model: String,
    pub notes: Vec<Note>,
}

impl Call {
    pub(super) fn new(answer: Answer, writer: Writer, spending: Spending, tokens_in: u64, notes: Vec<Note>) -> Self {
        Self {
            answer,
            writer,
            spending,
            began: Instant::now(),
            tokens_in,
            tokens_out: 0,
            notes,
            status: "abandoned",
            thoughts: Thoughts::default(),
            said: false,
        }
    }

    /// More text; none at the end.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        let mut next = self.answer.next().await;
        match &mut next {
            // A piece is rarely less than a token.
            Ok(Some(text)) => {
                self.tokens_out += chat_model::estimate(text).max(1);
                *text = self.thoughts.spoken(std::mem::take(text));
                self.said |= !text.is_empty();
            }
            Ok(None) => self.status = "answered",
            Err(error) => {
                self.status = error.word();
                told(&self.writer, error);
            }
        }
        self.note_cost();
        next
    }

    /// Whether any text came that is not a thought.
    pub fn said(&self) -> bool {
        self.said
    }

    /// Counts what it cost, whether it ended well or not.
    pub async fn finish(mut self) -> Result<Finished> {
        if self.status == "answered" && self.answer.ending() == Ending::Length {
            self.notes.push(Note::CutShort);
        }
        self.note_cost();
        let spent = self.spending.settle().await?;
        let usage = Usage {
            tokens_in: spent.tokens_in,
            tokens_out: spent.tokens_out,
            cost_usd: spent.usd,
        };
        Ok(Finished {
            usage,
            model: self.writer.model.name().to_owned(),
            notes: std::mem::take(&mut self.notes),
        })
    }

    fn note_cost(&mut self) {
        let (tokens_in, tokens_out) = match self.answer.usage() {
            // Some tell of the prompt only.
            Some(told) if told.tokens_out == 0 && told.tokens_in > 0 => (told.tokens_in, self.tokens_out),
            Some(told) if told.tokens_out > 0 => (told.tokens_in, told.tokens_out),
            _ => (self.tokens_in, self.tokens_out),
        };
        self.spending
            .spend(tokens_in, tokens_out, self.writer.cost(tokens_in, tokens_out));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        count(&self.writer, self.status);
        let model = self.writer.model.name();
        let spent = self.spending.spent();
        tracing::info!(
            event = "llm_usage",
            customer.domain = self.spending.domain(),
            model,
            status = self.status,
            tokens_in = spent.tokens_in,
            tokens_out = spent.tokens_out,
            cost_usd = spent.usd,
            duration_ms = self.began.elapsed().as_millis() as u64,
        );
        for (kind, tokens) in [("in", spent.tokens_in), ("out", spent.tokens_out)] {
            counter!("omniops_llm_tokens_total", "model" => model.to_owned(), "kind" => kind).increment(tokens);
        }
        histogram!("omniops_llm_duration_seconds", "model" => model.to_owned())
            .record(self.began.elapsed().as_secs_f64());
    }
}

/// One call of a model by how it ended.
pub(super) fn count(writer: &Writer, status: &'static str) {
    let model = writer.model.name().to_owned();
    counter!("omniops_llm_requests_total", "model" => model, "status" => status).increment(1);
}

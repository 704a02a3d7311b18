//! The answer that a model writes, shown as it is checked; the site's own words where the model fails before anything was shown.
use futures::StreamExt;
use std::{collections::BTreeSet, pin::pin};
use tokio::sync::mpsc;

use super::{
    answerer::{Answerer, Part, Source, Usage, send},
    conversation::Turn,
    ground::{self, Checker},
    model::{ChatModel, ChatModelError, Piece},
    prompt,
    support::Refusal,
    written::{SHOWN, Written, refuse, sources},
};
use crate::{Error, Result, retrieval::Passage, tenancy::Customer};

impl Answerer {
    /// A model's answer if there is a model, else a quotation.
    pub(super) async fn write(
        &self,
        customer: &Customer,
        question: &str,
        passages: &[Passage],
        history: &[Turn],
        parts: Option<&mpsc::Sender<Part>>,
    ) -> Result<Written> {
        let Some(model) = &self.model else {
            return self.extract(customer, question, passages).await;
        };
        match self.generate(model, customer, question, passages, history, parts).await {
            Ok(written) => Ok(written),
            Err(Failure::Silent(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the provider failed; answering from the site's own words"
                );
                self.extract(customer, question, passages).await
            }
            Err(Failure::BrokenOff(error)) => {
                let message = "the answer broke off; please ask again";
                Err(Error::unavailable("provider_broke_off", message, error))
            }
        }
    }

    async fn generate(
        &self,
        model: &ChatModel,
        customer: &Customer,
        question: &str,
        passages: &[Passage],
        history: &[Turn],
        parts: Option<&mpsc::Sender<Part>>,
    ) -> Result<Written, Failure> {
        let shown: Vec<&Passage> = passages.iter().take(SHOWN * 2).collect();
        let numbered: Vec<(usize, &Passage)> = shown.iter().enumerate().map(|(i, p)| (i + 1, *p)).collect();
        let messages = prompt::messages(customer, question, &numbered, history, self.simplified);
        let urls: Vec<&str> = shown.iter().map(|p| p.url.as_str()).collect();
        let mut writing = Writing::new(parts, Checker::new(shown.len(), urls));
        let mut usage = Usage::default();
        let mut stream = pin!(model.stream(&messages).await.map_err(Failure::Silent)?);
        while let Some(piece) = stream.next().await {
            match piece {
                Ok(Piece::Usage(tokens_in, tokens_out)) => usage = Usage { tokens_in, tokens_out },
                Ok(Piece::Text(more)) => writing.take(&more).await,
                Err(error) if writing.shown.is_empty() => return Err(Failure::Silent(error)),
                Err(error) => return Err(Failure::BrokenOff(error)),
            }
        }
        let Some((text, cited)) = writing.finish().await else {
            let refused = refuse(customer, Refusal::NotAnswered, passages);
            send(parts, &refused.text).await;
            return Ok(Written {
                usage,
                model: model.name().into(),
                ..refused
            });
        };
        let cited = |s: &Source| cited.is_empty() || cited.contains(&s.n);
        Ok(Written {
            text,
            sources: sources(&shown).into_iter().filter(cited).collect(),
            refusal: None,
            usage,
            model: model.name().into(),
        })
    }
}

/// How a model can fail: before anything was shown, or in the middle of it.
enum Failure {
    Silent(ChatModelError),
    BrokenOff(ChatModelError),
}

/// An answer being written by a model, shown as it is checked.
struct Writing<'a> {
    parts: Option<&'a mpsc::Sender<Part>>,
    checker: Checker<'a>,
    /// Text that may still be the beginning of the model's word for a refusal, which must never be seen.
    held: Option<String>,
    shown: String,
}

impl<'a> Writing<'a> {
    fn new(parts: Option<&'a mpsc::Sender<Part>>, checker: Checker<'a>) -> Self {
        Self {
            parts,
            checker,
            held: Some(String::new()),
            shown: String::new(),
        }
    }

    async fn take(&mut self, more: &str) {
        let text = match self.held.take() {
            None => more.to_owned(),
            Some(held) => {
                let text = format!("{held}{more}");
                if ground::NO_ANSWER.starts_with(text.trim()) || text.trim().starts_with(ground::NO_ANSWER) {
                    self.held = Some(text);
                    return;
                }
                text.trim_start().to_owned()
            }
        };
        let ready = self.checker.push(&text);
        self.show(&ready).await;
    }

    async fn show(&mut self, text: &str) {
        if !text.is_empty() {
            send(self.parts, text).await;
            self.shown.push_str(text);
        }
    }

    /// The whole text and the sources that it cites; none if the model said that there is no answer.
    async fn finish(mut self) -> Option<(String, BTreeSet<usize>)> {
        let checker = std::mem::replace(&mut self.checker, Checker::new(0, Vec::new()));
        let (rest, cited) = checker.finish();
        self.show(&rest).await;
        (self.held.is_none() && !self.shown.is_empty()).then_some((self.shown, cited))
    }
}

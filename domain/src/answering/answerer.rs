//! The walk from a question to a stored answer.
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Instant;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    cache::{AnswerCache, Recipe},
    conversation::{self, Receipt, Turn},
    draft::Draft,
    model::ChatModel,
    prompt,
    support::{self, Refusal},
    written::{Written, refuse},
};
use crate::{
    Error, Result,
    config::ModelConfig,
    ids,
    language::Locale,
    retrieval::{Mode, Searcher},
    tenancy::{Customer, Db},
};

/// Passages that are considered.
pub(super) const CONSIDERED: usize = 12;

/// A visitor's question.
#[derive(Clone, Debug)]
pub struct Question {
    /// The visitor's session.
    pub session: Uuid,
    /// 1 to 2000 characters.
    pub text: String,
    /// The language of the page or of the visitor, where the question alone doesn't tell.
    pub locale: Option<Locale>,
}

/// A page that an answer rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// What citations name it by, from 1.
    pub n: usize,
    /// Its title.
    pub title: String,
    /// Its address.
    pub url: String,
    /// The passage's beginning.
    pub snippet: String,
    /// The passage's score.
    pub score: f64,
}

/// What an answer cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub tokens_in: u64,
    /// Tokens of the answer.
    pub tokens_out: u64,
}

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The conversation that it belongs to.
    pub conversation: Uuid,
    /// Its message.
    pub message: Uuid,
    /// The text, with citations like `[1]`.
    pub text: String,
    /// What it rests on; for a refusal, the nearest pages.
    pub sources: Vec<Source>,
    /// Why it is a refusal, if it is.
    pub refusal: Option<Refusal>,
    /// What it cost.
    pub usage: Usage,
    /// The model that wrote it, or `extractive`.
    pub model: String,
    /// It was made for somebody who asked the same.
    pub cached: bool,
}

impl Answer {
    /// Of no conversation yet.
    fn of(written: Written, cached: bool) -> Self {
        Self {
            conversation: Uuid::nil(),
            message: Uuid::nil(),
            text: written.text,
            sources: written.sources,
            refusal: written.refusal,
            usage: written.usage,
            model: written.model,
            cached,
        }
    }

    /// Whether the site does not say.
    pub fn refused(&self) -> bool {
        self.refusal.is_some()
    }
}

/// A piece of an answer as it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// More text.
    Token(String),
}

/// Answers questions. Cloning shares models and pools.
#[derive(Clone)]
pub struct Answerer {
    db: Db,
    pub(super) searcher: Searcher,
    pub(super) model: Option<ChatModel>,
    pub(super) simplified: bool,
    pub(super) recipe: Recipe,
    pub(super) cache: Option<AnswerCache>,
}

impl Answerer {
    /// With a provider's key in `config` a model writes; else answers are extractive.
    pub fn new(db: Db, searcher: Searcher, config: &ModelConfig) -> Result<Self> {
        Ok(Self {
            db,
            searcher,
            model: ChatModel::from_config(config)?,
            simplified: config.simplified,
            recipe: Recipe::of(config),
            cache: None,
        })
    }

    /// Gives answers that were given before, where that is right.
    #[must_use]
    pub fn with_cache(mut self, cache: AnswerCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Answers and stores. Text goes to `parts` as it is written, if somebody listens; dropping the future ends the work,
    /// and then nothing is stored.
    pub async fn answer(
        &self,
        customer: &Customer,
        question: &Question,
        parts: Option<mpsc::Sender<Part>>,
    ) -> Result<Answer> {
        let text = question.text.trim();
        let length = text.chars().count();
        if !(1..=2000).contains(&length) {
            return Err(Error::invalid(
                "message",
                format!("must have 1 to 2000 characters, not {length}"),
            ));
        }
        let began = Instant::now();
        let history = conversation::recent(&self.db.tenant(customer).await?, question.session).await?;
        let draft = match self.shared(customer, text, question.locale, &history) {
            Some((cache, key)) => {
                let work = self.work(customer, text);
                cache.answer(customer, &key, parts.as_ref(), work).await?
            }
            None => self.draft(customer, text, &history, parts.as_ref()).await?,
        };
        self.keep(customer, question.session, text, draft, began).await
    }

    /// What a visitor is answered who asks this first. Nothing is stored, and nothing is taken from a cache.
    pub async fn preview(&self, customer: &Customer, text: &str) -> Result<Answer> {
        let draft = self.draft(customer, text, &[], None).await?;
        Ok(Answer::of(draft.written, false))
    }

    /// Searches and writes; nothing is stored.
    pub(super) async fn draft(
        &self,
        customer: &Customer,
        text: &str,
        history: &[Turn],
        parts: Option<&mpsc::Sender<Part>>,
    ) -> Result<Draft> {
        let began = Instant::now();
        let found = self.searcher.search(customer, text, Mode::Hybrid, CONSIDERED).await?;
        let searched = began.elapsed();
        let written = match support::check(&found.passages, found.known) {
            Err(refusal) => refuse(customer, refusal, &found.passages),
            Ok(()) => self.write(customer, text, &found.passages, history, parts).await?,
        };
        if written.model == "extractive" {
            send(parts, &written.text).await;
        }
        let kept = found
            .passages
            .iter()
            .map(|p| json!({ "chunk": p.chunk, "page": p.page, "page_version": p.page_version, "score": p.score }));
        Ok(Draft {
            origin: ids::new_id(),
            lasting: history.is_empty() && self.lasts(&written, found.mode),
            written,
            passages: kept.collect::<Vec<_>>().into(),
            prompt_version: prompt::VERSION.to_owned(),
            timings: json!({ "search_ms": searched.as_millis() as u64, "mode": found.mode }),
            cached: None,
        })
    }

    /// Stores a visitor's question with its answer.
    async fn keep(
        &self,
        customer: &Customer,
        session: Uuid,
        question: &str,
        draft: Draft,
        began: Instant,
    ) -> Result<Answer> {
        let Draft {
            written, mut timings, ..
        } = draft;
        timings["total_ms"] = json!(began.elapsed().as_millis() as u64);
        let model = written.model.clone();
        let receipt = Receipt {
            model: &model,
            prompt_version: &draft.prompt_version,
            passages: draft.passages,
            timings,
            origin: draft.origin,
            cached: draft.cached.is_some(),
        };
        let mut answer = Answer::of(written, receipt.cached);
        let tx = self.db.tenant(customer).await?;
        (answer.conversation, answer.message) = conversation::store(&tx, session, question, &answer, &receipt).await?;
        tx.commit().await?;
        Ok(answer)
    }
}

/// Passes text on, if somebody listens.
pub(super) async fn send(parts: Option<&mpsc::Sender<Part>>, text: &str) {
    if let Some(parts) = parts {
        // Nobody listens any more: the caller drops this future.
        let _ = parts.send(Part::Token(text.to_owned())).await;
    }
}

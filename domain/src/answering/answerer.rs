//! The walk from a question to a stored answer.
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Instant;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    asked::Asked,
    broken::BROKE_OFF,
    cache::{AnswerCache, Recipe, Seen, Wanted},
    conversation::{self, Receipt},
    draft::Draft,
    found::Found,
    ground,
    model::Models,
    note::Note,
    prompt,
    received::Taken,
    support::{self, Refusal},
    turns::Turns,
    written::Written,
};
use crate::{
    Result,
    config::ModelConfig,
    ids,
    language::Locale,
    lifecycle::Lifecycle,
    people::{self, Received, Reception, Standing},
    privacy,
    retrieval::{Passage, Searcher, Version},
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
    /// The page.
    pub page: Uuid,
    /// The page's version that was read.
    pub page_version: i64,
}

/// What an answer cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub tokens_in: u64,
    /// Tokens of the answer.
    pub tokens_out: u64,
    /// USD; nothing where no price is known.
    #[serde(default)]
    pub cost_usd: f64,
}

impl Usage {
    /// Both together.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            tokens_in: self.tokens_in + other.tokens_in,
            tokens_out: self.tokens_out + other.tokens_out,
            cost_usd: self.cost_usd + other.cost_usd,
        }
    }
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
    /// What happened on the way to it.
    pub notes: Vec<Note>,
    /// It was made for somebody who asked the same.
    pub cached: bool,
    /// Who has the word now. Where that is not the bot, the text is empty.
    pub standing: Standing,
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
            notes: written.notes,
            cached,
            standing: Standing::default(),
        }
    }

    /// Nothing: the question went to people, and `message` is the question's.
    fn for_people(received: Received) -> Self {
        Self {
            conversation: received.conversation,
            message: received.message,
            text: String::new(),
            sources: Vec::new(),
            refusal: None,
            usage: Usage::default(),
            model: "people".into(),
            notes: Vec::new(),
            cached: false,
            standing: Standing {
                state: received.state,
                offered: false,
            },
        }
    }

    /// Whether the site's own words answer in the place of a model's.
    pub fn is_fallback(&self) -> bool {
        self.notes.iter().any(|note| note.is_fallback())
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
    pub(super) db: Db,
    pub(super) searcher: Searcher,
    pub(super) models: Option<Models>,
    pub(super) simplified: bool,
    pub(super) recipe: Recipe,
    pub(super) cache: Option<AnswerCache>,
    pub(super) turns: Turns,
}

impl Answerer {
    /// With a provider's key in `config` a model writes; else answers are extractive.
    pub fn new(db: &Db, searcher: Searcher, config: &ModelConfig) -> Result<Self> {
        let db = db.awaited();
        let models = Models::from_config(db.clone(), config)?;
        Ok(Self {
            db,
            searcher,
            models,
            simplified: config.simplified,
            recipe: Recipe::of(config),
            cache: None,
            turns: Turns::new(),
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
        let text = question.checked()?;
        let began = Instant::now();
        let Taken { asked, seen } = match Box::pin(self.receive(customer, question, text)).await? {
            Ok(taken) => taken,
            Err(received) => return Ok(Answer::for_people(received)),
        };
        match self.drafted(customer, &asked, seen, parts).await {
            Ok(draft) => Box::pin(self.keep(customer, question, &asked, draft, began)).await,
            Err(error) if error.code() == BROKE_OFF => {
                Err(Box::pin(self.broke_off(customer, question.session, &asked, began, error)).await)
            }
            Err(error) => Err(error),
        }
    }

    /// An answer that was given before, or a new one.
    async fn drafted(
        &self,
        customer: &Customer,
        asked: &Asked,
        seen: Seen,
        parts: Option<mpsc::Sender<Part>>,
    ) -> Result<Draft> {
        if let Some(reply) = asked.small_talk(customer) {
            send(parts.as_ref(), &reply).await;
            return Ok(Draft::said(reply));
        }
        if let Some((cache, key)) = self.shared(customer, asked) {
            let work = self.work(customer, asked);
            let wanted = Wanted { key, seen };
            return cache
                .answer(customer, wanted, self.models.is_some(), parts.as_ref(), work)
                .await;
        }
        if let Some(known) = self.recalled(customer, asked).await {
            known.tell(parts.as_ref()).await;
            return Ok(known);
        }
        self.draft(customer, asked, parts.as_ref()).await
    }

    /// Counts what abandoned answers cost by tasks of `life`, and makes ready what the first question would wait for.
    #[must_use]
    pub fn under(mut self, life: &Lifecycle) -> Self {
        life.spawn(tokio::task::spawn_blocking(ground::ready));
        if let Some(models) = &mut self.models {
            models.under(life.clone());
        }
        self
    }

    /// Lets go of the answers that are kept for a customer's visitors.
    pub async fn forget(&self, customer: Uuid) {
        if let Some(cache) = &self.cache {
            cache.forget(customer).await;
        }
    }

    /// The models that write, if there are any.
    pub fn models(&self) -> Option<&Models> {
        self.models.as_ref()
    }

    /// What a visitor is answered who asks this first. Nothing is stored, and nothing is taken from a cache.
    pub async fn preview(&self, customer: &Customer, text: &str) -> Result<Answer> {
        let draft = self.draft(customer, &Asked::first(text, None), None).await?;
        Ok(Answer::of(draft.written, false))
    }

    /// Searches and writes; nothing is stored.
    pub(super) async fn draft(
        &self,
        customer: &Customer,
        asked: &Asked,
        parts: Option<&mpsc::Sender<Part>>,
    ) -> Result<Draft> {
        let began = Instant::now();
        let turn = self.turns.take_soon(customer.id).await?;
        let waited = began.elapsed();
        let Found {
            passages,
            indexed,
            planted,
            mode,
        } = self.find(customer, Version::Published, &asked.meant).await?;
        let searched = began.elapsed().saturating_sub(waited);
        let supported = match self
            .supported(customer, Version::Published, &asked.meant, &passages)
            .await?
        {
            Err(Refusal::NothingIndexed) if indexed => Err(Refusal::NotOnSite),
            supported => supported,
        };
        if supported.is_err()
            && let Some(mended) = asked.mended(&passages)
        {
            drop(turn);
            return Box::pin(self.draft(customer, &mended, parts)).await;
        }
        let answerable = supported.is_ok();
        let fact = self
            .fact(customer, asked, &passages, answerable, Version::Published)
            .await?;
        let typed = fact.is_some();
        let mut written = match (fact, supported) {
            (Some(fact), _) => fact,
            (None, Err(refusal)) => self.refuse(customer, refusal, &passages, asked.locale).await?,
            (None, Ok(())) => self.write(customer, asked, &passages, parts, turn).await?,
        };
        written.removed.add("planted", planted);
        if written.model == "extractive" {
            send(parts, &written.text).await;
        }
        let kept = passages
            .iter()
            .map(|p| json!({ "chunk": p.chunk, "page": p.page, "page_version": p.page_version, "score": p.score }));
        Ok(Draft {
            origin: ids::new_id(),
            // Typed rows change without a new index version.
            lasting: asked.history.is_empty() && !typed && self.lasts(&written, mode),
            written,
            passages: kept.collect::<Vec<_>>().into(),
            prompt_version: prompt::VERSION.to_owned(),
            timings: json!({ "waited_ms": waited.as_millis() as u64, "search_ms": searched.as_millis() as u64, "mode": mode }),
            cached: None,
        })
    }

    /// Whether the site supports an answer to `question` from `passages`, best first. Their cosines are those of the index's model, which
    /// is another one than the configured while indexes change.
    pub(super) async fn supported(
        &self,
        customer: &Customer,
        version: Version,
        question: &str,
        passages: &[Passage],
    ) -> Result<Result<(), Refusal>> {
        let model = self.searcher.models().of_version(customer, version).await?;
        let multilingual = model.is_some_and(|model| model.embedder.model().multilingual);
        Ok(support::supported(question, passages, multilingual))
    }

    /// Stores a visitor's question with its answer.
    async fn keep(
        &self,
        customer: &Customer,
        question: &Question,
        asked: &Asked,
        draft: Draft,
        began: Instant,
    ) -> Result<Answer> {
        let session = question.session;
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
            removed: serde_json::to_value(&written.removed)?,
            since: began.elapsed(),
        };
        let mut answer = Answer::of(written, receipt.cached);
        answer.usage = answer.usage.and(asked.spent);
        let tx = self.db.tenant(customer).await?;
        // A person may have taken the word while a model was writing; then the question is theirs, and the bot has not spoken.
        if let Reception::People(received) = people::receive(&tx, customer, session, &asked.said, asked.locale).await? {
            tx.commit().await?;
            return Ok(Answer::for_people(received));
        }
        (answer.conversation, answer.message) = conversation::store(&tx, session, asked, &answer, &receipt).await?;
        answer.standing = people::offered(&tx, customer, answer.conversation).await?;
        tx.commit().await?;
        if let Err(error) = conversation::count(&self.db, customer).await {
            // The answer is stored.
            tracing::warn!(error = error.story(), "an answer is not counted");
        }
        if let Err(error) = self.searcher.models().settle(customer).await {
            tracing::warn!(error = error.story(), "what a question's vectors cost is counted later");
        }
        told(customer, session, &answer, began);
        Ok(answer)
    }
}

/// One line of the log for each answer, without a word of it.
fn told(customer: &Customer, session: Uuid, answer: &Answer, began: Instant) {
    let session = hex::encode(&privacy::session_hash(customer.id, session)[..8]);
    tracing::info!(
        event = "chat_request",
        customer.domain = customer.domain,
        session.id = session,
        conversation = %answer.conversation,
        message = %answer.message,
        model = answer.model,
        cached = answer.cached,
        refusal = answer.refusal.map_or("", Refusal::as_str),
        tokens_in = answer.usage.tokens_in,
        tokens_out = answer.usage.tokens_out,
        cost_usd = answer.usage.cost_usd,
        duration_ms = began.elapsed().as_millis() as u64,
    );
}

/// Passes text on, if somebody listens.
pub(super) async fn send(parts: Option<&mpsc::Sender<Part>>, text: &str) {
    if let Some(parts) = parts {
        // Nobody listens any more: the caller drops this future.
        let _ = parts.send(Part::Token(text.to_owned())).await;
    }
}

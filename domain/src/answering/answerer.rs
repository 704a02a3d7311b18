//! The walk from a question to a stored answer.
use futures::StreamExt;
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::BTreeSet, pin::pin, time::Instant};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    conversation::{self, Receipt, Turn},
    extractive,
    ground::{self, Checker},
    model::{ChatModel, ChatModelError, Piece},
    prompt,
    support::{self, Refusal},
};
use crate::{
    Error, Result,
    config::ModelConfig,
    retrieval::{Mode, Passage, Searcher},
    tenancy::{Customer, Db, settings},
};

/// Passages that are considered.
const CONSIDERED: usize = 12;
/// Sources that an answer shows.
const SHOWN: usize = 4;

/// A visitor's question.
#[derive(Clone, Debug)]
pub struct Question {
    /// The visitor's session.
    pub session: Uuid,
    /// 1 to 2000 characters.
    pub text: String,
}

/// A page that an answer rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
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
}

impl Answer {
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
    searcher: Searcher,
    model: Option<ChatModel>,
    simplified: bool,
}

struct Written {
    text: String,
    sources: Vec<Source>,
    refusal: Option<Refusal>,
    usage: Usage,
    model: String,
}

impl Answerer {
    /// With a provider's key in `config` a model writes; else answers are extractive.
    pub fn new(db: Db, searcher: Searcher, config: &ModelConfig) -> Result<Self> {
        Ok(Self {
            db,
            searcher,
            model: ChatModel::from_config(config)?,
            simplified: config.simplified,
        })
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
        let found = self.searcher.search(customer, text, Mode::Hybrid, CONSIDERED).await?;
        let searched = began.elapsed();
        let written = match support::check(&found.passages, found.known) {
            Err(refusal) => refuse(customer, refusal, &found.passages),
            Ok(()) => {
                self.write(customer, text, &found.passages, &history, parts.as_ref())
                    .await?
            }
        };
        if written.model == "extractive" {
            send(parts.as_ref(), &written.text).await;
        }
        let timings = json!({ "search_ms": searched.as_millis() as u64, "total_ms": began.elapsed().as_millis() as u64, "mode": found.mode });
        self.keep(customer, question.session, text, written, &found.passages, timings)
            .await
    }

    async fn keep(
        &self,
        customer: &Customer,
        session: Uuid,
        question: &str,
        written: Written,
        passages: &[Passage],
        timings: Value,
    ) -> Result<Answer> {
        let Written {
            text,
            sources,
            refusal,
            usage,
            model,
        } = written;
        let mut answer = Answer {
            conversation: Uuid::nil(),
            message: Uuid::nil(),
            text,
            sources,
            refusal,
            usage,
            model,
        };
        let kept = passages
            .iter()
            .map(|p| json!({ "chunk": p.chunk, "page": p.page, "page_version": p.page_version, "score": p.score }));
        let passages = kept.collect::<Vec<_>>().into();
        let tx = self.db.tenant(customer).await?;
        let model = answer.model.clone();
        let receipt = Receipt {
            model: &model,
            prompt_version: prompt::VERSION,
            passages,
            timings,
        };
        (answer.conversation, answer.message) = conversation::store(&tx, session, question, &answer, &receipt).await?;
        tx.commit().await?;
        Ok(answer)
    }

    async fn write(
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

    /// How near each text is to the question; none without a model.
    async fn nearness(&self, question: &str, mut texts: Vec<String>) -> Result<Option<Vec<f32>>> {
        texts.insert(0, question.to_owned());
        let vectors = self.searcher.embed_query(&texts).await?;
        Ok(vectors.map(|vectors| {
            let dot = |v: &Vec<f32>| v.iter().zip(&vectors[0]).map(|(a, b)| a * b).sum::<f32>();
            vectors[1..].iter().map(dot).collect()
        }))
    }

    /// Quotes the section of the best passage; the other pages are further sources.
    async fn extract(&self, customer: &Customer, question: &str, passages: &[Passage]) -> Result<Written> {
        let best = passages
            .first()
            .ok_or_else(|| Error::internal("quoting", "no passage"))?;
        let section = extractive::Section::new(best, &self.searcher.section(customer, best).await?);
        let near = self.nearness(question, section.texts()).await?;
        let body = extractive::compose(&section, near.as_deref().unwrap_or_default(), self.simplified);
        let sources = sources(&one_a_page(passages));
        // The mark stands on a line of its own after a list, table or code block.
        let mark = if body.ends_with("```") || body.lines().last().is_some_and(|l| l.starts_with('|')) {
            "\n\n[1]"
        } else {
            " [1]"
        };
        Ok(Written {
            text: body + mark,
            sources,
            refusal: None,
            usage: Usage::default(),
            model: "extractive".into(),
        })
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

async fn send(parts: Option<&mpsc::Sender<Part>>, text: &str) {
    if let Some(parts) = parts {
        // Nobody listens any more: the caller drops this future.
        let _ = parts.send(Part::Token(text.to_owned())).await;
    }
}

fn refuse(customer: &Customer, refusal: Refusal, passages: &[Passage]) -> Written {
    let contact = match (settings(customer, "contact_email"), settings(customer, "contact_url")) {
        (Some(email), _) => format!(" You can reach us at {email}."),
        (None, Some(url)) => format!(" You can reach us at {url}."),
        (None, None) => String::new(),
    };
    let text = match refusal {
        Refusal::NothingIndexed => format!("This site has not been read yet, so I can't answer.{contact}"),
        Refusal::NotOnSite | Refusal::NotAnswered => format!("The site does not say.{contact}"),
    };
    let sources = if refusal == Refusal::NotAnswered {
        sources(&one_a_page(passages))
    } else {
        Vec::new()
    };
    Written {
        text,
        sources,
        refusal: Some(refusal),
        usage: Usage::default(),
        model: "extractive".into(),
    }
}

/// The best passage of each page.
fn one_a_page(passages: &[Passage]) -> Vec<&Passage> {
    let mut shown: Vec<&Passage> = Vec::new();
    for passage in passages {
        if shown.len() < SHOWN && shown.iter().all(|p| p.page != passage.page) {
            shown.push(passage);
        }
    }
    shown
}

fn sources(passages: &[&Passage]) -> Vec<Source> {
    let source = |(i, p): (usize, &&Passage)| Source {
        n: i + 1,
        title: if p.title.is_empty() {
            p.url.clone()
        } else {
            p.title.clone()
        },
        url: p.url.clone(),
        snippet: p.text.chars().take(240).collect(),
        score: (p.score * 1000.0).round() / 1000.0,
    };
    passages.iter().enumerate().map(source).collect()
}

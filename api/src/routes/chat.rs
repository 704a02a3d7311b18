//! Questions of visitors, answered as one JSON document or as it is written.
use domain::{
    Error,
    answering::{Answer as Answered, Part, Question},
    error::Kind,
    ids,
    language::Locale,
    people::{Bell, State},
    privacy::consent::heed_signal,
    tenancy::{Customer, Db, own_domain},
};
use futures::{FutureExt, Stream, stream};
use poem::{
    Request,
    http::header,
    web::{Data, sse::Event},
};
use poem_openapi::{ApiResponse, Object, OpenApi, ResponseContent, payload::Json, types::ToJSON};
use serde_json::{Value, json};
use std::{collections::VecDeque, time::Instant};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    consent::signal,
    conversations::StateName,
    sse::{Events, event},
};
use crate::{
    Context,
    error::{Answer, Failure},
    extractors::{Asker, Body},
    metrics,
    middleware::RequestId,
    openapi::Tag,
};

/// A question.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct ChatRequest {
    /// The question.
    #[oai(validator(min_length = 1, max_length = 2000))]
    message: String,
    /// The customer's domain, a host or a URL; left out, the customer's primary one.
    #[oai(nullable, validator(min_length = 1, max_length = 260))]
    domain: Option<String>,
    /// Keys the conversation. With an API key it may be left out: a new one is made.
    #[oai(nullable)]
    session_id: Option<Uuid>,
    /// The visitor's language (a BCP 47 tag), where the question alone does not tell; left out, the session's, else the one that the
    /// visitor wrote in last.
    #[oai(nullable, validator(max_length = 35))]
    locale: Option<String>,
}

/// A page that an answer rests on.
#[derive(Debug, Object)]
struct Source {
    /// What citations such as `[1]` name it by.
    n: u64,
    title: String,
    url: String,
    snippet: String,
    score: f64,
}

/// What an answer cost.
#[derive(Debug, Object)]
struct Usage {
    tokens_in: u64,
    tokens_out: u64,
}

/// An answer.
#[derive(Debug, Object)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the contract's flags, each of which stands by itself"
)]
struct ChatAnswer {
    conversation_id: Uuid,
    message_id: Uuid,
    session_id: Uuid,
    /// The text, with citations like `[1]`.
    answer: String,
    /// What it rests on; for a refusal, the nearest pages.
    sources: Vec<Source>,
    products: Vec<Value>,
    /// The site does not say.
    refused: bool,
    /// `nothing_indexed`, `not_on_site` or `not_answered`.
    #[oai(nullable)]
    refusal_reason: Option<String>,
    usage: Usage,
    /// It was made for somebody who asked the same, and cost nothing.
    cached: bool,
    /// The site's own words answer in the place of a model's; `notes` says why.
    fallback: bool,
    /// What happened on the way: `provider_unavailable`, `budget_reached`, `budget_low` (the small model wrote it) or `cut_short` (it
    /// ends early).
    notes: Vec<String>,
    /// The model that wrote it, or `extractive`; `people` where the question went to people.
    model: String,
    /// Who has the word now. While that is `waiting` or `human`, `answer` may be empty: people answer, and their replies come by
    /// the conversation's events. `message_id` is the question's then.
    state: StateName,
    /// The bot has failed twice in a row: offer a person.
    offer_human: bool,
}

#[derive(ResponseContent)]
enum ChatContent {
    /// The whole answer.
    Json(Json<ChatAnswer>),
    /// `token` {text}, `sources` {sources}, `products` {products}, then `done` (the answer without its text) or `error` (a
    /// problem).
    Events(Events),
}

#[derive(ApiResponse)]
enum ChatResponse {
    /// The answer; as events if `Accept` names `text/event-stream`.
    #[oai(status = 200)]
    Ok(ChatContent),
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Ask a question
    #[oai(path = "/api/chat", method = "post", tag = "Tag::Chat", operation_id = "chat")]
    async fn chat(
        &self,
        req: &Request,
        context: Data<&Context>,
        #[oai(name = "customer_id")] asker: Asker,
        body: Body<ChatRequest>,
    ) -> Answer<ChatResponse> {
        let session = session(&asker, body.0.session_id)?;
        if let Some(domain) = &body.0.domain {
            own_domain(&context.db.awaited(), &asker.customer, &domain.parse()?).await?;
        }
        let question = Question {
            session,
            text: body.0.message,
            locale: body.0.locale.as_deref().and_then(Locale::of_tag).or(asker.locale),
        };
        let meter = metrics::Chat::begin(context.hosts.label(&asker.customer));
        if asker.session.is_some() && signal(req) {
            heed(&context.db.awaited(), &asker.customer, session).await?;
        }
        let accept = req
            .headers()
            .get(header::ACCEPT)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        if accept.contains("text/event-stream") {
            let id = req.data::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
            let events = Events::new(answer_events(context.0, asker.customer, question, meter, id));
            return Ok(ChatResponse::Ok(ChatContent::Events(events)));
        }
        let answer = context.answerer.answer(&asker.customer, &question, None).boxed();
        let answered = measured(meter, told(&context.bell, &asker.customer, answer)).await?;
        Ok(ChatResponse::Ok(ChatContent::Json(Json(ChatAnswer::of(
            answered, session,
        )))))
    }
}

/// Visitors keep to their own session; a key names one or gets a new one.
fn session(asker: &Asker, named: Option<Uuid>) -> domain::Result<Uuid> {
    match (asker.session, named) {
        (Some(own), Some(named)) if own != named => Err(Error::new(
            Kind::Forbidden,
            "foreign_session",
            "the token belongs to another session",
        )),
        (Some(own), _) => Ok(own),
        (None, named) => Ok(named.unwrap_or_else(ids::new_id)),
    }
}

/// Tells people who follow the conversation of a turn that is theirs.
async fn told(
    bell: &Bell,
    customer: &Customer,
    answer: impl Future<Output = domain::Result<Answered>>,
) -> domain::Result<Answered> {
    let answered = answer.await?;
    if answered.standing.state != State::Bot {
        bell.ring(customer, answered.conversation).await;
    }
    Ok(answered)
}

/// Keeps the wish of the session's browser that nothing is sold, before anybody is told of what the visitor says.
async fn heed(db: &Db, customer: &Customer, session: Uuid) -> domain::Result<()> {
    let tx = db.tenant(customer).await?;
    heed_signal(&tx, session).await?;
    tx.commit().await
}

async fn measured(
    mut meter: metrics::Chat,
    answer: impl Future<Output = domain::Result<Answered>>,
) -> domain::Result<Answered> {
    let answered = answer.await;
    meter.end(match &answered {
        Ok(answer) if answer.refused() => "refused",
        Ok(answer) if answer.text.is_empty() => "passed_on",
        Ok(_) => "answered",
        Err(_) => "failed",
    });
    answered
}

/// Pieces of an answer that wait for their reader; then the writing waits.
const PARTS: usize = 64;

/// An answer being written. The work lives in the stream: dropping it ends the work.
struct Writing<F> {
    answer: F,
    parts: mpsc::Receiver<Part>,
    last: VecDeque<Event>,
    ended: bool,
    /// When the question came, until the first text goes out.
    unseen: Option<Instant>,
    session: Uuid,
    request_id: String,
}

fn answer_events(
    context: &Context,
    customer: Customer,
    question: Question,
    meter: metrics::Chat,
    request_id: String,
) -> impl Stream<Item = Event> + Send + use<> {
    let (sender, parts) = mpsc::channel(PARTS);
    let (answerer, bell, session) = (context.answerer.clone(), context.bell.clone(), question.session);
    let work = async move {
        let answer = answerer.answer(&customer, &question, Some(sender)).boxed();
        measured(meter, told(&bell, &customer, answer)).await
    };
    written(work.boxed(), parts, session, request_id)
}

/// The events of `answer`, whose text comes by `parts`.
fn written(
    answer: impl Future<Output = domain::Result<Answered>> + Send + Unpin,
    parts: mpsc::Receiver<Part>,
    session: Uuid,
    request_id: String,
) -> impl Stream<Item = Event> + Send {
    let writing = Writing {
        answer,
        parts,
        last: VecDeque::new(),
        ended: false,
        unseen: Some(Instant::now()),
        session,
        request_id,
    };
    stream::unfold(writing, |mut writing| async move {
        writing.next().await.map(|event| (event, writing))
    })
}

impl<F: Future<Output = domain::Result<Answered>> + Unpin> Writing<F> {
    async fn next(&mut self) -> Option<Event> {
        if self.ended {
            return self.last.pop_front();
        }
        tokio::select! {
            biased;
            Some(Part::Token(text)) = self.parts.recv() => {
                if let Some(asked) = self.unseen.take() {
                    metrics::first_token(asked.elapsed());
                }
                Some(token(&text))
            }
            answered = &mut self.answer => {
                self.ended = true;
                while let Ok(Part::Token(text)) = self.parts.try_recv() {
                    self.last.push_back(token(&text));
                }
                self.last.extend(ending(answered, self.session, &self.request_id));
                self.last.pop_front()
            }
        }
    }
}

fn token(text: &str) -> Event {
    event("token", &json!({ "text": text }))
}

fn ending(answered: domain::Result<Answered>, session: Uuid, request_id: &str) -> Vec<Event> {
    let answer = match answered {
        Ok(answered) => ChatAnswer::of(answered, session),
        Err(error) => return vec![failed(error, request_id)],
    };
    let sources = event("sources", &json!({ "sources": answer.sources.to_json() }));
    let products = event("products", &json!({ "products": answer.products }));
    let mut done = answer.to_json().unwrap_or_default();
    if let Some(done) = done.as_object_mut() {
        done.remove("answer");
    }
    vec![sources, products, event("done", &done)]
}

/// A failure after the answer's status has been sent.
pub fn failed(error: Error, request_id: &str) -> Event {
    let (offered, failure) = (error.offers_people(), Failure::from(error));
    if failure.status().is_server_error() {
        tracing::error!(request.id = request_id, error = failure.story(), "a stream failed");
    }
    let mut problem = failure.problem(request_id).to_json().unwrap_or_default();
    if let Some(problem) = problem.as_object_mut().filter(|_| offered) {
        problem.insert("offer_human".into(), true.into());
    }
    event("error", &problem)
}

impl ChatAnswer {
    fn of(answered: Answered, session: Uuid) -> Self {
        let source = |s: domain::answering::Source| Source {
            n: s.n as u64,
            title: s.title,
            url: s.url,
            snippet: s.snippet,
            score: s.score,
        };
        Self {
            conversation_id: answered.conversation,
            message_id: answered.message,
            session_id: session,
            refused: answered.refused(),
            fallback: answered.is_fallback(),
            notes: answered.notes.iter().map(|note| note.as_str().to_owned()).collect(),
            refusal_reason: answered.refusal.map(|r| r.as_str().to_owned()),
            answer: answered.text,
            sources: answered.sources.into_iter().map(source).collect(),
            products: Vec::new(),
            usage: Usage {
                tokens_in: answered.usage.tokens_in,
                tokens_out: answered.usage.tokens_out,
            },
            cached: answered.cached,
            model: answered.model,
            state: answered.standing.state.into(),
            offer_human: answered.standing.offered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    /// What a reader does not take is not written: the answer waits after so many pieces, whatever the model would say.
    #[tokio::test]
    async fn a_reader_who_takes_nothing_holds_the_writing_back() {
        const PIECE: usize = 1024;
        let (sender, parts) = mpsc::channel(PARTS);
        let accepted = Arc::new(AtomicUsize::new(0));
        let counted = accepted.clone();
        let endless = async move {
            while sender.send(Part::Token("x".repeat(PIECE))).await.is_ok() {
                counted.fetch_add(PIECE, SeqCst);
            }
            Err(Error::not_found("reader"))
        };
        let mut events = Box::pin(written(endless.boxed(), parts, Uuid::nil(), String::new()));
        assert!(events.next().await.is_some());
        let waiting = PARTS * PIECE;
        assert!((PIECE..=waiting).contains(&accepted.load(SeqCst)));
        for _ in 0..200 {
            assert!(events.next().await.is_some());
        }
        let (taken, written) = (201 * PIECE, accepted.load(SeqCst));
        assert!(written > 100 * PIECE && written <= taken + waiting, "{written}");
        let before = accepted.load(SeqCst);
        tokio::task::yield_now().await;
        assert_eq!(accepted.load(SeqCst), before, "nobody writes while nobody reads");
    }
}

//! Answers that are made before anybody asks.
use domain::{
    Error,
    answering::Warmed,
    jobs::{self, request_hash},
    limits::Class,
};
use poem::web::Data;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::Header,
    payload::Json,
    types::{ParseFromJSON, ToJSON},
};
use serde_json::Value;
use std::time::Duration;

use crate::{
    Context,
    error::Answer,
    extractors::{Body, Caller, Chats},
    openapi::Tag,
};

/// How long the answer waits for what is being made; the work goes on after it.
const PATIENCE: Duration = Duration::from_secs(8);

/// Questions that visitors are expected to ask.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewWarming {
    /// 1 to 2000 characters each.
    #[oai(validator(min_items = 1, max_items = 100))]
    questions: Vec<String>,
}

/// What has become of a question.
#[derive(Debug, Object)]
struct WarmedQuestion {
    question: String,
    /// `kept`: the answer was made and is kept. `known`: it was there. `refused`: the site does not say. `unfit`: such answers are
    /// never kept. `failed`: ask again later. `waiting`: its turn comes.
    state: String,
    /// Of a refusal `nothing_indexed`, `not_on_site` or `not_answered`; of what is unfit `personal`, `small_talk`, `handoff` or
    /// `length`.
    #[oai(nullable)]
    reason: Option<String>,
}

/// Questions that are being answered.
#[derive(Debug, Object)]
struct WarmingAnswer {
    /// How many answers are kept now, with those that were there.
    kept: u64,
    /// How many questions wait for their turn; ask again to see what became of them.
    waiting: u64,
    questions: Vec<WarmedQuestion>,
}

impl WarmingAnswer {
    fn of(questions: Vec<String>, states: &[Warmed]) -> Self {
        let count = |wanted: &[&str]| states.iter().filter(|state| wanted.contains(&state.words().0)).count() as u64;
        Self {
            kept: count(&["kept", "known"]),
            waiting: count(&["waiting"]),
            questions: questions
                .into_iter()
                .zip(states)
                .map(|(question, state)| {
                    let (state, reason) = state.words();
                    WarmedQuestion {
                        question,
                        state: state.to_owned(),
                        reason: reason.map(str::to_owned),
                    }
                })
                .collect(),
        }
    }
}

#[derive(ApiResponse)]
enum WarmingResponse {
    /// The questions are taken; what is through within some seconds is told.
    #[oai(status = 202)]
    Accepted(Json<WarmingAnswer>),
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Make answers before they are asked for
    ///
    /// One call of a customer at a time: while the questions of the last one are not through, 429.
    #[oai(
        path = "/api/cache/warm",
        method = "post",
        tag = "Tag::Chat",
        operation_id = "warm_cache"
    )]
    async fn warm(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Chats>,
        /// The same key with the same body gives the same answer for a day.
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))]
        key: Header<Option<String>>,
        body: Body<NewWarming>,
    ) -> Answer<WarmingResponse> {
        let questions = body.0.questions;
        // Kept by their places: the questions are what visitors ask, and stand in the request that the same key comes with.
        let places: Vec<String> = (0..questions.len()).map(|place| place.to_string()).collect();
        let hash = request_hash("warm", &body.1);
        let tx = context.db.tenant(&caller.customer).await?;
        if let Some(key) = &key.0
            && let Some(told) = jobs::replay(&tx, key, &hash).await?
        {
            return Ok(WarmingResponse::Accepted(Json(read(told, questions)?)));
        }
        caller.spend(&context, Class::Batch).await?;
        let warming = context.answerer.warm(&caller.customer, questions.clone())?;
        if let Some(key) = &key.0 {
            let waiting = vec![Warmed::Waiting; questions.len()];
            let answer = WarmingAnswer::of(places.clone(), &waiting);
            jobs::remember(&tx, key, &answer.to_json().unwrap_or_default()).await?;
        }
        tx.commit().await?;
        let states = warming.within(PATIENCE).await;
        if let Some(key) = &key.0 {
            let tx = context.db.tenant(&caller.customer).await?;
            let answer = WarmingAnswer::of(places, &states);
            jobs::remember(&tx, key, &answer.to_json().unwrap_or_default()).await?;
            tx.commit().await?;
        }
        Ok(WarmingResponse::Accepted(Json(WarmingAnswer::of(questions, &states))))
    }
}

/// The answer that was given before to these questions.
fn read(told: Value, questions: Vec<String>) -> domain::Result<WarmingAnswer> {
    let told = WarmingAnswer::parse_from_json(Some(told));
    let mut told = told.map_err(|e| Error::internal("reading an answer", e.into_message()))?;
    for (known, question) in told.questions.iter_mut().zip(questions) {
        known.question = question;
    }
    Ok(told)
}

//! The models that write: which one is asked ([`routing`]), what it may cost ([`budget`]), and what each call came to ([`call`]).
//!
//! `chat_model` does the asking and knows nothing of customers; here a call belongs to one. What must stay true: no model is asked
//! before what the answer may cost is set aside, and whatever becomes of the call, what it did cost is counted.
mod budget;
mod call;
mod routing;
mod tab;
mod usage;

use chat_model::{Client, Message, Request, Role, Settings, State};
use std::time::Instant;

/// What a model's circuit lets through.
pub use chat_model::State as Circuit;

pub use self::{
    budget::{CustomerBudget, budget_of, set_budget},
    usage::{DayOfUsage, usage_between},
};
pub(super) use self::{
    call::{Call, Finished},
    routing::{Size, size},
    tab::Tab,
};

use self::{
    budget::{Refused, Spending},
    call::count,
};
use super::{note::Note, prompt::ChatMessage};
use crate::{
    Error, Result,
    config::{Budget, ModelConfig},
    lifecycle::Lifecycle,
    tenancy::{Customer, Db},
};

/// Beside the text, each message costs some tokens (`OpenAI` cookbook, "How to count tokens"); rather one too many.
const PER_MESSAGE: u64 = 4;

/// A model with its price.
#[derive(Clone)]
pub(super) struct Writer {
    model: chat_model::Model,
    price: Option<chat_model::Price>,
}

impl Writer {
    /// USD; nothing where no price is known.
    fn cost(&self, tokens_in: u64, tokens_out: u64) -> f64 {
        self.price.map_or(0.0, |price| price.of(tokens_in, tokens_out))
    }
}

/// The models of one installation. Cloning shares their connections and circuits.
#[derive(Clone)]
pub struct Models {
    db: Db,
    life: Option<Lifecycle>,
    large: Writer,
    small: Writer,
    max_tokens: u32,
    budget: Budget,
}

/// Why there is no call.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The customer's day is used up.
    Budget,
    /// The provider gave nothing; what it said is in the log.
    Provider,
    /// Our own fault.
    Own(Error),
}

impl Models {
    /// None without a key.
    pub fn from_config(db: Db, config: &ModelConfig) -> Result<Option<Self>> {
        let Some(key) = config.api_key.clone() else {
            return Ok(None);
        };
        let settings = Settings {
            base_url: config.base_url.clone(),
            key,
            limits: config.chat.limits.clone(),
        };
        let client = Client::new(settings).map_err(|e| Error::internal("the provider's client", e))?;
        let writer = |name: &str| Writer {
            model: client.model(name),
            price: config.chat.prices.of(name),
        };
        let large = writer(&config.chat_model);
        let small = if config.chat.small_model == config.chat_model {
            large.clone()
        } else {
            writer(&config.chat.small_model)
        };
        Ok(Some(Self {
            db,
            life: None,
            large,
            small,
            max_tokens: config.chat.max_tokens,
            budget: config.chat.budget,
        }))
    }

    /// Calls that nobody waits for any more are counted by tasks of this lifecycle; without one, what was set aside for them stays.
    pub(super) fn under(&mut self, life: Lifecycle) {
        self.life = Some(life);
    }

    /// Asks a model for an answer to a customer's visitor. A large one that is away gives way to the small one.
    pub(super) async fn ask(
        &self,
        customer: &Customer,
        messages: &[ChatMessage],
        size: Size,
        tab: &Tab,
    ) -> Result<Call, Unanswered> {
        let mut notes = Vec::new();
        let wanted = match size {
            Size::Large => &self.large,
            Size::Small => &self.small,
        };
        let messages: Vec<Message> = messages.iter().map(Message::from).collect();
        let tokens_in = messages
            .iter()
            .map(|m| chat_model::estimate(&m.content) + PER_MESSAGE)
            .sum();
        let most = |writer: &Writer| writer.cost(tokens_in, self.max_tokens.into());
        let mut spending = Box::pin(self.set_aside(customer, most(wanted), tab)).await?;
        let mut writer = wanted;
        if spending.is_late() && most(&self.small) < most(wanted) {
            writer = &self.small;
            notes.push(Note::BudgetLow);
        }
        let request = Request {
            messages: &messages,
            temperature: 0.1,
            max_tokens: self.max_tokens,
        };
        loop {
            spending.spend(tokens_in, 0, writer.cost(tokens_in, 0));
            let asked = Instant::now();
            let asking = Box::pin(writer.model.chat(&request)).await;
            tracing::info!(
                event = "llm_request",
                customer.domain = customer.domain,
                model = writer.model.name(),
                status = asking.as_ref().map_or_else(chat_model::Error::word, |_| "answers"),
                tokens_in,
                duration_ms = asked.elapsed().as_millis() as u64,
            );
            match asking {
                Ok(answer) => {
                    let model = writer.model.name().to_owned();
                    metrics::histogram!("omniops_llm_first_token_seconds", "model" => model)
                        .record(asked.elapsed().as_secs_f64());
                    return Ok(Call::new(answer, writer.clone(), spending, tokens_in, notes));
                }
                Err(error) => {
                    count(writer, error.word());
                    told(writer, &error);
                    if !error.may_be_billed() {
                        spending.spend(0, 0, 0.0);
                    }
                    let other = &self.small;
                    if error.is_away() && other.model.name() != writer.model.name() && most(other) <= most(wanted) {
                        writer = other;
                        spending.go_on();
                        continue;
                    }
                    Box::pin(spending.settle()).await.map_err(Unanswered::Own)?;
                    return Err(Unanswered::Provider);
                }
            }
        }
    }

    async fn set_aside(&self, customer: &Customer, usd: f64, tab: &Tab) -> Result<Spending, Unanswered> {
        match Spending::reserve(&self.db, self.life.as_ref(), customer, usd, &self.budget).await {
            Ok(spending) => Ok(spending.on(tab)),
            Err(Refused::Budget) => {
                count(&self.large, "budget");
                Err(Unanswered::Budget)
            }
            Err(Refused::Own(error)) => Err(Unanswered::Own(error)),
        }
    }

    /// A model whose price is not known: what it costs is counted as nothing, and no budget can be kept.
    pub fn unpriced(&self) -> Option<&str> {
        let writer = [&self.large, &self.small]
            .into_iter()
            .find(|writer| writer.price.is_none())?;
        Some(writer.model.name())
    }

    /// Each model and what its circuit lets through.
    pub fn circuits(&self) -> Vec<(&str, State)> {
        let mut models = vec![&self.large.model];
        if self.small.model.name() != self.large.model.name() {
            models.push(&self.small.model);
        }
        models
            .iter()
            .map(|model| (model.name(), model.breaker().state()))
            .collect()
    }

    /// Measures the circuits: 0 closed, 1 one call tries, 2 open.
    pub fn measure(&self) {
        for (model, state) in self.circuits() {
            let value = match state {
                State::Closed => 0.0,
                State::HalfOpen => 1.0,
                State::Open => 2.0,
            };
            metrics::gauge!("omniops_llm_breaker_state", "model" => model.to_owned()).set(value);
        }
    }
}

/// What a provider says of one request may repeat the visitor's words, which no log gets.
fn told(writer: &Writer, error: &chat_model::Error) {
    let detail = without_echo(error);
    tracing::warn!(
        event = "llm_failed",
        model = writer.model.name(),
        error = error.word(),
        detail,
        "a model gave no answer"
    );
}

/// The error as a log may have it. What a provider says of the key, the model or the address is of use there; in anything else it may
/// repeat what it was asked, so only its status and its own one word for it are told.
pub(super) fn without_echo(error: &chat_model::Error) -> String {
    use chat_model::Error as E;
    match error {
        E::Status {
            status: 401 | 403 | 404,
            ..
        } => error.to_string(),
        E::Status { status, code, .. } => {
            let word = |code: &&String| code.len() <= 40 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            let code = code
                .as_ref()
                .filter(word)
                .map_or(String::new(), |code| format!(" ({code})"));
            format!("the provider answered {status}{code}")
        }
        E::Protocol(_) | E::Failed(_) | E::Cut(_) => error.word().to_owned(),
        _ => error.to_string(),
    }
}

impl From<&ChatMessage> for Message {
    fn from(message: &ChatMessage) -> Self {
        Self {
            role: match message.role {
                "system" => Role::System,
                "assistant" => Role::Assistant,
                _ => Role::User,
            },
            content: message.content.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_repeats_of_a_question_is_not_logged() {
        let echo = "prompt: my address is jane@mail.example, call 0171 2345678";
        let status = |status, code: &str| chat_model::Error::Status {
            status,
            code: Some(code.into()),
            message: echo.into(),
            retry_after: None,
        };
        let told = |error: &chat_model::Error| without_echo(error);
        assert_eq!(
            told(&status(500, "server_error")),
            "the provider answered 500 (server_error)"
        );
        assert_eq!(told(&status(500, echo)), "the provider answered 500");
        for error in [
            chat_model::Error::Failed(echo.into()),
            chat_model::Error::Protocol(echo.into()),
            chat_model::Error::Cut(echo.into()),
        ] {
            assert!(!told(&error).contains("jane"), "{}", told(&error));
        }
        assert!(
            told(&status(401, "invalid_api_key")).contains(echo),
            "no question is read by who refuses the key"
        );
    }
}

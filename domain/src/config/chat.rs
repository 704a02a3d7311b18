//! The models that write answers: which, how long they may take, and what they may cost.
use chat_model::{Limits, Prices};
use std::time::Duration;

use super::Reader;

/// The large model if none is named.
pub(super) const LARGE_MODEL: &str = "gpt-4o";
/// The provider if none is named.
pub(super) const OPENAI: &str = "https://api.openai.com/v1";
/// The small one beside it.
const SMALL_MODEL: &str = "gpt-4o-mini";

/// What a customer's answers may cost a day, in USD. A customer's own limits go before these.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    /// From here on the small model answers, and operators are warned.
    pub soft_usd: Option<f64>,
    /// Answers that may go over it are extractive.
    pub hard_usd: Option<f64>,
}

/// The models that write answers.
#[derive(Clone, Debug)]
pub struct ChatConfig {
    /// The model for questions that need one passage rather than thought; may be the same as the large one.
    pub small_model: String,
    /// Tokens that an answer may have.
    pub max_tokens: u32,
    /// How long a call may take.
    pub limits: Limits,
    /// What models cost.
    pub prices: Prices,
    /// For customers without limits of their own.
    pub budget: Budget,
}

impl ChatConfig {
    /// For the large model `large` of the provider at `base_url`.
    pub(super) fn read(r: &mut Reader, large: &str, base_url: &str, has_key: bool) -> Self {
        let prices: Prices = r.parsed("CHAT_PRICES", Prices::default(), "gpt-4o=2.5/10,llama3.3=0/0");
        // The known pair; models of other providers have other names.
        let pair = large == LARGE_MODEL && base_url == OPENAI;
        let small_model = r.optional("CHAT_MODEL_SMALL").unwrap_or_else(|| {
            let small = if pair { SMALL_MODEL } else { large };
            small.to_owned()
        });
        let budget = budget(r);
        for model in [large, small_model.as_str()] {
            if has_key && budget != Budget::default() && prices.of(model).is_none() {
                let problem = format!("has no price for {model}, so that no budget can be kept");
                r.wrong("CHAT_PRICES", problem, "gpt-4o=2.5/10,llama3.3=0/0");
            }
        }
        Self {
            small_model,
            max_tokens: r.number("CHAT_MAX_TOKENS", 800, 50..=8000, "800"),
            limits: limits(r),
            prices,
            budget,
        }
    }
}

fn limits(r: &mut Reader) -> Limits {
    let mut seconds = |name, default, example| Duration::from_secs(r.number(name, default, 1..=600, example));
    let limits = Limits {
        first_token: seconds("CHAT_FIRST_TOKEN_SECONDS", 20, "20"),
        silence: seconds("CHAT_SILENCE_SECONDS", 15, "15"),
        total: seconds("CHAT_TOTAL_SECONDS", 90, "90"),
        ..Limits::default()
    };
    if limits.first_token > limits.total {
        r.wrong(
            "CHAT_FIRST_TOKEN_SECONDS",
            "must not be more than CHAT_TOTAL_SECONDS",
            "20",
        );
    }
    limits
}

fn budget(r: &mut Reader) -> Budget {
    let mut usd = |name| r.optional(name).map(|_| r.number(name, 0.0, 0.0..=1e6, "5"));
    let hard_usd = usd("CHAT_BUDGET_USD");
    // A warning comes in time to do something.
    let soft_usd = usd("CHAT_BUDGET_WARN_USD").or(hard_usd.map(|hard| hard * 0.8));
    if let (Some(soft), Some(hard)) = (soft_usd, hard_usd)
        && soft > hard
    {
        r.wrong("CHAT_BUDGET_WARN_USD", "must not be more than CHAT_BUDGET_USD", "4");
    }
    Budget { soft_usd, hard_usd }
}

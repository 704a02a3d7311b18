//! The provider's models, and whichever embeds: one word is asked of each writing one, and one vector, which costs next to nothing and
//! shows whether key, address, names and dimension are right.
use chat_model::{Client, Error, Limits, Message, Model, Request, Role, Settings};
use domain::config::ModelConfig;
use embedding::{Embedder, Kind};
use std::time::Duration;

use super::Finding;

const WHAT: &str = "chat model";
/// Nobody waits for a doctor as long as a visitor may for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks each model that is configured; nothing without a key.
pub async fn check(config: &ModelConfig) -> Vec<Finding> {
    let Some(key) = config.api_key.clone() else {
        return Vec::new();
    };
    let limits = Limits {
        first_token: PATIENCE,
        total: PATIENCE,
        attempts: 2,
        ..config.chat.limits.clone()
    };
    let base_url = config.base_url.clone();
    let client = match Client::new(Settings { base_url, key, limits }) {
        Ok(client) => client,
        Err(error) => return vec![Finding::mend(WHAT, error.to_string())],
    };
    let mut names = vec![config.chat_model.as_str(), config.chat.small_model.as_str()];
    names.dedup();
    let mut findings = Vec::new();
    for name in names {
        findings.push(finding(name, ask(&client.model(name)).await));
        if config.chat.prices.of(name).is_none() {
            let told = format!("no price of {name} is known, so its answers count as free; set CHAT_PRICES");
            findings.push(Finding::note("prices", told));
        }
    }
    findings
}

/// Has a word embedded.
pub async fn embeds(what: &'static str, model: &dyn Embedder) -> Finding {
    let (name, word) = (&model.model().name, ["ok".to_owned()]);
    let error = match tokio::time::timeout(PATIENCE, model.embed(Kind::Query, &word)).await {
        Ok(Ok(_)) => return Finding::good(what),
        Ok(Err(error)) => error,
        Err(_) => return Finding::mend(what, format!("{name}: no vector within {} s", PATIENCE.as_secs())),
    };
    let advice = match &error {
        embedding::Error::Provider { status: 401 | 403, .. } => "check OPENAI_API_KEY",
        embedding::Error::Provider { status: 429, .. } => {
            "the quota is used up or the load too high; see the provider's account"
        }
        embedding::Error::Provider { .. } => "check EMBEDDING_MODEL and OPENAI_BASE_URL",
        embedding::Error::Unreachable(_) => "check OPENAI_BASE_URL and the network",
        embedding::Error::Answer(_) => {
            "EMBEDDING_MODEL has another dimension, or OPENAI_BASE_URL leads to no such interface"
        }
        _ => "search is by words alone until it is mended",
    };
    Finding::mend(what, format!("{name}: {error}; {advice}"))
}

async fn ask(model: &Model) -> Result<(), Error> {
    let content = "Reply with the word ok.".to_owned();
    let request = Request {
        messages: &[Message {
            role: Role::User,
            content,
        }],
        temperature: 0.0,
        max_tokens: 16,
    };
    let mut answer = model.chat(&request).await?;
    while answer.next().await?.is_some() {}
    Ok(())
}

fn finding(model: &str, asked: Result<(), Error>) -> Finding {
    let Err(error) = asked else {
        return Finding::good(WHAT);
    };
    let advice = match error.word() {
        "unauthorized" => "check OPENAI_API_KEY",
        "rate_limited" => "the quota is used up or the load too high; see the provider's account",
        "rejected" => "check CHAT_MODEL, CHAT_MODEL_SMALL and OPENAI_BASE_URL",
        "unreachable" => "check OPENAI_BASE_URL and the network",
        "unreadable" | "broken_off" => "OPENAI_BASE_URL does not lead to an OpenAI-compatible interface",
        _ => "until it is back answers quote the site",
    };
    Finding::mend(WHAT, format!("{model}: {error}; {advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Verdict;

    fn said(asked: Result<(), Error>) -> String {
        match finding("m", asked).verdict {
            Verdict::Good => "good".to_owned(),
            Verdict::Note(text) | Verdict::Mend(text) => text,
        }
    }

    #[test]
    fn a_failure_names_the_model_and_what_to_check() {
        assert_eq!(said(Ok(())), "good");
        let refused = Error::Status {
            status: 401,
            code: None,
            message: "bad key".into(),
            retry_after: None,
        };
        assert_eq!(
            said(Err(refused)),
            "m: the provider answered 401: bad key; check OPENAI_API_KEY"
        );
        assert!(said(Err(Error::Unreachable("refused".into()))).ends_with("check OPENAI_BASE_URL and the network"));
    }
}

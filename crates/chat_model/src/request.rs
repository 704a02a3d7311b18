//! What is asked, and how it is spelled for different providers.
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Who sets the task.
    System,
    /// Who asks.
    User,
    /// The model.
    Assistant,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// The text.
    pub content: String,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The conversation, oldest first.
    pub messages: &'a [Message],
    /// How freely words are chosen, 0 to 2; left out for models that refuse it.
    pub temperature: f64,
    /// Tokens that the answer may have.
    pub max_tokens: u32,
}

/// What of a request a model does not understand: known of some by name, since they think first, learned of others by their
/// refusal.
#[derive(Debug, Default)]
pub(crate) struct Dialect {
    /// `max_tokens` is called `max_completion_tokens`.
    max_tokens: AtomicBool,
    temperature: AtomicBool,
    stream_options: AtomicBool,
}

impl Dialect {
    /// What is known of a model by its name.
    pub fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        let thinks = ["o1", "o3", "o4", "gpt-5"]
            .iter()
            .any(|family| name.starts_with(family));
        Self {
            max_tokens: thinks.into(),
            temperature: thinks.into(),
            stream_options: false.into(),
        }
    }

    /// Takes a refusal of the request (400 or 422) as a lesson. Whether there was anything to learn.
    pub fn learn(&self, message: &str) -> bool {
        let lessons = [
            ("max_tokens", &self.max_tokens),
            ("temperature", &self.temperature),
            ("stream_options", &self.stream_options),
        ];
        let known = |(name, flag): &(&str, &AtomicBool)| message.contains(name) && !flag.swap(true, Relaxed);
        lessons.iter().filter(|lesson| known(lesson)).count() > 0
    }

    /// The body for `model`.
    pub fn body(&self, model: &str, request: &Request<'_>) -> Value {
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        body.insert("messages".into(), json!(request.messages));
        body.insert("stream".into(), true.into());
        let limit = if self.max_tokens.load(Relaxed) {
            "max_completion_tokens"
        } else {
            "max_tokens"
        };
        body.insert(limit.into(), request.max_tokens.into());
        if !self.temperature.load(Relaxed) {
            body.insert("temperature".into(), request.temperature.into());
        }
        if !self.stream_options.load(Relaxed) {
            body.insert("stream_options".into(), json!({ "include_usage": true }));
        }
        Value::Object(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(dialect: &Dialect) -> Value {
        let request = Request {
            messages: &[],
            temperature: 0.5,
            max_tokens: 9,
        };
        dialect.body("m", &request)
    }

    #[test]
    fn models_that_think_are_known_by_name() {
        let whole = json!({ "model": "m", "messages": [], "stream": true, "temperature": 0.5, "max_tokens": 9,
                            "stream_options": { "include_usage": true } });
        assert_eq!(body(&Dialect::of("gpt-4o")), whole);
        for name in ["gpt-5-mini", "o4-mini", "openai/o3"] {
            let body = body(&Dialect::of(name));
            assert_eq!(
                (&body["max_completion_tokens"], body.get("temperature")),
                (&json!(9), None),
                "{name}"
            );
        }
    }

    #[test]
    fn a_refusal_is_learned_from_once() {
        let dialect = Dialect::of("m");
        assert!(!dialect.learn("messages: too long"));
        assert!(dialect.learn("Unknown parameter: 'stream_options'"));
        assert!(!dialect.learn("Unknown parameter: 'stream_options'"));
        assert_eq!(body(&dialect).get("stream_options"), None);
        assert!(dialect.learn("'max_tokens' is not supported, use 'max_completion_tokens'"));
        assert_eq!(body(&dialect)["max_completion_tokens"], 9);
    }
}

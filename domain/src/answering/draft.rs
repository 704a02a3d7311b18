//! An answer that belongs to no conversation yet: what was written, and what its receipt will say.
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    answerer::{Part, Usage, send},
    prompt,
    written::Written,
};
use crate::ids;

/// An answer that can be given to one visitor or to many.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Draft {
    /// Names the work that made it; all receipts of the same work share it.
    pub origin: Uuid,
    /// The answer.
    pub written: Written,
    /// What it was made of, as receipts keep it.
    pub passages: Value,
    /// The prompt's version.
    pub prompt_version: String,
    /// Milliseconds of each step.
    pub timings: Value,
    /// It may be given to others: it depends on nothing but what its key says, and nothing was missing when it was made.
    #[serde(skip)]
    pub lasting: bool,
    /// Where it was found, if it was not made for this visitor.
    #[serde(skip)]
    pub cached: Option<&'static str>,
}

impl Draft {
    /// An answer by a model, for tests of what happens to answers.
    #[cfg(test)]
    pub fn test(text: &str) -> Self {
        let written = Written {
            text: text.into(),
            sources: Vec::new(),
            refusal: None,
            usage: Usage {
                tokens_in: 10,
                tokens_out: 2,
                cost_usd: 0.0,
            },
            model: "stub".into(),
            notes: Vec::new(),
            removed: super::ground::Removed::default(),
        };
        Self {
            origin: Uuid::nil(),
            written,
            passages: Value::Null,
            prompt_version: "1".into(),
            timings: Value::Null,
            lasting: true,
            cached: None,
        }
    }

    /// What the assistant says of its own accord, without looking at the site.
    pub fn said(text: String) -> Self {
        Self {
            origin: ids::new_id(),
            written: Written::small_talk(text),
            passages: json!([]),
            prompt_version: prompt::VERSION.to_owned(),
            timings: json!({}),
            lasting: false,
            cached: None,
        }
    }

    /// The same for another visitor, who takes it from `layer` and for whom it costs nothing.
    pub fn copy(&self, layer: &'static str) -> Self {
        let mut copy = self.clone();
        copy.written.usage = Usage::default();
        copy.timings = json!({ "cache": layer });
        copy.cached = Some(layer);
        copy
    }

    /// The whole text as one part.
    pub fn told(&self) -> Part {
        Part::Token(self.written.text.clone())
    }

    /// Tells it as a whole to whoever listens.
    pub async fn tell(&self, parts: Option<&mpsc::Sender<Part>>) {
        send(parts, &self.written.text).await;
    }
}

//! An answer that belongs to no conversation yet: what was written, and what its receipt will say.
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    answerer::{Part, Usage, send},
    written::Written,
};

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

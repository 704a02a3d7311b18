//! Visitors who leave while a model answers them.
use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::{Bench, CHATS, CONTENT, PATIENCE, TOKEN, Who, client::Caller, stub::Manner};
use crate::stats::percentile;

/// Questions that may be answered without the model before one is.
const TRIES: usize = 4;

impl Bench {
    /// Visitors who leave after the first text, until the model sees its reader leave.
    pub(super) async fn leaving(&mut self) -> Result<()> {
        self.stub.answer(Manner::Endless);
        for who in [Who::Stub, Who::Ours] {
            let mut took = Vec::new();
            for _ in 0..CHATS {
                let left = self.left_early(who).await?;
                let seen = timeout(PATIENCE, self.stub.left())
                    .await
                    .context("the model was never told")??;
                took.push(seen.saturating_duration_since(left).as_secs_f64() * 1e3);
            }
            took.sort_by(f64::total_cmp);
            let value = percentile(&took, 95).context("nobody left")?;
            self.add(17, "visitor gone until the model is told, p95 (ms)", who, value);
        }
        Ok(())
    }

    /// When a visitor left whom the model was answering. What the site refuses or quotes begins with a `token` as well, and asks no
    /// model: such a question is passed over, a few times at most.
    async fn left_early(&mut self, who: Who) -> Result<Instant> {
        for _ in 0..TRIES {
            // A caller of its own: its connections end with it.
            let (caller, question, before) = (Caller::new(), self.question(), self.stub.asked());
            let (url, key, body, mark) = match who {
                Who::Ours => (
                    self.ours.chat(),
                    self.ours.key.as_str(),
                    json!({ "message": question }),
                    TOKEN,
                ),
                Who::Stub => {
                    let url = format!("{}/chat/completions", self.stub.base_url());
                    (url, "", json!({ "stream": true }), CONTENT)
                }
            };
            let left = caller.leave(&url, key, &body, mark).await?;
            if self.stub.asked() > before {
                return Ok(left);
            }
            println!("  answered without the model: {question}");
        }
        anyhow::bail!("{TRIES} questions were answered without the model");
    }
}

//! Equal questions of several processes: one makes the answer, the others wait for it, not for long.
//!
//! What a model writes is paid for, and a question that everybody asks at once comes to every process. Whoever comes first claims the
//! work in Redis; the others look for what it made. A waiting process hears nothing until all is written, so it waits for less than
//! visitors do: then it makes the answer itself, as it does at once where Redis is away. A claim is never needed for an answer to be
//! right, and one that nobody gives up, because its process died, ends by itself.
use std::time::Duration;
use tokio::time::{Instant, sleep};

use super::{AnswerCache, Key, Layer, count, remote::Claim};
use crate::{answering::draft::Draft, ids};

/// A claim ends after this time.
const CLAIM: Duration = Duration::from_secs(10);
/// Longest wait for another process.
const PATIENCE: Duration = Duration::from_secs(4);
/// Between two looks at what it made.
const LOOK: Duration = Duration::from_millis(100);

/// What a process does for an answer.
pub(super) enum Turn {
    /// It makes it, and nobody else does while the claim is held.
    Claimed(Held),
    /// It makes it, whatever others do.
    Alone,
    /// Another process has made it.
    Made(Box<Draft>),
}

impl AnswerCache {
    /// Claims to make the answer, or waits for whoever does.
    pub(super) async fn turn(&self, key: &Key) -> Turn {
        let token = ids::new_id().to_string();
        let until = Instant::now() + PATIENCE;
        loop {
            let (claim, sealed) = self.0.remote.claim(key, &token, CLAIM).await;
            let held = (claim == Claim::Ours).then(|| Held {
                cache: self.clone(),
                key: key.clone(),
                token: token.clone(),
            });
            if claim == Claim::Unknown {
                return Turn::Alone;
            }
            // It may have been made between the last look and the claim.
            if let Some(draft) = sealed.and_then(|sealed| self.made(key, &sealed)) {
                return Turn::Made(Box::new(draft));
            }
            if let Some(held) = held {
                return Turn::Claimed(held);
            }
            if Instant::now() >= until {
                return Turn::Alone;
            }
            sleep(LOOK).await;
        }
    }

    /// What another process has just put into Redis; remembered here from now on.
    fn made(&self, key: &Key, sealed: &str) -> Option<Draft> {
        let entry = self.0.sealer.open(key, sealed, self.0.clock.now())?;
        count(Layer::Elsewhere, "hit");
        let draft = entry.draft(Layer::Elsewhere.as_str());
        self.0.local.put(key.clone(), entry);
        Some(draft)
    }
}

/// A claim that is held; given up when it is dropped, also by work that everybody left.
pub(super) struct Held {
    cache: AnswerCache,
    key: Key,
    token: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        let (cache, key) = (self.cache.clone(), self.key.clone());
        let token = std::mem::take(&mut self.token);
        self.cache
            .0
            .life
            .spawn(async move { cache.0.remote.release(&key, &token).await });
    }
}

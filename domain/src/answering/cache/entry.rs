//! An answer as it is kept, and the seal of what leaves the process.
use serde::{Deserialize, Serialize};
use std::time::Duration;
use time::OffsetDateTime;

use super::{Key, LONG, MAX_BYTES};
use crate::{
    answering::draft::Draft,
    secrets::{MasterKeys, Signer},
};

/// The form of a sealed entry. An entry of another one is a miss.
const FORMAT: u8 = 1;

/// An answer with its birthday.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    #[serde(rename = "v")]
    format: u8,
    /// Seconds since 1970.
    made_at: i64,
    draft: Draft,
}

impl Entry {
    /// An answer that was made just now.
    pub fn new(draft: &Draft, now: OffsetDateTime) -> Self {
        Self {
            format: FORMAT,
            made_at: now.unix_timestamp(),
            draft: draft.clone(),
        }
    }

    /// For how long it is still good.
    pub fn left(&self, now: OffsetDateTime) -> Duration {
        // A clock that is behind the one that made the entry must not lengthen its life.
        let age = (now.unix_timestamp() - self.made_at).max(0) as u64;
        LONG.saturating_sub(Duration::from_secs(age))
    }

    /// The answer, as found in `layer`.
    pub fn draft(&self, layer: &'static str) -> Draft {
        self.draft.copy(layer)
    }

    /// About as many bytes as it takes in memory.
    pub fn bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |json| json.len())
    }
}

/// Seals entries, and opens those that this installation sealed for the same key.
pub struct Sealer(Signer);

impl Sealer {
    /// With keys of its own from the installation's `masters`.
    pub fn new(masters: impl Into<MasterKeys>) -> Self {
        Self(Signer::new(masters, "answer cache"))
    }

    /// None if it is too large to keep.
    pub fn seal(&self, key: &Key, entry: &Entry) -> Option<String> {
        let json = serde_json::to_vec(entry).ok()?;
        let body = [key.customer().as_bytes().as_slice(), key.hash(), &json].concat();
        Some(self.0.seal(&body)).filter(|sealed| sealed.len() <= MAX_BYTES)
    }

    /// None unless it was sealed here for this key, in today's form, and is still good.
    pub fn open(&self, key: &Key, sealed: &str, now: OffsetDateTime) -> Option<Entry> {
        let body = self.0.open(sealed)?;
        let json = body
            .strip_prefix(key.customer().as_bytes().as_slice())?
            .strip_prefix(key.hash())?;
        let entry: Entry = serde_json::from_slice(json).ok()?;
        (entry.format == FORMAT && !entry.left(now).is_zero()).then_some(entry)
    }
}

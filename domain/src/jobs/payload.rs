//! What jobs are told: ids and settings, never content, so that a payload stays small and tells nothing.
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

use crate::{Error, Result};

/// The kinds of jobs; each has a queue of its own, so that long crawls never keep embedding waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Crawl a site.
    Scrape,
    /// Chunk and embed pages.
    Embed,
}

/// Every queue.
pub const QUEUES: [Kind; 2] = [Kind::Scrape, Kind::Embed];

impl Kind {
    /// The kind's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scrape => "scrape",
            Self::Embed => "embed",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = QUEUES.into_iter().find(|k| k.as_str() == text);
        known.ok_or_else(|| Error::invalid("kind", "must be scrape or embed"))
    }
}

/// A job's payload. Its version is kept beside it, so that a worker still reads what an older one wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Payload {
    /// Chunk and embed these pages.
    Embed {
        /// The pages; at most a few dozen, so that the work spreads over workers.
        page_ids: Vec<Uuid>,
        /// Compute vectors again even where the text is unchanged.
        #[serde(default)]
        force: bool,
    },
    /// Crawl; the settings are in `scrape_jobs`.
    Scrape {},
}

impl Payload {
    /// The version that this build writes.
    pub const VERSION: u32 = 1;

    /// The kind of job.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Scrape {} => Kind::Scrape,
            Self::Embed { .. } => Kind::Embed,
        }
    }

    /// Reads a stored payload.
    pub fn read(kind: Kind, stored: &serde_json::Value) -> Result<Self> {
        match kind {
            Kind::Scrape => Ok(Self::Scrape {}),
            Kind::Embed => Ok(serde_json::from_value(stored.clone())?),
        }
    }
}

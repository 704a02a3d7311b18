//! What stays of a rendering. Neighbours: `render` makes it, `record` has it written.
use browser::Picture;
use domain::{
    Result,
    pages::{
        renders,
        screenshots::{self, Screenshot},
    },
};
use url::Url;

use super::answer::Meaning;
use crate::job::Fenced;

/// What the browser had to do with an answer.
#[derive(Debug)]
pub(crate) struct Rendering {
    /// What is remembered of it.
    pub memory: Memory,
    /// What the page showed, if it can't be read.
    pub picture: Option<Picture>,
    /// For the decision row.
    pub note: Option<String>,
    /// Whether the answer is the browser's.
    pub rendered: bool,
}

/// What becomes of what is remembered of a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// It stays.
    Keep,
    /// What the answer means, made from the static body of this fingerprint.
    Note(Vec<u8>),
    /// The next crawl is to look again.
    Doubt,
    /// The page needs no browser.
    Forget,
}

impl Rendering {
    pub fn new(memory: Memory, note: Option<String>) -> Self {
        Self {
            memory,
            picture: None,
            note,
            rendered: false,
        }
    }

    /// Writes what is remembered: whether the page needs a browser, and its picture.
    pub async fn record(&self, tx: &Fenced, job: uuid::Uuid, url: &str, meaning: &Meaning) -> Result<()> {
        match (&self.memory, outcome(meaning)) {
            (Memory::Note(hash), Some((word, target))) => {
                renders::note(tx, url, hash, word, target.map(Url::as_str)).await?;
            }
            (Memory::Doubt, Some(_)) => renders::doubt(tx, url).await?,
            (Memory::Forget, _) => renders::forget(tx, url).await?,
            _ => {}
        }
        if let Some(picture) = &self.picture {
            let media_type = "image/jpeg".to_owned();
            let image = picture.0.clone();
            screenshots::keep(tx, job, url, &Screenshot { media_type, image }).await?;
        }
        Ok(())
    }
}

/// The words of [`renders::Render::outcome`], for meanings that stay true while the static page does.
fn outcome(meaning: &Meaning) -> Option<(&'static str, Option<&Url>)> {
    match meaning {
        Meaning::Page(_) => Some(("page", None)),
        Meaning::Skipped("empty") => Some(("empty", None)),
        Meaning::NoIndex => Some(("noindex", None)),
        Meaning::Moved { to } => Some(("moved", Some(to))),
        Meaning::Duplicate(to) => Some(("duplicate", Some(to))),
        _ => None,
    }
}

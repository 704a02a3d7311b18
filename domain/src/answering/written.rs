//! An answer before it is kept, also one that says nothing, and the sources that an answer shows.
use serde::{Deserialize, Serialize};

use super::{
    answerer::{Source, Usage},
    ground::Removed,
    note::Note,
    support::Refusal,
};
use crate::retrieval::Passage;

/// Sources that an answer shows.
pub(super) const SHOWN: usize = 4;

/// What was written, by whom, and what it rests on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Written {
    pub text: String,
    pub sources: Vec<Source>,
    pub refusal: Option<Refusal>,
    pub usage: Usage,
    pub model: String,
    /// What happened on the way.
    #[serde(default)]
    pub notes: Vec<Note>,
    /// What the check took out.
    #[serde(default)]
    pub removed: Removed,
}

impl Written {
    /// What rests on nothing but the fixed texts.
    pub fn small_talk(text: String) -> Self {
        Self {
            text,
            sources: Vec::new(),
            refusal: None,
            usage: Usage::default(),
            notes: Vec::new(),
            model: "small_talk".into(),
            removed: Removed::default(),
        }
    }
}

/// A refusal with the nearest pages, where one of them could have answered.
pub(super) fn refused(text: String, refusal: Refusal, passages: &[Passage]) -> Written {
    let sources = if refusal == Refusal::NotAnswered {
        sources(&one_a_page(passages))
    } else {
        Vec::new()
    };
    Written {
        text,
        sources,
        refusal: Some(refusal),
        usage: Usage::default(),
        notes: Vec::new(),
        model: "extractive".into(),
        removed: Removed::default(),
    }
}

/// The best passage of each page.
pub(super) fn one_a_page(passages: &[Passage]) -> Vec<&Passage> {
    let mut shown: Vec<&Passage> = Vec::new();
    for passage in passages {
        if shown.len() < SHOWN && shown.iter().all(|p| p.page != passage.page) {
            shown.push(passage);
        }
    }
    shown
}

/// Passages as sources, numbered from 1 in their order.
pub(super) fn sources(passages: &[&Passage]) -> Vec<Source> {
    let source = |(i, p): (usize, &&Passage)| Source {
        n: i + 1,
        title: if p.title.is_empty() {
            p.url.clone()
        } else {
            p.title.clone()
        },
        url: p.url.clone(),
        snippet: p.text.chars().take(240).collect(),
        score: (p.score * 1000.0).round() / 1000.0,
        page: p.page,
        page_version: p.page_version,
    };
    passages.iter().enumerate().map(source).collect()
}

//! An answer before it is kept, what a refusal says, and the sources that an answer shows.
use serde::{Deserialize, Serialize};

use super::{
    answerer::{Source, Usage},
    support::Refusal,
};
use crate::{
    retrieval::Passage,
    tenancy::{Customer, settings},
};

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
}

/// Says that the site does not say, with a way to a human.
pub(super) fn refuse(customer: &Customer, refusal: Refusal, passages: &[Passage]) -> Written {
    let contact = match (settings(customer, "contact_email"), settings(customer, "contact_url")) {
        (Some(email), _) => format!(" You can reach us at {email}."),
        (None, Some(url)) => format!(" You can reach us at {url}."),
        (None, None) => String::new(),
    };
    let text = match refusal {
        Refusal::NothingIndexed => format!("This site has not been read yet, so I can't answer.{contact}"),
        Refusal::NotOnSite | Refusal::NotAnswered => format!("The site does not say.{contact}"),
    };
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
        model: "extractive".into(),
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
    };
    passages.iter().enumerate().map(source).collect()
}

//! Pages and their chunks, as a crawl and the indexer leave them.
use domain::{
    pages::{
        index::{self, NewChunk},
        store::{self, Decision, FetchedPage},
    },
    tenancy::Customer,
};
use embedding::{Embedder, Kind};
use serde_json::Value;
use uuid::Uuid;

use crate::Kit;

/// A page in English that was answered with 200; tests change what matters to them.
#[must_use]
pub fn page(url: impl Into<String>, title: &str, markdown: &str) -> FetchedPage {
    FetchedPage {
        url: url.into(),
        canonical: None,
        title: title.into(),
        language: Some("en".into()),
        markdown: markdown.into(),
        status: 200,
        etag: None,
        last_modified: None,
        navigational: false,
        structured: vec![],
    }
}

/// What a crawl decided about a URL that a page led to and that was answered; tests change what matters to them.
#[must_use]
pub fn decision(url: impl Into<String>, decision: &'static str, reason: Option<&str>) -> Decision {
    Decision {
        url: url.into(),
        decision,
        reason: reason.map(str::to_owned),
        status: Some(200),
        ms: Some(1),
        bytes: Some(1),
        depth: 1,
        via: "loop",
        wait_ms: None,
        found_from: None,
    }
}

/// A page's structured data, from JSON-LD: (kind, data).
pub fn json_ld(rows: &[(&str, Value)]) -> Vec<(String, String, Value)> {
    rows.iter()
        .map(|(kind, data)| ((*kind).into(), "json_ld".into(), data.clone()))
        .collect()
}

/// A chunk of ten tokens without a vector.
#[must_use]
pub fn chunk(heading: &str, text: &str) -> NewChunk {
    NewChunk {
        heading_path: heading.into(),
        text: text.into(),
        tokens: 10,
        hash: index::input_hash(&input(heading, text)),
        ..NewChunk::default()
    }
}

/// A chunk with its vector by `model`.
pub async fn embedded(model: &dyn Embedder, heading: &str, text: &str) -> NewChunk {
    let vectors = model.embed(Kind::Passage, &[input(heading, text)]).await;
    NewChunk {
        embedding: vectors.expect("the model embeds").pop(),
        ..chunk(heading, text)
    }
}

fn input(heading: &str, text: &str) -> String {
    format!("{heading}\n{text}")
}

impl Kit {
    /// An indexed page of one chunk, named after its title; returns its id.
    pub async fn page(&self, customer: &Customer, title: &str, text: &str) -> Uuid {
        let url = format!("https://{}/{}", customer.domain, title.to_lowercase());
        let tx = self.db.tenant(customer).await.expect("a transaction");
        let stored = store::save(&tx, &page(url, title, text)).await.expect("a page");
        let pending = index::pending(&tx, stored.id, true).await.expect("its text");
        let pending = pending.expect("a page that waits for its chunks");
        index::publish(&tx, &pending, None, &[chunk(title, text)])
            .await
            .expect("its chunk");
        index::bump_version(&tx).await.expect("a new version");
        tx.commit().await.expect("all of it");
        stored.id
    }
}

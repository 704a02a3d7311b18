//! Answers from typed rows: how to reach the customer, when somebody is there, what a product costs and whether it is in stock.
//!
//! What a page marks up for machines is surer than what its text seems to say, and may stand where no text is (a footer, a button).
//! Only questions that ask for nothing else are answered so.
mod contact;
mod product;
mod words;

use super::{
    answerer::{Answerer, Usage},
    asked::Asked,
    extractive,
    ground::{self, Removed},
    written::{Written, sources},
};
use crate::{
    Result,
    retrieval::{Passage, Version},
    tenancy::{Customer, TenantTx},
};

/// An answer and the page that it stands on.
pub(super) struct Fact {
    pub(super) text: String,
    url: String,
    title: String,
    pub(super) page: uuid::Uuid,
    version: i64,
}

impl Fact {
    /// The page, as a passage that says this.
    pub(super) fn passage(&self) -> Passage {
        Passage {
            page: self.page,
            page_version: self.version,
            url: self.url.clone(),
            title: self.title.clone(),
            text: self.text.clone(),
            score: 1.0,
            ..Passage::default()
        }
    }
}

impl Answerer {
    /// What typed rows answer, if the question asks for what they hold. `supported` says that the passages answer as well: then
    /// opening hours are better quoted, with what the page says of them.
    pub(super) async fn fact(
        &self,
        customer: &Customer,
        asked: &Asked,
        passages: &[Passage],
        supported: bool,
        version: Version,
    ) -> Result<Option<Written>> {
        let product = product::asked(&asked.meant);
        let contact = contact::wanted(&asked.meant, supported);
        if !product && contact.is_none() {
            return Ok(None);
        }
        let tx = self.db.tenant_read(customer).await?;
        let locale = asked.locale;
        let edition = match version {
            Version::Published | Version::Next(_) => "shown",
            Version::Staged(_) => "latest",
        };
        let mut fact = None;
        if product {
            fact = product::fact(&tx, edition, &asked.meant, locale, passages).await?;
        }
        if let Some(contact) = contact.filter(|_| fact.is_none()) {
            fact = contact::fact(&tx, edition, customer, &asked.meant, locale, contact).await?;
        }
        tx.commit().await?;
        let told = fact.and_then(|fact| Some((harmless(&fact.text)?, fact)));
        let Some((text, fact)) = told else {
            return Ok(None);
        };
        let text = if self.simplified {
            extractive::shortened(&text, extractive::SIMPLIFIED_WORDS)
        } else {
            text
        };
        let written = written(&fact, &text, passages);
        self.led_home(customer, written).await.map(Some)
    }
}

/// The surest way to people that the customer's site publishes.
pub(super) async fn route(tx: &TenantTx, customer: &Customer) -> Result<Option<Fact>> {
    let found = contact::route(tx, customer).await?;
    Ok(found.and_then(|fact| {
        let text = harmless(&fact.text)?;
        Some(Fact { text, ..fact })
    }))
}

/// What a page marks up is as little to be trusted as what it says: nothing that speaks to a model or to a browser is told.
fn harmless(text: &str) -> Option<String> {
    let (text, taken) = ground::disarmed(text);
    let text = ground::without_markup(&text, |_| false)?;
    (taken == 0 && !text.trim().is_empty()).then_some(text)
}

fn written(fact: &Fact, text: &str, passages: &[Passage]) -> Written {
    let own = passages.iter().find(|p| p.page == fact.page).cloned();
    let own = own.or_else(|| ground::disarm(vec![fact.passage()]).0.pop());
    let own = own.unwrap_or_else(|| Passage {
        title: String::new(),
        ..fact.passage()
    });
    Written {
        text: format!("{text} [1]"),
        sources: sources(&[&own]),
        refusal: None,
        usage: Usage::default(),
        notes: Vec::new(),
        model: "extractive".into(),
        removed: Removed::default(),
    }
}

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
    ground::Removed,
    written::{SHOWN, Written, one_a_page, sources},
};
use crate::{
    Result,
    retrieval::{Passage, Version},
    tenancy::Customer,
};

/// An answer and the page that it stands on.
struct Fact {
    text: String,
    url: String,
    title: String,
    page: uuid::Uuid,
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
            Version::Published => "shown",
            Version::Staged(_) => "latest",
        };
        let mut fact = None;
        if product {
            fact = product::fact(&tx, edition, &asked.meant, locale, passages).await?;
        }
        if let Some(contact) = contact.filter(|_| fact.is_none()) {
            fact = contact::fact(&tx, edition, customer, &asked.meant, locale, contact).await?;
        }
        Ok(fact.map(|fact| written(&fact, passages)))
    }
}

fn written(fact: &Fact, passages: &[Passage]) -> Written {
    let own = passages.iter().find(|p| p.page == fact.page).cloned();
    let own = own.unwrap_or_else(|| Passage {
        page: fact.page,
        url: fact.url.clone(),
        title: fact.title.clone(),
        text: fact.text.clone(),
        score: 1.0,
        ..Passage::default()
    });
    let mut shown = vec![&own];
    shown.extend(one_a_page(passages).into_iter().filter(|p| p.page != fact.page));
    shown.truncate(SHOWN);
    Written {
        text: format!("{} [1]", fact.text),
        sources: sources(&shown),
        refusal: None,
        usage: Usage::default(),
        notes: Vec::new(),
        model: "extractive".into(),
        removed: Removed::default(),
    }
}

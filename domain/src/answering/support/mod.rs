//! The support check: does the site answer this at all? [`signals`] gathers the signs, the rule over them is pure and was fitted
//! (`docs/adr/0020-answerability.md`).
mod signals;

use serde::{Deserialize, Serialize};

use super::answerer::Answerer;
use crate::{
    retrieval::{Passage, configs},
    tenancy::Customer,
};
use signals::Signals;

/// Why an answer was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Nothing is indexed yet.
    NothingIndexed,
    /// Nothing on the site is about the question.
    NotOnSite,
    /// The site is about the subject and does not answer the question.
    NotAnswered,
}

impl Refusal {
    /// The reason's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NothingIndexed => "nothing_indexed",
            Self::NotOnSite => "not_on_site",
            Self::NotAnswered => "not_answered",
        }
    }
}

/// The old rule, for the time being.
pub fn check(signals: &Signals) -> Result<(), Refusal> {
    let Some(cosine) = signals.cosine else {
        return if signals.covered >= 0.6 { Ok(()) } else { Err(Refusal::NotOnSite) };
    };
    if cosine < 0.40 {
        return Err(Refusal::NotOnSite);
    }
    if cosine >= 0.62 || signals.covered >= 0.5 || (cosine >= 0.5 && signals.known >= 0.75) {
        Ok(())
    } else {
        Err(Refusal::NotAnswered)
    }
}

impl Answerer {
    /// Whether the site supports an answer to `question` from `passages`, best first.
    pub(super) async fn supported(
        &self,
        customer: &Customer,
        question: &str,
        passages: &[Passage],
    ) -> crate::Result<Result<(), Refusal>> {
        if passages.is_empty() {
            return Ok(Err(Refusal::NothingIndexed));
        }
        let vector = self.searcher.question(customer, question).await?;
        let tx = self.db.tenant(customer).await?;
        let configs = configs(&tx).await?;
        let vector = vector.as_ref().map(|(model, vector)| (model, &**vector));
        let signals = signals::gather(&tx, question, &configs, vector, passages).await?;
        tracing::debug!(
            signals = serde_json::to_string(&signals).unwrap_or_default(),
            "support"
        );
        Ok(check(&signals))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use uuid::Uuid;

    pub fn passage(cosine: Option<f64>, coverage: f64, text: &str) -> Passage {
        Passage {
            chunk: Uuid::nil(),
            page: Uuid::nil(),
            page_version: 1,
            url: "https://shop.example/help".into(),
            title: "Help".into(),
            ordinal: 0,
            heading_path: "Help > Shipping".into(),
            text: text.into(),
            score: cosine.unwrap_or(coverage),
            cosine,
            coverage,
            ..Passage::default()
        }
    }
}

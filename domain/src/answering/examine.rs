//! What a question would meet, without anything being written or stored: for golden questions and for gaps, which ask many questions of
//! a version of the index and need to know whether it answers, and by which pages. No model writes here, so it costs nothing.
use uuid::Uuid;

use super::{answerer::Answerer, asked::Asked, support::Refusal};
use crate::{
    Error, Result,
    retrieval::{Passage, Version},
    tenancy::Customer,
};

/// A page that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Met {
    /// The page.
    pub page: Uuid,
    /// Its version that was read.
    pub version: i64,
    /// Its address.
    pub url: String,
    /// Its title.
    pub title: String,
    /// The score of its best passage.
    pub score: f64,
}

/// What a question met.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// Pages, best first.
    pub pages: Vec<Met>,
    /// Why it would be refused, if it would.
    pub refusal: Option<Refusal>,
    /// What an answer would be made of: headings and texts of the passages, best first.
    pub text: String,
}

impl Answerer {
    /// Searches `version` for an answer to `text`, as [`Answerer::preview`] does for the published one. A search by words alone, since the
    /// model of the vectors is away, is an error: compared with one that had it, it would speak of the outage and not of the index.
    pub async fn examine(&self, customer: &Customer, version: Version, text: &str) -> Result<Examined> {
        let asked = Asked::first(text, None);
        Box::pin(self.examine_asked(customer, version, &asked, false)).await
    }

    /// The same of what is shown, refused also where a visitor would be although passages support an answer: without a model the
    /// answer is a quotation, and they may hold none.
    pub async fn examine_answer(&self, customer: &Customer, text: &str) -> Result<Examined> {
        let asked = Asked::first(text, None);
        Box::pin(self.examine_asked(customer, Version::Published, &asked, true)).await
    }

    async fn examine_asked(
        &self,
        customer: &Customer,
        version: Version,
        asked: &Asked,
        quoted: bool,
    ) -> Result<Examined> {
        let found = self.find(customer, version, &asked.meant).await?;
        if found.mode != "hybrid" && self.searcher.models().of_version(customer, version).await?.is_some() {
            let message = "questions can not be compared while the embedding model is away";
            return Err(Error::unavailable("embedding_unavailable", message, found.mode));
        }
        let passages = found.passages;
        let supported = self.supported(customer, version, &asked.meant, &passages).await?;
        if supported.is_err()
            && let Some(mended) = asked.mended(&passages)
        {
            return Box::pin(self.examine_asked(customer, version, &mended, quoted)).await;
        }
        let fact = self
            .fact(customer, asked, &passages, supported.is_ok(), version)
            .await?;
        let mut examined = met(&passages);
        let told = match fact {
            None if quoted && supported.is_ok() && self.models.is_none() => {
                let answer = self.extract(customer, asked, &passages).await?;
                if answer.refusal.is_some() {
                    examined.refusal = answer.refusal;
                    return Ok(examined);
                }
                Some(answer)
            }
            fact => fact,
        };
        if let Some(fact) = told {
            examined.text = format!("{}\n{}", fact.text, examined.text);
            if let Some(source) = fact.sources.first() {
                let (known, rest): (Vec<Met>, Vec<Met>) =
                    examined.pages.into_iter().partition(|met| met.page == source.page);
                let own = known.into_iter().next().unwrap_or_else(|| Met {
                    page: source.page,
                    version: source.page_version,
                    url: source.url.clone(),
                    title: source.title.clone(),
                    score: source.score,
                });
                examined.pages = std::iter::once(own).chain(rest).collect();
            }
        } else {
            examined.refusal = supported.err();
        }
        Ok(examined)
    }
}

fn met(passages: &[Passage]) -> Examined {
    let mut examined = Examined::default();
    for passage in passages {
        examined.text.push_str(&passage.heading_path);
        examined.text.push('\n');
        examined.text.push_str(&passage.text);
        examined.text.push('\n');
        if examined.pages.iter().all(|met| met.page != passage.page) {
            examined.pages.push(Met {
                page: passage.page,
                version: passage.page_version,
                url: passage.url.clone(),
                title: passage.title.clone(),
                score: passage.score,
            });
        }
    }
    examined
}

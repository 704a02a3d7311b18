//! Which questions may be answered by what was made for others, and which answers may be given to others.
use tokio::sync::mpsc;

use super::{
    asked::Asked,
    answerer::{Answerer, Part},
    cache::{AnswerCache, Key, passed_by, personal},
    draft::Draft,
    support::Refusal,
    written::Written,
};
use crate::{Result, tenancy::Customer};

impl Answerer {
    /// The cache and the key of a question that others may ask as well: it is nobody's in particular, and stands for itself.
    pub(super) fn shared(
        &self,
        customer: &Customer,
        asked: &Asked,
    ) -> Option<(&AnswerCache, Key)> {
        let cache = self.cache.as_ref()?;
        // What was said before is one visitor's, and may be there to be found in another's answer.
        if !asked.history.is_empty() {
            passed_by("history");
            return None;
        }
        if personal(&asked.said) {
            passed_by("personal");
            return None;
        }
        let locale = asked.locale.map(|locale| locale.code());
        Some((cache, Key::of(customer, &self.recipe, locale, &asked.said)))
    }

    /// What makes the answer if there is none yet.
    pub(super) fn work(
        &self,
        customer: &Customer,
        asked: &Asked,
    ) -> impl Fn(mpsc::Sender<Part>) -> futures::future::BoxFuture<'static, Result<Draft>> + Send + Sync + use<> {
        let (answerer, customer, asked) = (self.clone(), customer.clone(), asked.clone());
        move |parts| {
            let (answerer, customer, asked) = (answerer.clone(), customer.clone(), asked.clone());
            Box::pin(async move { answerer.draft(&customer, &asked, Some(&parts)).await })
        }
    }

    /// Whether an answer is as good as it can be: the site had been read, and neither the embedding model nor the writing one
    /// was away.
    pub(super) fn lasts(&self, written: &Written, mode: &str) -> bool {
        let whole_search = self.searcher.model().is_none() || mode == "hybrid";
        written.refusal != Some(Refusal::NothingIndexed) && whole_search && written.notes.is_empty()
    }
}

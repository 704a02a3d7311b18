//! Which questions may be answered by what was made for others, and which answers may be given to others.
use tokio::sync::mpsc;

use super::{
    answerer::{Answerer, Part},
    cache::{AnswerCache, Key, passed_by, personal},
    conversation::Turn,
    draft::Draft,
    support::Refusal,
    written::Written,
};
use crate::{Result, language::Locale, tenancy::Customer};

impl Answerer {
    /// The cache and the key of a question that others may ask as well: it is nobody's in particular, and stands for itself.
    pub(super) fn shared(
        &self,
        customer: &Customer,
        question: &str,
        locale: Option<Locale>,
        history: &[Turn],
    ) -> Option<(&AnswerCache, Key)> {
        let cache = self.cache.as_ref()?;
        // What was said before is one visitor's, and may be there to be found in another's answer.
        if !history.is_empty() {
            passed_by("history");
            return None;
        }
        if personal(question) {
            passed_by("personal");
            return None;
        }
        let locale = locale.map(|locale| format!("{locale:?}"));
        Some((cache, Key::of(customer, &self.recipe, locale.as_deref(), question)))
    }

    /// What makes the answer if there is none yet.
    pub(super) fn work(
        &self,
        customer: &Customer,
        question: &str,
    ) -> impl Fn(mpsc::Sender<Part>) -> futures::future::BoxFuture<'static, Result<Draft>> + Send + Sync + use<> {
        let (answerer, customer, question) = (self.clone(), customer.clone(), question.to_owned());
        move |parts| {
            let (answerer, customer, question) = (answerer.clone(), customer.clone(), question.clone());
            Box::pin(async move { answerer.draft(&customer, &question, &[], Some(&parts)).await })
        }
    }

    /// Whether an answer is as good as it can be: the site had been read, and neither the embedding model nor the writing one
    /// was away.
    pub(super) fn lasts(&self, written: &Written, mode: &str) -> bool {
        let whole_search = self.searcher.model().is_none() || mode == "hybrid";
        let fell_back = self.model.is_some() && written.refusal.is_none() && written.model == "extractive";
        written.refusal != Some(Refusal::NothingIndexed) && whole_search && !fell_back
    }
}

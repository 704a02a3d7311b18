//! Which questions may be answered by what was made for others, and which answers may be given to others.
use tokio::sync::mpsc;

use super::{
    answerer::{Answerer, Part},
    asked::Asked,
    cache::{AnswerCache, Key, Seen, passed_by, personal, same},
    draft::Draft,
    standalone::doubtful,
    support::Refusal,
    written::Written,
};
use crate::{
    Result,
    language::Locale,
    tenancy::{Customer, TenantTx},
};

impl Answerer {
    /// The cache and the key of a question that others may ask as well: it begins a conversation, and is nobody's in particular.
    /// What was said before is one visitor's, and might be there to be found in another's answer.
    pub(super) fn shared(&self, customer: &Customer, asked: &Asked) -> Option<(&AnswerCache, Key)> {
        let cache = self.cache.as_ref().filter(|_| asked.history.is_empty())?;
        if personal(&asked.said) {
            passed_by("personal");
            return None;
        }
        Some((cache, self.key(customer, asked)))
    }

    /// What the database has of an answer to a question that begins a conversation, where it is asked for one.
    pub(super) async fn seen(&self, tx: &TenantTx, customer: &Customer, asked: &Asked) -> Seen {
        let Some(cache) = &self.cache else { return Seen::Unasked };
        if personal(&asked.said) || asked.small_talk(customer).is_some() {
            return Seen::Unasked;
        }
        cache.look(tx, &self.key(customer, asked)).await
    }

    /// What was answered before to a question in the middle of a conversation, if it stands by itself. Whoever asks the same again
    /// was not content, and what the site does not say may be clear from what was said.
    pub(super) async fn recalled(&self, customer: &Customer, asked: &Asked) -> Option<Draft> {
        let cache = self.cache.as_ref().filter(|_| !asked.history.is_empty())?;
        let repeated = || {
            asked
                .history
                .iter()
                .any(|turn| turn.role == "visitor" && same(&turn.text, &asked.said))
        };
        let leans = asked.rewritten().is_some() || doubtful(&asked.said, asked.locale, &asked.history);
        if leans || repeated() || personal(&asked.said) {
            passed_by("history");
            return None;
        }
        let found = cache.find(customer, &self.key(customer, asked)).await;
        found.filter(|draft| draft.written.refusal.is_none())
    }

    fn key(&self, customer: &Customer, asked: &Asked) -> Key {
        let locale = asked.locale.map(Locale::code);
        Key::of(customer, &self.recipe, locale, &asked.said)
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

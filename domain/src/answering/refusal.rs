//! The answer that the site does not say, with a way to people: the customer's own setting, else what the site itself publishes.
use super::{
    answerer::Answerer,
    ground, phrases,
    support::Refusal,
    written::{Written, refused, sources},
};
use crate::{
    Result,
    language::Locale,
    retrieval::Passage,
    tenancy::{AssistantSettings, Customer},
};

impl Answerer {
    /// Says why there is no answer, and how people are reached.
    pub(super) async fn refuse(
        &self,
        customer: &Customer,
        refusal: Refusal,
        passages: &[Passage],
        locale: Option<Locale>,
    ) -> Result<Written> {
        let settings = AssistantSettings::of(customer);
        if phrases::contact(&settings, locale).is_some() || refusal == Refusal::NothingIndexed {
            return Ok(refused(phrases::refusal(&settings, refusal, locale), refusal, passages));
        }
        let tx = self.db.tenant_read(customer).await?;
        let route = super::facts::route(&tx, customer).await?;
        tx.commit().await?;
        let known = AssistantSettings {
            contact_email: route.as_ref().map(|route| route.text.clone()),
            ..settings
        };
        let mut written = refused(phrases::refusal(&known, refusal, locale), refusal, passages);
        if let Some(route) = route.filter(|route| written.sources.iter().all(|source| source.page != route.page)) {
            let page = ground::disarm(vec![route.passage()]).0;
            let mut page = sources(&page.iter().collect::<Vec<_>>());
            for source in &mut page {
                source.n = written.sources.len() + 1;
            }
            written.sources.extend(page);
        }
        Ok(written)
    }
}

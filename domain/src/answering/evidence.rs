//! What an answer may rest on and lead to: the passages, the customer's own contacts, and its verified hosts.
use super::{
    answerer::Answerer,
    asked::Asked,
    ground::{self, Judge, Links},
    prompt::Prompt,
    written::Written,
};
use crate::{
    Result,
    retrieval::Passage,
    tenancy::{self, AssistantSettings, Customer},
};

impl Answerer {
    /// Judges what a model answers from `shown`.
    pub(super) async fn judge(
        &self,
        customer: &Customer,
        asked: &Asked,
        shown: &[&Passage],
        prompt: &Prompt,
    ) -> Result<Judge> {
        let settings = AssistantSettings::of(customer);
        let urls = shown
            .iter()
            .map(|p| p.url.as_str())
            .chain(settings.contact_url.as_deref());
        let links = self.links(customer, urls).await?;
        let contacts = [settings.name, settings.contact_email, settings.contact_url]
            .into_iter()
            .flatten();
        let trusted: Vec<String> = contacts
            .chain([customer.name.clone(), customer.domain.clone()])
            .collect();
        Ok(Judge::new(
            &asked.said,
            shown,
            &trusted.join("\n"),
            links,
            prompt.instructions(),
            &prompt.mark,
        ))
    }

    /// A quotation whose links lead to its sources and to the customer's hosts.
    pub(super) async fn led_home(&self, customer: &Customer, quoted: Written) -> Result<Written> {
        let links = self
            .links(customer, quoted.sources.iter().map(|s| s.url.as_str()))
            .await?;
        Ok(Written {
            text: ground::quoted(&quoted.text, &links),
            ..quoted
        })
    }

    async fn links<'a>(&self, customer: &Customer, sources: impl Iterator<Item = &'a str> + Send) -> Result<Links> {
        let sources: Vec<&str> = sources.collect();
        let hosts = tenancy::own_hosts(&self.db.tenant_read(customer).await?).await?;
        Ok(Links::new(sources, hosts))
    }
}

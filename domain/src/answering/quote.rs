//! The extractive answer: the section of the best passage, quoted.
use super::{
    answerer::{Answerer, Usage},
    extractive,
    written::{Written, one_a_page, sources},
};
use crate::{Error, Result, retrieval::Passage, tenancy::Customer};

impl Answerer {
    /// How near each text is to the question; none without a model.
    async fn nearness(&self, question: &str, mut texts: Vec<String>) -> Result<Option<Vec<f32>>> {
        texts.insert(0, question.to_owned());
        let vectors = self.searcher.embed_query(&texts).await?;
        Ok(vectors.map(|vectors| {
            let dot = |v: &Vec<f32>| v.iter().zip(&vectors[0]).map(|(a, b)| a * b).sum::<f32>();
            vectors[1..].iter().map(dot).collect()
        }))
    }

    /// Quotes the section of the best passage; the other pages are further sources.
    pub(super) async fn extract(&self, customer: &Customer, question: &str, passages: &[Passage]) -> Result<Written> {
        let best = passages
            .first()
            .ok_or_else(|| Error::internal("quoting", "no passage"))?;
        let section = extractive::Section::new(best, &self.searcher.section(customer, best).await?);
        let near = self.nearness(question, section.texts()).await?;
        let body = extractive::compose(&section, near.as_deref().unwrap_or_default(), self.simplified);
        let sources = sources(&one_a_page(passages));
        // The mark stands on a line of its own after a list, table or code block.
        let mark = if body.ends_with("```") || body.lines().last().is_some_and(|l| l.starts_with('|')) {
            "\n\n[1]"
        } else {
            " [1]"
        };
        Ok(Written {
            text: body + mark,
            sources,
            refusal: None,
            usage: Usage::default(),
            model: "extractive".into(),
        })
    }
}

//! Questions to start a conversation with: the customer's own, else some that its pages ask and answer.
//!
//! They are chosen when the index has been built, from the site's FAQ, else from headings that are questions, else from headings,
//! in the language of their pages; each has been answered from its own page before it is offered. Reading them is one small
//! query, since every opening of the widget waits for it.
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

use super::answerer::{Answerer, CONSIDERED};
use crate::{
    Result,
    language::{Locale, detect},
    retrieval::{Mode, Version},
    tenancy::{AssistantSettings, Customer, SUGGESTIONS, TenantTx, sql},
};

/// Questions that the widget shows.
const SHOWN: usize = 4;
/// Candidates of one language that are tried: each is a search.
const TRIED: usize = 18;
/// With fewer questions of the site's own, headings help out.
const FEW: usize = 3;
/// Passages among which a question's own page must be.
const NEAREST: usize = 3;

/// A question that a page might answer.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
struct Candidate {
    page: Uuid,
    language: Option<String>,
    text: String,
    /// 0 a question of an FAQ, 1 a heading that asks, 2 another heading.
    tier: i32,
}

/// The questions to show to a visitor, in the visitor's language if the site speaks it.
pub async fn suggestions(tx: &TenantTx, settings: &AssistantSettings, locale: Option<Locale>) -> Result<Vec<String>> {
    const FIND: &str = "
        SELECT s.locale, s.question FROM suggested_questions s JOIN scraped_pages p ON p.id = s.page_id AND p.tombstoned_at IS NULL
        WHERE s.customer_id = $1 ORDER BY s.locale, s.ordinal";
    if let Some(own) = &settings.suggestions {
        return Ok(own.clone());
    }
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in tx.query_all_raw(sql(FIND, [tx.customer().into()])).await? {
        found
            .entry(row.try_get("", "locale")?)
            .or_default()
            .push(row.try_get("", "question")?);
    }
    let wanted = locale.and_then(|locale| found.remove(locale.code()));
    // Whoever reads a site in its one language can ask in it.
    let most = |found: BTreeMap<String, Vec<String>>| found.into_values().max_by_key(Vec::len);
    let mut questions = wanted.or_else(|| most(found)).unwrap_or_default();
    questions.truncate(SHOWN);
    Ok(questions)
}

impl Answerer {
    /// Chooses a customer's questions anew; returns how many.
    pub async fn choose_suggestions(&self, customer: &Customer) -> Result<usize> {
        let tx = self.db.tenant(customer).await?;
        let candidates = candidates(&tx).await?;
        tx.commit().await?;
        let mut chosen = Vec::new();
        for (locale, candidates) in by_language(candidates) {
            let mut good: Vec<Candidate> = Vec::new();
            for candidate in candidates.into_iter().take(TRIED) {
                let enough = good.len() == SUGGESTIONS || (candidate.tier == 2 && good.len() >= FEW);
                if !enough && self.answers(customer, &candidate).await? {
                    good.push(candidate);
                }
            }
            chosen.extend(
                good.into_iter()
                    .enumerate()
                    .map(|(n, c)| json!({ "locale": locale.code(), "ordinal": n, "page": c.page, "question": c.text })),
            );
        }
        let tx = self.db.tenant(customer).await?;
        store(&tx, chosen).await?;
        let count = tx
            .query_one_raw(sql("SELECT count(*) AS n FROM suggested_questions", []))
            .await?;
        tx.commit().await?;
        let count: i64 = count.map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
        Ok(count as usize)
    }

    /// Whether the site answers it, and from the page that it was found on.
    async fn answers(&self, customer: &Customer, candidate: &Candidate) -> Result<bool> {
        let found = self
            .searcher
            .search(customer, &candidate.text, Mode::Hybrid, CONSIDERED)
            .await?;
        let own = found
            .passages
            .iter()
            .take(NEAREST)
            .any(|passage| passage.page == candidate.page);
        let supported = self
            .supported(customer, Version::Published, &candidate.text, &found.passages)
            .await?;
        Ok(own && supported.is_ok())
    }
}

async fn candidates(tx: &TenantTx) -> Result<Vec<Candidate>> {
    const FIND: &str = r"
        WITH live AS (SELECT id, url, language, array_length(string_to_array(url, '/'), 1) AS depth FROM scraped_pages
          WHERE customer_id = $1 AND tombstoned_at IS NULL AND duplicate_of IS NULL),
        faq AS (
          SELECT p.id AS page, p.language, q.item ->> 'question' AS text, 0 AS tier, p.depth, p.url, q.n
          FROM structured_extractions s JOIN live p ON p.id = s.page_id
          CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(s.data -> 'questions') WHEN 'array' THEN s.data -> 'questions' ELSE '[]' END)
            WITH ORDINALITY AS q (item, n)
          WHERE s.customer_id = $1 AND s.kind = 'faq' AND s.shown),
        heading AS (
          SELECT e.page_id AS page, p.language, h.text, CASE WHEN h.text ~ '[?？]\s*$' THEN 1 ELSE 2 END AS tier, p.depth, p.url, e.ordinal AS n
          FROM page_embeddings e JOIN live p ON p.id = e.page_id
          CROSS JOIN LATERAL (SELECT regexp_replace(e.heading_path, '^.* > ', '') AS text) h
          WHERE e.customer_id = $1 AND e.published AND e.heading_path LIKE '% > %'),
        ranked AS (
          SELECT *, row_number() OVER (PARTITION BY tier, language ORDER BY depth, url, n) AS place
          FROM (SELECT * FROM faq UNION ALL SELECT * FROM heading) every
          WHERE length(text) BETWEEN 6 AND 90 AND (tier < 2 OR (length(text) <= 50 AND text ~ '\s')))
        SELECT page, language, btrim(text) AS text, tier FROM ranked WHERE place <= 200 ORDER BY tier, depth, url, n";
    Ok(Candidate::find_by_statement(sql(FIND, [tx.customer().into()]))
        .all(&**tx)
        .await?)
}

/// Candidates of each language, in the order in which they are tried: tier by tier, and in each from every page in turn.
fn by_language(candidates: Vec<Candidate>) -> BTreeMap<Locale, Vec<Candidate>> {
    let mut seen = HashSet::new();
    let mut turns: HashMap<(i32, Uuid), usize> = HashMap::new();
    let mut ordered: BTreeMap<Locale, Vec<(i32, usize, Candidate)>> = BTreeMap::new();
    for candidate in candidates {
        let of_page = candidate.language.as_deref().and_then(Locale::of_tag);
        let of_text = detect(&candidate.text);
        let Some(locale) = of_page.or(of_text) else { continue };
        // A page can be declared in one language and written in another.
        if of_text.is_some_and(|of_text| of_text != locale) || is_reference(&candidate.text) {
            continue;
        }
        let words: String = candidate
            .text
            .chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect();
        if words.is_empty() || !seen.insert((locale, words)) {
            continue;
        }
        let turn = turns.entry((candidate.tier, candidate.page)).or_default();
        ordered
            .entry(locale)
            .or_default()
            .push((candidate.tier, *turn, candidate));
        *turn += 1;
    }
    let sort = |mut list: Vec<(i32, usize, Candidate)>| {
        list.sort_by_key(|(tier, turn, _)| (*tier, *turn));
        list.into_iter().map(|(_, _, candidate)| candidate).collect()
    };
    ordered.into_iter().map(|(locale, list)| (locale, sort(list))).collect()
}

/// Headings that lead about and ask nothing: numbered sections, code, other pages.
fn is_reference(text: &str) -> bool {
    const LEADING: [&str; 10] = [
        "see also",
        "read more",
        "table of contents",
        "related",
        "siehe auch",
        "mehr lesen",
        "voir aussi",
        "ver también",
        "vedi anche",
        "zie ook",
    ];
    let lower = text.to_lowercase();
    lower.starts_with(|c: char| c.is_ascii_digit() || !c.is_alphanumeric() && !matches!(c, '¿' | '¡' | '"'))
        || LEADING.iter().any(|lead| lower.starts_with(lead))
        || text.contains(['{', '}', '<', '>', '=', '_', '`', '|'])
        || lower.contains("://")
}

/// Puts these in the place of the customer's questions.
async fn store(tx: &TenantTx, chosen: Vec<Value>) -> Result<()> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('suggestions of ' || $1::text, 0))";
    const OLD: &str = "DELETE FROM suggested_questions WHERE customer_id = $1";
    // A page can go while its questions are tried.
    const NEW: &str = "
        INSERT INTO suggested_questions (customer_id, locale, ordinal, page_id, question)
        SELECT $1, n.locale, n.ordinal, n.page, n.question FROM jsonb_to_recordset($2) AS n (locale text, ordinal int, page uuid, question text)
        JOIN scraped_pages p ON p.id = n.page AND p.tombstoned_at IS NULL";
    tx.execute_raw(sql(LOCK, [tx.customer().into()])).await?;
    tx.execute_raw(sql(OLD, [tx.customer().into()])).await?;
    tx.execute_raw(sql(NEW, [tx.customer().into(), Value::Array(chosen).into()]))
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(page: u128, language: &str, tier: i32, text: &str) -> Candidate {
        Candidate {
            page: Uuid::from_u128(page),
            language: Some(language.into()),
            text: text.into(),
            tier,
        }
    }

    #[test]
    fn every_page_has_its_turn_and_nothing_comes_twice_or_in_another_language() {
        let candidates = vec![
            candidate(1, "en", 0, "How long does delivery take?"),
            candidate(1, "en", 0, "How much is it?"),
            candidate(2, "en-GB", 0, "Can I return a kayak?"),
            candidate(3, "en", 0, "how long does DELIVERY take"),
            candidate(4, "en", 0, "Was kostet der Versand?"),
            candidate(5, "en", 1, "Do you ship to Norway?"),
            candidate(5, "en", 2, "See also our shop"),
            candidate(6, "de", 0, "Was kostet der Versand?"),
            candidate(7, "sv", 0, "Sognefjord 14"),
        ];
        let found = by_language(candidates);
        let texts = |locale| {
            found[&locale]
                .iter()
                .map(|c: &Candidate| c.text.as_str())
                .collect::<Vec<_>>()
        };
        let english = [
            "How long does delivery take?",
            "Can I return a kayak?",
            "How much is it?",
            "Do you ship to Norway?",
        ];
        assert_eq!(texts(Locale::En), english);
        assert_eq!(texts(Locale::De), ["Was kostet der Versand?"]);
        assert_eq!(found.len(), 2);
    }
}

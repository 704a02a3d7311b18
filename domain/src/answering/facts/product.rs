//! Prices and stock, from the typed rows of products: never from text, which goes stale and names other things' prices too. What a connected
//! shop says of a page's product stands in place of what the page marks up, which is as old as the last crawl.
use sea_orm::FromQueryResult;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Fact,
    words::{self, Labels},
};
use crate::{
    Result,
    answering::expected::{Expected, plain},
    language::Locale,
    retrieval::Passage,
    tenancy::{TenantTx, sql},
};

/// Products that one answer names.
const NAMED: usize = 4;

#[derive(Clone, Debug, FromQueryResult)]
struct Row {
    data: Value,
    page: Uuid,
    version: i64,
    url: String,
    title: String,
}

/// Whether the question asks for a price, or whether something is in stock.
pub fn asked(question: &str) -> bool {
    let plain = plain(question);
    Expected::of(question) == Some(Expected::Price) || words::STOCK.iter().any(|sign| plain.contains(sign))
}

/// The price and stock of the product that the question, which asks for them, names, if a found page sells it.
pub async fn fact(
    tx: &TenantTx,
    edition: &str,
    question: &str,
    locale: Option<Locale>,
    passages: &[Passage],
) -> Result<Option<Fact>> {
    let find = format!(
        "WITH pages AS (SELECT id, version, url, url_hash, title FROM scraped_pages
          WHERE customer_id = $1 AND id = ANY($2) AND tombstoned_at IS NULL AND duplicate_of IS NULL),
        sold AS (SELECT o.*, p.id AS page FROM pages p JOIN products o ON o.customer_id = $1 AND o.url_hash = p.url_hash),
        found AS (
          SELECT s.data, s.page_id AS page, 0 AS rank, s.id FROM structured_extractions s WHERE s.customer_id = $1 AND s.kind = 'product'
            AND s.page_id = ANY($2) AND s.page_id NOT IN (SELECT page FROM sold) AND s.{edition}
          UNION ALL SELECT jsonb_build_object('name', o.name, 'price', o.price::text, 'price_high', o.price_high::text, 'currency', o.currency,
            'availability', o.availability), o.page, 0, o.id FROM sold o WHERE o.deleted_at IS NULL
          UNION ALL SELECT jsonb_build_object('name', o.name || ' ' || v.name, 'price', v.price::text, 'currency', o.currency,
            'availability', v.availability, 'variant', true), o.page, 1, v.id
            FROM sold o JOIN product_variants v ON v.customer_id = $1 AND v.product_id = o.id WHERE o.deleted_at IS NULL AND v.name <> '')
        SELECT f.data, p.id AS page, p.version, p.url, p.title FROM found f JOIN pages p ON p.id = f.page
        ORDER BY array_position($2, p.id), f.rank, f.id LIMIT 200"
    );
    let mut pages: Vec<Uuid> = Vec::new();
    for passage in passages {
        if !pages.contains(&passage.page) {
            pages.push(passage.page);
        }
    }
    let rows = Row::find_by_statement(sql(&find, [tx.customer().into(), pages.into()]))
        .all(&**tx)
        .await?;
    Ok(told(&rows, &plain(question), words::labels(locale), locale))
}

fn told(rows: &[Row], asked: &str, labels: &Labels, locale: Option<Locale>) -> Option<Fact> {
    let named: Vec<&str> = words::named(asked);
    let mut meant: Vec<(usize, &Row)> = rows.iter().filter_map(|row| Some((meant(row, &named)?, row))).collect();
    let best = meant.iter().map(|(shared, _)| *shared).max()?;
    meant.retain(|(shared, _)| *shared == best);
    let page = meant.first()?.1;
    meant.retain(|(_, row)| row.page == page.page);
    // Variants are for whoever asks for one.
    if meant.iter().any(|(_, row)| !is_variant(row)) {
        meant.retain(|(_, row)| !is_variant(row));
    }
    let lines: Vec<String> = meant
        .iter()
        .take(NAMED)
        .filter_map(|(_, row)| line(&row.data, labels, locale))
        .collect();
    let text = match &lines[..] {
        [] => return None,
        [one] => one.clone(),
        several => several
            .iter()
            .map(|line| format!("- {line}"))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    Some(Fact {
        text,
        url: page.url.clone(),
        title: page.title.clone(),
        page: page.page,
        version: page.version,
    })
}

fn is_variant(row: &Row) -> bool {
    row.data["variant"] == true
}

/// How many words the question shares with the product's name, if it names nothing else: "in red" asks for more than a row tells.
fn meant(row: &Row, named: &[&str]) -> Option<usize> {
    let name = plain(row.data["name"].as_str()?);
    let has = |word: &str| {
        name.split(' ')
            .any(|part| part == word || (word.len() > 4 && word.strip_suffix('s') == Some(part)))
    };
    (!named.is_empty() && named.iter().all(|word| has(word))).then_some(named.len())
}

/// `**Name**: £89.00, in stock`.
fn line(data: &Value, labels: &Labels, locale: Option<Locale>) -> Option<String> {
    let price = |key: &str| {
        data[key]
            .as_str()
            .map(|amount| money(amount, data["currency"].as_str(), locale))
    };
    let price = match (price("price"), price("price_high")) {
        (Some(low), Some(high)) if low != high => Some(format!("{low} – {high}")),
        (low, _) => low,
    };
    let stock = match data["availability"].as_str() {
        Some("in_stock" | "online_only" | "in_store_only" | "made_to_order") => Some(labels.in_stock),
        Some("out_of_stock" | "sold_out" | "back_order") => Some(labels.out_of_stock),
        Some("pre_order") => Some(labels.pre_order),
        Some("limited") => Some(labels.limited),
        Some("discontinued") => Some(labels.discontinued),
        _ => None,
    };
    let told: Vec<String> = price.into_iter().chain(stock.map(str::to_owned)).collect();
    let name = data["name"].as_str()?;
    (!told.is_empty()).then(|| format!("**{name}**: {}", told.join(", ")))
}

/// An amount as the language writes it.
fn money(amount: &str, currency: Option<&str>, locale: Option<Locale>) -> String {
    let sign = match currency {
        Some("EUR") => Some("€"),
        Some("GBP") => Some("£"),
        Some("USD") => Some("$"),
        _ => None,
    };
    match (locale, sign, currency) {
        (None | Some(Locale::En), Some(sign), _) => format!("{sign}{amount}"),
        (None | Some(Locale::En), None, Some(currency)) => format!("{amount} {currency}"),
        (Some(_), _, Some(currency)) => format!("{} {}", amount.replace('.', ","), sign.unwrap_or(currency)),
        (_, _, None) => amount.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows() -> Vec<Row> {
        let row = |n: u128, data: Value| Row {
            data,
            page: Uuid::from_u128(n),
            version: 1,
            url: format!("https://shop.example/{n}"),
            title: String::new(),
        };
        vec![
            row(
                1,
                json!({"name": "Alder desk lamp", "price": "89.00", "currency": "GBP", "availability": "in_stock"}),
            ),
            row(
                2,
                json!({"name": "Tern carbon paddle", "price": "189.00", "price_high": "219.00", "currency": "EUR"}),
            ),
        ]
    }

    fn answer(question: &str, locale: Option<Locale>) -> Option<String> {
        told(&rows(), &plain(question), words::labels(locale), locale).map(|fact| fact.text)
    }

    #[test]
    fn the_product_that_is_named_is_told_and_no_other() {
        assert_eq!(
            answer("How much is the Alder desk lamp?", None).unwrap(),
            "**Alder desk lamp**: £89.00, in stock"
        );
        assert_eq!(
            answer("What does the Tern paddle cost?", None).unwrap(),
            "**Tern carbon paddle**: €189.00 – €219.00"
        );
        assert_eq!(
            answer("Was kostet die Alder?", Some(Locale::De)).unwrap(),
            "**Alder desk lamp**: 89,00 £, auf Lager"
        );
        assert_eq!(answer("How much is the Hazel bedside lamp?", None), None);
        assert_eq!(answer("How much does delivery of a lamp cost?", None), None);
        assert_eq!(answer("Is the Alder desk lamp available in red?", None), None);
    }

    #[test]
    fn a_variant_is_told_of_to_whoever_asks_for_it() {
        let mut rows = rows();
        let of = |name: &str, price: &str, stock: &str| Row {
            data: json!({"name": name, "price": price, "currency": "GBP", "availability": stock, "variant": true}),
            ..rows[0].clone()
        };
        let variants = [
            of("Alder desk lamp Red", "95.00", "out_of_stock"),
            of("Alder desk lamp Green", "89.00", "in_stock"),
        ];
        rows.extend(variants);
        let answer = |question: &str| told(&rows, &plain(question), words::labels(None), None).map(|fact| fact.text);
        let red = "**Alder desk lamp Red**: £95.00, out of stock";
        assert_eq!(answer("How much is the red Alder desk lamp?").unwrap(), red);
        let all = "**Alder desk lamp**: £89.00, in stock";
        assert_eq!(answer("How much is the Alder desk lamp?").unwrap(), all);
    }
}

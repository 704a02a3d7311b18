//! Reads each chunk of the customer in one language once, for both legs: how far its vector is from the question's, and which of the
//! question's words it has ([`super::words`] says how). Postgres computes that beside the rows and sends numbers, some thirty bytes a
//! chunk; what they come to is computed here ([`super::bm25`]), for a fraction of what grouping and joining cost there
//! (`docs/adr/0035-ranks-are-computed-beside-the-database.md`).
use sea_orm::{ConnectionTrait, QueryResult, Value};
use std::fmt::Write as _;
use uuid::Uuid;

use super::{
    Version,
    query::{Vector, of_version},
    words::Language,
};
use crate::{Result, tenancy::TenantTx};

/// What a chunk without a vector of the model has for a distance.
pub(super) const FAR: f64 = f64::INFINITY;

/// `{columns}` are the distances and products. The order of rows is any, the same for all columns.
const SCAN: &str = "
  WITH chunks AS (SELECT c.id, c.word_total, c.words, c.model_id, c.embedding FROM page_embeddings c
    WHERE c.customer_id = $1 AND c.config = $2 AND c.published)
  SELECT array_agg(c.id) AS ids, array_agg(c.word_total) AS lengths{columns} FROM chunks c";

/// The chunks of a language.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Who they are.
    pub ids: Vec<Uuid>,
    /// Words of each text.
    pub lengths: Vec<i32>,
    /// Of each product of the question's words, each chunk's number.
    pub products: Vec<Vec<u32>>,
    /// Cosine distances to the question's vector, [`FAR`] without one; empty if none was asked for.
    pub distances: Vec<f64>,
}

/// Scans the chunks in `language`. With `vector` none, no distances are measured.
pub(super) async fn scan(
    tx: &TenantTx,
    version: Version,
    language: &Language,
    vector: Option<&Vector>,
) -> Result<Scan> {
    let products = language.products();
    let count = products.len();
    let mut values: Vec<Value> = vec![tx.customer().into(), language.config.clone().into()];
    let mut columns = String::new();
    // A parameter's text is parsed once in a query of its own; in a generic plan it would be for every row. Products take the shorter
    // vector first, which pgvector walks once.
    for (n, product) in products.into_iter().enumerate() {
        values.push(product.into());
        let _ = write!(
            columns,
            ", array_agg((SELECT ${}::sparsevec) <#> c.words) AS p{n}",
            values.len()
        );
    }
    if let Some(vector) = vector {
        values.extend([vector.model.into(), vector.text.clone().into()]);
        let _ = write!(
            columns,
            ", array_agg(CASE WHEN c.model_id = ${} THEN c.embedding <=> (SELECT ${}::halfvec) ELSE 'Infinity' END) AS distances",
            values.len() - 1,
            values.len()
        );
    }
    let statement = of_version(&SCAN.replace("{columns}", &columns), values, version);
    match tx.query_one_raw(statement).await? {
        Some(row) => read(&row, count, vector.is_some()),
        None => Ok(Scan::default()),
    }
}

/// Arrays of no rows are null.
fn read(row: &QueryResult, products: usize, distances: bool) -> Result<Scan> {
    let numbers = |column: &str| -> Result<Vec<f64>> { Ok(row.try_get::<Option<_>>("", column)?.unwrap_or_default()) };
    // The operator gives the negative of the product.
    let whole = |negative: f64| -negative as u32;
    let products: Result<Vec<Vec<u32>>> = (0..products)
        .map(|n| Ok(numbers(&format!("p{n}"))?.into_iter().map(whole).collect()))
        .collect();
    Ok(Scan {
        ids: row.try_get::<Option<_>>("", "ids")?.unwrap_or_default(),
        lengths: row.try_get::<Option<_>>("", "lengths")?.unwrap_or_default(),
        products: products?,
        distances: if distances { numbers("distances")? } else { Vec::new() },
    })
}

//! Reads each chunk of the customer in one language once, for both legs: how far its vector is from the question's, and which of the
//! question's words it has ([`super::words`] says how). Postgres computes that beside the rows and sends numbers, some thirty bytes a
//! chunk; what they come to is computed here ([`super::bm25`]), for a fraction of what grouping and joining cost there
//! (`docs/adr/0035-ranks-are-computed-beside-the-database.md`). Of customers whose chunks are in memory, [`super::resident`] gives the same.
use sea_orm::{ConnectionTrait, QueryResult, Value};
use sqlx::{Row as _, ValueRef as _};
use std::{fmt::Write as _, sync::Arc};
use uuid::Uuid;

use super::{
    Version,
    query::{Vector, of_version},
    words::Language,
};
use crate::{Error, Result, tenancy::TenantTx};

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
    pub ids: Arc<[Uuid]>,
    /// Words of each text.
    pub lengths: Arc<[i32]>,
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
        values.extend([vector.model.into(), vector.text().into()]);
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
    let ids = elements(row, "ids", Uuid::from_bytes)?;
    let lengths = elements(row, "lengths", i32::from_be_bytes)?;
    // The operator gives the negative of the product.
    let whole = |bytes| -f64::from_be_bytes(bytes) as u32;
    let products = (0..products).map(|n| elements(row, &format!("p{n}"), whole));
    let products = products.collect::<Result<Vec<_>>>()?;
    let distances = if distances {
        elements(row, "distances", f64::from_be_bytes)?
    } else {
        Vec::new()
    };
    let counted = [lengths.len()].into_iter().chain(products.iter().map(Vec::len));
    if counted.into_iter().any(|count| count != ids.len()) || ![0, ids.len()].contains(&distances.len()) {
        return Err(Error::internal("search", "arrays of different lengths"));
    }
    Ok(Scan {
        ids: ids.into(),
        lengths: lengths.into(),
        products,
        distances,
    })
}

/// The elements of an array without nulls, as `array_send` writes it: five numbers (dimensions, whether there are nulls, type, count, first
/// subscript), and each element's size and bytes. sqlx would look up and check each element's type, of tens of thousands.
fn elements<T, const SIZE: usize>(row: &QueryResult, column: &str, of: impl Fn([u8; SIZE]) -> T) -> Result<Vec<T>> {
    const HEAD: usize = 20;
    let row = row
        .try_as_pg_row()
        .ok_or_else(|| Error::internal("search", "no row of Postgres"))?;
    let value = row.try_get_raw(column).map_err(|e| Error::internal("search", e))?;
    if value.is_null() {
        return Ok(Vec::new());
    }
    let bytes = value.as_bytes().map_err(|e| Error::internal("search", e))?;
    let each = bytes.get(HEAD..).unwrap_or_default().chunks_exact(4 + SIZE);
    Ok(each
        .filter_map(|element| element[4..].try_into().ok())
        .map(of)
        .collect())
}

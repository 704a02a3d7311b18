//! How many of the nearest chunks a search finds, against an exact scan.
use anyhow::Result;
use domain::{
    retrieval::{Mode, Searcher},
    tenancy::Customer,
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use std::collections::HashSet;

use super::vectors::{Centres, text_of};

/// Questions that are compared.
const COMPARED: usize = 100;
pub const NEAREST: usize = 10;

/// The share of the customer's nearest ten that the product's search by vectors has among its first ten.
pub async fn recall(
    searcher: &Searcher,
    owner: &DatabaseConnection,
    customer: &Customer,
    questions: &[String],
) -> Result<f64> {
    const EXACT: &str = "
        WITH near AS MATERIALIZED (SELECT ordinal, embedding <=> $2::halfvec AS d FROM page_embeddings WHERE customer_id = $1)
        SELECT ordinal FROM near ORDER BY d LIMIT $3";
    let mut found = 0;
    for question in questions.iter().cycle().take(COMPARED) {
        let mut passages = searcher.search(customer, question, Mode::Vector, 100).await?.passages;
        passages.sort_by(|a, b| b.cosine.unwrap_or(0.0).total_cmp(&a.cosine.unwrap_or(0.0)));
        let ours: HashSet<i32> = passages.iter().take(NEAREST).map(|p| p.ordinal).collect();
        let vector = text_of(&Centres::of(question));
        let values = [customer.id.into(), vector.into(), (NEAREST as i64).into()];
        let exact = Statement::from_sql_and_values(DbBackend::Postgres, EXACT, values);
        for row in owner.query_all_raw(exact).await? {
            found += usize::from(ours.contains(&row.try_get::<i32>("", "ordinal")?));
        }
    }
    Ok(found as f64 / (COMPARED * NEAREST) as f64)
}

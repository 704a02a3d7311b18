//! Two customers who have the very same texts and vectors: what is found is one's own, however it is searched for.
use domain::{
    retrieval::{EXACT_LIMIT, Mode, Searcher},
    tenancy::Customer,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::{collections::BTreeSet, sync::Arc};
use testkit::Kit;
use uuid::Uuid;

use crate::retrieval::{FirstAxis, NEAR, fill};

/// Chunks of each that have vectors; the same numbers of both are equal.
const EQUAL: usize = 40;

async fn own(kit: &Kit, customer: &Customer) -> BTreeSet<Uuid> {
    let owner = domain::tenancy::Db::connect_owner(&kit.config.database).await.unwrap();
    let all = format!("SELECT id FROM page_embeddings WHERE customer_id = '{}'", customer.id);
    let rows = owner.query_all_raw(Statement::from_string(DbBackend::Postgres, all));
    rows.await
        .unwrap()
        .iter()
        .map(|row| row.try_get("", "id").unwrap())
        .collect()
}

/// What each mode finds for each of the customers is theirs.
async fn is_kept_apart(kit: &Kit, customers: &[Customer; 2], least: usize) {
    let searcher = Searcher::new(kit.db.clone(), Some(Arc::new(FirstAxis::default())))
        .await
        .unwrap();
    // In the database, and in memory from the third search on.
    for memory in [0, 128 << 20] {
        finds_its_own(&searcher.clone().with_memory(memory), kit, customers, least).await;
    }
}

async fn finds_its_own(searcher: &Searcher, kit: &Kit, customers: &[Customer; 2], least: usize) {
    let mut texts = Vec::new();
    for customer in customers {
        let own = own(kit, customer).await;
        for mode in [Mode::Vector, Mode::Lexical, Mode::Hybrid] {
            let found = searcher.search(customer, "chunk 7", mode, 100).await.unwrap().passages;
            let foreign = found.iter().filter(|passage| !own.contains(&passage.chunk)).count();
            assert_eq!(foreign, 0, "{mode:?} for {}", customer.domain);
            assert!(
                found.iter().all(|passage| passage.url.contains(&customer.domain)),
                "{mode:?}"
            );
            if mode == Mode::Vector {
                assert!(found.len() >= least, "{} of {EQUAL}", found.len());
                texts.push(found.first().map(|passage| passage.text.clone()));
            }
        }
    }
    assert_eq!(texts[0], texts[1], "both find the same text, each its own");
}

#[tokio::test]
async fn equal_texts_and_vectors_of_two_customers_are_found_by_their_own_customer_only() {
    let kit = Kit::start().await;
    let customers = [kit.customer("a.example").await, kit.customer("b.example").await];
    for customer in &customers {
        fill(&kit, customer, EQUAL as i64, &NEAR.replace("{far}", "0.3")).await;
    }
    is_kept_apart(&kit, &customers, EQUAL).await;
}

#[tokio::test]
async fn the_vector_index_gives_equal_vectors_to_their_own_customer_only() {
    const SCANS: &str = "SELECT coalesce(sum(idx_scan), 0)::bigint FROM pg_stat_user_indexes WHERE indexrelname LIKE 'idx_embeddings_vector%'";
    let kit = Kit::start().await;
    let customers = [kit.customer("a.example").await, kit.customer("b.example").await];
    let some = format!("CASE WHEN n <= {EQUAL} THEN {} END", NEAR.replace("{far}", "0.3"));
    for customer in &customers {
        fill(&kit, customer, EXACT_LIMIT + EQUAL as i64, &some).await;
    }
    let owner = domain::tenancy::Db::connect_owner(&kit.config.database).await.unwrap();
    owner.execute_unprepared("ANALYZE page_embeddings").await.unwrap();
    // Its graph is made by chance and may miss some.
    is_kept_apart(&kit, &customers, EQUAL * 3 / 4).await;
    testkit::eventually("a scan of the vector index", async || {
        (kit.count(SCANS).await > 0).then_some(())
    })
    .await;
}

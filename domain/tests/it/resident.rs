//! Chunks in the memory of a process: used while they are what the database has, and never a moment longer, whoever changes them.
use domain::{
    pages::{
        index::{self, Edition, NewChunk},
        model_change, removal, staging, store,
    },
    retrieval::{Mode, Searcher},
    tenancy::{self, Customer, Db, TenantTx},
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use testkit::Kit;
use uuid::Uuid;

use crate::retrieval::FirstAxis;

/// A page of one chunk.
async fn edition(tx: &TenantTx, customer: &Customer, path: &str, text: &str) -> Edition {
    let page = testkit::page(format!("https://{}/{path}", customer.domain), path, text);
    let stored = store::save(tx, &page).await.unwrap();
    let chunk = NewChunk {
        embedding: Some((0..384_u16).map(|at| f32::from(at % 7)).collect()),
        ..testkit::chunk(path, text)
    };
    Edition {
        page: index::pending(tx, stored.id, true).await.unwrap().unwrap(),
        chunks: vec![chunk],
    }
}

async fn publish(kit: &Kit, customer: &Customer, path: &str, text: &str) -> Uuid {
    let tx = kit.db.tenant(customer).await.unwrap();
    let edition = edition(&tx, customer, path, text).await;
    index::publish_all(&tx, Some(index::LOCAL_MODEL), &[&edition])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    edition.page.id
}

/// The paths that a search for kayaks finds by words.
async fn kayaks(searcher: &Searcher, customer: &Customer) -> BTreeSet<String> {
    let found = searcher.search(customer, "kayak", Mode::Lexical, 20).await.unwrap();
    found.passages.into_iter().map(|passage| passage.title).collect()
}

/// One that keeps chunks and has read the customer's.
async fn warm(kit: &Kit, customer: &Customer) -> Searcher {
    let searcher = Searcher::new(kit.db.clone(), Some(Arc::new(FirstAxis::default())))
        .await
        .unwrap();
    for _ in 0..2 {
        kayaks(&searcher, customer).await;
    }
    searcher
}

async fn owner(kit: &Kit) -> DatabaseConnection {
    Db::connect_owner(&kit.config.database).await.unwrap()
}

/// Changes rows as nothing of the product can: so that no trigger notices.
async fn behind_its_back(kit: &Kit, sql: &str) {
    let owner = owner(kit).await;
    let silent = format!("BEGIN; SET LOCAL session_replication_role = replica; {sql}; COMMIT");
    owner.execute_unprepared(&silent).await.unwrap();
    owner.close().await.unwrap();
}

fn paths<const N: usize>(paths: [&str; N]) -> BTreeSet<String> {
    paths.map(str::to_owned).into()
}

const TENTS: &str = "UPDATE page_embeddings SET text = replace(text, 'kayak', 'tent')";

#[tokio::test]
async fn the_third_search_of_the_same_chunks_reads_them_in_memory() {
    let kit = Kit::start().await;
    let (customer, other) = (kit.customer("a.example").await, kit.customer("b.example").await);
    publish(&kit, &customer, "a", "One kayak.").await;
    publish(&kit, &other, "b", "Another kayak.").await;
    let warm = warm(&kit, &customer).await;
    let cold = Searcher::new(kit.db.clone(), None).await.unwrap().with_memory(0);
    behind_its_back(&kit, TENTS).await;
    assert_eq!(kayaks(&warm, &customer).await, paths(["a"]), "from memory");
    assert_eq!(
        kayaks(&warm, &other).await,
        paths([]),
        "of another customer nothing is in memory"
    );
    for _ in 0..3 {
        assert_eq!(kayaks(&cold, &customer).await, paths([]), "without memory");
    }
    publish(&kit, &customer, "c", "A third kayak.").await;
    assert_eq!(kayaks(&warm, &customer).await, paths(["c"]));
}

#[tokio::test]
async fn chunks_of_the_model_are_asked_by_their_vectors_in_memory_as_in_the_database() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    publish(&kit, &customer, "a", "One kayak.").await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let mut bare = edition(&tx, &customer, "b", "Another kayak.").await;
    bare.chunks[0].embedding = None;
    index::publish_all(&tx, None, &[&bare]).await.unwrap();
    tx.commit().await.unwrap();
    let warm = warm(&kit, &customer).await;
    let cold = warm.clone().with_memory(0);
    for mode in [Mode::Hybrid, Mode::Vector] {
        let of = async |searcher: &Searcher| {
            let found = searcher.search(&customer, "kayak", mode, 9).await.unwrap();
            let told = found.passages.into_iter().map(|p| (p.title, p.cosine, p.score));
            told.collect::<Vec<_>>()
        };
        let (here, there) = (of(&warm).await, of(&cold).await);
        assert_eq!(here.len(), if mode == Mode::Hybrid { 2 } else { 1 });
        for (here, there) in here.iter().zip(&there) {
            let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
            assert_eq!(here.0, there.0);
            assert_eq!(here.1.is_some(), there.1.is_some());
            assert!(close(here.1.unwrap_or(0.0), there.1.unwrap_or(0.0)) && close(here.2, there.2));
        }
        assert_eq!(here.len(), there.len());
    }
}

#[tokio::test]
async fn whatever_changes_chunks_is_seen_by_the_next_search_of_every_process() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let page = publish(&kit, &customer, "a", "One kayak.").await;
    publish(&kit, &customer, "b", "Another kayak.").await;
    let seen = async |what: &str, expected: BTreeSet<String>, searchers: [&Searcher; 2]| {
        for searcher in searchers {
            assert_eq!(kayaks(searcher, &customer).await, expected, "{what}");
        }
    };
    let warmed = async || [warm(&kit, &customer).await, warm(&kit, &customer).await];
    let change = async |what: &str, expected: BTreeSet<String>, change: &dyn AsyncChange| {
        let [one, other] = warmed().await;
        let tx = kit.db.tenant(&customer).await.unwrap();
        change.make(&tx).await;
        // What is not committed is seen by nobody, and what was kept is still good.
        let before = kayaks(&one, &customer).await;
        tx.commit().await.unwrap();
        assert_ne!(before, expected, "{what} changes nothing");
        seen(what, expected, [&one, &other]).await;
    };
    change("deletion", paths(["b"]), &Deletion(page)).await;
    change("restoring", paths(["a", "b"]), &Restoring(page)).await;
    change("publishing", paths(["a", "b", "c"]), &Publishing(customer.clone())).await;
    change(
        "showing what was staged",
        paths(["a", "b", "c", "d"]),
        &Showing(customer.clone()),
    )
    .await;
    change(
        "by hand",
        paths(["a", "c", "d"]),
        &Sql("DELETE FROM page_embeddings WHERE heading_path = 'b'"),
    )
    .await;
    change(
        "with its page",
        paths(["a", "d"]),
        &Sql("DELETE FROM scraped_pages WHERE title = 'c'"),
    )
    .await;
}

/// A change of a customer's chunks.
#[async_trait::async_trait]
trait AsyncChange {
    async fn make(&self, tx: &TenantTx);
}

struct Deletion(Uuid);

#[async_trait::async_trait]
impl AsyncChange for Deletion {
    async fn make(&self, tx: &TenantTx) {
        removal::delete(tx, self.0).await.unwrap();
    }
}

struct Restoring(Uuid);

#[async_trait::async_trait]
impl AsyncChange for Restoring {
    async fn make(&self, tx: &TenantTx) {
        removal::restore(tx, self.0).await.unwrap();
    }
}

struct Publishing(Customer);

#[async_trait::async_trait]
impl AsyncChange for Publishing {
    async fn make(&self, tx: &TenantTx) {
        let edition = edition(tx, &self.0, "c", "A third kayak.").await;
        index::publish_all(tx, Some(index::LOCAL_MODEL), &[&edition])
            .await
            .unwrap();
    }
}

struct Showing(Customer);

#[async_trait::async_trait]
impl AsyncChange for Showing {
    async fn make(&self, tx: &TenantTx) {
        let (crawl, edition) = (Uuid::now_v7(), edition(tx, &self.0, "d", "A fourth kayak.").await);
        staging::stage(tx, crawl, Some(index::LOCAL_MODEL), &[&edition])
            .await
            .unwrap();
        staging::show(tx, crawl, staging::TOGETHER).await.unwrap();
    }
}

struct Sql(&'static str);

#[async_trait::async_trait]
impl AsyncChange for Sql {
    async fn make(&self, tx: &TenantTx) {
        tx.execute_unprepared(self.0).await.unwrap();
    }
}

async fn changes(kit: &Kit, customer: &Customer) -> BTreeSet<Uuid> {
    let tx = kit.db.tenant(customer).await.unwrap();
    let rows = tx.query_all_raw(sea_orm::Statement::from_string(
        sea_orm::DbBackend::Postgres,
        "SELECT id FROM chunk_changes",
    ));
    let ids = rows.await.unwrap();
    ids.iter().map(|row| row.try_get("", "id").unwrap()).collect()
}

#[tokio::test]
async fn every_kind_of_statement_leaves_a_mark_of_its_customer_and_of_nobody_else() {
    let kit = Kit::start().await;
    let (customer, other) = (kit.customer("a.example").await, kit.customer("b.example").await);
    publish(&kit, &customer, "a", "One kayak.").await;
    publish(&kit, &other, "b", "Another kayak.").await;
    let (owner, theirs) = (owner(&kit).await, changes(&kit, &other).await);
    let of = format!("customer_id = '{}'", customer.id);
    let mut before = changes(&kit, &customer).await;
    for statement in [
        format!("UPDATE page_embeddings SET published = false WHERE {of}"),
        format!(
            "INSERT INTO page_embeddings (id, customer_id, page_id, ordinal, heading_path, text, text_hash, tokens, section)
             SELECT gen_random_uuid(), customer_id, page_id, 7, '', '', '', 1, 1 FROM page_embeddings WHERE {of}"
        ),
        format!("DELETE FROM page_embeddings WHERE ordinal = 7 AND {of}"),
        format!("DELETE FROM scraped_pages WHERE {of}"),
    ] {
        owner.execute_unprepared(&statement).await.unwrap();
        let after = changes(&kit, &customer).await;
        assert!(!after.is_empty() && after.is_disjoint(&before), "{statement}");
        before = after;
    }
    let none = format!("UPDATE page_embeddings SET tokens = 1 WHERE {of}");
    owner.execute_unprepared(&none).await.unwrap();
    assert_eq!(
        changes(&kit, &customer).await,
        before,
        "without rows there is no change"
    );
    assert_eq!(changes(&kit, &other).await, theirs);
    // Nothing is known any more.
    owner
        .execute_unprepared("TRUNCATE page_embeddings CASCADE")
        .await
        .unwrap();
    assert!(changes(&kit, &customer).await.is_empty() && changes(&kit, &other).await.is_empty());
    owner.close().await.unwrap();
}

#[tokio::test]
async fn writers_beside_each_other_do_not_wait_and_both_are_seen() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    publish(&kit, &customer, "a", "One kayak.").await;
    let before = changes(&kit, &customer).await;
    let searcher = warm(&kit, &customer).await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let editions = [
        edition(&tx, &customer, "b", "Another kayak.").await,
        edition(&tx, &customer, "c", "A third kayak.").await,
    ];
    tx.commit().await.unwrap();
    let (one, other) = (
        kit.db.tenant(&customer).await.unwrap(),
        kit.db.tenant(&customer).await.unwrap(),
    );
    for (tx, edition) in [&one, &other].into_iter().zip(&editions) {
        let editions = [edition];
        let publishing = index::publish_all(tx, Some(index::LOCAL_MODEL), &editions);
        let published = tokio::time::timeout(Duration::from_mins(1), publishing).await;
        published.expect("nobody waits").unwrap();
    }
    one.commit().await.unwrap();
    let between = changes(&kit, &customer).await;
    assert!(between.difference(&before).count() == 1);
    assert_eq!(kayaks(&searcher, &customer).await, paths(["a", "b"]));
    assert_eq!(kayaks(&searcher, &customer).await, paths(["a", "b"]));
    other.commit().await.unwrap();
    assert!(changes(&kit, &customer).await.difference(&between).count() == 1);
    assert_eq!(kayaks(&searcher, &customer).await, paths(["a", "b", "c"]));
    // What nobody holds any more goes with the next change.
    publish(&kit, &customer, "d", "A fourth kayak.").await;
    assert_eq!(changes(&kit, &customer).await.len(), 1);
}

#[tokio::test]
async fn a_change_of_the_model_is_a_change_of_chunks() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    publish(&kit, &customer, "a", "One kayak.").await;
    let model = index::model_id(&kit.db, "next", 384).await.unwrap();
    let before = changes(&kit, &customer).await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let bare = model_change::missing(&tx, model, (Uuid::nil(), Uuid::nil()), 9)
        .await
        .unwrap();
    let vectors: Vec<(Uuid, Vec<f32>)> = bare.iter().map(|chunk| (chunk.id, vec![1.0; 384])).collect();
    model_change::store(&tx, model, &vectors).await.unwrap();
    assert_eq!(
        model_change::switch(&tx, model).await.unwrap(),
        model_change::Switched::Yes
    );
    tx.commit().await.unwrap();
    assert!(changes(&kit, &customer).await.is_disjoint(&before));
}

#[tokio::test]
async fn a_customer_goes_with_its_marks() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    publish(&kit, &customer, "a", "One kayak.").await;
    let owner = owner(&kit).await;
    let delete = format!("DELETE FROM customer_configs WHERE id = '{}'", customer.id);
    owner.execute_unprepared(&delete).await.unwrap();
    owner.close().await.unwrap();
    assert_eq!(kit.count("SELECT count(*) FROM chunk_changes").await, 0);
    assert!(tenancy::get(&kit.db, customer.id).await.is_err());
}

//! Each chunk knows how many chunks its section has, however it came into the index; one that doesn't is counted by the search.
use domain::{
    pages::{
        index::{self, Edition, NewChunk},
        staging::{self, Shown},
        store,
    },
    retrieval::{Mode, Searcher},
    tenancy::{Customer, Db, TenantTx},
};
use sea_orm::ConnectionTrait as _;
use testkit::Kit;
use uuid::Uuid;

/// A page with a chunk for each of these headings.
async fn edition(tx: &TenantTx, customer: &Customer, path: &str, headings: &[&str]) -> Edition {
    let url = format!("https://{}/{path}", customer.domain);
    let page = testkit::page(url, path, &format!("{path} {headings:?}"));
    let stored = store::save(tx, &page).await.unwrap();
    let chunk = |(n, heading): (usize, &&str)| NewChunk {
        hash: index::input_hash(&format!("{heading} {n} {path}")),
        ..testkit::chunk(heading, &format!("Kayak number {n} of {path}."))
    };
    Edition {
        page: index::pending(tx, stored.id, true).await.unwrap().unwrap(),
        chunks: headings.iter().enumerate().map(chunk).collect(),
    }
}

async fn publish(kit: &Kit, customer: &Customer, path: &str, headings: &[&str]) {
    let tx = kit.db.tenant(customer).await.unwrap();
    let edition = edition(&tx, customer, path, headings).await;
    index::publish_all(&tx, None, &[&edition]).await.unwrap();
    tx.commit().await.unwrap();
}

/// The sizes that chunks know, in their order; one that is wrong fails the test.
async fn sizes(kit: &Kit) -> Vec<i64> {
    const WRONG: &str = "SELECT count(*) FROM page_embeddings c WHERE section IS NOT NULL AND section <> (SELECT count(*) FROM page_embeddings o
        WHERE o.page_id = c.page_id AND o.kind = c.kind AND o.heading_path = c.heading_path)";
    assert_eq!(kit.count(WRONG).await, 0);
    let mut sizes = Vec::new();
    for n in 0..kit.count("SELECT count(*) FROM page_embeddings").await {
        let nth = "SELECT coalesce(section, 0)::bigint FROM page_embeddings JOIN scraped_pages p ON p.id = page_id ORDER BY url, ordinal";
        sizes.push(kit.count(&format!("{nth} OFFSET {n} LIMIT 1")).await);
    }
    sizes
}

async fn forget(kit: &Kit, which: &str) {
    let owner = Db::connect_owner(&kit.config.database).await.unwrap();
    let forget = format!("UPDATE page_embeddings SET section = NULL WHERE {which}");
    owner.execute_unprepared(&forget).await.unwrap();
    owner.close().await.unwrap();
}

#[tokio::test]
async fn sizes_follow_their_page_however_it_is_published() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    publish(&kit, &customer, "a", &["Boats", "Boats", "Paddles"]).await;
    publish(&kit, &customer, "b", &["Boats"]).await;
    assert_eq!(sizes(&kit).await, [2, 2, 1, 1]);

    // The first two stay as they are but for their section's size, the last one stays as it is.
    publish(&kit, &customer, "a", &["Boats", "Boats", "Boats"]).await;
    assert_eq!(sizes(&kit).await, [3, 3, 3, 1]);

    // One from before sizes were known stays, too, and is counted.
    forget(&kit, "ordinal = 0").await;
    publish(&kit, &customer, "a", &["Boats", "Boats", "Boats", "Boats"]).await;
    assert_eq!(sizes(&kit).await, [0, 4, 4, 4, 0]);

    let crawl = Uuid::now_v7();
    let tx = kit.db.tenant(&customer).await.unwrap();
    let staged = edition(&tx, &customer, "a", &["Boats", "Boats", "Paddles"]).await;
    staging::stage(&tx, crawl, None, &[&staged]).await.unwrap();
    assert_eq!(staging::show(&tx, crawl, staging::TOGETHER).await.unwrap(), Shown::All);
    tx.commit().await.unwrap();
    assert_eq!(sizes(&kit).await, [0, 2, 1, 0]);
}

#[tokio::test]
async fn a_search_counts_what_does_not_know_its_size() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    for (path, headings) in [
        ("a", &["Boats", "Boats", "Paddles"][..]),
        ("b", &["Boats"][..]),
        ("c", &["Paddles"; 9][..]),
    ] {
        publish(&kit, &customer, path, headings).await;
    }
    let searcher = Searcher::new(kit.db.clone(), None).await.unwrap();
    let search = async || {
        let found = searcher.search(&customer, "kayak", Mode::Lexical, 20).await.unwrap();
        assert_eq!(found.passages.len(), 13);
        let scores = found.passages.into_iter().map(|p| (p.chunk, p.score));
        scores.collect::<Vec<_>>()
    };
    let known = search().await;
    // A wrong size would show in the scores.
    let owner = Db::connect_owner(&kit.config.database).await.unwrap();
    let wrong = "UPDATE page_embeddings SET section = 90 WHERE heading_path = 'Boats'";
    owner.execute_unprepared(wrong).await.unwrap();
    owner.close().await.unwrap();
    assert_ne!(search().await, known);
    forget(&kit, "true").await;
    assert_eq!(search().await, known);
}

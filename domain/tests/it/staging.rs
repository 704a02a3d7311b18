//! What waits beside the index: answers see nothing of it, a search of the version to be sees all of it.
use domain::{
    answering::Answerer,
    pages::{
        index::{self, Edition, NewChunk},
        record::{self, NewPage},
        staging::{self, Shown},
        store::FetchedPage,
    },
    retrieval::Version,
    tenancy::{Customer, TenantTx},
};
use embedding::{Embedder, Kind};
use serde_json::{Value, json};
use std::sync::Arc;
use testkit::Kit;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::answering::installation;

static MODEL: OnceCell<Arc<dyn Embedder>> = OnceCell::const_new();
const BOATS: &str = "The Fjord 14 weighs 22 kg and carries 150 kg.";

fn boats(price: &str) -> FetchedPage {
    let product = json!({"name": "Fjord 14", "price": price, "currency": "EUR", "availability": "in_stock"});
    FetchedPage {
        structured: testkit::json_ld(&[("product", product)]),
        ..testkit::page("https://shop.example/boats", "Boats", BOATS)
    }
}

async fn save(tx: &TenantTx, page: &FetchedPage, staged: bool) -> Uuid {
    let page = &page.clone().into();
    let new = NewPage { page, lastmod: None };
    record::save_all_of(tx, &[new], staged).await.unwrap()[0].id
}

async fn edition(tx: &TenantTx, page: Uuid, text: &str) -> Edition {
    let page = index::pending(tx, page, true).await.unwrap().unwrap();
    let input = format!("{}\n{text}", page.title);
    let vectors = MODEL
        .get_or_init(testkit::local_model)
        .await
        .embed(Kind::Passage, std::slice::from_ref(&input));
    let chunk = NewChunk {
        heading_path: page.title.clone(),
        text: text.into(),
        tokens: 20,
        hash: index::input_hash(&input),
        embedding: Some(vectors.await.unwrap().remove(0)),
        ..NewChunk::default()
    };
    Edition {
        page,
        chunks: vec![chunk],
    }
}

/// The model of the installation's index.
async fn model(tx: &TenantTx) -> Option<Uuid> {
    Some(index::model_of(tx).await.unwrap().unwrap_or(index::LOCAL_MODEL))
}

async fn stage(kit: &Kit, customer: &Customer, crawl: Uuid) -> Uuid {
    let tx = kit.db.tenant(customer).await.unwrap();
    let page = save(&tx, &boats("990.00"), true).await;
    let edition = edition(&tx, page, BOATS).await;
    staging::stage(&tx, crawl, model(&tx).await, &[&edition]).await.unwrap();
    assert!(staging::has(&tx, crawl, page).await.unwrap());
    tx.commit().await.unwrap();
    page
}

async fn told(answerer: &Answerer, customer: &Customer) -> (String, String, String) {
    let price = answerer.preview(customer, "How much is the Fjord 14?").await.unwrap();
    let weight = answerer
        .preview(customer, "How much does the Fjord 14 weigh?")
        .await
        .unwrap();
    (price.text, weight.text, weight.sources[0].title.clone())
}

async fn examined(answerer: &Answerer, customer: &Customer, version: Version) -> (String, String) {
    let met = answerer
        .examine(customer, version, "How much is the Fjord 14?")
        .await
        .unwrap();
    let price = met.text.lines().next().unwrap().to_owned();
    let weight = answerer
        .examine(customer, version, "How much does the Fjord 14 weigh?")
        .await
        .unwrap();
    (price, weight.pages[0].title.clone())
}

#[tokio::test]
async fn prices_titles_and_texts_of_answers_change_together_when_they_are_shown() {
    let (kit, customer, answerer) = installation(&[]).await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let old = FetchedPage {
        title: "Kayaks".into(),
        markdown: "The Fjord 14 weighs 24 kg and carries 130 kg.".into(),
        ..boats("1290.00")
    };
    let page = save(&tx, &old, false).await;
    let first = edition(&tx, page, &old.markdown).await;
    index::publish_all(&tx, model(&tx).await, &[&first]).await.unwrap();
    tx.commit().await.unwrap();
    let before = told(&answerer, &customer).await;
    assert_eq!(before.0, "**Fjord 14**: €1290.00, in stock [1]");
    assert!(before.1.contains("24 kg") && before.2 == "Kayaks", "{before:?}");

    let crawl = Uuid::now_v7();
    stage(&kit, &customer, crawl).await;
    assert_eq!(told(&answerer, &customer).await, before);
    let seen = examined(&answerer, &customer, Version::Staged(crawl)).await;
    assert_eq!(seen, ("**Fjord 14**: €990.00, in stock [1]".into(), "Boats".into()));
    assert_eq!(examined(&answerer, &customer, Version::Published).await.1, "Kayaks");
    // Another crawl's search sees nothing of it either.
    assert_eq!(
        examined(&answerer, &customer, Version::Staged(Uuid::now_v7())).await.1,
        "Kayaks"
    );

    // Found again with other data, it has to be staged again.
    let tx = kit.db.tenant(&customer).await.unwrap();
    save(&tx, &boats("980.00"), true).await;
    assert!(!staging::has(&tx, crawl, page).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(told(&answerer, &customer).await, before);
    stage(&kit, &customer, crawl).await;

    let tx = kit.db.tenant(&customer).await.unwrap();
    assert_eq!(staging::show(&tx, crawl, staging::TOGETHER).await.unwrap(), Shown::All);
    tx.commit().await.unwrap();
    let after = told(&answerer, &customer).await;
    assert_eq!(after.0, "**Fjord 14**: €990.00, in stock [1]");
    assert!(after.1.contains("22 kg") && after.2 == "Boats", "{after:?}");
    let left = "SELECT (SELECT count(*) FROM staged_pages) + (SELECT count(*) FROM staged_chunks)
        + (SELECT count(*) FROM structured_extractions WHERE NOT (shown AND latest)) + (SELECT count(*) FROM scraped_pages WHERE reindex)";
    assert_eq!(kit.count(left).await, 0);
}

#[tokio::test]
async fn a_page_that_is_shown_by_itself_leaves_nothing_staged_and_one_that_went_is_not_shown() {
    let (kit, customer, answerer) = installation(&[]).await;
    let crawl = Uuid::now_v7();
    let page = stage(&kit, &customer, crawl).await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let now = edition(&tx, page, BOATS).await;
    index::publish_all(&tx, model(&tx).await, &[&now]).await.unwrap();
    assert_eq!(staging::count(&tx, crawl).await.unwrap(), (0, 0));
    tx.commit().await.unwrap();
    assert_eq!(
        told(&answerer, &customer).await.0,
        "**Fjord 14**: €990.00, in stock [1]"
    );

    let crawl = Uuid::now_v7();
    stage(&kit, &customer, crawl).await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    domain::pages::removal::delete(&tx, page).await.unwrap();
    assert_eq!(staging::show(&tx, crawl, staging::TOGETHER).await.unwrap(), Shown::All);
    let shown: Value = json!(staging::count(&tx, crawl).await.unwrap());
    assert_eq!(shown, json!([0, 0]));
    tx.commit().await.unwrap();
    let chunks = format!("SELECT count(*) FROM page_embeddings WHERE published AND page_id = '{page}'");
    assert_eq!(kit.count(&chunks).await, 0);
    // What no crawl that lives owns is swept.
    stage_of_nobody(&kit, &customer).await;
    assert_eq!(staging::sweep(&kit.db).await.unwrap(), 1);
}

async fn stage_of_nobody(kit: &Kit, customer: &Customer) {
    let tx = kit.db.tenant(customer).await.unwrap();
    let page = FetchedPage {
        url: "https://shop.example/paddles".into(),
        ..boats("1.00")
    };
    let page = save(&tx, &page, true).await;
    let edition = edition(&tx, page, "Paddles of ash.").await;
    staging::stage(&tx, Uuid::now_v7(), model(&tx).await, &[&edition])
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_is_too_much_for_one_transaction_is_shown_in_several() {
    let (kit, customer, _answerer) = installation(&[]).await;
    let crawl = Uuid::now_v7();
    let tx = kit.db.tenant(&customer).await.unwrap();
    for n in 0..3 {
        let page = FetchedPage {
            url: format!("https://shop.example/p{n}"),
            title: format!("Page {n}"),
            structured: vec![],
            ..boats("1.00")
        };
        let page = save(&tx, &page, true).await;
        let edition = edition(&tx, page, &format!("Paddle {n} of ash.")).await;
        staging::stage(&tx, crawl, model(&tx).await, &[&edition]).await.unwrap();
    }
    tx.commit().await.unwrap();
    let shown = "SELECT count(*) FROM page_embeddings WHERE published AND text LIKE 'Paddle%'";
    for (n, so_far) in [(1, Shown::Some), (2, Shown::Some), (3, Shown::All)] {
        let tx = kit.db.tenant(&customer).await.unwrap();
        assert_eq!(staging::show(&tx, crawl, 1).await.unwrap(), so_far);
        assert_eq!(staging::count(&tx, crawl).await.unwrap().0, 3 - n);
        tx.commit().await.unwrap();
        assert_eq!(kit.count(shown).await, n);
    }
}

//! From a site to an index that answers, and what a second crawl does not do again.
use crate::support::{World, link, words};
use domain::{pages::request::ScrapeRequest, retrieval::Mode};
use embedding::openai;
use std::{sync::Arc, time::Duration};
use testkit::{Page, Provider, Script, Site, local_model};

async fn shop() -> Site {
    let links: String = ["/shipping", "/returns", "/empty"].map(link).concat();
    Site::start([
        (
            "/",
            Page::html("Shop", &format!("{}{links}", words("the shop"))).header("etag", "\"start\""),
        ),
        (
            "/shipping",
            Page::html("Shipping", "<p>Parcels are sent to Norway within five days.</p>").header("etag", "\"1\""),
        ),
        (
            "/returns",
            Page::html("Returns", "<p>You can send back anything for sixty days.</p>"),
        ),
        ("/empty", Page::raw("text/html", "<html><body></body></html>")),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_crawled_embedded_and_found_and_an_unchanged_one_costs_nothing() {
    let site = shop().await;
    let world = World::with(&site, &[], Some(local_model().await)).await;
    let worker = world.worker();
    let (id, first) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert_eq!(
        (&first["pages"], &first["new"], &first["skipped"]),
        (&3.into(), &3.into(), &1.into()),
        "{first}"
    );
    assert_eq!(first["chunks"], first["chunks_embedded"]);
    assert!(
        first["chunks"].as_i64() >= Some(3) && first["bytes"].as_i64() > Some(0) && first["ms"].is_i64(),
        "{first}"
    );
    assert_eq!(world.decisions(id).await["/empty"], "skipped: empty");

    let found = world
        .searcher
        .search(&world.customer, "how long may I return something", Mode::Hybrid, 3)
        .await
        .unwrap();
    assert_eq!(found.mode, "hybrid");
    assert!(found.passages[0].url.ends_with("/returns"), "{:?}", found.passages);

    let (_, second) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert_eq!(
        (&second["not_modified"], &second["same_hash"]),
        (&2.into(), &1.into()),
        "{second}"
    );
    assert_eq!((&second["unchanged"], &second["pages"]), (&3.into(), &3.into()));
    assert_eq!((&second["chunks"], &second["chunks_embedded"]), (&0.into(), &0.into()));
    let tokens = world.kit.count("SELECT sum(tokens) FROM page_embeddings").await;
    assert!(tokens > 0);
    assert_eq!(second["tokens_saved"], tokens, "all that the unchanged pages have");
    assert_eq!(world.kit.count("SELECT count(*) FROM crawl_frontier").await, 0);
    assert_eq!(world.kit.count("SELECT sum(pages)::bigint FROM usage_daily").await, 3);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_changed_page_only_the_changed_chunks_are_embedded() {
    let answers = |second: &str| {
        format!("<h2>What is sold here?</h2><p>Tables and chairs.</p><h2>What does shipping cost?</h2><p>{second}</p>")
    };
    let site = Site::start([("/", Page::html("Help", &answers("It costs five euros.")))]).await;
    let world = World::with(&site, &[], Some(local_model().await)).await;
    let worker = world.worker();
    let (_, first) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert_eq!(
        (&first["chunks"], &first["chunks_embedded"]),
        (&2.into(), &2.into()),
        "{first}"
    );
    site.set("/", Page::html("Help", &answers("It costs nothing any more.")));
    let (_, second) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert_eq!(
        (&second["changed"], &second["chunks"], &second["chunks_embedded"]),
        (&1.into(), &2.into(), &1.into())
    );
    assert!(second["tokens_saved"].as_i64() > Some(0), "{second}");
    let vectors = "SELECT count(*) FROM page_embeddings WHERE embedding IS NOT NULL";
    assert_eq!(world.kit.count(vectors).await, 2);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_pages_are_found_by_their_words() {
    let site = shop().await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let (_, result) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert_eq!(result["chunks_embedded"], 0);
    let found = world
        .searcher
        .search(&world.customer, "parcels to Norway", Mode::Hybrid, 3)
        .await
        .unwrap();
    assert_eq!(found.mode, "lexical");
    assert!(found.passages[0].url.ends_with("/shipping"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_went_is_taken_out_after_the_second_look() {
    let site = shop().await;
    let world = World::around(&site).await;
    let worker = world.worker();
    world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    site.remove("/returns");
    for (crawl, live) in [(2, 3), (3, 2)] {
        let (_, result) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
        assert_eq!(
            (&result["gone"], world.pages().await.len()),
            (&1.into(), live),
            "crawl {crawl}"
        );
    }
    let found = world
        .searcher
        .search(&world.customer, "send back sixty days", Mode::Hybrid, 3)
        .await
        .unwrap();
    assert!(found.passages.iter().all(|passage| !passage.url.ends_with("/returns")));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_vectors_of_a_provider_cost_is_counted_to_the_customer() {
    let provider = Provider::start(Script::Mute).await;
    provider.embed(8);
    let settings = openai::Settings {
        base_url: provider.base_url(),
        key: None,
        model: embedding::Model {
            name: "paid".into(),
            dimension: 8,
            max_tokens: 512,
            multilingual: true,
            calibration: embedding::Calibration::default(),
        },
        served_as: "paid".into(),
        price: 20.0,
        passage_prefix: String::new(),
        query_prefix: String::new(),
        deadline: Duration::from_mins(1),
        patience: Duration::from_mins(1),
    };
    let model = openai::OpenAi::new(settings).unwrap();
    let text = "<p>You can send back anything for sixty days.</p>";
    let site = Site::start([("/", Page::html("Returns", text))]).await;
    let world = World::with(&site, &[], Some(Arc::new(model))).await;
    let worker = world.worker();
    world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    let counted = "SELECT count(*) FROM usage_daily WHERE embeddings = 1 AND tokens_in > 5 AND abs(cost_usd - tokens_in * 20 / 1e6) < 1e-9";
    assert_eq!(world.kit.count(counted).await, 1);
    worker.stop().await;
}

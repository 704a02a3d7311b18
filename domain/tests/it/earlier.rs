//! What earlier crawls of a site knew: the last word of each URL counts, and where a start page led is the site.
use domain::{
    pages::{
        earlier::{Wanted, earlier},
        record,
        request::{self, ScrapeRequest},
        store::{self, Decision},
    },
    tenancy::Customer,
};
use testkit::Kit;
use uuid::Uuid;

const CUT: (&str, Option<&str>) = ("skipped", Some("budget: pages"));

async fn run(kit: &Kit, customer: &Customer, start: &str, met: &[(&str, (&'static str, Option<&str>))]) -> Uuid {
    let tx = kit.db.tenant(customer).await.unwrap();
    let submitted = request::request_scrape(&tx, &ScrapeRequest::of(start)).await.unwrap();
    let row = |(url, (decision, reason)): &(&str, (&'static str, Option<&str>))| Decision {
        // What a budget leaves out is not asked for.
        ms: (*decision != "skipped").then_some(1),
        ..testkit::decision(*url, decision, *reason)
    };
    let rows: Vec<Decision> = met.iter().map(row).collect();
    record::decide_all(&tx, submitted.id, &rows).await.unwrap();
    tx.commit().await.unwrap();
    submitted.id
}

async fn known(kit: &Kit, customer: &Customer, job: Uuid, site: &str) -> Vec<String> {
    let tx = kit.db.tenant(customer).await.unwrap();
    let found = earlier(&tx, job, site, &[site.to_owned()], Wanted::Pages, 10)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    found.into_iter().map(|page| page.url).collect()
}

#[tokio::test]
async fn what_the_last_run_found_gone_is_not_what_an_earlier_one_had_no_room_for() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let (a, b) = ("https://a.example/a", "https://a.example/b");
    run(&kit, &customer, "https://a.example/1", &[(a, CUT), (b, CUT)]).await;
    run(&kit, &customer, "https://a.example/2", &[(a, ("gone", None))]).await;
    let now = run(&kit, &customer, "https://a.example/3", &[]).await;
    assert_eq!(known(&kit, &customer, now, "https://a.example/").await, [b]);
}

#[tokio::test]
async fn a_crawl_whose_start_page_led_elsewhere_was_one_of_that_site() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let page = "https://www.a.example/a";
    let moved = run(&kit, &customer, "https://a.example/1", &[(page, CUT)]).await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    store::move_start(&tx, moved, "https://www.a.example/1").await.unwrap();
    tx.commit().await.unwrap();
    let now = run(&kit, &customer, "https://a.example/2", &[]).await;
    assert_eq!(known(&kit, &customer, now, "https://www.a.example/").await, [page]);
}

#[tokio::test]
async fn pages_that_fail_wait_for_their_turn_like_others() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let (a, b, c) = ("https://a.example/a", "https://a.example/b", "https://a.example/c");
    for url in [a, b, c] {
        let tx = kit.db.tenant(&customer).await.unwrap();
        store::save(&tx, &testkit::page(url, "Page", url)).await.unwrap();
        tx.commit().await.unwrap();
    }
    let now = run(&kit, &customer, "https://a.example/1", &[]).await;
    assert_eq!(known(&kit, &customer, now, "https://a.example/").await, [a, b, c]);
    for (n, (failed, expected)) in [(a, [b, c, a]), (b, [c, a, b])].into_iter().enumerate() {
        let start = format!("https://a.example/failing/{n}");
        run(
            &kit,
            &customer,
            &start,
            &[(failed, ("failed", Some("http_status: 500")))],
        )
        .await;
        assert_eq!(known(&kit, &customer, now, "https://a.example/").await, expected);
    }
}

//! What webhooks are told of crawls and of what the site does not answer.
use crate::{
    gaps::{self, job, refused},
    hygiene::{shop, waits_for_a_person},
    support::World,
};
use domain::{jobs::MaintenanceTask, pages::request::ScrapeRequest};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::Value;
use testkit::Site;

/// A webhook that takes these; what it is sent stays a row.
async fn takes(world: &World, events: &str) {
    let made = format!(
        "INSERT INTO outbound_webhooks (id, customer_id, url, events, secret) VALUES (gen_random_uuid(), '{}', 'https://127.0.0.1/', '{{{events}}}', '')",
        world.customer.id
    );
    let tx = world.tx().await;
    tx.execute_unprepared(&made).await.unwrap();
    tx.commit().await.unwrap();
}

async fn told(world: &World, kind: &str) -> Vec<Value> {
    let tx = world.tx().await;
    let sent = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT payload FROM webhook_deliveries WHERE kind = $1 ORDER BY id",
        [kind.into()],
    );
    let rows = tx.query_all_raw(sent).await.unwrap();
    rows.iter().map(|row| row.try_get("", "payload").unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_told_of_a_crawl_that_waits_for_a_person() {
    let site = Site::start(shop(20, str::to_owned)).await;
    let world = World::around(&site).await;
    takes(&world, "crawl.held").await;
    let worker = world.worker();
    let request = ScrapeRequest::of(site.url("/"));
    world.crawl(&request).await;
    assert_eq!(told(&world, "crawl.held").await.len(), 0);
    for n in 0..8 {
        site.remove(&format!("/p{n}"));
    }
    // Missed once they are only gone; the second time they would be taken out.
    world.crawl(&request).await;
    let held = world.ask(&request).await;
    let job = waits_for_a_person(&world, held).await;
    let told = told(&world, "crawl.held").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["data"]["job_id"], held.to_string());
    assert_eq!(told[0]["data"]["reason"], job.result.unwrap()["held"]["reason"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_told_of_new_gaps_by_their_ids() {
    let (site, world) = gaps::shop(false).await;
    takes(&world, "knowledge.gaps_found").await;
    let worker = world.worker();
    world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    refused(&world, "Do you rent out wooden saunas?").await;
    job(&world, MaintenanceTask::Gaps).await;
    let told = told(&world, "knowledge.gaps_found").await;
    let ids = told[0]["data"]["gap_ids"].as_array().unwrap();
    assert_eq!((told.len(), ids.len()), (1, 1), "{told:?}");
    assert!(!told[0].to_string().contains("sauna"), "nobody is quoted");
    job(&world, MaintenanceTask::Gaps).await;
    assert_eq!(self::told(&world, "knowledge.gaps_found").await.len(), 1, "told once");
    worker.stop().await;
}

//! Proofs of domains, looked at by the clock.
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use testkit::{Page, Site, eventually};

use crate::support::World;

async fn sql(world: &World, text: &str) {
    let tx = world.kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, text))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_worker_looks_at_proofs_and_ends_what_is_gone() {
    let site = Site::start([("/", Page::html("Home", "Nothing"))]).await;
    let world = World::around(&site).await;
    let due = "UPDATE customer_domains SET method = 'file', check_at = now(), failures = 3, failing_since = now() - interval '4 days'";
    sql(&world, due).await;
    let worker = world.worker();
    let scheduled = "SELECT count(*) FROM schedules WHERE options->>'task' = 'check_domains'";
    eventually("the system's schedule", || async {
        (world.kit.count(scheduled).await == 1).then_some(())
    })
    .await;
    sql(
        &world,
        "UPDATE schedules SET next_run_at = now() WHERE options->>'task' = 'check_domains'",
    )
    .await;
    let ended = "SELECT count(*) FROM jobs WHERE state = 'done' AND result->>'ended' = '1' AND result->>'absent' = '1'";
    eventually("the check's end", || async {
        (world.kit.count(ended).await == 1).then_some(())
    })
    .await;
    let left = "SELECT count(*) FROM customer_domains WHERE verified_at IS NOT NULL";
    assert_eq!(world.kit.count(left).await, 0);
    assert!(site.hits().iter().any(|hit| hit.path == "/.well-known/omniops.txt"));
    worker.stop().await;
}

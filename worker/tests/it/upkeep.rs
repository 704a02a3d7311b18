//! What the worker does by the clock, without anybody asking.
use domain::{
    jobs::schedules::{self, NewSchedule},
    pages::request::ScrapeRequest,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use testkit::{Page, Site, eventually};
use uuid::Uuid;

use crate::support::World;

async fn sql(world: &World, text: &str) {
    let tx = world.kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, text))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_due_schedule_is_crawled_by_whoever_works() {
    let site = Site::start([("/", Page::html("Home", "<p>Welcome to the shop of many things.</p>"))]).await;
    let world = World::around(&site).await;
    let nightly = NewSchedule {
        name: "nightly".into(),
        cron: "0 3 * * *".into(),
        time_zone: "UTC".into(),
        enabled: true,
        scrape: ScrapeRequest::of(site.url("/")),
    };
    let tx = world.tx().await;
    schedules::replace(&tx, &[nightly]).await.unwrap();
    tx.commit().await.unwrap();
    sql(&world, "UPDATE schedules SET next_run_at = now() - interval '1 minute'").await;

    let workers = [world.worker(), world.worker()];
    let job = eventually("the schedule's job", || async {
        let tx = world.tx().await;
        schedules::list(&tx).await.unwrap()[0].last_job_id
    })
    .await;
    let job = world.ended(job).await;
    assert_eq!(job.state, "done", "{:?}", job.error);
    assert_eq!(world.pages().await, ["/"]);
    assert_eq!(
        world.kit.count("SELECT count(*) FROM jobs WHERE kind = 'scrape'").await,
        1
    );
    for worker in workers {
        worker.stop().await;
    }
}

/// A master key was dropped too early: the audit log can't be checked any more.
#[tokio::test]
async fn a_night_deletes_peoples_data_whatever_becomes_of_its_other_parts() {
    let site = Site::start([("/", Page::html("Home", "<p>Nothing.</p>"))]).await;
    let world = World::around(&site).await;
    let (key, customer) = (Uuid::now_v7(), world.customer.id);
    for broken in [
        format!("INSERT INTO data_keys (id, master, wrapped, retired_at) VALUES ('{key}', 'dropped', '\\x00', now())"),
        format!("INSERT INTO audit_chain (seq, log_id, key_id, mac) VALUES (1, 1000000, '{key}', '\\x00')"),
        format!(
            "INSERT INTO subject_exports (id, customer_id, subject_kind, subject, visitors, sessions, expires_at)
             VALUES ('{}', '{customer}', 'session', '\\x00', '{{}}', '{{}}', now() - interval '1 minute')",
            Uuid::now_v7()
        ),
    ] {
        sql(&world, &broken).await;
    }
    schedules::ensure_system_schedules(&world.kit.db).await.unwrap();
    sql(&world, "UPDATE schedules SET next_run_at = now() - interval '1 minute'").await;
    let worker = world.worker();
    eventually("the end of a copy whose day is over", || async {
        let left = world.kit.count("SELECT count(*) FROM subject_exports").await;
        (left == 0).then_some(())
    })
    .await;
    // And the job says that something is wrong.
    eventually("the job's error", || async {
        let failed = "SELECT count(*) FROM jobs WHERE kind = 'maintenance' AND error IS NOT NULL AND payload::text LIKE '%retention%'";
        (world.kit.count(failed).await > 0).then_some(())
    })
    .await;
    worker.stop().await;
}

#[tokio::test]
async fn the_worker_makes_the_nightly_cleaning_and_does_it() {
    let site = Site::start([("/", Page::html("Home", "<p>Nothing.</p>"))]).await;
    let world = World::around(&site).await;
    let worker = world.worker();
    eventually("the system's schedule", || async {
        let count = world
            .kit
            .count("SELECT count(*) FROM schedules WHERE customer_id IS NULL")
            .await;
        (count > 0).then_some(())
    })
    .await;
    let a_year_ago = world.kit.clock().now().unix_timestamp() - 365 * 24 * 3600;
    let old = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, a_year_ago as u64, 0));
    let customer = world.customer.id;
    sql(
        &world,
        &format!(
            "INSERT INTO jobs (id, customer_id, kind, payload, state, finished_at)
             VALUES ('{old}', '{customer}', 'scrape', '{{}}', 'done', now() - interval '1 year')"
        ),
    )
    .await;
    sql(&world, "UPDATE schedules SET next_run_at = now() - interval '1 minute'").await;
    let result = eventually("the cleaning's end", || async {
        let tx = world.kit.db.system().await.unwrap();
        let find = "SELECT result FROM jobs WHERE kind = 'maintenance' AND state = 'done' AND result ? 'people'";
        let row = tx
            .query_one_raw(Statement::from_string(DbBackend::Postgres, find))
            .await;
        row.unwrap().map(|row| row.try_get::<Value>("", "result").unwrap())
    })
    .await;
    assert_eq!(
        result,
        json!({
            "jobs": 1, "events": 0, "urls": 0, "idempotency_keys": 0, "pages": 0, "screenshots": 0, "cached_answers": 0, "staged_pages": 0, "shop_webhooks": 0,
            "people": { "conversations": 0, "deliveries": 0, "visitors": 0 }, "audit_faults": 0, "audit_lines": 0, "data_keys": 0,
            "privacy": { "exports": 0, "erasures": 0, "key_places": 0, "logged": 0, "forgotten_again": null },
        })
    );
    worker.stop().await;
}

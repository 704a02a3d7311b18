//! Builds of two versions on one installation: what the other one has written or added is no trouble.
use crate::fleet::{Fleet, work};
use domain::tenancy::Db;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;

/// A migration of the next version comes while workers of this one run and hold prepared statements.
#[tokio::test(flavor = "multi_thread")]
async fn columns_that_a_later_version_adds_are_no_trouble() {
    let mut fleet = Fleet::start(2).await;
    let jobs = fleet.submit(&work(100, 300, 2)).await;
    fleet.effects(20).await;
    let owner = Db::connect_owner(&fleet.kit.config.database).await.unwrap();
    for table in ["jobs", "job_events", "workers", "customer_configs", "queue_controls"] {
        let add =
            format!("ALTER TABLE {table} ADD COLUMN later text NOT NULL DEFAULT 'x', ADD COLUMN later_still jsonb");
        owner.execute_unprepared(&add).await.unwrap();
    }
    owner.close().await.unwrap();
    fleet.assert_each_done_once(&jobs).await;
    let more = fleet.submit(&work(20, 100, 1)).await;
    fleet.assert_each_done_once(&more).await;
    fleet.assert_all_live();
    for n in 0..2 {
        let said = fleet.worker(n).process.output();
        assert!(!said.contains("cached plan"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_of_other_versions_with_unknown_fields_are_done() {
    let mut fleet = Fleet::start(0).await;
    let order = json!({ "do": "work", "ms": 50, "later": { "deep": [1, 2] }, "steps": 2 });
    let jobs = fleet.submit(&vec![order; 9]).await;
    let tx = fleet.tx().await;
    for (n, job) in jobs.iter().enumerate() {
        let other = "UPDATE jobs SET payload_version = $2 WHERE id = $1";
        let values = [(*job).into(), (n as i32 % 3).into()];
        tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, other, values))
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    fleet.add();
    fleet.assert_each_done_once(&jobs).await;
}

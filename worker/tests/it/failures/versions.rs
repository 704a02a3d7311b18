//! Builds of two versions on one installation: what the other one has written or added is no trouble.
use crate::fleet::{Fleet, PATIENCE, work};
use domain::{jobs::Payload, tenancy::Db};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;
use testkit::within;
use uuid::Uuid;

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
async fn payloads_of_older_versions_with_unknown_fields_are_done_and_those_of_newer_ones_wait_for_a_newer_build() {
    let mut fleet = Fleet::start(0).await;
    let order = json!({ "do": "work", "ms": 50, "later": { "deep": [1, 2] }, "steps": 2 });
    let mut jobs = fleet.submit(&vec![order; 17]).await;
    written_by(&fleet, &jobs[..3], Payload::VERSION - 1).await;
    written_by(&fleet, &jobs[14..], Payload::VERSION + 1).await;
    let newer = jobs.split_off(14);
    fleet.add();
    fleet.assert_each_done_once(&jobs).await;
    // The errands of the first sixteen were out already: this build hands them back, and neither fails them nor begins them.
    within(PATIENCE, "newer jobs that wait", || async {
        let rows = fleet.rows(&newer).await;
        let waits = |state: &str| {
            rows.iter()
                .filter(|row| row.state == state && row.attempts == 0)
                .count()
        };
        (waits("scheduled") == 2 && waits("queued") == 1).then_some(())
    })
    .await;
    assert_eq!(fleet.starts_of(&newer), 0);
    written_by(&fleet, &newer, Payload::VERSION).await;
    fleet.assert_each_done_once(&newer).await;
}

/// These jobs are due, and of this version.
async fn written_by(fleet: &Fleet, jobs: &[Uuid], version: u32) {
    let tx = fleet.tx().await;
    let other = "UPDATE jobs SET payload_version = $2, run_at = now() WHERE id = ANY($1)";
    let values = [jobs.to_vec().into(), (version as i32).into()];
    tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, other, values))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// As an upgrade does it: each is asked to stop, and a new one takes its place, while the others work on.
#[tokio::test(flavor = "multi_thread")]
async fn workers_are_replaced_one_after_the_other_without_a_failed_try() {
    let mut fleet = Fleet::start(3).await;
    // So many that the last worker to go has some in its hands, however long the others took to go.
    let jobs = fleet.submit(&work(400, 500, 3)).await;
    for n in 0..3 {
        fleet.effects(40 * (n + 1)).await;
        let old = fleet.worker(n);
        old.busy(1).await;
        old.stop().await;
        assert_eq!(old.process.end().await.code(), Some(0));
        fleet.add();
    }
    fleet.assert_each_done_once(&jobs).await;
    let rows = fleet.rows(&jobs).await;
    assert!(rows.iter().all(|row| row.attempts == 0), "attempts were counted");
    fleet.assert_all_live();
}

//! Runs that end without ending their job: one waits for a person, one gives way. Neither needs a worker that lives.
use crate::fleet::{Fleet, HANDS, PATIENCE, work};
use domain::jobs::{self, Operator};
use serde_json::{Value, json};
use testkit::within;
use uuid::Uuid;

async fn confirm(fleet: &Fleet, job: Uuid) {
    let by = Operator {
        actor: "test",
        ip: None,
    };
    let tx = fleet.tx().await;
    jobs::confirm(&tx, job, by).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn held_jobs_take_no_place_and_outlive_their_workers() {
    let mut fleet = Fleet::start(1).await;
    // More than there are places: were they kept, nothing else would run.
    let held = fleet.submit(&vec![json!({ "do": "hold" }); 2 * HANDS]).await;
    within(PATIENCE, "jobs that need confirmation", || async {
        let rows = fleet.rows(&held).await;
        let waiting = rows.iter().filter(|row| row.state == jobs::state::NEEDS_CONFIRMATION);
        (waiting.count() == held.len()).then_some(())
    })
    .await;
    let others = fleet.submit(&work(HANDS, 100, 1)).await;
    fleet.assert_each_done_once(&others).await;
    fleet.worker(0).crash().await;
    fleet.kit.flush_redis().await;
    fleet.add();
    for job in &held {
        confirm(&fleet, *job).await;
    }
    fleet.assert_each_done_once(&held).await;
    assert_eq!(fleet.starts_of(&held), 2 * held.len(), "held once, done once");
    fleet.assert_all_live();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_gives_way_again_and_again_goes_on_where_it_was_by_any_worker() {
    const TIMES: usize = 6;
    let order = |ms: u64| -> Value { json!({ "do": "give_way", "times": TIMES, "ms": ms }) };
    let mut fleet = Fleet::start(2).await;
    let jobs = fleet.submit(&[order(0), order(0), order(300), order(300)]).await;
    fleet.begun(&jobs, 8).await;
    fleet.worker(0).crash().await;
    let others = fleet.submit(&work(HANDS, 100, 1)).await;
    fleet.assert_each_done_once(&[jobs.clone(), others].concat()).await;
    for row in fleet.rows(&jobs).await {
        assert_eq!(
            (row.attempts, row.starts),
            (0, 0),
            "giving way counts for nothing: {row:?}"
        );
        assert_eq!(row.progress["steps"], TIMES);
    }
    fleet.assert_all_live();
}

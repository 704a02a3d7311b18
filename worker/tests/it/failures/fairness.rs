//! A customer with thousands of jobs beside one with ten.
use crate::{
    fleet::{Fleet, HANDS, work},
    journal::nanoseconds,
};
use serde_json::json;
use std::{collections::HashSet, time::SystemTime};

const MANY: usize = 3000;
/// What both workers have in their hands twenty times over.
const MOST: usize = 20 * 2 * HANDS;

/// Told by the order of beginning, which no load of the machine changes: how many of the large customer's jobs come before the last
/// of the small one's.
#[tokio::test(flavor = "multi_thread")]
async fn ten_jobs_do_not_wait_for_anothers_thousands() {
    let mut fleet = Fleet::start(2).await;
    let large = fleet.customer.clone();
    let small = fleet.kit.customer("small.test").await;
    let many = fleet.try_submit(&large, &work(MANY, 20, 1)).await.unwrap();
    fleet.begun(&many, 100).await;

    let few = fleet.try_submit(&small, &work(10, 20, 1)).await.unwrap();
    let submitted = nanoseconds(SystemTime::now());
    fleet.begun(&few, 10).await;
    let large: HashSet<_> = many.iter().copied().collect();
    let runs = fleet.runs();
    let last = runs.iter().rposition(|run| few.contains(&run.job)).unwrap();
    let since = runs[..last].iter().filter(|run| run.start > submitted);
    let between = since.filter(|run| large.contains(&run.job)).count();
    println!("{between} jobs of the large customer began before the small one's ten");
    assert!(between <= MOST, "{between} went first");
    fleet.assert_each_done_once(&few).await;
}

/// While jobs end fast, a worker has the next ones at hand. When they turn out to be long, what it has fetched is others' to run.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_fetched_ahead_does_not_wait_behind_long_runs() {
    let mut fleet = Fleet::start(1).await;
    let fast = fleet.submit(&work(300, 1, 1)).await;
    let long = fleet.submit(&vec![json!({ "do": "wait" }); HANDS]).await;
    fleet.begun(&long, HANDS).await;
    let behind = fleet.submit(&work(40, 1, 1)).await;
    fleet.add();
    fleet.assert_each_done_once(&[fast, behind].concat()).await;
}

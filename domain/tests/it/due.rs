//! Very many jobs that are due at the same moment: the ledger keeps them, and Redis holds a short line of them.
use domain::jobs::MOST_WAITING;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::collections::HashSet;
use testkit::Kit;
use uuid::Uuid;

const JOBS: usize = 12_000;
const SCRAPE: &str = "queue:{omniops-scrape}";

async fn execute(kit: &Kit, text: String) {
    let tx = kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, text))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// The errands on the stream.
async fn errands(kit: &Kit) -> Vec<(String, Vec<String>)> {
    let mut range = redis::cmd("XRANGE");
    range.arg(SCRAPE).arg("-").arg("+");
    range.query_async(&mut kit.dispatcher.redis()).await.unwrap()
}

/// Workers that do at once whatever is given to them. Returns the jobs.
async fn drain(kit: &Kit) -> Vec<Uuid> {
    let (ids, fields): (Vec<String>, Vec<Vec<String>>) = errands(kit).await.into_iter().unzip();
    if ids.is_empty() {
        return vec![];
    }
    let jobs: Vec<Uuid> = fields.iter().map(|fields| fields[1].parse().unwrap()).collect();
    let named: Vec<String> = jobs.iter().map(|job| format!("'{job}'")).collect();
    let end = "UPDATE jobs SET state = 'done', finished_at = now() WHERE id IN";
    execute(kit, format!("{end} ({})", named.join(","))).await;
    let mut delete = redis::cmd("XDEL");
    delete.arg(SCRAPE).arg(&ids);
    let _: u64 = delete.query_async(&mut kit.dispatcher.redis()).await.unwrap();
    jobs
}

#[tokio::test]
async fn however_many_jobs_are_due_at_once_redis_holds_a_short_line_of_them() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let schedule = format!(
        "INSERT INTO jobs (id, customer_id, kind, payload, state, run_at)
         SELECT gen_random_uuid(), '{}', 'scrape', '{{}}', 'scheduled', now() FROM generate_series(1, {JOBS})",
        customer.id
    );
    execute(&kit, schedule).await;
    // Nobody takes anything: the line does not grow.
    for _ in 0..5 {
        kit.dispatcher.tick().await.unwrap();
    }
    let waiting = errands(&kit).await.len();
    assert!((1..100).contains(&waiting), "{waiting}");
    // Everybody takes all there is, so that the line becomes as long as it may.
    let (mut done, mut longest) = (HashSet::new(), 0);
    while done.len() < JOBS {
        let jobs = drain(&kit).await;
        assert!(!jobs.is_empty(), "{} jobs were not dispatched", JOBS - done.len());
        longest = longest.max(jobs.len());
        for job in jobs {
            assert!(done.insert(job), "dispatched again though it was done");
        }
        kit.dispatcher.tick().await.unwrap();
    }
    assert_eq!(longest as u64, MOST_WAITING);
    assert_eq!(errands(&kit).await, []);
}

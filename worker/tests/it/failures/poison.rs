//! Jobs that take their workers down, or can't be done by anybody: they end as dead letters that say why, innocents beside them are
//! done, and a mended one runs again.
use crate::fleet::{Fleet, PATIENCE, work};
use domain::{
    jobs::{self, MAX_STARTS},
    tenancy::Db,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use testkit::program;
use uuid::Uuid;

/// Kilobytes of address space that a worker may have, with room for its threads.
const MEMORY: u32 = 3 << 19;

/// Waits until the jobs have ended, with a new worker for each that fell; returns how many fell.
async fn ended(fleet: &mut Fleet, jobs: &[Uuid], mut add: impl FnMut(&mut Fleet)) -> usize {
    let (mut fallen, deadline) = (0, Instant::now() + PATIENCE);
    loop {
        let rows = fleet.rows(jobs).await;
        if rows.iter().all(|row| jobs::state::is_final(&row.state)) {
            return fallen;
        }
        for _ in 0..fleet.bury_fallen() {
            fallen += 1;
            add(fleet);
        }
        assert!(
            Instant::now() < deadline && fallen < 30,
            "{fallen} workers fell, and there is no end"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn code_of(fleet: &Fleet, job: Uuid) -> (String, Value) {
    let row = fleet.rows(&[job]).await.remove(0);
    (row.state, row.error.unwrap_or_default()["code"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_crashes_its_worker_dies_and_the_jobs_beside_it_live() {
    let mut fleet = Fleet::start(2).await;
    let innocent = fleet.submit(&work(30, 600, 1)).await;
    let poison = fleet.submit(&[json!({ "do": "abort" })]).await;
    let more = fleet.submit(&work(10, 300, 3)).await;
    let all = [innocent.clone(), poison.clone(), more.clone()].concat();
    let fallen = ended(&mut fleet, &all, |fleet| {
        fleet.add();
    })
    .await;
    assert_eq!(fallen, MAX_STARTS as usize, "each start takes one worker down");
    assert_eq!(
        code_of(&fleet, poison[0]).await,
        ("dead".into(), json!("worker_crashed"))
    );
    fleet.assert_each_done_once(&[innocent, more].concat()).await;
    mend_and_replay(&mut fleet, &poison).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_eats_up_the_memory_dies_and_the_jobs_beside_it_live() {
    let bounded = |fleet: &mut Fleet| {
        let mut command: Command = program(Path::new("/bin/sh"));
        let script = format!("ulimit -c 0; ulimit -v {MEMORY}; export MALLOC_ARENA_MAX=1; exec \"$@\"");
        command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_drill")]);
        fleet.add_by(command);
    };
    let mut fleet = Fleet::start(0).await;
    bounded(&mut fleet);
    let poison = fleet.submit(&[json!({ "do": "allocate" })]).await;
    let innocent = fleet.submit(&work(15, 300, 2)).await;
    let all = [poison.clone(), innocent.clone()].concat();
    let fallen = ended(&mut fleet, &all, bounded).await;
    assert_eq!(fallen, MAX_STARTS as usize);
    assert_eq!(
        code_of(&fleet, poison[0]).await,
        ("dead".into(), json!("worker_crashed"))
    );
    fleet.assert_each_done_once(&innocent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_panic_or_cannot_be_read_die_without_their_worker() {
    let mut fleet = Fleet::start(1).await;
    let poison = [
        json!({ "do": "panic", "max_attempts": 2 }),
        json!({ "do": "what no build knows", "max_attempts": 2 }),
        json!(["no order at all"]),
        json!({ "do": "fail" }),
    ];
    let poison = fleet.submit(&poison).await;
    let innocent = fleet.submit(&work(20, 200, 2)).await;
    fleet.assert_each_done_once(&innocent).await;
    fleet.ended(&poison).await;
    let mut ends = Vec::new();
    for job in &poison {
        ends.push(code_of(&fleet, *job).await);
    }
    assert_eq!(ends[0], ("dead".into(), json!("panic")));
    assert_eq!(ends[1], ("dead".into(), json!("payload_unreadable")));
    for job in &poison[..3] {
        assert_eq!(
            fleet.claims_of(*job).await,
            MAX_STARTS as usize,
            "however few attempts it may have"
        );
    }
    assert_eq!(ends[2], ("dead".into(), json!("payload_unreadable")));
    assert_eq!(ends[3], ("failed".into(), json!("drill_failed")));
    fleet.assert_all_live();
    mend_and_replay(&mut fleet, &poison).await;
}

/// As with a trigger of an operator's, a constraint of a later schema, a result that Postgres can't take. The run had its effect, and nobody may have it
/// again and again.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_end_cannot_be_recorded_dies_and_the_jobs_beside_it_are_done() {
    const REFUSE: &str =
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no such end''; END';
        CREATE TRIGGER refuse BEFORE UPDATE ON jobs FOR EACH ROW
        WHEN (NEW.state = 'done' AND NEW.payload ? 'endless') EXECUTE FUNCTION refuse()";
    let mut fleet = Fleet::start(1).await;
    let owner = Db::connect_owner(&fleet.kit.config.database).await.unwrap();
    owner.execute_unprepared(REFUSE).await.unwrap();
    owner.close().await.unwrap();
    let poison = fleet
        .submit(&[json!({ "do": "work", "ms": 50, "endless": true })])
        .await;
    let innocent = fleet.submit(&work(20, 200, 2)).await;
    fleet.assert_each_done_once(&innocent).await;
    fleet.ended(&poison).await;
    assert_eq!(
        code_of(&fleet, poison[0]).await,
        ("dead".into(), json!("end_unrecordable"))
    );
    fleet.assert_effects(&fleet.rows(&poison).await).await;
    fleet.assert_all_live();
}

/// Gives the jobs something that can be done, and runs them again.
async fn mend_and_replay(fleet: &mut Fleet, jobs: &[Uuid]) {
    let tx = fleet.tx().await;
    let order = json!({ "do": "work", "ms": 50 });
    for job in jobs {
        let mend = "UPDATE jobs SET payload = $2 WHERE id = $1";
        let values = [(*job).into(), order.clone().into()];
        tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, mend, values))
            .await
            .unwrap();
        jobs::retry(&tx, *job).await.unwrap();
    }
    tx.commit().await.unwrap();
    fleet.assert_each_done_once(jobs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspect_that_hangs_does_not_keep_the_other_suspects_waiting() {
    let mut fleet = Fleet::start(0).await;
    let hangs = fleet.submit(&[json!({ "do": "wait" })]).await;
    let others = fleet.submit(&work(3, 100, 1)).await;
    let tx = fleet.kit.db.system().await.unwrap();
    let suspect = "UPDATE jobs SET starts = 2";
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, suspect))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    fleet.add();
    fleet.assert_each_done_once(&others).await;
    assert_eq!(fleet.rows(&hangs).await[0].state, "running");
}

//! Workers whose clocks are wrong by an hour (`faketime`): leases are told by the database's clock alone.
use crate::fleet::{Fleet, LEASE, work};
use std::{path::Path, process::Command};
use testkit::program;

fn by_the_clock(offset: &str) -> Command {
    let mut command = program(Path::new("faketime"));
    // The monotonic clock is right on a machine whose wall clock is wrong.
    command
        .args(["-f", offset, env!("CARGO_BIN_EXE_drill")])
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_by_an_hour_takes_no_job_from_anybody() {
    let works = Command::new("faketime").args(["-f", "+1h", "true"]).status();
    assert!(
        works.is_ok_and(|status| status.success()),
        "this test needs the package faketime"
    );
    let mut fleet = Fleet::start(1).await;
    for offset in ["+1h", "-1h"] {
        fleet.add_by(by_the_clock(offset));
    }
    // Longer than the lease, so that whoever told it by a wrong clock would have taken it.
    let ms = 2 * LEASE.as_millis() as u64;
    let long = fleet.submit(&work(12, ms, 4)).await;
    let short = fleet.submit(&work(120, 200, 1)).await;
    fleet
        .assert_each_done_once_by_any_clock(&[long.clone(), short.clone()].concat())
        .await;
    assert_eq!(
        (fleet.starts_of(&long), fleet.starts_of(&short)),
        (12, 120),
        "jobs were taken from their workers"
    );
    for n in 0..3 {
        assert!(!fleet.worker(n).journal.runs().is_empty(), "worker {n} did nothing");
    }
    fleet.assert_all_live();
}

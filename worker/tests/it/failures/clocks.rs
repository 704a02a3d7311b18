//! Workers whose clocks are wrong by an hour (`faketime`): leases are told by the database's clock alone.
use crate::fleet::{Fleet, LEASE, work};
use std::{path::Path, process::Command, time::SystemTime};
use testkit::program;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The drill by a clock that is wrong by `offset`. faketime itself stays beside what it runs; its library does without.
fn by_the_clock(offset: &str) -> Command {
    let output = Command::new("faketime").args(["-f", offset, "env"]).output();
    let output = output.unwrap_or_else(|error| panic!("this test needs the package faketime: {error}"));
    let told = String::from_utf8(output.stdout).unwrap();
    let library = told.lines().find_map(|line| line.strip_prefix("LD_PRELOAD="));
    let mut command = program(Path::new(env!("CARGO_BIN_EXE_drill")));
    command
        .env("LD_PRELOAD", library.unwrap_or_else(|| panic!("no library of faketime in {told}")))
        .env("FAKETIME", offset)
        // The monotonic clock is right on a machine whose wall clock is wrong.
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    command
}

/// By how many hours the process's clock differs from ours, from what it has logged.
fn hours_off(output: &str) -> i64 {
    let line: serde_json::Value = serde_json::from_str(output.lines().next().unwrap()).unwrap();
    let said = OffsetDateTime::parse(line["timestamp"].as_str().unwrap(), &Rfc3339).unwrap();
    let off = said - OffsetDateTime::from(SystemTime::now());
    (off.as_seconds_f64() / 3600.0).round() as i64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_by_an_hour_takes_no_job_from_anybody() {
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
    for (n, hours) in [0, 1, -1].into_iter().enumerate() {
        let worker = fleet.worker(n);
        assert!(!worker.journal.runs().is_empty(), "worker {n} did nothing");
        assert_eq!(hours_off(&worker.process.output()), hours, "the clock of worker {n}");
    }
    fleet.assert_all_live();
}

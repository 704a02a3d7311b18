//! Processes that are frozen, killed, and ended with their test.
use nix::sys::signal::Signal;
use std::{path::Path, process::Command};
use testkit::{Folder, Process, processes_in, program};

fn shell(folder: &Folder, script: &str) -> Process {
    let mut command = program(Path::new("/bin/sh"));
    command.args(["-c", script]).current_dir(folder.path());
    Process::spawn(command, folder.path().join("log"))
}

#[tokio::test]
async fn a_process_is_heard_frozen_and_ended() {
    let folder = Folder::new();
    let script = "trap 'echo told; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    let mut process = shell(&folder, script);
    assert_eq!(process.says("ready").await, "ready");
    process.freeze().await;
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended(), None);
    assert_eq!(process.output(), "ready\n");
    process.thaw();
    assert_eq!(process.end().await.code(), Some(7));
    assert_eq!(process.says("told").await, "told");
}

#[tokio::test]
async fn a_frozen_process_is_killed() {
    let folder = Folder::new();
    let mut process = shell(&folder, "exec sleep 100");
    process.freeze().await;
    process.crash().await;
    assert_eq!(processes_in(folder.path()), [0; 0], "left behind");
}

#[tokio::test]
async fn no_process_outlives_its_test() {
    let folder = Folder::new();
    let frozen = shell(&folder, "exec sleep 100");
    frozen.freeze().await;
    assert_eq!(processes_in(folder.path()), [frozen.pid()]);
    drop(frozen);
    assert_eq!(processes_in(folder.path()), [0; 0], "left behind");
}

#[test]
fn a_program_has_no_configuration_of_whoever_runs_the_tests() {
    let mut command: Command = program(Path::new("/usr/bin/env"));
    let seen = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(seen.lines().any(|line| line.starts_with("PATH=")), "{seen}");
    assert!(seen.contains("OMNIOPS_CACHE_DIR="), "{seen}");
    assert!(!seen.contains("CARGO"), "{seen}");
}

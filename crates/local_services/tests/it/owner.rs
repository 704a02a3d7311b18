//! An owner is killed, and nothing of it remains.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use local_services::{Options, Services};
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use crate::support::{cache, child_called, eventually, folder, is_gone, processes_in, runtime, start};

/// The example `run` as the owner of servers.
struct Owner {
    child: Child,
    _output: BufReader<ChildStdout>,
    postgres: u32,
    valkey: u32,
    sockets: PathBuf,
}

impl Owner {
    fn start(state: &Path, mode: &[&str]) -> Self {
        runtime();
        let mut child = Self::command(state, mode)
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the example");
        // The pipe is kept, or the example would die of it instead of the kill.
        let mut output = BufReader::new(child.stdout.take().expect("output"));
        let lines: Vec<String> = output
            .by_ref()
            .lines()
            .take(3)
            .collect::<Result<_, _>>()
            .expect("its output");
        let [postgres, valkey, sockets]: [String; 3] = lines.try_into().expect("three lines");
        let (postgres, valkey) = (postgres.parse().expect("pid"), valkey.parse().expect("pid"));
        Self {
            child,
            _output: output,
            postgres,
            valkey,
            sockets: sockets.into(),
        }
    }

    fn command(state: &Path, mode: &[&str]) -> Command {
        let tests = env::current_exe().expect("this program");
        let target = tests.ancestors().nth(2).expect("target folder");
        let mut command = Command::new(target.join("examples/run"));
        command.arg(cache()).arg(state).args(mode).stdin(Stdio::piped());
        command
    }

    /// SIGKILL, which leaves the owner no chance to clean up.
    fn kill(mut self) -> (u32, u32) {
        assert!(!is_gone(self.postgres) && !is_gone(self.valkey));
        self.child.kill().expect("kill");
        let status = self.child.wait().expect("wait");
        assert_eq!(status.signal(), Some(9));
        (self.postgres, self.valkey)
    }
}

#[test]
fn a_killed_owner_leaves_no_process_and_no_temporary_folder() {
    let state = folder(&"long/".repeat(30));
    let owner = Owner::start(&state.path, &["fast"]);
    let sockets = owner.sockets.clone();
    assert!(!sockets.starts_with(&state.path) && sockets.exists());

    let (postgres, valkey) = owner.kill();

    eventually("the servers end", || is_gone(postgres) && is_gone(valkey));
    eventually("the folders go", || !state.path.exists() && !sockets.exists());
    eventually("the watchdog ends", || processes_in(&state.path).is_empty());
}

#[test]
fn durable_data_of_a_killed_owner_stays_and_starts_at_once() {
    let state = folder("state");
    let (postgres, valkey) = Owner::start(&state.path, &[]).kill();

    let services = start(&Options::durable(&state.path));

    assert!(is_gone(postgres) && is_gone(valkey));
    services.stop().expect("stop");
    assert!(state.path.join("servers/postgres/PG_VERSION").is_file());
}

#[test]
fn an_owner_killed_at_any_moment_of_its_start_leaves_nothing() {
    runtime();
    // Each of these appears at another step of the start.
    for step in [
        "servers/postgres.log",
        "servers/postgres.new/PG_VERSION",
        "servers/valkey.log",
        "servers/postgres/postmaster.pid",
        "self-test",
    ] {
        let state = folder("state");
        let mut child = Owner::command(&state.path, &["fast"])
            .stdout(Stdio::null())
            .spawn()
            .expect("start the example");
        eventually(step, || state.path.join(step).exists());
        child.kill().expect("kill");
        child.wait().expect("wait");

        eventually("no process remains", || processes_in(&state.path).is_empty());
        assert!(!state.path.exists(), "{step}");
    }
}

#[test]
fn servers_that_lost_owner_and_watchdog_are_not_started_over() {
    let state = folder("state");
    let owner = Owner::start(&state.path, &[]);
    let watchdog = child_called(owner.child.id(), "sh").expect("the watchdog");
    kill(watchdog);
    eventually("the watchdog ends", || is_gone(watchdog));
    let (postgres, valkey) = owner.kill();

    let error = Services::start(&runtime(), &Options::durable(&state.path))
        .expect_err("refused")
        .to_string();
    assert!(error.contains("still run"), "{error}");
    assert!(!is_gone(postgres) && !is_gone(valkey));

    kill(valkey);
    eventually("Valkey ends", || is_gone(valkey));
    let error = Services::start(&runtime(), &Options::durable(&state.path))
        .expect_err("refused")
        .to_string();
    assert!(
        error.contains("postmaster.pid") && error.contains(&postgres.to_string()),
        "{error}"
    );

    kill(postgres);
    start(&Options::durable(&state.path)).stop().expect("stop");
}

fn kill(pid: u32) {
    signal::kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("kill");
}

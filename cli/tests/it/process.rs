//! Processes and folders of a test: both go when the test ends, however it ends.
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use testkit::within;

/// How long a process may take to end in order.
const ENDING: Duration = Duration::from_mins(1);
/// What the machine needs to run programs and to fetch wheels; everything else is the product's configuration, and the test's.
const KEPT: [&str; 9] = [
    "PATH", "HOME", "LANG", "TMPDIR", "PIP_", "SSL_", "http", "HTTP", "no_proxy",
];

/// The executable under test without any configuration, but with the wheels that all tests share.
pub fn omniops() -> Command {
    program(Path::new(env!("CARGO_BIN_EXE_omniops")))
}

/// As [`omniops`], for a copy of the executable.
pub fn program(path: &Path) -> Command {
    let all = domain::config::environment();
    let kept = all
        .iter()
        .filter(|(name, _)| KEPT.iter().any(|kept| name.starts_with(kept)));
    let mut command = Command::new(path);
    command
        .env_clear()
        .envs(kept)
        .env("OMNIOPS_CACHE_DIR", domain::config::cache_dir(&all))
        .env("WORKER_HEALTH", "127.0.0.1:0");
    command
}

/// Runs a command that ends by itself.
pub async fn run(command: Command) -> Output {
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(ENDING, command.output()).await;
    output.expect("the command should end").expect("the command")
}

/// What a command said to its user.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command printed.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A running process. Dropping it ends it; if its test is failing, what it printed is shown.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it with its output going to `log`.
    pub fn spawn(mut command: Command, log: PathBuf) -> Self {
        let file = fs::File::create(&log).expect("the log");
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("the log"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", command.get_program().to_string_lossy()));
        Self { child, log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child")
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("a running child");
    }

    /// Sends the signal and waits for the end.
    pub async fn end_by(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        within(ENDING, "the process's end", || {
            let ended = self.ended();
            async move { ended }
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- {}\n{}---", self.log.display(), self.output());
        }
        if self.ended().is_none() {
            self.signal(Signal::SIGTERM);
        }
        let deadline = Instant::now() + ENDING / 2;
        while self.ended().is_none() {
            if Instant::now() > deadline {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A folder that other users can pass through. It goes when dropped, after the processes that were started in it.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("omniops-it-")
            .tempdir()
            .expect("a temporary folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let deadline = Instant::now() + ENDING / 2;
        loop {
            let left = processes_in(self.path());
            if left.is_empty() {
                return;
            }
            if Instant::now() > deadline {
                for pid in left {
                    let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
                }
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The processes whose working folder or command line is in `folder`. Those of other users are seen by root only.
pub fn processes_in(folder: &Path) -> Vec<u32> {
    let named = folder.to_str().expect("a folder's name");
    let all = fs::read_dir("/proc").expect("/proc");
    all.filter_map(|entry| {
        let entry = entry.ok()?;
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        // A process that has ended and was not waited for has neither.
        let works = fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        (works || String::from_utf8_lossy(&line).contains(named)).then_some(pid)
    })
    .collect()
}

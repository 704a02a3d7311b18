//! Processes and folders of a test: both go when the test ends, however it ends.
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

use crate::{eventually, within};

/// How long a process may take to end in order.
pub const ENDING: Duration = Duration::from_mins(1);
/// What the machine needs to run programs and to fetch wheels; everything else is the product's configuration, and the test's.
const KEPT: [&str; 9] = [
    "PATH", "HOME", "LANG", "TMPDIR", "PIP_", "SSL_", "http", "HTTP", "no_proxy",
];

/// A program without any configuration, but with the wheels that all tests share.
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

    /// Its id. Programs that a shell was to `exec` have the shell's.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for a line of the output with `text` in it. Fails when the process ends without.
    pub async fn says(&mut self, text: &str) -> String {
        within(ENDING, text, || {
            // Looked at in this order, since the last line may come right before the end.
            let ended = self.ended();
            let line = self
                .output()
                .lines()
                .find(|line| line.contains(text))
                .map(str::to_owned);
            assert!(
                line.is_some() || ended.is_none(),
                "ended ({ended:?}) without saying {text:?}"
            );
            async move { line }
        })
        .await
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child")
    }

    /// Sends a signal to a process that has not ended.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("a running child");
    }

    /// Stops it where it stands, as a machine does that is out of breath, and returns when it has, or has ended by itself.
    pub async fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
        let pid = self.pid();
        eventually("a frozen process", || async move {
            (is_stopped(pid) || is_dead(pid)).then_some(())
        })
        .await;
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Waits for its end.
    pub async fn end(&mut self) -> ExitStatus {
        within(ENDING, "the process's end", || {
            let ended = self.ended();
            async move { ended }
        })
        .await
    }

    /// Sends the signal and waits for the end.
    pub async fn end_by(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.end().await
    }

    /// Kills it where it stands, frozen or not.
    pub async fn crash(&mut self) {
        let status = self.end_by(Signal::SIGKILL).await;
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "{status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- {}\n{}---", self.log.display(), self.output());
        }
        if self.ended().is_none() {
            self.signal(Signal::SIGTERM);
            self.thaw();
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
    /// A new folder.
    #[expect(clippy::new_without_default, reason = "it makes a folder on disk")]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("omniops-it-")
            .tempdir()
            .expect("a temporary folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
        Self(folder)
    }

    /// Where it is.
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
    let lives_there = |pid: &u32| {
        let process = Path::new("/proc").join(pid.to_string());
        // A process that has ended and was not waited for has neither.
        let works = fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        works || String::from_utf8_lossy(&line).contains(named)
    };
    all_processes().filter(lives_there).collect()
}

/// The processes that `parent` has started and that have not been waited for.
pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let of_parent = |pid: &u32| stat(*pid).is_some_and(|(_, ppid)| ppid == parent);
    all_processes().filter(of_parent).collect()
}

/// Whether a process is stopped by a signal.
pub(crate) fn is_stopped(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state == "T")
}

/// Whether a process has ended and was not waited for yet.
fn is_dead(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state == "Z")
}

fn all_processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("/proc");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// State and parent, from `proc_pid_stat(5)`; the name before them may hold anything, brackets too.
fn stat(pid: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

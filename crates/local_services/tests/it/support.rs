//! What the tests share: the runtime, folders that the servers' user can reach, connections, waiting.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use local_services::{Options, Runtime, Services};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

/// The cache that all tests share.
#[expect(clippy::disallowed_methods, reason = "a test's own settings")]
pub fn cache() -> PathBuf {
    let (xdg, home) = (env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"));
    let is_root = nix::unistd::geteuid().is_root();
    wheels::cache_dir("omniops", is_root, xdg.as_deref(), home.as_deref()).expect("a folder for caches")
}

pub fn runtime() -> Runtime {
    Runtime::fetch(&wheels::Cache::new(cache())).expect("fetch the programs")
}

/// A folder whose name ends in `name`; other users can enter what is above it.
pub struct Folder {
    _parent: TempDir,
    pub path: PathBuf,
}

pub fn folder(name: &str) -> Folder {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir_in("/tmp").expect("temporary folder");
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).expect("open the folder up");
    let path = parent.path().join(name);
    Folder { _parent: parent, path }
}

pub fn start(options: &Options) -> Services {
    Services::start(&runtime(), options).expect("start")
}

pub async fn postgres(services: &Services) -> PgConnection {
    PgConnection::connect(&services.superuser_url("postgres"))
        .await
        .expect("connect to PostgreSQL")
}

pub async fn redis(services: &Services) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(services.redis_url()).expect("URL");
    // However long a busy machine takes.
    let patient = redis::AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None);
    client
        .get_multiplexed_async_connection_with_config(&patient)
        .await
        .expect("connect to Valkey")
}

/// Waits for something that another process does.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Whether no process has this id, or only one that has ended and was not yet waited for.
pub fn is_gone(pid: u32) -> bool {
    let status = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .expect("ps");
    let state = String::from_utf8_lossy(&status.stdout).trim().to_owned();
    state.is_empty() || state.starts_with('Z')
}

/// The processes whose command line names this folder.
pub fn processes_in(folder: &Path) -> Vec<String> {
    let folder = folder.to_string_lossy();
    processes("pid=,stat=,args=")
        .into_iter()
        .filter(|line| line.contains(&*folder))
        .collect()
}

/// The child of this process that runs this program.
pub fn child_called(parent: u32, program: &str) -> Option<u32> {
    processes("ppid=,comm=,pid=").iter().find_map(|line| {
        let mut words = line.split_whitespace();
        let matches = words.next() == Some(&parent.to_string()) && words.next() == Some(program);
        words.next().filter(|_| matches)?.parse().ok()
    })
}

fn processes(columns: &str) -> Vec<String> {
    let output = Command::new("ps").args(["-eo", columns]).output().expect("ps");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

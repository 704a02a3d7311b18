//! A private Valkey on a Unix socket, and the ways to hurt it.

use local_services::Runtime;
use queue::{Errand, Publisher, Stats};
use redis::{Cmd, FromRedisValue};
use std::{
    future::Future,
    os::unix::fs::MetadataExt as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::time::sleep;
use wheels::Cache;

pub const STREAM: &str = "crawl";
const PATIENCE: Duration = Duration::from_secs(50);

pub struct Server {
    folder: TempDir,
    process: Child,
}

impl Server {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Self {
            process: launch(&folder),
            folder,
        };
        server.wait_until_it_answers().await;
        server
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", socket(&self.folder))
    }

    pub fn client(&self) -> redis::Client {
        redis::Client::open(self.url()).unwrap()
    }

    pub fn publisher(&self) -> Publisher {
        Publisher::connect(&self.url(), STREAM).unwrap()
    }

    pub async fn publish(&self, errands: &[Errand]) {
        self.publisher().publish(errands).await.unwrap();
    }

    pub async fn stats(&self) -> Stats {
        self.publisher().stats("workers").await.unwrap()
    }

    /// Sends one command, e.g. `server.command("XLEN key")`.
    pub async fn command<T: FromRedisValue>(&self, line: &str) -> T {
        let mut conn = self.client().get_multiplexed_async_connection().await.unwrap();
        parse(line).query_async(&mut conn).await.unwrap()
    }

    /// How often a command was called since the server started.
    pub async fn calls(&self, command: &str) -> u64 {
        let info: String = self.command("INFO commandstats").await;
        let line = format!("cmdstat_{command}:calls=");
        let calls = info
            .lines()
            .find_map(|l| l.strip_prefix(&line)?.split(',').next()?.parse().ok());
        calls.unwrap_or(0)
    }

    /// Waits until a reader is blocked, i.e. a worker is idle and waits inside Redis.
    pub async fn wait_for_blocked_reader(&self) {
        until("a reader blocks", async || {
            self.command::<String>("INFO clients")
                .await
                .contains("blocked_clients:1")
        })
        .await;
    }

    /// Stops the server's process for a while, as an overloaded or swapping machine does.
    pub async fn stall(&self, duration: Duration) {
        signal("STOP", self.process.id());
        sleep(duration).await;
        signal("CONT", self.process.id());
    }

    /// Like a power cut; what was written stays.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub async fn restart(&mut self) {
        self.process = launch(&self.folder);
        self.wait_until_it_answers().await;
    }

    async fn wait_until_it_answers(&self) {
        until("the server answers", async || {
            match self.client().get_multiplexed_async_connection().await {
                Ok(mut conn) => redis::cmd("PING").query_async::<String>(&mut conn).await.is_ok(),
                Err(_) => false,
            }
        })
        .await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn launch(folder: &TempDir) -> Child {
    Command::new(programs().valkey_server())
        .args(["--port", "0", "--unixsocket", &socket(folder)])
        .args(["--save", "", "--appendonly", "yes", "--appendfsync", "no"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The programs of `local_services`, from the cache that everything in this workspace uses.
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no configuration to find the cache with"
)]
fn programs() -> Runtime {
    let [xdg, home] = ["XDG_CACHE_HOME", "HOME"].map(std::env::var_os);
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let cache = wheels::cache_dir("omniops", is_root, xdg.as_deref(), home.as_deref()).unwrap();
    Runtime::fetch(&Cache::new(cache)).unwrap()
}

fn socket(folder: &TempDir) -> String {
    folder.path().join("valkey.sock").display().to_string()
}

fn parse(line: &str) -> Cmd {
    let mut cmd = Cmd::new();
    for word in line.split(' ') {
        cmd.arg(word);
    }
    cmd
}

/// Sends a signal by name to a process that the test started.
pub fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status()
        .unwrap();
    assert!(sent.success(), "cannot send SIG{name} to {pid}");
}

/// Waits for a condition, and fails the test when it does not come.
pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Waits for a future that should end, and fails the test when it does not.
pub async fn ends<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain until {what}"))
}

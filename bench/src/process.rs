//! A contender's process: started, listened to line by line, ended or killed.
use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;
use std::{ffi::OsString, fs::File, path::Path, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::cpu;

/// Longer than any single step takes; a contender that is silent for so long has failed.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A running contender. Killed when it is dropped.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    what: String,
}

impl Process {
    /// Starts it in `folder`; what it says besides its answers goes to `log`. `what` names it in errors.
    pub fn start(program: &Path, args: &[OsString], folder: &Path, log: &Path, what: String) -> Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut child = Command::new(program)
            .args(args)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let out = child.stdout.take().context("no standard output")?;
        Ok(Self {
            stdin: child.stdin.take(),
            lines: BufReader::new(out).lines(),
            child,
            what,
        })
    }

    /// The next answer. One that takes longer than `patience` is a failure.
    pub async fn next<L: DeserializeOwned>(&mut self, patience: Duration) -> Result<L> {
        match timeout(patience, self.lines.next_line()).await {
            Ok(Ok(Some(line))) => serde_json::from_str(&line).with_context(|| format!("{} said {line}", self.what)),
            Ok(Ok(None)) => bail!("{} ended early", self.what),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => bail!("{} said nothing for {} s", self.what, patience.as_secs()),
        }
    }

    /// Answers until one that `wanted` makes something of.
    pub async fn until<L: DeserializeOwned, T>(&mut self, wanted: impl Fn(L) -> Option<T>) -> Result<T> {
        loop {
            if let Some(found) = wanted(self.next(PATIENCE).await?) {
                return Ok(found);
            }
        }
    }

    /// Its number, while it lives.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// µs of processor time so far.
    pub fn cpu(&self) -> f64 {
        self.child.id().map_or(0.0, cpu::of)
    }

    /// Kills it as the kernel would, and returns when it is gone.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Ends it: its standard input ends, and if it does not mind, so does its life.
    pub async fn stop(mut self) -> Result<()> {
        self.stdin = None;
        if timeout(Duration::from_secs(2), self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

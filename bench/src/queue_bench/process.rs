//! A contender's process: started, listened to line by line, ended or killed.
use anyhow::{Context as _, Result, bail};
use std::{fs::File, path::Path, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{contender::Contender, cpu};
use crate::protocol::{Line, Order, Role};

/// Longer than anything here takes; a contender that is silent for so long has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running contender. Killed when it is dropped.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    what: String,
}

impl Process {
    /// Starts it; what it says besides its answers goes to `log`.
    pub fn start(contender: Contender, peers: &Path, log: &Path, role: Role, order: &Order) -> Result<Self> {
        let (program, args) = contender.command(peers, role, order)?;
        let log = File::options().create(true).append(true).open(log)?;
        let mut child = Command::new(&program)
            .args(args)
            .current_dir(peers)
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
            what: format!("{} {}", contender.label(), role.word()),
        })
    }

    /// The next answer.
    pub async fn next(&mut self) -> Result<Line> {
        match timeout(PATIENCE, self.lines.next_line()).await {
            Ok(Ok(Some(line))) => serde_json::from_str(&line).with_context(|| format!("{} said {line}", self.what)),
            Ok(Ok(None)) => bail!("{} ended early", self.what),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => bail!("{} said nothing for {} s", self.what, PATIENCE.as_secs()),
        }
    }

    /// Answers until one that `wanted` makes something of.
    pub async fn until<T>(&mut self, wanted: impl Fn(Line) -> Option<T>) -> Result<T> {
        loop {
            if let Some(found) = wanted(self.next().await?) {
                return Ok(found);
            }
        }
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

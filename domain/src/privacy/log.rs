//! The log of erasures outside of the database: a file of receipts, one a line, that only grows. A backup of the database knows
//! nothing of what was forgotten after it was made; this file does.
//!
//! What must stay true: a receipt is on the disk before its erasure is committed. The file tells nothing of anybody. Lines may
//! come twice, in any order, and from several files: whoever reads them takes each once and leaves out what can't be read, such
//! as the torn end that a crash leaves.
use std::{
    collections::HashSet,
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use uuid::Uuid;

use super::receipt::Seals;
use crate::{Error, Result};

/// The file.
#[derive(Clone, Debug)]
pub struct ErasureLog(PathBuf);

impl ErasureLog {
    /// The file at `path`, made when it is first needed.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Adds receipts, and returns when they are on the disk.
    pub async fn append(&self, receipts: Vec<String>) -> Result<()> {
        let path = self.0.clone();
        let written = tokio::task::spawn_blocking(move || write(&path, &receipts)).await;
        let away = "the erasure can't be recorded outside of the database (ERASURE_LOG), so it was not done";
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Error::unavailable("erasure_log_unavailable", away, error)),
            Err(error) => Err(Error::unavailable("erasure_log_unavailable", away, error)),
        }
    }

    /// All lines that say something; none where there is no file yet.
    pub async fn lines(&self) -> Result<Vec<String>> {
        let path = self.0.clone();
        let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
        let read = read.map_err(|e| Error::internal("reading the log of erasures", e))?;
        match read {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes)
                .lines()
                .filter(|l| !l.trim().is_empty())
                .map(str::to_owned)
                .collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::unavailable(
                "erasure_log_unavailable",
                "ERASURE_LOG can't be read",
                error,
            )),
        }
    }

    /// The erasures that it knows.
    pub async fn known(&self, seals: &Seals) -> Result<HashSet<Uuid>> {
        let lines = self.lines().await?;
        Ok(lines
            .iter()
            .filter_map(|line| seals.open(line))
            .map(|stone| stone.id)
            .collect())
    }
}

/// An empty line first: where a crash has torn the last line, the next one stands by itself.
fn write(path: &Path, receipts: &[String]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let lines: String = receipts.iter().flat_map(|receipt| ["\n", receipt, "\n"]).collect();
    file.write_all(lines.as_bytes())?;
    file.sync_data()
}

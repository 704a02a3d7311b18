//! Files that `pg_dump` has written: archives, and plain SQL.
use anyhow::{Context as _, Result, bail};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::programs::Programs;

/// How an archive begins.
const MAGIC: &[u8] = b"PGDMP";
/// What stands in the head and at the end of plain SQL.
const HEAD: &str = "-- PostgreSQL database dump";
const END: &str = "-- PostgreSQL database dump complete";
/// Bytes of a file that are looked at, at both ends.
const LOOKED: u64 = 4096;

/// A file that can be restored.
pub struct Archive {
    path: PathBuf,
    plain: bool,
}

impl Archive {
    /// Looks at the file. Plain SQL without its last line is torn, which `psql` would not notice.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        let mut file = File::open(path).with_context(|| format!("opening {shown}"))?;
        let length = file.metadata()?.len();
        let mut ends = [Vec::new(), Vec::new()];
        for (part, from) in ends.iter_mut().zip([0, length.saturating_sub(LOOKED)]) {
            file.seek(SeekFrom::Start(from))?;
            file.by_ref()
                .take(LOOKED)
                .read_to_end(part)
                .with_context(|| format!("reading {shown}"))?;
        }
        let [head, end] = &ends;
        let says = |bytes: &[u8], text: &str| String::from_utf8_lossy(bytes).contains(text);
        let plain = !head.starts_with(MAGIC);
        if plain && !says(head, HEAD) {
            bail!("{shown} is neither an archive nor plain SQL of pg_dump");
        }
        if plain && !says(end, END) {
            bail!("{shown} is torn: its last lines are missing");
        }
        let path = path.canonicalize()?;
        Ok(Self { path, plain })
    }

    /// Brings all of it into the database, or nothing. Blocks.
    pub fn restore(&self, programs: &Programs) -> Result<()> {
        let (program, args) = if self.plain {
            let quiet = ["--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1"];
            (
                "psql",
                [quiet.as_slice(), &["--single-transaction", "--no-password", "--file"]].concat(),
            )
        } else {
            let whole = ["--exit-on-error", "--single-transaction", "--no-password", "--dbname="];
            ("pg_restore", whole.to_vec())
        };
        let ran = programs.run(program, |command| {
            command.args(args).arg(&self.path);
        });
        ran.map(drop)
    }
}

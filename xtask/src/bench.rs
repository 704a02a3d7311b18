//! `cargo xtask bench queue|crawl|extract|embedding|retrieval|chat|rls|limits`: installs the peers from npm and `PyPI` and runs the `bench` executable beside them.
use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::shell::{root, run as step, works};

/// What the peers run on.
const NODE: &str = "the peers (bullmq, pg-boss, crawlee) need Node.js 20 or later with npm, e.g. the packages nodejs and npm of your system";
const PYTHON: &str = "the peers (scrapy, trafilatura, crawl4ai) need Python 3.10 or later with venv, e.g. the package python3-venv of your system";

/// A benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// The queue and the job ledger
    Queue,
    /// Whole crawls
    Crawl,
    /// Main content of pages, and chunks
    Extract,
    /// Vectors of passages and questions
    Embedding,
    /// Searches, with row-level security and without
    Retrieval,
    /// Answers, beside a stub model
    Chat,
    /// What row-level security costs
    Rls,
    /// What limits of requests cost
    Limits,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Crawl => "crawl",
            Self::Extract => "extract",
            Self::Embedding => "embedding",
            Self::Retrieval => "retrieval",
            Self::Chat => "chat",
            Self::Rls => "rls",
            Self::Limits => "limits",
        }
    }
}

/// Measures, with further arguments for the executable.
pub fn run(what: What, rest: &[String]) -> Result<()> {
    let folder = root().join("target/bench");
    if what == What::Chat {
        return chat(&folder, rest);
    }
    if matches!(what, What::Rls | What::Limits) {
        return measure(what, &folder, None, rest);
    }
    let peers = folder.join("peers");
    copy(&peers)?;
    if matches!(what, What::Queue | What::Crawl) {
        install_npm(&peers)?;
    }
    match what {
        What::Queue | What::Chat | What::Rls | What::Limits => {}
        What::Crawl | What::Extract => install_pip(&peers, "requirements.txt", "venv")?,
        What::Retrieval => install_pip(&peers, "requirements-retrieval.txt", "venv-retrieval")?,
        What::Embedding => install_pip(&peers, "requirements-embedding.txt", "venv-embedding")?,
    }
    measure(what, &folder, Some(("--peers", peers)), rest)
}

/// The peer is the model itself; the product runs as its own executable.
fn chat(folder: &Path, rest: &[String]) -> Result<()> {
    step("cargo", &["build", "--release", "--quiet", "--package", "omniops"])?;
    measure(
        What::Chat,
        folder,
        Some(("--omniops", root().join("target/release/omniops"))),
        rest,
    )
}

/// Runs the driver with the product or its peers.
fn measure(what: What, folder: &Path, with: Option<(&str, PathBuf)>, rest: &[String]) -> Result<()> {
    let path = |path: PathBuf| path.display().to_string();
    let word = what.word();
    let report = root().join("docs/benchmarks").join(word).with_extension("md");
    let mut places = vec![("--state", path(folder.join("state"))), ("--report", path(report))];
    places.extend(with.map(|(name, place)| (name, path(place))));
    let mut args = vec!["run", "--release", "--quiet", "--package", "bench", "--", word];
    args.extend(places.iter().flat_map(|(name, value)| [*name, value.as_str()]));
    args.extend(rest.iter().map(String::as_str));
    step("cargo", &args)
}

/// The peers' programs, in a folder outside of what is checked in.
fn copy(peers: &Path) -> Result<()> {
    fs::create_dir_all(peers)?;
    for entry in fs::read_dir(root().join("bench/peers"))? {
        let entry = entry?;
        fs::copy(entry.path(), peers.join(entry.file_name())).context("copying the peers' programs")?;
    }
    Ok(())
}

/// Runs `install` unless it was run for the same list of packages; the mark is written last.
fn once(peers: &Path, list: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let (wanted, mark) = (fs::read(peers.join(list))?, peers.join(format!(".installed-{list}")));
    if fs::read(&mark).is_ok_and(|done| done == wanted) {
        return Ok(());
    }
    install()?;
    fs::write(mark, wanted).context("noting that the peers are installed")
}

/// No lock file: it would name a registry; `package.json` has exact versions.
fn install_npm(peers: &Path) -> Result<()> {
    ensure!(works("node", &["--version"]) && works("npm", &["--version"]), NODE);
    once(peers, "package.json", || {
        let quiet = ["--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"];
        shown(Command::new("npm").arg("install").args(quiet).current_dir(peers))
    })
}

fn install_pip(peers: &Path, list: &str, venv: &str) -> Result<()> {
    ensure!(works("python3", &["-c", "import venv, ensurepip"]), PYTHON);
    once(peers, list, || {
        shown(Command::new("python3").args(["-m", "venv", venv]).current_dir(peers))?;
        let wanted = ["-m", "pip", "install", "--quiet", "-r", list];
        shown(
            Command::new(format!("{venv}/bin/python"))
                .args(wanted)
                .current_dir(peers),
        )
    })
}

/// Runs a step in the peers' folder.
fn shown(command: &mut Command) -> Result<()> {
    println!("+ {command:?}");
    let status = command.status().context("starting it")?;
    ensure!(status.success(), "the peers could not be installed ({status})");
    Ok(())
}

//! `cargo xtask bench queue`: installs the peers from npm and runs the `bench` executable beside them.
use anyhow::{Context as _, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::shell::{root, run as step, works};

/// What the peers run on.
const NODE: &str =
    "the peers (bullmq, pg-boss) need Node.js 20 or later with npm, e.g. the packages nodejs and npm of your system";

/// Measures, with further arguments for the executable (`--rounds N`, `--quick`, `--only delivery`, `--verbose`).
pub fn run(what: &str, rest: &[String]) -> Result<()> {
    let folder = root().join("target/bench");
    let peers = folder.join("peers");
    install(&peers)?;
    let path = |path: PathBuf| path.display().to_string();
    let places = [
        ("--peers", path(peers)),
        ("--state", path(folder.join("state"))),
        (
            "--report",
            path(root().join("docs/benchmarks").join(what).with_extension("md")),
        ),
    ];
    let mut args = vec!["run", "--release", "--quiet", "--package", "bench", "--", what];
    args.extend(places.iter().flat_map(|(name, value)| [*name, value.as_str()]));
    args.extend(rest.iter().map(String::as_str));
    step("cargo", &args)
}

/// The peers' programs and their packages, in a folder outside of what is checked in. No lock file: it would name a registry;
/// `package.json` has exact versions.
fn install(peers: &Path) -> Result<()> {
    ensure!(works("node", &["--version"]) && works("npm", &["--version"]), NODE);
    fs::create_dir_all(peers)?;
    let kept = fs::read(peers.join("package.json")).unwrap_or_default();
    for entry in fs::read_dir(root().join("bench/peers"))? {
        let entry = entry?;
        fs::copy(entry.path(), peers.join(entry.file_name())).context("copying the peers' programs")?;
    }
    let done = peers.join(".installed");
    if done.is_file() && kept == fs::read(peers.join("package.json"))? {
        return Ok(());
    }
    println!("+ npm install (in {})", peers.display());
    let status = Command::new("npm")
        .args([
            "install",
            "--no-package-lock",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ])
        .current_dir(peers)
        .status()
        .context("starting npm")?;
    ensure!(status.success(), "npm could not install the peers ({status})");
    fs::write(done, "").context("noting that the peers are installed")
}

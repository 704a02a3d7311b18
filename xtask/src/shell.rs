//! Running commands from the project's root.
use anyhow::{Context as _, Result, ensure};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The project's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Runs a command, shows it, and fails when it does.
pub fn run(program: &str, args: &[&str]) -> Result<()> {
    println!("+ {program} {}", args.join(" "));
    let status = Command::new(program)
        .args(args)
        .current_dir(root())
        .status()
        .with_context(|| format!("starting {program}"))?;
    ensure!(status.success(), "`{program} {}` failed ({status})", args.join(" "));
    Ok(())
}

/// Whether `program args` can be run with success, quietly.
pub fn works(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .stdin(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What a command prints.
pub fn output(program: &str, args: &[&str]) -> Result<String> {
    String::from_utf8(bytes(program, args)?).context("the output is not UTF-8")
}

/// The same bytes, whatever they are.
pub fn bytes(program: &str, args: &[&str]) -> Result<Vec<u8>> {
    let made = Command::new(program)
        .args(args)
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output();
    let made = made.with_context(|| format!("starting {program}"))?;
    ensure!(
        made.status.success(),
        "`{program} {}` failed ({})",
        args.join(" "),
        made.status
    );
    Ok(made.stdout)
}

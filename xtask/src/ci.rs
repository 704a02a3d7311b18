//! `cargo xtask ci`: what gates a change, in the order of how fast it fails.
use anyhow::Result;

use crate::{openapi, shell::run as step, test};

/// Format, lints, contract, tests.
pub fn run() -> Result<()> {
    step("cargo", &["fmt", "--all", "--check"])?;
    step(
        "cargo",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ],
    )?;
    openapi::run(true)?;
    test::run(&[])
}

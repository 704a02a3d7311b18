//! `cargo xtask openapi [--check]`: the contract is generated from the code, checked in, and compared.
use anyhow::{Context as _, Result, bail};
use std::fs;

use crate::shell::{output, root};

/// Writes openapi.yaml, or with `check` compares it and says how to mend a difference.
pub fn run(check: bool) -> Result<()> {
    let path = root().join("openapi.yaml");
    let fresh = output("cargo", &["run", "--quiet", "--package", "omniops", "--", "openapi"])?;
    if !check {
        fs::write(&path, fresh).context("writing openapi.yaml")?;
        println!("openapi.yaml is written");
        return Ok(());
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    if kept == fresh {
        println!("openapi.yaml is in step");
        return Ok(());
    }
    let line = kept
        .lines()
        .zip(fresh.lines())
        .position(|(a, b)| a != b)
        .map_or(kept.lines().count().min(fresh.lines().count()), |n| n);
    let show = |text: &str| text.lines().nth(line).unwrap_or("(end of file)").to_owned();
    println!(
        "first difference, line {}:\n- {}\n+ {}",
        line + 1,
        show(&kept),
        show(&fresh)
    );
    bail!("openapi.yaml is out of step with the code; run `cargo xtask openapi` and commit it");
}

//! faketime, which runs a worker by a wrong clock: installed where that may be done, else named.
use anyhow::{Result, bail};

use crate::shell::{run, works};

/// Sees to it that the worker's tests find it.
pub fn ensure() -> Result<()> {
    if works("faketime", &["-f", "+1h", "true"]) {
        return Ok(());
    }
    let may_install = nix::unistd::geteuid().is_root() && works("apt-get", &["--version"]);
    if !may_install {
        bail!("the worker's tests need faketime: install the package faketime");
    }
    run("apt-get", &["update", "-qq"])?;
    run(
        "apt-get",
        &["install", "-y", "-qq", "--no-install-recommends", "faketime"],
    )
}

//! Programs of the system's packages that tests need: installed where that may be done, else named.
use anyhow::{Result, bail};

use crate::shell::{run, works};

/// Sees to it that tests find what these packages bring; `there` says whether they do.
pub fn ensure(there: bool, whose: &str, packages: &[&str]) -> Result<()> {
    if there {
        return Ok(());
    }
    let may_install = nix::unistd::geteuid().is_root() && works("apt-get", &["--version"]);
    if !may_install {
        bail!("{whose} need more: install the packages {}", packages.join(" and "));
    }
    run("apt-get", &["update", "-qq"])?;
    run(
        "apt-get",
        &[&["install", "-y", "-qq", "--no-install-recommends"], packages].concat(),
    )
}

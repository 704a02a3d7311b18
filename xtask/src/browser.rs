//! Chromium and chromedriver: installed where that may be done, else named.
use anyhow::{Result, bail};

use crate::shell::{run, works};

/// Sees to it that the widget's tests find a browser.
pub fn ensure() -> Result<()> {
    if works("chromium", &["--version"]) && works("chromedriver", &["--version"]) {
        return Ok(());
    }
    let may_install = nix::unistd::geteuid().is_root() && works("apt-get", &["--version"]);
    if !may_install {
        bail!("the widget's tests need Chromium and chromedriver: install the packages chromium and chromium-driver");
    }
    run("apt-get", &["update", "-qq"])?;
    run(
        "apt-get",
        &[
            "install",
            "-y",
            "-qq",
            "--no-install-recommends",
            "chromium",
            "chromium-driver",
        ],
    )
}

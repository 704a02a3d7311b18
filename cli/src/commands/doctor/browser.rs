//! chromedriver and Chromium: there, and of the same version.
use domain::config::Config;
use std::{path::Path, process::Stdio, time::Duration};
use tokio::{process::Command, time::timeout};

use super::Finding;

const WHAT: &str = "browser";
/// Either program says its version at once.
const PATIENCE: Duration = Duration::from_secs(10);
/// What chromedriver looks for itself.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Checks what renders pages that scripts make.
pub async fn check(config: &Config) -> Finding {
    let Some(driver) = &config.browser.chromedriver else {
        let told = "there is no chromedriver: pages that have no content without JavaScript are left out; install chromium and \
                    chromium-driver, or set CHROMEDRIVER";
        return Finding::note(WHAT, told);
    };
    let Some(driver_major) = major(driver).await else {
        return Finding::mend(WHAT, format!("{} does not tell its version", driver.display()));
    };
    let mut browser_major = None;
    for name in BROWSERS {
        browser_major = major(Path::new(name)).await;
        if browser_major.is_some() {
            break;
        }
    }
    verdict(driver_major, browser_major)
}

fn verdict(driver: u32, browser: Option<u32>) -> Finding {
    match browser {
        Some(browser) if browser == driver => Finding::good(WHAT),
        Some(browser) => Finding::mend(
            WHAT,
            format!("chromedriver {driver} does not drive Chromium {browser}; install the pair of one version"),
        ),
        None => Finding::mend(WHAT, "chromedriver has no Chromium to drive; install chromium"),
    }
}

/// `156` of `Chromium 156.0.8078.79 built on Debian` and of `ChromeDriver 156.0.8078.79 (a21c…)`.
async fn major(program: &Path) -> Option<u32> {
    let asked = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, asked).await.ok()?.ok()?;
    version(&String::from_utf8_lossy(&output.stdout))
}

fn version(text: &str) -> Option<u32> {
    let number = text
        .split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    number.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Verdict;

    #[test]
    fn the_pair_has_one_version() {
        assert_eq!(
            version("Chromium 156.0.8078.79 built on Debian GNU/Linux 12"),
            Some(156)
        );
        assert_eq!(
            version("ChromeDriver 156.0.8078.79 (a21ce95c-refs/branch-heads/8078@{#1704})"),
            Some(156)
        );
        assert_eq!(version("no version"), None);
        assert!(matches!(verdict(156, Some(156)).verdict, Verdict::Good));
        assert!(matches!(verdict(156, Some(155)).verdict, Verdict::Mend(_)));
        assert!(matches!(verdict(156, None).verdict, Verdict::Mend(_)));
    }
}

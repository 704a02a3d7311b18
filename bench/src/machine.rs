//! On what and when it was measured.
use anyhow::Result;
use std::{fs, num::NonZero, path::Path, thread::available_parallelism, time::SystemTime};
use time::UtcDateTime;
use tokio::process::Command;

/// The first two lines of a report's head: when and how much, and the machine.
pub fn head(begun: SystemTime, done: &str, load: &str) -> Result<[String; 2]> {
    let cores = available_parallelism().map_or(0, NonZero::get);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let minutes = begun.elapsed()?.as_secs_f64() / 60.0;
    let seen = UtcDateTime::from(begun);
    let (date, hour, minute) = (seen.date(), seen.hour(), seen.minute());
    Ok([
        format!("Date: {date} {hour:02}:{minute:02} UTC, {minutes:.1} minutes, {done}"),
        format!(
            "Machine: {}, {cores} cores, Linux {}; load before: {load}",
            processor(),
            kernel.trim()
        ),
    ])
}

/// The version of Node.js.
pub async fn node() -> Result<String> {
    let out = Command::new("node").arg("--version").output().await?.stdout;
    Ok(String::from_utf8_lossy(&out).trim().to_owned())
}

/// The versions of the Python peers, as they were asked for.
pub fn pip_versions(peers: &Path) -> Result<String> {
    let wanted = fs::read_to_string(peers.join("requirements.txt"))?;
    let named: Vec<String> = wanted.lines().map(|line| line.replace("==", " ")).collect();
    Ok(named.join(", "))
}

/// The load averages.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}

/// The version of an installed npm package.
pub fn npm_version(peers: &Path, name: &str) -> String {
    let file = peers.join("node_modules").join(name).join("package.json");
    let read = || -> Result<serde_json::Value> { Ok(serde_json::from_str(&fs::read_to_string(file)?)?) };
    let package = read().unwrap_or_default();
    package["version"].as_str().unwrap_or("unknown").to_owned()
}

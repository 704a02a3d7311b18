//! On what, with which versions and when it was measured.
use anyhow::Result;
use std::{fs, num::NonZero, path::Path, thread::available_parallelism, time::SystemTime};
use time::UtcDateTime;
use tokio::process::Command;

use super::cells::Bench;
use crate::QueueArgs;

/// The head of the report.
pub struct About {
    /// Lines of a list.
    pub lines: Vec<String>,
}

impl About {
    /// Reads everything that is not in `args`.
    pub async fn read(bench: &Bench, args: &QueueArgs, rounds: usize, begun: SystemTime, load: String) -> Result<Self> {
        let (valkey, postgres) = bench.stores.versions().await?;
        let package = |name| version(&bench.peers, name);
        let cores = available_parallelism().map_or(0, NonZero::get);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let node = Command::new("node").arg("--version").output().await?.stdout;
        let quick = if args.quick { ", a fifth of the jobs" } else { "" };
        let minutes = begun.elapsed()?.as_secs_f64() / 60.0;
        let seen = UtcDateTime::from(begun);
        Ok(Self {
            lines: vec![
                format!(
                    "Date: {} {:02}:{:02} UTC, {minutes:.1} minutes, {rounds} rounds{quick}",
                    seen.date(),
                    seen.hour(),
                    seen.minute()
                ),
                format!(
                    "Machine: {}, {cores} cores, Linux {}; load before: {load}",
                    processor(),
                    kernel.trim()
                ),
                format!(
                    "Valkey {valkey} (append-only file synced every second), PostgreSQL {postgres} (fsync on, synchronous commits); Unix sockets for everybody"
                ),
                format!(
                    "Ours: queue and worker {} of this repository, release build",
                    env!("CARGO_PKG_VERSION")
                ),
                format!(
                    "apalis-redis 1.0.0; bullmq {} with ioredis {}; pg-boss {} with pg {}; Node.js {}",
                    package("bullmq"),
                    package("ioredis"),
                    package("pg-boss"),
                    package("pg"),
                    String::from_utf8_lossy(&node).trim()
                ),
            ],
        })
    }
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
fn version(peers: &Path, name: &str) -> String {
    let file = peers.join("node_modules").join(name).join("package.json");
    let read = || -> Result<serde_json::Value> { Ok(serde_json::from_str(&fs::read_to_string(file)?)?) };
    let package = read().unwrap_or_default();
    package["version"].as_str().unwrap_or("unknown").to_owned()
}

//! On what, with which versions and when it was measured.
use anyhow::Result;
use std::time::SystemTime;

use super::cells::Bench;
use crate::{
    QueueArgs,
    machine::{self, npm_version},
};

/// The head of the report.
pub struct About {
    /// Lines of a list.
    pub lines: Vec<String>,
}

impl About {
    /// Reads everything that is not in `args`.
    pub async fn read(bench: &Bench, args: &QueueArgs, rounds: usize, begun: SystemTime, load: String) -> Result<Self> {
        let (valkey, postgres) = bench.stores.versions().await?;
        let package = |name| npm_version(&bench.peers, name);
        let quick = if args.quick { ", a fifth of the jobs" } else { "" };
        let done = format!("{rounds} rounds{quick}");
        let [date, machine] = machine::head(begun, &done, &load)?;
        let node = machine::node().await?;
        Ok(Self {
            lines: vec![
                date,
                machine,
                format!(
                    "Valkey {valkey} (append-only file synced every second), PostgreSQL {postgres} (fsync on, synchronous commits); Unix sockets for everybody"
                ),
                format!(
                    "Ours: queue and worker {} of this repository, release build",
                    env!("CARGO_PKG_VERSION")
                ),
                format!(
                    "apalis-redis 1.0.0; bullmq {} with ioredis {}; pg-boss {} with pg {}; Node.js {node}",
                    package("bullmq"),
                    package("ioredis"),
                    package("pg-boss"),
                    package("pg")
                ),
            ],
        })
    }
}

//! Who takes part, how each is started, how many jobs each gets, and when its queue is empty.
use anyhow::Result;
use clap::ValueEnum as _;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::stores::{Cell, Stores};
use crate::{
    contender::Name,
    protocol::{Order, Role},
};

/// What is measured: a table of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Part {
    /// Jobs that do nothing, without a record of them.
    Delivery,
    /// Jobs with their record: submitted, claimed, settled.
    Whole,
}

/// A contender of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    /// `crates/queue`.
    Errands,
    /// apalis-redis.
    ApalisRedis,
    /// `BullMQ`, ended jobs removed.
    BullMq,
    /// Our ledger with our queue.
    Ledger,
    /// pg-boss by `work()`.
    PgBossWork,
    /// pg-boss by `fetch()` and `complete()`.
    PgBossFetch,
    /// `BullMQ`, ended jobs kept.
    BullMqKept,
}

use Contender::{ApalisRedis, BullMq, BullMqKept, Errands, Ledger, PgBossFetch, PgBossWork};

impl Part {
    /// Ours first.
    pub fn contenders(self) -> &'static [Contender] {
        match self {
            Self::Delivery => &[Errands, ApalisRedis, BullMq],
            Self::Whole => &[Ledger, PgBossWork, PgBossFetch, BullMqKept],
        }
    }
}

/// Jobs of each cell, at full length.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Published one at a time.
    pub single: usize,
    /// Published by 16 at once.
    pub concurrent: usize,
    /// Drained at concurrency 1, 10 and 64.
    pub drained: [usize; 3],
}

impl Contender {
    /// The heading of its column.
    pub fn label(self) -> &'static str {
        match self {
            Errands => "ours (queue)",
            ApalisRedis => "apalis-redis",
            BullMq => "bullmq",
            Ledger => "ours (ledger)",
            PgBossWork => "pg-boss work()",
            PgBossFetch => "pg-boss fetch()",
            BullMqKept => "bullmq, kept",
        }
    }

    /// Whether it keeps its jobs in Postgres.
    pub fn uses_postgres(self) -> bool {
        matches!(self, Ledger | PgBossWork | PgBossFetch)
    }

    /// Whether its jobs pass through Redis.
    pub fn uses_redis(self) -> bool {
        !matches!(self, PgBossWork | PgBossFetch)
    }

    /// Enough for about a second each, and for apalis-redis less than stops its fetch script.
    pub fn sizes(self) -> Sizes {
        let [single, concurrent, one, ten, many] = match self {
            Errands => [10_000, 30_000, 8_000, 40_000, 40_000],
            ApalisRedis => [5_000, 10_000, 3_000, 6_000, 6_000],
            BullMq | BullMqKept => [2_500, 8_000, 4_000, 12_000, 12_000],
            Ledger | PgBossWork | PgBossFetch => [300, 1_500, 300, 3_000, 9_000],
        };
        Sizes {
            single,
            concurrent,
            drained: [one, ten, many],
        }
    }

    /// The program that plays it, and its arguments.
    pub fn command(self, peers: &Path, role: Role, order: &Order) -> Result<(PathBuf, Vec<OsString>)> {
        let mut order = order.clone();
        let (program, mut args): (PathBuf, Vec<OsString>) = match self {
            Errands => ours(Name::Errands)?,
            ApalisRedis => ours(Name::ApalisRedis)?,
            Ledger => ours(Name::Ledger)?,
            BullMq | BullMqKept => ("node".into(), vec![peers.join("bullmq.mjs").into()]),
            PgBossWork | PgBossFetch => ("node".into(), vec![peers.join("pg-boss.mjs").into()]),
        };
        order.keep = self == BullMqKept;
        if self == PgBossFetch { "fetch" } else { "work" }.clone_into(&mut order.api);
        // More loops were tried and are no faster.
        order.lanes = 1;
        args.extend([role.word().into(), serde_json::to_string(&order)?.into()]);
        Ok((program, args))
    }

    /// Whether all `jobs` published jobs are through and nothing is left of them to do.
    pub async fn is_empty(self, stores: &Stores, cell: &Cell, jobs: usize) -> Result<bool> {
        let queue = &cell.order.queue;
        let left = match self {
            Errands => stores.redis.number(&["XLEN", &queue::Config::key(queue)]).await?,
            ApalisRedis => jobs as i64 - stores.redis.number(&["SCARD", &format!("{queue}:done")]).await?,
            BullMq | BullMqKept => {
                let list = |name| format!("bull:{queue}:{name}");
                let active = stores.redis.number(&["LLEN", &list("active")]).await?;
                active + stores.redis.number(&["LLEN", &list("wait")]).await?
            }
            Ledger => {
                let left = "SELECT count(*) FROM jobs WHERE state <> 'done'";
                cell.postgres(left).await?
            }
            PgBossWork | PgBossFetch => {
                let left =
                    "SELECT count(*) FROM pgboss.job WHERE state < 'completed' AND name NOT LIKE '\\_\\_pgboss%'";
                cell.postgres(left).await?
            }
        };
        Ok(left <= 0)
    }
}

fn ours(name: Name) -> Result<(PathBuf, Vec<OsString>)> {
    let word = name.to_possible_value().map(|value| value.get_name().to_owned());
    Ok((
        std::env::current_exe()?,
        vec!["contender".into(), word.unwrap_or_default().into()],
    ))
}

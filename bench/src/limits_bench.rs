//! `bench limits`: what holding requests against limits costs. Two APIs of one process over the same stores, one with limits and one
//! with `LIMITS=off`, are asked the same over HTTP in turns, call by call: whatever else the machine does meets both. What
//! Valkey was told is counted by Valkey.
use anyhow::{Context as _, Result};
use domain::{clock::Clock, lifecycle::Lifecycle, retrieval::Searcher, tenancy};
use http::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    fs,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    chat_bench::client::Caller,
    contender::installation,
    machine,
    protocol::Order,
    queue_bench::{Contender as Ledger, Stores},
    stats::{Summary, number, percentile, summarize},
};

const DOMAIN: &str = "bench.example";
/// More than is asked.
const ENOUGH: &str = "10000000/1s";
/// Every limit that the calls meet.
const MET: [&str; 5] = [
    "LIMIT_READ_KEY",
    "LIMIT_SESSION_IP",
    "LIMIT_ADDRESS",
    "LIMIT_CHANGE_KEY",
    "LIMIT_EMBED",
];
const PATIENCE: Duration = Duration::from_secs(20);

/// What `bench limits` takes.
#[derive(clap::Args)]
pub struct LimitsArgs {
    /// Where servers keep their data while it runs
    #[arg(long)]
    state: PathBuf,
    /// The report to write
    #[arg(long)]
    report: PathBuf,
    /// Rounds, after one that warms up
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=30))]
    rounds: u64,
    /// Calls of each kind in a round
    #[arg(long, default_value_t = 2000)]
    calls: usize,
}

/// One way to ask.
struct Kind {
    label: &'static str,
    method: Method,
    path: &'static str,
    body: Value,
    token: String,
}

struct Row {
    label: &'static str,
    with: Summary,
    without: Summary,
    added: Summary,
    trips: Summary,
}

/// Measures, prints the report and writes it.
pub async fn run(args: LimitsArgs) -> Result<()> {
    let (begun, load) = (SystemTime::now(), machine::load());
    fs::create_dir_all(&args.state)?;
    let stores = Stores::start(&args.state.join("limits")).await?;
    let cell = stores.cell(Ledger::Ledger, 30_000).await?;
    let life = Lifecycle::new();
    let enough = MET.map(|name| (name, ENOUGH.to_owned()));
    let strict = [("LIMIT_EXEMPT", "none".to_owned()), ("CHALLENGE", "off".to_owned())];
    let on: Vec<_> = enough.into_iter().chain(strict).collect();
    let token = key(&cell.order).await?;
    let with = serve(&cell.order, &on, &life).await?;
    let without = serve(&cell.order, &[("LIMITS", "off".to_owned())], &life).await?;
    let mut bench = Bench {
        redis: redis::Client::open(cell.order.redis_url.as_str())?
            .get_multiplexed_async_connection()
            .await?,
        caller: Caller::new(),
        urls: [with, without],
        calls: args.calls,
    };
    let kinds = [
        Kind {
            label: "a read with a key: one limit",
            method: Method::GET,
            path: "/api/settings",
            body: Value::Null,
            token: token.clone(),
        },
        Kind {
            label: "work that a key starts: the change's limit and the work's",
            method: Method::POST,
            path: "/api/embed",
            body: json!({ "all": true }),
            token,
        },
        Kind {
            label: "a visitor's session: one limit and the address's record",
            method: Method::POST,
            path: "/api/widget/session",
            body: json!({ "domain": DOMAIN }),
            token: String::new(),
        },
    ];
    let mut rows = Vec::new();
    for kind in &kinds {
        rows.push(bench.measure(kind, args.rounds).await?);
    }
    life.shutdown(PATIENCE).await;
    let scale = format!("{} rounds of {} calls each", args.rounds, args.calls);
    let report = document(&machine::head(begun, &scale, &load)?, &rows);
    println!("{report}");
    fs::write(&args.report, report).context("writing the report")?;
    stores.stop().await
}

/// An API over the stores; its URL.
async fn serve(order: &Order, settings: &[(&str, String)], life: &Lifecycle) -> Result<String> {
    let (config, db, dispatcher) = installation::connect(order, settings).await?;
    let searcher = Searcher::new(db.clone(), None).await?;
    let context = api::Context::new(&config, db, dispatcher, searcher, life.clone()).await?;
    let address = api::serve(context, ([127, 0, 0, 1], 0).into()).await?;
    Ok(format!("http://{address}"))
}

/// The key of a customer.
async fn key(order: &Order) -> Result<String> {
    let (_, db, _) = installation::connect(order, &[]).await?;
    let new = tenancy::NewCustomer {
        name: "Benchmark".into(),
        domain: DOMAIN.parse()?,
        vouched: true,
    };
    let by = domain::jobs::Operator { actor: "cli", ip: None };
    let customer = tenancy::create(&db, &new, by).await?;
    let new = tenancy::NewKey {
        customer: customer.id,
        name: "benchmark".into(),
        scopes: vec![tenancy::Scope::All],
        expires_at: None,
    };
    let issued = tenancy::issue(&db, &new, &Clock::system(), by).await?;
    Ok(issued.key.expose_secret().to_owned())
}

struct Bench {
    redis: redis::aio::MultiplexedConnection,
    caller: Caller,
    /// With limits and without.
    urls: [String; 2],
    calls: usize,
}

impl Bench {
    async fn measure(&mut self, kind: &Kind, rounds: u64) -> Result<Row> {
        println!("{}", kind.label);
        let (mut with, mut without, mut added, mut trips) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for round in 0..=rounds {
            let before = self.round_trips().await?;
            let mut ms = [Vec::new(), Vec::new()];
            for call in 0..self.calls {
                for half in [call % 2, 1 - call % 2] {
                    let url = format!("{}{}", self.urls[half], kind.path);
                    let begun = Instant::now();
                    self.caller
                        .send_as_page(kind.method.clone(), &url, &kind.token, DOMAIN, &kind.body)
                        .await?;
                    ms[half].push(begun.elapsed().as_secs_f64() * 1e3);
                }
            }
            let asked = self.round_trips().await? - before;
            let [on, off] = ms.map(median);
            if round > 0 {
                with.push(on);
                without.push(off);
                added.push(on - off);
                trips.push(asked as f64 / self.calls as f64);
            }
        }
        let of = |samples: Vec<f64>| summarize(&samples).context("a round");
        Ok(Row {
            label: kind.label,
            with: of(with)?,
            without: of(without)?,
            added: of(added)?,
            trips: of(trips)?,
        })
    }

    /// Scripts that Valkey was asked to run, and all else that limits could ask it.
    async fn round_trips(&mut self) -> Result<u64> {
        let stats: String = redis::cmd("INFO")
            .arg("commandstats")
            .query_async(&mut self.redis)
            .await?;
        let of = |name: &str| -> u64 {
            let line = stats
                .lines()
                .find(|line| line.starts_with(&format!("cmdstat_{name}:calls=")));
            let number = line.and_then(|line| line.split(['=', ',']).nth(1)?.parse().ok());
            number.unwrap_or(0)
        };
        Ok(of("evalsha") + of("eval") + of("script|load"))
    }
}

fn median(mut ms: Vec<f64>) -> f64 {
    ms.sort_by(f64::total_cmp);
    percentile(&ms, 50).unwrap_or_default()
}

fn document(head: &[String], rows: &[Row]) -> String {
    let mut text = String::from("# What limits cost\n\nWritten by `cargo xtask bench limits`.\n\n");
    for line in head {
        let _ = writeln!(text, "- {line}");
    }
    text.push_str(
        "\n| | with, p50 ms | `LIMITS=off`, p50 ms | added, ms (least..most) | round trips to Valkey for each call |\n|---|---:|---:|---:|---:|\n",
    );
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {} | **{:.3}** ({:.3}..{:.3}) | {:.3} |",
            row.label,
            number(row.with.median),
            number(row.without.median),
            row.added.median,
            row.added.min,
            row.added.max,
            row.trips.median
        );
    }
    text + "\n## How to read it\n\n\
            - Calls over HTTP on loopback, one at a time, with and without limits in turns; Valkey on a Unix socket of the same machine. A Valkey\n  elsewhere adds the way there and back, once.\n\
            - Times are medians of each round; the table has the median of the rounds.\n\
            - The bars: at most one round trip, at most 0.5 ms.\n"
}

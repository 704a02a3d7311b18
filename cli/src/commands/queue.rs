//! `omniops queue`: what operators see and change, straight on the database, so that it works while the API is down.
use anyhow::{Context as _, Result};
use clap::{ArgGroup, Args, Subcommand};
use domain::{
    config::Config,
    jobs::{
        self, Control, CustomerStats, DeadFilter, DeadLetter, Dispatcher, Kind, Operator, Overview, REPLAY_MOST, Worker,
    },
    tenancy::{self, Db, HostName},
};
use serde_json::Value;
use std::io::{self, ErrorKind, Write};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::table::{Align, Table, span};

/// Dead letters that are printed.
const SHOWN: u64 = 50;
const CLI: Operator<'static> = Operator { actor: "cli", ip: None };

/// Looks at the queues and changes what runs.
#[derive(Subcommand)]
pub enum Command {
    /// Show queues, customers and workers.
    Stats {
        /// As JSON, the same as `GET /api/queue/stats`.
        #[arg(long)]
        json: bool,
        /// Of the customers only this one: a domain or an id.
        #[arg(long)]
        customer: Option<String>,
    },
    /// List dead letters with the reason, the newest jobs first.
    Dead(Which),
    /// Run dead letters again.
    Replay(Replay),
    /// Let nothing more of a kind begin; what runs goes on to its end.
    Pause {
        /// scrape, embed, sync or maintenance.
        kind: Kind,
    },
    /// End a pause.
    Resume {
        /// scrape, embed, sync or maintenance.
        kind: Kind,
    },
    /// Limit how many jobs of a kind run at once; what is left out stays as it is.
    #[command(group(ArgGroup::new("limit").required(true).multiple(true).args(["max_running", "per_customer"])))]
    Limits {
        /// scrape, embed, sync or maintenance.
        kind: Kind,
        /// On all workers together; `none` lifts the limit.
        #[arg(long, value_name = "N", value_parser = limit)]
        max_running: Option<Limit>,
        /// Of one customer; `none` lifts the limit.
        #[arg(long, value_name = "N", value_parser = limit)]
        per_customer: Option<Limit>,
    },
}

/// Which dead letters are meant.
#[derive(Args)]
pub struct Which {
    /// Only of this kind.
    #[arg(long)]
    kind: Option<Kind>,
    /// Only of this customer: a domain or an id.
    #[arg(long)]
    customer: Option<String>,
    /// Only those that died of this error.
    #[arg(long)]
    code: Option<String>,
}

/// What to run again: one by its id, or all that fit.
#[derive(Args)]
#[command(group(ArgGroup::new("what").required(true).args(["id", "all"])))]
pub struct Replay {
    /// The job.
    #[arg(conflicts_with_all = ["kind", "customer", "code"])]
    id: Option<Uuid>,
    /// All of them, or those that the rules fit.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    which: Which,
}

/// A limit, or none.
#[derive(Clone, Copy)]
pub struct Limit(Option<i32>);

fn limit(text: &str) -> Result<Limit, String> {
    match text {
        "none" => Ok(Limit(None)),
        _ => match text.parse() {
            Ok(n) if n > 0 => Ok(Limit(Some(n))),
            _ => Err("must be a number from 1 on, or none".into()),
        },
    }
}

/// Does one of them.
pub async fn run(command: Command) -> Result<()> {
    let config = Config::from_env()?;
    domain::telemetry::install(&config.log);
    let db = Db::connect(&config.database)
        .await
        .context("connecting to Postgres (DATABASE_URL)")?;
    match command {
        Command::Stats { json, customer } => stats(&db, &config, json, customer).await,
        Command::Dead(which) => dead(&db, which).await,
        Command::Replay(Replay { id: Some(id), .. }) => replay(&db, id).await,
        Command::Replay(Replay { which, .. }) => replay_all(&db, which).await,
        Command::Pause { kind } => {
            tell(kind, jobs::pause_queue(&db, kind, CLI).await?);
            Ok(())
        }
        Command::Resume { kind } => {
            tell(kind, jobs::resume_queue(&db, kind, CLI).await?);
            Ok(())
        }
        Command::Limits {
            kind,
            max_running,
            per_customer,
        } => set_limits(&db, kind, max_running, per_customer).await,
    }
}

/// Prints a text. A reader that has seen enough, such as `head`, is no failure.
fn show(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed.context("printing"),
    }
}

async fn stats(db: &Db, config: &Config, json: bool, named: Option<String>) -> Result<()> {
    let dispatcher = Dispatcher::new(db.clone(), &config.redis).context("REDIS_URL")?;
    let asked = match named {
        Some(named) => Some(customer(db, &named).await?),
        None => None,
    };
    let seen = jobs::overview(db, &dispatcher, asked).await?;
    if json {
        return show(&format!("{:#}\n", api::queue_stats_json(seen)));
    }
    let unknown = seen.lag_missing.as_ref();
    let mut parts = vec![format!(
        "{}{}",
        queues(&seen),
        unknown.map_or_else(|| of_all_kinds(&seen), |why| format!("Errands are not known: {why}.\n"))
    )];
    if !seen.customers.is_empty() {
        parts.push(customers(&seen.customers).to_string());
    }
    parts.push(if seen.workers.is_empty() {
        "No worker was heard of within the last hour.\n".to_owned()
    } else {
        workers(&seen.workers).to_string()
    });
    show(&parts.join("\n"))
}

fn queues(seen: &Overview) -> Table<11> {
    const NUMBERS: [&str; 9] = [
        "waiting",
        "oldest",
        "errands",
        "held",
        "scheduled",
        "retries",
        "running",
        "to confirm",
        "dead",
    ];
    let mut columns = [("queue", Align::Left); 11];
    columns[10] = ("held back", Align::Left);
    for (column, name) in columns[1..].iter_mut().zip(NUMBERS) {
        *column = (name, Align::Right);
    }
    let mut table = Table::new(columns);
    let lag = |kind: Kind| seen.lag.as_ref()?.iter().find(|lag| lag.lane == kind.as_str());
    let known = |n: Option<u64>| n.map_or("?".to_owned(), |n| n.to_string());
    for queue in &seen.queues {
        let lag = lag(queue.kind);
        table.row([
            queue.kind.to_string(),
            queue.depth.to_string(),
            age(queue.depth, queue.oldest_seconds),
            known(lag.map(|lag| lag.waiting)),
            known(lag.map(|lag| lag.held)),
            queue.scheduled.to_string(),
            queue.retries.to_string(),
            queue.running.to_string(),
            queue.needs_confirmation.to_string(),
            queue.dead.to_string(),
            held_back(queue.control),
        ]);
    }
    table
}

/// The lanes that no kind has for itself.
fn of_all_kinds(seen: &Overview) -> String {
    let lanes = seen.lag.iter().flatten();
    let shared = lanes.filter(|lag| lag.lane.parse::<Kind>().is_err());
    let told: Vec<String> = shared
        .map(|lag| format!("{} {} waiting, {} held", lag.lane, lag.waiting, lag.held))
        .collect();
    format!("Of all kinds: {}.\n", told.join("; "))
}

fn age(depth: i64, seconds: f64) -> String {
    if depth == 0 { String::new() } else { span(seconds) }
}

fn held_back(control: Control) -> String {
    let paused = control.paused_at.map(|_| "paused".to_owned());
    let all = control.max_running.map(|n| format!("at most {n}"));
    let each = control
        .max_running_per_customer
        .map(|n| format!("at most {n} a customer"));
    let told: Vec<String> = [paused, all, each].into_iter().flatten().collect();
    told.join(", ")
}

fn customers(seen: &[CustomerStats]) -> Table<9> {
    let numbers = [
        "waiting",
        "oldest",
        "running",
        "scheduled",
        "retries",
        "to confirm",
        "dead",
    ]
    .map(|name| (name, Align::Right));
    let [waiting, oldest, running, scheduled, retries, confirm, dead] = numbers;
    let names = [("customer", Align::Left), ("queue", Align::Left)];
    let mut table = Table::new([
        names[0], names[1], waiting, oldest, running, scheduled, retries, confirm, dead,
    ]);
    for customer in seen {
        let id = customer.customer_id.map(|id| id.to_string());
        table.row([
            customer
                .domain
                .clone()
                .or(id)
                .unwrap_or_else(|| "(the system)".to_owned()),
            customer.kind.clone(),
            customer.depth.to_string(),
            age(customer.depth, customer.oldest_seconds),
            customer.running.to_string(),
            customer.scheduled.to_string(),
            customer.retries.to_string(),
            customer.needs_confirmation.to_string(),
            customer.dead.to_string(),
        ]);
    }
    table
}

fn workers(seen: &[Worker]) -> Table<6> {
    let mut table = Table::new([
        ("worker", Align::Left),
        ("pid", Align::Right),
        ("version", Align::Left),
        ("state", Align::Left),
        ("heard of", Align::Right),
        ("runs", Align::Left),
    ]);
    for worker in seen {
        let jobs: Vec<String> = worker
            .running
            .iter()
            .map(|job| format!("{} {}", job.kind, job.job_id))
            .collect();
        table.row([
            worker.host.clone(),
            worker.pid.to_string(),
            worker.version.clone(),
            worker.state.as_str().to_owned(),
            span(worker.heartbeat_age_seconds),
            jobs.join(", "),
        ]);
    }
    table
}

async fn dead(db: &Db, which: Which) -> Result<()> {
    let filter = filter(db, which).await?;
    let mut letters = jobs::list_dead(db, &filter, None, SHOWN + 1).await?;
    let more = letters.len() as u64 > SHOWN;
    letters.truncate(SHOWN as usize);
    if letters.is_empty() {
        return show("There are no dead letters.\n");
    }
    let columns = ["job", "kind", "customer", "died", "reason"].map(|name| (name, Align::Left));
    let mut table = Table::new(columns);
    for letter in letters {
        table.row(cells(letter));
    }
    let rest = if more {
        "… and more; --kind, --customer and --code choose among them.\n"
    } else {
        ""
    };
    show(&format!("{table}{rest}"))
}

fn cells(letter: DeadLetter) -> [String; 5] {
    let job = letter.job;
    let text = |name: &str| job.error.as_ref()?.get(name).and_then(Value::as_str).map(str::to_owned);
    let reason: Vec<String> = ["code", "message"].into_iter().filter_map(text).collect();
    let second = |at: OffsetDateTime| at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).ok();
    [
        job.id.to_string(),
        job.kind,
        letter.domain.unwrap_or_else(|| "(the system)".to_owned()),
        job.finished_at.and_then(second).unwrap_or_default(),
        reason.join(": "),
    ]
}

async fn replay(db: &Db, id: Uuid) -> Result<()> {
    let job = jobs::replay_dead(db, id, CLI).await?;
    println!("{} {} is queued again", job.kind, job.id);
    Ok(())
}

async fn replay_all(db: &Db, which: Which) -> Result<()> {
    let filter = filter(db, which).await?;
    let mut replayed = 0;
    let last = loop {
        let done = jobs::replay_all_dead(db, &filter, REPLAY_MOST, CLI).await?;
        replayed += done.replayed;
        if done.replayed < REPLAY_MOST {
            break done;
        }
    };
    println!("{replayed} queued again, {} left", last.remaining);
    if last.skipped > 0 {
        println!(
            "{} of those left wait for a live job that does the same work",
            last.skipped
        );
    }
    Ok(())
}

async fn filter(db: &Db, which: Which) -> Result<DeadFilter> {
    let customer = match which.customer {
        None => None,
        Some(named) => Some(customer(db, &named).await?),
    };
    Ok(DeadFilter {
        kind: which.kind,
        customer,
        code: which.code,
        before: None,
    })
}

async fn customer(db: &Db, named: &str) -> Result<Uuid> {
    if let Ok(id) = named.parse() {
        return Ok(tenancy::get(db, id).await?.id);
    }
    let host: HostName = named.parse()?;
    Ok(tenancy::find_named(db, &host).await?.id)
}

async fn set_limits(db: &Db, kind: Kind, all: Option<Limit>, each: Option<Limit>) -> Result<()> {
    let queues = jobs::queue_stats(db).await?;
    let now = queues.into_iter().find(|queue| queue.kind == kind);
    let now = now.map(|queue| queue.control).unwrap_or_default();
    let all = all.map_or(now.max_running, |limit| limit.0);
    let each = each.map_or(now.max_running_per_customer, |limit| limit.0);
    tell(kind, jobs::limit_queue(db, kind, all, each, CLI).await?);
    Ok(())
}

fn tell(kind: Kind, control: Control) {
    match held_back(control).as_str() {
        "" => println!("{kind}: nothing holds it back"),
        held => println!("{kind}: {held}"),
    }
}

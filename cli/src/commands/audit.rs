//! `omniops audit`: whether the audit log is what was written, and the log as lines of JSON.
use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use domain::{
    audit::{self, Filter, Head, Verdict},
    config::Config,
    secrets::Envelopes,
    tenancy::Db,
};
use serde_json::json;
use std::io::{BufWriter, Write};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

/// Lines that are read together.
const BATCH: u64 = 1000;

/// Looks into the audit log.
#[derive(Subcommand)]
pub enum Command {
    /// Make every link of the log's chain again and compare.
    Verify {
        /// A head that was seen in a worker's logs (`audit_linked`): the chain must still have it.
        #[arg(long, value_name = "NUMBER:HEX")]
        head: Option<Head>,
    },
    /// Print lines as JSON, one a line, newest first.
    Export {
        /// Of this customer only.
        #[arg(long, value_name = "UUID")]
        customer: Option<Uuid>,
        /// With this action; `key.*` for all of a noun.
        #[arg(long, value_name = "ACTION")]
        action: Option<String>,
        /// From then on.
        #[arg(long, value_name = "TIME", value_parser = time)]
        since: Option<OffsetDateTime>,
        /// Before then.
        #[arg(long, value_name = "TIME", value_parser = time)]
        until: Option<OffsetDateTime>,
    },
}

fn time(text: &str) -> Result<OffsetDateTime, String> {
    let day = format!("{text}T00:00:00Z");
    OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(&day, &Rfc3339))
        .map_err(|_| "a time is 2026-11-22 or 2026-11-22T12:00:00Z".to_owned())
}

/// Runs the command.
pub async fn run(command: Command) -> Result<()> {
    let config = Config::from_env()?;
    let db = Db::connect(&config.database)
        .await
        .context("connecting to Postgres (DATABASE_URL)")?;
    let done = match command {
        Command::Verify { head } => {
            let verdict = audit::verify(&db, &Envelopes::new(&config.security.keys), head.as_ref()).await;
            verdict
                .context("reading the audit log")
                .and_then(|verdict| report(&verdict))
        }
        Command::Export {
            customer,
            action,
            since,
            until,
        } => {
            let filter = Filter {
                customers: customer.map(|id| vec![id]),
                action,
                since,
                until,
                ..Filter::default()
            };
            export(&db, filter).await
        }
    };
    db.close().await;
    done
}

fn report(verdict: &Verdict) -> Result<()> {
    for fault in &verdict.faults {
        println!("FAULT  {fault}");
    }
    println!(
        "{} lines are what was written; {} wait for their link.",
        verdict.lines, verdict.open
    );
    if let Some(head) = &verdict.head {
        println!("head   {head}");
    }
    if !verdict.faults.is_empty() {
        bail!("the audit log is not what was written");
    }
    Ok(())
}

async fn export(db: &Db, mut filter: Filter) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    loop {
        let lines = audit::list(db, &filter, BATCH).await?;
        for line in &lines {
            let json = json!({
                "id": line.id, "at": line.at.format(&Rfc3339)?, "customer_id": line.customer_id, "actor": line.actor, "action": line.action,
                "resource": line.resource, "metadata": line.metadata, "ip": line.ip, "request_id": line.request_id,
            });
            writeln!(out, "{json}")?;
        }
        match lines.last() {
            Some(last) if lines.len() as u64 == BATCH => filter.before = Some(last.id),
            _ => return Ok(out.flush()?),
        }
    }
}

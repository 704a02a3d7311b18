//! `omniops erasures`: proofs that persons were forgotten, and forgetting them again after a restore. Straight on the database, so
//! that it works before anything else is started.
use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use domain::{
    config::Config,
    privacy::{self, ErasureLog, Privacy, Replayed},
    tenancy::Db,
};
use std::{io::Read, path::PathBuf};

/// Looks after erasures.
#[derive(Subcommand)]
pub enum Command {
    /// Print the receipts of all erasures, one a line: keep them outside of the database's backups.
    Export,
    /// After a restore: forget again whom the log of erasures, these files and the database itself name.
    Replay {
        /// Files of receipts, one a line; `-` for standard input.
        files: Vec<PathBuf>,
    },
    /// Say that a customer whose deletion was begun, without a word of its end in the log, was not deleted.
    Withdraw {
        /// The customer's id.
        customer: uuid::Uuid,
    },
    /// Check a receipt, and print what it says.
    Verify {
        /// The receipt; `-` for standard input.
        receipt: String,
    },
}

/// Runs the command.
pub async fn run(command: Command) -> Result<()> {
    let config = Config::from_env()?;
    domain::telemetry::install(&config.log);
    let db = Db::connect(&config.database)
        .await
        .context("connecting to Postgres (DATABASE_URL)")?;
    let privacy = Privacy::new(db.clone(), &config);
    let done = match command {
        Command::Export => export(&db).await,
        Command::Replay { files } => replay(&privacy, files).await,
        Command::Withdraw { customer } => withdraw(&privacy, customer).await,
        Command::Verify { receipt } => verify(&privacy, &receipt),
    };
    db.close().await;
    done
}

async fn export(db: &Db) -> Result<()> {
    for receipt in privacy::receipts(db).await? {
        println!("{receipt}");
    }
    Ok(())
}

async fn replay(privacy: &Privacy, files: Vec<PathBuf>) -> Result<()> {
    let mut lines = match privacy.log() {
        Some(log) => log.lines().await?,
        None => Vec::new(),
    };
    for file in files {
        lines.extend(if file.as_os_str() == "-" {
            standard_input()?.lines().map(str::to_owned).collect()
        } else if file.exists() {
            ErasureLog::at(file).lines().await?
        } else {
            bail!("there is no file {}", file.display());
        });
    }
    lines.retain(|line| !line.trim().is_empty());
    let replayed = privacy::replay_erasures(privacy, &lines, "cli").await?;
    privacy::sync_log(privacy).await?;
    told(&replayed)
}

/// Says what a replay did; an error where it could not read all.
pub fn told(replayed: &Replayed) -> Result<()> {
    report(replayed);
    if replayed.unreadable > 0 {
        bail!(
            "{} lines could not be read: torn, or signed under a key that is neither ENCRYPTION_KEY nor one of ENCRYPTION_KEYS_OLD",
            replayed.unreadable
        );
    }
    Ok(())
}

fn report(replayed: &Replayed) {
    println!(
        "{} erasures, {} of them new to the database; {} visitors had come back and are forgotten again.",
        replayed.erasures, replayed.new, replayed.visitors
    );
    for (table, rows) in replayed.counts.iter().filter(|(_, rows)| **rows > 0) {
        println!("  {table}: {rows}");
    }
    if replayed.customers > 0 {
        println!(
            "{} deleted customers had come back and are deleted again.",
            replayed.customers
        );
    }
    for customer in &replayed.unfinished {
        println!(
            "The deletion of the customer {customer} was begun, and nothing tells that it was committed, so the customer stays. \
             Delete it once more, or say that it stays: omniops erasures withdraw {customer}"
        );
    }
    if replayed.without_customer > 0 {
        println!(
            "{} erasures are of customers that are not here.",
            replayed.without_customer
        );
    }
}

async fn withdraw(privacy: &Privacy, customer: uuid::Uuid) -> Result<()> {
    if !privacy.withdraw_end(customer).await? {
        bail!("ERASURE_LOG has no deletion of this customer that was begun and not ended");
    }
    println!("the customer stays");
    Ok(())
}

fn verify(privacy: &Privacy, receipt: &str) -> Result<()> {
    let text = if receipt == "-" {
        standard_input()?
    } else {
        receipt.to_owned()
    };
    match privacy.verify(&text) {
        Some(tombstone) => {
            println!("{}", serde_json::to_string_pretty(&tombstone)?);
            Ok(())
        }
        None => bail!("this installation has not signed this receipt"),
    }
}

fn standard_input() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .context("reading standard input")?;
    Ok(text)
}

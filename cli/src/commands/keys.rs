//! `omniops keys`: what is under which key, and the way to other keys while everybody goes on.
use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use domain::{
    config::Config,
    privacy::{Privacy, Standing},
    secrets::{Envelopes, KeyStatus, Step, rotate, status},
    tenancy::Db,
};
use std::cell::Cell;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::table::{Align, Table};

/// Looks after the keys that secrets are kept under.
#[derive(Subcommand)]
pub enum Command {
    /// Show which master key wraps what, and under which data keys values are.
    Status,
    /// Move everything to the present `ENCRYPTION_KEY`. Killed, it goes on where it was.
    Rotate {
        /// Make new data keys as well, and seal every value anew.
        #[arg(long)]
        data_keys: bool,
    },
}

/// Runs the command.
pub async fn run(command: Command) -> Result<()> {
    let config = Config::from_env()?;
    let db = Db::connect(&config.database)
        .await
        .context("connecting to Postgres (DATABASE_URL)")?;
    let envelopes = Envelopes::new(&config.security.keys);
    let done = match command {
        Command::Status => status(&db, &envelopes).await.map_err(told).map(|status| show(&status)),
        Command::Rotate { data_keys } => {
            let privacy = Privacy::new(db.clone(), &config);
            move_on(&db, &envelopes, &privacy, data_keys).await
        }
    };
    db.close().await;
    done
}

async fn move_on(db: &Db, envelopes: &Envelopes, privacy: &Privacy, data_keys: bool) -> Result<()> {
    let last = Cell::new(None);
    let progress = |step| {
        if last.replace(Some(step)) != Some(step) {
            match step {
                Step::Wrapped(n) => println!("data keys wrapped anew   {n}"),
                Step::Renewed(n) => println!("new data keys            {n}"),
                Step::Sealed(n) => println!("values sealed anew       {n}"),
            }
        }
    };
    let done = rotate(db, envelopes, data_keys, progress).await.map_err(told)?;
    for unreadable in &done.unreadable {
        println!("can't be read: {}", unreadable.0);
    }
    if !done.unreadable.is_empty() {
        bail!(
            "{} stay as they are: add the master key that they need to ENCRYPTION_KEYS_OLD and run this again",
            done.unreadable.len()
        );
    }
    let status = status(db, envelopes).await.map_err(told)?;
    show(&status);
    if status.needs_others() {
        bail!(
            "something was sealed under another key meanwhile: is there a process without the present ENCRYPTION_KEY? Run this again"
        );
    }
    println!(
        "Nothing that is kept needs another key than ENCRYPTION_KEY. Take the others out of ENCRYPTION_KEYS_OLD a day from now, when"
    );
    println!("what they have signed (sessions of visitors, cached answers) has ended.");
    tell_of_receipts(&privacy.standing().await.map_err(told)?);
    Ok(())
}

/// Receipts can't be signed anew: whoever was given one has it, and addresses are in them as hashes under their key.
fn tell_of_receipts(standing: &Standing) {
    if let Some(until) = standing.older_until {
        println!(
            "But {} receipts of erasures, the newest of {}, can be read by the others only: keep those apart, for `omniops erasures replay`",
            standing.older,
            day(until)
        );
        println!("after a restore, for as long as you keep a backup from before that day.");
    }
}

fn show(status: &KeyStatus) {
    let mut masters = Table::new([
        ("master key", Align::Left),
        ("is", Align::Left),
        ("data keys", Align::Right),
        ("since", Align::Left),
    ]);
    for master in &status.masters {
        let is = match (master.present, master.known) {
            (true, _) => "ENCRYPTION_KEY",
            (false, true) => "in ENCRYPTION_KEYS_OLD",
            (false, false) => "NOT KNOWN HERE",
        };
        masters.row([
            master.id.clone(),
            is.to_owned(),
            master.data_keys.to_string(),
            master.since.map(day).unwrap_or_default(),
        ]);
    }
    println!("{masters}");
    let mut columns = Table::new([
        ("values", Align::Left),
        ("present data key", Align::Right),
        ("retired data key", Align::Right),
        ("other key", Align::Right),
    ]);
    for column in &status.columns {
        columns.row([
            column.name.clone(),
            column.present.to_string(),
            column.retired.to_string(),
            column.other.to_string(),
        ]);
    }
    println!("{columns}");
    if let Some(since) = status.unfinished_since {
        println!(
            "A rotation of data keys that began on {} has not ended: run `omniops keys rotate`.",
            day(since)
        );
    }
}

fn day(at: OffsetDateTime) -> String {
    at.format(&Rfc3339)
        .map(|text| text.chars().take(10).collect())
        .unwrap_or_default()
}

/// The whole story: it names keys by their ids.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn told(error: domain::Error) -> anyhow::Error {
    anyhow::anyhow!(error.story())
}

//! `omniops cache`: straight on the database, so that it works while the API is down.
use anyhow::{Context as _, Result};
use clap::Subcommand;
use domain::{
    answering::clear_cache,
    config::Config,
    tenancy::{Db, HostName},
};

/// Looks after answers that are kept for others.
#[derive(Subcommand)]
pub enum Command {
    /// End all kept answers: the next questions are answered anew.
    Clear {
        /// Of the customer with this primary domain only.
        #[arg(long, value_name = "DOMAIN")]
        customer: Option<HostName>,
    },
}

/// Runs the command.
pub async fn run(command: Command) -> Result<()> {
    let config = Config::from_env()?;
    let db = Db::connect(&config.database)
        .await
        .context("connecting to Postgres (DATABASE_URL)")?;
    let Command::Clear { customer } = command;
    let cleared = clear_cache(&db, customer.as_ref(), "cli").await;
    db.close().await;
    match cleared? {
        1 => println!("The kept answers of 1 customer have ended."),
        n => println!("The kept answers of {n} customers have ended."),
    }
    Ok(())
}

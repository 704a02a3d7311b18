//! `omniops migrate`.
use anyhow::{Context as _, Result};
use domain::{
    config::{Config, DatabaseConfig},
    tenancy::Db,
};

/// Brings the schema that the environment names up to date.
pub async fn run() -> Result<()> {
    let config = Config::from_env()?;
    domain::telemetry::install(&config.log);
    migrate(&config.database).await?;
    println!("the schema is up to date");
    Ok(())
}

/// Runs the migrations as the owner, and lets the processes' login act in the two working roles.
pub async fn migrate(config: &DatabaseConfig) -> Result<()> {
    let owner = Db::connect_owner(config)
        .await
        .context("connecting as the owner (DATABASE_OWNER_URL)")?;
    migration::migrate(&owner, config.login().as_deref())
        .await
        .context("migrating")?;
    owner.close().await.context("closing the owner's connection")
}

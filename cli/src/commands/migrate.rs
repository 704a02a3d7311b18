//! `omniops migrate`.
use anyhow::{Context as _, Result};
use domain::{config::Config, pages::vector_index, tenancy::Db};

use crate::process;

/// Brings the schema that the environment names up to date.
pub async fn run() -> Result<()> {
    let config = Config::from_env()?;
    domain::telemetry::install(&config.log);
    migrate(&config).await?;
    println!("the schema is up to date");
    Ok(())
}

/// Runs the migrations as the owner, lets the processes' login act in the two working roles, and makes the configured embedding
/// model's vector index.
pub async fn migrate(config: &Config) -> Result<()> {
    let owner = Db::connect_owner(&config.database)
        .await
        .context("connecting as the owner (DATABASE_OWNER_URL)")?;
    migration::migrate(&owner, config.database.login().as_deref())
        .await
        .context("migrating")?;
    if let Some(model) = process::configured_model(&config.model)? {
        vector_index::ensure(&owner, &model.name, model.dimension)
            .await
            .context("making the embedding model's vector index")?;
    }
    owner.close().await.context("closing the owner's connection")
}

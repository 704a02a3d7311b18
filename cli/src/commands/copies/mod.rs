//! `omniops backup` and `omniops restore`: the database as one file of `pg_dump`, and back ([0031](../../../../docs/adr/0031-forgotten-for-good.md)).
//!
//! What must stay true: a file is whole or not there; what a restore brings back has the present schema and has forgotten whom
//! `ERASURE_LOG` names before any process sees it; whatever goes wrong on the way leaves the database as it was.
mod archive;
pub mod backup;
mod contents;
mod programs;
pub mod restore;
mod revoked;

use anyhow::{Context as _, Result};
use domain::config::{Config, environment};
use local_services::Services;
use std::{collections::BTreeMap, path::PathBuf};

use super::up::state;

/// Where the database is.
#[derive(clap::Args)]
pub struct Place {
    /// The state folder of an `omniops up` that is stopped, instead of `DATABASE_URL`
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// The variables that tell of the database, and its servers where they were started for this command.
struct Opened {
    variables: BTreeMap<String, String>,
    config: Config,
    services: Option<Services>,
}

impl Opened {
    async fn at(place: &Place) -> Result<Self> {
        let mut variables = environment();
        let mut services = None;
        if let Some(dir) = &place.state {
            let dir = state::existing(dir)?;
            // The folder's own, whatever the environment says of another installation.
            for name in ["DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"] {
                variables.remove(name);
            }
            state::Kept::load(&dir)?.set(&mut variables);
            let log = dir.join("erasures.log").display().to_string();
            variables.entry("ERASURE_LOG".into()).or_insert(log);
            services = state::start_services(&dir, &mut variables).await?;
        }
        let config = Config::from_map(&variables)?;
        domain::telemetry::install(&config.log);
        Ok(Self {
            variables,
            config,
            services,
        })
    }

    /// Stops what was started.
    async fn close(self) -> Result<()> {
        let Some(services) = self.services else { return Ok(()) };
        let stopped = tokio::task::spawn_blocking(move || services.stop()).await;
        Ok(stopped.context("stopping the services")??)
    }
}

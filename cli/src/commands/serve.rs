//! `omniops api` and `omniops worker`: one role each, configured by the environment.
use anyhow::{Context as _, Result, bail};
use domain::{config::Config, lifecycle::Lifecycle};
use std::sync::Arc;
use tokio::task::JoinHandle;

use crate::process;

/// Serves the HTTP API until a signal.
pub async fn api() -> Result<()> {
    let config = Config::from_env()?;
    domain::telemetry::install(&config.log);
    let life = Lifecycle::new();
    process::heed_signals(&life)?;
    let Some(shared) = process::unless_stopped(&life, open(&config)).await? else {
        return Ok(());
    };
    let metrics = api::install_metrics().context("the metrics recorder")?;
    let context = api::Context::new(
        &config,
        shared.db.clone(),
        shared.dispatcher,
        shared.searcher,
        life.clone(),
    )
    .await?;
    let context = context.with_metrics(metrics).with_migrations(migration::names());
    let bound = api::serve(context, config.http.listen).await?;
    tracing::info!(address = %bound, event = "api_listening");
    process::until_stopped(&life, config.worker.shutdown).await;
    shared.db.close().await;
    Ok(())
}

/// Runs jobs until a signal.
pub async fn worker() -> Result<()> {
    let config = Arc::new(Config::from_env()?);
    domain::telemetry::install(&config.log);
    let life = Lifecycle::new();
    process::heed_signals(&life)?;
    let Some(shared) = process::unless_stopped(&life, open(&config)).await? else {
        return Ok(());
    };
    let metrics = api::install_metrics().context("the metrics recorder")?;
    let mut context = worker::Context::new(config.clone(), shared.db.clone(), shared.dispatcher, shared.searcher)?;
    context.metrics = Some(Arc::new(move || metrics.render()));
    tracing::info!(event = "worker_started");
    let worker = start_worker(context, &life);
    process::until_stopped(&life, config.worker.shutdown).await;
    shared.db.close().await;
    // A failure, so that a service manager that asks for one starts the process again.
    match worker.await.context("the worker")? {
        Some(Err(error)) => bail!("the worker ended: {}", error.story()),
        _ => Ok(()),
    }
}

async fn open(config: &Config) -> Result<process::Shared> {
    let embedder = process::embedder(&config.model, &config.cache_dir).await?;
    process::open(config, embedder).await
}

/// Runs a worker under `life`; if it ends by itself, also by a panic, the process ends.
pub fn start_worker(context: worker::Context, life: &Lifecycle) -> JoinHandle<Option<domain::Result<()>>> {
    let worker = worker::Worker::new(context, life.clone());
    let end_of_process = life.stopping().drop_guard();
    life.spawn(async move {
        let _end = end_of_process;
        let ended = worker.run().await;
        if let Err(error) = &ended {
            tracing::error!(error = error.story(), "the worker ended");
        }
        ended
    })
}

//! `omniops up`: a whole installation on one machine, from nothing to a page with the widget.
//!
//! Every step is also what a real deployment does (`migrate`, `api`, `worker`); what is special here is that secrets are made,
//! services are started, and a demo customer is there to ask.
mod demo;
mod demo_site;
mod progress;
pub(super) mod state;

use anyhow::{Context as _, Result};
use domain::{
    config::{Config, LogConfig, Reader, environment},
    lifecycle::Lifecycle,
    tenancy::HostName,
};
use egress::HostPort;
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use url::Url;

use super::{migrate, serve};
use crate::process;

/// What `up` can be told.
#[derive(clap::Args)]
pub struct Args {
    /// Folder for data and secrets [default: /var/lib/omniops for root, else ~/.local/state/omniops]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Port of the API and the demo page; 0 takes a free one
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// Site to crawl and answer from; without it, a small sample site
    #[arg(long, value_name = "URL", value_parser = web_site)]
    site: Option<Url>,
    /// A local site that may be fetched all the same (repeatable)
    #[arg(long, value_name = "HOST:PORT")]
    allow_host: Vec<HostPort>,
    /// Primary domain of the demo customer [default: the site's host, else localhost]
    #[arg(long, value_name = "NAME")]
    domain: Option<HostName>,
    /// Start everything but the worker
    #[arg(long)]
    no_worker: bool,
}

/// What a crawl can start from.
fn web_site(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("a site's URL starts with http:// or https://".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a site's URL has no user name or password".into());
    }
    Ok(url)
}

/// Starts everything and runs until a signal.
pub async fn run(args: Args) -> Result<()> {
    let mut variables = environment();
    install_log(&variables);
    let life = Lifecycle::new();
    process::heed_signals(&life)?;
    let dir = state::folder(args.state.clone(), &variables)?;
    println!("state folder      {}", dir.display());
    let mut kept = state::Kept::load(&dir)?;
    let sample = if args.site.is_none() {
        Some(demo_site::serve(&life, kept.sample_port).await?)
    } else {
        None
    };
    kept.sample_port = sample.map(|address| address.port()).or(kept.sample_port);
    let site = match (&args.site, sample) {
        (Some(site), _) => site.clone(),
        (None, Some(address)) => Url::parse(&format!("http://{address}/"))?,
        (None, None) => unreachable!("the sample is served when no site is given"),
    };
    set_variables(&mut variables, &args, &kept, sample);
    variables
        .entry("ERASURE_LOG".into())
        .or_insert_with(|| dir.join("erasures.log").display().to_string());
    let early = early_config(&variables)?;
    // Told before anything is downloaded or started.
    state::free_port(early.http.listen)?;
    let embedder = start_model(early);
    let services = state::start_services(&dir, &mut variables).await?;
    let outcome = Box::pin(start(&args, &site, &dir, &mut kept, variables, embedder, &life)).await;
    if outcome.is_err() {
        life.kill();
    }
    if let Some(services) = services {
        println!("stopping Postgres and Valkey");
        tokio::task::spawn_blocking(move || services.stop())
            .await
            .context("stopping the services")??;
    }
    outcome
}

/// Everything after the services: returns when the process should end.
async fn start(
    args: &Args,
    site: &Url,
    dir: &std::path::Path,
    kept: &mut state::Kept,
    mut variables: BTreeMap<String, String>,
    embedder: Model,
    life: &Lifecycle,
) -> Result<()> {
    let listener = Config::from_map(&variables)?.http.listen;
    let port = state::free_port(listener)?;
    variables.insert("PORT".into(), port.to_string());
    variables
        .entry("PUBLIC_URL".into())
        .or_insert_with(|| format!("http://localhost:{port}"));
    let config = Arc::new(Config::from_map(&variables)?);
    migrate::migrate(&config).await?;
    println!("database          migrated");
    let open = async { process::open(&config, embedder.await.context("loading the model")??).await };
    let Some(shared) = process::unless_stopped(life, open).await? else {
        return Ok(());
    };
    match shared.searcher.model() {
        Some((model, _)) => println!("embedding model   {}", model.model().name),
        None => println!("embedding model   none: search is lexical only"),
    }
    let domain = args
        .domain
        .clone()
        .or_else(|| args.site.as_ref().and_then(HostName::of));
    let customer = demo::prepare(&shared.db, &config, domain, site, kept).await?;
    kept.save(dir)?;

    let metrics = api::install_metrics().context("the metrics recorder")?;
    let questions = demo_site::questions(args.site.is_none());
    let context = api::Context::new(
        &config,
        shared.db.clone(),
        shared.dispatcher.clone(),
        shared.searcher.clone(),
        life.clone(),
    )
    .await?
    .with_metrics(metrics)
    .with_migrations(migration::names())
    .with_folder(dir)
    .with_demo(api::Demo {
        domain: customer.domain.clone(),
        questions,
    });
    let bound = api::serve(context, SocketAddr::new(config.http.listen.ip(), port)).await?;
    demo::write_dev_json(dir, &config, &variables, kept, &customer, bound)?;
    if !args.no_worker {
        let context = worker::Context::new(
            config.clone(),
            shared.db.clone(),
            shared.dispatcher.clone(),
            shared.searcher.clone(),
        )?;
        let _worker = serve::start_worker(context, life);
    }
    let job = demo::crawl(&shared, &customer, site).await?;
    println!("\n  open            {}/demo", config.http.public_url);
    println!("  administration  {}/admin", config.http.public_url);
    println!("  API             {}/docs", config.http.public_url);
    println!("  credentials     {}\n", dir.join("dev.json").display());
    progress::show(&shared.db, &customer, job, site, life, args.no_worker);
    process::until_stopped(life, config.worker.shutdown).await;
    shared.db.close().await;
    Ok(())
}

type Model = tokio::task::JoinHandle<Result<Option<Arc<dyn embedding::Embedder>>>>;

/// The configuration as far as it is known before the services have addresses.
fn early_config(variables: &BTreeMap<String, String>) -> Result<Config> {
    let mut with_urls = variables.clone();
    for (name, scheme) in [("DATABASE_URL", "postgres"), ("REDIS_URL", "redis")] {
        let url = with_urls.entry(name.into()).or_default();
        if url.is_empty() {
            *url = format!("{scheme}://pending");
        }
    }
    Ok(Config::from_map(&with_urls)?)
}

/// The model loads while the services start: on a fresh machine both download.
fn start_model(config: Config) -> Model {
    #[expect(
        clippy::disallowed_methods,
        reason = "joined before anything is served; nothing is lost when it is cut off"
    )]
    tokio::spawn(async move { process::embedder(&config.model, &config.cache_dir).await })
}

fn install_log(variables: &BTreeMap<String, String>) {
    let mut reader = Reader::new(variables);
    let mut config = LogConfig::read(&mut reader);
    if reader.optional("LOG_LEVEL").is_none() {
        // The progress lines tell a person more than the log does.
        config.level = "warn,wheels=info,embedding=info".into();
    }
    domain::telemetry::install(&config);
}

/// What the flags and the state folder say, under what the environment says.
fn set_variables(
    variables: &mut BTreeMap<String, String>,
    args: &Args,
    kept: &state::Kept,
    sample: Option<SocketAddr>,
) {
    kept.set(variables);
    if let Some(port) = args.port {
        variables.insert("PORT".into(), port.to_string());
    }
    let mut allow: Vec<String> = variables
        .get("OMNIOPS_EGRESS_ALLOW")
        .into_iter()
        .filter(|v| !v.is_empty())
        .cloned()
        .collect();
    allow.extend(args.allow_host.iter().map(ToString::to_string));
    allow.extend(sample.map(|address| address.to_string()));
    variables.insert("OMNIOPS_EGRESS_ALLOW".into(), allow.join(","));
}

/// How long `up` waits between two looks at the crawl.
const LOOK: Duration = Duration::from_millis(500);

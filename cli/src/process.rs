//! What all processes of the product share: the runtime, signals, the embedding model, and the way down.
use anyhow::{Context as _, Result, bail};
use domain::{
    config::{Config, ModelConfig},
    jobs::Dispatcher,
    lifecycle::{Ended, Lifecycle},
    retrieval::{Loader, Searcher},
    tenancy::Db,
};
use embedding::{
    Embedder,
    local::{self, Known},
    openai,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::signal::unix::{SignalKind, signal};

/// What the selectors of models begin with that need no key.
const LOCAL: &str = "local:";

/// Lets the kernel write no core file of this process and of those that it starts: keys and passwords are in their memory. A limit of
/// one byte is no room for a file, and tells Linux to start no program for dumps either, as a limit of 0 does not (core(5)).
pub fn forbid_core_dumps() {
    let most = getrlimit(Resource::Core).maximum;
    let limit = Some(most.map_or(1, |most| most.min(1)));
    let none = Rlimit {
        current: limit,
        maximum: limit,
    };
    if let Err(error) = setrlimit(Resource::Core, none) {
        eprintln!("warning: core dumps could not be switched off: {error}");
    }
}

/// Runs `work` on a runtime of its own.
pub fn run(work: impl Future<Output = Result<()>>) -> Result<()> {
    egress::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let result = runtime.block_on(work);
    // What blocks a thread for good (a model being loaded) must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// Gives the soft stop at the first SIGTERM or Ctrl-C, and the hard one at the second.
pub fn heed_signals(life: &Lifecycle) -> Result<()> {
    let mut term = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let life = life.clone();
    // Not one of the tracked tasks: it must outlive them, to take the second signal.
    let heed = async move {
        tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {} }
        tracing::info!(event = "stopping", "finishing what runs; a second signal stops at once");
        life.stop();
        tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {} }
        life.kill();
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "it must outlive the tracked tasks, to take the second signal"
    )]
    let _untracked = tokio::spawn(heed);
    Ok(())
}

/// What the process starts with; none if it is asked to stop before. What is waited for may never come: a model's download, a server.
pub async fn unless_stopped<T>(life: &Lifecycle, start: impl Future<Output = Result<T>>) -> Result<Option<T>> {
    tokio::select! {
        biased;
        () = life.stopping().cancelled_owned() => Ok(None),
        started = start => started.map(Some),
    }
}

/// Waits for the soft stop, then for the tasks.
pub async fn until_stopped(life: &Lifecycle, deadline: Duration) {
    life.stopping().cancelled().await;
    if life.shutdown(deadline).await == Ended::Cut {
        tracing::warn!("some work was cut off at the deadline; it will be done again");
    }
}

/// The model that makes vectors; none when it can't be had, which leaves search by words and is said loudly.
pub async fn embedder(config: &ModelConfig, cache: &Path) -> Result<Option<Arc<dyn Embedder>>> {
    if config.disable_vectors {
        tracing::warn!("DISABLE_VECTOR_SEARCH is set: search is lexical only");
        return Ok(None);
    }
    let Some(name) = config.embedding_model.strip_prefix(LOCAL) else {
        return Ok(Some(Arc::new(provider_model(
            config,
            &stored_as(&config.embedding_model),
        )?)));
    };
    Ok(local_model(cache, known(config, name)?).await)
}

/// Gets models by the names that go with stored vectors: those of indexes that have not changed to the configured one yet.
pub fn loader(config: &Config) -> Loader {
    let (config, cache) = (config.model.clone(), config.cache_dir.clone());
    Arc::new(move |name: String| {
        let (config, cache) = (config.clone(), cache.clone());
        Box::pin(async move {
            match Known::named(&name) {
                _ if config.disable_vectors => None,
                Some(known) => local_model(&cache, known).await,
                None => match provider_model(&config, &name) {
                    Ok(model) => Some(Arc::new(model) as Arc<dyn Embedder>),
                    Err(error) => {
                        tracing::error!(
                            model = name,
                            error = format!("{error:#}"),
                            "no model for an older index"
                        );
                        None
                    }
                },
            }
        })
    })
}

async fn local_model(cache: &Path, known: Known) -> Option<Arc<dyn Embedder>> {
    let cache = wheels::Cache::new(cache);
    let threads = std::thread::available_parallelism()
        .map_or(1, std::num::NonZero::get)
        .min(4);
    let load = move || local::Files::prepare(&cache, known).and_then(|files| local::Local::load(&files, threads));
    match tokio::task::spawn_blocking(load).await {
        Ok(Ok(model)) => Some(Arc::new(model)),
        Ok(Err(error)) => {
            tracing::error!(error = %chain(&error), "no embedding model: search is lexical only");
            None
        }
        Err(error) => {
            tracing::error!(%error, "loading the embedding model failed: search is lexical only");
            None
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// What is known of the configured model without loading it; none when vectors are off.
pub fn configured_model(config: &ModelConfig) -> Result<Option<embedding::Model>> {
    match config.embedding_model.strip_prefix(LOCAL) {
        _ if config.disable_vectors => Ok(None),
        Some(name) => known(config, name).map(|known| Some(known.model())),
        None => Ok(Some(provided(&stored_as(&config.embedding_model)))),
    }
}

/// The local model of this selector.
fn known(config: &ModelConfig, name: &str) -> Result<Known> {
    let all = || {
        Known::ALL
            .map(|known| format!("{LOCAL}{}", known.selector()))
            .join(", ")
    };
    Known::named(name).with_context(|| {
        format!(
            "EMBEDDING_MODEL: there is no {}; local models are {}",
            config.embedding_model,
            all()
        )
    })
}

/// What stands behind the names of models that are told what a text is for: such vectors are never compared with those that were made
/// without.
const PREFIXED: &str = "+prefixes";

/// What models by these names want before a query and before a passage (their cards on Hugging Face).
fn prefixes(name: &str) -> Option<(&'static str, &'static str)> {
    const KNOWN: [(&str, &str, &str); 2] = [
        ("nomic-embed", "search_query: ", "search_document: "),
        ("e5-", "query: ", "passage: "),
    ];
    let base = name.rsplit('/').next().unwrap_or(name);
    let known = KNOWN.iter().find(|(known, ..)| base.contains(known))?;
    // A model that follows instructions wants other ones.
    (!base.contains("instruct")).then_some((known.1, known.2))
}

/// The name that goes with vectors of a provider's model as it is used from now on.
fn stored_as(name: &str) -> String {
    match prefixes(name) {
        Some(_) => format!("{name}{PREFIXED}"),
        None => name.to_owned(),
    }
}

/// A provider's model by the name that goes with its vectors. The dimensions of common ones are known; others are taken to be like
/// `OpenAI`'s small one.
fn provided(name: &str) -> embedding::Model {
    let dimension = match name.trim_end_matches(PREFIXED) {
        "text-embedding-3-large" => 3072,
        "mxbai-embed-large" | "bge-m3" | "multilingual-e5-large" => 1024,
        "nomic-embed-text" => 768,
        "all-minilm" => 384,
        _ => 1536,
    };
    embedding::Model {
        name: name.to_owned(),
        dimension,
        max_tokens: 8191,
        multilingual: true,
        calibration: embedding::Calibration::default(),
    }
}

/// How long a visitor's question waits for its vector; then it is answered by words.
const QUESTION: Duration = Duration::from_secs(3);

fn provider_model(config: &ModelConfig, name: &str) -> Result<openai::OpenAi> {
    let served = name.trim_end_matches(PREFIXED);
    let (query, passage) = prefixes(served).filter(|_| served != name).unwrap_or_default();
    let settings = openai::Settings {
        base_url: config.base_url.clone(),
        key: config.api_key.clone(),
        model: provided(name),
        served_as: served.to_owned(),
        price: config.chat.prices.of(served).unwrap_or_default().input,
        passage_prefix: passage.to_owned(),
        query_prefix: query.to_owned(),
        deadline: Duration::from_mins(1),
        patience: QUESTION,
    };
    openai::OpenAi::new(settings).context("the embedding provider")
}

/// What every long-running process opens first.
pub struct Shared {
    /// The database.
    pub db: Db,
    /// Job errands.
    pub dispatcher: Dispatcher,
    /// Search with the configured model.
    pub searcher: Searcher,
}

/// Connects to what `config` names.
pub async fn open(config: &Config, embedder: Option<Arc<dyn Embedder>>) -> Result<Shared> {
    let db = Db::connect(&config.database)
        .await
        .context("connecting to Postgres (DATABASE_URL)")?;
    let dispatcher = Dispatcher::new(db.clone(), &config.redis).context("REDIS_URL")?;
    // One that is full, or a replica, answers as well.
    if let Err(error) = dispatcher.takes().await {
        if config.redis.required {
            bail!("Redis takes no jobs and REQUIRE_REDIS is set: {}", error.story());
        }
        tracing::warn!(
            error = error.story(),
            "Redis takes no jobs; they are recorded and dispatched when it does"
        );
    }
    let searcher = Searcher::with_loader(db.clone(), embedder, Some(loader(config)))
        .await
        .context("the index's embedding model (has the database been migrated?)")?
        .with_memory(config.search.memory);
    Ok(Shared {
        db,
        dispatcher,
        searcher,
    })
}

//! One struct a concern.
use super::{
    Reader,
    chat::{ChatConfig, LARGE_MODEL, OPENAI},
};
use egress::HostPort;
use secrecy::{ExposeSecret, SecretString};
use std::{net::SocketAddr, time::Duration};
use url::Url;

/// How to reach Postgres.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// The login of the running processes.
    pub url: SecretString,
    /// The login of migrations, backup and restore.
    pub owner_url: SecretString,
    /// Most connections of this process.
    pub pool_max: u32,
    /// An idle connection is closed after this time.
    pub idle: Duration,
    /// Longest wait for a connection.
    pub connect: Duration,
    /// A pooler that lends sessions for one transaction stands before [`DatabaseConfig::url`].
    pub pooler: bool,
}

impl DatabaseConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        const EXAMPLE: &str = "postgres://omniops:secret@localhost/omniops";
        let url = r.required("DATABASE_URL", EXAMPLE);
        let owner_url = r.optional("DATABASE_OWNER_URL");
        for (name, url) in [("DATABASE_URL", Some(&url)), ("DATABASE_OWNER_URL", owner_url.as_ref())] {
            r.conceal(name);
            // What the driver says about other URLs has the whole of them in it.
            let known =
                |url: &&String| Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"));
            if url.is_some_and(|url| !url.is_empty() && !known(&url)) {
                r.wrong(name, "must be a URL that starts with postgres://", EXAMPLE);
            }
        }
        Self {
            owner_url: owner_url.unwrap_or_else(|| url.clone()).into(),
            url: url.into(),
            pool_max: r.number("DATABASE_POOL_MAX", 20, 1..=1000, "20"),
            idle: Duration::from_secs(r.number("DATABASE_POOL_IDLE_SECONDS", 30, 1..=86_400, "30")),
            connect: Duration::from_secs(r.number("DATABASE_POOL_CONNECT_SECONDS", 2, 1..=300, "2")),
            pooler: r.parsed("DATABASE_TRANSACTION_POOLER", false, "true"),
        }
    }

    /// The role that the processes log in as, from the URL: the one that migrations grant the two working roles to.
    pub fn login(&self) -> Option<String> {
        let url = Url::parse(self.url.expose_secret()).ok()?;
        let by_query = url
            .query_pairs()
            .find(|(k, _)| k == "user")
            .map(|(_, v)| v.into_owned());
        by_query.or_else(|| Some(url.username().to_owned()).filter(|u| !u.is_empty()))
    }
}

/// How to reach Redis.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// Job errands and live events.
    pub url: SecretString,
    /// Cached answers: a server that may forget.
    pub cache_url: SecretString,
    /// Whether that is another server than the one of errands.
    pub cache_apart: bool,
    /// Whether the process refuses to work without Redis.
    pub required: bool,
}

impl RedisConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        let url = r.required("REDIS_URL", "redis://localhost:6379");
        let cache_url = r.optional("REDIS_CACHE_URL");
        let cache_apart = cache_url.is_some();
        let cache_url = cache_url.unwrap_or_else(|| url.clone());
        for (name, url) in [("REDIS_URL", &url), ("REDIS_CACHE_URL", &cache_url)] {
            r.conceal(name);
            if !url.is_empty()
                && let Err(error) = redis_link::Address::parse(url)
            {
                r.wrong(name, error.to_string(), "redis://localhost:6379");
            }
        }
        Self {
            url: url.into(),
            cache_url: cache_url.into(),
            cache_apart,
            required: r.parsed("REQUIRE_REDIS", false, "true"),
        }
    }
}

/// The HTTP server.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// How the world reaches this installation, without a trailing slash.
    pub public_url: String,
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Everything but health, metrics and admin answers 503.
    pub maintenance: bool,
}

impl HttpConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        let port: u16 = r.parsed("PORT", 3000, "3000");
        let bind: std::net::IpAddr = r.parsed("BIND", [127, 0, 0, 1].into(), "127.0.0.1");
        let public_url = r
            .optional("PUBLIC_URL")
            .unwrap_or_else(|| format!("http://localhost:{port}"));
        if !Url::parse(&public_url).is_ok_and(|u| {
            matches!(u.scheme(), "http" | "https")
                && u.host().is_some()
                && u.username().is_empty()
                && u.password().is_none()
        }) {
            r.wrong(
                "PUBLIC_URL",
                "must be an http or https URL without a user or password",
                "https://support.example.com",
            );
        }
        Self {
            public_url: public_url.trim_end_matches('/').to_owned(),
            listen: SocketAddr::new(bind, port),
            maintenance: r.parsed("MAINTENANCE_MODE", false, "false"),
        }
    }
}

/// Chat and embedding models.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    /// Key of an OpenAI-compatible provider; without one, answers are extractive.
    pub api_key: Option<SecretString>,
    /// The provider.
    pub base_url: String,
    /// The model that writes answers.
    pub chat_model: String,
    /// The rest of what answers of a model need.
    pub chat: ChatConfig,
    /// `local:minilm-l6-v2`, or a provider's model.
    pub embedding_model: String,
    /// Answers have at most 75 words.
    pub simplified: bool,
    /// Search is lexical only.
    pub disable_vectors: bool,
}

impl ModelConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        let base_url = r.optional("OPENAI_BASE_URL").unwrap_or_else(|| OPENAI.into());
        if !Url::parse(&base_url).is_ok_and(|url| url.username().is_empty() && url.password().is_none()) {
            r.wrong("OPENAI_BASE_URL", "must be a URL without a user or password", OPENAI);
        }
        let base_url = base_url.trim_end_matches('/').to_owned();
        let chat_model = r.optional("CHAT_MODEL").unwrap_or_else(|| LARGE_MODEL.into());
        let api_key = r.secret("OPENAI_API_KEY");
        let chat = ChatConfig::read(r, &chat_model, &base_url, api_key.is_some());
        Self {
            api_key,
            base_url,
            chat_model,
            chat,
            embedding_model: r
                .optional("EMBEDDING_MODEL")
                .unwrap_or_else(|| "local:minilm-l6-v2".into()),
            simplified: r.parsed("USE_SIMPLIFIED_PROMPT", false, "true"),
            disable_vectors: r.parsed("DISABLE_VECTOR_SEARCH", false, "true"),
        }
    }
}

impl ModelConfig {
    /// Where questions go besides this installation: the host of the provider that answers or embeds, if there is one.
    pub fn provider_host(&self) -> Option<String> {
        let leaves = self.api_key.is_some() || !(self.embedding_model.starts_with("local:") || self.disable_vectors);
        let url = Url::parse(&self.base_url).ok().filter(|_| leaves)?;
        url.host_str().map(str::to_owned)
    }
}

/// The crawler.
#[derive(Clone, Debug)]
pub struct CrawlConfig {
    /// How the crawler names itself.
    pub user_agent: String,
    /// Requests at once to one host.
    pub per_host: usize,
    /// Pause between two requests to one host. Hosts of `egress_allow` are the operator's own and get none, unless the
    /// variable is set.
    pub delay: Duration,
    /// Whether `CRAWL_DELAY_MS` was set.
    pub delay_is_set: bool,
    /// Local sites that the operator allows to be fetched.
    pub egress_allow: Vec<HostPort>,
}

impl CrawlConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        let public = r
            .optional("PUBLIC_URL")
            .unwrap_or_else(|| "http://localhost:3000".into());
        let own = format!(
            "OmniopsBot/{} (+{}/bot)",
            env!("CARGO_PKG_VERSION"),
            public.trim_end_matches('/')
        );
        Self {
            user_agent: r.optional("CRAWL_USER_AGENT").unwrap_or(own),
            per_host: r.number("CRAWL_PER_HOST", 4, 1..=64, "4"),
            delay: Duration::from_millis(r.number("CRAWL_DELAY_MS", 250, 0..=60_000, "250")),
            delay_is_set: r.optional("CRAWL_DELAY_MS").is_some(),
            egress_allow: r.list("OMNIOPS_EGRESS_ALLOW", "localhost:8080,intranet.example:80"),
        }
    }
}

/// Worker processes.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Jobs at once of the kinds that wait more than they compute.
    pub concurrency: usize,
    /// A job whose worker has been silent this long is given to another.
    pub lease: Duration,
    /// Running jobs get this long to finish at shutdown.
    pub shutdown: Duration,
    /// Pages that have been out of answers for so long are purged.
    pub page_retention: Duration,
    /// Where `/livez`, `/readyz` and `/metrics` answer.
    pub health: SocketAddr,
}

impl WorkerConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            concurrency: r.number("WORKER_CONCURRENCY", cores * 4, 1..=1024, "8"),
            lease: Duration::from_secs(r.number("WORKER_LEASE_SECONDS", 30, 2..=3600, "30")),
            shutdown: Duration::from_secs(r.number("WORKER_SHUTDOWN_SECONDS", 20, 1..=3600, "20")),
            page_retention: Duration::from_hours(24 * r.number("PAGE_RETENTION_DAYS", 30, 1..=3650, "30")),
            health: r.parsed("WORKER_HEALTH", ([127, 0, 0, 1], 3001).into(), "127.0.0.1:3001"),
        }
    }
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For machines.
    Json,
    /// For people.
    Text,
}

/// Logs.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// A filter such as `info` or `info,domain=debug`.
    pub level: String,
    /// The lines' form.
    pub format: LogFormat,
}

impl LogConfig {
    /// Reads `LOG_LEVEL` and `LOG_FORMAT`.
    pub fn read(r: &mut Reader) -> Self {
        let on_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let format = match r.optional("LOG_FORMAT").as_deref() {
            Some("text") => LogFormat::Text,
            None if on_terminal => LogFormat::Text,
            Some("json") | None => LogFormat::Json,
            Some(_) => {
                r.wrong("LOG_FORMAT", "must be json or text", "json");
                LogFormat::Json
            }
        };
        Self {
            level: r.optional("LOG_LEVEL").unwrap_or_else(|| "info".into()),
            format,
        }
    }
}

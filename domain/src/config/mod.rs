//! Configuration: the only reader of the environment. Every variable is read in one place, by the concern that it
//! belongs to, and all errors of all concerns are told at once.
mod accounts;
mod browser;
mod chat;
mod concerns;
mod edge;
mod limits;
mod mail;
mod privacy;
mod reader;
mod search;
mod security;

use std::{collections::BTreeMap, fmt, path::PathBuf};

pub use accounts::AccountsConfig;
pub use browser::BrowserConfig;
pub use chat::{Budget, ChatConfig};
pub use concerns::{
    CrawlConfig, DatabaseConfig, HttpConfig, LogConfig, LogFormat, ModelConfig, RedisConfig, WorkerConfig,
};
pub use edge::{EdgeConfig, Network, ProxyHeader};
pub use limits::{LimitsConfig, Rates};
pub use mail::{MailConfig, MailTls};
pub use privacy::PrivacyConfig;
pub use reader::{Reader, VariableError};
pub use search::SearchConfig;
pub use security::SecurityConfig;

/// The whole configuration of a process.
#[derive(Clone, Debug)]
pub struct Config {
    /// Postgres.
    pub database: DatabaseConfig,
    /// Redis.
    pub redis: RedisConfig,
    /// The HTTP server.
    pub http: HttpConfig,
    /// What stands between it and strangers.
    pub edge: EdgeConfig,
    /// How much callers may ask for.
    pub limits: LimitsConfig,
    /// People who administer.
    pub accounts: AccountsConfig,
    /// Keys and tokens.
    pub security: SecurityConfig,
    /// Chat and embedding models.
    pub model: ModelConfig,
    /// Searches.
    pub search: SearchConfig,
    /// The crawler.
    pub crawl: CrawlConfig,
    /// The browser.
    pub browser: BrowserConfig,
    /// The mail server; without one, nobody is written to.
    pub mail: Option<MailConfig>,
    /// Requests of people about their data.
    pub privacy: PrivacyConfig,
    /// Worker processes.
    pub worker: WorkerConfig,
    /// Logs.
    pub log: LogConfig,
    /// Where downloaded runtimes and models are kept.
    pub cache_dir: PathBuf,
}

/// Every variable that is missing or wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<VariableError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the configuration has {} error(s):", self.0.len())?;
        for error in &self.0 {
            writeln!(f, "  {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl Config {
    /// Reads and checks the process's environment.
    pub fn from_env() -> Result<Self, ConfigErrors> {
        Self::from_map(&environment())
    }

    /// Reads and checks variables from a map: what `up` and the tests do.
    pub fn from_map(variables: &BTreeMap<String, String>) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(variables);
        let config = Self::read(&mut reader, variables);
        let errors = reader.finish();
        if errors.is_empty() {
            Ok(config)
        } else {
            Err(ConfigErrors(errors))
        }
    }

    fn read(reader: &mut Reader, variables: &BTreeMap<String, String>) -> Self {
        Self {
            database: DatabaseConfig::read(reader),
            redis: RedisConfig::read(reader),
            http: HttpConfig::read(reader),
            edge: EdgeConfig::read(reader),
            limits: LimitsConfig::read(reader),
            accounts: AccountsConfig::read(reader),
            security: SecurityConfig::read(reader),
            model: ModelConfig::read(reader),
            search: SearchConfig::read(reader),
            crawl: CrawlConfig::read(reader),
            browser: BrowserConfig::read(reader),
            mail: MailConfig::read(reader),
            privacy: PrivacyConfig::read(reader),
            worker: WorkerConfig::read(reader),
            log: LogConfig::read(reader),
            cache_dir: cache_dir(variables),
        }
    }
}

/// Every variable that the configuration is read from, and whether it is a secret: never shown, whatever its value.
pub fn variables() -> BTreeMap<String, bool> {
    let none = BTreeMap::new();
    let mut reader = Reader::new(&none);
    let _ = Config::read(&mut reader, &none);
    let mut asked = reader.asked();
    asked.insert("OMNIOPS_CACHE_DIR".into(), false);
    asked.remove("PATH");
    asked
}

/// The process's environment as a map; the base on which `up` puts what it generates.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
        .collect()
}

/// Where downloads are kept: `OMNIOPS_CACHE_DIR`, else the user's cache folder, else the temporary one.
pub fn cache_dir(variables: &BTreeMap<String, String>) -> PathBuf {
    let get = |name: &str| variables.get(name).filter(|v| !v.is_empty());
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    let path = |name: &str| get(name).map(std::ffi::OsStr::new);
    get("OMNIOPS_CACHE_DIR")
        .map(PathBuf::from)
        .or_else(|| wheels::cache_dir("omniops", is_root, path("XDG_CACHE_HOME"), path("HOME")))
        .unwrap_or_else(|| std::env::temp_dir().join("omniops-cache"))
}

#[cfg(test)]
mod tests;

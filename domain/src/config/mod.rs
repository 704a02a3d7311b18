//! Configuration: the only reader of the environment. Every variable is read in one place, by the concern that it
//! belongs to, and all errors of all concerns are told at once.
mod browser;
mod chat;
mod concerns;
mod mail;
mod reader;

use std::{collections::BTreeMap, fmt, path::PathBuf};

pub use browser::BrowserConfig;
pub use chat::{Budget, ChatConfig};
pub use concerns::{
    CrawlConfig, DatabaseConfig, HttpConfig, LogConfig, LogFormat, ModelConfig, RedisConfig, SecurityConfig,
    WorkerConfig,
};
pub use mail::{MailConfig, MailTls};
pub use reader::{Reader, VariableError};

/// The whole configuration of a process.
#[derive(Clone, Debug)]
pub struct Config {
    /// Postgres.
    pub database: DatabaseConfig,
    /// Redis.
    pub redis: RedisConfig,
    /// The HTTP server.
    pub http: HttpConfig,
    /// Keys and tokens.
    pub security: SecurityConfig,
    /// Chat and embedding models.
    pub model: ModelConfig,
    /// The crawler.
    pub crawl: CrawlConfig,
    /// The browser.
    pub browser: BrowserConfig,
    /// The mail server; without one, nobody is written to.
    pub mail: Option<MailConfig>,
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
        let config = Self {
            database: DatabaseConfig::read(&mut reader),
            redis: RedisConfig::read(&mut reader),
            http: HttpConfig::read(&mut reader),
            security: SecurityConfig::read(&mut reader),
            model: ModelConfig::read(&mut reader),
            crawl: CrawlConfig::read(&mut reader),
            browser: BrowserConfig::read(&mut reader),
            mail: MailConfig::read(&mut reader),
            worker: WorkerConfig::read(&mut reader),
            log: LogConfig::read(&mut reader),
            cache_dir: cache_dir(variables),
        };
        let errors = reader.finish();
        if errors.is_empty() {
            Ok(config)
        } else {
            Err(ConfigErrors(errors))
        }
    }
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

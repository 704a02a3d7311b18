//! Configuration: the only reader of the environment. Every variable is read in one place, by the concern that it
//! belongs to, and all errors of all concerns are told at once.
mod concerns;
mod reader;

use std::{collections::BTreeMap, fmt, path::PathBuf};

pub use concerns::{
    CrawlConfig, DatabaseConfig, HttpConfig, LogConfig, LogFormat, ModelConfig, RedisConfig, SecurityConfig,
    WorkerConfig,
};
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

/// Where downloads are kept: `OMNIOPS_CACHE_DIR`, else the user's cache folder. Root's home is closed to the user that
/// Postgres runs as, so root's is `/var/cache/omniops`.
pub fn cache_dir(variables: &BTreeMap<String, String>) -> PathBuf {
    let get = |name: &str| variables.get(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    get("OMNIOPS_CACHE_DIR").unwrap_or_else(|| wheels_dir(get("XDG_CACHE_HOME"), get("HOME")))
}

fn wheels_dir(xdg: Option<PathBuf>, home: Option<PathBuf>) -> PathBuf {
    let root_home = home.as_deref() == Some(std::path::Path::new("/root"));
    match (xdg, home) {
        (Some(dir), _) => dir.join("omniops"),
        (None, Some(home)) if !root_home => home.join(".cache/omniops"),
        _ => PathBuf::from("/var/cache/omniops"),
    }
}

#[cfg(test)]
mod tests;

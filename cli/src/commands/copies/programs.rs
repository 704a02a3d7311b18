//! Postgres' own programs: those of the private Postgres, or others on the path where these are too old for the server or can't be had.
//! What they connect with is in their environment, never among their arguments, which everybody on the machine can read.
use anyhow::{Context as _, Result, bail};
use domain::config::environment;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use url::Url;

/// Lines of a program's complaint that are shown.
const SHOWN: usize = 12;
/// What a URL's query may say, and the variable that tells it to libpq.
const PARAMETERS: [(&str, &str); 14] = [
    ("host", "PGHOST"),
    ("port", "PGPORT"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("dbname", "PGDATABASE"),
    ("sslmode", "PGSSLMODE"),
    ("ssl-mode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("ssl-root-cert", "PGSSLROOTCERT"),
    ("ssl-ca", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("ssl-cert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("ssl-key", "PGSSLKEY"),
];

/// Programs of one version.
pub struct Programs {
    folder: PathBuf,
    connection: BTreeMap<&'static str, String>,
}

impl Programs {
    /// Those that know a server of this major version; `cache` has the private Postgres. Blocks.
    pub fn find(cache: &Path, server: u32, url: &SecretString, database: &str) -> Result<Self> {
        let mut connection = connection(url)?;
        connection.insert("PGDATABASE", database.to_owned());
        let private = local_services::Runtime::fetch(&wheels::Cache::new(cache));
        let private = private.map(|runtime| runtime.postgres_program("pg_dump"));
        let why = private.as_ref().err().map(ToString::to_string);
        let paths = path();
        let mut folders: Vec<PathBuf> = private
            .iter()
            .filter_map(|path| path.parent())
            .map(Path::to_owned)
            .collect();
        folders.extend(env::split_paths(&paths));
        let known = folders
            .into_iter()
            .find(|folder| major(&folder.join("pg_dump")) >= Some(server));
        let Some(folder) = known else {
            let why = why.map_or_else(String::new, |why| format!(" (the private one can't be had: {why})"));
            bail!("no pg_dump of PostgreSQL {server} or later was found on the PATH{why}");
        };
        Ok(Self { folder, connection })
    }

    /// Runs one of them to its end; what it prints is returned. Blocks.
    pub fn run(&self, name: &str, change: impl FnOnce(&mut Command)) -> Result<Output> {
        let mut command = Command::new(self.folder.join(name));
        command.env_clear().stdin(Stdio::null()).envs(&self.connection);
        command.env("PATH", path());
        command.env("PGCONNECT_TIMEOUT", "10").env("PGAPPNAME", "omniops");
        change(&mut command);
        let output = command.output().with_context(|| format!("running {name}"))?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            let lines: Vec<&str> = told.lines().take(SHOWN).collect();
            bail!("{name} failed: {}", lines.join("\n"));
        }
        Ok(output)
    }
}

fn path() -> String {
    environment().remove("PATH").unwrap_or_default()
}

/// The major version of a program, if there is one.
fn major(program: &Path) -> Option<u32> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let told = String::from_utf8(output.stdout).ok()?;
    let version = told
        .split(' ')
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    version.split(['.', '\n', 'b', 'd', 'r']).next()?.parse().ok()
}

/// What libpq needs to reach what the driver's URL names.
fn connection(url: &SecretString) -> Result<BTreeMap<&'static str, String>> {
    // What the parser says may have the password in it.
    let url = Url::parse(url.expose_secret())
        .ok()
        .context("DATABASE_OWNER_URL is no URL")?;
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut told = BTreeMap::new();
    let mut tell = |name, value: Option<String>| drop(value.filter(|v| !v.is_empty()).map(|v| told.insert(name, v)));
    tell(
        "PGHOST",
        url.host_str().map(|host| plain(host.trim_matches(['[', ']']))),
    );
    tell("PGPORT", url.port().map(|port| port.to_string()));
    tell("PGUSER", Some(plain(url.username())));
    tell("PGPASSWORD", url.password().map(plain));
    for (name, value) in url.query_pairs() {
        if let Some((_, variable)) = PARAMETERS.iter().find(|(known, _)| *known == name) {
            tell(variable, Some(value.into_owned()));
        }
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_the_driver_becomes_variables_of_libpq() {
        let of = |url: &str| connection(&url.into()).unwrap();
        let all = of(
            "postgres://ada:p%40ss@db.example:6432/shop?sslmode=verify-full&ssl-root-cert=/ca.pem&statement-cache-capacity=0",
        );
        let told: Vec<(&str, &str)> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(
            told,
            [
                ("PGHOST", "db.example"),
                ("PGPASSWORD", "p@ss"),
                ("PGPORT", "6432"),
                ("PGSSLMODE", "verify-full"),
                ("PGSSLROOTCERT", "/ca.pem"),
                ("PGUSER", "ada")
            ]
        );
        assert_eq!(
            of("postgres://a@localhost:5432/b?host=/run/x%20y")["PGHOST"],
            "/run/x y"
        );
        assert_eq!(of("postgres://a@%2Frun%2Fx/b")["PGHOST"], "/run/x");
    }
}

//! `omniops restore FILE`: a file of `pg_dump` becomes the configured database. It is restored beside that one, brought up to the
//! present schema, and made to forget again whom `ERASURE_LOG` names; then the two change names in one transaction, so that no process
//! ever sees a half or somebody who was forgotten.
use anyhow::{Context as _, Result, bail};
use domain::{
    clock::Clock,
    config::Config,
    privacy::{self, Privacy, Replayed},
    tenancy::Db,
};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use secrecy::{ExposeSecret, SecretString};
use std::{path::PathBuf, time::Duration};
use time::macros::format_description;
use url::Url;

use super::{
    Opened, Place,
    archive::Archive,
    contents::{Contents, one, quoted, server_major},
    programs::Programs,
    revoked::{Carried, Known},
};
use crate::commands::{erasures, migrate};

/// How often, and with what pause, it is looked whether others have left the database.
const LOOKS: u32 = 20;
const LOOK: Duration = Duration::from_millis(200);

/// What is restored.
#[derive(clap::Args)]
pub struct Args {
    /// A file of `omniops backup` or of `pg_dump`: an archive (`-Fc`) or plain SQL
    file: PathBuf,
    /// Also where the database holds customers; it stays, under another name
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    place: Place,
}

/// Runs the command.
pub async fn run(args: Args) -> Result<()> {
    let archive = Archive::open(&args.file)?;
    let opened = Opened::at(&args.place).await?;
    let done = restore(&opened, archive, args.replace).await;
    opened.close().await?;
    done
}

async fn restore(opened: &Opened, archive: Archive, replace: bool) -> Result<()> {
    let present = Present::look(&opened.config.database).await?;
    present.may_go(replace)?;
    let beside = format!("{}_restoring", present.short());
    let server = maintenance(&opened.config, &present.name).await?;
    is_left(&server, &present.name).await?;
    let drop = format!("DROP DATABASE IF EXISTS {}", quoted(&beside));
    server
        .execute_unprepared(&drop)
        .await
        .context("another restore is at work")?;
    let make = format!("CREATE DATABASE {} TEMPLATE template0", quoted(&beside));
    server.execute_unprepared(&make).await.context(
        "making a database beside the present one (DATABASE_OWNER_URL needs a login that may, best a superuser)",
    )?;
    let known = present.known(&opened.config.database).await;
    let filled = match known {
        Ok(known) => fill(opened, archive, &present, &beside, known.as_ref()).await,
        Err(error) => Err(error),
    };
    let swapped = match filled {
        Ok(done) => swap(&server, &present, &beside).await.map(|kept| (done, kept)),
        Err(error) => Err(error),
    };
    if swapped.is_err() {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&beside));
        // The next restore begins with this.
        let _ = server.execute_unprepared(&drop).await;
    }
    server.close().await?;
    let ((holds, carried, replayed), kept) = swapped.context("nothing was restored")?;
    println!("{} is restored: {holds}", present.name);
    println!("All sessions have ended.");
    match carried {
        Some(carried) => println!("What was taken back since the backup: {carried}."),
        None => println!(
            "There was no database to compare with: keys that were revoked and accounts that were closed since the backup are good again."
        ),
    }
    if let Some(kept) = kept {
        println!("What it was is in the database {kept}; drop that when you have looked.");
    }
    if let Some(replayed) = replayed {
        return erasures::told(&replayed);
    }
    println!("ERASURE_LOG is not set: whoever was forgotten since the backup is back (docs/PRIVACY.md).");
    Ok(())
}

/// The configured database.
struct Present {
    name: String,
    owner: String,
    server: u32,
    holds: Contents,
    roles: i64,
}

impl Present {
    async fn look(config: &domain::config::DatabaseConfig) -> Result<Self> {
        const OWNER: &str = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database()";
        const ROLES: &str =
            "SELECT count(*) FROM pg_roles WHERE rolname IN ('omniops_owner', 'omniops_app', 'omniops_system')";
        let db = Db::connect_owner(config)
            .await
            .context("connecting as the owner (DATABASE_OWNER_URL)")?;
        let present = Self {
            name: one(&db, "SELECT current_database()::text").await?,
            owner: one(&db, OWNER).await?,
            server: server_major(&db).await?,
            holds: Contents::of(&db).await?,
            roles: one(&db, ROLES).await?,
        };
        db.close().await?;
        Ok(present)
    }

    /// Its keys and accounts, if it is in use.
    async fn known(&self, config: &domain::config::DatabaseConfig) -> Result<Option<Known>> {
        if self.holds == Contents::default() {
            return Ok(None);
        }
        Known::of(config).await
    }

    fn may_go(&self, replace: bool) -> Result<()> {
        let Self { name, holds, .. } = self;
        if holds.customers > 0 && !replace {
            bail!("the database {name} holds {holds}: say --replace to put the file in its place");
        }
        if self.roles < 3 {
            bail!("the server has no roles of Omniops yet: run `omniops migrate` first");
        }
        Ok(())
    }

    /// The name, with room for more within Postgres' 63 bytes.
    fn short(&self) -> &str {
        let end = (0..=37).rev().find(|end| self.name.is_char_boundary(*end));
        self.name.get(..end.unwrap_or(0)).unwrap_or(&self.name)
    }
}

/// Refuses while others are in the database. Whoever has just ended leaves a connection for a moment.
async fn is_left(server: &DatabaseConnection, name: &str) -> Result<()> {
    let others = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND backend_type = 'client backend'",
        name.replace('\'', "''")
    );
    let mut open: i64 = one(server, &others).await?;
    for _ in 0..LOOKS {
        if open == 0 {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
        open = one(server, &others).await?;
    }
    bail!("{open} connections to the database {name} are open: stop api, workers and poolers first");
}

/// A connection to another database of the server: nobody can rename the one that they are in.
async fn maintenance(config: &Config, name: &str) -> Result<DatabaseConnection> {
    let other = if name == "postgres" { "template1" } else { "postgres" };
    let mut config = config.database.clone();
    config.owner_url = elsewhere(&config.owner_url, other)?;
    Db::connect_owner(&config)
        .await
        .with_context(|| format!("connecting to the database {other}"))
}

/// Answers that were kept since the backup go by a version that is this one's as well.
const MOVE_ON: &str =
    "UPDATE customer_configs SET index_version = greatest(index_version + 1, extract(epoch FROM now())::bigint)";
/// Whoever was logged in when the backup was made logs in again.
const LOG_OUT: &str = "DELETE FROM admin_sessions";

/// Fills the new database, and returns what it holds and whom it forgot again.
async fn fill(
    opened: &Opened,
    archive: Archive,
    present: &Present,
    beside: &str,
    known: Option<&Known>,
) -> Result<(Contents, Option<Carried>, Option<Replayed>)> {
    let (cache, url) = (
        opened.config.cache_dir.clone(),
        opened.config.database.owner_url.clone(),
    );
    let (server, database) = (present.server, beside.to_owned());
    let work = move || archive.restore(&Programs::find(&cache, server, &url, &database)?);
    tokio::task::spawn_blocking(work)
        .await
        .context("the restore's thread")??;
    let mut variables = opened.variables.clone();
    let database = &opened.config.database;
    for (name, url) in [
        ("DATABASE_URL", &database.url),
        ("DATABASE_OWNER_URL", &database.owner_url),
    ] {
        variables.insert(name.into(), elsewhere(url, beside)?.expose_secret().to_owned());
    }
    let config = Config::from_map(&variables)?;
    let owner = Db::connect_owner(&config.database).await?;
    is_known(&owner).await?;
    migrate::migrate(&config).await?;
    let replayed = forget(&config).await?;
    for text in [MOVE_ON, LOG_OUT] {
        owner.execute_unprepared(text).await?;
    }
    let carried = match known {
        Some(known) => Some(
            known
                .carry(&owner)
                .await
                .context("taking back what was taken back since")?,
        ),
        None => None,
    };
    let holds = Contents::of(&owner).await?;
    owner.close().await?;
    Ok((holds, carried, replayed))
}

/// Refuses a schema that this program does not know.
async fn is_known(owner: &DatabaseConnection) -> Result<()> {
    if !one::<bool>(owner, "SELECT to_regclass('public.seaql_migrations') IS NOT NULL").await? {
        bail!("the file is not of Omniops: it has no table of the schema's steps");
    }
    let taken: String = one(
        owner,
        "SELECT coalesce(string_agg(version, ' ' ORDER BY version), '') FROM seaql_migrations",
    )
    .await?;
    let known = migration::names();
    let newer: Vec<&str> = taken
        .split(' ')
        .filter(|step| !known.iter().any(|name| name == step))
        .collect();
    if !newer.is_empty() {
        bail!(
            "the file is of a later version, whose steps this program does not know ({}): restore it with that version",
            newer.join(", ")
        );
    }
    Ok(())
}

/// Forgets again whom the log and the database's own tombstones name; none where there is no log.
async fn forget(config: &Config) -> Result<Option<Replayed>> {
    let db = Db::connect(&config.database)
        .await
        .context("connecting to the new database (DATABASE_URL; not through a pooler that does not know it)")?;
    let privacy = Privacy::new(db.clone(), config);
    let lines = match privacy.log() {
        Some(log) => log.lines().await?,
        None => Vec::new(),
    };
    let replayed = privacy::replay_erasures(&privacy, &lines, "cli").await?;
    privacy::sync_log(&privacy).await?;
    db.close().await;
    Ok(privacy.log().is_some().then_some(replayed))
}

/// Puts the new one in the present one's place, both at once; returns the name that the present one has then, if it held anything.
async fn swap(server: &DatabaseConnection, present: &Present, beside: &str) -> Result<Option<String>> {
    let stamp = Clock::system().now().format(format_description!(
        "[year][month][day][hour][minute][second][subsecond digits:3]"
    ))?;
    let before = format!("{}_before_{stamp}", present.short());
    let [name, new, old] = [present.name.as_str(), beside, &before].map(quoted);
    let owner = quoted(&present.owner);
    // Statements that are sent together are one transaction.
    let change = format!(
        "ALTER DATABASE {name} RENAME TO {old}; ALTER DATABASE {new} RENAME TO {name}; ALTER DATABASE {name} OWNER TO {owner}"
    );
    server
        .execute_unprepared(&change)
        .await
        .context("changing the names of the databases")?;
    // An empty one is of no use to anybody, and in nobody's way either.
    let is_empty = present.holds == Contents::default();
    let dropped = is_empty && server.execute_unprepared(&format!("DROP DATABASE {old}")).await.is_ok();
    Ok((!dropped).then_some(before))
}

/// The same URL with another database.
fn elsewhere(url: &SecretString, database: &str) -> Result<SecretString> {
    let mut url = Url::parse(url.expose_secret()).ok().context("DATABASE_URL is no URL")?;
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name != "dbname")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.set_query(None);
    if !others.is_empty() {
        url.query_pairs_mut().extend_pairs(others);
    }
    url.set_path(&format!("/{database}"));
    Ok(url.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leads_to_another_database_of_the_same_server() {
        let at = |url: &str| elsewhere(&url.into(), "new").unwrap().expose_secret().to_owned();
        assert_eq!(
            at("postgres://a:b%40@h:1/old?sslmode=require"),
            "postgres://a:b%40@h:1/new?sslmode=require"
        );
        assert_eq!(
            at("postgres://a@localhost/old?host=/run/x"),
            "postgres://a@localhost/new?host=%2Frun%2Fx"
        );
        assert_eq!(at("postgres://a@h/?dbname=old"), "postgres://a@h/new");
    }
}

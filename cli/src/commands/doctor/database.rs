//! Postgres: version, extension, roles, and row-level security.
use domain::{config::Config, tenancy::Db};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use super::Finding;

/// A check by a query that gives true, and what to do when it doesn't. `LOGIN` is the login of the processes.
struct Check(&'static str, &'static str, &'static str);

const CHECKS: [Check; 4] = [
    Check(
        "Postgres 15 or newer",
        "SELECT current_setting('server_version_num')::int >= 150000",
        "upgrade Postgres",
    ),
    Check(
        "extension vector 0.8.4 or newer",
        "SELECT coalesce((SELECT string_to_array(extversion, '.')::int[] >= ARRAY[0,8,4] FROM pg_extension WHERE extname = 'vector'), false)",
        "install pgvector 0.8.4 or newer and run `omniops migrate`",
    ),
    Check(
        "login without superuser",
        "SELECT NOT rolsuper AND NOT rolbypassrls FROM pg_roles WHERE rolname = $$LOGIN$$",
        "let the processes log in with a role that row-level security binds",
    ),
    Check(
        "login is a member of the working roles",
        "SELECT pg_has_role($$LOGIN$$, 'omniops_app', 'SET') AND pg_has_role($$LOGIN$$, 'omniops_system', 'SET')",
        "run `omniops migrate`",
    ),
];

const APART: &str = "row-level security keeps customers apart";

/// Checks the database as its owner sees it.
pub async fn check(config: &Config) -> Vec<Finding> {
    let owner = match Db::connect_owner(&config.database).await {
        Ok(owner) => owner,
        Err(error) => return vec![Finding::mend("database", error.story())],
    };
    let login = config.database.login().unwrap_or_default().replace('$', "");
    let mut findings = Vec::new();
    for Check(what, query, advice) in CHECKS {
        findings.push(match holds(&owner, &query.replace("LOGIN", &login)).await {
            Ok(()) => Finding::good(what),
            Err(why) => Finding::mend(what, format!("{why}; {advice}")),
        });
    }
    findings.push(match migration::faults(&owner).await {
        Ok(faults) if faults.is_empty() => Finding::good(APART),
        Ok(faults) => Finding::mend(APART, faults.join("; ")),
        Err(error) => Finding::mend(APART, error.to_string()),
    });
    findings
}

async fn holds(db: &DatabaseConnection, query: &str) -> Result<(), String> {
    let row = db
        .query_one_raw(Statement::from_string(DbBackend::Postgres, query))
        .await
        .map_err(|e| e.to_string())?;
    let good: Option<bool> = row
        .map(|r| r.try_get_by_index(0))
        .transpose()
        .map_err(|e| e.to_string())?;
    if good == Some(true) {
        Ok(())
    } else {
        Err("it is not so".into())
    }
}

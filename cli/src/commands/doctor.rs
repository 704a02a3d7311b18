//! `omniops doctor`: checks a deployment, one line a finding, and says what to do.
use anyhow::{Result, bail};
use domain::{config::Config, jobs::Dispatcher, tenancy::Db};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

/// A check's verdict.
struct Finding {
    what: &'static str,
    problem: Option<String>,
}

/// Checks everything that the configuration names; an error when something needs mending.
pub async fn run() -> Result<()> {
    let config = Config::from_env()?;
    domain::telemetry::install(&config.log);
    let mut findings = vec![Finding {
        what: "configuration",
        problem: None,
    }];
    findings.extend(database(&config).await);
    findings.extend(redis(&config).await);
    findings.push(Finding {
        what: "embedding model",
        problem: model(&config).await,
    });
    let mut bad = 0;
    for finding in &findings {
        match &finding.problem {
            None => println!("ok    {}", finding.what),
            Some(problem) => {
                bad += 1;
                println!("MEND  {}: {problem}", finding.what);
            }
        }
    }
    if bad > 0 {
        bail!("{bad} of {} checks need mending", findings.len())
    }
    Ok(())
}

async fn database(config: &Config) -> Vec<Finding> {
    let owner = match Db::connect_owner(&config.database).await {
        Ok(owner) => owner,
        Err(error) => {
            return vec![Finding {
                what: "database",
                problem: Some(error.story()),
            }];
        }
    };
    let checks: [(&'static str, &str, &str); 4] = [
        (
            "Postgres 15 or newer",
            "SELECT current_setting('server_version_num')::int >= 150000",
            "upgrade Postgres",
        ),
        (
            "extension vector 0.8.4 or newer",
            "SELECT coalesce((SELECT string_to_array(extversion, '.')::int[] >= ARRAY[0,8,4] FROM pg_extension WHERE extname = 'vector'), false)",
            "install pgvector 0.8.4 or newer and run `omniops migrate`",
        ),
        (
            "login without superuser",
            "SELECT NOT rolsuper AND NOT rolbypassrls FROM pg_roles WHERE rolname = $$LOGIN$$",
            "let the processes log in with a role that row-level security binds",
        ),
        (
            "login is a member of the working roles",
            "SELECT pg_has_role($$LOGIN$$, 'omniops_app', 'SET') AND pg_has_role($$LOGIN$$, 'omniops_system', 'SET')",
            "run `omniops migrate`",
        ),
    ];
    let login = config.database.login().unwrap_or_default().replace('$', "");
    let mut findings = Vec::new();
    for (what, query, advice) in checks {
        findings.push(Finding {
            what,
            problem: holds(&owner, &query.replace("LOGIN", &login))
                .await
                .err()
                .map(|why| format!("{why}; {advice}")),
        });
    }
    let open = migration::unprotected_tables(&owner).await;
    let problem = match open {
        Ok(open) if open.is_empty() => None,
        Ok(open) => Some(format!("{open:?} lack it")),
        Err(error) => Some(error.to_string()),
    };
    findings.push(Finding {
        what: "row-level security on every table",
        problem,
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

async fn redis(config: &Config) -> Vec<Finding> {
    let dispatcher = match Db::connect(&config.database)
        .await
        .and_then(|db| Dispatcher::new(db, &config.redis))
    {
        Ok(dispatcher) => dispatcher,
        Err(error) => {
            return vec![Finding {
                what: "Redis",
                problem: Some(error.story()),
            }];
        }
    };
    if let Err(error) = dispatcher.ping().await {
        return vec![Finding {
            what: "Redis",
            problem: Some(error.story()),
        }];
    }
    let wanted = [
        ("maxmemory-policy", "noeviction", "an evicting Redis forgets errands"),
        ("appendonly", "yes", "a restart forgets errands"),
    ];
    let mut findings = vec![Finding {
        what: "Redis",
        problem: None,
    }];
    for (name, value, why) in wanted {
        let problem = match dispatcher.setting(name).await {
            Ok(found) if found == value => None,
            Ok(found) => Some(format!("{name} is {found}; set it to {value}: {why}")),
            Err(error) => Some(error.story()),
        };
        findings.push(Finding { what: name, problem });
    }
    findings
}

async fn model(config: &Config) -> Option<String> {
    match crate::process::embedder(&config.model, &config.cache_dir).await {
        Ok(Some(_)) => None,
        Ok(None) if config.model.disable_vectors => None,
        Ok(None) => Some("it can't be loaded; search is lexical only (see the log above)".into()),
        Err(error) => Some(format!("{error:#}")),
    }
}

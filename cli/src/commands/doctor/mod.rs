//! `omniops doctor`: checks a deployment, one line a finding, and says what to do.
mod browser;
mod database;
mod erasures;
mod keys;
mod languages;
mod limits;
mod provider;
mod queues;
mod redis;
mod scale;

use anyhow::{Result, bail};
use domain::{config::Config, jobs::Dispatcher, secrets::Envelopes, tenancy::Db};

/// What else to look at.
#[derive(clap::Args)]
pub struct Args {
    /// Make every link of the audit log's chain again and compare; the newest 10,000 are in any case.
    #[arg(long)]
    audit: bool,
}

/// What a check found out.
struct Finding {
    what: &'static str,
    verdict: Verdict,
}

/// How it stands.
enum Verdict {
    /// As it should be.
    Good,
    /// It works, and somebody should know this.
    Note(String),
    /// It does not work, or will not for long; the text says what to do.
    Mend(String),
}

impl Finding {
    fn good(what: &'static str) -> Self {
        let verdict = Verdict::Good;
        Self { what, verdict }
    }

    fn note(what: &'static str, text: impl Into<String>) -> Self {
        let verdict = Verdict::Note(text.into());
        Self { what, verdict }
    }

    fn mend(what: &'static str, text: impl Into<String>) -> Self {
        let verdict = Verdict::Mend(text.into());
        Self { what, verdict }
    }
}

/// Checks everything that the configuration names; an error when something needs mending.
pub async fn run(args: Args) -> Result<()> {
    let config = Config::from_env()?;
    domain::telemetry::install(&config.log);
    let mut findings = vec![Finding::good("configuration"), limits::check(&config)];
    findings.extend(database::check(&config).await);
    // Without the processes' own login nothing further can be asked; the database's findings say why.
    if let Ok(db) = Db::connect(&config.database).await {
        match Dispatcher::new(db.clone(), &config.redis) {
            Ok(dispatcher) => findings.extend(redis::check(&dispatcher).await),
            Err(error) => findings.push(Finding::mend("Redis", error.story())),
        }
        if config.redis.cache_apart {
            findings.push(redis::check_cache(&config.redis).await);
        }
        findings.extend(queues::check(&db).await);
        findings.push(erasures::check(&db, &config).await);
        findings.push(languages::check(&db, &config).await);
        findings.extend(scale::check(&db, &config).await);
        let envelopes = Envelopes::new(&config.security.keys);
        findings.extend(keys::check(&db, &envelopes).await);
        findings.extend(keys::check_audit(&db, &envelopes, args.audit).await);
    }
    findings.push(model(&config).await);
    findings.extend(provider::check(&config.model).await);
    findings.push(browser::check(&config).await);
    report(&findings)
}

fn report(findings: &[Finding]) -> Result<()> {
    let mut bad = 0;
    for Finding { what, verdict } in findings {
        match verdict {
            Verdict::Good => println!("ok    {what}"),
            Verdict::Note(text) => println!("note  {what}: {text}"),
            Verdict::Mend(text) => {
                bad += 1;
                println!("MEND  {what}: {text}");
            }
        }
    }
    if bad > 0 {
        bail!("{bad} of {} checks need mending", findings.len())
    }
    Ok(())
}

async fn model(config: &Config) -> Finding {
    const WHAT: &str = "embedding model";
    match crate::process::embedder(&config.model, &config.cache_dir).await {
        Ok(Some(model)) => provider::embeds(WHAT, model.as_ref()).await,
        Ok(None) if config.model.disable_vectors => Finding::good(WHAT),
        Ok(None) => Finding::mend(WHAT, "it can't be loaded; search is lexical only (see the log above)"),
        Err(error) => Finding::mend(WHAT, format!("{error:#}")),
    }
}

//! A whole installation of the product: its own processes, a customer, and a crawled and indexed site.
use anyhow::{Context as _, Result, bail};
use http::Method;
use serde_json::{Value, json};
use std::{ffi::OsString, fs::File, net::TcpListener, path::Path, process::Stdio, time::Duration};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::{client::Caller, site::Shop};
use crate::{cpu, protocol::Order};

/// Longest wait for anything to be there.
const PATIENCE: Duration = Duration::from_mins(5);
const LOOK: Duration = Duration::from_millis(100);
const ADMIN: &str = "benchmark-benchmark-benchmark-benchmark";

/// The product at work. Its processes end with it.
pub struct Installation {
    api: Child,
    url: String,
    /// A key of the customer.
    pub key: String,
}

impl Installation {
    /// Starts the API and a worker, lets them read the shop, and ends the worker.
    pub async fn start(omniops: &Path, log: &Path, order: &Order, provider: &str, shop: &Shop) -> Result<Self> {
        let port = free_port()?;
        let variables = [
            ("DATABASE_URL", order.database_url.clone()),
            ("DATABASE_OWNER_URL", order.owner_url.clone()),
            ("REDIS_URL", order.redis_url.clone()),
            ("ENCRYPTION_KEY", "5e".repeat(32)),
            ("OMNIOPS_ADMIN_TOKEN", ADMIN.to_owned()),
            ("CRON_SECRET", ADMIN.to_owned()),
            ("PORT", port.to_string()),
            ("WORKER_HEALTH", "127.0.0.1:0".to_owned()),
            ("OMNIOPS_EGRESS_ALLOW", shop.host()),
            ("CRAWL_PER_HOST", "8".to_owned()),
            ("OPENAI_API_KEY", "benchmark".to_owned()),
            ("OPENAI_BASE_URL", provider.to_owned()),
            ("LOG_LEVEL", "warn".to_owned()),
            // One key asks far more than keys may.
            ("LIMITS", "off".to_owned()),
        ];
        let start = |role: &str| -> Result<Child> {
            let log = File::options().create(true).append(true).open(log)?;
            Command::new(omniops)
                .arg(OsString::from(role))
                .envs(variables.iter().map(|(name, value)| (*name, value)))
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .kill_on_drop(true)
                .spawn()
                .with_context(|| format!("starting {} {role}", omniops.display()))
        };
        let mut installation = Self {
            api: start("api")?,
            url: format!("http://127.0.0.1:{port}"),
            key: String::new(),
        };
        let mut worker = start("worker")?;
        installation.index(shop).await?;
        worker.kill().await?;
        Ok(installation)
    }

    /// The chat's URL.
    pub fn chat(&self) -> String {
        format!("{}/api/chat", self.url)
    }

    /// Where the API listens.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// MiB that the API's process holds.
    pub fn memory(&self) -> f64 {
        self.api.id().map_or(0.0, |pid| cpu::memory(pid).0)
    }

    /// µs of processor time of the API's process.
    pub fn cpu(&self) -> f64 {
        self.api.id().map_or(0.0, cpu::of)
    }

    async fn index(&mut self, shop: &Shop) -> Result<()> {
        let caller = Caller::new();
        let url = |path: &str| format!("{}{path}", self.url);
        let begun = Instant::now();
        while caller
            .json(Method::GET, &url("/api/health/ready"), "", &Value::Null)
            .await
            .is_err()
        {
            wait(begun, "the API").await?;
        }
        let customer = json!({ "name": "Benchmark", "domain": shop.host() });
        let customer = caller
            .json(Method::POST, &url("/api/customers"), ADMIN, &customer)
            .await?;
        let key = json!({ "customer_id": customer["id"], "name": "benchmark", "scopes": ["*"] });
        let key = caller.json(Method::POST, &url("/api/keys"), ADMIN, &key).await?;
        let key = key["key"].as_str().context("no key")?.to_owned();
        let scrape = json!({ "url": format!("http://{}/", shop.host()), "max_pages": 5000 });
        caller.json(Method::POST, &url("/api/scrape"), &key, &scrape).await?;
        let begun = Instant::now();
        loop {
            let jobs = caller
                .json(Method::GET, &url("/api/jobs?limit=100"), &key, &Value::Null)
                .await?;
            let states = jobs["items"].as_array().into_iter().flatten().map(|job| &job["state"]);
            let states: Vec<&str> = states.filter_map(Value::as_str).collect();
            if let Some(bad) = states
                .iter()
                .find(|state| matches!(**state, "failed" | "dead" | "cancelled"))
            {
                bail!("indexing the shop ended {bad}");
            }
            if states.len() > 1 && states.iter().all(|state| *state == "done") {
                break;
            }
            wait(begun, "the shop to be indexed").await?;
        }
        self.key = key;
        Ok(())
    }
}

async fn wait(begun: Instant, what: &str) -> Result<()> {
    if begun.elapsed() > PATIENCE {
        bail!("waited {} s for {what}", PATIENCE.as_secs());
    }
    sleep(LOOK).await;
    Ok(())
}

/// A port that nobody listens on; the kernel gives out others first before it gives this one again.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

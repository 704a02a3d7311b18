//! The product's own parts, set up as one of its processes would be.
use anyhow::Result;
use domain::{config::Config, jobs::Dispatcher, tenancy::Db};
use std::collections::BTreeMap;

use crate::protocol::Order;

/// Connects to the stores of `order`, with further settings as environment variables have them.
pub async fn connect(order: &Order, settings: &[(&str, String)]) -> Result<(Config, Db, Dispatcher)> {
    let mut variables: BTreeMap<String, String> = [
        ("DATABASE_URL", order.database_url.clone()),
        ("DATABASE_OWNER_URL", order.owner_url.clone()),
        ("REDIS_URL", order.redis_url.clone()),
        ("ENCRYPTION_KEY", "5e".repeat(32)),
        ("OMNIOPS_ADMIN_TOKEN", "benchmark".repeat(4)),
        ("CRON_SECRET", "benchmark".repeat(4)),
        ("WORKER_CONCURRENCY", order.concurrency.to_string()),
        ("WORKER_LEASE_SECONDS", (order.lease_ms / 1000).to_string()),
        // Whatever is free: workers run side by side.
        ("WORKER_HEALTH", "127.0.0.1:0".to_owned()),
        ("PORT", "0".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    variables.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    let config = Config::from_map(&variables)?;
    let db = Db::connect(&config.database).await?;
    let dispatcher = Dispatcher::new(db.clone(), &config.redis)?;
    Ok((config, db, dispatcher))
}

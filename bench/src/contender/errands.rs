//! `crates/queue` alone: an errand is delivered, a handler that does nothing runs, the errand is acknowledged.
use anyhow::Result;
use apalis::prelude::{BoxDynError, Data, Monitor, WorkerBuilder, WorkerBuilderExt as _};
use queue::{Address, Config, Errand, Limits, Link, Publisher, Queue};
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

use super::{Publish, Tally};
use crate::protocol::{Line, Order};

/// Publishes errands.
#[derive(Clone)]
pub struct Outlet {
    publisher: Publisher,
    customer: Uuid,
}

impl Outlet {
    /// Connects at the first use.
    pub fn new(order: &Order) -> Result<Self> {
        let address = Address::parse(&order.redis_url)?;
        Ok(Self {
            publisher: Publisher::new(Link::new(address, Limits::default()), &order.queue),
            customer: Uuid::now_v7(),
        })
    }
}

impl Publish for Outlet {
    async fn publish(&mut self, jobs: usize) -> Result<Vec<String>> {
        let errand = |_| Errand {
            job: Uuid::now_v7().to_string(),
            kind: "scrape".to_owned(),
            customer: self.customer.to_string(),
            version: 1,
        };
        let errands: Vec<Errand> = (0..jobs).map(errand).collect();
        self.publisher.publish(&errands).await?;
        Ok(errands.into_iter().map(|errand| errand.job).collect())
    }
}

/// Handles errands, with as many waiting in the process as run: what `Config::prefetch` advises for short handlers.
pub async fn work(order: &Order) -> Result<()> {
    let address = Address::parse(&order.redis_url)?;
    let config = Config {
        prefetch: order.concurrency,
        lease: Duration::from_millis(order.lease_ms),
        ..Config::new(&order.queue, order.concurrency)
    };
    let tally = Tally::new(order);
    Line::Ready.emit();
    let monitor = Monitor::new().register(move |restarts| {
        WorkerBuilder::new(format!("bench-{restarts}"))
            .backend(Queue::new(address.clone(), config.clone()))
            .concurrency(config.concurrency)
            .data(tally.clone())
            .build(handle)
    });
    Ok(monitor.run().await?)
}

async fn handle(errand: Errand, tally: Data<Arc<Tally>>) -> Result<(), BoxDynError> {
    tally.handle(&errand.job).await;
    Ok(())
}

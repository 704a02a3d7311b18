//! Whole jobs: submitted to the ledger in a transaction of the customer and announced, as the API does it; claimed, run and
//! settled by the product's worker, with a handler that does nothing.
use anyhow::{Context as _, Result};
use async_trait::async_trait;
use domain::{
    jobs::{Dispatcher, NewJob, Operator, Payload, submit_all},
    lifecycle::Lifecycle,
    retrieval::Searcher,
    tenancy::{self, Customer, Db, NewCustomer},
};
use serde_json::json;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use worker::{Ending, Handlers, Job, Worker};

use super::{Publish, Tally, installation::connect};
use crate::protocol::{Line, Order};

/// Submits jobs of one customer.
#[derive(Clone)]
pub struct Outlet {
    db: Db,
    dispatcher: Dispatcher,
    customer: Customer,
    due: Option<OffsetDateTime>,
}

impl Outlet {
    /// Connects, and makes the customer.
    pub async fn new(order: &Order) -> Result<Self> {
        let (_, db, dispatcher) = connect(order, &[]).await?;
        let new = NewCustomer {
            name: "Benchmark".to_owned(),
            domain: format!("bench-{}.example", Uuid::now_v7().simple()).parse()?,
            vouched: true,
        };
        let customer = tenancy::create(&db, &new, Operator::named("bench")).await?;
        Ok(Self {
            db,
            dispatcher,
            customer,
            due: if order.due > 0.0 {
                Some(moment(order.due)?)
            } else {
                None
            },
        })
    }
}

fn moment(us: f64) -> Result<OffsetDateTime> {
    OffsetDateTime::UNIX_EPOCH
        .checked_add(Duration::microseconds(us as i64))
        .context("no moment")
}

impl Publish for Outlet {
    async fn publish(&mut self, jobs: usize) -> Result<Vec<String>> {
        let job = NewJob {
            run_at: self.due,
            ..NewJob::new(self.customer.id, Payload::Scrape {})
        };
        let new = vec![job; jobs];
        let tx = self.db.tenant(&self.customer).await?;
        let made = submit_all(&*tx, &new).await?;
        tx.commit().await?;
        self.dispatcher.dispatch(&made).await;
        Ok(made.into_iter().map(|job| job.id.to_string()).collect())
    }
}

/// The product's worker.
pub async fn work(order: &Order) -> Result<()> {
    let (config, db, dispatcher) = connect(order, &[]).await?;
    let searcher = Searcher::new(db.clone(), None).await?;
    let mut context = worker::Context::new(Arc::new(config), db, dispatcher, searcher)?;
    context.handlers = Arc::new(Nothing(Tally::new(order)));
    Line::Ready.emit();
    Ok(Worker::new(context, Lifecycle::new()).run().await?)
}

/// Counts jobs instead of doing them.
struct Nothing(Arc<Tally>);

#[async_trait]
impl Handlers for Nothing {
    async fn run(&self, job: &Job) -> domain::Result<Ending> {
        self.0.handle(&job.id().to_string()).await;
        Ok(Ending::Done(json!({})))
    }
}

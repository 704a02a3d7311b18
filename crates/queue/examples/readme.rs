//! The README's program, so that it is built with everything else. A test compares the two.
use apalis::prelude::{BoxDynError, Monitor, WorkerBuilder, WorkerBuilderExt as _};
use queue::{Address, Config, Errand, Limits, Link, Publisher, Queue};

async fn handle(errand: Errand) -> Result<(), BoxDynError> {
    // Claims the job in the ledger, does it, and notes the outcome there.
    do_job(&errand.job).await
}

fn do_job(_: &str) -> std::future::Ready<Result<(), BoxDynError>> {
    std::future::ready(Ok(()))
}

#[tokio::main]
async fn main() -> Result<(), BoxDynError> {
    let address = Address::parse("redis://localhost")?;

    // Publish: from anywhere, over one shared connection that mends itself.
    let link = Link::new(address.clone(), Limits::default());
    let publisher = Publisher::new(link, "crawl");
    publisher
        .publish(&[Errand {
            job: "4711".to_owned(),
            kind: "scrape".to_owned(),
            customer: "acme".to_owned(),
            version: 1,
        }])
        .await?;

    // Work: the concurrency is given twice, because apalis does not tell a backend.
    let config = Config::new("crawl", 8);
    Monitor::new()
        .register(move |restarts| {
            WorkerBuilder::new(format!("crawl-{restarts}"))
                .backend(Queue::new(address.clone(), config.clone()))
                .concurrency(config.concurrency)
                .build(handle)
        })
        .run()
        .await?;
    Ok(())
}

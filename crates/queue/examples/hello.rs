//! Publishes ten errands, and works on them until the last one is done.
//!
//! ```sh
//! REDIS_URL=redis://localhost cargo run --example hello
//! ```
#![expect(clippy::print_stdout, reason = "an example talks")]

use apalis::prelude::{BoxDynError, Data, Monitor, WorkerBuilder, WorkerBuilderExt as _};
use queue::{Address, Config, Errand, Limits, Link, Publisher, Queue};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// In a service this claims the job in the database, does it, and notes the outcome there.
async fn handle(errand: Errand, done: Data<Arc<Semaphore>>) -> Result<(), BoxDynError> {
    println!("hello, {}", errand.job);
    done.add_permits(1);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxDynError> {
    #[expect(clippy::disallowed_methods, reason = "an example without settings of its own")]
    let address = Address::parse(&std::env::var("REDIS_URL")?)?;

    let publisher = Publisher::new(Link::new(address.clone(), Limits::default()), "greetings");
    let errands: Vec<_> = (1..=10).map(greeting).collect();
    publisher.publish(&errands).await?;

    // Two at once, and one that waits in this process for a free hand.
    let mut config = Config::new("greetings", 2);
    config.prefetch = 1;
    let done = Arc::new(Semaphore::new(0));
    let counted = done.clone();
    Monitor::new()
        .register(move |restarts| {
            WorkerBuilder::new(format!("greeter-{restarts}"))
                .backend(Queue::new(address.clone(), config.clone()))
                .concurrency(config.concurrency)
                .data(counted.clone())
                .build(handle)
        })
        // A service would wait for SIGTERM here.
        .run_with_signal(async move { done.acquire_many(10).await.map(drop).map_err(std::io::Error::other) })
        .await?;
    println!("{} left", publisher.stats("workers").await?.waiting);
    Ok(())
}

fn greeting(number: u32) -> Errand {
    Errand {
        job: number.to_string(),
        kind: "greet".to_owned(),
        customer: "everybody".to_owned(),
        version: 1,
    }
}

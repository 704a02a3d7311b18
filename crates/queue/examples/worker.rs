//! A worker process: `worker <redis url> <stream> <lease in ms> <job in ms>`. One job at a time; a job is a sleep. Says
//! `begin <job>` and `end <job>` on its output, and winds down on SIGTERM.
//!
//! The tests use it as the process that is killed and frozen.
#![expect(clippy::print_stdout, reason = "the output is how the tests follow it")]

use apalis::prelude::{BoxDynError, Data, Monitor, WorkerBuilder, WorkerBuilderExt as _};
use queue::{Address, Config, Errand, Queue};
use std::{env, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};

async fn handle(errand: Errand, duration: Data<Duration>) -> Result<(), BoxDynError> {
    println!("begin {}", errand.job);
    sleep(*duration).await;
    println!("end {}", errand.job);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxDynError> {
    let [url, stream, lease, duration] =
        <[String; 4]>::try_from(env::args().skip(1).collect::<Vec<_>>()).map_err(|_| "four arguments, please")?;
    let address = Address::parse(&url)?;
    let mut config = Config::new(stream, 1);
    config.lease = Duration::from_millis(lease.parse()?);
    let duration = Duration::from_millis(duration.parse()?);

    let mut terminate = signal(SignalKind::terminate())?;
    Monitor::new()
        .register(move |restarts| {
            WorkerBuilder::new(format!("worker-{restarts}"))
                .backend(Queue::new(address.clone(), config.clone()))
                .concurrency(config.concurrency)
                .data(duration)
                .build(handle)
        })
        .run_with_signal(async move {
            terminate.recv().await;
            Ok(())
        })
        .await?;
    Ok(())
}

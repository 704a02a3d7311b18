//! `bench queue`: our queue and job ledger beside `BullMQ`, apalis-redis and pg-boss.
//!
//! The machine is shared and noisy, so contenders take turns at every measure in every round, each round begins with another
//! one, and the report gives medians with the least and the most.
mod bars;
mod cells;
mod contender;
mod due;
mod faults;
mod figures;
mod machine;
mod neighbours;
mod report;
mod stores;

use anyhow::{Context as _, Result};
use std::time::SystemTime;

use crate::{QueueArgs, machine as host};
use cells::{Bench, CONCURRENCY, folder_of, recoveries};
pub use contender::{Contender, Part};
use figures::Figures;
pub use stores::Stores;

/// How often faults are measured: a rate of some seconds varies more than the bars allow for.
const FAULTS: usize = 3;

/// Measures, prints the tables and writes the report.
pub async fn run(args: QueueArgs) -> Result<()> {
    let begun = SystemTime::now();
    // A run that was killed left its data.
    match std::fs::remove_dir_all(&args.state) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context("removing old data"),
        _ => {}
    }
    let load = host::load();
    let folder = folder_of(&args.state)?;
    let bench = Bench {
        stores: Stores::start(&args.state).await?,
        log: folder.join("contenders.log"),
        peers: args.peers.clone(),
        divisor: if args.quick { 5 } else { 1 },
        verbose: args.verbose,
    };
    let rounds = if args.quick { 1 } else { args.rounds.max(1) };
    let parts = match args.only {
        Some(part) => vec![part],
        None => vec![Part::Delivery, Part::Whole],
    };
    let mut figures = Figures::default();
    for round in 0..rounds {
        for part in &parts {
            println!("round {} of {rounds}, {}", round + 1, report::title(*part));
            turn(&bench, *part, round, &mut figures).await?;
        }
    }
    let about = machine::About::read(&bench, &args, rounds, begun, load).await?;
    bench.stores.stop().await?;
    let tables = report::tables(&parts, &figures);
    println!("{tables}\n{}", bars::line(&figures));
    for failure in &figures.failures {
        println!("failed: {failure}");
    }
    folder_of(&args.report)?;
    std::fs::write(&args.report, report::document(&about, &tables, &figures)).context("writing the report")?;
    println!("written to {}", args.report.display());
    Ok(())
}

/// One round of a part.
async fn turn(bench: &Bench, part: Part, round: usize, figures: &mut Figures) -> Result<()> {
    let mut order = part.contenders().to_vec();
    let first = round % order.len();
    order.rotate_left(first);
    for contender in &order {
        let done = bench.singles(part, *contender, figures).await;
        note(done, "publish", *contender, figures);
    }
    for at in 0..CONCURRENCY.len() {
        for contender in &order {
            let done = bench.drain(part, *contender, at, figures).await;
            note(done, "drain", *contender, figures);
        }
    }
    for contender in &order {
        let done = bench.pick_up(part, *contender, round as u64, figures).await;
        note(done, "pick-up", *contender, figures);
    }
    if part == Part::Whole {
        let done = Box::pin(bench.neighbours(part, figures)).await;
        note(done, "neighbours", Contender::Ledger, figures);
    }
    if round > 0 {
        return Ok(());
    }
    // What hardly varies is measured once.
    recoveries(bench, part, figures).await?;
    if part == Part::Whole {
        let done = Box::pin(bench.due_at_once(part, figures)).await;
        note(done, "due at once", Contender::Ledger, figures);
        for _ in 0..FAULTS.div_ceil(bench.divisor) {
            let done = Box::pin(bench.faults(part, figures)).await;
            note(done, "faults", Contender::Ledger, figures);
        }
    }
    for contender in &order {
        let done = bench.memory(part, *contender, figures).await;
        note(done, "memory", *contender, figures);
    }
    Ok(())
}

/// A contender that fails a measure is named in the report; the others go on.
fn note(done: Result<()>, what: &str, contender: Contender, figures: &mut Figures) {
    if let Err(error) = done {
        println!("  {what}, {}: {error:#}", contender.label());
        figures
            .failures
            .push(format!("{what}, {}: {error:#}", contender.label()));
    }
}

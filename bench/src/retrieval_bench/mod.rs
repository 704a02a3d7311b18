//! `bench retrieval`: searches of many customers in one database, from several clients, with row-level security and without; the
//! words alone beside bm25s; and what a large customer's searches take, and find by the vector index, against an exact scan.
//!
//! Texts are those of a labelled set; [`vectors`] are random around a few hundred centres. Postgres fills its tables itself
//! ([`filling`]), which takes a minute for half a million chunks and some two gigabytes; they are removed when it ends, however it ends.
mod asking;
mod filling;
mod recall;
mod report;
mod vectors;

use anyhow::{Context as _, Result, bail, ensure};
use domain::{
    retrieval::{EXACT_LIMIT, Mode, Searcher},
    tenancy::Db,
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    fs,
    num::NonZero,
    path::Path,
    process::Command,
    sync::Arc,
    thread::available_parallelism,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    RetrievalArgs,
    contender::installation,
    machine,
    queue_bench::{Contender as Ledger, Stores},
};
use asking::{Asked, Asking};
use filling::Filling;
pub use vectors::{Centres, DIMENSION, near, text_of};

/// Rounds in which row-level security is on and off.
const ROUNDS: u32 = 4;
/// Bytes of chunks that may be kept in memory: all of them.
const MEMORY: usize = 4 << 30;
/// For as long searches run before they are measured, after each change of the policies.
const WARM: Duration = Duration::from_secs(1);
/// Questions for each processor that the product answers at once, when visitors ask (`domain::answering`'s turns).
const TURNS: usize = 2;
/// Of the rate that clients get who ask without a pause, what comes by chance.
const SHARES: [f64; 2] = [0.25, 0.5];

#[derive(Deserialize)]
struct Chunk {
    text: String,
}

#[derive(Deserialize)]
struct Query {
    text: String,
}

/// What bm25s says.
#[derive(Deserialize)]
struct Peer {
    ms: Vec<f64>,
}

/// All figures of a report.
struct Measured {
    /// With the policies and without.
    closed: Vec<(&'static str, [Asked; 2])>,
    /// In turns.
    turned: Asked,
    /// By their rates.
    open: Vec<(f64, Asked)>,
    /// What it takes to read them all into memory.
    reading: Reading,
    /// One customer's, as large as they come, in memory and not.
    large: [Asked; 2],
    large_reading: Reading,
    /// In memory and by the scan of a usual customer, in memory and by the index of a large one.
    recall: [f64; 4],
    /// bm25s' milliseconds, sorted, and how many texts it has.
    peer: Vec<f64>,
    texts: usize,
}

/// How customers' chunks came into memory.
struct Reading {
    seconds: f64,
    bytes: usize,
}

/// Measures, prints the report and writes it.
pub async fn run(args: RetrievalArgs) -> Result<()> {
    let state = args.state.join("retrieval");
    if state.exists() {
        // Of a run that was killed.
        fs::remove_dir_all(&state)?;
    }
    fs::create_dir_all(&args.state)?;
    let stores = Stores::start(&state).await?;
    let done = tokio::select! {
        done = Box::pin(measure(&stores, &args)) => done,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    stores.stop().await?;
    done
}

async fn measure(stores: &Stores, args: &RetrievalArgs) -> Result<()> {
    let (begun, load) = (SystemTime::now(), machine::load());
    ensure!(
        args.large as i64 >= EXACT_LIMIT,
        "a large customer has {EXACT_LIMIT} chunks or more"
    );
    let texts: Vec<Chunk> = lines(&args.data.join("chunks.jsonl"))?;
    let queries: Vec<Query> = lines(&args.data.join("queries.jsonl"))?;
    ensure!(!texts.is_empty() && !queries.is_empty(), "the set is empty");
    let cell = stores.cell(Ledger::Ledger, 30_000).await?;
    let (config, db, _) = installation::connect(&cell.order, &[]).await?;
    let owner = Db::connect_owner(&config.database).await?;
    let bench = Bench {
        searcher: Searcher::new(db.clone(), Some(Arc::new(Centres::new())))
            .await?
            .with_memory(MEMORY),
        questions: queries.into_iter().map(|query| query.text).collect(),
        texts: texts.into_iter().map(|chunk| chunk.text).collect(),
        db,
        owner,
        stores,
        args,
    };
    let measured = bench.measure().await?;
    let scale = format!("{} customers with {} chunks each", args.customers, args.chunks);
    let [date, machine] = machine::head(begun, &scale, &load)?;
    let peers = fs::read_to_string(args.peers.join("requirements-retrieval.txt"))?
        .replace("==", " ")
        .trim()
        .replace('\n', ", ");
    let report = report::document(&[date, machine, peers], args, &measured);
    println!("{report}");
    fs::write(&args.report, report).context("writing the report")?;
    bench.owner.close().await?;
    bench.db.close().await;
    Ok(())
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

struct Bench<'a> {
    searcher: Searcher,
    questions: Arc<[String]>,
    texts: Vec<String>,
    db: Db,
    owner: DatabaseConnection,
    stores: &'a Stores,
    args: &'a RetrievalArgs,
}

impl Bench<'_> {
    async fn measure(&self) -> Result<Measured> {
        let args = self.args;
        let filling = Filling {
            db: &self.db,
            owner: &self.owner,
        };
        let begun = Instant::now();
        filling.prepare(&self.texts).await?;
        let usual = self.asking(&filling, 0..args.customers, args.chunks).await?;
        println!("filled after {} s", begun.elapsed().as_secs());
        let reading = self.read(&usual).await?;
        let closed = self.closed(&usual).await?;
        println!("hybrid, in turns");
        let turns = usual.in_turns(TURNS * available_parallelism().map_or(1, NonZero::get));
        let turned = turns
            .closed(self.stores, Mode::Hybrid, args.clients, self.seconds())
            .await?;
        let mut open = Vec::new();
        for share in SHARES {
            let rate = share * closed[0].1[0].rate();
            println!("{rate:.0} searches a second by chance");
            open.push((rate, usual.open(self.stores, Mode::Hybrid, rate, self.seconds()).await?));
        }
        let cold = self.searcher.clone().with_memory(0);
        let recall = async |customer| {
            let of = |searcher| recall::recall(searcher, &self.owner, customer, &self.questions);
            anyhow::Ok([of(&self.searcher).await?, of(&cold).await?])
        };
        let [usual_memory, usual_scan] = recall(&usual.customers[0]).await?;

        println!("two customers of {} chunks", args.large);
        let begun = Instant::now();
        filling.clear().await?;
        let numbers = args.customers..args.customers + 2;
        let large = self.asking(&filling, numbers, args.large).await?;
        filling.index().await?;
        println!("filled and indexed after {} s", begun.elapsed().as_secs());
        let large_reading = self.read(&large).await?;
        let mut asked = Vec::new();
        for searcher in [&self.searcher, &cold] {
            let large = large.by(searcher.clone());
            large.closed(self.stores, Mode::Hybrid, 1, WARM).await?;
            asked.push(large.closed(self.stores, Mode::Hybrid, 1, self.seconds()).await?);
        }
        let [large_memory, index] = recall(&large.customers[0]).await?;
        Ok(Measured {
            closed,
            turned,
            open,
            reading,
            large: asked.try_into().unwrap_or_default(),
            large_reading,
            recall: [usual_memory, usual_scan, large_memory, index],
            peer: self.peer()?,
            texts: self.texts.len(),
        })
    }

    /// Makes customers that can be asked.
    async fn asking(&self, filling: &Filling<'_>, numbers: std::ops::Range<usize>, chunks: usize) -> Result<Asking> {
        let mut customers = Vec::new();
        for number in numbers {
            customers.push(filling.customer(number, chunks).await?);
        }
        filling.settle().await?;
        Ok(Asking::new(self.searcher.clone(), customers, self.questions.clone()))
    }

    /// Has the customers' chunks read into memory, by the second search of each.
    async fn read(&self, asking: &Asking) -> Result<Reading> {
        asking.each().await?;
        let (begun, before) = (Instant::now(), self.searcher.in_memory());
        asking.each().await?;
        let reading = Reading {
            seconds: begun.elapsed().as_secs_f64(),
            bytes: self.searcher.in_memory() - before,
        };
        println!(
            "{} MB in memory after {:.1} s",
            reading.bytes / 1_000_000,
            reading.seconds
        );
        Ok(reading)
    }

    fn seconds(&self) -> Duration {
        Duration::from_secs(self.args.seconds)
    }

    /// In turns with the policies and without, each kind of search.
    async fn closed(&self, asking: &Asking) -> Result<Vec<(&'static str, [Asked; 2])>> {
        let cold = asking.by(self.searcher.clone().with_memory(0));
        let mut kinds = [
            ("hybrid", Mode::Hybrid, asking),
            ("words alone", Mode::Lexical, asking),
            ("hybrid, nothing in memory", Mode::Hybrid, &cold),
        ]
        .map(|(label, mode, asking)| (label, mode, asking, [Asked::default(), Asked::default()]));
        for turn in 0..2 * ROUNDS {
            // With, without, without, with, and so on: what changes slowly meets both.
            let half = usize::from(matches!(turn % 4, 1 | 2));
            self.switch(["ENABLE", "DISABLE"][half]).await?;
            for (label, mode, asking, asked) in &mut kinds {
                println!("{label}, {}", ["row-level security", "without it"][half]);
                let ask = |time| asking.closed(self.stores, *mode, self.args.clients, time);
                ask(WARM).await?;
                asked[half].add(ask(self.seconds() / ROUNDS).await?);
            }
        }
        self.switch("ENABLE").await?;
        Ok(kinds.map(|(label, _, _, asked)| (label, asked)).into())
    }

    async fn switch(&self, word: &str) -> Result<()> {
        for table in ["page_embeddings", "scraped_pages", "customer_configs", "chunk_changes"] {
            let switch = format!("ALTER TABLE {table} {word} ROW LEVEL SECURITY");
            self.owner.execute_unprepared(&switch).await?;
        }
        Ok(())
    }

    /// One question after the other, in one process, over the set's own chunks.
    fn peer(&self) -> Result<Vec<f64>> {
        let python = self.args.peers.join("venv-retrieval/bin/python");
        let output = Command::new(python)
            .arg(self.args.peers.join("bm25s_lexical.py"))
            .arg(&self.args.data)
            .output()?;
        if !output.status.success() {
            bail!("bm25s: {}", String::from_utf8_lossy(&output.stderr));
        }
        let Peer { mut ms } = serde_json::from_slice(&output.stdout)?;
        ms.sort_by(f64::total_cmp);
        Ok(ms)
    }
}

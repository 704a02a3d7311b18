//! `bench rls`: what row-level security costs. The same statements in the same database, through the product's two doors: as a customer,
//! whom the policies bind, and as the system, whom they don't. Then the product's own vector search, with the policies switched on and off.
//!
//! Both doors open a transaction, set role and customer, run the statement and commit, so that only the policies differ. They take
//! turns call by call: whatever else the machine does meets both. Each has connections of its own: a connection keeps the plan of a
//! statement for the role that it was made for, and in the product a statement is always asked by the same role. Every statement names
//! its customer, as the product's do.
//!
//! Where the scheduler puts two sessions is worth more than what is compared (a session beside its caller's processor answered in half the
//! time of one on the other), so that all sessions share one processor and the caller has another. A third door, the second one once
//! more, tells what is left of that: its ratio would be 1.
use anyhow::{Context as _, Result};
use domain::{
    jobs::Operator,
    pages::index::LOCAL_MODEL,
    retrieval::{Mode, Searcher},
    tenancy::{self, Customer, Db, NewCustomer},
};
use entity::page;
use local_services::Server;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QuerySelect as _, QueryTrait as _, Statement, Value};
use std::{
    fmt::Write as _,
    fs,
    sync::Arc,
    thread::available_parallelism,
    time::{Instant, SystemTime},
};
use uuid::Uuid;

use crate::{
    RlsArgs,
    contender::installation,
    cpu, machine,
    queue_bench::{Contender as Ledger, Stores},
    retrieval_bench::{Centres, DIMENSION, near, text_of},
    stats::{Summary, number, percentile, summarize},
};

/// Chunks of a page, and rows of an insert.
const OF_A_PAGE: usize = 10;
const TOGETHER: usize = 10_000;
const QUESTIONS: u64 = 200;
/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// A page, as the product does it.
    Page,
    /// By a statement whose parameters are the customer, and a page or a vector.
    By(&'static str),
}

/// With the policies, without, and without once more.
const DOORS: usize = 3;

/// A few columns; the product's own read of a page is [`page::of_customer`], with all of them.
const COLUMNS: &str = "SELECT url, title, markdown, version FROM scraped_pages WHERE customer_id = $1 AND id = $2";
const CHUNKS: &str =
    "SELECT id, heading_path, text FROM page_embeddings WHERE customer_id = $1 AND page_id = $2 ORDER BY ordinal";
/// A scan of all chunks of the customer, which the list of candidates keeps from walking an index of all customers.
const NEAREST: &str =
    "WITH near AS MATERIALIZED (SELECT id, embedding <=> $2::halfvec AS d FROM page_embeddings WHERE customer_id = $1)
    SELECT id FROM near ORDER BY d LIMIT 12";

/// Measures, prints the report and writes it.
pub async fn run(args: RlsArgs) -> Result<()> {
    let (begun, load) = (SystemTime::now(), machine::load());
    fs::create_dir_all(&args.state)?;
    let stores = Stores::start(&args.state.join("rls")).await?;
    if available_parallelism().is_ok_and(|processors| processors.get() > 1) {
        cpu::keep_on(0, None)?;
        cpu::keep_on(1, stores.pid(Server::Postgres))?;
    }
    let cell = stores.cell(Ledger::Ledger, 30_000).await?;
    let (config, db, _) = installation::connect(&cell.order, &[]).await?;
    let owner = Db::connect_owner(&config.database).await?;
    let mut bench = Bench {
        // What policies cost shows where chunks are read.
        searcher: Searcher::new(db.clone(), Some(Arc::new(Centres::new())))
            .await?
            .with_memory(0),
        free: Db::connect(&config.database).await?,
        control: Db::connect(&config.database).await?,
        db,
        owner,
        customers: Vec::new(),
        pages: Vec::new(),
        random: StdRng::seed_from_u64(1),
        args,
    };
    bench.fill().await?;
    let mut rows = Vec::new();
    let (reads, searches) = (bench.args.reads, bench.args.searches);
    for (label, ask, calls) in [
        ("a page by its id", Ask::Page, reads),
        ("four columns of a page by its id", Ask::By(COLUMNS), reads),
        ("the chunks of a page", Ask::By(CHUNKS), reads),
        ("a customer's nearest chunks", Ask::By(NEAREST), searches),
    ] {
        rows.extend(bench.doors(label, ask, calls).await?);
    }
    rows.push(bench.product().await?);
    let scale = format!(
        "{} customers with {} chunks each",
        bench.args.customers, bench.args.chunks
    );
    let report = document(&machine::head(begun, &scale, &load)?, &rows, &bench.args);
    println!("{report}");
    fs::write(&bench.args.report, report).context("writing the report")?;
    bench.owner.close().await?;
    bench.db.close().await;
    bench.free.close().await;
    bench.control.close().await;
    stores.stop().await
}

struct Bench {
    searcher: Searcher,
    db: Db,
    /// For what the policies don't bind.
    free: Db,
    /// The same again.
    control: Db,
    owner: DatabaseConnection,
    customers: Vec<Customer>,
    /// Pages with their customers.
    pages: Vec<(Uuid, Uuid)>,
    random: StdRng,
    args: RlsArgs,
}

/// Of each round: the median with the policies, without, and their ratio.
struct Row {
    label: &'static str,
    with: Summary,
    without: Summary,
    ratio: Summary,
}

impl Bench {
    /// Customers with pages and chunks, whose vectors are random around a few hundred centres.
    async fn fill(&mut self) -> Result<()> {
        // Customers of this size are scanned: the vector index plays no part, and to fill it would take most of the time.
        let without_index = "DROP INDEX idx_embeddings_vector_minilm_l6_v2; DROP INDEX idx_embeddings_vector_e5_small";
        self.owner.execute_unprepared(without_index).await?;
        for n in 0..self.args.customers {
            println!("customer {} of {}", n + 1, self.args.customers);
            let new = NewCustomer {
                name: format!("Customer {n}"),
                domain: format!("customer-{n}.example").parse()?,
                vouched: true,
            };
            let customer = tenancy::create(&self.db, &new, Operator::named("bench")).await?;
            self.fill_customer(&customer).await?;
            self.customers.push(customer);
        }
        for table in ["page_embeddings", "scraped_pages", "customer_configs"] {
            self.owner
                .execute_unprepared(&format!("VACUUM (ANALYZE) {table}"))
                .await?;
        }
        Ok(())
    }

    async fn fill_customer(&mut self, customer: &Customer) -> Result<()> {
        const PAGES: &str = "INSERT INTO scraped_pages (id, customer_id, url, title, language, markdown, content_hash, status, fetched_at, indexed_version)
            SELECT gen_random_uuid(), $1, 'https://page/' || n, 'Page ' || n, 'en', convert_to(repeat('Some text of a page. ', 50), 'UTF8'), ''::bytea, 200, now(), 1
            FROM generate_series(0, $2) n RETURNING id";
        const FILL: &str = "INSERT INTO page_embeddings (id, customer_id, page_id, ordinal, heading_path, text, text_hash, tokens, model_id, embedding)
            SELECT gen_random_uuid(), $1, p.id, n.at, 'Page', 'Passage ' || n.at, sha256(n.vector::bytea), 100, $4, n.vector::halfvec
            FROM unnest($2::int[], $3::text[]) n (at, vector) JOIN scraped_pages p ON p.customer_id = $1 AND p.url_hash = hash_url('https://page/' || n.at / 10)";
        let last = (self.args.chunks / OF_A_PAGE) as i32;
        let pages = self
            .owner
            .query_all_raw(of(PAGES, vec![customer.id.into(), last.into()]))
            .await?;
        for page in pages {
            self.pages.push((customer.id, page.try_get("", "id")?));
        }
        for from in (0..self.args.chunks).step_by(TOGETHER) {
            let numbers: Vec<i32> = (from..self.args.chunks.min(from + TOGETHER))
                .map(|n| n as i32)
                .collect();
            let random = &mut self.random;
            let vectors: Vec<String> = numbers
                .iter()
                .map(|_| text_of(&near(random.random_range(0..256), random)))
                .collect();
            let values = vec![customer.id.into(), numbers.into(), vectors.into(), LOCAL_MODEL.into()];
            self.owner.execute_raw(of(FILL, values)).await?;
        }
        Ok(())
    }

    /// The statement through all doors, call by call: alone, and with its whole transaction.
    async fn doors(&mut self, label: &'static str, ask: Ask, calls: usize) -> Result<[Row; 3]> {
        println!("{label}");
        let mut rounds: [Vec<(f64, f64)>; 3] = Default::default();
        for round in 0..=self.args.rounds {
            // By door, then alone and whole.
            let mut ms: [[Vec<f64>; 2]; DOORS] = Default::default();
            for call in 0..calls {
                let (customer, asked) = self.asked(ask);
                for door in (0..DOORS).map(|turn| (call + turn) % DOORS) {
                    let times = self.call(door, &customer, asked.clone()).await?;
                    for (kept, time) in ms[door].iter_mut().zip(times) {
                        kept.push(time);
                    }
                }
            }
            let [[alone, whole], [alone_free, whole_free], [alone_again, _]] = ms.map(|door| door.map(median));
            // The first round fills caches.
            if round > 0 {
                rounds[0].push((alone, alone_free));
                rounds[1].push((whole, whole_free));
                rounds[2].push((alone_again, alone_free));
            }
        }
        Ok([
            row(label, &rounds[0])?,
            row("… with its transaction", &rounds[1])?,
            row("… without, beside itself", &rounds[2])?,
        ])
    }

    /// Milliseconds of the statement and of its transaction, as the customer (0) or as the system (1, 2).
    async fn call(&self, door: usize, customer: &Customer, asked: Statement) -> Result<[f64; 2]> {
        let ms = |since: Instant| since.elapsed().as_secs_f64() * 1000.0;
        let begun = Instant::now();
        if door == 0 {
            let tx = self.db.tenant(customer).await?;
            let asking = Instant::now();
            tx.query_all_raw(asked).await?;
            let alone = ms(asking);
            tx.commit().await?;
            return Ok([alone, ms(begun)]);
        }
        let tx = [&self.free, &self.control][door - 1].system().await?;
        let asking = Instant::now();
        tx.query_all_raw(asked).await?;
        let alone = ms(asking);
        tx.commit().await?;
        Ok([alone, ms(begun)])
    }

    /// Whose rows a call asks for, and how.
    fn asked(&mut self, ask: Ask) -> (Customer, Statement) {
        if ask == Ask::By(NEAREST) {
            let customer = self.customers[self.random.random_range(0..self.customers.len())].clone();
            let vector = near(self.random.random_range(0..256), &mut self.random);
            let asked = of(NEAREST, vec![customer.id.into(), text_of(&vector).into()]);
            return (customer, asked);
        }
        let (id, page) = self.pages[self.random.random_range(0..self.pages.len())];
        let found = self.customers.iter().find(|known| known.id == id);
        let asked = match ask {
            Ask::Page => page::of_customer(id, page).limit(1).build(DbBackend::Postgres),
            Ask::By(statement) => of(statement, vec![id.into(), page.into()]),
        };
        (found.unwrap_or(&self.customers[0]).clone(), asked)
    }

    /// The product's vector search; the policies are switched between halves of a round.
    async fn product(&mut self) -> Result<Row> {
        println!("the product's vector search");
        let mut rounds = Vec::new();
        for round in 0..=self.args.rounds {
            let mut halves = [0.0; 2];
            for half in [usize::from(round % 2 == 0), usize::from(round % 2 == 1)] {
                let word = ["ENABLE", "DISABLE"][half];
                for table in ["page_embeddings", "scraped_pages", "customer_configs"] {
                    let switch = format!("ALTER TABLE {table} {word} ROW LEVEL SECURITY");
                    self.owner.execute_unprepared(&switch).await?;
                }
                let mut ms = Vec::new();
                for _ in 0..self.args.searches {
                    let customer = &self.customers[self.random.random_range(0..self.customers.len())];
                    let question = format!("Question {}", self.random.random_range(0..QUESTIONS));
                    let begun = Instant::now();
                    self.searcher.search(customer, &question, Mode::Vector, 12).await?;
                    ms.push(begun.elapsed().as_secs_f64() * 1000.0);
                }
                halves[half] = median(ms);
            }
            if round > 0 {
                rounds.push((halves[0], halves[1]));
            }
        }
        row("the product's vector search", &rounds)
    }
}

fn of(sql: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

fn median(mut ms: Vec<f64>) -> f64 {
    ms.sort_by(f64::total_cmp);
    percentile(&ms, 50).unwrap_or_default()
}

fn row(label: &'static str, rounds: &[(f64, f64)]) -> Result<Row> {
    let summary = |of: fn(&(f64, f64)) -> f64| {
        let samples: Vec<f64> = rounds.iter().map(of).collect();
        summarize(&samples).context("a round")
    };
    Ok(Row {
        label,
        with: summary(|(with, _)| *with)?,
        without: summary(|(_, without)| *without)?,
        ratio: summary(|(with, without)| with / without)?,
    })
}

fn document(head: &[String], rows: &[Row], args: &RlsArgs) -> String {
    let mut text = String::from("# What row-level security costs\n\nWritten by `cargo xtask bench rls`.\n\n");
    for line in head {
        let _ = writeln!(text, "- {line}");
    }
    let _ = writeln!(
        text,
        "- {} rounds of {} reads and {} searches; vectors of {DIMENSION} dimensions\n\n\
         | | with, p50 ms | without, p50 ms | ratio (least..most) |\n|---|---:|---:|---:|",
        args.rounds, args.reads, args.searches
    );
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {} | **{}** ({}..{}) |",
            row.label,
            number(row.with.median),
            number(row.without.median),
            number(row.ratio.median),
            number(row.ratio.min),
            number(row.ratio.max)
        );
    }
    text + "\n## How to read it\n\n\
            - A transaction: begin, role and customer, the statement, commit.\n\
            - With: `omniops_app`, bound by the policies. Without: `omniops_system`, the same statement, which names the customer itself. Each\n  \
            has connections of its own, so that Postgres keeps its plans, as it does in the product.\n\
            - Without, beside itself: a third way of calling, the same as the second. What its ratio differs from 1 is noise.\n\
            - The sessions share one processor, and the caller has another: where the scheduler puts a session is worth more than a policy.\n\
            - The product's search: `Searcher::search` without the model; without means that the policies are switched off.\n\
            - A page by its id: the product's own statement, with all columns. Four columns: the least that a page could be read with, for comparison.\n\
            - The bars: at most 1.1 for reads by a key, at most 1.5 for vector search.\n"
}

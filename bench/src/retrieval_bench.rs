//! `bench retrieval`: searches of many customers in one database, from several clients, with row-level security and without; the
//! words alone beside bm25s; and what the vector index finds for a large customer, against an exact scan.
//!
//! Texts are those of a labelled set; vectors are random around a few hundred centres, as those of real texts are, so that neither
//! depends on a model's speed. One customer's chunks are made as the product makes them; the others' are copies of its rows, words and
//! all, since to count the words of half a million texts takes longer than all that is measured.
use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use domain::{
    jobs::Operator,
    pages::index::LOCAL_MODEL,
    retrieval::{EXACT_LIMIT, Mode, Searcher},
    tenancy::{self, Customer, Db, NewCustomer},
};
use embedding::{Embedder, Kind, Model};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    collections::HashSet,
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::task::JoinSet;

use crate::{
    RetrievalArgs,
    contender::installation,
    cpu, machine,
    queue_bench::{Contender as Ledger, Stores},
    stats::percentile,
};

pub const DIMENSION: usize = 384;
/// Subjects that vectors lie around.
const CENTRES: u64 = 256;
/// Chunks of a page, and rows of an insert.
const OF_A_PAGE: usize = 10;
const TOGETHER: usize = 5000;
/// Questions whose nearest chunks are compared with an exact scan.
const COMPARED: usize = 100;
const NEAREST: usize = 10;

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

/// Measures, prints the report and writes it.
pub async fn run(args: RetrievalArgs) -> Result<()> {
    let (begun, load) = (SystemTime::now(), machine::load());
    let texts: Vec<Chunk> = lines(&args.data.join("chunks.jsonl"))?;
    let queries: Vec<Query> = lines(&args.data.join("queries.jsonl"))?;
    ensure!(!texts.is_empty() && !queries.is_empty(), "the set is empty");
    fs::create_dir_all(&args.state)?;
    let stores = Stores::start(&args.state.join("retrieval")).await?;
    let cell = stores.cell(Ledger::Ledger, 30_000).await?;
    let (config, db, _) = installation::connect(&cell.order, &[]).await?;
    let owner = Db::connect_owner(&config.database).await?;
    let bench = Bench {
        searcher: Searcher::new(db.clone(), Some(Arc::new(Centres::new()))).await?,
        questions: queries.into_iter().map(|query| query.text).collect(),
        texts: texts.into_iter().map(|chunk| chunk.text).collect(),
        db,
        owner,
        args,
    };
    let customers = bench.customers().await?;
    let rows = bench.latencies(&stores, &customers).await?;
    let recall = bench.recall(&customers[0]).await?;
    let peer = bench.peer()?;
    let [date, machine] = machine::head(
        begun,
        &format!(
            "{} customers with {} chunks each",
            bench.args.customers, bench.args.chunks
        ),
        &load,
    )?;
    let peers = fs::read_to_string(bench.args.peers.join("requirements-retrieval.txt"))?
        .replace("==", " ")
        .trim()
        .replace('\n', ", ");
    let report = bench.document(&[date, machine, peers], &rows, &peer, recall);
    println!("{report}");
    fs::write(&bench.args.report, report).context("writing the report")?;
    bench.owner.close().await?;
    bench.db.close().await;
    stores.stop().await
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

struct Bench {
    searcher: Searcher,
    questions: Vec<String>,
    texts: Vec<String>,
    db: Db,
    owner: DatabaseConnection,
    args: RetrievalArgs,
}

/// Milliseconds of searches, sorted; how many were answered a second; and the processor time of one, in the servers and here.
struct Row {
    label: &'static str,
    ms: Vec<f64>,
    rate: f64,
    servers_ms: f64,
    own_ms: f64,
}

impl Bench {
    async fn customer(&self, n: usize) -> Result<Customer> {
        let new = NewCustomer {
            name: format!("Customer {n}"),
            domain: format!("customer-{n}.example").parse()?,
            vouched: true,
        };
        Ok(tenancy::create(&self.db, &new, Operator::named("bench")).await?)
    }

    async fn run(&self, sql: &str, values: Vec<sea_orm::Value>) -> Result<()> {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        self.owner.execute_raw(statement).await?;
        Ok(())
    }

    async fn pages(&self, customer: &Customer, chunks: usize) -> Result<()> {
        const PAGES: &str = "INSERT INTO scraped_pages (id, customer_id, url, title, language, markdown, content_hash, status, fetched_at, indexed_version)
            SELECT gen_random_uuid(), $1, 'https://page/' || n, 'Page ' || n, 'en', '', ''::bytea, 200, now(), 1 FROM generate_series(0, $2) n";
        let last = (chunks / OF_A_PAGE) as i32;
        self.run(PAGES, vec![customer.id.into(), last.into()]).await
    }

    /// Gives the customer chunks whose texts all differ, and whose words are counted.
    async fn fill(&self, customer: &Customer, chunks: usize) -> Result<()> {
        const CHUNKS: &str = "INSERT INTO page_embeddings (id, customer_id, page_id, ordinal, heading_path, text, text_hash, tokens, model_id, embedding)
            SELECT gen_random_uuid(), $1, p.id, n.at, n.heading, n.text, sha256(convert_to(n.text, 'UTF8')), length(n.text) / 5, $6, n.vector::halfvec
            FROM unnest($2::int[], $3::text[], $4::text[], $5::text[]) n (at, heading, text, vector)
            JOIN scraped_pages p ON p.customer_id = $1 AND p.url_hash = hash_url('https://page/' || n.at / 10)";
        self.pages(customer, chunks).await?;
        let mut random = StdRng::seed_from_u64(0);
        for from in (0..chunks).step_by(TOGETHER) {
            let rows: Vec<usize> = (from..chunks.min(from + TOGETHER)).collect();
            let texts = rows.iter().map(|n| {
                let text = &self.texts[random.random_range(0..self.texts.len())];
                let (heading, body) = text.split_once('\n').unwrap_or(("", text));
                (heading.to_owned(), format!("{body} {n}"))
            });
            let (headings, bodies): (Vec<String>, Vec<String>) = texts.unzip();
            let values = vec![
                customer.id.into(),
                numbers(&rows).into(),
                headings.into(),
                bodies.into(),
                vectors(rows.len(), &mut random).into(),
                LOCAL_MODEL.into(),
            ];
            self.run(CHUNKS, values).await?;
        }
        Ok(())
    }

    /// Gives the customer copies of `model`'s chunks, as many as are wanted, with a number behind each text and vectors that depend on `seed`.
    async fn copy(&self, model: &Customer, customer: &Customer, chunks: usize, seed: u64) -> Result<()> {
        const COPY: &str = "INSERT INTO page_embeddings
              (id, customer_id, page_id, ordinal, heading_path, text, text_hash, tokens, model_id, embedding, words, word_total)
            SELECT gen_random_uuid(), $1, p.id, n.at, c.heading_path, c.text || ' ' || n.at / $5, c.text_hash, c.tokens, c.model_id, n.vector::halfvec, c.words, c.word_total
            FROM unnest($3::int[], $4::text[]) n (at, vector)
            JOIN page_embeddings c ON c.customer_id = $2 AND c.ordinal = n.at % $5
            JOIN scraped_pages p ON p.customer_id = $1 AND p.url_hash = hash_url('https://page/' || n.at / 10)";
        self.pages(customer, chunks).await?;
        let mut random = StdRng::seed_from_u64(seed);
        for from in (0..chunks).step_by(TOGETHER) {
            let rows: Vec<usize> = (from..chunks.min(from + TOGETHER)).collect();
            let values = vec![
                customer.id.into(),
                model.id.into(),
                numbers(&rows).into(),
                vectors(rows.len(), &mut random).into(),
                (self.args.chunks as i32).into(),
            ];
            self.run(COPY, values).await?;
        }
        Ok(())
    }

    /// The share of the nearest ten that the vector index finds for a large customer beside another one of the same size.
    async fn recall(&self, model: &Customer) -> Result<f64> {
        let large = self.args.large;
        ensure!(
            large as i64 >= EXACT_LIMIT,
            "a large customer has {EXACT_LIMIT} chunks or more"
        );
        println!("two customers of {large} chunks");
        let (one, other) = (self.customer(1_000_000).await?, self.customer(1_000_001).await?);
        self.copy(model, &one, large, 1).await?;
        self.copy(model, &other, large, 2).await?;
        let index = format!(
            "SET maintenance_work_mem = '1GB'; CREATE INDEX idx_embeddings_vector_minilm_l6_v2 ON page_embeddings
             USING hnsw ((embedding::halfvec(384)) halfvec_cosine_ops) WHERE model_id = '{LOCAL_MODEL}'; ANALYZE page_embeddings"
        );
        self.owner.execute_unprepared(&index).await?;
        let mut found = 0;
        for question in self.questions.iter().cycle().take(COMPARED) {
            let mut passages = self.searcher.search(&one, question, Mode::Vector, 100).await?.passages;
            passages.sort_by(|a, b| b.cosine.unwrap_or(0.0).total_cmp(&a.cosine.unwrap_or(0.0)));
            let ours: HashSet<i32> = passages.iter().take(NEAREST).map(|p| p.ordinal).collect();
            let exact = "WITH near AS MATERIALIZED (SELECT ordinal, embedding <=> $2::halfvec AS d FROM page_embeddings WHERE customer_id = $1)
                         SELECT ordinal FROM near ORDER BY d LIMIT $3";
            let vector = text_of(&Centres::of(question));
            let values = [one.id.into(), vector.into(), (NEAREST as i64).into()];
            let rows = self
                .owner
                .query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, exact, values))
                .await?;
            for row in rows {
                found += usize::from(ours.contains(&row.try_get::<i32>("", "ordinal")?));
            }
        }
        Ok(found as f64 / (COMPARED * NEAREST) as f64)
    }

    /// All customers, each with its chunks.
    async fn customers(&self) -> Result<Arc<[Customer]>> {
        // Customers of this size are scanned: the vector index plays no part, and to fill it would take most of the time.
        const BARE: &str = "DROP INDEX idx_embeddings_vector_minilm_l6_v2, idx_embeddings_vector_e5_small";
        const COPIED: &str =
            "ALTER TABLE page_embeddings ALTER COLUMN words DROP EXPRESSION, ALTER COLUMN word_total DROP EXPRESSION";
        self.owner.execute_unprepared(BARE).await?;
        let mut customers = Vec::new();
        for n in 0..self.args.customers {
            println!("customer {} of {}", n + 1, self.args.customers);
            let customer = self.customer(n).await?;
            if let Some(first) = customers.first() {
                self.copy(first, &customer, self.args.chunks, 3 + n as u64).await?;
            } else {
                self.fill(&customer, self.args.chunks).await?;
                self.owner.execute_unprepared(COPIED).await?;
            }
            customers.push(customer);
        }
        for table in ["page_embeddings", "scraped_pages", "customer_configs"] {
            self.owner
                .execute_unprepared(&format!("VACUUM (ANALYZE) {table}"))
                .await?;
        }
        Ok(customers.into())
    }

    async fn latencies(&self, stores: &Stores, customers: &Arc<[Customer]>) -> Result<Vec<Row>> {
        let switch = |word: &str| {
            let tables = ["page_embeddings", "scraped_pages", "customer_configs"];
            tables
                .map(|table| format!("ALTER TABLE {table} {word} ROW LEVEL SECURITY"))
                .join("; ")
        };
        let mut rows = Vec::new();
        for (word, labels) in [
            (
                "ENABLE",
                ["hybrid, row-level security", "words alone, row-level security"],
            ),
            (
                "DISABLE",
                ["hybrid, the same without it", "words alone, the same without it"],
            ),
        ] {
            self.owner.execute_unprepared(&switch(word)).await?;
            self.searches("warming up", stores, customers, Mode::Hybrid).await?;
            for (label, mode) in labels.into_iter().zip([Mode::Hybrid, Mode::Lexical]) {
                rows.push(self.searches(label, stores, customers, mode).await?);
            }
        }
        self.owner.execute_unprepared(&switch("ENABLE")).await?;
        Ok(rows)
    }

    async fn searches(
        &self,
        label: &'static str,
        stores: &Stores,
        customers: &Arc<[Customer]>,
        mode: Mode,
    ) -> Result<Row> {
        println!("{label}");
        let used = || (stores.cpu(), cpu::precise());
        let (begun, before, time) = (Instant::now(), used(), Duration::from_secs(self.args.seconds));
        let mut clients = JoinSet::new();
        for client in 0..self.args.clients {
            let (searcher, customers, questions) = (self.searcher.clone(), customers.clone(), self.questions.clone());
            clients.spawn(async move {
                let mut random = StdRng::seed_from_u64(client as u64);
                let mut ms = Vec::new();
                while begun.elapsed() < time {
                    let customer = &customers[random.random_range(0..customers.len())];
                    let question = &questions[random.random_range(0..questions.len())];
                    let asked = Instant::now();
                    searcher.search(customer, question, mode, 12).await?;
                    ms.push(asked.elapsed().as_secs_f64() * 1000.0);
                }
                anyhow::Ok(ms)
            });
        }
        let mut ms = Vec::new();
        while let Some(client) = clients.join_next().await {
            ms.extend(client??);
        }
        ms.sort_by(f64::total_cmp);
        let (rate, after) = (ms.len() as f64 / begun.elapsed().as_secs_f64(), used());
        let of_one = |us: f64| us / 1000.0 / ms.len() as f64;
        Ok(Row {
            label,
            rate,
            servers_ms: of_one(after.0 - before.0),
            own_ms: of_one(after.1 - before.1),
            ms,
        })
    }

    /// One question after the other, in one process, over the set's own chunks.
    fn peer(&self) -> Result<Vec<f64>> {
        let python = self.args.peers.join("venv-retrieval/bin/python");
        let output = Command::new(python)
            .arg(self.args.peers.join("bm25s_lexical.py"))
            .arg(&self.args.data)
            .output()?;
        ensure!(
            output.status.success(),
            "bm25s: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let Peer { mut ms } = serde_json::from_slice(&output.stdout)?;
        ms.sort_by(f64::total_cmp);
        Ok(ms)
    }

    fn document(&self, head: &[String], rows: &[Row], peer: &[f64], recall: f64) -> String {
        let mut text = String::from("# Searches\n\nWritten by `cargo xtask bench retrieval --data DIR`.\n\n");
        for line in head {
            let _ = writeln!(text, "- {line}");
        }
        let of = |ms: &[f64], percent| percentile(ms, percent).unwrap_or_default();
        let _ = writeln!(
            text,
            "\n## {} clients\n\n| | p50 ms | p95 ms | searches/s | processor ms a search: Postgres | the product |\n|---|---:|---:|---:|---:|---:|",
            self.args.clients
        );
        for row in rows {
            let _ = writeln!(
                text,
                "| {} | {:.1} | {:.1} | {:.0} | {:.1} | {:.1} |",
                row.label,
                of(&row.ms, 50),
                of(&row.ms, 95),
                row.rate,
                row.servers_ms,
                row.own_ms
            );
        }
        let _ = writeln!(
            text,
            "| bm25s, one client, {} chunks in memory | {:.1} | {:.1} | | | |",
            self.texts.len(),
            of(peer, 50),
            of(peer, 95)
        );
        let _ = writeln!(
            text,
            "\n## A customer of {} chunks\n\nOf the {NEAREST} nearest by an exact scan, the vector index found {recall:.3}, beside another customer of the same size.",
            self.args.large
        );
        text + "\n## How to read it\n\n- A search is `Searcher::search`: its transaction, three statements, the ranking and the fusion, without the model.\n\
                - Clients ask without a pause; with more clients than cores, latency is the queue before the cores.\n\
                - bm25s has one small index in its own memory and no tenants, transactions or vectors.\n"
    }
}

fn numbers(rows: &[usize]) -> Vec<i32> {
    rows.iter().map(|n| *n as i32).collect()
}

fn vectors(count: usize, random: &mut StdRng) -> Vec<String> {
    (0..count)
        .map(|_| text_of(&near(random.random_range(0..CENTRES), random)))
        .collect()
}

/// A question's vector lies near a centre that its text chooses.
pub struct Centres(Model);

impl Centres {
    pub fn new() -> Self {
        Self(Model {
            name: "all-MiniLM-L6-v2".to_owned(),
            dimension: DIMENSION,
            max_tokens: 256,
            multilingual: false,
            calibration: embedding::Calibration::default(),
        })
    }

    fn of(text: &str) -> Vec<f32> {
        let seed = text
            .bytes()
            .fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        near(seed % CENTRES, &mut StdRng::seed_from_u64(seed))
    }
}

#[async_trait]
impl Embedder for Centres {
    fn model(&self) -> &Model {
        &self.0
    }

    async fn embed(&self, _: Kind, texts: &[String]) -> Result<Vec<Vec<f32>>, embedding::Error> {
        Ok(texts.iter().map(|text| Self::of(text)).collect())
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.len() / 4
    }
}

/// A unit vector around a centre, as far from it as texts of one subject are from each other.
pub fn near(centre: u64, random: &mut StdRng) -> Vec<f32> {
    let mut fixed = StdRng::seed_from_u64(centre);
    let mut vector: Vec<f32> = (0..DIMENSION)
        .map(|_| fixed.random_range(-1.0..1.0) + random.random_range(-1.0_f32..1.0))
        .collect();
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    for x in &mut vector {
        *x /= length;
    }
    vector
}

pub fn text_of(vector: &[f32]) -> String {
    let numbers: Vec<String> = vector.iter().map(|x| format!("{x:.4}")).collect();
    format!("[{}]", numbers.join(","))
}

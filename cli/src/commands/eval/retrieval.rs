//! A labelled set through the product's own chunk tables, SQL and fusion, in a scratch installation that goes afterwards.
use anyhow::{Context as _, Result, ensure};
use domain::{
    config::{Config, cache_dir, environment},
    jobs::Operator,
    language::detect,
    pages::{
        index::{self, NewChunk},
        store::{self, FetchedPage},
    },
    retrieval::{Mode, Searcher},
    tenancy::{self, Customer, Db, NewCustomer},
};
use embedding::{Embedder, Kind};
use local_services::{Options, Runtime, Services};
use sea_orm::ConnectionTrait;
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
    sync::Arc,
    time::Instant,
};
use uuid::Uuid;

use crate::process;

/// Units that a run lists for each query.
const LISTED: usize = 20;
/// Pages whose chunks are embedded together.
const TOGETHER: usize = 64;

#[derive(Deserialize)]
struct Chunk {
    unit: String,
    text: String,
}

#[derive(Deserialize)]
struct Query {
    id: serde_json::Value,
    text: String,
    /// Units that answer it; none where nobody has judged that.
    #[serde(default)]
    relevant: Vec<String>,
}

/// Indexes `set`, runs its queries in `mode`, and writes the run to `out`.
pub async fn run(set: &Path, out: &Path, mode: Mode) -> Result<()> {
    let chunks: Vec<Chunk> = read(&set.join("chunks.jsonl"))?;
    let queries: Vec<Query> = read(&set.join("queries.jsonl"))?;
    let variables = environment();
    let cache = cache_dir(&variables);
    let services = tokio::task::spawn_blocking({
        let cache = wheels::Cache::new(&cache);
        let state = std::env::temp_dir().join(format!("omniops-eval-{}", Uuid::now_v7().simple()));
        move || -> Result<Services> { Ok(Services::start(&Runtime::fetch(&cache)?, &Options::fast(state))?) }
    })
    .await??;
    let config = scratch_config(&services)?;
    let db = scratch_database(&config).await?;
    let customer = NewCustomer {
        name: "Scratch".into(),
        domain: "scratch.example".parse()?,
        vouched: true,
    };
    let customer = tenancy::create(&db, &customer, Operator::named("cli")).await?;
    let embedder = process::embedder(&config.model, &cache)
        .await?
        .context("there is no embedding model")?;
    let searcher = Searcher::new(db.clone(), Some(embedder.clone())).await?;
    let began = Instant::now();
    let units = load(&db, &customer, &searcher, &embedder, &chunks).await?;
    println!(
        "{} chunks of {} units indexed in {:.1} s",
        chunks.len(),
        units.len(),
        began.elapsed().as_secs_f64()
    );
    let (mut times, mut gains) = (Vec::with_capacity(queries.len()), Vec::new());
    let mut writer = BufWriter::new(File::create(out).with_context(|| format!("writing {}", out.display()))?);
    for query in &queries {
        let began = Instant::now();
        let found = searcher.search(&customer, &query.text, mode, 100).await?;
        times.push(began.elapsed());
        let mut ranked: Vec<&String> = Vec::new();
        let mut hits = Vec::with_capacity(found.passages.len());
        for (unit, p) in found.passages.iter().filter_map(|p| Some((units.get(&p.page)?, p))) {
            if !ranked.contains(&unit) {
                ranked.push(unit);
            }
            hits.push(
                serde_json::json!({ "unit": unit, "ordinal": p.ordinal, "cosine": p.cosine, "lexical": p.lexical }),
            );
        }
        ranked.truncate(LISTED);
        if !query.relevant.is_empty() {
            gains.push(ndcg(&ranked, &query.relevant));
        }
        writeln!(
            writer,
            "{}",
            serde_json::json!({ "id": query.id, "units": ranked, "hits": hits })
        )?;
    }
    writer.flush()?;
    times.sort();
    let at = |share: f64| {
        times
            .get((times.len() as f64 * share) as usize)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{} queries, p50 {:?}, p95 {:?} -> {}",
        queries.len(),
        at(0.5),
        at(0.95),
        out.display()
    );
    if !gains.is_empty() {
        let mean = gains.iter().sum::<f64>() / gains.len() as f64;
        println!("nDCG@10 {mean:.3} over {} judged queries", gains.len());
    }
    db.close().await;
    tokio::task::spawn_blocking(move || services.stop()).await??;
    Ok(())
}

/// The normalised discounted cumulative gain of the first ten, where each unit is relevant or not (Järvelin and Kekäläinen, "Cumulated
/// gain-based evaluation of IR techniques").
fn ndcg(ranked: &[&String], relevant: &[String]) -> f64 {
    const FIRST: usize = 10;
    let at = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
    let hits = ranked
        .iter()
        .take(FIRST)
        .enumerate()
        .filter(|(_, unit)| relevant.contains(unit));
    let gained: f64 = hits.map(|(rank, _)| at(rank)).sum();
    let best: f64 = (0..relevant.len().min(FIRST)).map(at).sum();
    gained / best
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let parse = |line: &str| serde_json::from_str(line).with_context(|| format!("a line of {}", path.display()));
    text.lines().filter(|line| !line.trim().is_empty()).map(parse).collect()
}

fn scratch_config(services: &Services) -> Result<Config> {
    let mut variables = environment();
    let scratch = [
        ("DATABASE_URL", services.url("omniops", "postgres")),
        ("DATABASE_OWNER_URL", services.superuser_url("postgres")),
        ("REDIS_URL", services.redis_url()),
        ("ENCRYPTION_KEY", "5c".repeat(32)),
        ("OMNIOPS_ADMIN_TOKEN", "scratch".repeat(8)),
        ("CRON_SECRET", "scratch".repeat(8)),
    ];
    variables.extend(scratch.map(|(name, value)| (name.to_owned(), value)));
    Ok(Config::from_map(&variables)?)
}

async fn scratch_database(config: &Config) -> Result<Db> {
    let owner = Db::connect_owner(&config.database).await?;
    owner.execute_unprepared("CREATE ROLE omniops LOGIN").await?;
    migration::migrate(&owner, Some("omniops")).await?;
    owner.close().await?;
    Ok(Db::connect(&config.database).await?)
}

/// One page a unit; returns units by page.
async fn load(
    db: &Db,
    customer: &Customer,
    searcher: &Searcher,
    embedder: &Arc<dyn Embedder>,
    chunks: &[Chunk],
) -> Result<HashMap<Uuid, String>> {
    let model = searcher.model().map(|(_, id)| id);
    let mut by_unit: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for chunk in chunks {
        by_unit.entry(&chunk.unit).or_default().push(&chunk.text);
    }
    let mut units = HashMap::new();
    let language = language(chunks);
    let all: Vec<_> = by_unit.into_iter().collect();
    for group in all.chunks(TOGETHER) {
        let texts: Vec<String> = group
            .iter()
            .flat_map(|(_, texts)| texts.iter().map(|t| (*t).to_owned()))
            .collect();
        let mut vectors = embedder.embed(Kind::Passage, &texts).await?.into_iter();
        let tx = db.tenant(customer).await?;
        for (unit, texts) in group {
            let stored = store::save(&tx, &page(unit, texts, language)).await?;
            let pending = index::pending(&tx, stored.id, true)
                .await?
                .context("a stored page is pending")?;
            let new = texts.iter().zip(vectors.by_ref()).map(|(text, vector)| {
                // The first line is the heading: the line break between the two is that of a chunk's embedding input.
                let (heading, body) = text.split_once('\n').unwrap_or(("", text));
                NewChunk {
                    heading_path: heading.to_owned(),
                    text: body.to_owned(),
                    tokens: embedder.count_tokens(text) as i32,
                    hash: index::input_hash(text),
                    embedding: Some(vector),
                    ..NewChunk::default()
                }
            });
            let new: Vec<NewChunk> = new.collect();
            ensure!(new.len() == texts.len(), "the model returned too few vectors");
            index::publish(&tx, &pending, model, &new).await?;
            units.insert(stored.id, (*unit).to_owned());
        }
        tx.commit().await?;
    }
    Ok(units)
}

/// The language of most texts, as a site's pages would say.
fn language(chunks: &[Chunk]) -> &'static str {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for locale in chunks.iter().filter_map(|chunk| detect(&chunk.text)) {
        *counts.entry(locale.code()).or_default() += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(_, n)| *n)
        .map_or("en", |(code, _)| code)
}

fn page(unit: &str, texts: &[&str], language: &str) -> FetchedPage {
    FetchedPage {
        url: format!("https://scratch.example/{unit}"),
        canonical: None,
        title: unit.to_owned(),
        language: Some(language.to_owned()),
        markdown: texts.join("\n\n"),
        status: 200,
        etag: None,
        last_modified: None,
        navigational: false,
        structured: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relevant_unit_counts_less_the_later_it_comes() {
        let units = ["a", "b", "c"].map(str::to_owned);
        let of = |ranked: &[usize], relevant: &[usize]| {
            let ranked: Vec<&String> = ranked.iter().map(|n| &units[*n]).collect();
            let relevant: Vec<String> = relevant.iter().map(|n| units[*n].clone()).collect();
            (ndcg(&ranked, &relevant) * 1000.0).round() as i64
        };
        assert_eq!(of(&[0, 1, 2], &[0]), 1000);
        assert_eq!(of(&[0, 1, 2], &[1]), 631);
        assert_eq!(of(&[0, 2, 1], &[0, 1]), 920);
        assert_eq!(of(&[0], &[1]), 0);
    }
}

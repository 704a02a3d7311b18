//! A local model over a labelled set: how fast, in how much memory, and how well it finds.
use anyhow::{Context as _, Result};
use domain::config::{cache_dir, environment};
use embedding::{
    Embedder, Kind,
    local::{Files, Known, Local, Precision},
};
use serde::{Deserialize, de::DeserializeOwned};
use std::{collections::BTreeSet, fs, path::Path, time::Instant};

use crate::{
    cpu,
    protocol::{Embedded, say},
};

/// Texts before anything is measured.
const WARM: usize = 32;
/// Units that the score looks at.
const SEEN: usize = 10;

#[derive(Deserialize)]
struct Chunk {
    unit: String,
    text: String,
}

#[derive(Deserialize)]
struct Query {
    text: String,
    relevant: BTreeSet<String>,
}

/// Embeds the set of `data` with the model of this name, on `threads`, and tells the figures.
pub async fn embed(name: &str, data: &Path, threads: usize) -> Result<()> {
    let known = Known::named(name).context("no such model")?;
    let chunks: Vec<Chunk> = lines(&data.join("chunks.jsonl"))?;
    let queries: Vec<Query> = lines(&data.join("queries.jsonl"))?;
    let load = move || -> Result<(Local, Precision)> {
        let files = Files::prepare(&wheels::Cache::new(cache_dir(&environment())), known)?;
        Ok((Local::load(&files, threads)?, files.precision))
    };
    let (local, precision) = tokio::task::spawn_blocking(load).await??;
    let texts: Vec<String> = chunks.iter().map(|chunk| chunk.text.clone()).collect();
    local.embed(Kind::Query, &[queries[0].text.clone()]).await?;
    let (idle, _) = cpu::memory(std::process::id());
    local.embed(Kind::Passage, &texts[..WARM.min(texts.len())]).await?;
    let (loaded, _) = cpu::memory(std::process::id());
    let (begun, worked) = (Instant::now(), cpu::precise());
    let passages = local.embed(Kind::Passage, &texts).await?;
    let (seconds, cpu_us) = (begun.elapsed().as_secs_f64(), cpu::precise() - worked);
    let (mut times, mut scores) = (Vec::new(), Vec::new());
    for query in &queries {
        let begun = Instant::now();
        let vector = local.embed(Kind::Query, std::slice::from_ref(&query.text)).await?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
        scores.push(ndcg(&passages, &vector[0], &chunks, &query.relevant));
    }
    times.sort_by(f64::total_cmp);
    let arithmetic = match precision {
        Precision::Int8 { .. } => "int8",
        Precision::Fp32 { .. } => "fp32",
    };
    say(&Embedded {
        name: format!("{}, {arithmetic}", local.model().name),
        texts_a_second: texts.len() as f64 / seconds,
        cpu_ms_a_text: cpu_us / 1000.0 / texts.len() as f64,
        query_ms: times,
        idle_mib: idle,
        loaded_mib: loaded,
        peak_mib: cpu::memory(std::process::id()).1,
        ndcg: scores.iter().sum::<f64>() / scores.len() as f64,
    });
    Ok(())
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = fs::read_to_string(path).with_context(|| format!("no labelled set: {}", path.display()))?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// nDCG@10 of the units in the order of their best chunk, all relevant units being worth the same.
fn ndcg(passages: &[Vec<f32>], query: &[f32], chunks: &[Chunk], relevant: &BTreeSet<String>) -> f64 {
    let cosine = |passage: &Vec<f32>| passage.iter().zip(query).map(|(a, b)| a * b).sum::<f32>();
    let mut ranked: Vec<(f32, &str)> = passages
        .iter()
        .map(cosine)
        .zip(chunks.iter().map(|c| c.unit.as_str()))
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut units: Vec<&str> = Vec::new();
    for (_, unit) in ranked {
        if units.len() < SEEN && !units.contains(&unit) {
            units.push(unit);
        }
    }
    let gain = |place: usize| 1.0 / (place as f64 + 2.0).log2();
    let found: f64 = (0..units.len())
        .filter(|place| relevant.contains(units[*place]))
        .map(gain)
        .sum();
    found / (0..relevant.len().min(SEEN)).map(gain).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_counts_once_where_its_best_chunk_stands() {
        let chunk = |unit: &str| Chunk {
            unit: unit.into(),
            text: String::new(),
        };
        let chunks = [chunk("a"), chunk("a"), chunk("b")];
        let passages = [vec![0.9], vec![0.8], vec![0.7]];
        let score = |unit: &str| ndcg(&passages, &[1.0], &chunks, &BTreeSet::from([unit.to_owned()]));
        assert!((score("a") - 1.0).abs() < 1e-9);
        assert!((score("b") - 1.0 / 3f64.log2()).abs() < 1e-9);
        assert!(score("c").abs() < 1e-9);
    }
}

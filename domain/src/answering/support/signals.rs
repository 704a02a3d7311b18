//! What the support check judges by: signs that can be had without a model that reads.
//!
//! Cosines alone tell the subject, not whether it is answered. So beside the best one stand how far it rises above the site's own
//! background, how much of the question's meaning the best passages share (words weighted by how rare they are on the site), the
//! rarest word that they lack, whether they hold the kind of fact that is asked for, and whether they name what the question names.
use sea_orm::FromQueryResult;
use serde::Serialize;
use std::collections::HashSet;
use uuid::Uuid;

use crate::{
    Result,
    answering::expected::Expected,
    pages::index::vector_text,
    retrieval::{IndexModel, Passage},
    tenancy::{TenantTx, sql},
};

/// Passages that may support an answer.
pub const TOP: usize = 3;
/// Chunks whose cosines are the background.
const SAMPLE: i64 = 200;
/// Chunks with a word are counted up to here: whatever more, it is not rare.
const COUNTED: i64 = 1000;
/// Chunks of a customer are counted up to here.
const CHUNKS: i64 = 50_000;
/// A sample of fewer chunks has no background to rise above.
const SAMPLE_LEAST: i64 = 8;

/// The signs for one question.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Signals {
    /// The best cosine with the question; none without vectors.
    pub cosine: Option<f64>,
    /// By how much it is above the mean of the site's chunks.
    pub above: f64,
    /// The weight of the question's words that the best of the passages has, as a share.
    pub covered: f64,
    /// The same share for all of them together.
    pub together: f64,
    /// The same share for the whole site.
    pub known: f64,
    /// The weight of the rarest word that none of the passages has: 1 for one that the site never uses, 0 if none is missing.
    pub missing: f64,
    /// The question names something that no passage names.
    pub unnamed: bool,
    /// Whether the passages hold the kind of fact that is asked for, if that is known.
    pub fact: Option<bool>,
    /// The share of the heading's words, title aside, that the question has, of the passage where it is greatest.
    pub heading: f64,
    /// Words of the question that are looked for.
    pub words: usize,
}

/// A word of the question on this site.
#[derive(Clone, Debug, FromQueryResult)]
struct Word {
    word: String,
    /// Chunks that have it.
    chunks: i64,
    /// Those of the best passages that have it.
    within: Vec<Uuid>,
}

#[derive(FromQueryResult)]
struct Background {
    mean: Option<f64>,
    sampled: i64,
}

/// Reads the signs of `question` for `passages`, best first. `vector` is the question's, with its model.
pub async fn gather(
    tx: &TenantTx,
    question: &str,
    configs: &[String],
    vector: Option<(&IndexModel, &[f32])>,
    passages: &[Passage],
) -> Result<Signals> {
    let top = &passages[..passages.len().min(TOP)];
    let cosine = top.iter().filter_map(|p| p.cosine).reduce(f64::max);
    let words = words(tx, question, configs, top).await?;
    let mean = match vector {
        Some((model, values)) => {
            let mean = background(tx, model.id, values).await?;
            mean.map(|mean| model.calibration().relevance(mean))
        }
        None => None,
    };
    let mut signals = of_words(&words, chunks(tx).await?, top);
    signals.cosine = cosine;
    signals.above = cosine.zip(mean).map_or(0.0, |(best, mean)| best - mean);
    let texts: Vec<String> = top.iter().map(|p| format!("{}\n{}", p.heading_path, p.text)).collect();
    signals.fact = Expected::of(question).map(|fact| texts.iter().any(|text| fact.is_in(text)));
    signals.unnamed = names(question).iter().any(|name| texts.iter().all(|text| !text.to_lowercase().contains(name)));
    Ok(signals)
}

/// The question's words, stop words left out, by what each configuration makes of them.
async fn words(tx: &TenantTx, question: &str, configs: &[String], top: &[Passage]) -> Result<Vec<Word>> {
    const WORDS: &str = "
        WITH parsed AS (
          SELECT lower(d.token) AS word, d.lexemes FROM unnest($3::text[]) AS config CROSS JOIN LATERAL ts_debug(config::regconfig, $2) AS d
          WHERE d.alias NOT IN ('blank', 'asciihword', 'hword', 'numhword', 'tag', 'entity') AND d.lexemes IS NOT NULL),
        asked AS (
          SELECT word, (SELECT string_agg(DISTINCT quote_literal(l), ' | ')::tsquery FROM parsed o, unnest(o.lexemes) AS l WHERE o.word = p.word) AS query
          FROM parsed p GROUP BY word HAVING bool_and(lexemes <> '{}'))
        SELECT a.word,
          (SELECT count(*) FROM (SELECT FROM page_embeddings c WHERE c.customer_id = $1 AND c.published AND c.lexical @@ a.query LIMIT $5) AS few) AS chunks,
          ARRAY(SELECT c.id FROM page_embeddings c WHERE c.customer_id = $1 AND c.id = ANY($4) AND c.lexical @@ a.query) AS within
        FROM asked a ORDER BY a.word LIMIT 40";
    let ids: Vec<Uuid> = top.iter().map(|p| p.chunk).collect();
    let values = [tx.customer().into(), question.into(), configs.to_vec().into(), ids.into(), COUNTED.into()];
    Ok(Word::find_by_statement(sql(WORDS, values)).all(&**tx).await?)
}

async fn chunks(tx: &TenantTx) -> Result<f64> {
    const COUNT: &str = "SELECT count(*) AS sampled, NULL::float8 AS mean FROM (SELECT FROM page_embeddings WHERE customer_id = $1 LIMIT $2) AS few";
    let row = Background::find_by_statement(sql(COUNT, [tx.customer().into(), CHUNKS.into()])).one(&**tx).await?;
    Ok(row.map_or(0.0, |row| row.sampled as f64))
}

/// The mean cosine of the question with chunks of the site that are as good as chosen at random: the first ones by the hash of their
/// text.
async fn background(tx: &TenantTx, model: Uuid, vector: &[f32]) -> Result<Option<f64>> {
    const MEAN: &str = "
        WITH vector AS MATERIALIZED (SELECT $2::halfvec AS q),
        sample AS MATERIALIZED (SELECT c.embedding FROM page_embeddings c WHERE c.customer_id = $1 AND c.published AND c.model_id = $3
          ORDER BY c.text_hash LIMIT $4)
        SELECT avg(1 - (s.embedding <=> v.q)) AS mean, count(*) AS sampled FROM sample s CROSS JOIN vector v";
    let values = [tx.customer().into(), vector_text(vector).into(), model.into(), SAMPLE.into()];
    let row = Background::find_by_statement(sql(MEAN, values)).one(&**tx).await?;
    Ok(row.filter(|row| row.sampled >= SAMPLE_LEAST).and_then(|row| row.mean))
}

/// What the words say. A word weighs `ln((N + 1) / (n + 1))` of `N` chunks of which `n` have it, as a share of what one weighs that
/// none has.
fn of_words(words: &[Word], chunks: f64, top: &[Passage]) -> Signals {
    let most = (chunks + 1.0).ln().max(f64::MIN_POSITIVE);
    let weight = |w: &Word| (((chunks + 1.0) / (w.chunks as f64 + 1.0)).ln() / most).max(0.05);
    let all: f64 = words.iter().map(weight).sum();
    let share = |has: &dyn Fn(&Word) -> bool| match words {
        [] => 1.0,
        _ => words.iter().filter(|w| has(w)).map(weight).sum::<f64>() / all,
    };
    let best = top.iter().map(|p| share(&|w| w.within.contains(&p.chunk))).fold(0.0, f64::max);
    let missing = words.iter().filter(|w| w.within.is_empty()).map(weight).fold(0.0, f64::max);
    let asked: HashSet<&str> = words.iter().map(|w| w.word.as_str()).collect();
    let heading = |p: &Passage| {
        let last = p.heading_path.rsplit(" > ").next().unwrap_or_default().to_lowercase();
        let said: Vec<&str> = last.split(|c: char| !c.is_alphanumeric()).filter(|w| w.chars().count() > 2).collect();
        let known = said.iter().filter(|w| asked.contains(*w)).count();
        known as f64 / said.len().max(1) as f64
    };
    Signals {
        covered: best,
        together: share(&|w| !w.within.is_empty()),
        known: share(&|w| w.chunks > 0),
        missing,
        heading: top.iter().map(heading).fold(0.0, f64::max),
        words: words.len(),
        ..Signals::default()
    }
}

/// The names in a question, in lower case: words with a capital in the middle of it or with a digit. German writes every noun so,
/// and capital letters throughout say nothing.
fn names(question: &str) -> Vec<String> {
    const GERMAN: [&str; 20] = [
        "der", "die", "das", "ist", "wie", "was", "und", "für", "ich", "sie", "ein", "eine", "wann", "kann", "haben", "gibt", "wo", "wer", "bei", "ihre",
    ];
    let words: Vec<&str> = question.split_whitespace().collect();
    let german = words.iter().any(|w| GERMAN.contains(&w.to_lowercase().as_str()));
    let shouted = !question.chars().any(char::is_lowercase);
    if german || shouted {
        return Vec::new();
    }
    let bare = |w: &&str| w.trim_matches(|c: char| !c.is_alphanumeric()).trim_end_matches("'s").trim_end_matches("’s").to_owned();
    let named = |(n, w): (usize, String)| {
        let capital = n > 0 && w.starts_with(char::is_uppercase) && w.chars().count() > 1;
        let digit = w.contains(|c: char| c.is_ascii_digit());
        (capital || digit).then(|| w.to_lowercase())
    };
    words.iter().map(bare).enumerate().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answering::support::tests::passage;

    #[test]
    fn rare_words_weigh_more_than_frequent_ones() {
        let chunk = Uuid::nil();
        let word = |word: &str, chunks, within: &[Uuid]| Word {
            word: word.into(),
            chunks,
            within: within.to_vec(),
        };
        let words = [word("install", 400, &[chunk]), word("django", 0, &[])];
        let signals = of_words(&words, 1000.0, &[passage(Some(0.5), 0.5, "")]);
        assert!(signals.covered < 0.2 && signals.missing > 0.99 && signals.known < 0.2, "{signals:?}");
        let words = [word("install", 400, &[]), word("kayak", 3, &[chunk])];
        let signals = of_words(&words, 1000.0, &[passage(Some(0.5), 0.5, "")]);
        assert!(signals.covered > 0.8 && signals.missing < 0.2 && signals.known > 0.99, "{signals:?}");
    }

    #[test]
    fn names_are_told_by_their_capitals() {
        assert_eq!(names("How do I install Django on Heroku?"), ["django", "heroku"]);
        assert_eq!(names("Which version comes with Python 3.11?"), ["python", "3.11"]);
        assert!(names("Wie wird das Wetter morgen in Freiburg?").is_empty());
        assert!(names("WHERE IS MY PARCEL?").is_empty());
    }
}

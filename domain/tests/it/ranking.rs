//! Searches beside a plain reference: the same question over the same texts, ranked chunk by chunk from Postgres' own lexemes, without
//! products, digits or arrays.
use domain::{
    pages::{
        index::{self, NewChunk},
        store::{self, FetchedPage},
    },
    retrieval::{Candidate, Mode, Passage, Searcher, fuse},
    tenancy::Customer,
};
use sea_orm::{DbBackend, FromQueryResult, Statement};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use testkit::Kit;
use uuid::Uuid;

const PAGES: u64 = 45;
const ENGLISH: &str = "the a of with and parcel parcels shipping ships return returns returned refund kayak paddle tent stove warm winter \
    size sizes order orders ordering customer discount voucher delivery address invoice warranty repair XR-7741 rope";
const GERMAN: &str = "der die das mit und Paket Pakete Versand versenden Rückgabe zurückgeben Erstattung Kajak Paddel Zelt Kocher warm \
    Winter Größe Größen bestellen Bestellung Kunde Rabatt Gutschein Lieferung Anschrift Rechnung Garantie XR-7741 kayak";
const JAPANESE: &str = "配送 返品 カヤック テント XR-7741 kayak tent stove winter size";

/// xorshift64*: the same texts in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }

    fn words(&mut self, of: &str, count: usize) -> String {
        let all: Vec<&str> = of.split_whitespace().collect();
        let words: Vec<&str> = (0..count).map(|_| all[self.below(all.len())]).collect();
        words.join(" ")
    }
}

/// A model whose vectors say nothing, each the same for the same text; unit vectors, as those of models are.
struct Hashed(embedding::Model);

impl Hashed {
    fn new() -> Self {
        Self(embedding::Model {
            name: "all-MiniLM-L6-v2".into(),
            dimension: 384,
            max_tokens: 256,
            multilingual: false,
            calibration: embedding::Calibration::default(),
        })
    }

    fn vector(text: &str) -> Vec<f32> {
        let seed = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut chance = Chance(seed | 1);
        let vector: Vec<f32> = (0..384).map(|_| chance.below(2001) as f32 / 1000.0 - 0.8).collect();
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.into_iter().map(|x| x / length).collect()
    }
}

#[async_trait::async_trait]
impl embedding::Embedder for Hashed {
    fn model(&self) -> &embedding::Model {
        &self.0
    }

    async fn embed(&self, _: embedding::Kind, texts: &[String]) -> Result<Vec<Vec<f32>>, embedding::Error> {
        Ok(texts.iter().map(|text| Self::vector(text)).collect())
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.len()
    }
}

/// Publishes pages of some chunks in three languages; some chunks have no vector, some share a heading.
async fn publish(kit: &Kit, customer: &Customer) {
    let mut chance = Chance(7);
    let tx = kit.db.tenant(customer).await.unwrap();
    let model = Some(index::LOCAL_MODEL);
    for n in 0..PAGES {
        let (language, words) = [("en", ENGLISH), ("de", GERMAN), ("ja", JAPANESE)][n as usize % 7 % 3];
        let url = format!("https://{}/{}{n}", customer.domain, "deeper/".repeat(n as usize % 3));
        let page = FetchedPage {
            language: Some(language.into()),
            ..testkit::page(url, &format!("Page {n}"), &format!("page {n}"))
        };
        let stored = store::save(&tx, &page).await.unwrap();
        let pending = index::pending(&tx, stored.id, true).await.unwrap().unwrap();
        let chunks: Vec<NewChunk> = (0..=chance.below(6))
            .map(|_| {
                let length = 1 + chance.below(3);
                let heading = chance.words(words, length);
                let heading = if chance.below(2) == 0 {
                    "Kayak winter".to_owned()
                } else {
                    heading
                };
                let length = 1 + chance.below(60);
                let text = chance.words(words, length);
                let vector = Hashed::vector(&text);
                NewChunk {
                    hash: index::input_hash(&format!("{heading}\n{text} {n}")),
                    tokens: length as i32,
                    embedding: (chance.below(8) > 0).then_some(vector),
                    ..testkit::chunk(&heading, &text)
                }
            })
            .collect();
        index::publish(&tx, &pending, model, &chunks).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// A chunk with its lexemes, as Postgres reads them.
#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    page_id: Uuid,
    page_version: i64,
    url: String,
    title: String,
    ordinal: i32,
    heading_path: String,
    text: String,
    config: String,
    cosine: Option<f64>,
    headings: Vec<String>,
    lexemes: Vec<String>,
    times: Vec<i32>,
    asked: Vec<String>,
    spoken: i32,
}

async fn rows(kit: &Kit, customer: &Customer, question: &str) -> Vec<Row> {
    const ROWS: &str = "
        SELECT c.id, c.page_id, p.indexed_version AS page_version, p.url, p.title, c.ordinal, c.heading_path, c.text, c.config,
          1 - (c.embedding <=> $2::halfvec) AS cosine,
          tsvector_to_array(to_tsvector(c.config::regconfig, paired(c.heading_path))) AS headings,
          ARRAY(SELECT lexeme FROM unnest(to_tsvector(c.config::regconfig, paired(c.text))) ORDER BY lexeme COLLATE \"C\") AS lexemes,
          ARRAY(SELECT cardinality(positions) FROM unnest(to_tsvector(c.config::regconfig, paired(c.text))) ORDER BY lexeme COLLATE \"C\") AS times,
          tsvector_to_array(to_tsvector(c.config::regconfig, paired($3))) AS asked,
          cardinality(tsvector_to_array(to_tsvector('simple', $3))) AS spoken
        FROM page_embeddings c JOIN scraped_pages p ON p.id = c.page_id WHERE c.customer_id = $1";
    let numbers: Vec<String> = Hashed::vector(question).iter().map(ToString::to_string).collect();
    let vector = format!("[{}]", numbers.join(","));
    let values = [customer.id.into(), vector.into(), question.into()];
    let tx = kit.db.tenant(customer).await.unwrap();
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, ROWS, values);
    Row::find_by_statement(statement).all(&*tx).await.unwrap()
}

/// BM25 of each chunk as a share of what the question could reach, straight from its definition.
fn reference(rows: &[Row], mode: Mode) -> Vec<Candidate> {
    let sections = rows.iter().fold(BTreeMap::new(), |mut sections, row| {
        *sections.entry((row.page_id, row.heading_path.clone())).or_insert(0) += 1;
        sections
    });
    let entry = |row: &Row, word: &String| {
        let times = row
            .lexemes
            .iter()
            .position(|lexeme| lexeme == word)
            .map_or(0, |at| row.times[at]);
        (times.min(7), row.headings.contains(word))
    };
    let candidate = |row: &Row| {
        let of_language: Vec<&Row> = rows.iter().filter(|other| other.config == row.config).collect();
        let mut asked = row.asked.clone();
        asked.sort_by_key(|word| (std::cmp::Reverse(word.chars().count()), word.clone()));
        asked.truncate(24);
        let chunks = of_language.len() as f64;
        let length = |row: &Row| f64::from(row.times.iter().sum::<i32>());
        let average = (of_language.iter().map(|row| length(row)).sum::<f64>() / chunks).max(1.0);
        let sentence = !asked.is_empty() && asked.len() as f64 <= 0.6 * f64::from(row.spoken);
        let heading = match (sentence, mode) {
            (false, _) => 5.0,
            (true, Mode::Lexical) => 1.0,
            (true, _) => 0.25,
        };
        let rarity = |word: &String| {
            let with = of_language.iter().filter(|row| entry(row, word) != (0, false)).count() as f64;
            (1.0 + (chunks - with + 0.5) / (with + 0.5)).ln()
        };
        let rarity: Vec<f64> = asked.iter().map(rarity).collect();
        let mut rank = 0.0;
        for (word, rarity) in asked.iter().zip(&rarity) {
            let (times, headed) = entry(row, word);
            let n = f64::from(times) + if headed { heading } else { 0.0 };
            rank += rarity * n * 2.2 / (n + 1.2 * (0.25 + 0.75 * length(row) / average));
        }
        let words: Vec<String> = asked
            .iter()
            .filter(|word| entry(row, word) != (0, false))
            .cloned()
            .collect();
        let reach = rank / (2.2 * rarity.iter().sum::<f64>());
        Candidate {
            id: row.id,
            page_id: row.page_id,
            page_version: row.page_version,
            url: row.url.clone(),
            title: row.title.clone(),
            kind: "content".into(),
            ordinal: row.ordinal,
            heading_path: row.heading_path.clone(),
            section: sections[&(row.page_id, row.heading_path.clone())],
            text: row.text.clone(),
            config: row.config.clone(),
            cosine: row.cosine.filter(|_| mode != Mode::Lexical),
            reach: (mode != Mode::Vector && !words.is_empty()).then_some(reach),
            words,
            question_words: asked.len() as i32,
            asked,
            rarity,
            sentence,
            ..Candidate::default()
        }
    };
    let all: Vec<Candidate> = rows.iter().map(candidate).collect();
    let best = |by: fn(&Candidate) -> Option<f64>| -> BTreeSet<Uuid> {
        let mut with: Vec<(f64, Uuid)> = all.iter().filter_map(|c| Some((by(c)?, c.id))).collect();
        with.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        with.into_iter().take(60).map(|(_, id)| id).collect()
    };
    let found: BTreeSet<Uuid> = best(|c| c.reach).union(&best(|c| c.cosine)).copied().collect();
    all.into_iter().filter(|c| found.contains(&c.id)).collect()
}

/// The same passages in the same order, with numbers as near as `within`.
fn same(found: &[Passage], expected: &[Passage], within: f64, what: &str) {
    let ids = |passages: &[Passage]| passages.iter().map(|p| p.chunk).collect::<Vec<_>>();
    assert_eq!(ids(found), ids(expected), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let close = |a: f64, b: f64| (a - b).abs() < within;
        assert!(
            close(found.score, expected.score),
            "{what}: {} for {}",
            found.score,
            expected.score
        );
        assert!(
            close(found.lexical, expected.lexical) && close(found.coverage, expected.coverage),
            "{what}"
        );
        assert_eq!(
            (found.page, &found.url, &found.title, found.page_version),
            (expected.page, &expected.url, &expected.title, expected.page_version)
        );
        assert_eq!(found.words.len(), expected.words.len(), "{what}");
        for (word, other) in found.words.iter().zip(&expected.words) {
            assert_eq!((&word.lexeme, word.here), (&other.lexeme, other.here), "{what}");
            assert!(close(word.rarity, other.rarity), "{what}: {}", word.lexeme);
        }
    }
}

#[tokio::test]
async fn a_search_ranks_as_the_definition_does() {
    let kit = Kit::start().await;
    let (customer, other) = (kit.customer("a.example").await, kit.customer("b.example").await);
    publish(&kit, &customer).await;
    publish(&kit, &other).await;
    let cold = Searcher::new(kit.db.clone(), Some(Arc::new(Hashed::new())))
        .await
        .unwrap()
        .with_memory(0);
    let warm = cold.clone().with_memory(64 << 20);
    let mut questions: Vec<String> = [
        "kayak",
        "XR-7741 tent",
        "how do I return the kayak with a paddle and a tent of the winter",
        "wie kann ich das Paket mit dem Gutschein und der Rechnung zurückgeben",
        "返品 カヤック",
        "of the and with",
        "nothing of what stands there",
    ]
    .map(str::to_owned)
    .into();
    questions.push(format!("{ENGLISH} {GERMAN}"));
    let mut chance = Chance(11);
    questions.extend((0..12).map(|n| {
        let count = 1 + chance.below(9);
        chance.words([ENGLISH, GERMAN][n % 2], count)
    }));
    let mut compared = 0;
    for question in &questions {
        for mode in [Mode::Hybrid, Mode::Lexical, Mode::Vector] {
            let rows = rows(&kit, &customer, question).await;
            let expected = fuse(question, reference(&rows, mode), true, 100);
            // In memory, cosines are Postgres' to the rounding of single precision.
            for (searcher, within) in [(&cold, 1e-9), (&warm, 1e-6)] {
                let found = searcher.search(&customer, question, mode, 100).await.unwrap();
                same(&found.passages, &expected, within, &format!("{question} ({mode:?})"));
                compared += found.passages.len();
            }
        }
    }
    assert!(compared > 4000, "{compared} passages");
}

//! Reading a customer's chunks into memory, in the snapshot of a search and under row-level security as it is.
use sea_orm::{ConnectionTrait, QueryResult};
use std::collections::BTreeMap;
use uuid::Uuid;

use super::{Resident, Spoken, halves::Halves, postings::Unsorted};
use crate::{
    Error, Result,
    tenancy::{TenantTx, sql},
};

/// Chunks that are read at once, of some 1.3 kB each.
const BATCH: usize = 2000;

/// A language's chunks as they come.
#[derive(Default)]
struct Gathered {
    ids: Vec<Uuid>,
    lengths: Vec<i32>,
    words: Unsorted,
    vectors: Halves,
}

impl Gathered {
    fn push(&mut self, row: &QueryResult) -> Result<()> {
        let (words, vector): (Vec<u8>, Option<Vec<u8>>) = (row.try_get("", "words")?, row.try_get("", "vector")?);
        self.words.push(self.ids.len() as u32, &words);
        self.vectors.push(vector.as_deref());
        self.ids.push(row.try_get("", "id")?);
        self.lengths.push(row.try_get("", "word_total")?);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.vectors.bytes() + self.words.bytes() + (size_of::<Uuid>() + size_of::<i32>()) * self.ids.len()
    }

    fn done(self, config: String) -> Spoken {
        Spoken {
            config,
            ids: self.ids.into(),
            lengths: self.lengths.into(),
            words: self.words.sorted(),
            vectors: self.vectors.fitted(),
        }
    }
}

/// Reads the chunks, with the vectors that are of `model`; none if they take more than `most` bytes.
pub(super) async fn load(tx: &TenantTx, model: Option<Uuid>, most: usize) -> Result<Option<Resident>> {
    let vector = match model {
        Some(model) => format!("CASE WHEN c.model_id = '{model}' THEN halfvec_send(c.embedding) END"),
        None => "NULL::bytea".to_owned(),
    };
    // What is declared takes no values.
    let declare = format!(
        "DECLARE chunks NO SCROLL CURSOR FOR SELECT c.config, c.id, c.word_total, sparsevec_send(c.words) AS words, {vector} AS vector
         FROM page_embeddings c WHERE c.customer_id = '{}' AND c.published",
        tx.customer()
    );
    tx.execute_unprepared(&declare).await?;
    let fetch = format!("FETCH {BATCH} FROM chunks");
    let mut gathered: BTreeMap<String, Gathered> = BTreeMap::new();
    loop {
        let rows = tx.query_all_raw(sql(&fetch, [])).await?;
        for row in &rows {
            gathered.entry(row.try_get("", "config")?).or_default().push(row)?;
        }
        if gathered.values().map(Gathered::bytes).sum::<usize>() > most {
            return Ok(None);
        }
        if rows.len() < BATCH {
            break;
        }
    }
    // To sort the words of a large customer takes longer than other tasks should wait.
    let sorting = tokio::task::spawn_blocking(move || {
        let languages = gathered.into_iter().map(|(config, chunks)| chunks.done(config));
        Resident::new(languages.collect())
    });
    let resident = sorting
        .await
        .map_err(|e| Error::internal("keeping chunks in memory", e))?;
    Ok(Some(resident).filter(|resident| resident.bytes() <= most))
}

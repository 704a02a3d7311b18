//! Customers with their pages and chunks. Postgres makes them itself, from texts, centres and noises that it is given once: a chunk is a
//! text with a number behind it, with the text's words, and a vector that is a centre plus a noise. Of two customers no chunks are the same.
//!
//! Nothing of it has to survive anything, so the tables are unlogged; and the vector index is made when it is wanted, if it is.
use anyhow::Result;
use domain::{
    jobs::Operator,
    pages::index::LOCAL_MODEL,
    tenancy::{self, Customer, Db, NewCustomer},
};
use rand::{SeedableRng as _, rngs::StdRng};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement, Value};

use super::vectors::{CENTRES, anywhere, text_of};

/// More than chunks of a usual customer, and no multiple of a centre's number: each centre meets each noise once in a million chunks.
const NOISES: u64 = 5003;

pub struct Filling<'a> {
    pub db: &'a Db,
    pub owner: &'a DatabaseConnection,
}

impl Filling<'_> {
    /// Makes the tables ready. The words of a text are counted here, once, as the product has them counted for each chunk.
    pub async fn prepare(&self, texts: &[String]) -> Result<()> {
        const TABLES: &str = "
            ALTER TABLE next_embeddings SET UNLOGGED;
            ALTER TABLE page_embeddings SET UNLOGGED;
            DROP INDEX idx_embeddings_vector_minilm_l6_v2, idx_embeddings_vector_e5_small;
            ALTER TABLE page_embeddings ALTER COLUMN words DROP EXPRESSION, ALTER COLUMN word_total DROP EXPRESSION;
            CREATE UNLOGGED TABLE bench_texts (n bigint PRIMARY KEY, heading text, body text, words sparsevec, total integer);
            CREATE UNLOGGED TABLE bench_centres (n bigint PRIMARY KEY, vector halfvec);
            CREATE UNLOGGED TABLE bench_noises (n bigint PRIMARY KEY, vector halfvec)";
        const TEXTS: &str = "
            INSERT INTO bench_texts SELECT n - 1, heading, body, word_counts('english', heading, body), word_total('english', body)
            FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS t (heading, body, n)";
        self.owner.execute_unprepared(TABLES).await?;
        let split = |text: &String| {
            let (heading, body) = text.split_once('\n').unwrap_or(("", text));
            (heading.to_owned(), body.to_owned())
        };
        let (headings, bodies): (Vec<_>, Vec<_>) = texts.iter().map(split).unzip();
        self.run(TEXTS, vec![headings.into(), bodies.into()]).await?;
        let centres = (0..CENTRES).map(|n| anywhere(&mut StdRng::seed_from_u64(n)));
        self.vectors("bench_centres", centres).await?;
        let mut random = StdRng::seed_from_u64(CENTRES);
        self.vectors("bench_noises", (0..NOISES).map(|_| anywhere(&mut random)))
            .await?;
        self.run("ANALYZE bench_texts, bench_centres, bench_noises", Vec::new())
            .await
    }

    async fn vectors(&self, table: &str, vectors: impl Iterator<Item = Vec<f32>>) -> Result<()> {
        let insert = format!(
            "INSERT INTO {table} SELECT n - 1, vector::halfvec FROM unnest($1::text[]) WITH ORDINALITY AS v (vector, n)"
        );
        let texts: Vec<String> = vectors.map(|vector| text_of(&vector)).collect();
        self.run(&insert, vec![texts.into()]).await
    }

    /// The customer of this number, with so many chunks, ten a page.
    pub async fn customer(&self, number: usize, chunks: usize) -> Result<Customer> {
        const FILL: &str = "
            WITH pages AS (
              INSERT INTO scraped_pages (id, customer_id, url, title, language, markdown, content_hash, status, fetched_at, indexed_version)
              SELECT uuidv7(), $1, 'https://page/' || n, 'Page ' || n, 'en', '', ''::bytea, 200, now(), 1 FROM generate_series(0, ($3 - 1) / 10) n
              RETURNING id, substring(url FROM 14)::bigint AS n)
            INSERT INTO page_embeddings
              (id, customer_id, page_id, ordinal, heading_path, text, text_hash, tokens, model_id, embedding, words, word_total, section)
            SELECT uuidv7(), $1, p.id, at, t.heading, t.body || ' ' || at, int8send(at), length(t.body) / 5, $4,
              l2_normalize(c.vector + o.vector), t.words, t.total, count(*) OVER (PARTITION BY p.id, t.heading)
            FROM generate_series(0, $3 - 1) at
            JOIN pages p ON p.n = at / 10
            JOIN bench_texts t ON t.n = (at + 37 * $2) % (SELECT count(*) FROM bench_texts)
            JOIN bench_centres c ON c.n = (at * 31 + 17 * $2) % (SELECT count(*) FROM bench_centres)
            JOIN bench_noises o ON o.n = (at + 101 * $2) % (SELECT count(*) FROM bench_noises)
            ORDER BY at";
        let new = NewCustomer {
            name: format!("Customer {number}"),
            domain: format!("customer-{number}.example").parse()?,
            vouched: true,
        };
        let customer = tenancy::create(self.db, &new, Operator::named("bench")).await?;
        let values = vec![
            customer.id.into(),
            (number as i64).into(),
            (chunks as i64).into(),
            LOCAL_MODEL.into(),
        ];
        self.run(FILL, values).await?;
        Ok(customer)
    }

    /// Leaves the tables as they are after a night.
    pub async fn settle(&self) -> Result<()> {
        for table in ["page_embeddings", "scraped_pages", "customer_configs"] {
            self.run(&format!("VACUUM (ANALYZE) {table}"), Vec::new()).await?;
        }
        Ok(())
    }

    /// Makes the vector index of what there is.
    pub async fn index(&self) -> Result<()> {
        let index = format!(
            "SET maintenance_work_mem = '512MB';
             CREATE INDEX idx_embeddings_vector_minilm_l6_v2 ON page_embeddings USING hnsw ((embedding::halfvec(384)) halfvec_cosine_ops)
               WHERE model_id = '{LOCAL_MODEL}';
             RESET maintenance_work_mem"
        );
        self.owner.execute_unprepared(&index).await?;
        Ok(())
    }

    /// Takes all pages and chunks away; the customers stay.
    pub async fn clear(&self) -> Result<()> {
        self.run("TRUNCATE scraped_pages CASCADE", Vec::new()).await
    }

    async fn run(&self, sql: &str, values: Vec<Value>) -> Result<()> {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        self.owner.execute_raw(statement).await?;
        Ok(())
    }
}

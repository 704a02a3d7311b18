//! References between customers' rows carry the customer: no row can point at a row of another customer, whoever writes it. Postgres
//! checks references as the tables' owner, whom policies don't hold, so that a reference by an id alone took any row that there is.
//!
//! A reference to `(customer_id, id)` needs an index of its own at what is referred to. Two tables are written too often to get one for
//! a reference that is seldom made, so that a trigger compares the customer there: `jobs`, of which a crawl's settings hang, and
//! `page_embeddings`, of which vectors of the next model hang. What else belongs to a crawl refers to its settings.
//!
//! What is to be done is read from the catalogue, each step is a transaction by itself, and what is done already is left: a run that was cut
//! off goes on where it was. Large tables are read beside whoever writes to them, and locked for a moment only.
use crate::tables::run;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, Statement};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Compares the customers of a row and of what it refers to. Its arguments: the other table, and the column that has the other's id.
const TRIGGERS: &str = "
CREATE OR REPLACE FUNCTION same_customer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE same boolean;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT FROM %I.%I WHERE id = ($1).%I AND customer_id = ($1).customer_id)', TG_TABLE_SCHEMA, TG_ARGV[0], TG_ARGV[1])
    INTO same USING NEW;
  IF NOT same THEN
    RAISE foreign_key_violation USING MESSAGE = format('%s refers to a row of %s that its customer has not', TG_TABLE_NAME, TG_ARGV[0]), TABLE = TG_TABLE_NAME;
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER same_customer AFTER INSERT OR UPDATE OF job_id, customer_id ON scrape_jobs
  FOR EACH ROW EXECUTE FUNCTION same_customer('jobs', 'job_id');
CREATE OR REPLACE TRIGGER same_customer AFTER INSERT OR UPDATE OF chunk_id, customer_id ON next_embeddings
  FOR EACH ROW EXECUTE FUNCTION same_customer('page_embeddings', 'chunk_id');
-- What is there already goes through it as well.
UPDATE scrape_jobs SET customer_id = customer_id;
UPDATE next_embeddings SET customer_id = customer_id;
";

/// References by one column between tables with customers, but for those of the triggers; `aim` is what they shall refer to.
const SINGLE: &str = "
WITH single AS (
  SELECT k.conname, k.conrelid::regclass AS child, a.attname AS child_column, k.confdeltype AS deletes,
    CASE WHEN crawls THEN 'scrape_jobs'::regclass ELSE k.confrelid::regclass END AS aim, CASE WHEN crawls THEN 'job_id' ELSE p.attname END AS aim_column
  FROM pg_constraint k
  JOIN pg_attribute a ON a.attrelid = k.conrelid AND k.conkey = ARRAY[a.attnum]
  JOIN pg_attribute p ON p.attrelid = k.confrelid AND k.confkey = ARRAY[p.attnum]
  CROSS JOIN LATERAL (SELECT k.conrelid IN ('crawl_frontier'::regclass, 'job_urls'::regclass, 'job_screenshots'::regclass)
    AND k.confrelid = 'jobs'::regclass AS crawls) c
  WHERE k.contype = 'f'
    AND (k.conrelid, k.confrelid) NOT IN (('scrape_jobs'::regclass, 'jobs'::regclass), ('next_embeddings'::regclass, 'page_embeddings'::regclass))
    AND EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = k.conrelid AND o.attname = 'customer_id')
    AND EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = k.confrelid AND o.attname = 'customer_id'))";

/// Each gives statements to be run, one by one.
const STEPS: [&str; 5] = [
    "SELECT format('DROP INDEX CONCURRENTLY %s', indexrelid::regclass) FROM pg_index WHERE NOT indisvalid AND indexrelid::regclass::text LIKE '%\\_of\\_customer\\_key'",
    "{SINGLE} SELECT DISTINCT format('CREATE UNIQUE INDEX CONCURRENTLY %I ON %s (customer_id, %I)', aim || '_of_customer_key', aim, aim_column) FROM single
     WHERE to_regclass(aim || '_of_customer_key') IS NULL",
    "{SINGLE} SELECT format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I FOREIGN KEY (customer_id, %I) REFERENCES %s (customer_id, %I) %s NOT VALID',
       child, conname, conname, child_column, aim, aim_column,
       CASE deletes WHEN 'c' THEN 'ON DELETE CASCADE' WHEN 'n' THEN format('ON DELETE SET NULL (%I)', child_column) END) FROM single",
    "SELECT format('ALTER TABLE %s VALIDATE CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated",
    // These had the same columns.
    "SELECT 'DROP INDEX IF EXISTS idx_scraped_pages_domain, idx_products_customer'",
];

const BACK: [&str; 4] = [
    "SELECT 'CREATE INDEX IF NOT EXISTS idx_scraped_pages_domain ON scraped_pages (customer_id, id);
             CREATE INDEX IF NOT EXISTS idx_products_customer ON products (customer_id, id)'",
    "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I FOREIGN KEY (%I) REFERENCES %s %s', k.conrelid::regclass, k.conname, k.conname, a.attname,
       CASE k.confrelid WHEN 'scrape_jobs'::regclass THEN 'jobs' ELSE k.confrelid::regclass::text END,
       CASE k.confdeltype WHEN 'c' THEN 'ON DELETE CASCADE' WHEN 'n' THEN 'ON DELETE SET NULL' END)
     FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[2] WHERE k.contype = 'f' AND cardinality(k.conkey) = 2",
    "SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index WHERE indexrelid::regclass::text LIKE '%\\_of\\_customer\\_key'",
    "SELECT 'DROP TRIGGER same_customer ON scrape_jobs; DROP TRIGGER same_customer ON next_embeddings; DROP FUNCTION same_customer()'",
];

/// Runs what each of the queries gives.
async fn take(manager: &SchemaManager<'_>, steps: &[&str]) -> Result<(), DbErr> {
    let db = manager.get_connection();
    for step in steps {
        let query = Statement::from_string(db.get_database_backend(), step.replace("{SINGLE}", SINGLE));
        for row in db.query_all_raw(query).await? {
            run(manager, &row.try_get_by_index::<String>(0)?).await?;
        }
    }
    Ok(())
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, TRIGGERS).await?;
        take(manager, &STEPS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        take(manager, &BACK).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }
}

//! What keeps answers clean: pages that go for a reason, text that a whole site repeats, and pages that are twins of others.
//!
//! `blocks` holds a hash of each paragraph-level block of a page's Markdown, computed by the database, so that no writer can
//! forget it; `site_blocks` names those that stand on many pages of a site. `repeats` is what a page's
//! chunks were made without, `reindex` says that this has changed since. `idx_scraped_pages_waiting` is the worklist of the
//! indexer.
use crate::tables::{drop_all, protect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// The hashes of a text's blocks, each once, in their order by number. A page of endless blocks counts with its first 3000. Left out is
/// what may be repeated and still belongs where it stands: headings, labels of one or two words ("See also"), parts of lists
/// and definitions (they are indented), and code. Scripts without spaces are told by their bytes.
const FUNCTIONS: &str = r"
CREATE FUNCTION text_blocks(markdown text) RETURNS bigint[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  AS $$ SELECT ARRAY(SELECT DISTINCT hashtextextended(lower(btrim(b, E' \n\t')), 0) AS block
    FROM unnest((string_to_array(markdown, E'\n\n'))[1:3000]) AS b
    WHERE left(b, 1) NOT IN ('', '#', ' ') AND length(b) >= 15 AND strpos(b, '```') = 0
      AND (b LIKE '% % %' OR octet_length(b) > 2 * length(b)) ORDER BY block) $$;
CREATE FUNCTION url_origin(url text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  AS $$ SELECT coalesce(substring(url from '^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*'), '') $$;
";

const TABLES: &str = "
ALTER TABLE scraped_pages
  ADD COLUMN origin text NOT NULL GENERATED ALWAYS AS (url_origin(url)) STORED,
  ADD COLUMN blocks bigint[] NOT NULL GENERATED ALWAYS AS (text_blocks(markdown)) STORED,
  ADD COLUMN repeats bigint[] NOT NULL DEFAULT '{}',
  ADD COLUMN reindex boolean NOT NULL DEFAULT false,
  ADD COLUMN navigational boolean NOT NULL DEFAULT false,
  ADD COLUMN duplicate_of uuid REFERENCES scraped_pages ON DELETE SET NULL,
  ADD COLUMN gone_job uuid,
  ADD COLUMN tombstone text CHECK (tombstone IN ('customer', 'gone', 'moved', 'duplicate', 'noindex')),
  ADD COLUMN retired_by uuid,
  ADD COLUMN purged_at timestamptz;
CREATE INDEX idx_scraped_pages_waiting ON scraped_pages (customer_id, id)
  WHERE tombstoned_at IS NULL AND duplicate_of IS NULL AND (indexed_version < version OR reindex);
CREATE INDEX idx_scraped_pages_content ON scraped_pages (customer_id, content_hash);
CREATE INDEX idx_scraped_pages_duplicates ON scraped_pages (duplicate_of) WHERE duplicate_of IS NOT NULL;
CREATE INDEX idx_scraped_pages_tombstoned ON scraped_pages (tombstoned_at) WHERE tombstoned_at IS NOT NULL AND purged_at IS NULL;
CREATE INDEX idx_page_embeddings_input ON page_embeddings (customer_id, text_hash);
ALTER TABLE job_urls ADD COLUMN retires text CHECK (retires IN ('gone', 'moved', 'duplicate', 'noindex'));
CREATE TABLE site_blocks (
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  origin text NOT NULL,
  block bigint NOT NULL,
  pages integer NOT NULL,
  PRIMARY KEY (customer_id, origin, block)
);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, FUNCTIONS).await?;
        run(manager, TABLES).await?;
        protect(manager, "site_blocks").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        const BACK: &str = "
            ALTER TABLE job_urls DROP COLUMN retires;
            DROP INDEX idx_page_embeddings_input, idx_scraped_pages_waiting;
            ALTER TABLE scraped_pages DROP COLUMN origin, DROP COLUMN blocks, DROP COLUMN repeats, DROP COLUMN reindex,
              DROP COLUMN navigational, DROP COLUMN duplicate_of, DROP COLUMN gone_job, DROP COLUMN tombstone,
              DROP COLUMN retired_by, DROP COLUMN purged_at;
            DROP INDEX idx_scraped_pages_content;";
        drop_all(manager, &["site_blocks"]).await?;
        run(manager, BACK).await?;
        run(manager, "DROP FUNCTION text_blocks(text), url_origin(text)").await
    }
}

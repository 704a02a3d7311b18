//! What makes a crawl's rows cheaper to write.
//!
//! - A URL of the frontier changes its state twice; no index knows of states any more, so that a change stays within its block
//!   (a heap-only tuple), and a crawl that goes on from the last place it took does not read the ends of all earlier ones.
//! - The numbers of a page's blocks come with the page (`domain::pages::blocks`) instead of being computed in the statement that stores it.
//! - Texts are compressed by LZ4 where the server can, at a fifth of the time.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
DROP INDEX idx_crawl_frontier_open;
CREATE INDEX idx_crawl_frontier_job ON crawl_frontier (job_id, seq);
ALTER TABLE crawl_frontier SET (fillfactor = 70);
ALTER TABLE scraped_pages ALTER COLUMN blocks DROP EXPRESSION, ALTER COLUMN blocks SET DEFAULT '{}';
DROP FUNCTION text_blocks(text);
DO $$ BEGIN
  IF 'lz4' = ANY (SELECT unnest(enumvals) FROM pg_settings WHERE name = 'default_toast_compression') THEN
    ALTER TABLE scraped_pages ALTER COLUMN markdown SET COMPRESSION lz4;
  END IF;
END $$;
";

/// With the function as it was.
const DOWN: &str = r"
ALTER TABLE scraped_pages ALTER COLUMN markdown SET COMPRESSION DEFAULT;
CREATE FUNCTION text_blocks(markdown text) RETURNS bigint[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  AS $$ SELECT ARRAY(SELECT DISTINCT hashtextextended(lower(btrim(b, E' \n\t')), 0) AS block
    FROM unnest((string_to_array(markdown, E'\n\n'))[1:3000]) AS b
    WHERE left(b, 1) NOT IN ('', '#', ' ') AND length(b) >= 15 AND strpos(b, '```') = 0
      AND (b LIKE '% % %' OR octet_length(b) > 2 * length(b)) ORDER BY block) $$;
ALTER TABLE scraped_pages DROP COLUMN blocks,
  ADD COLUMN blocks bigint[] NOT NULL GENERATED ALWAYS AS (text_blocks(markdown)) STORED;
ALTER TABLE crawl_frontier RESET (fillfactor);
DROP INDEX idx_crawl_frontier_job;
CREATE INDEX idx_crawl_frontier_open ON crawl_frontier (job_id, seq) WHERE state <> 'done';
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}

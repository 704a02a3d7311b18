//! What a crawl asks for again and when it ends: the sitemap's dates with what they proved to be worth, budgets of bytes and
//! minutes, and URLs that wait for the page which they name as their canonical one.
use crate::tables::{drop_all, protect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLES: &str = "
ALTER TABLE scraped_pages
  ADD COLUMN sitemap_lastmod timestamptz,
  ADD COLUMN structured_hash bytea;
ALTER TABLE scrape_jobs
  ADD COLUMN max_bytes bigint CHECK (max_bytes > 0),
  ADD COLUMN max_minutes integer CHECK (max_minutes > 0),
  ADD COLUMN spent_ms bigint NOT NULL DEFAULT 0;
ALTER TABLE crawl_frontier
  ADD COLUMN lastmod timestamptz,
  ADD COLUMN hops smallint NOT NULL DEFAULT 0,
  ADD COLUMN canonical text,
  ADD COLUMN own boolean NOT NULL DEFAULT false,
  DROP CONSTRAINT crawl_frontier_state_check,
  ADD CONSTRAINT crawl_frontier_state_check CHECK (state IN ('open', 'fetching', 'done', 'later', 'waiting'));
CREATE TABLE crawl_sites (
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  site text NOT NULL,
  runs bigint NOT NULL DEFAULT 0,
  lastmod_confirmed bigint NOT NULL DEFAULT 0,
  lastmod_lied_at timestamptz,
  PRIMARY KEY (customer_id, site)
);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, TABLES).await?;
        protect(manager, "crawl_sites").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        const BACK: &str = "
            ALTER TABLE scraped_pages DROP COLUMN sitemap_lastmod, DROP COLUMN structured_hash;
            ALTER TABLE scrape_jobs DROP COLUMN max_bytes, DROP COLUMN max_minutes, DROP COLUMN spent_ms;
            UPDATE crawl_frontier SET state = 'later' WHERE state = 'waiting';
            ALTER TABLE crawl_frontier DROP COLUMN lastmod, DROP COLUMN hops, DROP COLUMN canonical, DROP COLUMN own,
              DROP CONSTRAINT crawl_frontier_state_check,
              ADD CONSTRAINT crawl_frontier_state_check CHECK (state IN ('open', 'fetching', 'done', 'later'));";
        run(manager, BACK).await?;
        drop_all(manager, &["crawl_sites"]).await
    }
}

//! What a crawl remembers of pages that a browser rendered, and pictures of pages that it could make nothing of.
//!
//! A row of `page_renders` says that a page needed a browser, and by which static body: while the site serves the same one, the
//! page is not rendered again, and what became of it then becomes of it now. Pictures belong to a crawl's decision about a URL and go with it.
use crate::tables::{drop_all, protect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLES: &str = "
CREATE TABLE page_renders (
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  url text NOT NULL,
  url_hash bytea GENERATED ALWAYS AS (hash_url(url)) STORED,
  static_hash bytea NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('page', 'empty', 'noindex', 'moved', 'duplicate')),
  target text,
  rendered_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (customer_id, url_hash)
);
CREATE TABLE job_screenshots (
  job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  seq bigint GENERATED ALWAYS AS IDENTITY,
  url text NOT NULL,
  url_hash bytea GENERATED ALWAYS AS (hash_url(url)) STORED,
  media_type text NOT NULL,
  image bytea NOT NULL CHECK (octet_length(image) <= 1048576),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (job_id, url_hash)
);
CREATE INDEX idx_job_screenshots_job ON job_screenshots (job_id, seq);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, TABLES).await?;
        for table in ["page_renders", "job_screenshots"] {
            protect(manager, table).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_all(manager, &["job_screenshots", "page_renders"]).await
    }
}

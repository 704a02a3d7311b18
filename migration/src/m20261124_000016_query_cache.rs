//! Answers that were given before, and receipts that say whether theirs was one.
use crate::tables::{drop_all, protect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// `key` is a hash of all that the answer depends on, the question among it; `answer` is sealed. Receipts of the same work share
/// their `origin`.
const TABLES: &str = "
CREATE TABLE query_cache (
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  key bytea NOT NULL,
  index_version bigint NOT NULL,
  answer text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  CONSTRAINT idx_query_cache_lookup PRIMARY KEY (customer_id, key)
);
CREATE INDEX idx_query_cache_expiry ON query_cache (customer_id, expires_at);
ALTER TABLE answer_receipts ADD COLUMN origin uuid, ADD COLUMN cached boolean NOT NULL DEFAULT false;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, TABLES).await?;
        protect(manager, "query_cache").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_all(manager, &["query_cache"]).await?;
        run(
            manager,
            "ALTER TABLE answer_receipts DROP COLUMN origin, DROP COLUMN cached",
        )
        .await
    }
}

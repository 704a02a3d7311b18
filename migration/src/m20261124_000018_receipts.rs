//! What the check took out of an answer, and the pages that an answer cites, in the version that it cites.
use crate::tables::{drop_all, protect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const RECEIPTS: &str = "
ALTER TABLE answer_receipts ADD COLUMN removed jsonb NOT NULL DEFAULT '{}';
CREATE TABLE answer_citations (
  message_id uuid NOT NULL REFERENCES messages ON DELETE CASCADE,
  page_id uuid NOT NULL REFERENCES scraped_pages ON DELETE CASCADE,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  page_version bigint NOT NULL,
  PRIMARY KEY (message_id, page_id)
);
CREATE INDEX idx_answer_citations_page ON answer_citations (page_id, message_id DESC);
CREATE INDEX idx_answer_citations_customer ON answer_citations (customer_id, message_id DESC);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, RECEIPTS).await?;
        protect(manager, "answer_citations").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_all(manager, &["answer_citations"]).await?;
        run(manager, "ALTER TABLE answer_receipts DROP COLUMN removed").await
    }
}

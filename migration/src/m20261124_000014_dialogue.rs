//! Follow-ups as questions by themselves, and questions to start a conversation with, chosen from a customer's own pages.
use crate::tables::{drop_all, protect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const DIALOGUE: &str = "
ALTER TABLE answer_receipts ADD COLUMN standalone_question text;
CREATE TABLE suggested_questions (
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  locale text NOT NULL,
  ordinal integer NOT NULL,
  page_id uuid NOT NULL REFERENCES scraped_pages ON DELETE CASCADE,
  question text NOT NULL,
  PRIMARY KEY (customer_id, locale, ordinal)
);
CREATE INDEX idx_suggested_questions_page ON suggested_questions (page_id);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DIALOGUE).await?;
        protect(manager, "suggested_questions").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_all(manager, &["suggested_questions"]).await?;
        run(manager, "ALTER TABLE answer_receipts DROP COLUMN standalone_question").await
    }
}

//! Addresses that a visitor gave before the last one, as they are compared: whoever asks by one of them is found.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
ALTER TABLE visitors ADD COLUMN earlier_emails text[];
CREATE INDEX idx_visitors_earlier ON visitors (customer_id) WHERE earlier_emails IS NOT NULL;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "ALTER TABLE visitors DROP COLUMN earlier_emails").await
    }
}

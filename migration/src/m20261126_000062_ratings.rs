//! How often the rating of an answer was changed: each change is told to the customer's webhooks.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let add = "ALTER TABLE messages ADD COLUMN ratings smallint NOT NULL DEFAULT 0";
        run(manager, add).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "ALTER TABLE messages DROP COLUMN ratings").await
    }
}

//! Jobs that a person must confirm: when they were, and an index to count those that wait.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        const CONFIRMATION: &str = "
            ALTER TABLE jobs ADD COLUMN confirmed_at timestamptz;
            CREATE INDEX idx_jobs_held ON jobs (kind, customer_id) WHERE state = 'needs_confirmation';";
        run(manager, CONFIRMATION).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "DROP INDEX idx_jobs_held; ALTER TABLE jobs DROP COLUMN confirmed_at",
        )
        .await
    }
}

//! When a crawl may run, and what its explain view shows beside the decision: how long a URL waited for its host's turn, and the
//! page that led to it.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Schedules keep their crawl's settings as one JSON value, which needs no column.
const UP: &str = "
ALTER TABLE scrape_jobs ADD COLUMN off_peak text;
ALTER TABLE job_urls ADD COLUMN wait_ms integer, ADD COLUMN found_from text;
";

const DOWN: &str = "
ALTER TABLE job_urls DROP COLUMN wait_ms, DROP COLUMN found_from;
ALTER TABLE scrape_jobs DROP COLUMN off_peak;
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

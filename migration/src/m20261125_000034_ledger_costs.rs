//! What makes a job's row cheaper to write, and the jobs of the past no trouble to those that wait.
//!
//! A customer's jobs are listed by their ids, which grow with time, so their index is in that order: entries of jobs that were made
//! together have places of their own, where they had one in common. Jobs of the system are not in it: they are only looked for while
//! they wait, and an index of all that ever ran would be taken for a way to find them.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
DROP INDEX idx_jobs_customer;
CREATE INDEX idx_jobs_customer ON jobs (customer_id, id) WHERE customer_id IS NOT NULL;
";

const DOWN: &str = "
DROP INDEX idx_jobs_customer;
CREATE INDEX idx_jobs_customer ON jobs (customer_id, created_at DESC);
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

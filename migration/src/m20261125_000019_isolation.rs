//! Nobody but its owner may bind the function that deletes events of all customers to a trigger.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Whoever may execute a trigger function may make a trigger with it, on a temporary table of their own as well, and feed it with any
/// rows; this one runs as `omniops_system`. Triggers that are there ask for no such right when they fire.
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "REVOKE EXECUTE ON FUNCTION forget_job_events() FROM PUBLIC").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "GRANT EXECUTE ON FUNCTION forget_job_events() TO PUBLIC").await
    }
}

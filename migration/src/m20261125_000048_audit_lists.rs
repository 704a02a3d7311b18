//! Lists of the audit log, newest first: of a customer, by an actor, on a resource. Without these each went through the log of all
//! customers.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
CREATE INDEX idx_audit_logs_of_customer ON audit_logs (customer_id, id DESC);
CREATE INDEX idx_audit_logs_by_actor ON audit_logs (actor, id DESC);
CREATE INDEX idx_audit_logs_on_resource ON audit_logs (resource, id DESC);
";

const DOWN: &str = "
DROP INDEX idx_audit_logs_on_resource;
DROP INDEX idx_audit_logs_by_actor;
DROP INDEX idx_audit_logs_of_customer;
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

//! What is left of things: that there was a customer, and from where a key was used. Takes a column away that nothing reads.
//!
//! `deleted_customers` are tombstones: a customer that comes back with a backup goes again. They outlive the customer, name it by its
//! random id only, and are the installation's own, so that no column is called `customer_id`. `used_from` are the addresses that a key
//! was first used from, a few at most; each of them is a line of the audit log, too.
use crate::tables::{drop_all, protect_where, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
CREATE TABLE deleted_customers (
  id uuid PRIMARY KEY,
  customer uuid NOT NULL CONSTRAINT deleted_customers_customer_key UNIQUE,
  receipt text NOT NULL,
  deleted_at timestamptz NOT NULL
);
ALTER TABLE api_keys ADD COLUMN used_from text[] NOT NULL DEFAULT '{}';
ALTER TABLE customer_configs DROP COLUMN retention_days;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await?;
        protect_where(manager, "deleted_customers", "false", "SELECT, INSERT").await?;
        run(manager, "REVOKE ALL ON deleted_customers FROM omniops_app").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_all(manager, &["deleted_customers"]).await?;
        run(
            manager,
            "ALTER TABLE api_keys DROP COLUMN used_from;
             ALTER TABLE customer_configs ADD COLUMN retention_days integer NOT NULL DEFAULT 90",
        )
        .await
    }
}

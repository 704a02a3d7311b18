//! Addresses that operators have blocked. No tenant sees them.
use crate::tables::{drop_all, protect_where, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const BLOCKS: &str = "
CREATE TABLE address_blocks (
  network text PRIMARY KEY CHECK (network::inet IS NOT NULL),
  reason text NOT NULL,
  actor text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz
);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, BLOCKS).await?;
        protect_where(manager, "address_blocks", "false", "SELECT, INSERT, UPDATE, DELETE").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_all(manager, &["address_blocks"]).await
    }
}

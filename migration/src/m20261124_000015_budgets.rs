//! What model calls cost: daily budgets, what is set aside for answers that are being written, and notes on answers.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        const COSTS: &str = "
            ALTER TABLE customer_configs
              ADD COLUMN budget_soft_usd double precision CHECK (budget_soft_usd >= 0),
              ADD COLUMN budget_hard_usd double precision CHECK (budget_hard_usd >= 0);
            ALTER TABLE usage_daily
              ADD COLUMN reserved_usd double precision NOT NULL DEFAULT 0,
              ADD COLUMN warned_at timestamptz,
              ADD COLUMN stopped_at timestamptz;
            ALTER TABLE answer_receipts ADD COLUMN notes text[] NOT NULL DEFAULT '{}';";
        run(manager, COSTS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        const COSTS: &str = "
            ALTER TABLE answer_receipts DROP COLUMN notes;
            ALTER TABLE usage_daily DROP COLUMN stopped_at, DROP COLUMN warned_at, DROP COLUMN reserved_usd;
            ALTER TABLE customer_configs DROP COLUMN budget_hard_usd, DROP COLUMN budget_soft_usd;";
        run(manager, COSTS).await
    }
}

//! Several customers may claim a host and one has it verified; when a proof is looked at again, and how that went.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// The proofs that there are get their first look in the course of a week, not all at once.
const UP: &str = "
ALTER TABLE customer_domains DROP CONSTRAINT customer_domains_host_key;
ALTER TABLE customer_domains
  ADD CONSTRAINT customer_domains_claim_key UNIQUE (customer_id, host),
  ADD COLUMN check_at timestamptz,
  ADD COLUMN checked_at timestamptz,
  ADD COLUMN failures integer NOT NULL DEFAULT 0,
  ADD COLUMN failing_since timestamptz,
  ADD COLUMN unverified_at timestamptz;
CREATE UNIQUE INDEX customer_domains_host_key ON customer_domains (host) WHERE verified_at IS NOT NULL;
CREATE INDEX idx_customer_domains_host ON customer_domains (host);
CREATE INDEX idx_customer_domains_check ON customer_domains (check_at) WHERE check_at IS NOT NULL;
DROP INDEX idx_customer_domains_customer;
UPDATE customer_domains SET check_at = now() + random() * interval '7 days'
WHERE verified_at IS NOT NULL AND method IS DISTINCT FROM 'operator';
";

/// Of several claims the verified one stays, else the oldest.
const DOWN: &str = "
DELETE FROM customer_domains d USING customer_domains o
WHERE o.host = d.host AND o.id <> d.id AND d.verified_at IS NULL AND (o.verified_at IS NOT NULL OR o.id < d.id);
DROP INDEX customer_domains_host_key;
DROP INDEX idx_customer_domains_host;
DROP INDEX idx_customer_domains_check;
ALTER TABLE customer_domains
  DROP CONSTRAINT customer_domains_claim_key,
  DROP COLUMN check_at, DROP COLUMN checked_at, DROP COLUMN failures, DROP COLUMN failing_since, DROP COLUMN unverified_at,
  ADD CONSTRAINT customer_domains_host_key UNIQUE (host);
CREATE INDEX idx_customer_domains_customer ON customer_domains (customer_id);
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

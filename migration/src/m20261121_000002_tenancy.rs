//! Customers with their domains and keys, and what is counted and recorded about them.
use crate::tables::{drop_all, protect, protect_where, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLES: &str = "
CREATE TABLE customer_configs (
  id uuid PRIMARY KEY,
  domain text NOT NULL CONSTRAINT customer_configs_domain_key UNIQUE,
  name text NOT NULL,
  settings jsonb NOT NULL DEFAULT '{}',
  retention_days integer NOT NULL DEFAULT 90,
  index_version bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE customer_domains (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  host text NOT NULL CONSTRAINT customer_domains_host_key UNIQUE,
  method text CHECK (method IN ('file', 'meta', 'dns', 'operator')),
  token text NOT NULL,
  verified_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_customer_domains_customer ON customer_domains (customer_id);
CREATE TABLE api_keys (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  name text NOT NULL,
  prefix text NOT NULL,
  secret_hash bytea NOT NULL CONSTRAINT api_keys_secret_hash_key UNIQUE,
  scopes text[] NOT NULL,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  rotated_from uuid,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_api_keys_customer ON api_keys (customer_id);
CREATE TABLE idempotency_keys (
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  key text NOT NULL,
  request_hash bytea NOT NULL,
  answer jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (customer_id, key)
);
CREATE TABLE usage_daily (
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  day date NOT NULL,
  tokens_in bigint NOT NULL DEFAULT 0,
  tokens_out bigint NOT NULL DEFAULT 0,
  cost_usd double precision NOT NULL DEFAULT 0,
  chats bigint NOT NULL DEFAULT 0,
  pages bigint NOT NULL DEFAULT 0,
  embeddings bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (customer_id, day)
);
CREATE TABLE audit_logs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id uuid,
  actor text NOT NULL,
  action text NOT NULL,
  resource text NOT NULL,
  metadata jsonb NOT NULL DEFAULT '{}',
  ip text,
  at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_audit_logs_customer ON audit_logs (customer_id, at DESC);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, TABLES).await?;
        let own = "domain = current_setting('app.current_domain', true)";
        protect_where(manager, "customer_configs", own, "SELECT, INSERT, UPDATE, DELETE").await?;
        for table in ["customer_domains", "api_keys", "idempotency_keys", "usage_daily"] {
            protect(manager, table).await?;
        }
        // Append-only: neither role may change or remove a line.
        let tenant = "customer_id = (SELECT id FROM customer_configs WHERE domain = current_setting('app.current_domain', true))";
        protect_where(manager, "audit_logs", tenant, "SELECT, INSERT").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_all(
            manager,
            &[
                "audit_logs",
                "usage_daily",
                "idempotency_keys",
                "api_keys",
                "customer_domains",
                "customer_configs",
            ],
        )
        .await
    }
}

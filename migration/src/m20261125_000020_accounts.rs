//! People who administer: accounts, their sessions and recovery codes, the customers that they answer for, and who has tried to log in
//! too often. All of it is the system's own: tenants' transactions see none of it.
use crate::tables::{drop_all, protect_where, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLES: &str = "
CREATE TABLE admin_users (
  id uuid PRIMARY KEY,
  email text NOT NULL CONSTRAINT admin_users_email_key UNIQUE,
  name text NOT NULL,
  password_hash text NOT NULL,
  role text NOT NULL CHECK (role IN ('owner', 'editor', 'viewer')),
  everywhere boolean NOT NULL CHECK (NOT everywhere OR role = 'owner'),
  totp_secret bytea,
  totp_confirmed_at timestamptz,
  totp_last_step bigint NOT NULL DEFAULT 0,
  disabled_at timestamptz,
  last_login_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE admin_user_customers (
  user_id uuid NOT NULL REFERENCES admin_users ON DELETE CASCADE,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  PRIMARY KEY (user_id, customer_id)
);
CREATE INDEX idx_admin_user_customers_customer ON admin_user_customers (customer_id);
CREATE TABLE admin_sessions (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES admin_users ON DELETE CASCADE,
  token_hash bytea NOT NULL CONSTRAINT admin_sessions_token_hash_key UNIQUE,
  ip text,
  began_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL
);
CREATE INDEX idx_admin_sessions_user ON admin_sessions (user_id);
CREATE INDEX idx_admin_sessions_ends ON admin_sessions (ends_at);
CREATE TABLE admin_recovery_codes (
  user_id uuid NOT NULL REFERENCES admin_users ON DELETE CASCADE,
  code_hash bytea NOT NULL,
  PRIMARY KEY (user_id, code_hash)
);
CREATE TABLE login_attempts (
  key bytea PRIMARY KEY,
  failures integer NOT NULL,
  last_at timestamptz NOT NULL,
  blocked_until timestamptz NOT NULL
);
CREATE INDEX idx_login_attempts_last ON login_attempts (last_at);
CREATE UNIQUE INDEX idx_api_keys_successor ON api_keys (rotated_from) WHERE rotated_from IS NOT NULL;
";

/// Parents first; they are dropped the other way round.
const NAMES: [&str; 5] = [
    "admin_users",
    "admin_user_customers",
    "admin_sessions",
    "admin_recovery_codes",
    "login_attempts",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Until now a key could have several successors; only the newest stays one.
        run(
            manager,
            "UPDATE api_keys k SET rotated_from = NULL WHERE EXISTS (
               SELECT FROM api_keys n WHERE n.rotated_from = k.rotated_from AND (n.created_at, n.id) > (k.created_at, k.id))",
        )
        .await?;
        run(manager, TABLES).await?;
        for table in NAMES {
            protect_where(manager, table, "false", "SELECT, INSERT, UPDATE, DELETE").await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "DROP INDEX IF EXISTS idx_api_keys_successor").await?;
        drop_all(
            manager,
            &[
                "login_attempts",
                "admin_recovery_codes",
                "admin_sessions",
                "admin_user_customers",
                "admin_users",
            ],
        )
        .await
    }
}

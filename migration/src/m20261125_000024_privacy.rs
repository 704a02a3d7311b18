//! Privacy: how a visitor is found by an address, what was erased and when, and copies of what is held about a person.
//!
//! `email_key` is the address as it is compared; the processes write it with the address, and `email_at` says when. `erasures` are tombstones: of the subject
//! they hold a keyed hash, of its sessions hashes of random numbers, so that they tell nothing and still know what must not come
//! back from a backup. They can only grow, but for the system's retention. `subject_exports` are copies that are large enough for a
//! job; they last for a day.
use crate::tables::{drop_all, protect, protect_where, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const TENANT: &str =
    "customer_id = (SELECT id FROM customer_configs WHERE domain = current_setting('app.current_domain', true))";

const UP: &str = "
ALTER TABLE visitors ADD COLUMN email_key text, ADD COLUMN email_at timestamptz, ADD COLUMN choices_at timestamptz;
ALTER TABLE visitors NO FORCE ROW LEVEL SECURITY;
UPDATE visitors SET email_key = lower(normalize(btrim(email), NFKC)), email_at = created_at WHERE email IS NOT NULL;
ALTER TABLE visitors FORCE ROW LEVEL SECURITY;
CREATE INDEX idx_visitors_email ON visitors (customer_id, email_key) WHERE email_key IS NOT NULL;
CREATE INDEX idx_conversations_visitor ON conversations (visitor_id);
CREATE TABLE erasures (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  subject_kind text NOT NULL CHECK (subject_kind IN ('email', 'session')),
  subject bytea NOT NULL,
  key_id text NOT NULL,
  counts jsonb NOT NULL,
  receipt text NOT NULL,
  erased_at timestamptz NOT NULL
);
CREATE INDEX idx_erasures_subject ON erasures (customer_id, subject, erased_at DESC);
CREATE TABLE erased_sessions (
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  session bytea NOT NULL,
  erasure_id uuid NOT NULL REFERENCES erasures ON DELETE CASCADE,
  erased_at timestamptz NOT NULL,
  PRIMARY KEY (customer_id, session, erasure_id)
);
CREATE INDEX idx_erased_sessions_erasure ON erased_sessions (erasure_id);
CREATE TABLE subject_exports (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  subject_kind text NOT NULL CHECK (subject_kind IN ('email', 'session')),
  subject bytea NOT NULL,
  visitors uuid[] NOT NULL,
  sessions uuid[] NOT NULL,
  job_id uuid,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done')),
  document text,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);
CREATE INDEX idx_subject_exports_customer ON subject_exports (customer_id, expires_at);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await?;
        protect(manager, "subject_exports").await?;
        for table in ["erasures", "erased_sessions"] {
            protect_where(manager, table, TENANT, "SELECT, INSERT").await?;
            run(manager, &format!("GRANT DELETE ON {table} TO omniops_system")).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_all(manager, &["subject_exports", "erased_sessions", "erasures"]).await?;
        run(
            manager,
            "DROP INDEX idx_conversations_visitor; ALTER TABLE visitors DROP COLUMN choices_at, DROP COLUMN email_at, DROP COLUMN email_key",
        )
        .await
    }
}

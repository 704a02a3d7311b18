//! Data keys, which seal secrets that are kept and are themselves wrapped by the master key; and the chain that shows whether
//! somebody has changed the audit log behind our back.
//!
//! A data key is a customer's, or the installation's own where it has none; each has one that is not retired. The link of an audit
//! line is the MAC of the line and of the link before, under a key that only processes have. Neither lines nor links are ever
//! changed; `purge_audit_logs` is the one way to remove them: only to where a signed checkpoint stands for the links before,
//! and only what is older than 90 days.
//!
//! `outbound_webhooks.secret_key` is what the version before wrote; nothing reads it any more.
use crate::tables::{drop_all, protect, protect_where, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLES: &str = "
CREATE TABLE data_keys (
  id uuid PRIMARY KEY,
  customer_id uuid REFERENCES customer_configs ON DELETE CASCADE,
  master text NOT NULL,
  wrapped bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  wrapped_at timestamptz NOT NULL DEFAULT now(),
  retired_at timestamptz
);
CREATE UNIQUE INDEX idx_data_keys_present ON data_keys (coalesce(customer_id, '00000000-0000-0000-0000-000000000000'::uuid)) WHERE retired_at IS NULL;
CREATE INDEX idx_data_keys_customer ON data_keys (customer_id);
CREATE TABLE key_rotations (
  id uuid PRIMARY KEY,
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz
);
ALTER TABLE outbound_webhooks ALTER COLUMN secret_key SET DEFAULT '';
ALTER TABLE audit_logs ADD COLUMN request_id text;
CREATE TABLE audit_chain (
  seq bigint PRIMARY KEY,
  log_id bigint NOT NULL CONSTRAINT audit_chain_log_id_key UNIQUE,
  key_id uuid NOT NULL,
  mac bytea NOT NULL
);
CREATE TABLE audit_checkpoints (
  seq bigint PRIMARY KEY,
  mac bytea NOT NULL,
  key_id uuid NOT NULL,
  signature bytea NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
";

const APPEND_ONLY: &str = "
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
  IF TG_OP = 'DELETE' AND current_user = 'omniops_owner' THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION '% can only grow', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
REVOKE EXECUTE ON FUNCTION refuse_change() FROM PUBLIC;
";

/// The owner is bound by row-level security, too: it sees of the log only what may go.
const PURGE: &str = "
CREATE POLICY purge ON audit_logs TO omniops_owner USING (at < now() - interval '90 days');
CREATE POLICY purge ON audit_chain TO omniops_owner USING (true);
CREATE POLICY purge ON audit_checkpoints TO omniops_owner USING (true);
CREATE FUNCTION purge_audit_logs(up_to bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  links bigint;
  lines bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM audit_checkpoints p JOIN audit_chain c ON c.seq = p.seq AND c.mac = p.mac WHERE p.seq = up_to) THEN
    RAISE EXCEPTION 'no checkpoint stands for the audit log up to %', up_to;
  END IF;
  DELETE FROM audit_logs WHERE id IN (SELECT log_id FROM audit_chain WHERE seq <= up_to);
  GET DIAGNOSTICS lines = ROW_COUNT;
  DELETE FROM audit_chain WHERE seq <= up_to;
  GET DIAGNOSTICS links = ROW_COUNT;
  IF lines <> links THEN
    RAISE EXCEPTION 'of % audit lines up to % only % are there and old enough', links, up_to, lines;
  END IF;
  RETURN lines;
END $$;
ALTER FUNCTION purge_audit_logs(bigint) OWNER TO omniops_owner;
REVOKE EXECUTE ON FUNCTION purge_audit_logs(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION purge_audit_logs(bigint) TO omniops_system;
";

const LOGS: [&str; 3] = ["audit_logs", "audit_chain", "audit_checkpoints"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, TABLES).await?;
        protect(manager, "data_keys").await?;
        run(manager, "REVOKE UPDATE, DELETE ON data_keys FROM omniops_app").await?;
        protect_where(manager, "key_rotations", "false", "SELECT, INSERT, UPDATE").await?;
        run(manager, "REVOKE ALL ON key_rotations FROM omniops_app").await?;
        for table in ["audit_chain", "audit_checkpoints"] {
            protect_where(manager, table, "false", "SELECT, INSERT").await?;
            run(manager, &format!("REVOKE ALL ON {table} FROM omniops_app")).await?;
        }
        run(manager, APPEND_ONLY).await?;
        for table in LOGS {
            let refuse = format!(
                "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change();
                 CREATE TRIGGER append_only_all BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();"
            );
            run(manager, &refuse).await?;
        }
        run(manager, PURGE).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "DROP FUNCTION purge_audit_logs(bigint); DROP POLICY purge ON audit_logs",
        )
        .await?;
        drop_all(
            manager,
            &["audit_checkpoints", "audit_chain", "key_rotations", "data_keys"],
        )
        .await?;
        run(
            manager,
            "DROP TRIGGER append_only ON audit_logs; DROP TRIGGER append_only_all ON audit_logs; DROP FUNCTION refuse_change();
             ALTER TABLE audit_logs DROP COLUMN request_id;
             ALTER TABLE outbound_webhooks ALTER COLUMN secret_key DROP DEFAULT;",
        )
        .await
    }
}

//! When a customer's chunks changed last, so that what a process keeps of them in its memory is used as long as it is true and no longer.
//!
//! Every transaction that writes chunks leaves a row of its own, whoever wrote them and how, and takes away those that it sees and nobody
//! holds. Nobody waits for anybody: of writers that run beside each other, each leaves its row. Two snapshots that see the same rows see
//! the same chunks: a write that only the later one sees left a row, or the one that took it away did, that the earlier one can't see.
//!
//! Chunks that are there already get a row a customer. A customer without one is never kept in memory.
use crate::tables::{drop_all, protect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLE: &str = "
CREATE TABLE chunk_changes (
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  PRIMARY KEY (customer_id, id)
);
ALTER TABLE customer_configs NO FORCE ROW LEVEL SECURITY;
INSERT INTO chunk_changes (customer_id) SELECT id FROM customer_configs;
ALTER TABLE customer_configs FORCE ROW LEVEL SECURITY;
";

/// One row a transaction is enough: what it writes is seen at once. A customer that is being deleted gets none. Where chunks go with their
/// page, the trigger runs as the tables' owner, whom policies bind, in whosever transaction: it works as the customer whose chunks they are.
const TRIGGERS: &str = "
CREATE FUNCTION note_chunk_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public SET app.current_customer = '' AS $$
DECLARE who uuid;
BEGIN
  FOR who IN SELECT DISTINCT customer_id FROM changed LOOP
    PERFORM set_config('app.current_customer', who::text, true);
    CONTINUE WHEN EXISTS (SELECT FROM chunk_changes c WHERE c.customer_id = who AND c.xmin = pg_current_xact_id()::xid);
    DELETE FROM chunk_changes c WHERE c.customer_id = who
      AND c.id IN (SELECT o.id FROM chunk_changes o WHERE o.customer_id = who FOR UPDATE SKIP LOCKED);
    INSERT INTO chunk_changes (customer_id) SELECT k.id FROM customer_configs k WHERE k.id = who;
  END LOOP;
  RETURN NULL;
END $$;
CREATE TRIGGER note_insert AFTER INSERT ON page_embeddings REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION note_chunk_change();
CREATE TRIGGER note_update AFTER UPDATE ON page_embeddings REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION note_chunk_change();
CREATE TRIGGER note_delete AFTER DELETE ON page_embeddings REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION note_chunk_change();
CREATE FUNCTION forget_chunk_changes() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
  TRUNCATE chunk_changes;
  RETURN NULL;
END $$;
CREATE TRIGGER note_truncate AFTER TRUNCATE ON page_embeddings FOR EACH STATEMENT EXECUTE FUNCTION forget_chunk_changes();
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, TABLE).await?;
        protect(manager, "chunk_changes").await?;
        run(manager, TRIGGERS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "DROP TRIGGER note_insert ON page_embeddings; DROP TRIGGER note_update ON page_embeddings;
             DROP TRIGGER note_delete ON page_embeddings; DROP TRIGGER note_truncate ON page_embeddings;
             DROP FUNCTION note_chunk_change(); DROP FUNCTION forget_chunk_changes()",
        )
        .await?;
        drop_all(manager, &["chunk_changes"]).await
    }
}

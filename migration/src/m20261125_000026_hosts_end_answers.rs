//! A host that a customer loses ends the answers that may link to it: the index version is part of every cached answer's name.
//! A trigger, because hosts go in several ways: by a call, by a proof that fails later, by moving to another customer.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
CREATE FUNCTION end_answers_of_lost_host() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE customer_configs SET index_version = index_version + 1 WHERE id = OLD.customer_id;
  RETURN NULL;
END $$;
CREATE TRIGGER host_deleted AFTER DELETE ON customer_domains FOR EACH ROW
  WHEN (OLD.verified_at IS NOT NULL) EXECUTE FUNCTION end_answers_of_lost_host();
CREATE TRIGGER host_lost AFTER UPDATE OF host, customer_id, verified_at ON customer_domains FOR EACH ROW
  WHEN (OLD.verified_at IS NOT NULL AND (NEW.verified_at IS NULL OR NEW.host <> OLD.host OR NEW.customer_id <> OLD.customer_id))
  EXECUTE FUNCTION end_answers_of_lost_host();
";

const DOWN: &str = "
DROP TRIGGER host_lost ON customer_domains;
DROP TRIGGER host_deleted ON customer_domains;
DROP FUNCTION end_answers_of_lost_host();
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

//! Policies ask for the customer's id and for nothing else, so that a transaction says one thing: what outlives its customer looks it
//! up by the id, and the customer's own row is compared with it. Every table is found by the catalogue.
use crate::tables::{ITSELF, LASTING, OWN, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// As they were.
const OWN_BEFORE: &str = "customer_id = NULLIF(current_setting('app.current_customer', true), '')::uuid";
const LASTING_BEFORE: &str =
    "customer_id = (SELECT id FROM customer_configs WHERE domain = current_setting('app.current_domain', true))";
const ITSELF_BEFORE: &str = "domain = current_setting('app.current_domain', true)";

/// Gives every table whose policy compares the customer `{own}`, those that look it up `{lasting}`, and customers themselves `{itself}`.
const EVERY: &str = "
ALTER POLICY tenant ON customer_configs USING ({itself}) WITH CHECK ({itself});
DO $$
DECLARE found record;
BEGIN
  FOR found IN SELECT p.polrelid::regclass AS name, pg_get_expr(p.polqual, p.polrelid) LIKE '(customer_id = ( SELECT %' AS lasts
    FROM pg_policy p WHERE p.polname = 'tenant' AND pg_get_expr(p.polqual, p.polrelid) LIKE '(customer_id = %'
  LOOP
    EXECUTE format('ALTER POLICY tenant ON %1$s USING (%2$s) WITH CHECK (%2$s)', found.name,
      CASE WHEN found.lasts THEN $rows${lasting}$rows$ ELSE $rows${own}$rows$ END);
  END LOOP;
END $$;
";

fn every(itself: &str, own: &str, lasting: &str) -> String {
    EVERY
        .replace("{itself}", itself)
        .replace("{own}", own)
        .replace("{lasting}", lasting)
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &every(ITSELF, OWN, LASTING)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &every(ITSELF_BEFORE, OWN_BEFORE, LASTING_BEFORE)).await?;
        run(manager, "GRANT UPDATE ON customer_configs TO omniops_app").await
    }
}

//! Policies compare the customer's id with a setting of the transaction, where they looked the customer up by its domain in each
//! statement. Only what outlives its customer goes on asking whether there is one. Every table is found by the catalogue, so that those
//! of any other step are among them.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// The customer of the transaction.
const OWN: &str = "customer_id = NULLIF(current_setting('app.current_customer', true), '')::uuid";

/// The customer that is looked up by its domain.
const LASTING: &str =
    "customer_id = (SELECT id FROM customer_configs WHERE domain = current_setting('app.current_domain', true))";

/// Gives every table with a customer `{dying}` if it refers to the customer, else `{lasting}`.
const EVERY: &str = "
DO $$
DECLARE found record;
BEGIN
  FOR found IN SELECT p.polrelid::regclass AS name, EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = p.polrelid AND k.contype = 'f'
      AND k.confrelid = 'customer_configs'::regclass AND k.conkey = ARRAY[a.attnum]) AS dies
    FROM pg_policy p JOIN pg_attribute a ON a.attrelid = p.polrelid AND a.attname = 'customer_id'
    WHERE p.polname = 'tenant' AND pg_get_expr(p.polqual, p.polrelid) LIKE '(customer_id = %'
  LOOP
    EXECUTE format('ALTER POLICY tenant ON %1$s USING (%2$s) WITH CHECK (%2$s)', found.name,
      CASE WHEN found.dies THEN $rows${dying}$rows$ ELSE $rows${lasting}$rows$ END);
  END LOOP;
END $$;
";

fn every(dying: &str) -> String {
    EVERY.replace("{dying}", dying).replace("{lasting}", LASTING)
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &every(OWN)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &every(LASTING)).await
    }
}

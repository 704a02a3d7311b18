//! What every table gets: an owner, grants, and a policy.
use sea_orm_migration::prelude::*;

/// A row of the running transaction's customer, where rows die with their customer. The setting is compared once for a statement
/// that names its customer, and nothing else is read: see ADR 0037 and 0050. Without the setting there is no customer, and so no row; nor with an
/// empty one, which is what Postgres leaves behind when a transaction that had set it is over, and triggers of the tables' owner meet.
pub const OWN: &str = "customer_id = NULLIF(current_setting('app.current_customer', true), '')::uuid";

/// The same for rows that outlive their customer, whom nobody must then see: the customer is looked up.
pub const LASTING: &str = "customer_id = (SELECT id FROM customer_configs WHERE id = NULLIF(current_setting('app.current_customer', true), '')::uuid)";

/// The customer itself.
pub const ITSELF: &str = "id = NULLIF(current_setting('app.current_customer', true), '')::uuid";

/// Takes a column from `scraped_pages` that it has got for this only. A statement that the policies bind has one more node above its scan, and Postgres
/// hands a table's row up to it with all its columns, 31 there, each of which is described anew for each statement; not so where a
/// column has gone. It is done after each run of the migrations, since a dump knows nothing of columns that have gone: see ADR 0050.
pub const READ_BY_KEY: &str = "
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'scraped_pages'::regclass AND attisdropped) THEN
    ALTER TABLE scraped_pages ADD COLUMN to_be_dropped boolean;
    ALTER TABLE scraped_pages DROP COLUMN to_be_dropped;
  END IF;
END $$";

/// A customer's transaction changes all of the customer's own row but who it is: its id and its domain are the system's to write. Columns that
/// a later step adds are among the others, since it is done after each run.
pub const STAYS_ITSELF: &str = "
DO $$ BEGIN
  REVOKE UPDATE ON customer_configs FROM omniops_app;
  EXECUTE (SELECT format('GRANT UPDATE (%s) ON customer_configs TO omniops_app', string_agg(quote_ident(attname), ', ')) FROM pg_attribute
    WHERE attrelid = 'customer_configs'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attname NOT IN ('id', 'domain'));
END $$";

/// Protects `table` by its `customer_id`, which refers to the customer: readable and writable by `omniops_app` for its own
/// customer only.
pub async fn protect(manager: &SchemaManager<'_>, table: &str) -> Result<(), DbErr> {
    protect_where(manager, table, OWN, "SELECT, INSERT, UPDATE, DELETE").await
}

/// Protects `table` by a predicate of its own; `rights` are what both roles may do.
pub async fn protect_where(manager: &SchemaManager<'_>, table: &str, rows: &str, rights: &str) -> Result<(), DbErr> {
    let sql = format!(
        "ALTER TABLE {table} OWNER TO omniops_owner;
         ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
         ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
         CREATE POLICY tenant ON {table} USING ({rows}) WITH CHECK ({rows});
         GRANT {rights} ON {table} TO omniops_app, omniops_system;"
    );
    run(manager, &sql).await
}

/// Runs a script of several statements.
pub async fn run(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    manager.get_connection().execute_unprepared(sql).await.map(drop)
}

/// Drops `tables` in the given order.
pub async fn drop_all(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    for table in tables {
        run(manager, &format!("DROP TABLE IF EXISTS {table}")).await?;
    }
    Ok(())
}

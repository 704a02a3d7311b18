//! What every table gets: an owner, grants, and a policy.
use sea_orm_migration::prelude::*;

/// A row of the running transaction's customer, where rows die with their customer. The setting is compared as it is, once for a statement
/// that names its customer, and nothing else is read: see ADR 0037. Without the setting there is no customer, and so no row.
pub const OWN: &str = "customer_id = NULLIF(current_setting('app.current_customer', true), '')::uuid";

/// The same for rows that outlive their customer, whom nobody must then see: the customer is looked up.
pub const LASTING: &str =
    "customer_id = (SELECT id FROM customer_configs WHERE domain = current_setting('app.current_domain', true))";

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

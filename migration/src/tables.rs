//! What every table gets: an owner, grants, and a policy.
use sea_orm_migration::prelude::*;

/// The tenant of the running transaction, looked up once per statement (spec: configuration, database roles).
const TENANT: &str = "(SELECT id FROM customer_configs WHERE domain = current_setting('app.current_domain', true))";

/// Protects `table` by its `customer_id`: readable and writable by `omniops_app` for its own customer only.
pub async fn protect(manager: &SchemaManager<'_>, table: &str) -> Result<(), DbErr> {
    protect_where(
        manager,
        table,
        &format!("customer_id = {TENANT}"),
        "SELECT, INSERT, UPDATE, DELETE",
    )
    .await
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

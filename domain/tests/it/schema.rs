//! The schema, read back from the database's own catalogue.
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use testkit::Kit;

fn statement(text: &str) -> Statement {
    Statement::from_string(DbBackend::Postgres, text)
}

#[tokio::test]
async fn every_migration_goes_down_and_up_again() {
    let kit = Kit::start().await;
    let owner = domain::tenancy::Db::connect_owner(&kit.config.database).await.unwrap();
    Migrator::down(&owner, None).await.unwrap();
    let left = "SELECT count(*) AS n FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                AND relname <> 'seaql_migrations'";
    let row = owner.query_one_raw(statement(left)).await.unwrap().unwrap();
    assert_eq!(row.try_get::<i64>("", "n").unwrap(), 0);
    migration::migrate(&owner, Some("omniops")).await.unwrap();
    kit.customer("shop.example").await;
}

#[tokio::test]
async fn the_audit_log_can_only_grow() {
    let kit = Kit::start().await;
    let customer = kit.customer("shop.example").await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let entry = domain::audit::Entry {
        customer: Some(customer.id),
        actor: "admin",
        action: "key.created",
        resource: "1",
        metadata: serde_json::json!({}),
        ip: None,
    };
    domain::audit::record(&*tx, entry).await.unwrap();
    tx.commit().await.unwrap();
    for forbidden in [
        "DELETE FROM audit_logs",
        "UPDATE audit_logs SET actor = 'nobody'",
        "TRUNCATE audit_logs",
    ] {
        let tx = kit.db.tenant(&customer).await.unwrap();
        let error = tx.execute_raw(statement(forbidden)).await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{forbidden}: {error}");
        let system = kit.db.system().await.unwrap();
        assert!(
            system.execute_raw(statement(forbidden)).await.is_err(),
            "{forbidden} as the system"
        );
    }
    assert_eq!(
        kit.count("SELECT count(*) FROM audit_logs WHERE action = 'key.created'")
            .await,
        1
    );
}

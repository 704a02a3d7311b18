//! The schema, read back from the database's own catalogue.
use domain::{
    jobs::{self, DeadFilter, schedules},
    pages::store,
    tenancy::{self, Db, HostName, VisitorSession},
};
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use testkit::{Catalogue, Kit};
use uuid::Uuid;

fn statement(text: &str) -> Statement {
    Statement::from_string(DbBackend::Postgres, text)
}

#[tokio::test]
async fn every_migration_goes_down_and_up_again() {
    let kit = Kit::start().await;
    let owner = Db::connect_owner(&kit.config.database).await.unwrap();
    Migrator::down(&owner, None).await.unwrap();
    let left = "SELECT count(*) AS n FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                AND relname <> 'seaql_migrations'";
    let row = owner.query_one_raw(statement(left)).await.unwrap().unwrap();
    assert_eq!(row.try_get::<i64>("", "n").unwrap(), 0);
    migration::migrate(&owner, Some("omniops")).await.unwrap();
    kit.customer("shop.example").await;
}

#[tokio::test]
async fn texts_of_pages_outlive_the_step_to_bytes_and_back_as_far_as_postgres_can_read_them() {
    const STEP: &str = "packed_texts";
    let kit = Kit::start().await;
    let customer = kit.customer("shop.example").await;
    let long = "A kayak of glass is repaired in the workshop. ".repeat(50);
    let tx = kit.db.tenant(&customer).await.unwrap();
    for (path, text) in [("short", "A short text."), ("long", long.as_str())] {
        let page = testkit::page(format!("https://shop.example/{path}"), path, text);
        store::save(&tx, &page).await.unwrap();
    }
    tx.commit().await.unwrap();
    let texts = async || {
        let tx = kit.db.tenant(&customer).await.unwrap();
        let pages = store::list(&tx, None, None, 10).await.unwrap();
        pages
            .into_iter()
            .map(|page| (page.title, String::from(page.markdown)))
            .collect::<Vec<_>>()
    };
    let titled = |title: &str, text: &str| (title.to_owned(), text.to_owned());
    assert_eq!(texts().await, [titled("short", "A short text."), titled("long", &long)]);

    let owner = Db::connect_owner(&kit.config.database).await.unwrap();
    let steps = Migrator::migrations();
    let since = steps.iter().rev().position(|step| step.name().ends_with(STEP)).unwrap() + 1;
    Migrator::down(&owner, Some(since as u32)).await.unwrap();
    let rest = "SELECT string_agg(title || ': ' || markdown || ', ' || length(content_hash), '; ' ORDER BY id) AS rest FROM scraped_pages";
    let row = owner.query_one_raw(statement(rest)).await.unwrap().unwrap();
    let rest: String = row.try_get("", "rest").unwrap();
    assert_eq!(
        rest, "short: A short text., 32; long: , 0",
        "what can't be read is read again"
    );
    migration::migrate(&owner, Some("omniops")).await.unwrap();
    assert_eq!(texts().await, [titled("short", "A short text."), titled("long", "")]);
}

/// The next version's migration comes while processes of this one hold what they have prepared.
#[tokio::test]
async fn columns_that_a_later_version_adds_change_no_statement() {
    let kit = Kit::start().await;
    let customer = kit.customer("shop.example").await;
    let host: HostName = "shop.example".parse().unwrap();
    let session = VisitorSession {
        customer: customer.id,
        session: Uuid::now_v7(),
        origin: host.to_string(),
        domain: host.to_string(),
        locale: None,
        began: 0,
        expires: i64::MAX,
    };
    let catalogue = Catalogue::of(&kit).await;
    let run = async |statement: &str| catalogue.owner.execute_unprepared(statement).await.unwrap();
    schedules::ensure_system_schedules(&kit.db).await.unwrap();
    for round in 0..2 {
        run("DELETE FROM jobs").await;
        run("UPDATE schedules SET next_run_at = now()").await;
        run("UPDATE customer_domains SET check_at = now()").await;
        // Each twice: a connection keeps what it has prepared.
        for _ in 0..2 {
            tenancy::find_by_host(&kit.db, &host, true).await.unwrap().unwrap();
            session.customer(&kit.db).await.unwrap();
            jobs::list_dead(&kit.db, &DeadFilter::default(), None, 10)
                .await
                .unwrap();
        }
        assert!(!schedules::fire_due(&kit.db).await.unwrap().is_empty(), "{round}");
        for table in &catalogue.tables {
            run(&format!("ALTER TABLE {} ADD COLUMN later_{round} text", table.name)).await;
        }
    }
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

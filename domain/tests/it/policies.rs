//! What the policies ask of a transaction, and what they make of it when the answer is missing or not true any more.
use domain::{jobs::Operator, privacy::Privacy, tenancy::Db};
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use std::collections::BTreeSet;
use testkit::{Catalogue, Kit, Owned, Table};

/// Tables that every customer may read.
const SHARED: [&str; 2] = ["embedding_models", "queue_controls"];

/// A table with a customer that customers may not look at.
const UNSEEN: [&str; 1] = ["admin_user_customers"];

/// The tables of which `omniops_app` sees a row; those that it may not even look at show none.
async fn shown(db: &impl ConnectionTrait, catalogue: &Catalogue) -> BTreeSet<String> {
    let mut shown = BTreeSet::new();
    for table in &catalogue.tables {
        let may = format!("SELECT has_table_privilege('omniops_app', '{}', 'SELECT')", table.name);
        let any = format!("SELECT EXISTS (SELECT FROM {})", table.name);
        if is(db, &may).await && is(db, &any).await {
            shown.insert(table.name.clone());
        }
    }
    shown
}

async fn is(db: &impl ConnectionTrait, question: &str) -> bool {
    let asked = db
        .query_one_raw(Statement::from_string(DbBackend::Postgres, question))
        .await;
    asked.unwrap().unwrap().try_get_by_index(0).unwrap()
}

fn shared() -> BTreeSet<String> {
    SHARED.map(str::to_owned).into()
}

#[tokio::test]
async fn a_missing_or_empty_setting_shows_no_row_and_nonsense_is_an_error() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let catalogue = Catalogue::of(&kit).await;
    catalogue.fill(None, "nobody's").await;
    catalogue.fill(Some(customer.id), "mine").await;
    // A session in which nothing was ever set.
    let fresh = Db::connect_owner(&kit.config.database).await.unwrap();
    for setting in ["SELECT 1", "SET LOCAL app.current_customer = ''"] {
        let tx = fresh.begin().await.unwrap();
        tx.execute_unprepared(&format!("{setting}; SET LOCAL ROLE omniops_app"))
            .await
            .unwrap();
        assert_eq!(shown(&tx, &catalogue).await, shared(), "{setting}");
    }
    let owned = |table: &&Table| table.owned != Owned::No && !UNSEEN.contains(&table.name.as_str());
    for table in catalogue.tables.iter().filter(owned) {
        let tx = catalogue.owner.begin().await.unwrap();
        let wrong = "SET LOCAL app.current_customer = 'a.example'; SET LOCAL ROLE omniops_app";
        tx.execute_unprepared(wrong).await.unwrap();
        let asked = tx.execute_unprepared(&format!("SELECT FROM {}", table.name)).await;
        assert!(asked.is_err(), "{}", table.name);
    }
}

#[tokio::test]
async fn a_customer_ends_in_a_session_that_has_served_one() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let catalogue = Catalogue::of(&kit).await;
    catalogue.fill(None, "nobody's").await;
    catalogue.fill(Some(customer.id), "mine").await;
    // What Postgres leaves behind of the transaction that served one.
    let tx = catalogue.owner.begin().await.unwrap();
    let end = format!(
        "SET LOCAL app.current_customer = ''; SET LOCAL ROLE omniops_system; DELETE FROM customer_configs WHERE id = '{}'",
        customer.id
    );
    tx.execute_unprepared(&end).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(kit.count("SELECT count(*) FROM customer_domains").await, 0);
}

#[tokio::test]
async fn a_transaction_whose_customer_is_deleted_meanwhile_sees_nothing_any_more() {
    let kit = Kit::start().await;
    let (customer, other) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let catalogue = Catalogue::of(&kit).await;
    catalogue.fill(None, "nobody's").await;
    for id in [customer.id, other.id] {
        catalogue.fill(Some(id), "a mark").await;
    }
    let begun = kit.db.tenant(&customer).await.unwrap();
    let mut owned: BTreeSet<String> = catalogue
        .tables
        .iter()
        .filter(|t| t.owned != Owned::No)
        .map(|t| t.name.clone())
        .collect();
    owned.extend(shared());
    let hidden: Vec<String> = owned.difference(&shown(&*begun, &catalogue).await).cloned().collect();
    assert_eq!(hidden, UNSEEN);
    let privacy = Privacy::new(kit.db.clone(), &kit.config);
    privacy
        .end_customer(customer.id, Operator::named("test"))
        .await
        .unwrap();
    assert_eq!(shown(&*begun, &catalogue).await, shared());
    // What is left of it is the audit log's, and whoever comes with its id later finds nothing there.
    let lines = format!("SELECT count(*) FROM audit_logs WHERE customer_id = '{}'", customer.id);
    assert!(catalogue.count(&lines).await > 0);
    let late = kit.db.tenant(&customer).await.unwrap();
    assert_eq!(shown(&*late, &catalogue).await, shared());
    assert_eq!(catalogue.digests(Some(other.id)).await.len(), catalogue.tables.len());
}

#[tokio::test]
async fn a_read_by_a_key_takes_no_more_of_a_page_than_it_asks_for() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let id = customer.id;
    let read = format!(
        "EXPLAIN (VERBOSE, COSTS OFF) SELECT title FROM scraped_pages WHERE customer_id = '{id}' AND id = '{id}'"
    );
    let plan = tx
        .query_all_raw(Statement::from_string(DbBackend::Postgres, read))
        .await;
    let lines: Vec<String> = plan
        .unwrap()
        .iter()
        .map(|line| line.try_get_by_index(0).unwrap())
        .collect();
    assert!(lines.iter().any(|line| line.contains("One-Time Filter")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("markdown")), "{lines:#?}");
}

#[tokio::test]
async fn a_policy_that_fits_another_kind_of_table_is_a_fault() {
    let kit = Kit::start().await;
    let owner = Catalogue::of(&kit).await.owner;
    let swap = |table: &str, from: &str| {
        format!(
            "DO $$ DECLARE rows text := (SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = '{from}'::regclass AND polname = 'tenant');
             BEGIN EXECUTE 'ALTER POLICY tenant ON {table} USING ' || rows || ' WITH CHECK ' || rows; END $$"
        )
    };
    for (table, from) in [("audit_logs", "scraped_pages"), ("scraped_pages", "audit_logs")] {
        let tx = owner.begin().await.unwrap();
        tx.execute_unprepared(&swap(table, from)).await.unwrap();
        let faults = migration::faults(&tx).await.unwrap();
        let told = format!("table {table}: the policy `tenant` does not compare the customer");
        assert!(faults.iter().any(|fault| fault.starts_with(&told)), "{faults:?}");
        tx.rollback().await.unwrap();
    }
}

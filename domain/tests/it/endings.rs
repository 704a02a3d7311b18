//! What stays of a customer that was deleted, and of the use of its keys.
use domain::{
    audit::{self, Filter},
    clock::Clock,
    error::Kind,
    jobs::Operator,
    privacy::{self, Privacy},
    tenancy::{self, Customer, Scope},
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::net::IpAddr;
use testkit::Kit;

/// Brings the customer back as a backup would.
async fn restore(kit: &Kit, customer: &Customer) {
    let back = "INSERT INTO customer_configs (id, domain, name) VALUES ($1, $2, 'Back')";
    let values = [customer.id.into(), customer.domain.as_str().into()];
    let tx = kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, back, values))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_customer_that_was_deleted_does_not_come_back_with_a_backup() {
    let folder = std::env::temp_dir().join(format!("omniops-ended-{}", uuid::Uuid::now_v7().simple()));
    let kit = Kit::with(&[("ERASURE_LOG", folder.to_str().unwrap())]).await;
    let (gone, stays) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let privacy = Privacy::new(kit.db.clone(), &kit.config);
    let by = Operator::named("test");
    let receipt = privacy.end_customer(gone.id, by).await.unwrap();
    let told = privacy.verify(&receipt).unwrap();
    assert_eq!((told.customer, told.kind.as_str()), (gone.id, "customer"));
    assert!(!receipt.contains("a.example") && told.subject.is_empty());
    assert_eq!(
        privacy.end_customer(gone.id, by).await.unwrap_err().kind(),
        &Kind::NotFound
    );

    // By its own row, by the log outside, and by a receipt that somebody has kept.
    let logged = privacy.log().unwrap().lines().await.unwrap();
    assert_eq!(logged.len(), 2, "its beginning and its end: {logged:?}");
    assert_eq!(logged[1], receipt);
    assert_eq!(privacy::receipts(&kit.db).await.unwrap(), [receipt]);
    for (known, lines) in [(true, vec![]), (false, logged)] {
        restore(&kit, &gone).await;
        if !known {
            let owner = tenancy::Db::connect_owner(&kit.config.database).await.unwrap();
            owner.execute_unprepared("DELETE FROM deleted_customers").await.unwrap();
        }
        let replayed = privacy::replay_erasures(&privacy, &lines, "test").await.unwrap();
        assert_eq!((replayed.customers, replayed.erasures), (1, 1), "{replayed:?}");
        assert_eq!(
            tenancy::get(&kit.db, gone.id).await.unwrap_err().kind(),
            &Kind::NotFound
        );
        assert!(tenancy::get(&kit.db, stays.id).await.is_ok());
    }
    let again = privacy::replay_erasures(&privacy, &[], "test").await.unwrap();
    assert_eq!((again.customers, again.erasures), (0, 1));
    std::fs::remove_file(folder).unwrap();
}

/// A log, and what it is of.
async fn house(name: &str) -> (Kit, Privacy, Customer, std::path::PathBuf) {
    let log = std::env::temp_dir().join(format!("omniops-{name}-{}", uuid::Uuid::now_v7().simple()));
    let kit = Kit::with(&[("ERASURE_LOG", log.to_str().unwrap())]).await;
    let privacy = Privacy::new(kit.db.clone(), &kit.config);
    let customer = kit.customer("a.example").await;
    (kit, privacy, customer, log)
}

#[tokio::test]
async fn a_deletion_that_was_not_committed_is_never_replayed() {
    let (kit, privacy, customer, log) = house("uncommitted").await;
    let owner = tenancy::Db::connect_owner(&kit.config.database).await.unwrap();
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''the disk is full''; END';
        CREATE CONSTRAINT TRIGGER refuse AFTER DELETE ON customer_configs DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION refuse()";
    owner.execute_unprepared(refuse).await.unwrap();
    privacy
        .end_customer(customer.id, Operator::named("test"))
        .await
        .unwrap_err();

    assert!(tenancy::get(&kit.db, customer.id).await.is_ok());
    owner
        .execute_unprepared("DROP TRIGGER refuse ON customer_configs")
        .await
        .unwrap();
    let lines = privacy.log().unwrap().lines().await.unwrap();
    let replayed = privacy::replay_erasures(&privacy, &lines, "test").await.unwrap();
    assert_eq!((replayed.erasures, replayed.customers, replayed.unreadable), (0, 0, 0));
    assert!(replayed.unfinished.is_empty(), "it was withdrawn");
    assert!(tenancy::get(&kit.db, customer.id).await.is_ok());
    let standing = privacy.standing().await.unwrap();
    assert!(
        standing.back.is_empty() && standing.unfinished.is_empty(),
        "{standing:?}"
    );
    std::fs::remove_file(log).unwrap();
}

#[tokio::test]
async fn a_deletion_whose_process_was_killed_waits_for_somebody_who_knows() {
    let (kit, privacy, customer, log) = house("killed").await;
    privacy
        .end_customer(customer.id, Operator::named("test"))
        .await
        .unwrap();
    // Killed before the receipt was written, with the commit done: the database knows.
    let lines = privacy.log().unwrap().lines().await.unwrap();
    std::fs::write(&log, &lines[0]).unwrap();
    assert!(privacy.standing().await.unwrap().unfinished.is_empty());
    assert_eq!(privacy::sync_log(&privacy).await.unwrap(), 1, "the night adds it");

    // Killed before the commit, or restored from a backup: nobody but people can tell.
    std::fs::write(&log, &lines[0]).unwrap();
    restore(&kit, &customer).await;
    let owner = tenancy::Db::connect_owner(&kit.config.database).await.unwrap();
    owner.execute_unprepared("DELETE FROM deleted_customers").await.unwrap();
    let replayed = privacy::replay_erasures(&privacy, &lines[..1], "test").await.unwrap();
    assert_eq!((replayed.customers, replayed.unfinished), (0, vec![customer.id]));
    assert!(tenancy::get(&kit.db, customer.id).await.is_ok());
    assert_eq!(privacy.standing().await.unwrap().unfinished, [customer.id]);
    assert!(privacy.withdraw_end(customer.id).await.unwrap());
    assert!(!privacy.withdraw_end(customer.id).await.unwrap(), "once is enough");
    assert!(privacy.standing().await.unwrap().unfinished.is_empty());
    std::fs::remove_file(log).unwrap();
}

#[tokio::test]
async fn a_key_s_first_use_and_new_addresses_are_told_and_not_every_request() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let key = kit.key(&customer, &[Scope::Chat]).await;
    let lines = async || {
        let filter = Filter {
            action: Some("key.used".into()),
            ..Filter::default()
        };
        audit::list(&kit.db, &filter, 100).await.unwrap()
    };
    let from = async |address: &str| {
        let address: IpAddr = address.parse().unwrap();
        tenancy::authenticate_from(&kit.db, &key, Some(address), &Clock::system())
            .await
            .unwrap();
    };
    for address in [
        "192.0.2.1",
        "192.0.2.1",
        "192.0.2.2",
        "2001:db8::1",
        "2001:db8::2",
        "192.0.2.1",
    ] {
        from(address).await;
    }
    let noted = lines().await;
    assert_eq!(noted.len(), 3, "{noted:?}");
    assert_eq!(noted.iter().filter(|line| line.metadata["first"] == true).count(), 1);
    assert!(noted.iter().all(|line| line.actor.starts_with("key:")));
    for n in 0..50 {
        from(&format!("198.51.100.{n}")).await;
    }
    assert_eq!(lines().await.len(), 16, "a key that is used from anywhere fills no log");
}

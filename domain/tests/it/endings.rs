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
    assert_eq!(logged, std::slice::from_ref(&receipt));
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

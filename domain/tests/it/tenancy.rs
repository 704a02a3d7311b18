//! Tenants never meet.
use domain::{
    clock::Clock,
    error::Kind,
    jobs::Operator,
    pages::store::{self, FetchedPage},
    tenancy::{self, HostName, NewCustomer, Principal, Reach, Scope},
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use secrecy::ExposeSecret;
use testkit::Kit;

fn page(url: &str) -> FetchedPage {
    testkit::page(url, "A page", "Some text.")
}

#[tokio::test]
async fn a_tenant_sees_and_writes_its_own_rows_only() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let tx = kit.db.tenant(&a).await.unwrap();
    let stored = store::save(&tx, &page("https://a.example/")).await.unwrap();
    tx.commit().await.unwrap();

    let tx = kit.db.tenant(&b).await.unwrap();
    assert!(store::list(&tx, None, None, 10).await.unwrap().is_empty());
    assert_eq!(store::get(&tx, stored.id).await.unwrap_err().kind(), &Kind::NotFound);
    let theft = format!("UPDATE scraped_pages SET title = 'mine' WHERE id = '{}'", stored.id);
    let done = tx
        .execute_raw(Statement::from_string(DbBackend::Postgres, theft))
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 0);
    let forged = format!(
        "INSERT INTO usage_daily (customer_id, day) VALUES ('{}', current_date)",
        a.id
    );
    let error = tx
        .execute_raw(Statement::from_string(DbBackend::Postgres, forged))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("row-level security"), "{error}");
}

#[tokio::test]
async fn nothing_of_a_transaction_s_tenant_stays_with_its_connection() {
    let kit = Kit::with(&[("DATABASE_POOL_MAX", "1")]).await;
    let customer = kit.customer("a.example").await;
    drop(kit.db.tenant(&customer).await.unwrap());
    let tx = kit.db.system().await.unwrap();
    let query = "SELECT coalesce(current_setting('app.current_customer', true), '') AS d, current_user::text AS u";
    // What forgets to say who it is, is bound by the policies and nobody.
    for (before, role) in [("SELECT 1", "omniops_system"), ("RESET ROLE", "omniops_app")] {
        tx.execute_unprepared(before).await.unwrap();
        let asked = tx
            .query_one_raw(Statement::from_string(DbBackend::Postgres, query))
            .await;
        let row = asked.unwrap().unwrap();
        assert_eq!(row.try_get::<String>("", "d").unwrap(), "");
        assert_eq!(row.try_get::<String>("", "u").unwrap(), role);
    }
}

#[tokio::test]
async fn a_key_opens_its_customer_until_it_is_revoked_or_its_successor_has_taken_over() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let key = kit.key(&customer, &[Scope::Chat]).await;
    let clock = Clock::system();
    let Principal::Key {
        id, customer: found, ..
    } = tenancy::authenticate(&kit.db, &key, &clock).await.unwrap()
    else {
        panic!("a key's principal");
    };
    assert_eq!(found.id, customer.id);
    let last = if key.ends_with('x') { 'y' } else { 'x' };
    let wrong = format!("{}{last}", &key[..key.len() - 1]);
    for refused in [wrong.as_str(), "omni_", "something else", ""] {
        assert_eq!(
            tenancy::authenticate(&kit.db, refused, &clock)
                .await
                .unwrap_err()
                .kind(),
            &Kind::Unauthorized
        );
    }

    let by = Operator {
        actor: "test",
        ip: None,
    };
    let rotated = tenancy::rotate(&kit.db, id, tenancy::OVERLAP, &Reach::Everywhere, &clock, by).await;
    let successor = rotated.unwrap();
    let new_key = successor.key.expose_secret();
    assert!(
        tenancy::authenticate(&kit.db, &key, &clock).await.is_ok(),
        "the old key works on for a day"
    );
    assert!(tenancy::authenticate(&kit.db, new_key, &clock).await.is_ok());
    let next_week = Clock::fixed(clock.now() + time::Duration::days(7));
    assert!(tenancy::authenticate(&kit.db, &key, &next_week).await.is_err());

    tenancy::revoke(&kit.db, successor.record.id, &Reach::Everywhere, by)
        .await
        .unwrap();
    assert!(tenancy::authenticate(&kit.db, new_key, &clock).await.is_err());
    assert_eq!(
        kit.count("SELECT count(*) FROM api_keys WHERE secret_hash IS NOT NULL")
            .await,
        2
    );
}

#[tokio::test]
async fn a_principal_without_the_scope_is_refused() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let key = kit.key(&customer, &[Scope::Search]).await;
    let principal = tenancy::authenticate(&kit.db, &key, &Clock::system()).await.unwrap();
    assert!(principal.require(Scope::Search, false).is_ok());
    assert_eq!(
        principal.require(Scope::Jobs, false).unwrap_err().code(),
        "missing_scope"
    );
}

#[tokio::test]
async fn a_domain_belongs_to_one_customer_and_answers_when_verified() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let host: HostName = "shop.a.example".parse().unwrap();
    let record = tenancy::add_domain(&kit.db, &a, &host).await.unwrap();
    assert!(record.verified_at.is_none() && record.token.len() >= 32);
    tenancy::add_domain(&kit.db, &b, &host).await.unwrap();
    assert!(tenancy::find_by_host(&kit.db, &host, true).await.unwrap().is_none());
    tenancy::mark_verified(&kit.db, &a, &host, tenancy::Proof::File)
        .await
        .unwrap();
    assert_eq!(
        tenancy::find_by_host(&kit.db, &host, true).await.unwrap().unwrap().id,
        a.id
    );
    let late = tenancy::mark_verified(&kit.db, &b, &host, tenancy::Proof::File).await;
    assert_eq!(late.unwrap_err().code(), "domain_taken");

    let again = NewCustomer {
        name: "Thief".into(),
        domain: "a.example".parse().unwrap(),
        vouched: true,
    };
    assert_eq!(
        tenancy::create(&kit.db, &again, Operator::named("test"))
            .await
            .unwrap_err()
            .code(),
        "domain_taken"
    );
}

//! A pooler in transaction mode between the product and Postgres: sessions go from one customer to the next, and nothing goes with them.
use domain::{
    jobs::{self, Ask, Claim, Identity, Outcome},
    pages::store,
    tenancy::{Customer, Db},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use testkit::{Catalogue, Kit, Pooler, SESSIONS};
use tokio::task::JoinSet;
use uuid::Uuid;

const TRANSACTIONS: usize = 1000;
const CLIENTS: usize = 20;

async fn pooled(kit: &Kit, pooler: &Pooler) -> Db {
    let mut variables = pooler.variables("postgres");
    variables.push(("DATABASE_POOL_MAX", CLIENTS.to_string()));
    Db::connect(&kit.config_with(&variables).database).await.unwrap()
}

/// What one transaction saw.
#[derive(Debug)]
struct Seen {
    foreign: i64,
    own: i64,
    session: i32,
    customer: Uuid,
}

async fn look(db: &Db, of: &Customer, how: u32) -> Seen {
    let query = "SELECT count(*) FILTER (WHERE customer_id <> $1), count(*) FILTER (WHERE customer_id = $1), pg_backend_pid() FROM scraped_pages";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, query, [of.id.into()]);
    let tx = if how == 0 {
        db.tenant_read(of).await
    } else {
        db.tenant(of).await
    };
    let tx = tx.unwrap();
    let row = tx.query_one_raw(statement).await.unwrap().unwrap();
    let seen = Seen {
        foreign: row.try_get_by_index(0).unwrap(),
        own: row.try_get_by_index(1).unwrap(),
        session: row.try_get_by_index(2).unwrap(),
        customer: of.id,
    };
    match how {
        // Ends in an error, is left alone, or commits: a session comes back from each.
        1 => drop(tx.execute_unprepared("SELECT 1 / 0").await.unwrap_err()),
        2 => drop(tx),
        _ => tx.commit().await.unwrap(),
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_transactions_of_two_customers_over_few_sessions_see_no_foreign_row() {
    let kit = Kit::start().await;
    let customers = [kit.customer("a.example").await, kit.customer("b.example").await];
    let catalogue = Catalogue::of(&kit).await;
    catalogue.fill(None, "nobody's").await;
    for customer in &customers {
        catalogue.fill(Some(customer.id), &customer.domain).await;
    }
    let pooler = Pooler::before(kit.services.sockets()).await;
    let db = pooled(&kit, &pooler).await;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (db, customers) = (db.clone(), customers.clone());
        clients.spawn(async move {
            let mut random = StdRng::seed_from_u64(client as u64);
            let mut seen = Vec::new();
            for _ in 0..TRANSACTIONS / CLIENTS {
                let of = &customers[random.random_range(0..2)];
                seen.push(look(&db, of, random.random_range(0..5)).await);
            }
            seen
        });
    }
    let seen: Vec<Seen> = clients.join_all().await.into_iter().flatten().collect();
    assert_eq!(seen.len(), TRANSACTIONS);
    let wrong: Vec<&Seen> = seen.iter().filter(|seen| seen.foreign != 0 || seen.own != 1).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let sessions: BTreeSet<i32> = seen.iter().map(|seen| seen.session).collect();
    assert!(
        sessions.len() <= SESSIONS,
        "the pooler lends its sessions: {sessions:?}"
    );
    let hands = seen
        .windows(2)
        .filter(|pair| pair[0].session == pair[1].session && pair[0].customer != pair[1].customer);
    assert!(
        hands.count() > TRANSACTIONS / 20,
        "sessions go from customer to customer"
    );
    // A session that was a customer's a moment ago is nobody's without one.
    for _ in 0..2 * SESSIONS {
        let tx = db.system().await.unwrap();
        let left = "SELECT coalesce(current_setting('app.current_customer', true), '') AS d";
        let row = tx
            .query_one_raw(Statement::from_string(DbBackend::Postgres, left))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(row.try_get::<String>("", "d").unwrap(), "");
    }
    db.close().await;
}

#[tokio::test]
async fn a_job_is_claimed_and_settled_through_a_pooler() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let pooler = Pooler::before(kit.services.sockets()).await;
    let db = pooled(&kit, &pooler).await;
    let worker = Identity::new("test", "0");
    jobs::beat(&db, &worker, Duration::from_mins(10), false).await.unwrap();
    let catalogue = Catalogue::of(&kit).await;
    let job = Uuid::now_v7();
    let queued = format!(
        "INSERT INTO jobs (id, customer_id, kind, payload, state) VALUES ('{job}', '{}', 'maintenance', '{{}}', 'queued')",
        customer.id
    );
    catalogue.owner.execute_unprepared(&queued).await.unwrap();
    let ask = Ask {
        job,
        quarantined: false,
    };
    let claimed = jobs::claim_all(&db, worker.id, &[ask]).await.unwrap().pop();
    let Some(Claim::Run(claimed)) = claimed else {
        panic!("the job is not to be had");
    };
    jobs::settle(&db, claimed.lease, &Outcome::Done(json!({ "pages": 1 })))
        .await
        .unwrap();
    assert_eq!(kit.count("SELECT count(*) FROM jobs WHERE state = 'done'").await, 1);
    let tx = db.tenant(&customer).await.unwrap();
    assert!(store::list(&tx, None, None, 10).await.unwrap().is_empty());
}

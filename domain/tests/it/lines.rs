//! The connections of the ledger's own statements.
use domain::jobs;
use testkit::{Catalogue, Kit};

/// The sessions whose last statement recorded ends.
const SESSIONS: &str = "FROM pg_stat_activity WHERE datname = current_database()
    AND query LIKE '%WITH written AS%' AND query NOT LIKE '%pg_stat_activity%'";

#[tokio::test]
async fn statements_one_after_the_other_have_one_session_and_another_when_it_has_ended() {
    let kit = Kit::start().await;
    let catalogue = Catalogue::of(&kit).await;
    for _ in 0..20 {
        jobs::settle_all(&kit.db, &[]).await.unwrap();
    }
    assert_eq!(catalogue.count(&format!("SELECT count(*) {SESSIONS}")).await, 1);
    let end = format!("SELECT count(pg_terminate_backend(pid, 5000)) {SESSIONS}");
    assert_eq!(catalogue.count(&end).await, 1);
    // What was used a moment ago is believed to live.
    let _ = jobs::settle_all(&kit.db, &[]).await;
    for _ in 0..3 {
        jobs::settle_all(&kit.db, &[]).await.unwrap();
    }
    // What is kept is closed with the pool.
    kit.db.clone().close().await;
    assert!(jobs::settle_all(&kit.db, &[]).await.is_err());
}

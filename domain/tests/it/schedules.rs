//! Schedules: read and replaced by their customer, fired once, and never twice.
use domain::{
    error,
    jobs::{
        self, Kind, Submitted,
        schedules::{self, NewSchedule},
    },
    pages::request::ScrapeRequest,
    tenancy::{Customer, Db},
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use testkit::Kit;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

fn nightly(name: &str, url: &str) -> NewSchedule {
    NewSchedule {
        name: name.into(),
        cron: "0 3 * * *".into(),
        time_zone: "Europe/Berlin".into(),
        enabled: true,
        scrape: ScrapeRequest {
            max_pages: 77,
            max_minutes: Some(30),
            off_peak: Some("22:00-06:00 +02:00".into()),
            ..ScrapeRequest::of(url)
        },
    }
}

async fn replace(kit: &Kit, customer: &Customer, new: &[NewSchedule]) -> domain::Result<Vec<entity::schedule::Model>> {
    let tx = kit.db.tenant(customer).await?;
    let kept = schedules::replace(&tx, new).await?;
    tx.commit().await?;
    Ok(kept)
}

async fn list(kit: &Kit, customer: &Customer) -> Vec<entity::schedule::Model> {
    schedules::list(&kit.db.tenant(customer).await.unwrap()).await.unwrap()
}

async fn sql(kit: &Kit, text: &str) {
    let tx = kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, text))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// Every schedule's time came this long ago.
async fn overdue(kit: &Kit, by: &str) {
    sql(
        kit,
        &format!("UPDATE schedules SET next_run_at = now() - interval '{by}'"),
    )
    .await;
}

fn ids(made: &[Submitted]) -> Vec<Uuid> {
    made.iter().map(|m| m.id).collect()
}

fn now(kit: &Kit) -> OffsetDateTime {
    kit.clock().now()
}

#[tokio::test]
async fn a_customers_list_is_replaced_as_a_whole() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    replace(&kit, &b, &[nightly("theirs", "https://b.example/")])
        .await
        .unwrap();
    let first = replace(
        &kit,
        &a,
        &[
            nightly("one", "https://a.example/"),
            nightly("two", "https://a.example/"),
        ],
    )
    .await
    .unwrap();
    let names: Vec<_> = first.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    let one = &first[0];
    assert_eq!(
        (one.customer_id, one.kind.as_str(), one.last_job_id),
        (Some(a.id), "scrape", None)
    );
    assert_eq!(
        schedules::scrape_of(one).ok(),
        Some(nightly("", "https://a.example/").scrape)
    );
    let soon = one.next_run_at - now(&kit);
    assert!(
        soon > Duration::ZERO && soon <= Duration::days(1) + Duration::minutes(5),
        "{soon}"
    );
    assert_ne!(first[0].next_run_at, first[1].next_run_at, "each has its own delay");

    let mut other = nightly("one", "https://a.example/");
    other.scrape.full = true;
    let mut later = nightly("three", "https://a.example/shop");
    later.cron = "30 4 * * MON".into();
    let second = replace(&kit, &a, &[other, later]).await.unwrap();
    let names: Vec<_> = second.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["one", "three"]);
    assert_eq!(
        (second[0].id, second[0].next_run_at),
        (one.id, one.next_run_at),
        "its time was not changed"
    );
    assert!(schedules::scrape_of(&second[0]).unwrap().full);

    let mut moved = nightly("one", "https://a.example/");
    moved.cron = "0 15 * * *".into();
    let third = replace(&kit, &a, &[moved]).await.unwrap();
    assert_ne!(third[0].next_run_at, one.next_run_at);
    assert_eq!(replace(&kit, &a, &[]).await.unwrap(), []);
    assert_eq!(list(&kit, &b).await.len(), 1, "another's are not touched");
}

#[tokio::test]
async fn what_breaks_a_rule_is_named_with_its_place_and_changes_nothing() {
    let kit = Kit::start().await;
    let a = kit.customer("a.example").await;
    replace(&kit, &a, &[nightly("kept", "https://a.example/")])
        .await
        .unwrap();
    let well = || nightly("well", "https://a.example/");
    let wrong = [
        (
            vec![NewSchedule {
                cron: "* * * * *".into(),
                ..well()
            }],
            "schedules[0].cron",
        ),
        (
            vec![NewSchedule {
                cron: "0 0 30 2 *".into(),
                ..well()
            }],
            "cron",
        ),
        (
            vec![NewSchedule {
                time_zone: "Berlin".into(),
                ..well()
            }],
            "schedules[0].time_zone",
        ),
        (vec![well(), well()], "schedules[1].name"),
        (
            vec![NewSchedule {
                name: String::new(),
                ..well()
            }],
            "schedules[0].name",
        ),
        (vec![nightly("x", "https://other.example/")], "schedules[0].scrape.url"),
        (
            (0..21).map(|n| nightly(&n.to_string(), "https://a.example/")).collect(),
            "schedules",
        ),
    ];
    for (list, place) in wrong {
        let refused = replace(&kit, &a, &list).await.unwrap_err();
        let error::Kind::Invalid(fields) = refused.kind() else {
            panic!("{refused}");
        };
        assert_eq!(fields[0].field, place, "{refused}");
    }
    let two = vec![
        NewSchedule {
            cron: "x".into(),
            time_zone: "UTC".into(),
            ..well()
        },
        NewSchedule {
            name: "b".into(),
            time_zone: "x".into(),
            ..well()
        },
    ];
    let refused = replace(&kit, &a, &two).await.unwrap_err();
    assert!(
        matches!(refused.kind(), error::Kind::Invalid(fields) if fields.len() == 2),
        "{refused}"
    );
    assert_eq!(list(&kit, &a).await[0].name, "kept");
}

#[tokio::test]
async fn a_due_schedule_makes_its_crawl_and_takes_its_next_time() {
    let kit = Kit::start().await;
    let a = kit.customer("a.example").await;
    replace(&kit, &a, &[nightly("n", "https://a.example/")]).await.unwrap();
    assert_eq!(schedules::fire_due(&kit.db).await.unwrap(), [], "its time has not come");
    // Three nights were missed: they are made up for once.
    overdue(&kit, "3 days").await;
    let made = schedules::fire_due(&kit.db).await.unwrap();
    assert_eq!((made.len(), made[0].fresh), (1, true));
    assert!(made[0].errand.is_some());
    assert_eq!(schedules::fire_due(&kit.db).await.unwrap(), []);
    let fired = &list(&kit, &a).await[0];
    assert_eq!(fired.last_job_id, Some(made[0].id));
    assert!(fired.last_run_at.is_some() && fired.next_run_at > now(&kit));
    let settings =
        "SELECT max_pages::bigint FROM scrape_jobs WHERE start_url = 'https://a.example/' AND max_minutes = 30
        AND off_peak = '22:00-06:00 +02:00'";
    assert_eq!(kit.count(settings).await, 77);
    let told = "SELECT count(*) FROM audit_logs WHERE action = 'scrape.started' AND actor LIKE 'schedule:%'";
    assert_eq!(kit.count(told).await, 1);

    // While that crawl is under way, the next night is no second one.
    overdue(&kit, "1 minute").await;
    let again = schedules::fire_due(&kit.db).await.unwrap();
    assert_eq!((again[0].id, again[0].fresh), (made[0].id, false));
    assert_eq!(kit.count("SELECT count(*) FROM jobs").await, 1);
}

#[tokio::test]
async fn two_processes_at_once_fire_each_time_once() {
    let kit = Kit::start().await;
    let a = kit.customer("a.example").await;
    let list: Vec<_> = (0..20)
        .map(|n| nightly(&n.to_string(), &format!("https://a.example/{n}")))
        .collect();
    replace(&kit, &a, &list).await.unwrap();
    let other = Db::connect(&kit.config.database).await.unwrap();
    for round in 1..=3 {
        overdue(&kit, "1 hour").await;
        let (one, two) = tokio::join!(schedules::fire_all_due(&kit.db), schedules::fire_all_due(&other));
        let mut fired = [ids(&one.unwrap()), ids(&two.unwrap())].concat();
        fired.sort();
        fired.dedup();
        assert_eq!(fired.len(), 20);
        assert_eq!(kit.count("SELECT count(*) FROM jobs").await, 20 * round);
        assert_eq!(
            kit.count("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')")
                .await,
            20
        );
        sql(&kit, "UPDATE jobs SET state = 'done', finished_at = now()").await;
    }
    assert_eq!(
        kit.count("SELECT count(*) FROM schedules WHERE next_run_at <= now()")
            .await,
        0
    );
}

#[tokio::test]
async fn more_schedules_than_a_batch_all_fire_when_somebody_asks() {
    let kit = Kit::start().await;
    for n in 0..6 {
        let domain = format!("c{n}.example");
        let customer = kit.customer(&domain).await;
        let list: Vec<_> = (0..20)
            .map(|m| nightly(&m.to_string(), &format!("https://{domain}/{m}")))
            .collect();
        replace(&kit, &customer, &list).await.unwrap();
    }
    overdue(&kit, "1 hour").await;
    assert_eq!(schedules::fire_due(&kit.db).await.unwrap().len(), 100);
    assert_eq!(schedules::fire_all_due(&kit.db).await.unwrap().len(), 20);
}

#[tokio::test]
async fn what_cannot_be_fired_is_passed_over_and_keeps_nobody_else() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let mut off = nightly("off", "https://a.example/off");
    off.enabled = false;
    replace(
        &kit,
        &a,
        &[
            nightly("gone", "https://a.example/"),
            nightly("odd", "https://a.example/odd"),
            off,
        ],
    )
    .await
    .unwrap();
    replace(&kit, &b, &[nightly("well", "https://b.example/")])
        .await
        .unwrap();
    sql(&kit, "UPDATE schedules SET options = '{\"url\": 5}' WHERE name = 'odd'").await;
    sql(&kit, "DELETE FROM customer_domains WHERE host = 'a.example'").await;
    overdue(&kit, "1 hour").await;
    assert_eq!(schedules::fire_due(&kit.db).await.unwrap().len(), 1);
    assert_eq!(kit.count("SELECT count(*) FROM jobs").await, 1);
    for schedule in list(&kit, &a).await {
        let waits = schedule.next_run_at > now(&kit);
        assert_eq!(waits, schedule.enabled, "{}", schedule.name);
        assert_eq!((schedule.last_run_at, schedule.last_job_id), (None, None));
    }
}

/// Connections that are ended, transactions that give way, and the pool is well again at once.
#[tokio::test]
async fn a_time_is_not_lost_when_the_database_is_away_for_a_moment() {
    let kit = Kit::start().await;
    let a = kit.customer("a.example").await;
    replace(&kit, &a, &[nightly("crawl", "https://a.example/")])
        .await
        .unwrap();
    overdue(&kit, "1 hour").await;
    let owner = Db::connect_owner(&kit.config.database).await.unwrap();
    for code in ["57P01", "40P01", "55P03"] {
        let refuse = format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'away' USING ERRCODE = '{code}'; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION refuse()"
        );
        owner.execute_unprepared(&refuse).await.unwrap();
        assert_eq!(schedules::fire_due(&kit.db).await.unwrap(), [], "{code}");
        assert!(list(&kit, &a).await[0].next_run_at < now(&kit), "{code}");
        owner.execute_unprepared("DROP FUNCTION refuse CASCADE").await.unwrap();
    }
    owner.close().await.unwrap();
    assert_eq!(schedules::fire_due(&kit.db).await.unwrap().len(), 1);
    assert!(list(&kit, &a).await[0].next_run_at > now(&kit));
}

#[tokio::test]
async fn the_system_cleans_up_every_night_one_job_at_a_time() {
    let kit = Kit::start().await;
    let a = kit.customer("a.example").await;
    schedules::ensure_system_schedules(&kit.db).await.unwrap();
    sql(
        &kit,
        "UPDATE schedules SET cron = '0 0 1 1 *', next_run_at = '2099-01-01'",
    )
    .await;
    schedules::ensure_system_schedules(&kit.db).await.unwrap();
    sql(&kit, "DELETE FROM schedules WHERE options->>'task' <> 'retention'").await;
    let due = "SELECT count(*) FROM schedules WHERE customer_id IS NULL AND cron = '17 3 * * *' AND next_run_at < now() + interval '1 day'";
    assert_eq!(
        (kit.count(due).await, kit.count("SELECT count(*) FROM schedules").await),
        (1, 1)
    );
    assert_eq!(list(&kit, &a).await, [], "it is no customer's");

    overdue(&kit, "1 hour").await;
    let made = schedules::fire_due(&kit.db).await.unwrap();
    assert_eq!((made.len(), made[0].fresh), (1, true));
    let kinds = "SELECT count(*) FROM jobs WHERE kind = 'maintenance' AND customer_id IS NULL AND payload->>'task' = 'retention'";
    assert_eq!(kit.count(kinds).await, 1);
    overdue(&kit, "1 hour").await;
    let again = schedules::fire_due(&kit.db).await.unwrap();
    assert_eq!((again[0].id, again[0].fresh), (made[0].id, false));
    let seventeen_past_three = "SELECT count(*) FROM schedules WHERE (next_run_at AT TIME ZONE 'UTC')::time = '03:17'";
    assert_eq!(kit.count(seventeen_past_three).await, 1);
    assert_eq!(
        jobs::queue_stats(&kit.db)
            .await
            .unwrap()
            .iter()
            .find(|q| q.kind == Kind::Maintenance)
            .unwrap()
            .depth,
        1
    );
}

/// What the schedules of a newer build have the system do. An older one that runs beside it leaves them where they are.
#[tokio::test]
async fn a_task_that_only_a_newer_build_knows_is_left_to_it() {
    let kit = Kit::start().await;
    schedules::ensure_system_schedules(&kit.db).await.unwrap();
    sql(
        &kit,
        r#"UPDATE schedules SET options = '{"task": "of_tomorrow"}' WHERE name = 'shops'"#,
    )
    .await;
    overdue(&kit, "1 minute").await;
    assert_eq!(schedules::fire_all_due(&kit.db).await.unwrap().len(), 3);
    let waits = "SELECT count(*) FROM schedules WHERE name = 'shops' AND next_run_at < now() AND last_job_id IS NULL";
    assert_eq!(kit.count(waits).await, 1);
    // The newer build.
    sql(
        &kit,
        r#"UPDATE schedules SET options = '{"task": "sync_shops"}' WHERE name = 'shops'"#,
    )
    .await;
    assert_eq!(schedules::fire_all_due(&kit.db).await.unwrap().len(), 1);
}

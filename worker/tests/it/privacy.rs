//! Copies that a worker makes, and erasure while workers are at work.
use domain::{
    jobs::Operator,
    pages::request::ScrapeRequest,
    people::{
        Reception,
        webhooks::{self, NewWebhook},
    },
    privacy::{Copy, Privacy, Subject},
    secrets::Envelopes,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::Value;
use testkit::{Folder, Page, Receiver, Site, eventually};
use uuid::Uuid;

use crate::support::World;

const BY: Operator<'static> = Operator {
    actor: "test",
    ip: None,
};

async fn execute(world: &World, statement: &str) {
    let tx = world.kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, statement))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// A visitor who asks for a person; returns the session and the conversation.
async fn visitor(world: &World) -> (Uuid, Uuid) {
    let session = Uuid::now_v7();
    let tx = world.tx().await;
    let received = domain::people::receive(&tx, &world.customer, session, "human please", None)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    match received {
        Reception::People(received) => (session, received.conversation),
        Reception::Bot(_) => panic!("a wish for a person is no question"),
    }
}

#[tokio::test]
async fn a_worker_that_starts_on_a_restored_database_forgets_again_whom_the_log_names() {
    let site = Site::start([("/", Page::html("Home", "<p>Nothing.</p>"))]).await;
    let folder = Folder::new();
    let log = folder.path().join("erasures.log");
    let world = World::with(&site, &[("ERASURE_LOG", log.to_str().unwrap())], None).await;
    let (session, conversation) = visitor(&world).await;
    let privacy = Privacy::new(world.kit.db.clone(), &world.kit.config);
    privacy
        .erase(&world.customer, &Subject::Session(session), BY)
        .await
        .unwrap();
    // As the backup has it: nothing of the erasure, and the person.
    let owner = domain::tenancy::Db::connect_owner(&world.kit.config.database)
        .await
        .unwrap();
    owner.execute_unprepared("DELETE FROM erasures").await.unwrap();
    let (back, again) = visitor(&world).await;
    assert_ne!((back, again), (session, conversation));
    let before = "created_at = now() - interval '1 day'";
    execute(
        &world,
        &format!("UPDATE conversations SET session_id = '{session}', {before} WHERE id = '{again}'"),
    )
    .await;
    execute(
        &world,
        &format!("UPDATE visitors SET session_id = '{session}', {before} WHERE session_id = '{back}'"),
    )
    .await;
    let worker = world.worker();
    eventually("the person's end", || async {
        (world.kit.count("SELECT count(*) FROM visitors").await == 0).then_some(())
    })
    .await;
    assert_eq!(world.kit.count("SELECT count(*) FROM messages").await, 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_makes_a_large_copy() {
    let site = Site::start([("/", Page::html("Home", "<p>Nothing.</p>"))]).await;
    let world = World::around(&site).await;
    let (session, conversation) = visitor(&world).await;
    let (_, of_bob) = visitor(&world).await;
    let address = "UPDATE visitors SET email = 'Ada@Mail.example', email_key = 'ada@mail.example', email_at = now() WHERE session_id";
    execute(&world, &format!("{address} = '{session}'")).await;
    execute(
        &world,
        &format!(
            "INSERT INTO messages (id, customer_id, conversation_id, role, text)
             SELECT gen_random_uuid(), '{0}', '{conversation}', 'visitor', 'line ' || n FROM generate_series(1, 2500) n
             UNION ALL VALUES (gen_random_uuid(), '{0}'::uuid, '{of_bob}'::uuid, 'visitor', 'I am Bob, ADA@mail.example knows.'),
               (gen_random_uuid(), '{0}', '{of_bob}', 'visitor', 'Write to bob@mail.example.')",
            world.customer.id
        ),
    )
    .await;
    let worker = world.worker();
    let privacy = Privacy::new(world.kit.db.clone(), &world.kit.config);
    let copy = privacy
        .export(
            &world.customer,
            &Subject::read(Some("ADA@mail.example"), None).unwrap(),
            None,
            BY,
        )
        .await
        .unwrap();
    let Copy::Later(planned, submitted) = copy else {
        panic!("a copy at once of 2500 rows");
    };
    world.kit.dispatcher.dispatch(&[submitted]).await;
    let job = world.ended(planned.job.unwrap()).await;
    assert_eq!((job.state.as_str(), &job.error), ("done", &None));
    let document = privacy
        .export_document(&world.customer, planned.id, Operator::named("test"))
        .await
        .unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["counts"]["messages"], 2501);
    let mentions = document["mentions"].as_array().unwrap();
    assert_eq!(mentions.len(), 1, "{mentions:?}");
    assert_eq!(mentions[0]["text"], "I am Bob, ADA@mail.example knows.");
    assert_eq!(job.result.unwrap()["bytes"], document_bytes(&world, planned.id).await);
    worker.stop().await;
}

async fn document_bytes(world: &World, id: Uuid) -> i64 {
    world
        .kit
        .count(&format!(
            "SELECT octet_length(document)::bigint FROM subject_exports WHERE id = '{id}'"
        ))
        .await
}

/// Row 32 of the failure tests, its first half: erasure while a site is taken in and deliveries wait.
#[tokio::test]
async fn erasure_ends_what_waits_about_a_person_and_leaves_other_work_alone() {
    let site = Site::start([("/", Page::html("Home", "<p>Welcome to the shop of many things.</p>"))]).await;
    let receiver = Receiver::start().await;
    receiver.answer(503, &[]);
    let hosts = format!("{},{}", site.host(), receiver.host());
    let world = World::with(&site, &[("OMNIOPS_EGRESS_ALLOW", &hosts)], None).await;
    let tx = world.tx().await;
    let new = NewWebhook {
        url: receiver.url(),
        events: vec!["handoff.requested".into(), "privacy.erased".into()],
    };
    let envelopes = Envelopes::new(&world.kit.config.security.keys);
    webhooks::create(&tx, &envelopes, &new, BY).await.unwrap();
    tx.commit().await.unwrap();
    let worker = world.worker();
    let (session, conversation) = visitor(&world).await;
    eventually("a delivery that fails", || async {
        (!receiver.received().is_empty()).then_some(())
    })
    .await;
    let failed =
        "SELECT count(*) FROM jobs WHERE state = 'scheduled' AND attempts > 0 AND payload::text LIKE '%deliver%'";
    eventually("another try to be planned", || async {
        (world.kit.count(failed).await == 1).then_some(())
    })
    .await;
    let crawl = world.ask(&ScrapeRequest::of(site.url("/"))).await;

    let privacy = Privacy::new(world.kit.db.clone(), &world.kit.config);
    privacy
        .erase(&world.customer, &Subject::Session(session), BY)
        .await
        .unwrap();
    receiver.answer(200, &[]);
    let named = format!("SELECT count(*) FROM jobs WHERE payload::text LIKE '%{conversation}%' AND state <> 'running'");
    assert_eq!(world.kit.count(&named).await, 0);
    assert_eq!(world.kit.count("SELECT count(*) FROM messages").await, 0);
    assert_eq!(world.ended(crawl).await.state, "done");
    eventually("the word that it is gone", || async {
        let last = receiver.received().pop()?;
        let told: Value = serde_json::from_str(&last.body).ok()?;
        (told["type"] == "privacy.erased" && told["data"]["conversation_ids"][0] == conversation.to_string())
            .then_some(())
    })
    .await;
    worker.stop().await;
}

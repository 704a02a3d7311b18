//! What people are told: mail by a real SMTP server, webhooks to a real receiver, and what happens when these are away.
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    jobs::Operator,
    people::{
        self,
        webhooks::{self, NewWebhook},
    },
    secrets::Envelopes,
    tenancy::{self, Customer},
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use testkit::{Mailbox, Page, Receiver, Reception, Site, eventually};
use uuid::Uuid;

use crate::support::World;

/// A site that nobody looks at.
const NO_PAGES: [(&str, Page); 0] = [];
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

/// The customer with these settings.
async fn set(world: &World, settings: Value) -> Customer {
    let set = format!("UPDATE customer_configs SET settings = '{settings}'");
    execute(world, &set).await;
    tenancy::get(&world.kit.db, world.customer.id).await.unwrap()
}

/// A visitor who asks for a person with these words; returns the conversation.
async fn wish(world: &World, customer: &Customer, words: &str) -> Uuid {
    let tx = world.kit.db.tenant(customer).await.unwrap();
    let received = people::receive(&tx, customer, Uuid::now_v7(), words, None)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    match received {
        people::Reception::People(received) => received.conversation,
        people::Reception::Bot(_) => panic!("{words} is a wish for a person"),
    }
}

/// Lets what waits for another try have it now.
async fn hurry(world: &World) {
    execute(
        world,
        "UPDATE jobs SET run_at = now() WHERE state = 'scheduled' AND attempts > 0",
    )
    .await;
}

async fn jobs(world: &World, task: &str, rule: &str) -> i64 {
    let query = format!("SELECT count(*) FROM jobs WHERE payload->>'task' = '{task}' AND {rule}");
    world.kit.count(&query).await
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn people_are_written_to_once_the_mail_server_is_back_and_told_no_more_than_they_need() {
    let (site, mailbox) = (Site::start(NO_PAGES).await, Mailbox::start(Reception::HangUp).await);
    let url = mailbox.url();
    let mail = [
        ("SMTP_URL", url.as_str()),
        ("MAIL_FROM", "Omniops <bot@omniops.example>"),
    ];
    let world = World::with(&site, &mail, None).await;
    let customer = set(&world, json!({ "handoff": { "email": "people@shop.example" } })).await;
    let first = wish(
        &world,
        &customer,
        "I need to talk to a human\r\n.\r\nBcc: victim@other.example",
    )
    .await;
    execute(
        &world,
        "UPDATE visitors SET email = 'vera@visitor.example', locale = 'de'",
    )
    .await;
    let worker = world.worker();
    eventually("a try that fails", || async {
        Some(()).filter(|()| mailbox.refused() > 0)
    })
    .await;
    eventually("another try to be planned", || async {
        (jobs(&world, "mail_handoff", "state = 'scheduled' AND attempts = 1").await == 1).then_some(())
    })
    .await;

    mailbox.set(Reception::Take);
    hurry(&world).await;
    let mail = eventually("the mail", || async { mailbox.taken().pop() }).await;
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("bot@omniops.example", &["people@shop.example".to_owned()][..])
    );
    let (head, body) = mail.text.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains("Auto-Submitted: auto-generated") && head.contains("text/plain"),
        "{head}"
    );
    assert!(!head.contains("victim") && !head.contains("Bcc"), "{head}");
    let body = body.replace("=\r\n", "").replace("=3D", "=");
    let page = format!("/admin/conversations/{first}?customer_id={}", customer.id);
    assert!(body.contains(&page), "{body}");
    assert!(
        body.contains(&first.to_string()) && body.contains("left an address") && body.contains("writes German"),
        "{body}"
    );
    assert!(!mail.text.contains("vera@"), "{body}");
    eventually("the job's end", || async {
        (jobs(&world, "mail_handoff", "state = 'done'").await == 1).then_some(())
    })
    .await;

    // The next one within a minute waits for its turn, and nobody is told of twice.
    let second = wish(&world, &customer, "human please").await;
    eventually("the second mail to be put off", || async {
        (jobs(
            &world,
            "mail_handoff",
            "state = 'scheduled' AND attempts = 0 AND run_at > now()",
        )
        .await
            == 1)
            .then_some(())
    })
    .await;
    assert_eq!(mailbox.taken().len(), 1);
    execute(
        &world,
        "UPDATE conversations SET notified_at = now() - interval '2 minutes' WHERE notified_at IS NOT NULL",
    )
    .await;
    execute(
        &world,
        "UPDATE jobs SET run_at = now() WHERE state = 'scheduled' AND payload->>'task' = 'mail_handoff'",
    )
    .await;
    eventually("the second mail", || async {
        (mailbox.taken().len() == 2).then_some(())
    })
    .await;
    let text = mailbox.taken()[1].text.clone();
    assert!(
        text.contains(&second.to_string()) && !text.contains(&first.to_string()),
        "{text}"
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_recipient_that_does_not_exist_is_not_tried_again() {
    let (site, mailbox) = (Site::start(NO_PAGES).await, Mailbox::start(Reception::NoSuchUser).await);
    let url = mailbox.url();
    let mail = [("SMTP_URL", url.as_str()), ("MAIL_FROM", "bot@omniops.example")];
    let world = World::with(&site, &mail, None).await;
    let customer = set(&world, json!({ "contact_email": "gone@shop.example" })).await;
    wish(&world, &customer, "agent").await;
    let worker = world.worker();
    eventually("the refusal", || async {
        (jobs(
            &world,
            "mail_handoff",
            "state = 'failed' AND error->>'code' = 'mail_refused'",
        )
        .await
            == 1)
            .then_some(())
    })
    .await;
    assert_eq!(mailbox.refused(), 1);
    worker.stop().await;
}

/// A webhook for everything to this receiver, whether or not it may be sent to; returns its id and its secret's bytes.
async fn webhook(world: &World, receiver: &Receiver) -> (Uuid, Vec<u8>) {
    let envelopes = Envelopes::new(&world.kit.config.security.keys);
    let new = NewWebhook {
        url: receiver.url(),
        events: webhooks::kinds().iter().map(|kind| (*kind).to_owned()).collect(),
    };
    let tx = world.tx().await;
    let (row, secret) = webhooks::create(&tx, &envelopes, &new, BY).await.unwrap();
    tx.commit().await.unwrap();
    (row.id, STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap())
}

async fn deliveries(world: &World, webhook: Uuid) -> Vec<webhooks::Delivery> {
    webhooks::deliveries(&world.tx().await, webhook, None, 100)
        .await
        .unwrap()
}

async fn allowed(site: &Site, receiver: &Receiver) -> World {
    let allow = format!("{},{}", site.host(), receiver.host());
    World::with(site, &[("OMNIOPS_EGRESS_ALLOW", &allow)], None).await
}

#[tokio::test]
async fn a_webhook_is_signed_tried_again_with_the_same_id_and_replayed() {
    let (site, receiver) = (Site::start(NO_PAGES).await, Receiver::start().await);
    let world = allowed(&site, &receiver).await;
    let (hook, secret) = webhook(&world, &receiver).await;
    receiver.answer(500, &[]);
    let conversation = wish(&world, &world.customer, "Can I talk to a person, please?").await;
    let worker = world.worker();
    eventually("the first tries", || async {
        let all = deliveries(&world, hook).await;
        (all.len() == 2
            && all
                .iter()
                .all(|d| d.attempts >= 1 && d.state == "pending" && d.status == Some(500)))
        .then_some(())
    })
    .await;
    receiver.answer(204, &[]);
    let all = eventually("both to be taken", || async {
        // Each time: a try that has just failed is not planned again yet.
        hurry(&world).await;
        let all = deliveries(&world, hook).await;
        all.iter().all(|d| d.state == "delivered").then_some(all)
    })
    .await;
    assert!(
        all.iter()
            .all(|d| d.attempts >= 2 && d.delivered_at.is_some() && d.error.is_none()),
        "{all:?}"
    );
    let kinds: Vec<&str> = all.iter().rev().map(|d| d.kind.as_str()).collect();
    assert_eq!(kinds, ["handoff.requested", "handoff.message"]);

    let sent = receiver.received();
    let tries: i32 = all.iter().map(|d| d.attempts).sum();
    assert_eq!(sent.len(), tries as usize);
    for request in &sent {
        let (id, at) = (request.header("webhook-id"), request.header("webhook-timestamp"));
        assert_eq!(
            request.header("webhook-signature"),
            webhooks::sign(&secret, id, at, &request.body)
        );
        assert!(all.iter().any(|d| d.id.to_string() == id));
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body["data"]["conversation_id"], conversation.to_string());
        assert!(
            !request.body.contains("talk to a person"),
            "no words of visitors: {}",
            request.body
        );
    }

    let last = all[0].id;
    let tx = world.tx().await;
    webhooks::replay(&tx, hook, last).await.unwrap();
    assert_eq!(
        webhooks::replay(&tx, Uuid::nil(), last).await.unwrap_err().code(),
        "not_found"
    );
    tx.commit().await.unwrap();
    world.kit.dispatcher.wake();
    eventually("the replay", || async {
        (receiver.received().len() == sent.len() + 1).then_some(())
    })
    .await;
    let again = receiver.received().pop().unwrap();
    assert_eq!(again.header("webhook-id"), last.to_string());
    worker.stop().await;
}

#[tokio::test]
async fn what_a_receiver_answers_decides_about_further_tries() {
    let (site, receiver) = (Site::start(NO_PAGES).await, Receiver::start().await);
    let world = allowed(&site, &receiver).await;
    let (hook, _) = webhook(&world, &receiver).await;
    let worker = world.worker();
    let answered = async |status: u16, headers: &[(&str, &str)], rule: &'static str| {
        receiver.answer(status, headers);
        execute(&world, "DELETE FROM webhook_deliveries").await;
        execute(&world, "DELETE FROM jobs").await;
        wish(&world, &world.customer, "agent").await;
        eventually(rule, || async {
            let query = format!("SELECT count(*) FROM jobs WHERE payload->'task' ? 'deliver_webhook' AND {rule}");
            (world.kit.count(&query).await == 2).then_some(())
        })
        .await;
    };
    answered(410, &[], "state = 'failed' AND error->>'code' = 'webhook_gone'").await;
    assert!(deliveries(&world, hook).await.iter().all(|d| d.state == "failed"));
    answered(
        429,
        &[("retry-after", "600")],
        "state = 'scheduled' AND run_at > now() + interval '500 seconds'",
    )
    .await;
    // A redirect is no way around the guard.
    answered(
        302,
        &[("location", "http://169.254.169.254/")],
        "state = 'scheduled' AND error->>'code' = 'receiver_unavailable'",
    )
    .await;
    worker.stop().await;
}

#[tokio::test]
async fn a_url_that_leads_inside_is_refused_when_it_is_sent_to_as_well() {
    let (site, receiver) = (Site::start(NO_PAGES).await, Receiver::start().await);
    // The operator has allowed it once, and does no longer.
    let world = World::around(&site).await;
    let (hook, _) = webhook(&world, &receiver).await;
    wish(&world, &world.customer, "agent").await;
    let worker = world.worker();
    let all = eventually("the refusals", || async {
        let all = deliveries(&world, hook).await;
        all.iter().all(|d| d.state == "failed").then_some(all)
    })
    .await;
    assert!(all.iter().all(|d| d.status.is_none()), "{all:?}");
    assert_eq!(receiver.received().len(), 0);
    worker.stop().await;
}

#[tokio::test]
async fn old_conversations_go_and_young_ones_stay() {
    let site = Site::start(NO_PAGES).await;
    let world = World::around(&site).await;
    let (old, young) = (
        wish(&world, &world.customer, "agent").await,
        wish(&world, &world.customer, "human").await,
    );
    execute(
        &world,
        &format!("UPDATE conversations SET updated_at = now() - interval '91 days' WHERE id = '{old}'"),
    )
    .await;
    execute(&world, "UPDATE visitors SET created_at = now() - interval '100 days'").await;
    let purged = people::purge(&world.kit.db).await.unwrap();
    assert_eq!((purged.conversations, purged.visitors), (1, 1));
    assert_eq!(
        world
            .kit
            .count(&format!(
                "SELECT count(*) FROM messages WHERE conversation_id = '{young}'"
            ))
            .await,
        1
    );
    set(&world, json!({ "retention_days": 2 })).await;
    execute(
        &world,
        "UPDATE conversations SET updated_at = now() - interval '3 days'",
    )
    .await;
    assert_eq!(people::purge(&world.kit.db).await.unwrap().conversations, 1);
    assert_eq!(world.kit.count("SELECT count(*) FROM conversation_events").await, 0);
}

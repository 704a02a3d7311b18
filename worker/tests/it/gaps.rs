//! Questions that the site did not answer, from the conversation to the page that answers them.
use crate::support::{World, link, words};
use domain::{
    answering::{Answerer, Question},
    jobs::{self, MaintenanceTask, NewJob, Operator, Payload},
    learning::gaps::{self, Filter, Gap, State},
    pages::request::ScrapeRequest,
    people::{self, Feedback},
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::Value;
use testkit::{Page, Site, eventually, local_model};
use uuid::Uuid;

const BY: Operator<'static> = Operator {
    actor: "key:1",
    ip: None,
};

pub(super) async fn shop(model: bool) -> (Site, World) {
    let start = format!("{}{}", words("kayaks"), link("/shipping"));
    let site = Site::start([
        ("/", Page::html("Kayaks", &start)),
        (
            "/shipping",
            Page::html(
                "Shipping",
                "<h2>How long does delivery take?</h2><p>Parcels within Norway arrive after three days.</p>",
            ),
        ),
    ])
    .await;
    let model = if model { Some(local_model().await) } else { None };
    let world = World::with(&site, &[], model).await;
    world.without_the_clock().await;
    (site, world)
}

/// What a visitor is answered; the message's id, and whether it was refused.
async fn ask(world: &World, session: Uuid, text: &str) -> (Uuid, bool) {
    let answerer = Answerer::new(&world.kit.db, world.searcher.clone(), &world.kit.config.model).unwrap();
    let question = Question {
        session,
        text: text.into(),
        locale: None,
    };
    let answer = answerer.answer(&world.customer, &question, None).await.unwrap();
    (answer.message, answer.refused())
}

pub(super) async fn refused(world: &World, text: &str) -> Uuid {
    let (message, refused) = ask(world, Uuid::now_v7(), text).await;
    assert!(refused, "{text}");
    message
}

pub(super) async fn job(world: &World, task: MaintenanceTask) -> Value {
    let tx = world.tx().await;
    let payload = Payload::Maintenance { task };
    let made = jobs::submit(&*tx, &NewJob::new(world.customer.id, payload))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let id = made.id;
    world.kit.dispatcher.dispatch(&[made]).await;
    let done = world.ended(id).await;
    assert_eq!(done.state, "done", "{:?}", done.error);
    done.result.unwrap()
}

async fn list(world: &World, state: Option<State>) -> Vec<Gap> {
    let filter = Filter {
        state,
        ..Filter::default()
    };
    gaps::list(&world.tx().await, filter, None, 100).await.unwrap()
}

async fn execute(world: &World, statement: &str) {
    let tx = world.kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, statement))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_gathers_its_questions_and_is_closed_by_the_page_that_answers_them() {
    let (site, world) = shop(true).await;
    let worker = world.worker();
    let request = ScrapeRequest::of(site.url("/"));
    world.crawl(&request).await;
    for question in [
        "Do you repair broken paddles?",
        "Do you repair broken paddles? ann@mail.example, +47 22 33 44 55",
        "Can you repair my broken paddle?",
        "Is there parking for buses at your place?",
    ] {
        refused(&world, question).await;
    }
    let done = job(&world, MaintenanceTask::Gaps).await;
    assert_eq!((&done["questions"], &done["gaps"]), (&4.into(), &2.into()), "{done}");
    let found = list(&world, None).await;
    assert_eq!(
        (found[0].count, found[0].refused, found[0].week, found[0].week_before),
        (3, 3, 3, 0)
    );
    assert_eq!(found[0].question, "Do you repair broken paddles?");
    let others = [
        "Can you repair my broken paddle?",
        "Do you repair broken paddles? [e-mail], [number]",
    ];
    assert_eq!(found[0].examples, others);
    assert_eq!(
        (found[0].state.as_str(), found[0].language.as_deref()),
        ("open", Some("en"))
    );
    assert!(
        found[0].nearest[0]["url"].as_str().unwrap().starts_with(&site.url("/")),
        "{:?}",
        found[0].nearest
    );
    assert_eq!(found[1].question, "Is there parking for buses at your place?");
    let kept = "SELECT count(*) FROM question_gap_members WHERE question LIKE '%ann@%' OR question LIKE '%22 33%'";
    assert_eq!(world.kit.count(kept).await, 0);

    // Asked again, nothing is new.
    let again = job(&world, MaintenanceTask::Gaps).await;
    assert_eq!(
        (&again["questions"], &again["gaps"], &again["resolved"]),
        (&0.into(), &0.into(), &0.into())
    );

    // A page that answers closes the gap by itself.
    let more = format!("{}{}{}", words("kayaks"), link("/shipping"), link("/repairs"));
    site.set("/", Page::html("Kayaks", &more));
    let repairs =
        "<h2>Do you repair broken paddles?</h2><p>Yes, we repair broken paddles in our workshop within a week.</p>";
    site.set("/repairs", Page::html("Repairs", repairs));
    world.crawl(&request).await;
    let gap = eventually("the gap to be closed", || async {
        list(&world, Some(State::Resolved)).await.into_iter().next()
    })
    .await;
    assert_eq!(
        (gap.id, gap.resolved_by.as_ref().unwrap()["url"].as_str()),
        (found[0].id, Some(site.url("/repairs").as_str()))
    );
    assert!(gap.resolved_at.is_some());
    assert_eq!(list(&world, Some(State::Open)).await.len(), 1);

    // When the page is gone, the gap is open again.
    let tx = world.tx().await;
    let page = gap.resolved_by.unwrap()["page_id"].as_str().unwrap().parse().unwrap();
    domain::pages::removal::delete(&tx, page).await.unwrap();
    tx.commit().await.unwrap();
    let done = job(&world, MaintenanceTask::Gaps).await;
    assert_eq!(done["reopened"], 1, "{done}");
    assert_eq!(list(&world, Some(State::Open)).await.len(), 2);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thumbs_down_make_gaps_and_taken_back_they_make_none() {
    let (site, world) = shop(true).await;
    let worker = world.worker();
    world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    let session = Uuid::now_v7();
    let (message, was_refused) = ask(&world, session, "How long does delivery take?").await;
    assert!(!was_refused);
    let rate = async |feedback| {
        let tx = world.tx().await;
        people::rate(&tx, &world.customer, message, session, feedback, None)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    };
    rate(Feedback::Down).await;
    job(&world, MaintenanceTask::Gaps).await;
    let found = list(&world, None).await;
    assert_eq!((found.len(), found[0].count, found[0].refused), (1, 1, 0));

    // The same page in the same version does not answer it any better, whatever else changes.
    execute(&world, "UPDATE customer_configs SET index_version = index_version + 1").await;
    job(&world, MaintenanceTask::Gaps).await;
    assert_eq!(list(&world, None).await[0].state, "open");
    let better = "<h2>How long does delivery take?</h2><p>Parcels within Norway arrive after three days, to Sweden after five.</p>";
    site.set("/shipping", Page::html("Shipping", better));
    world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    eventually("the gap to be closed", || async {
        list(&world, Some(State::Resolved)).await.into_iter().next()
    })
    .await;

    rate(Feedback::Withdrawn).await;
    job(&world, MaintenanceTask::Gaps).await;
    assert!(list(&world, None).await.is_empty());
    assert_eq!(world.kit.count("SELECT count(*) FROM question_gaps").await, 0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_that_is_set_aside_stays_so_and_what_visitors_said_goes_with_them() {
    let (site, world) = shop(false).await;
    let worker = world.worker();
    world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    refused(&world, "Which colours do helmets have?").await;
    job(&world, MaintenanceTask::Gaps).await;
    let gap = list(&world, None).await.remove(0);
    let set = async |to| {
        let tx = world.tx().await;
        let gap = gaps::set(&tx, gap.id, to, BY).await.unwrap();
        tx.commit().await.unwrap();
        gap
    };
    assert_eq!(set(State::Ignored).await.state, "ignored");
    // Without a model the same words are the same question.
    refused(&world, "which colours do HELMETS have").await;
    refused(&world, "Which sizes do helmets have?").await;
    job(&world, MaintenanceTask::Gaps).await;
    let found = list(&world, None).await;
    assert_eq!(
        (found.len(), found[0].id, found[0].count, found[0].state.as_str()),
        (2, gap.id, 2, "ignored")
    );
    assert_eq!(set(State::Open).await.state, "open");
    let tx = world.tx().await;
    assert_eq!(
        gaps::set(&tx, gap.id, State::Resolved, BY).await.unwrap_err().code(),
        "invalid_request"
    );
    drop(tx);
    let audit = "SELECT count(*) FROM audit_logs WHERE action IN ('gap.ignored', 'gap.reopened')";
    assert_eq!(world.kit.count(audit).await, 2);

    // The first visitor is forgotten: the second one's words stand for the gap. When both are, it is gone.
    let forget = "DELETE FROM conversations WHERE id = (SELECT conversation_id FROM messages m JOIN question_gap_members g ON g.message_id = m.id
        WHERE g.gap_id = '{gap}' ORDER BY g.asked_at LIMIT 1)"
        .replace("{gap}", &gap.id.to_string());
    execute(&world, &forget).await;
    let left = list(&world, None)
        .await
        .into_iter()
        .find(|left| left.id == gap.id)
        .unwrap();
    assert_eq!(
        (left.question.as_str(), left.count),
        ("which colours do HELMETS have", 1)
    );
    execute(&world, &forget).await;
    assert!(list(&world, None).await.iter().all(|left| left.id != gap.id));
    job(&world, MaintenanceTask::Gaps).await;
    assert_eq!(world.kit.count("SELECT count(*) FROM question_gaps").await, 1);
    assert_eq!(world.kit.count("SELECT count(*) FROM question_gap_members").await, 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_finds_who_has_something_to_learn_and_nobody_else() {
    let (site, world) = shop(false).await;
    let other = world.kit.customer("other.example").await;
    let worker = world.worker();
    world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    refused(&world, "Which colours do helmets have?").await;
    let tx = world.kit.db.system().await.unwrap();
    let learn = Payload::Maintenance {
        task: MaintenanceTask::Learn,
    };
    let made = jobs::submit(&*tx, &NewJob::system(learn)).await.unwrap();
    tx.commit().await.unwrap();
    world.kit.dispatcher.dispatch(&[made]).await;
    eventually("the gap", || async {
        (list(&world, None).await.len() == 1).then_some(())
    })
    .await;
    let of_other = format!("SELECT count(*) FROM jobs WHERE customer_id = '{}'", other.id);
    assert_eq!(world.kit.count(&of_other).await, 0);
    assert!(
        gaps::list(&world.kit.db.tenant(&other).await.unwrap(), Filter::default(), None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    worker.stop().await;
}

/// A page is near, and was edited, but does not hold what is asked for: a visitor without a model is still refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_gap_stays_open_where_a_page_is_near_and_a_visitor_would_still_be_refused() {
    const QUESTION: &str = "How long does the repair of a broken paddle take?";
    let (site, world) = shop(true).await;
    let more = format!("{}{}{}", words("kayaks"), link("/shipping"), link("/repairs"));
    site.set("/", Page::html("Kayaks", &more));
    let repairs = |more: &str| {
        let text =
            format!("<h2>Repair of broken paddles</h2><p>We repair a broken paddle in our own workshop. {more}</p>");
        Page::html("Repairs", &text)
    };
    site.set("/repairs", repairs("Bring it to the counter."));
    let worker = world.worker();
    let request = ScrapeRequest::of(site.url("/"));
    world.crawl(&request).await;
    refused(&world, QUESTION).await;
    job(&world, MaintenanceTask::Gaps).await;
    assert_eq!(list(&world, Some(State::Open)).await.len(), 1);

    site.set("/repairs", repairs("Bring it to the counter in the yard."));
    world.crawl(&request).await;
    let done = job(&world, MaintenanceTask::Gaps).await;
    assert_eq!(list(&world, Some(State::Open)).await.len(), 1, "{done}");

    site.set("/repairs", repairs("The repair of a broken paddle takes two weeks."));
    world.crawl(&request).await;
    eventually("the gap to be closed", || async {
        list(&world, Some(State::Resolved)).await.into_iter().next()
    })
    .await;
    worker.stop().await;
}

//! Crawls of sites with golden questions: nothing of them is seen before the questions have been asked of all of it.
use crate::support::{World, link, words};
use domain::{
    jobs::{self, Operator, Submitted, state},
    learning::golden::{self, Change, RunRow},
    pages::request::{self, ScrapeRequest},
    retrieval::Mode,
};
use entity::job;
use serde_json::Value;
use std::time::Duration;
use testkit::{Page, Site, eventually, local_model};
use uuid::Uuid;

const BY: Operator<'static> = Operator {
    actor: "key:1",
    ip: None,
};
const RETURNS: &str = "Goods can be returned within 60 days after purchase.";
const QUESTION: &str = "Within how many days can goods be returned?";
const CLOSED: &str = "Stocktaking happens here at the moment, please look in again tomorrow.";

fn returns(text: &str) -> Page {
    Page::html("Returns", &format!("<p>{text}</p>"))
}

/// A shop with pages about returns and shipping, crawled before it had golden questions.
struct Shop {
    site: Site,
    world: World,
    request: ScrapeRequest,
}

impl Shop {
    async fn crawled() -> Self {
        let start = format!("{}{}{}", words("the whole shop"), link("/returns"), link("/shipping"));
        let site = Site::start([
            ("/", Page::html("Shop", &start)),
            ("/returns", returns(RETURNS)),
            (
                "/shipping",
                Page::html("Shipping", "<p>Parcels travel 3 days to Norway.</p>"),
            ),
        ])
        .await;
        let world = World::around(&site).await;
        world.without_the_clock().await;
        let request = ScrapeRequest::of(site.url("/"));
        let worker = world.worker();
        world.crawl(&request).await;
        worker.stop().await;
        Self { site, world, request }
    }

    async fn golden(&self, question: &str, path: &str, phrases: &[&str]) -> Uuid {
        golden_question(&self.world, question, &self.site.url(path), phrases).await
    }

    /// The site as it was, but for the page about returns, which says nothing any more, and other news.
    fn breaks(&self) {
        self.site
            .set("/returns", Page::html("Closed", &format!("<p>{CLOSED}</p>")));
        let shipping = "<p>Parcels travel 4 days to Norway.</p>";
        self.site.set("/shipping", Page::html("Delivery", shipping));
    }
}

async fn golden_question(world: &World, question: &str, url: &str, phrases: &[&str]) -> Uuid {
    let new = Change {
        question: Some(question.into()),
        urls: Some(vec![url.into()]),
        phrases: Some(phrases.iter().map(|&phrase| phrase.to_owned()).collect()),
    };
    let tx = world.tx().await;
    let made = golden::create(&tx, &new, BY).await.unwrap();
    tx.commit().await.unwrap();
    made.id
}

/// Titles and texts that answers are made from, best first.
async fn found(world: &World, question: &str) -> Vec<(String, String)> {
    let search = world
        .searcher
        .search(&world.customer, question, Mode::Hybrid, 10)
        .await
        .unwrap();
    let told = search.passages.into_iter().filter(|passage| passage.lexical > 0.0);
    told.map(|passage| (passage.title, passage.text)).collect()
}

async fn first(world: &World, question: &str) -> (String, String) {
    found(world, question).await.into_iter().next().unwrap_or_default()
}

async fn held(world: &World, id: Uuid) -> job::Model {
    eventually("the crawl to be held or to end", || async {
        let job = world.job(id).await;
        (job.state == state::NEEDS_CONFIRMATION || state::is_final(&job.state)).then_some(job)
    })
    .await
}

async fn runs(world: &World) -> Vec<RunRow> {
    golden::runs(&world.tx().await, None, 100).await.unwrap()
}

async fn index_version(world: &World) -> i64 {
    world.kit.count("SELECT index_version FROM customer_configs").await
}

async fn staged(world: &World) -> i64 {
    world
        .kit
        .count("SELECT (SELECT count(*) FROM staged_pages) + (SELECT count(*) FROM staged_chunks)")
        .await
}

async fn confirm(world: &World, id: Uuid) -> Value {
    let tx = world.tx().await;
    jobs::confirm(&tx, id, BY).await.unwrap();
    tx.commit().await.unwrap();
    let done = world.ended(id).await;
    assert_eq!(done.state, "done", "{:?}", done.error);
    done.result.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_that_loses_a_golden_answer_is_held_and_shown_when_it_is_confirmed() {
    let shop = Shop::crawled().await;
    let world = &shop.world;
    let id = shop.golden(QUESTION, "/returns", &["60 days"]).await;
    shop.breaks();
    let before = index_version(world).await;
    let worker = world.worker();
    let crawl = world.ask(&shop.request).await;
    let job = held(world, crawl).await;
    assert_eq!(job.state, state::NEEDS_CONFIRMATION, "{:?}", job.error);
    let result = job.result.unwrap();
    let lost = &result["held"]["golden"];
    assert_eq!(lost.as_array().map(Vec::len), Some(1), "{result}");
    assert_eq!(
        (&lost[0]["id"], &lost[0]["question"]),
        (&id.to_string().into(), &QUESTION.into())
    );
    assert_eq!(
        (&lost[0]["rank_before"], &lost[0]["missing"][0]),
        (&1.into(), &"60 days".into())
    );
    let reason = result["held"]["reason"].as_str().unwrap();
    assert_eq!(
        reason,
        "1 of 1 golden questions would not be answered as expected any more"
    );
    assert_eq!(
        (&result["staged"]["pages"], &result["changed"]),
        (&2.into(), &2.into()),
        "{result}"
    );
    assert_eq!(
        (
            &result["golden"]["before"]["passed"],
            &result["golden"]["after"]["passed"]
        ),
        (&1.into(), &0.into())
    );

    // Nothing of the crawl is seen, not even a title.
    assert_eq!(first(world, "goods returned").await, ("Returns".into(), RETURNS.into()));
    let shipping = ("Shipping".to_owned(), "Parcels travel 3 days to Norway.".to_owned());
    assert_eq!(first(world, "parcels norway").await, shipping);
    assert!(found(world, "stocktaking").await.is_empty());
    assert_eq!(index_version(world).await, before);
    let kept = runs(world).await;
    assert_eq!(
        (kept.len(), kept[0].staged, kept[0].published, kept[0].passed),
        (1, true, false, 0),
        "{kept:?}"
    );
    assert_eq!((kept[0].job_id, kept[0].cause.as_str()), (Some(crawl), "crawl"));

    let result = confirm(world, crawl).await;
    assert_eq!(result["golden"]["lost"][0]["question"], QUESTION, "{result}");
    assert!(
        found(world, "goods returned")
            .await
            .iter()
            .all(|(_, text)| text != RETURNS)
    );
    assert_eq!(first(world, "stocktaking").await, ("Closed".into(), CLOSED.into()));
    assert_eq!(first(world, "parcels norway").await.0, "Delivery");
    assert!(index_version(world).await > before);
    assert_eq!(staged(world).await, 0);
    let kept = runs(world).await;
    let of_crawl: Vec<&RunRow> = kept.iter().filter(|run| run.job_id == Some(crawl)).collect();
    assert_eq!(
        (of_crawl.len(), of_crawl[0].published),
        (1, true),
        "the run of a job is told once"
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_that_keeps_the_golden_answers_is_shown_without_asking() {
    let shop = Shop::crawled().await;
    let world = &shop.world;
    shop.golden(QUESTION, "/returns", &[]).await;
    shop.golden("What does nobody sell on the moon?", "/shipping", &[])
        .await;
    let moved = "Returned goods are refunded when they come back within 60 days after purchase.";
    let more = format!("<p>{moved}</p>{}", link("/new"));
    shop.site.set("/returns", Page::html("Returns", &more));
    shop.site.set(
        "/new",
        Page::html("Novelties", "<p>Umbrellas are sold from this spring on.</p>"),
    );
    let worker = world.worker();
    let (_, result) = world.crawl(&shop.request).await;
    assert_eq!((&result["new"], &result["changed"]), (&1.into(), &1.into()), "{result}");
    // What did not pass before can't be lost.
    assert_eq!(
        (
            &result["golden"]["after"]["passed"],
            &result["golden"]["after"]["questions"]
        ),
        (&1.into(), &2.into())
    );
    assert_eq!(first(world, "goods refunded").await.1, moved);
    assert_eq!(first(world, "umbrellas").await.0, "Novelties");
    assert_eq!(staged(world).await, 0);
    // An unchanged site changes nothing.
    let before = index_version(world).await;
    let (_, again) = world.crawl(&shop.request).await;
    assert_eq!(
        (&again["unchanged"], &again["chunks"]),
        (&4.into(), &0.into()),
        "{again}"
    );
    assert_eq!(index_version(world).await, before);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_held_crawl_staged_is_forgotten_when_it_is_cancelled_and_staged_again_by_the_next() {
    let shop = Shop::crawled().await;
    let world = &shop.world;
    let id = shop.golden(QUESTION, "/returns", &[]).await;
    shop.breaks();
    let worker = world.worker();
    let crawl = world.ask(&shop.request).await;
    assert_eq!(held(world, crawl).await.state, state::NEEDS_CONFIRMATION);
    let tx = world.tx().await;
    jobs::cancel(&tx, crawl).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(staged(world).await, 0);
    assert_eq!(first(world, "goods returned").await.1, RETURNS);

    // The site has not changed since it was fetched, and still its pages wait.
    let again = world.ask(&shop.request).await;
    let job = held(world, again).await;
    assert_eq!(job.state, state::NEEDS_CONFIRMATION);
    assert_eq!(job.result.unwrap()["staged"]["pages"], 2);

    // A new crawl takes the place of one that is held; the mended site passes.
    shop.site.set("/returns", returns(RETURNS));
    let (_, result) = world.crawl(&shop.request).await;
    assert_eq!(world.job(again).await.state, state::CANCELLED);
    assert_eq!(result["golden"]["lost"].as_array().map(Vec::len), Some(0), "{result}");
    assert_eq!(first(world, "goods returned").await, ("Returns".into(), RETURNS.into()));
    assert_eq!(first(world, "parcels norway").await.0, "Delivery");

    // Without golden questions crawls are shown as they go, whatever they bring.
    let tx = world.tx().await;
    golden::remove(&tx, id, BY).await.unwrap();
    tx.commit().await.unwrap();
    shop.breaks();
    let (_, result) = world.crawl(&shop.request).await;
    assert!(result.get("golden").is_none(), "{result}");
    assert_eq!(first(world, "stocktaking").await.0, "Closed");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tolerated_loss_holds_nothing() {
    let shop = Shop::crawled().await;
    let world = &shop.world;
    shop.golden(QUESTION, "/returns", &[]).await;
    shop.golden("How many days do parcels travel to Norway?", "/shipping", &[])
        .await;
    let tx = world.tx().await;
    let set = "UPDATE customer_configs SET settings = '{\"golden_tolerance\": 0.5}'";
    let set = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, set);
    sea_orm::ConnectionTrait::execute_raw(&*tx, set).await.unwrap();
    tx.commit().await.unwrap();
    shop.breaks();
    let worker = world.worker();
    let (_, result) = world.crawl(&shop.request).await;
    assert_eq!(result["golden"]["lost"].as_array().map(Vec::len), Some(1), "{result}");
    assert_eq!(result["golden"]["before"]["passed"], 2, "{result}");
    worker.stop().await;
}

/// Pages enough for embed jobs while the crawl goes on, which takes a while.
fn big(pages: usize, says: &str) -> Vec<(String, Page)> {
    let links: String = (0..pages).map(|n| link(&format!("/p{n}"))).collect();
    let start = Page::html("Shop", &format!("{}{links}", words("the whole shop")));
    let page = |n: usize| {
        let own = format!("<p>Thing number{n} is {says} and costs nothing at all.</p>");
        Page::html(&format!("Thing {n}"), &own).delay(Duration::from_millis(if n < 30 { 5 } else { 700 }))
    };
    let rest = (0..pages).map(|n| (format!("/p{n}"), page(n)));
    std::iter::once(("/".to_owned(), start)).chain(rest).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_that_changes_hands_shows_nothing_of_itself_before_its_end() {
    let site = Site::start(big(50, "green")).await;
    let world = World::around(&site).await;
    let request = ScrapeRequest::of(site.url("/"));
    let worker = world.worker();
    world.crawl(&request).await;
    golden_question(&world, "Does thing number7 cost nothing?", &site.url("/p7"), &[]).await;
    let version = index_version(&world).await;
    for (path, page) in big(50, "violet") {
        site.set(&path, page);
    }
    let crawl = world.ask(&request).await;
    eventually("staged chunks", || async { (staged(&world).await > 0).then_some(()) }).await;
    worker.stop().await;
    assert!(found(&world, "violet").await.is_empty());
    assert_eq!(index_version(&world).await, version);
    assert_ne!(world.job(crawl).await.state, "done");

    let worker = world.worker();
    let done = world.ended(crawl).await;
    assert_eq!(done.state, "done", "{:?}", done.error);
    assert!(found(&world, "green").await.is_empty());
    let old = "SELECT count(*) FROM page_embeddings WHERE strpos(text, 'green') > 0";
    let new = "SELECT count(*) FROM page_embeddings WHERE published AND strpos(text, 'violet') > 0";
    assert_eq!((world.kit.count(old).await, world.kit.count(new).await), (0, 50));
    assert_eq!(staged(&world).await, 0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_whose_last_golden_question_is_removed_is_shown_and_two_at_once_end() {
    let site = Site::start(big(45, "green")).await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let (one, two) = (ScrapeRequest::of(site.url("/")), ScrapeRequest::of(site.url("/p40")));
    world.crawl(&one).await;
    let id = golden_question(&world, "Does thing number7 cost nothing?", &site.url("/p7"), &[]).await;
    for (path, page) in big(45, "violet") {
        site.set(&path, page);
    }
    let (first_crawl, second) = (world.ask(&one).await, world.ask(&two).await);
    eventually("staged chunks", || async { (staged(&world).await > 0).then_some(()) }).await;
    let tx = world.tx().await;
    golden::remove(&tx, id, BY).await.unwrap();
    tx.commit().await.unwrap();
    for crawl in [first_crawl, second] {
        let done = world.ended(crawl).await;
        assert_eq!(done.state, "done", "{:?}", done.error);
    }
    assert!(found(&world, "green").await.is_empty());
    let new = "SELECT count(*) FROM page_embeddings WHERE published AND strpos(text, 'violet') > 0";
    assert_eq!(world.kit.count(new).await, 45);
    let waiting = "SELECT count(*) FROM scraped_pages WHERE tombstoned_at IS NULL AND duplicate_of IS NULL AND (indexed_version < version OR reindex)";
    assert_eq!((world.kit.count(waiting).await, staged(&world).await), (0, 0));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twins_and_retired_pages_change_with_the_rest_and_no_answer_is_lost_on_the_way() {
    let start = |more: &str| {
        let links = ["/guide", "/guide.en.html", "/old", "/other"].map(link).concat();
        Page::html("Shop", &format!("{}{links}{more}", words("the shop")))
    };
    let guide = "<p>Open the box and charge the battery before anything else.</p>";
    let site = Site::start([
        ("/", start("")),
        ("/guide", Page::html("Guide", guide)),
        ("/guide.en.html", Page::html("Guide", guide)),
        (
            "/old",
            Page::html("Old", "<p>Spoons of silver were sold until last winter.</p>"),
        ),
        ("/other", Page::html("Other", "<p>Lamps of brass hang in the hall.</p>")),
    ])
    .await;
    let world = World::with(&site, &[], Some(local_model().await)).await;
    let worker = world.worker();
    let request = ScrapeRequest::of(site.url("/"));
    world.crawl(&request).await;
    golden_question(
        &world,
        "Do I have to charge the battery before anything else?",
        &site.url("/guide.en.html"),
        &[],
    )
    .await;
    site.remove("/old");
    world.crawl(&request).await;

    // The page that spoke for its twin says something else now, another one becomes a twin, and one is gone for good.
    site.set(
        "/guide",
        Page::html("Imprint", "<p>Printed by the brothers Olsen in their workshop.</p>"),
    );
    site.set("/copy", Page::html("Other", "<p>Lamps of brass hang in the hall.</p>"));
    site.set("/", start(&link("/copy")));
    let (_, result) = world.crawl(&request).await;
    assert_eq!(result["golden"]["lost"].as_array().map(Vec::len), Some(0), "{result}");
    assert_eq!((&result["retired"], &result["new"]), (&1.into(), &1.into()), "{result}");
    assert_eq!(
        (
            &result["golden"]["before"]["passed"],
            &result["golden"]["after"]["passed"]
        ),
        (&1.into(), &1.into())
    );
    let search = async |question: &str| {
        let found = world
            .searcher
            .search(&world.customer, question, Mode::Hybrid, 10)
            .await
            .unwrap();
        let told = found.passages.into_iter().filter(|passage| passage.lexical > 0.5);
        told.map(|passage| passage.url.rsplit('/').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(search("charge the battery").await, ["guide.en.html"]);
    assert_eq!(search("brothers Olsen workshop").await, ["guide"]);
    assert_eq!(
        search("lamps of brass").await,
        ["copy"],
        "the shorter one speaks for both"
    );
    assert!(search("spoons of silver").await.is_empty());
    assert_eq!(staged(&world).await, 0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_somebody_asks_for_is_shown_at_once_and_the_rest_of_a_held_crawl_waits() {
    let shop = Shop::crawled().await;
    let world = &shop.world;
    shop.golden(QUESTION, "/returns", &[]).await;
    shop.breaks();
    let worker = world.worker();
    let crawl = world.ask(&shop.request).await;
    assert_eq!(held(world, crawl).await.state, state::NEEDS_CONFIRMATION);
    let tx = world.tx().await;
    let all = domain::pages::store::list(&tx, Some("shipping"), None, 10)
        .await
        .unwrap();
    let made = request::request_embed(&tx, Some(&[all[0].id]), jobs::NOW, false)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let ids: Vec<Uuid> = made.iter().map(|made: &Submitted| made.id).collect();
    world.kit.dispatcher.dispatch(&made).await;
    assert_eq!(world.ended(ids[0]).await.state, "done");
    assert_eq!(first(world, "parcels norway").await.0, "Delivery");
    assert_eq!(first(world, "goods returned").await.1, RETURNS);
    // A drift without a crawl is told by a run of its own.
    let run = eventually("a run after the change", || async {
        runs(world).await.into_iter().find(|run| run.cause == "change")
    })
    .await;
    assert_eq!((run.staged, run.published, run.passed), (false, true, 1));
    confirm(world, crawl).await;
    assert_eq!(first(world, "stocktaking").await.0, "Closed");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_crawl_whose_index_changed_its_model_is_staged_again_with_the_new_one() {
    let start = format!("{}{}", words("the shop"), link("/returns"));
    let site = Site::start([("/", Page::html("Shop", &start)), ("/returns", returns(RETURNS))]).await;
    let world = World::with(&site, &[], Some(local_model().await)).await;
    let worker = world.worker();
    let request = ScrapeRequest::of(site.url("/"));
    world.crawl(&request).await;
    golden_question(&world, QUESTION, &site.url("/returns"), &[]).await;
    site.set("/returns", returns(CLOSED));
    let crawl = world.ask(&request).await;
    assert_eq!(held(&world, crawl).await.state, state::NEEDS_CONFIRMATION);
    // As if it had been staged with another model than the index has now.
    let tx = world.kit.db.system().await.unwrap();
    let other =
        "UPDATE staged_chunks SET model_id = (SELECT id FROM embedding_models WHERE name = 'multilingual-e5-small')";
    let other = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, other);
    sea_orm::ConnectionTrait::execute_raw(&*tx, other).await.unwrap();
    tx.commit().await.unwrap();
    confirm(&world, crawl).await;
    assert_eq!(first(&world, "stocktaking").await.1, CLOSED);
    let mixed = "SELECT count(*) FROM page_embeddings e JOIN customer_configs c ON c.id = e.customer_id WHERE e.model_id IS DISTINCT FROM c.embedding_model_id";
    assert_eq!(world.kit.count(mixed).await, 0);
    worker.stop().await;
}

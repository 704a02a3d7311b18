//! What a crawl takes out of answers and what never gets into them, with a real worker.
use crate::support::{World, link, words};
use domain::{
    jobs::{self, Operator, state},
    pages::{request::ScrapeRequest, store},
    retrieval::Mode,
};
use entity::job;
use testkit::{Page, Site, eventually, local_model};
use uuid::Uuid;

const COOKIES: &str = "<div class=x1><p>We use cookies so that this website works better for you and for us.</p></div>";
const LETTER: &str =
    "<div class=x2><p>Subscribe to our newsletter and never miss an offer of the week again.</p></div>";
const STORY: &str =
    "<div class=x4><p>Every boat is still built by hand, the way our grandfather did it on this very island.</p></div>";
const ADDRESS: &str =
    "<div class=x3><p>Example Shop Limited, Harbour Street 12, Springfield, open from nine to five.</p></div>";

/// A start page that links to the others, and these, each about something of its own.
pub(super) fn shop(pages: usize, around: impl Fn(&str) -> String) -> Vec<(String, Page)> {
    let links: String = (0..pages).map(|n| link(&format!("/p{n}"))).collect();
    let mut all = vec![(
        "/".to_owned(),
        Page::html("Shop", &format!("{}{links}", words("the whole shop"))),
    )];
    for n in 0..pages {
        all.push((
            format!("/p{n}"),
            Page::html(&format!("Thing {n}"), &around(&words(&format!("thing{n}")))),
        ));
    }
    all
}

async fn found(world: &World, question: &str) -> Vec<String> {
    let search = world
        .searcher
        .search(&world.customer, question, Mode::Hybrid, 50)
        .await
        .unwrap();
    search
        .passages
        .into_iter()
        .filter(|passage| passage.lexical > 0.0)
        .map(|passage| format!("/{}", passage.url.splitn(4, '/').nth(3).unwrap()))
        .collect()
}

pub(super) async fn waits_for_a_person(world: &World, id: Uuid) -> job::Model {
    eventually("the crawl to be held", || async {
        Some(world.job(id).await).filter(|job| job.state == state::NEEDS_CONFIRMATION)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_stands_on_every_page_gets_into_one_chunk_and_the_answers_stay() {
    let mut pages = shop(12, |own| format!("{COOKIES}{own}{LETTER}{STORY}{ADDRESS}"));
    let faq = "<h2>How long does it take?</h2><p>Parcels take three days.</p><h2>Can I pay later?</h2><p>You can pay within a month.</p>";
    pages.push((
        "/faq".into(),
        Page::html("Questions", &format!("{COOKIES}{faq}{LETTER}{STORY}{ADDRESS}")),
    ));
    pages[0].1 = Page::html(
        "Shop",
        &format!(
            "{}{}{}{ADDRESS}",
            words("the shop"),
            link("/faq"),
            (0..12).map(|n| link(&format!("/p{n}"))).collect::<String>()
        ),
    );
    let site = Site::start(pages).await;
    let world = World::with(&site, &[], Some(local_model().await)).await;
    let worker = world.worker();
    let (_, first) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert_eq!(first["pages"], 14, "{first}");
    // Cookies and newsletters are known as furniture by their words; of what only the site repeats, one page keeps each.
    for (text, times) in [
        ("cookies", 0),
        ("newsletter", 0),
        ("Harbour Street", 1),
        ("grandfather", 1),
    ] {
        let query = format!("SELECT count(*) FROM page_embeddings WHERE strpos(text, '{text}') > 0");
        assert_eq!(world.kit.count(&query).await, times, "{text}");
    }
    assert_eq!(found(&world, "harbour street").await, ["/"]);
    // The others may be known as furniture by their words already.
    let stored = store::list(&world.tx().await, None, None, 20).await.unwrap();
    let kept = stored.iter().filter(|page| page.markdown.contains("grandfather"));
    assert_eq!(kept.count(), 13);
    assert_eq!(found(&world, "parcels").await[..], ["/faq"]);
    assert_eq!(found(&world, "thing7").await[..], ["/p7"]);

    let (_, second) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert_eq!(
        (&second["chunks"], &second["chunks_embedded"]),
        (&0.into(), &0.into()),
        "{second}"
    );

    // One more page with the same frame costs its own chunks only.
    site.set(
        "/p3",
        Page::html(
            "Thing 3",
            &format!("{COOKIES}{}{}{LETTER}{STORY}{ADDRESS}", words("thing3"), link("/new")),
        ),
    );
    site.set(
        "/new",
        Page::html(
            "Novelty",
            &format!("{COOKIES}{}{LETTER}{STORY}{ADDRESS}", words("novelties")),
        ),
    );
    let (_, third) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert_eq!(
        (&third["new"], &third["chunks_embedded"]),
        (&1.into(), &third["chunks"]),
        "{third}"
    );
    assert!(third["chunks"].as_i64() <= Some(2), "{third}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_that_would_lose_much_is_held_and_a_person_decides() {
    let site = Site::start(shop(20, str::to_owned)).await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let request = ScrapeRequest::of(site.url("/"));
    world.crawl(&request).await;
    for n in 0..8 {
        site.remove(&format!("/p{n}"));
    }
    let (_, first) = world.crawl(&request).await;
    assert_eq!((&first["gone"], &first["retired"]), (&8.into(), &0.into()), "{first}");
    site.set(
        "/p9",
        Page::html("Thing 9", &format!("{}{}", words("thing9"), link("/fresh"))),
    );
    site.set("/fresh", Page::html("Fresh", &words("something fresh")));

    let held = world.ask(&request).await;
    let job = waits_for_a_person(&world, held).await;
    let why = &job.result.unwrap()["held"];
    assert_eq!(
        (&why["lost"], &why["live"], &why["by_cause"]["gone"]),
        (&8.into(), &21.into(), &8.into()),
        "{why}"
    );
    assert_eq!(why["examples"].as_array().map(Vec::len), Some(8));
    assert_eq!(found(&world, "thing3").await, ["/p3"], "what would go answers");
    assert_eq!(found(&world, "fresh").await, ["/fresh"], "what is new answers as well");

    // Cancelled: nothing has happened, and the next run asks again.
    let tx = world.tx().await;
    jobs::cancel(&tx, held).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.pages().await.len(), 22);
    let again = world.ask(&request).await;
    assert_ne!(again, held);
    waits_for_a_person(&world, again).await;

    let tx = world.tx().await;
    let by = Operator {
        actor: "key:1",
        ip: None,
    };
    jobs::confirm(&tx, again, by).await.unwrap();
    tx.commit().await.unwrap();
    let done = world.ended(again).await;
    let result = done.result.unwrap();
    assert_eq!(
        (done.state.as_str(), &result["retired"]),
        ("done", &8.into()),
        "{result}"
    );
    assert!(found(&world, "thing3").await.is_empty());
    assert_eq!(world.pages().await.len(), 14);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_against_bots_takes_no_page_away() {
    let site = Site::start(shop(6, str::to_owned)).await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let request = ScrapeRequest::of(site.url("/"));
    world.crawl(&request).await;
    let wall = "<html><head><title>Just a moment...</title><meta name=robots content=noindex></head><body><p>Checking.</p></body></html>";
    for n in 0..6 {
        site.set(&format!("/p{n}"), Page::raw("text/html", wall));
    }
    for _ in 0..2 {
        let (id, result) = world.crawl(&request).await;
        assert_eq!(
            (&result["failed"], &result["retired"]),
            (&6.into(), &0.into()),
            "{result}"
        );
        assert!(world.decisions(id).await["/p1"].starts_with("failed: bot_wall"));
    }
    assert_eq!(found(&world, "thing4").await, ["/p4"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_page_under_two_addresses_is_embedded_and_cited_once() {
    let guide = "<h2>How do I begin?</h2><p>Open the box and read the first page of the guide.</p><h2>What if it breaks?</h2><p>Send it to our workshop in Springfield.</p>";
    let start = format!(
        "{}{}{}{}",
        words("the shop"),
        link("/guide.en.html"),
        link("/guide"),
        link("/other")
    );
    let site = Site::start([
        ("/", Page::html("Shop", &start)),
        ("/guide", Page::html("Guide", guide)),
        ("/guide.en.html", Page::html("Guide", guide)),
        // Another page with one section in common.
        ("/other", Page::html("Guide", "<h2>What if it breaks?</h2><p>Send it to our workshop in Springfield.</p><h2>Is there more?</h2><p>No, there is nothing more to know.</p>")),
    ])
    .await;
    let world = World::with(&site, &[], Some(local_model().await)).await;
    let worker = world.worker();
    let (_, first) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert_eq!(first["pages"], 4, "{first}");
    let (chunks, embedded) = (
        first["chunks"].as_i64().unwrap(),
        first["chunks_embedded"].as_i64().unwrap(),
    );
    assert_eq!(chunks, 1 + 2 + 2, "{first}");
    assert!(
        embedded < chunks,
        "one section was embedded once for two pages: {first}"
    );
    assert_eq!(
        world
            .kit
            .count("SELECT count(*) FROM page_embeddings WHERE embedding IS NULL")
            .await,
        0
    );
    let asked = found(&world, "workshop in springfield").await;
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(found(&world, "open the box").await, ["/guide"]);

    // The best one goes for good: the other answers without a new vector.
    site.remove("/guide");
    world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    let (_, last) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert_eq!(
        (&last["retired"], &last["chunks_embedded"]),
        (&1.into(), &0.into()),
        "{last}"
    );
    assert_eq!(found(&world, "open the box").await, ["/guide.en.html"]);
    worker.stop().await;
}

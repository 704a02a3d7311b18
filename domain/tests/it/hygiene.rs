//! What keeps answers clean: safe deletion, twins, and text that a site repeats.
use domain::{
    pages::{
        index::{self, Wanted},
        losses, record, removal,
        repeats::{self, When},
        request::{self, ScrapeRequest},
        store::{self, Change, Decision},
        twins,
    },
    retrieval::{Mode, Searcher},
    tenancy::{Customer, TenantTx},
};
use entity::page;
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};
use testkit::Kit;
use uuid::Uuid;

const SITE: &str = "https://a.example";

/// A customer's site in the store, without a crawler: runs and what they met are made by hand.
struct Shop {
    kit: Kit,
    customer: Customer,
    runs: AtomicUsize,
}

impl Shop {
    async fn open() -> Self {
        let kit = Kit::start().await;
        let customer = kit.customer("a.example").await;
        Self {
            kit,
            customer,
            runs: AtomicUsize::default(),
        }
    }

    async fn tx(&self) -> TenantTx {
        self.kit.db.tenant(&self.customer).await.unwrap()
    }

    /// A new run.
    async fn run(&self) -> Uuid {
        let tx = self.tx().await;
        let start = format!("{SITE}/{}", self.runs.fetch_add(1, Relaxed));
        let job = request::request_scrape(&tx, &ScrapeRequest::of(start))
            .await
            .unwrap()
            .id;
        tx.commit().await.unwrap();
        job
    }

    /// Stores pages as a run finds them.
    async fn find(&self, run: Uuid, pages: &[(&str, &str, &str)]) -> Vec<Uuid> {
        let tx = self.tx().await;
        let mut ids = Vec::new();
        for (path, title, markdown) in pages {
            let stored = save(&tx, path, title, markdown).await;
            let decision = match stored.change {
                Change::New => "new",
                Change::Changed => "changed",
                Change::Same => "same_hash",
                Change::KeptOut => "skipped",
            };
            decide(&tx, run, path, decision, None, 200).await;
            ids.push(stored.id);
        }
        tx.commit().await.unwrap();
        ids
    }

    async fn meet(&self, run: Uuid, path: &str, decision: &'static str, reason: Option<&str>, status: i32) {
        let tx = self.tx().await;
        decide(&tx, run, path, decision, reason, status).await;
        tx.commit().await.unwrap();
    }

    /// Indexes what waits, each page as one chunk for each of its paragraphs; returns the titles.
    async fn index(&self, run: Uuid) -> Vec<String> {
        let tx = self.tx().await;
        twins::join(&tx, &[]).await.unwrap();
        let mut titles = Vec::new();
        for id in index::uncovered(&tx, run, &Wanted::OfSites(&[])).await.unwrap() {
            let page = index::pending(&tx, id, false).await.unwrap().unwrap();
            let text = repeats::without(&page.markdown, &page.title, &page.repeated);
            let parts = text.split("\n\n").filter(|part| !part.is_empty());
            let chunks: Vec<_> = parts.map(|part| testkit::chunk(&page.title, part)).collect();
            assert!(index::lock(&tx, &[&page], false).await.unwrap().contains(&id));
            index::publish(&tx, &page, None, &chunks).await.unwrap();
            titles.push(page.title);
        }
        tx.commit().await.unwrap();
        titles.sort();
        titles
    }

    /// Ends a run without asking anybody; returns how many pages it retired.
    async fn retire(&self, run: Uuid) -> u64 {
        let tx = self.tx().await;
        losses::weigh(&tx, run).await.unwrap();
        let retired = losses::retire(&tx, run).await.unwrap();
        tx.commit().await.unwrap();
        retired
    }

    async fn weigh(&self, run: Uuid) -> losses::Losses {
        let tx = self.tx().await;
        let losses = losses::weigh(&tx, run).await.unwrap();
        tx.commit().await.unwrap();
        losses
    }

    /// URL paths that a search finds, best first.
    async fn answers(&self, question: &str) -> Vec<String> {
        let searcher = Searcher::new(self.kit.db.clone(), None).await.unwrap();
        let found = searcher
            .search(&self.customer, question, Mode::Hybrid, 20)
            .await
            .unwrap();
        found.passages.into_iter().map(|p| p.url.replace(SITE, "")).collect()
    }

    async fn page(&self, path: &str) -> page::Model {
        let tx = self.tx().await;
        let all = page::Entity::find().all(&*tx).await.unwrap();
        all.into_iter()
            .find(|page| page.url == format!("{SITE}{path}"))
            .unwrap()
    }

    async fn sql(&self, text: &str) {
        let tx = self.kit.db.system().await.unwrap();
        tx.execute_raw(Statement::from_string(DbBackend::Postgres, text))
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// Ten pages, indexed.
    async fn ten_pages(&self) -> Uuid {
        let run = self.run().await;
        let texts: Vec<(String, String, String)> = (0..10)
            .map(|n| {
                (
                    format!("/{n}"),
                    format!("Page {n}"),
                    format!("Everything about thing{n} and more."),
                )
            })
            .collect();
        let pages: Vec<(&str, &str, &str)> = texts
            .iter()
            .map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str()))
            .collect();
        self.find(run, &pages).await;
        assert_eq!(self.index(run).await.len(), 10);
        run
    }
}

async fn save(tx: &TenantTx, path: &str, title: &str, markdown: &str) -> store::Stored {
    let page = testkit::page(format!("{SITE}{path}"), title, markdown);
    let new = record::NewPage {
        page: &page.into(),
        lastmod: None,
    };
    record::save_all(tx, &[new]).await.unwrap()[0]
}

async fn decide(tx: &TenantTx, run: Uuid, path: &str, decision: &'static str, reason: Option<&str>, status: i32) {
    let row = Decision {
        status: Some(status),
        ..testkit::decision(format!("{SITE}{path}"), decision, reason)
    };
    record::decide_all(tx, run, &[row]).await.unwrap();
}

#[tokio::test]
async fn a_page_goes_when_two_runs_found_it_gone_and_one_run_is_one_however_often_it_ends() {
    let shop = Shop::open().await;
    shop.ten_pages().await;
    let first = shop.run().await;
    shop.meet(first, "/3", "gone", None, 404).await;
    assert_eq!(
        (shop.retire(first).await, shop.retire(first).await),
        (0, 0),
        "a run that goes on is still one"
    );
    assert_eq!(shop.answers("thing3").await, ["/3"]);
    let second = shop.run().await;
    shop.meet(second, "/3", "gone", None, 410).await;
    assert_eq!(
        shop.answers("thing3").await,
        ["/3"],
        "until the end of the run it answers"
    );
    assert_eq!(shop.weigh(second).await.by_cause, BTreeMap::from([("gone".into(), 1)]));
    assert_eq!(
        (shop.retire(second).await, shop.retire(second).await),
        (1, 1),
        "again changes nothing"
    );
    assert!(shop.answers("thing3").await.is_empty());
    assert_eq!(shop.page("/3").await.tombstone.as_deref(), Some("gone"));

    let third = shop.run().await;
    let back = shop
        .find(third, &[("/3", "Page 3", "Everything about thing3 and more.")])
        .await;
    assert_eq!(
        back,
        [shop.page("/3").await.id],
        "a page that is found again is the same page"
    );
    assert_eq!(shop.index(third).await, ["Page 3"]);
    assert_eq!(shop.answers("thing3").await, ["/3"]);
}

#[tokio::test]
async fn a_page_goes_when_two_runs_found_that_it_is_not_to_be_indexed() {
    let shop = Shop::open().await;
    shop.ten_pages().await;
    let hide = async |path: &'static str| {
        let run = shop.run().await;
        shop.meet(run, path, "blocked", Some("noindex"), 200).await;
        run
    };
    let first = hide("/3").await;
    assert_eq!((shop.retire(first).await, shop.retire(first).await), (0, 0));
    // A mistake that was mended.
    let mended = shop.run().await;
    shop.find(mended, &[("/3", "Page 3", "Everything about thing3 and more.")])
        .await;
    assert_eq!(shop.retire(hide("/3").await).await, 0);
    assert_eq!(shop.answers("thing3").await, ["/3"]);
    let last = hide("/3").await;
    assert_eq!(shop.weigh(last).await.by_cause, BTreeMap::from([("noindex".into(), 1)]));
    assert_eq!(shop.retire(last).await, 1);
    assert!(shop.answers("thing3").await.is_empty());
    assert_eq!(shop.page("/3").await.tombstone.as_deref(), Some("noindex"));
    // What is closed to robots only says nothing.
    for _ in 0..2 {
        let run = shop.run().await;
        shop.meet(run, "/4", "blocked", Some("robots"), 200).await;
        assert_eq!(shop.retire(run).await, 0);
    }
}

#[tokio::test]
async fn a_page_that_was_seen_in_between_begins_anew() {
    let shop = Shop::open().await;
    shop.ten_pages().await;
    for (run, met) in [(1, 404), (2, 200), (3, 404)] {
        let id = shop.run().await;
        match met {
            200 => drop(
                shop.find(id, &[("/1", "Page 1", "Everything about thing1 and more.")])
                    .await,
            ),
            status => shop.meet(id, "/1", "gone", None, status).await,
        }
        assert_eq!(shop.retire(id).await, 0, "run {run}");
    }
    assert_eq!(shop.answers("thing1").await, ["/1"]);
}

#[tokio::test]
async fn errors_refusals_and_walls_never_take_a_page_away() {
    let shop = Shop::open().await;
    shop.ten_pages().await;
    for _ in 0..3 {
        let run = shop.run().await;
        for (path, decision, status) in [
            ("/0", "failed", 500),
            ("/1", "failed", 403),
            ("/2", "failed", 429),
            ("/3", "skipped", 200),
        ] {
            shop.meet(run, path, decision, Some("bot_wall"), status).await;
        }
        shop.meet(run, "/4", "redirected", Some("https://a.example/login"), 302)
            .await;
        shop.meet(run, "/5", "redirected", Some("https://a.example/away"), 301)
            .await;
        shop.meet(run, "/away", "failed", None, 503).await;
        shop.meet(run, "/6", "blocked", Some("robots: /6"), 200).await;
        assert_eq!(shop.weigh(run).await.lost, 0);
        assert_eq!(shop.retire(run).await, 0);
    }
    assert_eq!(shop.answers("everything").await.len(), 10);
}

#[tokio::test]
async fn a_page_that_moved_is_no_loss_and_pages_that_all_moved_to_one_are() {
    let shop = Shop::open().await;
    shop.ten_pages().await;
    // What says something else than the page that was known is believed when it is met again.
    for live in [10, 11] {
        let run = shop.run().await;
        // In the course of two hops, to a page that the same run found.
        shop.meet(run, "/1", "redirected", Some("https://a.example/between"), 301)
            .await;
        shop.meet(run, "/between", "redirected", Some("https://a.example/moved"), 301)
            .await;
        shop.find(
            run,
            &[("/moved", "Page 1", "Everything about thing1 and more, and new.")],
        )
        .await;
        shop.meet(run, "/2", "duplicate", Some("https://a.example/0"), 200)
            .await;
        // A circle leads nowhere.
        shop.meet(run, "/3", "redirected", Some("https://a.example/4"), 301)
            .await;
        shop.meet(run, "/4", "redirected", Some("https://a.example/3"), 301)
            .await;
        let losses = shop.weigh(run).await;
        assert_eq!((losses.lost, losses.live), (0, live));
        let causes = BTreeMap::from([("duplicate".into(), 1), ("moved".into(), 1)]);
        assert_eq!(losses.by_cause, if live == 10 { BTreeMap::new() } else { causes });
        assert_eq!(shop.retire(run).await, if live == 10 { 0 } else { 2 });
    }

    for first in [true, false] {
        let home = shop.run().await;
        for path in ["/3", "/4", "/5", "/6", "/7"] {
            shop.meet(home, path, "redirected", Some("https://a.example/0"), 301)
                .await;
        }
        let losses = shop.weigh(home).await;
        let expected = if first { (0, false) } else { (5, true) };
        assert_eq!((losses.lost, losses.is_suspicious()), expected, "{losses:?}");
        assert_eq!(losses.examples.len(), losses.lost as usize);
        if first {
            shop.retire(home).await;
        }
    }
}

#[tokio::test]
async fn a_page_that_moved_with_its_text_goes_at_once() {
    let shop = Shop::open().await;
    shop.ten_pages().await;
    let run = shop.run().await;
    shop.meet(run, "/1", "redirected", Some("https://a.example/moved"), 301)
        .await;
    shop.find(run, &[("/moved", "Page 1", "Everything about thing1 and more.")])
        .await;
    assert_eq!(shop.retire(run).await, 1);
}

#[tokio::test]
async fn a_page_that_leads_to_an_error_for_now_or_became_a_file_is_gone_after_two_runs() {
    let shop = Shop::open().await;
    shop.ten_pages().await;
    shop.sql("INSERT INTO page_renders (customer_id, url, static_hash, outcome) SELECT customer_id, url, '', 'page' FROM scraped_pages WHERE url LIKE '%/5'")
        .await;
    for retired in [0, 3] {
        let run = shop.run().await;
        shop.meet(run, "/1", "redirected", Some("https://a.example/error?from=1"), 302)
            .await;
        shop.meet(run, "/error?from=1", "gone", None, 404).await;
        shop.meet(run, "/2", "skipped", Some("not_html"), 200).await;
        shop.meet(run, "/3", "skipped", Some("empty"), 200).await;
        // Whether a browser would see anything is not known.
        shop.meet(run, "/4", "skipped", Some("empty; a browser would be needed"), 200)
            .await;
        shop.meet(run, "/5", "skipped", Some("empty"), 200).await;
        shop.meet(run, "/6", "redirected", Some("https://a.example/0"), 302)
            .await;
        assert_eq!(shop.retire(run).await, retired);
    }
    assert_eq!(shop.answers("everything").await.len(), 7);
}

#[tokio::test]
async fn pages_that_all_turn_into_one_text_are_a_loss_and_keep_their_chunks_until_somebody_says_so() {
    let shop = Shop::open().await;
    shop.ten_pages().await;
    let run = shop.run().await;
    let sorry = "We are down for maintenance. Please come back later.";
    let pages: Vec<(String, &str, &str)> = (2..8).map(|n| (format!("/{n}"), "Sorry", sorry)).collect();
    let pages: Vec<(&str, &str, &str)> = pages
        .iter()
        .map(|(path, title, text)| (path.as_str(), *title, *text))
        .collect();
    shop.find(run, &pages).await;
    let losses = shop.weigh(run).await;
    assert_eq!(losses.by_cause, BTreeMap::from([("same_text".into(), 6)]));
    assert!(losses.is_suspicious());
    let tx = shop.tx().await;
    let masses = losses::masses(&tx, run).await.unwrap();
    assert!(
        index::uncovered(&tx, run, &Wanted::OfSites(&masses))
            .await
            .unwrap()
            .is_empty()
    );
    drop(tx);
    assert_eq!(shop.answers("thing5").await, ["/5"]);
    // The next run finds them as they were: nothing is left of it.
    let next = shop.run().await;
    shop.find(next, &[("/5", "Page 5", "Everything about thing5 and more.")])
        .await;
    assert_eq!(shop.weigh(run).await.by_cause["same_text"], 5);
    // Confirmed, they are one text.
    shop.retire(run).await;
    shop.index(run).await;
    assert_eq!(shop.answers("maintenance").await, ["/2"]);
    assert!(shop.answers("thing4").await.is_empty());
}

#[tokio::test]
async fn a_page_that_was_found_alive_since_is_not_retired_by_an_old_run() {
    let shop = Shop::open().await;
    shop.ten_pages().await;
    let hidden = async || {
        let run = shop.run().await;
        for path in ["/1", "/2", "/3"] {
            shop.meet(run, path, "blocked", Some("noindex"), 200).await;
        }
        run
    };
    assert_eq!(shop.retire(hidden().await).await, 0);
    let held = hidden().await;
    assert!(shop.weigh(held).await.is_suspicious());
    let later = shop.run().await;
    shop.find(later, &[("/2", "Page 2", "Everything about thing2 and more.")])
        .await;
    assert_eq!(shop.retire(held).await, 2);
    assert_eq!(shop.answers("thing2").await, ["/2"]);
}

#[tokio::test]
async fn what_the_customer_deletes_stays_deleted_and_what_is_restored_answers_at_once() {
    let shop = Shop::open().await;
    let first = shop.run().await;
    let text = "Parcels arrive in two days.";
    shop.find(
        first,
        &[
            ("/shipping", "Shipping", text),
            ("/shipping.en.html", "Shipping", text),
            ("/about", "About", "We are many."),
        ],
    )
    .await;
    shop.index(first).await;
    let id = shop.page("/shipping").await.id;
    let tx = shop.tx().await;
    removal::delete(&tx, id).await.unwrap();
    tx.commit().await.unwrap();
    assert!(shop.answers("parcels").await.is_empty(), "its twin is gone as well");

    let again = shop.run().await;
    shop.find(
        again,
        &[
            ("/shipping", "Shipping", "Parcels arrive in nine days."),
            ("/shipping.en.html", "Shipping", text),
        ],
    )
    .await;
    shop.retire(again).await;
    assert!(shop.index(again).await.is_empty());
    assert!(shop.answers("parcels").await.is_empty());

    let tx = shop.tx().await;
    let (page, waiting) = removal::restore(&tx, id).await.unwrap();
    tx.commit().await.unwrap();
    assert!(waiting.is_empty() && page.tombstoned_at.is_none());
    assert_eq!(shop.answers("parcels").await, ["/shipping"]);
    assert_eq!(shop.page("/shipping.en.html").await.duplicate_of, Some(id));
}

#[tokio::test]
async fn a_retired_page_s_twin_takes_over_its_chunks_and_gives_them_back() {
    let shop = Shop::open().await;
    let first = shop.run().await;
    let text = "Parcels arrive in two days.";
    shop.find(first, &[("/a", "Shipping", text), ("/a.html", "Shipping", text)])
        .await;
    assert_eq!(shop.index(first).await, ["Shipping"], "one of them is indexed");
    assert_eq!(shop.answers("parcels").await, ["/a"]);
    let chunk = "SELECT count(*) FROM page_embeddings";
    assert_eq!(shop.kit.count(chunk).await, 1);
    for _ in 0..2 {
        let run = shop.run().await;
        shop.meet(run, "/a", "gone", None, 404).await;
        shop.retire(run).await;
    }
    assert_eq!(shop.answers("parcels").await, ["/a.html"], "without an embed job");
    let tx = shop.tx().await;
    let (_, waiting) = removal::restore(&tx, shop.page("/a").await.id).await.unwrap();
    tx.commit().await.unwrap();
    assert!(waiting.is_empty());
    assert_eq!(shop.answers("parcels").await, ["/a"]);
    assert_eq!(shop.kit.count(chunk).await, 1);

    // The best one changes: the other speaks for itself again.
    let run = shop.run().await;
    shop.find(run, &[("/a", "Shipping", "Parcels arrive tomorrow.")]).await;
    shop.retire(run).await;
    assert_eq!(shop.index(run).await, ["Shipping", "Shipping"]);
    assert_eq!(shop.answers("two days").await, ["/a.html"]);
    assert_eq!(shop.answers("tomorrow").await, ["/a"]);
}

#[tokio::test]
async fn twins_are_found_within_a_customer_only_and_a_better_one_takes_over() {
    let shop = Shop::open().await;
    let other = shop.kit.customer("b.example").await;
    let tx = shop.kit.db.tenant(&other).await.unwrap();
    save(&tx, "/index.html", "Home", "Welcome to the shop.").await;
    tx.commit().await.unwrap();
    let first = shop.run().await;
    shop.find(first, &[("/index.html", "Home", "Welcome to the shop.")])
        .await;
    assert_eq!(shop.index(first).await, ["Home"]);
    let second = shop.run().await;
    shop.find(second, &[("/", "Home", "Welcome to the shop.")]).await;
    assert!(
        shop.index(second).await.is_empty(),
        "the shorter URL takes the chunks over"
    );
    assert_eq!(shop.answers("welcome").await, ["/"]);
    assert_eq!(
        shop.kit
            .count("SELECT count(*) FROM scraped_pages WHERE duplicate_of IS NOT NULL")
            .await,
        1
    );
}

#[tokio::test]
async fn what_has_been_out_of_answers_for_long_is_purged_and_only_the_customer_s_will_is_remembered() {
    let shop = Shop::open().await;
    shop.ten_pages().await;
    for _ in 0..2 {
        let run = shop.run().await;
        shop.meet(run, "/1", "gone", None, 404).await;
        shop.retire(run).await;
    }
    let deleted = shop.page("/2").await.id;
    let tx = shop.tx().await;
    removal::delete(&tx, deleted).await.unwrap();
    tx.commit().await.unwrap();
    let month = Duration::from_hours(30 * 24);
    assert_eq!(removal::purge(&shop.kit.db, month).await.unwrap(), 0);
    shop.sql("UPDATE scraped_pages SET tombstoned_at = now() - interval '31 days' WHERE tombstoned_at IS NOT NULL")
        .await;
    assert_eq!(removal::purge(&shop.kit.db, month).await.unwrap(), 2);
    assert_eq!(removal::purge(&shop.kit.db, month).await.unwrap(), 0);
    assert_eq!(shop.kit.count("SELECT count(*) FROM page_embeddings").await, 8);
    assert_eq!(shop.kit.count("SELECT count(*) FROM scraped_pages").await, 9);
    let audit = "SELECT count(*) FROM audit_logs WHERE action = 'pages.purged' AND metadata -> 'named' @> '[{\"cause\": \"customer\"}, {\"cause\": \"gone\"}]'";
    assert_eq!(shop.kit.count(audit).await, 1);

    let run = shop.run().await;
    shop.find(run, &[("/2", "Page 2", "Everything about thing2 and more.")])
        .await;
    assert!(
        shop.index(run).await.is_empty(),
        "a deleted page stays deleted after its purge"
    );
    let tx = shop.tx().await;
    let (page, waiting) = removal::restore(&tx, deleted).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((&*page.markdown, waiting), ("", vec![deleted]));
    let run = shop.run().await;
    shop.find(run, &[("/2", "Page 2", "Everything about thing2 and more.")])
        .await;
    assert_eq!(shop.index(run).await, ["Page 2"]);
}

const COOKIES: &str = "We use cookies so that this website works better for you.";

async fn count(shop: &Shop, run: Uuid) -> u64 {
    let tx = shop.tx().await;
    let marked = repeats::count(&tx, run, When::AtEnd).await.unwrap();
    tx.commit().await.unwrap();
    marked
}

#[tokio::test]
async fn text_that_a_site_repeats_is_left_out_and_small_changes_change_nothing() {
    let shop = Shop::open().await;
    let first = shop.run().await;
    let pages: Vec<(String, String, String)> = (0..10)
        .map(|n| {
            let notice = if n < 6 { format!("{COOKIES}\n\n") } else { String::new() };
            (
                format!("/{n}"),
                format!("Page {n}"),
                format!("{notice}Everything about thing{n} and more."),
            )
        })
        .collect();
    let pages: Vec<(&str, &str, &str)> = pages
        .iter()
        .map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str()))
        .collect();
    shop.find(first, &pages[..4]).await;
    assert_eq!(count(&shop, first).await, 0);
    assert_eq!(shop.index(first).await.len(), 4);
    assert_eq!(shop.answers("cookies").await.len(), 4, "four pages are no pattern");

    let second = shop.run().await;
    shop.find(second, &pages).await;
    assert_eq!(count(&shop, second).await, 3, "what was indexed with it is made again");
    assert_eq!(shop.index(second).await.len(), 9);
    assert_eq!(shop.answers("cookies").await, ["/0"], "one page has it");
    assert_eq!(shop.answers("thing2").await, ["/2"]);
    assert_eq!(count(&shop, second).await, 0);
    assert!(shop.index(second).await.is_empty(), "an unchanged site is left alone");
    let kept = "SELECT count(*) FROM scraped_pages WHERE position('We use cookies'::bytea IN markdown) > 0";
    assert_eq!(shop.kit.count(kept).await, 6, "the stored pages have it");

    // Two pages go: the notice stands on four pages of eight, and is still known.
    for path in ["/0", "/1"] {
        let tx = shop.tx().await;
        removal::delete(&tx, shop.page(path).await.id).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(count(&shop, second).await, 1, "its next owner");
    assert_eq!(shop.index(second).await.len(), 1);
    assert_eq!(shop.answers("cookies").await, ["/2"]);
    let third = shop.run().await;
    for (path, title, _) in &pages[2..6] {
        shop.find(third, &[(path, title, "Nothing is repeated here.")]).await;
    }
    count(&shop, third).await;
    assert_eq!(
        shop.kit
            .count("SELECT count(*) FROM site_blocks WHERE pages >= 4")
            .await,
        0
    );
}

/// Indexes once what waits, as a worker does: looked at in one transaction, published in another.
async fn work(shop: &Shop, run: Uuid) -> domain::Result<usize> {
    let tx = shop.tx().await;
    let mut pages = Vec::new();
    for id in index::uncovered(&tx, run, &Wanted::OfSites(&[])).await? {
        pages.extend(index::pending(&tx, id, false).await?);
    }
    tx.commit().await?;
    let editions: Vec<index::Edition> = pages
        .into_iter()
        .map(|page| index::Edition {
            chunks: page
                .markdown
                .split("\n\n")
                .map(|part| testkit::chunk(&page.title, part))
                .collect(),
            page,
        })
        .collect();
    let tx = shop.tx().await;
    let waiting = index::lock(&tx, &editions.iter().map(|e| &e.page).collect::<Vec<_>>(), false).await?;
    let still: Vec<_> = editions
        .iter()
        .filter(|edition| waiting.contains(&edition.page.id))
        .collect();
    index::publish_all(&tx, None, &still).await?;
    index::bump_version(&tx).await?;
    tx.commit().await?;
    Ok(still.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_crawls_and_customers_at_once_lose_no_chunk_and_never_lock_each_other_out() {
    const ROUNDS: usize = 12;
    let shop = Shop::open().await;
    let run = shop.ten_pages().await;
    // Texts that make pages twins of others and undo it again.
    let change = async {
        for round in 0..ROUNDS {
            let text = |n: usize| format!("Text {} of many.", (n * round) % 4);
            let pages: Vec<record::Prepared> = (0..10)
                .map(|n| testkit::page(format!("{SITE}/{n}"), "Same", &text(n)).into())
                .collect();
            let new: Vec<_> = pages
                .iter()
                .map(|page| record::NewPage { page, lastmod: None })
                .collect();
            let tx = shop.tx().await;
            record::save_all(&tx, &new).await?;
            tx.commit().await?;
        }
        Ok::<(), domain::Error>(())
    };
    let index = async || {
        for _ in 0..ROUNDS {
            work(&shop, run).await?;
        }
        Ok::<(), domain::Error>(())
    };
    let close = async || {
        for _ in 0..ROUNDS {
            let tx = shop.tx().await;
            index::rearrange(&tx).await?;
            losses::weigh(&tx, run).await?;
            losses::retire(&tx, run).await?;
            twins::join(&tx, &[]).await?;
            repeats::count(&tx, run, When::AtEnd).await?;
            tx.commit().await?;
        }
        Ok::<(), domain::Error>(())
    };
    let decide = async {
        for round in 0..ROUNDS {
            let id = shop.page(&format!("/{}", round % 10)).await.id;
            let tx = shop.tx().await;
            removal::delete(&tx, id).await?;
            tx.commit().await?;
            let tx = shop.tx().await;
            removal::restore(&tx, id).await?;
            tx.commit().await?;
        }
        Ok::<(), domain::Error>(())
    };
    let all = tokio::join!(change, index(), index(), close(), close(), decide);
    for done in <[_; 6]>::from(all) {
        done.unwrap();
    }
    let tx = shop.tx().await;
    twins::settle(&tx).await.unwrap();
    tx.commit().await.unwrap();
    shop.index(run).await;
    assert_eq!(work(&shop, run).await.unwrap(), 0);
    let without = "SELECT count(*) FROM scraped_pages p WHERE tombstoned_at IS NULL AND duplicate_of IS NULL
        AND NOT EXISTS (SELECT FROM page_embeddings c WHERE c.page_id = p.id AND c.published AND position(convert_to(c.text, 'UTF8') IN p.markdown) > 0)";
    assert_eq!(shop.kit.count(without).await, 0);
    let twice = "SELECT count(*) - count(DISTINCT text) FROM page_embeddings WHERE published";
    assert_eq!(shop.kit.count(twice).await, 0);
    assert_eq!(
        shop.kit
            .count("SELECT count(*) FROM scraped_pages WHERE tombstoned_at IS NOT NULL")
            .await,
        0
    );
}

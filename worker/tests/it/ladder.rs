//! What a crawl asks for again, what it believes, and where it ends.
use crate::support::{World, link, words};
use domain::{pages::request::ScrapeRequest, tenancy::Db};
use sea_orm::ConnectionTrait;
use std::{fmt::Write as _, time::Duration};
use testkit::{Page, Site};

const OLD: &str = "2026-01-05";

fn page(n: usize, word: &str) -> Page {
    Page::html(&format!("Page {n}"), &words(&format!("{word}{n}")))
}

/// Pages that only a sitemap knows, all with one date.
async fn dated(pages: usize) -> Site {
    let mut map = String::from("<urlset>");
    for n in 0..pages {
        let _ = write!(map, "<url><loc>/{n}</loc><lastmod>{OLD}</lastmod></url>");
    }
    let site = Site::start((0..pages).map(|n| (format!("/{n}"), page(n, "item")))).await;
    site.set("/", Page::html("Home", &words("home")));
    let base = site.url("");
    let map = map.replace("<loc>", &format!("<loc>{base}")) + "</urlset>";
    site.set("/sitemap.xml", Page::raw("text/xml", map));
    site
}

fn asked(site: &Site, since: usize) -> usize {
    let hits = site.hits();
    let pages = hits[since..]
        .iter()
        .filter(|hit| hit.path.trim_start_matches('/').parse::<usize>().is_ok());
    pages.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_that_proved_right_spare_requests_until_one_lies() {
    let site = dated(40).await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let request = ScrapeRequest::of(site.url("/"));
    let mut since = site.hits().len();
    let mut run = async |request: &ScrapeRequest| {
        let (id, result) = world.crawl(request).await;
        let asked = asked(&site, std::mem::replace(&mut since, site.hits().len()));
        let decisions = world.decisions(id).await;
        let spared = decisions
            .values()
            .filter(|word| *word == "not_modified: lastmod")
            .count();
        (asked, spared, result)
    };
    assert_eq!(run(&request).await.0, 40, "nothing is known");
    let (asked, spared, result) = run(&request).await;
    assert_eq!(
        (asked, spared, &result["unchanged"]),
        (40, 0, &41.into()),
        "the dates are proved"
    );
    let (asked, spared, result) = run(&request).await;
    assert!(spared >= 20 && asked + spared == 40, "{asked} asked, {spared} spared");
    assert_eq!(
        (&result["unchanged"], &result["chunks_embedded"]),
        (&41.into(), &0.into())
    );

    let full = ScrapeRequest {
        full: true,
        ..request.clone()
    };
    assert_eq!(run(&full).await.0, 40, "a full crawl asks for everything");

    for n in 0..40 {
        site.set(&format!("/{n}"), page(n, "other"));
    }
    // Which are asked for in a round goes by their addresses, and now and then it is none of so few; in ten rounds it is each of them.
    let (mut asked, mut spared, mut result) = run(&request).await;
    while asked == 0 {
        assert_eq!(spared, 40);
        (asked, spared, result) = run(&request).await;
    }
    assert_eq!(asked + spared, 40);
    assert_eq!(result["changed"], asked, "the lie is found");
    let (asked, spared, result) = run(&request).await;
    assert_eq!((asked, spared), (40, 0), "a liar is not believed");
    assert!(result["changed"].as_i64().unwrap() > 0, "{result}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_page_with_a_new_date_is_asked_for_at_once() {
    let site = dated(20).await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let request = ScrapeRequest::of(site.url("/"));
    for _ in 0..3 {
        world.crawl(&request).await;
    }
    site.set("/7", page(7, "other"));
    let base = site.url("");
    let urls = (0..20).map(|n| {
        let date = if n == 7 { "2026-02-01" } else { OLD };
        format!("<url><loc>{base}/{n}</loc><lastmod>{date}</lastmod></url>")
    });
    let map = format!("<urlset>{}</urlset>", urls.collect::<String>());
    site.set("/sitemap.xml", Page::raw("text/xml", map));
    let (id, _) = world.crawl(&request).await;
    let decisions = world.decisions(id).await;
    assert_eq!(decisions["/7"], "changed");
    worker.stop().await;
}

fn copy(of: &str, topic: &str) -> Page {
    let html = format!(
        "<html><head><link rel=canonical href='{of}'></head><body>{}</body></html>",
        words(topic)
    );
    Page::raw("text/html", html)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canonical_page_is_believed_if_it_is_one() {
    let links: String = ["/a", "/b", "/c", "/d", "/e"].map(link).concat();
    let header = Page::html("E", &words("e"));
    let site = Site::start([
        ("/", Page::html("Home", &format!("{}{links}", words("home")))),
        ("/a", copy("/original", "a")),
        ("/original", Page::html("Original", &words("original"))),
        ("/b", copy("/missing", "b")),
        ("/c", copy("/a", "c")),
        ("/d", copy("/hidden", "d")),
        (
            "/hidden",
            Page::html("Hidden", &words("hidden")).header("x-robots-tag", "noindex"),
        ),
        ("/e", header.header("link", "</original>; rel=\"canonical\"")),
    ])
    .await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let (id, result) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    let decisions = world.decisions(id).await;
    let original = format!("duplicate: {}", site.url("/original"));
    assert_eq!((&decisions["/a"], &decisions["/e"]), (&original, &original));
    for lost in ["/b", "/c", "/d"] {
        assert_eq!(decisions[lost], "new", "{lost} is kept: its canonical page is none");
    }
    assert_eq!(world.pages().await, ["/", "/b", "/c", "/d", "/original"]);
    assert_eq!(result["pages"], 5);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_names_its_home_page_everywhere_keeps_its_pages() {
    let links: String = (0..40).map(|n| link(&format!("/{n}"))).collect();
    let pages = (0..40).map(|n| (format!("/{n}"), copy("/", &format!("item{n}"))));
    let site = Site::start(pages).await;
    site.set("/", Page::html("Home", &format!("{}{links}", words("home"))));
    let world = World::around(&site).await;
    let worker = world.worker();
    let (_, result) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert_eq!(
        (&result["new"], &result["duplicate"]),
        (&41.into(), &0.into()),
        "{result}"
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_followed_once_and_not_for_ever() {
    let links: String = ["/chain", "/loop", "/known", "/away", "/r/0"].map(link).concat();
    let endless = (0..40).map(|n| (format!("/r/{n}"), Page::redirect(&format!("/r/{}", n + 1))));
    let site = Site::start(endless).await;
    for (path, page) in [
        ("/", Page::html("Home", &format!("{}{links}", words("home")))),
        ("/chain", Page::redirect("/chain2").status(301)),
        ("/chain2", Page::redirect("/end").status(308)),
        ("/end", Page::html("End", &words("end"))),
        ("/loop", Page::redirect("/pool")),
        ("/pool", Page::redirect("/loop")),
        ("/known", Page::redirect("/")),
        ("/away", Page::redirect("http://elsewhere.test/x")),
    ] {
        site.set(path, page);
    }
    let world = World::around(&site).await;
    let worker = world.worker();
    let (id, _) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    let decisions = world.decisions(id).await;
    assert_eq!(decisions["/end"], "new");
    assert_eq!(decisions["/away"], "redirected: http://elsewhere.test/x");
    assert_eq!(decisions["/known"], format!("redirected: {}", site.url("/")));
    for path in ["/loop", "/pool", "/chain", "/chain2", "/r/5"] {
        assert!(
            decisions[path].starts_with("redirected: "),
            "{path}: {}",
            decisions[path]
        );
    }
    assert_eq!(
        decisions["/r/11"],
        "failed: redirect_loop: more than 10 redirects in a row"
    );
    assert!(!decisions.contains_key("/r/12"));
    assert_eq!(world.pages().await, ["/", "/end"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_ends_when_its_bytes_are_used_up_and_says_what_is_left() {
    let heavy = |n: usize| {
        let comment = "x".repeat(100_000);
        let links: String = (0..60).map(|n| link(&format!("/{n}"))).collect();
        Page::html(
            &format!("Page {n}"),
            &format!("{}{links}<!--{comment}-->", words(&format!("item{n}"))),
        )
    };
    let site = Site::start((0..60).map(|n| (format!("/{n}"), heavy(n)))).await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let request = ScrapeRequest {
        max_mb: Some(2),
        ..ScrapeRequest::of(site.url("/0"))
    };
    let (id, result) = world.crawl(&request).await;
    let decisions = world.decisions(id).await;
    let left = decisions
        .values()
        .filter(|word| *word == "skipped: budget: bytes")
        .count();
    let fetched = decisions.values().filter(|word| *word == "new").count();
    // The visits under way at the end, two for each of the four requests at a time, are recorded as well.
    assert!(
        (19..=28).contains(&fetched) && fetched + left == 60,
        "{fetched} fetched, {left} left"
    );
    assert_eq!(result["pages"], fetched);
    // The next crawl begins with what was left.
    let rest = ScrapeRequest {
        max_mb: None,
        ..request
    };
    assert_eq!(world.crawl(&rest).await.1["new"], 60 - fetched);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_site_loses_nothing_that_only_unchanged_pages_lead_to() {
    let home =
        Page::html("Home", &format!("{}{}{}", words("home"), link("/list"), link("/flaky"))).header("etag", "\"1\"");
    let list = Page::html("List", &format!("{}{}", words("list"), link("/behind"))).header("x-robots-tag", "noindex");
    let site = Site::start([
        ("/", home),
        ("/list", list),
        ("/behind", Page::html("Behind", &words("behind"))),
        ("/flaky", Page::html("Flaky", "x").status(500)),
    ])
    .await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let request = ScrapeRequest::of(site.url("/"));
    world.crawl(&request).await;
    site.set("/flaky", Page::html("Flaky", &words("flaky")));
    site.set(
        "/list",
        Page::html("List", &format!("{}{}", words("list"), link("/newer"))).header("x-robots-tag", "noindex"),
    );
    site.set("/newer", Page::html("Newer", &words("newer")));
    let (id, _) = world.crawl(&request).await;
    let decisions = world.decisions(id).await;
    assert_eq!(decisions["/"], "not_modified");
    assert_eq!(
        (decisions["/flaky"].as_str(), decisions["/newer"].as_str()),
        ("new", "new")
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traps_end_within_the_budget() {
    let mut pages = Vec::new();
    let body = |topic: &str, links: &[String]| {
        let links: String = links.iter().map(|to| link(to)).collect();
        Page::html(topic, &format!("{}{links}", words(topic)))
    };
    let starts = ["/calendar/2026/1", "/deep/a", "/mix?a=0&b=0", "/s?sid=0&p=1"].map(str::to_owned);
    pages.push(("/".to_owned(), body("home", &starts)));
    for n in 0..600 {
        let (year, month) = (2026 + n / 12, n % 12 + 1);
        let next = format!("/calendar/{}/{}", 2026 + (n + 1) / 12, (n + 1) % 12 + 1);
        pages.push((format!("/calendar/{year}/{month}"), body("calendar", &[next])));
        let mixes = [
            format!("/mix?a={}&b={}", n + 1, n % 7),
            format!("/mix?b={}&a={}", n % 7, n + 1),
        ];
        pages.push((
            format!("/mix?a={n}&b={}", n.max(1) % 7),
            body(&format!("mix{n}"), &mixes),
        ));
        pages.push((
            format!("/s?sid={n}&p=1"),
            body("session", &[format!("/s?sid={}&p=1", n + 1)]),
        ));
    }
    let mut deep = "/deep/a".to_owned();
    for n in 0..40 {
        let next = format!("{deep}/{}", ["b", "c", "a"][n % 3]);
        pages.push((deep, body("deep", std::slice::from_ref(&next))));
        deep = next;
    }
    let site = Site::start(pages).await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let request = ScrapeRequest {
        max_pages: 500,
        max_depth: 100,
        ..ScrapeRequest::of(site.url("/"))
    };
    let (id, result) = world.crawl(&request).await;
    let decisions = world.decisions(id).await;
    let trapped = decisions
        .values()
        .filter(|word| word.starts_with("skipped: trap: "))
        .count();
    assert!(
        trapped > 0 && site.hits().len() <= 510,
        "{} requests, {trapped} refused",
        site.hits().len()
    );
    assert!(
        result["new"].as_i64().unwrap() < 500,
        "the traps end before the budget does: {result}"
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn minutes_are_counted_over_restarts() {
    let links: String = (0..30).map(|n| link(&format!("/{n}"))).collect();
    let slow = |n: usize| page(n, "item").delay(Duration::from_millis(50));
    let site = Site::start((0..30).map(|n| (format!("/{n}"), slow(n)))).await;
    site.set("/", Page::html("Home", &format!("{}{links}", words("home"))));
    let world = World::around(&site).await;
    let request = ScrapeRequest {
        max_minutes: Some(1),
        ..ScrapeRequest::of(site.url("/"))
    };
    let id = world.ask(&request).await;
    let owner = Db::connect_owner(&world.kit.config.database).await.unwrap();
    let used = "UPDATE scrape_jobs SET spent_ms = 59990";
    owner.execute_unprepared(used).await.unwrap();
    owner.close().await.unwrap();
    let worker = world.worker();
    let job = world.ended(id).await;
    assert_eq!(job.state, "done", "{:?}", job.error);
    let decisions = world.decisions(id).await;
    let left = decisions
        .values()
        .filter(|word| *word == "skipped: budget: minutes")
        .count();
    assert!(left > 20, "{decisions:?}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_are_odd_or_not_there_have_their_meanings() {
    let closed = "User-agent: *\nDisallow: /closed\n";
    let long = format!("{closed}{}", "# filler\n".repeat(600 * 1024 / 9));
    let text = |body: &str| Page::raw("text/plain", body);
    let links = format!("{}{}{}", words("home"), link("/closed"), link("/open"));
    for (what, robots, open) in [
        ("404", text("").status(404), true),
        ("403", text("").status(403), true),
        ("six redirects", Page::redirect("/rules/1"), true),
        ("two redirects", Page::redirect("/rules/5"), false),
        ("600 KiB", text(&long), false),
        ("a byte order mark", text(&format!("\u{feff}{closed}")), false),
        ("no group", text("Disallow: /closed\n"), true),
    ] {
        let site = Site::start([
            ("/", Page::html("Home", &links)),
            ("/closed", page(1, "closed")),
            ("/open", page(2, "open")),
            ("/robots.txt", robots),
            ("/rules/6", text(closed)),
        ])
        .await;
        for n in 1..6 {
            site.set(&format!("/rules/{n}"), Page::redirect(&format!("/rules/{}", n + 1)));
        }
        let world = World::around(&site).await;
        let worker = world.worker();
        world.crawl(&ScrapeRequest::of(site.url("/"))).await;
        let expected: &[&str] = if open {
            &["/", "/closed", "/open"]
        } else {
            &["/", "/open"]
        };
        assert_eq!(world.pages().await, expected, "{what}");
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_translations_and_refreshes_lead_to_pages() {
    let head = "<link rel=alternate type='application/rss+xml' href=/feed><link rel=alternate hreflang=de href=/de>";
    let html = |head: &str, topic: &str| {
        Page::raw(
            "text/html",
            format!("<html><head>{head}</head><body>{}</body></html>", words(topic)),
        )
    };
    let site = Site::start([
        ("/", html(head, "home")),
        ("/de", html("<meta http-equiv=refresh content='0; url=/de/neu'>", "de")),
        ("/de/neu", page(1, "neu")),
        ("/post", page(2, "post")),
        ("/fr", page(3, "fr")),
    ])
    .await;
    let base = site.url("");
    let feed = format!("<rss><channel><item><link>{base}/post</link></item></channel></rss>");
    site.set("/feed", Page::raw("application/rss+xml", feed));
    let map = format!(
        "<urlset xmlns:xhtml='http://www.w3.org/1999/xhtml'><url><loc>{base}/</loc><xhtml:link rel='alternate' hreflang='fr' href='{base}/fr'/></url></urlset>"
    );
    site.set("/sitemap.xml", Page::raw("text/xml", map));
    let world = World::around(&site).await;
    let worker = world.worker();
    let (id, _) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert_eq!(world.pages().await, ["/", "/de/neu", "/fr", "/post"]);
    assert_eq!(
        world.decisions(id).await["/de"],
        format!("redirected: {}", site.url("/de/neu"))
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_unchanged_pages_lead_to_is_found_from_another_start_as_well() {
    const PAGES: usize = 8;
    let chain = |n: usize| {
        let text = words(&format!("link{n}")) + &link(&format!("/{}", n + 1));
        (
            format!("/{n}"),
            Page::html(&format!("Page {n}"), &text).header("etag", "\"1\""),
        )
    };
    let site = Site::start((0..PAGES).map(chain)).await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let short = ScrapeRequest {
        max_pages: 3,
        ..ScrapeRequest::of(site.url("/0"))
    };
    assert_eq!(world.crawl(&short).await.1["new"], 3);
    let (_, result) = world.crawl(&ScrapeRequest::of(site.url("/1"))).await;
    assert_eq!(
        (&result["not_modified"], &result["new"]),
        (&3.into(), &(PAGES - 3).into())
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn crawls_of_a_site_larger_than_their_room_come_to_all_of_it_in_turn() {
    const PAGES: usize = 30;
    let links: String = (0..PAGES).map(|n| link(&format!("/{n}"))).collect();
    let site = Site::start((0..PAGES).map(|n| (format!("/{n}"), page(n, "item")))).await;
    site.set("/", Page::html("Home", &format!("{}{links}", words("home"))));
    let world = World::around(&site).await;
    let worker = world.worker();
    let request = ScrapeRequest {
        max_pages: 10,
        ..ScrapeRequest::of(site.url("/"))
    };
    let mut known = Vec::new();
    for _ in 0..5 {
        let (_, result) = world.crawl(&request).await;
        assert!(result["urls"].as_i64() >= Some(10), "{result}");
        known.push(world.pages().await.len());
    }
    assert_eq!((known[0], known[4]), (10, PAGES + 1), "{known:?}");

    // What is new two links away is found as well.
    site.set(
        "/7",
        Page::html("Page 7", &format!("{}{}", words("item7"), link("/new"))),
    );
    site.set("/new", page(99, "novelty"));
    for _ in 0..8 {
        world.crawl(&request).await;
    }
    assert!(world.pages().await.contains(&"/new".to_owned()));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_edition_read_is_read_again_whatever_the_site_says() {
    let site = Site::start([("/", Page::html("Home", &words("home")).header("etag", "\"1\""))]).await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let request = ScrapeRequest::of(site.url("/"));
    let run = async || {
        let (id, _) = world.crawl(&request).await;
        world.decisions(id).await["/"].clone()
    };
    assert_eq!(
        (run().await, run().await),
        ("new".to_owned(), "not_modified".to_owned())
    );
    let owner = Db::connect_owner(&world.kit.config.database).await.unwrap();
    let older = "UPDATE scraped_pages SET reader = 0, markdown = 'What was lost.', content_hash = '\\x00'";
    owner.execute_unprepared(older).await.unwrap();
    owner.close().await.unwrap();
    assert_eq!(
        (run().await, run().await),
        ("changed".to_owned(), "not_modified".to_owned())
    );
    worker.stop().await;
}

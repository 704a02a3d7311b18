//! Which URLs a crawl visits, and what it says about each.
use crate::support::{World, link, words};
use domain::{
    pages::{request::ScrapeRequest, store},
    tenancy::assign_domain,
};
use sea_orm::ConnectionTrait as _;
use std::{collections::BTreeMap, time::Duration};
use testkit::{Page, Site};
use worker::CrawlerKind;

/// A site with one URL for each thing that can become of one.
async fn site_of_everything() -> Site {
    let links: String = [
        "/old",
        "/temporary",
        "/copy",
        "/hidden",
        "/quiet",
        "/missing",
        "/broken",
        "/file",
        "/closed/x",
        "/a/a/a/a/a",
        "/picture.png",
        "/manual.pdf",
        "/letter",
        "/docs/node.js",
        "http://elsewhere.test/",
    ]
    .map(link)
    .concat();
    let head = |head: &str, body: &str| {
        Page::raw(
            "text/html",
            format!("<html><head>{head}</head><body>{body}</body></html>"),
        )
    };
    Site::start([
        (
            "/robots.txt",
            Page::raw("text/plain", "User-agent: *\nDisallow: /closed\nSitemap: /map.xml"),
        ),
        (
            "/map.xml",
            Page::raw("text/xml", "<urlset><url><loc>/relative</loc></url></urlset>"),
        ),
        (
            "/",
            Page::html(
                "Home",
                &format!("{}{links}<a rel=nofollow href=/nofollow>x</a>", words("home")),
            ),
        ),
        ("/old", Page::redirect("/new").status(301)),
        ("/new", Page::html("New", &words("new"))),
        ("/temporary", Page::redirect("http://elsewhere.test/x")),
        ("/copy", head("<link rel=canonical href=/original>", &words("copy"))),
        ("/original", Page::html("Original", &words("original"))),
        (
            "/hidden",
            head(
                "<meta name=robots content=noindex>",
                &format!("{}{}", words("hidden"), link("/behind")),
            ),
        ),
        ("/behind", Page::html("Behind", &words("behind"))),
        (
            "/quiet",
            Page::html("Quiet", &format!("{}{}", words("quiet"), link("/unseen"))).header("x-robots-tag", "nofollow"),
        ),
        ("/unseen", Page::html("Unseen", &words("unseen"))),
        ("/nofollow", Page::html("Nofollow", &words("nofollow"))),
        ("/broken", Page::html("Broken", "x").status(500)),
        ("/file", Page::raw("application/pdf", "%PDF")),
        ("/manual.pdf", Page::raw("application/pdf", "%PDF")),
        (
            "/letter",
            Page::raw("text/html", format!("%PDF-1.7\n{}", words("letter"))),
        ),
        ("/docs/node.js", Page::html("Node", &words("node"))),
        ("/relative", Page::html("Relative", &words("relative"))),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_url_has_its_decision() {
    let site = site_of_everything().await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let (id, result) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    let decisions = world.decisions(id).await;
    let decisions: BTreeMap<_, _> = decisions
        .iter()
        .map(|(path, word)| (path.as_str(), word.as_str()))
        .collect();
    let (new, original) = (
        format!("redirected: {}", site.url("/new")),
        format!("duplicate: {}", site.url("/original")),
    );
    let expected = BTreeMap::from([
        ("/", "new"),
        ("/old", new.as_str()),
        ("/new", "new"),
        ("/temporary", "redirected: http://elsewhere.test/x"),
        ("/copy", original.as_str()),
        ("/original", "new"),
        ("/hidden", "blocked: noindex"),
        ("/behind", "new"),
        ("/quiet", "new"),
        ("/missing", "gone"),
        ("/broken", "failed: http_status: the server answered 500"),
        ("/file", "skipped: not_html"),
        ("/letter", "skipped: not_html"),
        ("/manual.pdf", "skipped: file: pdf"),
        ("/docs/node.js", "new"),
        ("/relative", "new"),
        ("/nofollow", "skipped: nofollow"),
        ("/unseen", "skipped: nofollow"),
        ("/closed/x", "blocked: robots"),
        ("/a/a/a/a/a", "skipped: trap: a path segment repeats"),
    ]);
    assert_eq!(decisions, expected);
    assert_eq!(
        world.pages().await,
        [
            "/",
            "/behind",
            "/docs/node.js",
            "/new",
            "/original",
            "/quiet",
            "/relative"
        ]
    );
    assert_eq!(
        (&result["redirected"], &result["blocked"], &result["pages"]),
        (&2.into(), &2.into(), &7.into())
    );
    assert_eq!(
        (&result["skipped_by"]["file"], &result["skipped_by"]["nofollow"]),
        (&1.into(), &2.into())
    );
    let asked = |path: &str| site.hits().iter().filter(|hit| hit.path == path).count();
    assert_eq!(asked("/broken"), 2, "a failure that may pass is tried once more");
    assert_eq!(asked("/missing") + asked("/new") + asked("/map.xml"), 3);
    assert_eq!(
        asked("/closed/x") + asked("/unseen") + asked("/nofollow") + asked("/picture.png") + asked("/manual.pdf"),
        0
    );
    // What was not to be followed is not followed the next time either.
    let (again, _) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    let decisions = world.decisions(again).await;
    assert!(decisions.iter().all(|(path, _)| path != "/unseen" || asked(path) == 0));
    assert_eq!(asked("/unseen") + asked("/nofollow") + asked("/manual.pdf"), 0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_page_may_lead_to_another_host_of_the_customer() {
    let home = format!("{}{}", words("home"), link("/a"));
    let target = Site::start([
        (
            "/robots.txt",
            Page::raw("text/plain", "User-agent: *\nDisallow: /closed"),
        ),
        ("/en", Page::html("Home", &format!("{home}{}", link("/closed")))),
        ("/a", Page::html("A", &words("a"))),
    ])
    .await;
    let start = Site::start([("/", Page::redirect(&target.url("/en")).status(301))]).await;
    let hosts = format!("{},{}", start.host(), target.host());
    let world = World::at(&start.host(), &[("OMNIOPS_EGRESS_ALLOW", &hosts)]).await;
    let worker = world.worker();
    let request = ScrapeRequest::of(start.url("/"));
    let refused = world.ask(&request).await;
    let error = world.ended(refused).await.error.unwrap();
    assert_eq!(error["code"], "start_redirects", "the other host is nobody's: {error}");
    assert_eq!(target.hits(), []);

    let host = target.host().parse().unwrap();
    assign_domain(&world.kit.db, &world.customer, &host).await.unwrap();
    for _ in 0..2 {
        let (id, result) = world.crawl(&request).await;
        assert_eq!(
            (&result["pages"], &result["redirected"]),
            (&2.into(), &1.into()),
            "{result}"
        );
        let decisions = world.decisions(id).await;
        assert_eq!(decisions["/"], format!("redirected: {}", target.url("/en")));
        assert_eq!(
            decisions["/closed"], "blocked: robots",
            "by the rules of the other host"
        );
    }
    assert_eq!(world.pages().await, ["/a", "/en"]);

    // What the first host had before it led on goes with it: no crawl comes there again.
    let tx = world.tx().await;
    for (path, text) in [("/a", "What was true."), ("/kept", "What is nowhere else.")] {
        store::save(&tx, &testkit::page(start.url(path), "Old", text))
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    for live in [["/a", "/a", "/en", "/kept"].as_slice(), &["/a", "/en", "/kept"]] {
        world.crawl(&request).await;
        assert_eq!(world.pages().await, live);
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_sitemaps_is_told() {
    let list = |pages: &[&str]| {
        let urls: Vec<String> = pages
            .iter()
            .map(|page| format!("<url><loc>{page}</loc></url>"))
            .collect();
        let urls = urls.concat();
        Page::raw("text/xml", format!("<urlset>{urls}</urlset>"))
    };
    let index =
        "<sitemapindex><sitemap><loc>maps/a.xml</loc></sitemap><sitemap><loc>/gone.xml</loc></sitemap></sitemapindex>";
    let feed =
        "<rss><channel><item><link>/news</link><pubDate>Fri, 02 Jan 2026 03:04:05 GMT</pubDate></item></channel></rss>";
    let home = format!(
        "<html><head><link rel=alternate type=application/rss+xml href=/feed></head><body>{}</body></html>",
        words("home")
    );
    let site = Site::start([
        (
            "/robots.txt",
            Page::raw(
                "text/plain",
                "Sitemap: /index.xml\nSitemap: http://cdn.test/map.xml\nSitemap: /closed.xml\nUser-agent: *\nDisallow: /closed",
            ),
        ),
        ("/", Page::raw("text/html", home)),
        ("/index.xml", Page::raw("text/xml", index)),
        ("/maps/a.xml", list(&["one", "http://www.elsewhere.test/two"])),
        ("/feed", Page::raw("application/rss+xml", feed)),
        ("/maps/one", Page::html("One", &words("one"))),
        ("/news", Page::html("News", &words("news"))),
    ])
    .await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let (_, result) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert_eq!(world.pages().await, ["/", "/maps/one", "/news"]);
    let unread = [
        ("http://cdn.test/map.xml", "another host"),
        (&site.url("/closed.xml"), "robots.txt forbids it"),
        (&site.url("/gone.xml"), "the server answered 404"),
    ];
    let unread: Vec<_> = unread
        .iter()
        .map(|(url, why)| serde_json::json!({"url": url, "why": why}))
        .collect();
    assert_eq!(
        result["sitemaps"],
        serde_json::json!({"read": 3, "entries": 3, "entries_elsewhere": 1, "failed": 2, "elsewhere": 1, "truncated": false, "unread": unread})
    );
    let dated =
        "SELECT count(*) FROM scraped_pages WHERE url LIKE '%/news' AND sitemap_lastmod = '2026-01-02T03:04:05Z'";
    assert_eq!(world.kit.count(dated).await, 1);
    assert!(site.hits().iter().all(|hit| hit.path != "/closed.xml"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_patterns_are_kept() {
    let pages = (0..40).map(|n| {
        let links = format!(
            "{}{}{}",
            link(&format!("/p/{}", n + 1)),
            link(&format!("/q/{n}")),
            link("/x/secret")
        );
        (
            format!("/p/{n}"),
            Page::html(&format!("Page {n}"), &format!("{}{links}", words(&format!("item{n}")))),
        )
    });
    let others = (0..40).map(|n| {
        (
            format!("/q/{n}"),
            Page::html(&format!("Q {n}"), &words(&format!("other{n}"))),
        )
    });
    let site = Site::start(pages.chain(others)).await;
    let world = World::around(&site).await;
    let worker = world.worker();
    let start = site.url("/p/0");

    let ten = ScrapeRequest {
        max_pages: 10,
        ..ScrapeRequest::of(&start)
    };
    let (id, result) = world.crawl(&ten).await;
    assert_eq!((&result["pages"], &result["gone"]), (&9.into(), &1.into()), "{result}");
    let decisions = world.decisions(id).await;
    let cut = |reason: &&String| reason.as_str() == "skipped: budget: pages";
    let cut = decisions.values().filter(cut).count();
    assert_eq!(decisions.len() - cut, 10, "{decisions:?}");
    assert!(cut > 0, "what the budget had no room for is said");

    let near = ScrapeRequest {
        max_depth: 2,
        full: true,
        ..ScrapeRequest::of(site.url("/p/10"))
    };
    world.crawl(&near).await;
    let pages = world.pages().await;
    assert!(
        pages.contains(&"/p/12".to_owned()) && !pages.contains(&"/p/13".to_owned()),
        "{pages:?}"
    );

    let some = ScrapeRequest {
        include: vec!["/p/*".into()],
        exclude: vec!["/p/35".into()],
        ..ScrapeRequest::of(site.url("/p/30"))
    };
    let (id, _) = world.crawl(&some).await;
    let decisions = world.decisions(id).await;
    assert_eq!(decisions["/p/35"], "skipped: excluded by /p/35");
    assert_eq!(decisions["/q/30"], "skipped: not included");
    assert!(decisions.contains_key("/p/34") && !decisions.contains_key("/p/36"));
    worker.stop().await;
}

/// A crawl may wait for long, or be run again: what counts is who may crawl the site then.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_has_ended_leaves_a_crawl_its_preview_and_a_lost_domain_none() {
    let links: String = (0..30).map(|n| link(&format!("/{n}"))).collect();
    let pages = (0..30).map(|n| {
        (
            format!("/{n}"),
            Page::html(&format!("Page {n}"), &words(&format!("item{n}"))),
        )
    });
    let home = ("/".to_owned(), Page::html("Home", &format!("{}{links}", words("home"))));
    let site = Site::start(pages.chain([home])).await;
    let world = World::around(&site).await;
    let request = ScrapeRequest::of(site.url("/"));
    let change = async |change: &str| {
        let tx = world.kit.db.system().await.unwrap();
        tx.execute_unprepared(change).await.unwrap();
        tx.commit().await.unwrap();
    };
    let waiting = world.ask(&request).await;
    change("UPDATE customer_domains SET verified_at = NULL").await;
    let worker = world.worker();
    let job = world.ended(waiting).await;
    assert_eq!(
        (job.state.as_str(), &job.result.unwrap()["pages"]),
        ("done", &10.into())
    );
    worker.stop().await;

    change("UPDATE customer_domains SET verified_at = now()").await;
    let waiting = world.ask(&request).await;
    change("DELETE FROM customer_domains").await;
    let asked = site.hits().len();
    let worker = world.worker();
    let job = world.ended(waiting).await;
    assert_eq!(job.error.unwrap()["code"], "domain_not_verified");
    assert_eq!(site.hits().len(), asked);
    worker.stop().await;
}

/// A site of 300 pages: a tree with links back, twins by case, names that look like files, a redirect for every tenth page, and
/// some slow pages.
async fn large_site() -> (Site, usize) {
    let mut pages = Vec::new();
    for n in 0..300 {
        let name = |n: usize| match n {
            0 => "/".to_owned(),
            n if n % 50 == 0 => format!("/Page-{}", n + 1),
            n if n % 30 == 0 => format!("/page-{n}.aspx"),
            n => format!("/page-{n}"),
        };
        let children = (3 * n + 1..=3 * n + 3).filter(|child| *child < 300);
        let links: String = children
            .map(|child| match child % 10 {
                0 => link(&format!("/to/{child}")),
                _ => link(&name(child)),
            })
            .collect();
        let body = format!("{}{links}{}", words(&format!("item{n}")), link("/"));
        let slow = Duration::from_millis(if n % 60 == 7 { 400 } else { 0 });
        pages.push((name(n), Page::html(&format!("Page {n}"), &body).delay(slow)));
        if n % 10 == 0 {
            pages.push((format!("/to/{n}"), Page::redirect(&name(n))));
        }
    }
    (Site::start(pages).await, 300)
}

async fn finds_everything(crawler: CrawlerKind) {
    let (site, pages) = large_site().await;
    let mut world = World::around(&site).await;
    world.crawler = crawler;
    let worker = world.worker();
    let (_, result) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert_eq!(
        (&result["pages"], &result["failed"]),
        (&pages.into(), &0.into()),
        "{result}"
    );
    let mut asked: Vec<String> = site.hits().into_iter().map(|hit| hit.path).collect();
    let requests = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), requests, "each URL is asked for once");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loop_finds_a_large_site_completely() {
    finds_everything(CrawlerKind::Plain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spider_finds_a_large_site_completely() {
    finds_everything(CrawlerKind::Spider).await;
}

//! Pages that scripts make: who goes to the browser, what is remembered, and what is told. With the real Chromium.
use crate::support::{Running, World, link, words};
use domain::{
    jobs,
    lifecycle::Lifecycle,
    pages::{
        request::{FetchMode, ScrapeRequest},
        screenshots, store,
    },
};
use entity::job_url;
use std::time::Duration;
use testkit::{Page, Site, within};

/// An app whose pages come from its API.
pub fn shell(script: &str) -> Page {
    Page::raw(
        "text/html",
        format!(
            "<!doctype html><html><head><title>Shop</title></head><body><noscript>You need to enable JavaScript to run this app.</noscript>
             <div id=root></div><script nonce=\"NONCE\">{script}</script></body></html>"
        ),
    )
}

pub fn app(topic: &str, links: &[&str]) -> (Page, Page) {
    let fetches =
        format!("fetch('/api/{topic}').then(r => r.text()).then(t => root.innerHTML = '<main>' + t + '</main>')");
    let links: String = links.iter().map(|to| link(to)).collect();
    (
        shell(&fetches),
        Page::raw("text/plain", format!("<h1>{topic}</h1>{}{links}", words(topic))),
    )
}

async fn site() -> Site {
    let (home, home_api) = app("home", &["/shipping", "/plain", "/login", "/empty"]);
    let (shipping, shipping_api) = app("shipping", &[]);
    Site::start([
        ("/", home),
        ("/api/home", home_api),
        ("/shipping", shipping.header("etag", "\"s1\"")),
        ("/api/shipping", shipping_api),
        ("/plain", Page::html("Plain", &words("plain"))),
        ("/login", shell("location = '/plain'")),
        ("/empty", shell("root.innerHTML = '<div class=spinner></div>'")),
    ])
    .await
}

pub fn chromedriver() -> &'static str {
    let places = ["/usr/bin/chromedriver", "/usr/local/bin/chromedriver"];
    let found = places.into_iter().find(|place| std::path::Path::new(place).is_file());
    found.unwrap_or_else(|| panic!("chromium and chromedriver are needed: apt-get install chromium chromium-driver"))
}

pub async fn via(world: &World, id: uuid::Uuid, path: &str) -> job_url::Model {
    let rows = jobs::urls(&world.tx().await, id, None, None, 1000).await.unwrap();
    rows.into_iter().find(|row| row.url.ends_with(path)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn shells_are_rendered_once_and_an_unchanged_site_starts_no_browser() {
    let site = site().await;
    let world = World::with(&site, &[("CHROMEDRIVER", chromedriver())], None).await;
    let worker = world.worker();
    let (id, result) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert_eq!(world.pages().await, ["/", "/plain", "/shipping"], "{result}");
    let decisions = world.decisions(id).await;
    assert_eq!(decisions["/shipping"], "new: an empty framework shell");
    assert_eq!(decisions["/plain"], "new");
    assert_eq!(decisions["/login"], format!("redirected: {}", site.url("/plain")));
    assert_eq!(decisions["/empty"], "skipped: empty");
    for (path, word) in [("/shipping", "browser"), ("/plain", "loop"), ("/login", "browser")] {
        assert_eq!(via(&world, id, path).await.via, word, "{path}");
    }
    let tx = world.tx().await;
    let shipping = store::list(&tx, Some("/shipping"), None, 10).await.unwrap().remove(0);
    assert!(
        shipping.markdown.contains("how shipping is paid"),
        "{}",
        shipping.markdown
    );
    let picture = screenshots::of_url(&tx, id, &site.url("/empty")).await.unwrap();
    assert!(picture.image.starts_with(&[0xff, 0xd8]) && picture.media_type == "image/jpeg");
    assert_eq!(
        screenshots::of_url(&tx, id, &site.url("/plain"))
            .await
            .unwrap_err()
            .code(),
        "not_found"
    );
    let foreign = screenshots::of_url(&tx, uuid::Uuid::nil(), &site.url("/empty")).await;
    assert_eq!(foreign.unwrap_err().code(), "not_found");
    tx.commit().await.unwrap();

    let api = |site: &Site| site.hits().iter().filter(|hit| hit.path.starts_with("/api/")).count();
    let before = api(&site);
    let (id, result) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert_eq!(api(&site), before, "no browser has asked for anything: {result}");
    let decisions = world.decisions(id).await;
    assert_eq!(decisions["/shipping"], "not_modified");
    assert_eq!(
        decisions["/"],
        "not_modified: its static page is the one that was rendered before"
    );
    assert_eq!(decisions["/login"], format!("redirected: {}", site.url("/plain")));
    assert!(
        decisions["/empty"].starts_with("skipped: empty"),
        "{}",
        decisions["/empty"]
    );
    assert_eq!(result["pages"], 3, "{result}");

    // What is fetched anew is rendered anew, and a page that has become static is static.
    site.set(
        "/shipping",
        Page::html("Shipping", &words("shipping by server").repeat(8)),
    );
    let full = ScrapeRequest {
        full: true,
        ..ScrapeRequest::of(site.url("/"))
    };
    let (id, _) = world.crawl(&full).await;
    assert!(api(&site) > before);
    assert_eq!(world.decisions(id).await["/shipping"], "changed");
    assert_eq!(via(&world, id, "/shipping").await.via, "loop");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_chromedriver_it_is_told_what_would_be_needed() {
    let site = site().await;
    let world = World::with(&site, &[("CHROMEDRIVER", "off")], None).await;
    let worker = world.worker();
    let mode = |mode| ScrapeRequest {
        mode,
        ..ScrapeRequest::of(site.url("/"))
    };
    let (id, _) = world.crawl(&mode(FetchMode::Auto)).await;
    let told = &world.decisions(id).await["/"];
    assert_eq!(
        told,
        "skipped: empty; a browser would be needed (an empty framework shell): this worker has no chromedriver (CHROMEDRIVER)"
    );
    let (id, _) = world.crawl(&mode(FetchMode::Static)).await;
    assert_eq!(world.decisions(id).await["/"], "skipped: empty");
    let id = world.ask(&mode(FetchMode::Browser)).await;
    let job = world.ended(id).await;
    let error = job.error.unwrap();
    assert_eq!(
        (job.state.as_str(), &error["code"]),
        ("failed", &"browser_missing".into())
    );
    assert!(error["message"].as_str().unwrap().contains("CHROMEDRIVER"), "{error}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_browser_mode_every_changed_page_is_rendered() {
    let page = |body: &str| {
        Page::html(
            "Plain",
            &format!("{body}<script>document.querySelector('main').append('added by script')</script>"),
        )
    };
    let site = Site::start([("/", page(&words("plain").repeat(12)))]).await;
    let world = World::with(&site, &[("CHROMEDRIVER", chromedriver())], None).await;
    let worker = world.worker();
    let request = ScrapeRequest {
        mode: FetchMode::Browser,
        ..ScrapeRequest::of(site.url("/"))
    };
    let (id, _) = world.crawl(&request).await;
    assert_eq!(via(&world, id, "/").await.via, "browser");
    let page_of = async || store::list(&world.tx().await, None, None, 10).await.unwrap().remove(0);
    assert!(page_of().await.markdown.contains("added by script"));
    let (id, _) = world.crawl(&request).await;
    assert_ne!(
        via(&world, id, "/").await.via,
        "browser",
        "the same static page is not rendered again"
    );
    site.set("/", page(&words("another").repeat(12)));
    let (id, _) = world.crawl(&request).await;
    assert_eq!(via(&world, id, "/").await.via, "browser");
    assert!(page_of().await.markdown.contains("another"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_wedges_its_browser_fails_and_the_next_one_is_rendered() {
    let (fine, api) = app("fine", &[]);
    let site = Site::start([
        (
            "/",
            Page::html("Home", &format!("{}{}{}", words("home"), link("/stuck"), link("/fine"))),
        ),
        ("/stuck", shell("setTimeout(() => { while (true); }, 20)")),
        ("/fine", fine),
        ("/api/fine", api),
    ])
    .await;
    let variables = [
        ("CHROMEDRIVER", chromedriver()),
        ("BROWSER_SESSIONS", "1"),
        ("CRAWL_PER_HOST", "1"),
    ];
    let world = World::with(&site, &variables, None).await;
    let worker = world.worker();
    let id = world.ask(&ScrapeRequest::of(site.url("/"))).await;
    within(Duration::from_mins(2), "the job's end", || async {
        Some(world.job(id).await).filter(|job| jobs::state::is_final(&job.state))
    })
    .await;
    let decisions = world.decisions(id).await;
    assert!(
        decisions["/stuck"].starts_with("failed: browser_timeout"),
        "{}",
        decisions["/stuck"]
    );
    assert_eq!(via(&world, id, "/stuck").await.via, "browser");
    assert_eq!(decisions["/fine"], "new: an empty framework shell");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_script_names_a_canonical_one_that_goes_away_speaks_for_itself() {
    let script = format!(
        "document.head.innerHTML += '<link rel=canonical href=/new>'; root.innerHTML = `<main>{}</main>`",
        words("shipping").repeat(3)
    );
    let site = Site::start([
        ("/", Page::html("Home", &format!("{}{}", words("home"), link("/old")))),
        ("/old", shell(&script)),
        ("/new", Page::html("New", &words("shipping").repeat(3))),
    ])
    .await;
    let world = World::with(&site, &[("CHROMEDRIVER", chromedriver())], None).await;
    let worker = world.worker();
    let (id, _) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    assert!(
        world.decisions(id).await["/old"].starts_with("duplicate: "),
        "{:?}",
        world.decisions(id).await
    );
    site.set("/new", Page::html("Gone", "gone").status(404));
    let (id, _) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    let decisions = world.decisions(id).await;
    assert_eq!(decisions["/old"], "new: an empty framework shell", "{decisions:?}");
    assert_eq!(via(&world, id, "/old").await.via, "browser");
    worker.stop().await;
}

/// A worker without a browser in an installation whose other workers have one.
fn worker_without_browser(world: &World) -> Running {
    let life = Lifecycle::new();
    let mut context = world.context();
    context.browsers = browser::Browsers::new(None);
    let task = life.spawn(worker::Worker::new(context, life.clone()).run());
    Running::of(life, task)
}

/// What a shop says around its pages before their scripts have run.
pub const FRAME: &str = "<p>Our shop at the harbour, with boats of oak.</p>";

/// An app's page with something to read around it.
pub fn framed(topic: &str, frame: &str) -> Page {
    Page::raw(
        "text/html",
        format!(
            "<!doctype html><html><head><title>Shop</title></head><body>{frame}<div id=root></div>
             <script>fetch('/api/{topic}').then(r => r.text()).then(t => root.innerHTML = '<main>' + t + '</main>')</script></body></html>"
        ),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_made_stays_while_none_can_be_had() {
    let (home, api) = app("home", &["/boats"]);
    let (_, boats_api) = app("boats", &[]);
    let site = Site::start([
        ("/", home),
        ("/api/home", api),
        ("/boats", framed("boats", FRAME)),
        ("/api/boats", boats_api),
    ])
    .await;
    let world = World::with(&site, &[("CHROMEDRIVER", chromedriver())], None).await;
    let worker = world.worker();
    world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    worker.stop().await;
    let text = async || {
        let pages = store::list(&world.tx().await, Some("/boats"), None, 10).await.unwrap();
        pages[0].markdown.clone()
    };
    let before = text().await;
    assert!(before.contains("how boats is paid"), "{before}");

    site.set("/boats", framed("boats", &format!("{FRAME}<!-- the next release -->")));
    let worker = worker_without_browser(&world);
    for full in [false, true] {
        let request = ScrapeRequest {
            full,
            ..ScrapeRequest::of(site.url("/"))
        };
        let (id, _) = world.crawl(&request).await;
        let told = &world.decisions(id).await["/boats"];
        assert!(told.starts_with("failed: browser_missing"), "{told}");
        assert_eq!(text().await, before);
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_without_the_browser_that_it_needs_is_read_again() {
    let (_, api) = app("home", &[]);
    let site = Site::start([("/", framed("home", FRAME).header("etag", "\"1\"")), ("/api/home", api)]).await;
    let world = World::with(&site, &[("CHROMEDRIVER", chromedriver())], None).await;
    let text = async || {
        store::list(&world.tx().await, None, None, 10).await.unwrap()[0]
            .markdown
            .clone()
    };
    let mode = |mode| ScrapeRequest {
        mode,
        ..ScrapeRequest::of(site.url("/"))
    };
    let without = worker_without_browser(&world);
    world.crawl(&mode(FetchMode::Auto)).await;
    assert!(text().await.contains("boats of oak"));
    without.stop().await;
    let worker = world.worker();
    world.crawl(&mode(FetchMode::Static)).await;
    let (id, _) = world.crawl(&mode(FetchMode::Auto)).await;
    assert_eq!(via(&world, id, "/").await.via, "browser");
    assert!(text().await.contains("how home is paid"), "{}", text().await);
    worker.stop().await;
}

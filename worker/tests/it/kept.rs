//! What a browser made of pages before, and what takes it away.
use crate::{
    browsing::{FRAME, app, chromedriver, framed, shell, via},
    support::{World, link, words},
};
use domain::pages::{
    request::{FetchMode, ScrapeRequest},
    store,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use testkit::{Page, Site};

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_page_whose_script_leads_away_is_looked_at_again_before_it_leaves() {
    let (_, text) = app("shipping", &[]);
    let nothing = || Page::raw("text/plain", "");
    // Whoever gets nothing is sent to log in.
    let release = |n: usize| {
        shell(&format!(
            "/* {n} */ fetch('/api/shipping').then(r => r.text()).then(t => {{ if (t) root.innerHTML = `<main>${{t}}</main>`; else location = '/login' }})"
        ))
    };
    let site = Site::start([
        (
            "/",
            Page::html("Home", &format!("{}{}", words("home"), link("/shipping"))),
        ),
        ("/shipping", release(1)),
        ("/api/shipping", text.clone()),
        ("/login", Page::html("Log in", &words("logging in"))),
    ])
    .await;
    let world = World::with(&site, &[("CHROMEDRIVER", chromedriver())], None).await;
    let worker = world.worker();
    let run = async || {
        let (id, _) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
        via(&world, id, "/shipping").await
    };
    assert_eq!(run().await.decision, "new");
    for (n, mended) in [(2, true), (3, false)] {
        site.set("/shipping", release(n));
        site.set("/api/shipping", nothing());
        assert_eq!(run().await.decision, "redirected");
        if mended {
            site.set("/api/shipping", text.clone());
        }
        let second = run().await;
        let decision = if mended { "same_hash" } else { "redirected" };
        assert_eq!((second.decision.as_str(), second.via.as_str()), (decision, "browser"));
        let stays = world.pages().await.contains(&"/shipping".to_owned());
        assert_eq!(stays, mended);
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_made_stays_when_its_scripts_make_nothing() {
    let (shipping, shipping_api) = app("shipping", &[]);
    let (_, boats_api) = app("boats", &[]);
    let links = format!("{}{}{}", words("home"), link("/shipping"), link("/boats"));
    let site = Site::start([
        ("/", Page::html("Home", &links)),
        ("/shipping", shipping),
        ("/api/shipping", shipping_api.clone()),
        ("/boats", framed("boats", FRAME)),
        ("/api/boats", boats_api.clone()),
    ])
    .await;
    let world = World::with(&site, &[("CHROMEDRIVER", chromedriver())], None).await;
    let worker = world.worker();
    let run = async || {
        let (id, _) = world.crawl(&ScrapeRequest::of(site.url("/"))).await;
        let decisions = world.decisions(id).await;
        ["/boats", "/shipping"].map(|path| decisions[path].clone())
    };
    let texts = async || {
        let pages = store::list(&world.tx().await, None, None, 10).await.unwrap();
        let of = |path: &str| {
            pages
                .iter()
                .find(|page| page.url.ends_with(path))
                .unwrap()
                .markdown
                .to_string()
        };
        ["/boats", "/shipping"].map(of)
    };
    run().await;
    let before = texts().await;
    assert!(
        before[0].contains("how boats is paid") && before[1].contains("how shipping is paid"),
        "{before:?}"
    );

    let nothing = Page::raw("text/plain", "");
    site.set("/boats", framed("boats", &format!("{FRAME}<!-- the next release -->")));
    let next = "/* the next release */ fetch('/api/shipping').then(r => r.text()).then(t => root.innerHTML = '<main>' + t + '</main>')";
    site.set("/shipping", shell(next));
    site.set("/api/boats", nothing.clone());
    site.set("/api/shipping", nothing);
    for _ in 0..3 {
        for told in run().await {
            assert_eq!(told, "skipped: rendered_empty; what a browser made of it before stays");
        }
        assert_eq!(texts().await, before);
        assert_eq!(world.pages().await, ["/", "/boats", "/shipping"]);
    }
    site.set("/api/boats", boats_api);
    site.set("/api/shipping", shipping_api);
    for told in run().await {
        assert!(told.starts_with("same_hash"), "{told}");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_made_stays_in_crawls_that_use_none() {
    let (_, home_api) = app("home", &["/boats"]);
    let (_, boats_api) = app("boats", &[]);
    let release = |n: usize| {
        let frame = format!("{FRAME}<!-- {n} -->");
        (framed("home", &frame), framed("boats", &frame))
    };
    let (home, boats) = release(1);
    let site = Site::start([
        ("/", home),
        ("/api/home", home_api),
        ("/boats", boats),
        ("/api/boats", boats_api),
    ])
    .await;
    let world = World::with(&site, &[("CHROMEDRIVER", chromedriver())], None).await;
    let worker = world.worker();
    let texts = async || {
        let pages = store::list(&world.tx().await, None, None, 10).await.unwrap();
        pages.iter().map(|page| page.markdown.to_string()).collect::<Vec<_>>()
    };
    let request = ScrapeRequest::of(site.url("/"));
    world.crawl(&request).await;
    let before = texts().await;
    assert!(
        before.len() == 2 && before.iter().all(|text| text.contains("is paid")),
        "{before:?}"
    );

    // While the static pages are the same, so are these.
    let fixed = ScrapeRequest {
        mode: FetchMode::Static,
        ..request.clone()
    };
    let (id, _) = world.crawl(&fixed).await;
    let same = "not_modified: its static page is the one that was rendered before";
    assert_eq!(world.decisions(id).await["/boats"], same);
    let told =
        "failed: browser_unused: this crawl uses no browser, which made the page before; an empty framework shell";
    for (n, request) in [(2, &fixed), (3, &request)] {
        let (home, boats) = release(n);
        site.set("/", home);
        site.set("/boats", boats);
        if n == 3 {
            // The proof of the domain has lapsed.
            let tx = world.kit.db.system().await.unwrap();
            let end = "UPDATE customer_domains SET verified_at = NULL";
            tx.execute_raw(Statement::from_string(DbBackend::Postgres, end))
                .await
                .unwrap();
            tx.commit().await.unwrap();
        }
        let (id, _) = world.crawl(request).await;
        let decisions = world.decisions(id).await;
        assert_eq!((decisions["/"].as_str(), decisions["/boats"].as_str()), (told, told));
        assert_eq!(texts().await, before);
    }
    worker.stop().await;
}

//! Why a crawl did what it did: filtered, counted, in pages, and for its customer only.
use domain::pages::sitemaps::{self, Sitemaps};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;

/// A crawl of `shop` with some decisions; `/refunds` is a page that is stored.
async fn crawl(app: &App) -> Uuid {
    let body = json!({ "url": "https://shop.example/" });
    let made = app.post("/api/scrape", &body).bearer(&app.key).send().await.expect(202);
    let job: Uuid = made["job_id"].as_str().unwrap().parse().unwrap();
    let customer = app.shop.id;
    let rows = [
        ("/refunds", "'new', NULL, 200, 120, 5, 4000, 0, NULL, 'start'"),
        (
            "/100%25_off",
            "'new', NULL, 200, 80, 7, 3000, 1, 'https://shop.example/refunds', 'loop'",
        ),
        ("/1000_off", "'changed', NULL, 200, 2500, 900, 100, 1, NULL, 'browser'"),
        (
            "/old",
            "'redirected', 'https://shop.example/new', 301, 20, 0, 0, 1, NULL, 'loop'",
        ),
        (
            "/map",
            "'not_modified', 'lastmod', NULL, NULL, NULL, NULL, 1, NULL, 'sitemap'",
        ),
        ("/cart", "'blocked', 'robots', NULL, NULL, NULL, NULL, 1, NULL, 'loop'"),
        (
            "/a/a/a",
            "'skipped', 'trap: a path segment repeats', NULL, NULL, NULL, NULL, 2, NULL, 'loop'",
        ),
        (
            "/b/b/b",
            "'skipped', 'trap: the query grows', NULL, NULL, NULL, NULL, 2, NULL, 'loop'",
        ),
        (
            "/x",
            "'skipped', 'budget: pages', NULL, NULL, NULL, NULL, 2, NULL, 'loop'",
        ),
        (
            "/down",
            "'failed', 'http_status: the server answered 500', 500, 10, 3, 0, 2, NULL, 'loop'",
        ),
    ];
    let tx = app.kit.db.system().await.unwrap();
    for (path, row) in rows {
        let insert = format!(
            "INSERT INTO job_urls (job_id, customer_id, url, decision, reason, status, ms, wait_ms, bytes, depth, found_from, via)
             VALUES ('{job}', '{customer}', 'https://shop.example{path}', {row})"
        );
        let insert = Statement::from_string(DbBackend::Postgres, insert);
        tx.execute_raw(insert).await.unwrap();
    }
    tx.commit().await.unwrap();
    job
}

async fn urls(app: &App, job: Uuid, query: &str) -> Value {
    let path = format!("/api/jobs/{job}/urls?{query}");
    app.get(&path).bearer(&app.key).send().await.expect(200)
}

/// The paths of the URLs that a query gives, in order.
async fn paths(app: &App, job: Uuid, query: &str) -> Vec<String> {
    let list = urls(app, job, query).await;
    let items = list["items"].as_array().unwrap().iter();
    let path = |item: &Value| {
        item["url"]
            .as_str()
            .unwrap()
            .trim_start_matches("https://shop.example")
            .to_owned()
    };
    items.map(path).collect()
}

#[tokio::test]
async fn each_url_says_what_became_of_it_and_why() {
    let app = App::start().await;
    let page = app.page("Refunds", "Refunds take a week.").await;
    let job = crawl(&app).await;
    let all = urls(&app, job, "").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 10);
    let first = &all["items"][0];
    assert_eq!((&first["page_id"], &first["chunks"]), (&json!(page), &json!(1)));
    assert_eq!(
        (&first["ms"], &first["wait_ms"], &first["bytes"]),
        (&json!(120), &json!(5), &json!(4000))
    );
    let second = &all["items"][1];
    assert_eq!(second["found_from"], "https://shop.example/refunds");
    assert_eq!((&second["page_id"], &second["chunks"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn filters_hold_together_and_take_texts_literally() {
    let app = App::start().await;
    let job = crawl(&app).await;
    for (query, expected) in [
        ("decision=new", vec!["/refunds", "/100%25_off"]),
        ("via=browser", vec!["/1000_off"]),
        ("status=500", vec!["/down"]),
        ("reason=trap", vec!["/a/a/a", "/b/b/b"]),
        ("reason=trap:%20a", vec!["/a/a/a"]),
        ("min_ms=100", vec!["/refunds", "/1000_off"]),
        ("min_ms=100&decision=changed", vec!["/1000_off"]),
        ("q=_off", vec!["/100%25_off", "/1000_off"]),
        ("q=100%2525_", vec!["/100%25_off"]),
        ("q=%25_o", vec![]),
        ("q=1%250", vec![]),
        ("reason=%25", vec![]),
        ("q='%20OR%20true--", vec![]),
        ("via='", vec![]),
    ] {
        assert_eq!(paths(&app, job, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_long_list_comes_in_pages_that_keep_the_filter() {
    let app = App::start().await;
    let job = crawl(&app).await;
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let query = format!("reason=t&limit=1{cursor}");
        found.extend(paths(&app, job, &query).await);
        match urls(&app, job, &query).await["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, ["/a/a/a", "/b/b/b"]);
}

#[tokio::test]
async fn what_was_decided_is_counted_and_adds_up() {
    let app = App::start().await;
    let job = crawl(&app).await;
    let path = format!("/api/jobs/{job}/urls/summary");
    let summary = app.get(&path).bearer(&app.key).send().await.expect(200);
    assert_eq!(summary["sitemaps"], Value::Null, "they have not been read");
    let decisions = summary["decisions"].as_array().unwrap();
    let sum: i64 = decisions.iter().map(|count| count["urls"].as_i64().unwrap()).sum();
    assert_eq!((sum, &summary["urls"]), (10, &json!(10)));
    for expected in [
        json!({ "decision": "skipped", "rule": "trap", "urls": 2 }),
        json!({ "decision": "skipped", "rule": "budget", "urls": 1 }),
        json!({ "decision": "redirected", "rule": null, "urls": 1 }),
        json!({ "decision": "not_modified", "rule": "lastmod", "urls": 1 }),
    ] {
        assert!(decisions.contains(&expected), "{expected} is not in {decisions:?}");
    }
    assert_eq!((&summary["bytes"], &summary["via"]["loop"]), (&json!(7100), &json!(7)));
    assert_eq!(
        summary["fetch_ms"],
        json!({ "p50": 80, "p90": 2500, "p99": 2500, "max": 2500 })
    );
    assert_eq!(summary["wait_ms"]["max"], 900);
    let mut told = Sitemaps {
        read: 2,
        entries: 7,
        ..Sitemaps::default()
    };
    told.fail("https://shop.example/old.xml", "the server answered 404");
    let tx = app.kit.db.tenant(&app.shop).await.unwrap();
    sitemaps::note(&tx, job, &told).await.unwrap();
    tx.commit().await.unwrap();
    let summary = app.get(&path).bearer(&app.key).send().await.expect(200);
    let unread = json!([{"url": "https://shop.example/old.xml", "why": "the server answered 404"}]);
    assert_eq!(
        summary["sitemaps"],
        json!({"read": 2, "entries": 7, "entries_elsewhere": 0, "failed": 1, "elsewhere": 0, "truncated": false, "unread": unread})
    );
}

#[tokio::test]
async fn bad_filters_are_named_and_other_customers_jobs_are_unknown() {
    let app = App::start().await;
    let job = crawl(&app).await;
    for bad in [
        "decision=odd",
        "status=7",
        "status=abc",
        "min_ms=-1",
        "min_ms=99999999999",
        "q=",
        "q=%00",
        "reason=%00x",
        "cursor=x",
        "limit=0",
        "limit=101",
    ] {
        let got = app
            .get(&format!("/api/jobs/{job}/urls?{bad}"))
            .bearer(&app.key)
            .send()
            .await;
        assert_eq!(got.problem(400), "invalid_request", "{bad}");
    }
    for path in [format!("/api/jobs/{job}/urls"), format!("/api/jobs/{job}/urls/summary")] {
        let foreign = app.get(&path).bearer(&app.other_key).send().await;
        assert_eq!(foreign.problem(404), "not_found");
        let unknown = app.get(&path.replace(&job.to_string(), &Uuid::nil().to_string()));
        assert_eq!(unknown.bearer(&app.key).send().await.problem(404), "not_found");
    }
}

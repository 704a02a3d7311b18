//! Customers, domains and keys; health and metrics.
use poem::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::{Page, Site};

use crate::app::App;

#[tokio::test]
async fn a_customer_s_life() {
    let app = App::start().await;
    let new = json!({ "name": "New", "domain": "https://New.example/" });
    let got = app.post("/api/customers", &new).admin().send().await;
    let made = got.expect(201);
    assert_eq!(made["domain"], "new.example");
    let path = got.header("location").to_owned();
    assert_eq!(
        app.post("/api/customers", &new).admin().send().await.problem(409),
        "domain_taken"
    );
    let read = app.get(&path).admin().send().await.expect(200);
    assert_eq!(
        (&read["domains"][0]["host"], &read["domains"][0]["verified"]),
        (&json!("new.example"), &json!(true))
    );
    let renamed = app
        .call(Method::PATCH, &path)
        .json(&json!({ "name": "Newer" }))
        .admin()
        .send()
        .await
        .expect(200);
    assert_eq!(renamed["name"], "Newer");
    let all = app.get("/api/customers?limit=2").admin().send().await.expect(200);
    assert_eq!(
        (all["items"].as_array().unwrap().len(), all["next_cursor"].is_string()),
        (2, true)
    );
    app.call(Method::DELETE, &path).admin().send().await.expect(204);
    assert_eq!(app.get(&path).admin().send().await.problem(404), "not_found");
    let audited = "SELECT count(*) FROM audit_logs WHERE action LIKE 'customer.%' AND actor = 'admin'";
    assert_eq!(app.kit.count(audited).await, 3);
    assert_eq!(
        app.get("/api/customers").bearer("wrong").send().await.problem(401),
        "invalid_credential"
    );
}

#[tokio::test]
async fn a_key_is_shown_once_rotated_and_revoked() {
    let app = App::start().await;
    let new = json!({ "customer_id": app.shop.id, "name": "ci", "scopes": ["jobs"] });
    let made = app.post("/api/keys", &new).admin().send().await.expect(201);
    let key = made["key"].as_str().unwrap();
    app.get("/api/jobs").bearer(key).send().await.expect(200);
    let listed = app
        .get(&format!("/api/keys?customer_id={}", app.shop.id))
        .admin()
        .send()
        .await;
    assert!(
        !listed.text.contains(key) && listed.text.contains("\"ci\""),
        "{}",
        listed.text
    );
    let path = format!("/api/keys/{}", made["id"].as_str().unwrap());
    let next = app
        .post(&format!("{path}/rotate"), &Value::Null)
        .admin()
        .send()
        .await
        .expect(201);
    for key in [key, next["key"].as_str().unwrap()] {
        app.get("/api/jobs").bearer(key).send().await.expect(200);
    }
    app.call(Method::DELETE, &path).admin().send().await.expect(204);
    assert_eq!(
        app.get("/api/jobs").bearer(key).send().await.problem(401),
        "invalid_key"
    );
    let odd = json!({ "customer_id": app.shop.id, "name": "x", "scopes": ["everything"] });
    assert_eq!(
        app.post("/api/keys", &odd).admin().send().await.problem(400),
        "invalid_request"
    );
    assert_eq!(
        app.kit
            .count("SELECT count(*) FROM audit_logs WHERE action LIKE 'key.%' AND actor = 'admin'")
            .await,
        3
    );
}

#[tokio::test]
async fn a_domain_is_proved_by_file_or_meta_or_the_operator() {
    let (file, meta) = (site().await, site().await);
    let app = App::with(&[("OMNIOPS_EGRESS_ALLOW", &format!("{},{}", file.host(), meta.host()))]).await;
    let domains = format!("/api/customers/{}/domains", app.shop.id);
    let add = |host: String| {
        let (app, domains) = (&app, &domains);
        async move {
            app.post(domains, &json!({ "domain": host }))
                .bearer(&app.key)
                .send()
                .await
                .expect(201)
        }
    };
    let verify = |host: &str, query: &str| format!("{domains}/{host}/verify{query}");
    let token = |domain: &Value| domain["token"].as_str().unwrap().to_owned();

    let by_file = add(file.host()).await;
    let path = verify(&file.host(), "?vouch=true");
    let early = app.post(&path, &Value::Null).bearer(&app.key).send().await;
    assert_eq!(early.problem(409), "domain_not_proved", "a key can't vouch");
    file.set(
        "/.well-known/omniops.txt",
        Page::raw("text/plain", format!("# ours\n{}\n", token(&by_file))),
    );
    let proved = app.post(&path, &Value::Null).bearer(&app.key).send().await.expect(200);
    assert_eq!((&proved["method"], &proved["verified"]), (&json!("file"), &json!(true)));

    let by_meta = add(meta.host()).await;
    let head = format!(
        "<head><meta name=\"omniops-verification\" content=\"{}\"></head>",
        token(&by_meta)
    );
    meta.set("/", Page::raw("text/html", head));
    let proved = app
        .post(&verify(&meta.host(), ""), &Value::Null)
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    assert_eq!(proved["method"], "meta");

    add("vouched.example".into()).await;
    let vouched = app
        .post(&verify("vouched.example", "?vouch=true"), &Value::Null)
        .admin()
        .send()
        .await
        .expect(200);
    assert_eq!(vouched["method"], "operator");
    assert_eq!(
        app.kit
            .count("SELECT count(*) FROM audit_logs WHERE action = 'domain.verified'")
            .await,
        3
    );
}

async fn site() -> Site {
    Site::start([("/", Page::html("Home", "Nothing"))]).await
}

#[tokio::test]
async fn health_tells_the_operator_about_every_part() {
    let app = App::start().await;
    assert_eq!(app.get("/api/health").send().await.expect(200)["status"], "ok");
    assert_eq!(app.get("/api/health/ready").send().await.expect(200)["status"], "ok");
    let all = app
        .get("/api/health/comprehensive?verbose=true")
        .admin()
        .send()
        .await
        .expect(200);
    // How full this machine's disk is, is not this test's matter: `health_tells_how_much_room_the_folders_have`.
    let mut parts = all["parts"].as_array().unwrap().iter();
    let full = parts.any(|part| part["name"] == "disk" && part["state"] == "failing");
    let wanted = if full { "degraded" } else { "ok" };
    assert_eq!(all["status"], wanted, "{all}");
    let states: Vec<_> = all["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["name"].as_str(), p["state"].as_str()))
        .collect();
    for wanted in [
        ("database", "ok"),
        ("redis", "ok"),
        ("redis_cache", "ok"),
        ("queues", "ok"),
        ("embedding", "off"),
        ("model", "ok"),
    ] {
        assert!(
            states.contains(&(Some(wanted.0), Some(wanted.1))),
            "{wanted:?} is missing from {states:?}"
        );
    }
    let queues = all["queues"].as_array().unwrap();
    let queues: BTreeSet<&str> = queues.iter().filter_map(|queue| queue["kind"].as_str()).collect();
    assert_eq!(queues, BTreeSet::from(["embed", "maintenance", "scrape", "sync"]));
    let counted = app.get("/api/queue/stats").admin().send().await.expect(200);
    assert_eq!(counted["queues"][0]["depth"], 0);

    let app = App::with(&[("REDIS_URL", "redis://127.0.0.1:1")]).await;
    let all = app.get("/api/health/comprehensive").admin().send().await.expect(200);
    assert_eq!(all["status"], "degraded");
    assert_eq!(all.get("queues"), None);

    let app = App::with(&[("REDIS_CACHE_URL", "redis://127.0.0.1:1")]).await;
    let all = app.get("/api/health/comprehensive").admin().send().await.expect(200);
    let failing = |part: &&Value| part["state"] == "failing" && part["name"] != "disk";
    let failing: Vec<_> = all["parts"].as_array().unwrap().iter().filter(failing).collect();
    assert_eq!((failing.len(), &failing[0]["name"]), (1, &json!("redis_cache")));
}

#[tokio::test]
async fn metrics_are_for_the_operator_and_this_machine() {
    let app = App::start().await;
    let context = app.context.clone().with_metrics(api::install_metrics().unwrap());
    let address = api::serve(context, ([127, 0, 0, 1], 0).into()).await.unwrap();
    let read = |forwarded: &'static str| async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET /api/metrics HTTP/1.1\r\nhost: x\r\n{forwarded}connection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).await.unwrap();
        text
    };
    assert!(read("x-forwarded-for: 192.0.2.7\r\n").await.starts_with("HTTP/1.1 401"));
    app.post("/api/chat", &json!({ "message": "Do you rent boats?" }))
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    let text = read("").await;
    for line in [
        "omniops_queue_depth{queue=\"scrape\"} 0",
        "omniops_queue_scheduled{queue=\"embed\"} 0",
        "omniops_queue_paused{queue=\"maintenance\"} 0",
        "omniops_queue_retries{queue=\"sync\"} 0",
        "omniops_queue_errands{queue=\"scrape\",state=\"waiting\"} 0",
        "omniops_queue_errands{queue=\"quarantine\",state=\"held\"} 0",
        "omniops_workers{state=\"lost\"} 0",
        "omniops_events_lag 0",
        "omniops_chat_requests_total{domain=\"shop.example\",status=\"refused\"} 1",
        "omniops_http_requests_total{route=\"/api/metrics\",method=\"GET\",status=\"401\"} 1",
        "omniops_chat_duration_seconds_bucket{domain=\"shop.example\",le=\"0.5\"}",
        "omniops_search_duration_seconds_bucket{mode=\"lexical\",le=\"+Inf\"} 1",
        "omniops_db_query_duration_seconds_bucket{query=\"select\",le=\"1\"}",
        "omniops_db_pool{pool=\"transactions\",state=\"max\"} 20",
    ] {
        assert!(text.contains(line), "{line} is missing from {text}");
    }
}

/// The metrics that a file of the deployment names.
fn named(file: &str) -> BTreeSet<String> {
    let path = format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let metrics = words.filter(|word| word.starts_with("omniops_"));
    let series = |name: &str| {
        ["_sum", "_count", "_bucket"]
            .iter()
            .find_map(|end| name.strip_suffix(end).map(str::to_owned))
    };
    metrics
        .map(|name| series(name).unwrap_or_else(|| name.to_owned()))
        .collect()
}

#[test]
fn alerts_and_dashboards_name_metrics_that_the_operations_guide_has() {
    let known = named("docs/OPERATIONS.md");
    for (file, least) in [
        ("deploy/prometheus/queues.rules.yml", 6),
        ("deploy/prometheus/database.rules.yml", 3),
        ("deploy/prometheus/models.rules.yml", 3),
        ("deploy/prometheus/limits.rules.yml", 2),
        ("deploy/grafana/queues.json", 6),
    ] {
        let wanted = named(file);
        assert!(wanted.len() >= least, "{file}: {wanted:?}");
        let unknown: Vec<_> = wanted.difference(&known).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

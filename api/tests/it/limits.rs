//! Limits as callers meet them: who is held against what, what refusals say, and what becomes of floods.
use api::Context;
use domain::{config::Config, limits::solve, retrieval::Searcher, tenancy::Scope};
use futures::{StreamExt, stream};
use poem::{
    Addr, Body, Endpoint, EndpointExt, Request, RequestParts, Response,
    endpoint::BoxEndpoint,
    http::{self, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use std::net::SocketAddr;
use testkit::{ADMIN_TOKEN, Server, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::app::{App, Got};

/// Patient with Redis, so that a busy machine is not taken for one without it.
const PATIENT: (&str, &str) = ("LIMITS_REDIS_MS", "10000");
const ORIGIN: (&str, &str) = ("origin", "https://shop.example");
const HERE: &str = "198.51.100.7";
const THERE: &str = "203.0.113.9";

/// An installation with these limits.
async fn app(variables: &[(&str, &str)]) -> App {
    let mut all = vec![PATIENT];
    all.extend(variables);
    App::with(&all).await
}

/// One process of the API, asked from addresses of the test's choice.
struct Replica(BoxEndpoint<'static, Response>);

impl Replica {
    fn of(app: &App) -> Self {
        Self(api::endpoint(app.context.clone()).boxed())
    }

    /// A further process of the same installation.
    async fn another(app: &App, config: &Config) -> Self {
        let searcher = Searcher::new(app.kit.db.clone(), None).await.unwrap();
        let (db, dispatcher) = (app.kit.db.clone(), app.kit.dispatcher.clone());
        let context = Context::new(config, db, dispatcher, searcher, app.life.clone());
        Self(api::endpoint(context.await.unwrap()).boxed())
    }

    async fn open(&self, from: &str, what: &str, headers: &[(&str, &str)], body: &Value) -> Response {
        let (method, path) = what.split_once(' ').unwrap();
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers.iter().chain(&[("content-type", "application/json")]) {
            request = request.header(*name, *value);
        }
        let peer = || Addr::from(SocketAddr::new(from.parse().unwrap(), 4711));
        let (head, ()) = request.body(()).unwrap().into_parts();
        let parts = RequestParts::from((head, LocalAddr(peer()), RemoteAddr(peer()), Scheme::HTTP));
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        self.0.get_response(Request::from_parts(parts, body)).await
    }

    async fn call(&self, from: &str, what: &str, headers: &[(&str, &str)], body: &Value) -> Got {
        let response = self.open(from, what, headers, body).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.into_body().into_string().await.unwrap();
        Got { status, headers, text }
    }

    async fn get(&self, from: &str, path: &str, token: &str) -> Got {
        let bearer = format!("Bearer {token}");
        self.call(
            from,
            &format!("GET {path}"),
            &[("authorization", &bearer)],
            &Value::Null,
        )
        .await
    }

    /// A visitor's session of `shop.example` with these headers.
    async fn begin(&self, from: &str, headers: &[(&str, &str)]) -> Got {
        let body = json!({ "domain": "shop.example" });
        self.call(from, "POST /api/widget/session", headers, &body).await
    }

    /// A visitor's session of `domain`.
    async fn session(&self, from: &str, domain: &str) -> Got {
        let origin = format!("https://{domain}");
        self.call(
            from,
            "POST /api/widget/session",
            &[("origin", &origin)],
            &json!({ "domain": domain }),
        )
        .await
    }

    async fn chat(&self, from: &str, domain: &str, token: &str) -> Got {
        let (origin, bearer) = (format!("https://{domain}"), format!("Bearer {token}"));
        let headers = [("origin", origin.as_str()), ("authorization", &bearer)];
        self.call(
            from,
            "POST /api/chat",
            &headers,
            &json!({ "message": "How much is shipping?" }),
        )
        .await
    }
}

fn token(session: &Got) -> String {
    session.expect(200)["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_thousand_at_once_over_two_replicas_let_exactly_a_hundred_through() {
    let app = app(&[("LIMIT_READ_KEY", "100/1d")]).await;
    let replicas = [Replica::of(&app), Replica::another(&app, &app.kit.config).await];
    let calls = stream::iter(0..1000).map(|at| replicas[at % 2].get(HERE, "/api/settings", &app.key));
    let all: Vec<Got> = calls.buffer_unordered(200).collect().await;
    let of = |status: u16| all.iter().filter(|got| got.status == status).count();
    assert_eq!((of(200), of(429)), (100, 900));
    // Another key, of the same customer too, has its own.
    let second = app.kit.key(&app.shop, &[Scope::All]).await;
    for key in [&second, &app.other_key] {
        replicas[0].get(HERE, "/api/settings", key).await.expect(200);
    }
}

#[tokio::test]
async fn answers_tell_where_their_caller_stands_and_refusals_in_words() {
    let app = app(&[("LIMIT_READ_KEY", "3/1d")]).await;
    let replica = Replica::of(&app);
    for left in [2, 1, 0] {
        let got = replica.get(HERE, "/api/settings", &app.key).await;
        assert_eq!(got.status, 200);
        assert_eq!(got.header("ratelimit-policy"), "\"read-key\";q=3;w=86400");
        let state = got.header("ratelimit");
        let (before, full_in) = state.rsplit_once(";t=").unwrap();
        assert_eq!(before, format!("\"read-key\";r={left}"));
        // A third of a day for each that was used; the clock goes on while the test runs.
        let used = (3 - left) * 28_800;
        let full_in: i64 = full_in.parse().unwrap();
        assert!((used - 600..=used).contains(&full_in), "{state}");
    }
    let got = replica.get(HERE, "/api/settings", &app.key).await;
    assert_eq!(got.problem(429), "rate_limited");
    let wait: i64 = got.header("retry-after").parse().unwrap();
    assert!((28_200..=28_800).contains(&wait), "{wait}");
    let detail = got.expect(429)["detail"].as_str().unwrap().to_owned();
    assert_eq!(
        detail,
        format!("more than 3 requests in 86400 s for this key; try again in {wait} s")
    );
    assert!(got.header("ratelimit").starts_with("\"read-key\";r=0;t="));
    // A call that fails tells it as well: what is wrong with it does not make it free.
    let second = app.kit.key(&app.shop, &[Scope::Chat]).await;
    let got = replica.get(HERE, "/api/settings", &second).await;
    assert_eq!(
        (
            got.problem(403).as_str(),
            got.header("ratelimit").starts_with("\"read-key\";r=2;")
        ),
        ("missing_scope", true)
    );
}

#[tokio::test]
async fn a_visitor_reads_its_own_limits_and_not_how_busy_the_site_is() {
    let app = app(&[
        ("LIMIT_CHAT_DOMAIN", "2/1d"),
        ("LIMIT_CHAT_SESSION", "5/1d"),
        ("LIMIT_CHAT_IP", "9/1d"),
        ("CHALLENGE", "off"),
    ])
    .await;
    let replica = Replica::of(&app);
    let session = replica.session(HERE, "shop.example").await;
    assert_eq!(session.header("ratelimit-policy"), "\"session-ip\";q=30;w=60");
    let token = token(&session);
    let got = replica.chat(HERE, "shop.example", &token).await;
    assert_eq!(
        got.header("ratelimit-policy"),
        "\"chat-session\";q=5;w=86400, \"chat-ip\";q=9;w=86400"
    );
    assert!(got.header("ratelimit").starts_with("\"chat-session\";r=4;t="));
    assert!(
        got.header("access-control-expose-headers")
            .contains("ratelimit, ratelimit-policy, omniops-challenge")
    );
    replica.chat(HERE, "shop.example", &token).await.expect(200);
    let got = replica.chat(HERE, "shop.example", &token).await;
    assert_eq!(got.problem(429), "rate_limited");
    assert!(got.text.contains("for this site's chat") && !got.header("ratelimit").contains("domain"));
    // What the site refused was counted for nobody.
    assert!(
        got.header("ratelimit").starts_with("\"chat-session\";r=3;"),
        "{}",
        got.header("ratelimit")
    );
}

#[tokio::test]
async fn one_visitors_flood_is_nobody_elses() {
    let app = app(&[
        ("LIMIT_CHAT_IP", "2/1d"),
        ("LIMIT_CHAT_DOMAIN", "4/1d"),
        ("CHALLENGE", "off"),
    ])
    .await;
    let replica = Replica::of(&app);
    let flood = token(&replica.session(HERE, "shop.example").await);
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(replica.chat(HERE, "shop.example", &flood).await.status.as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 2);
    // The same site from elsewhere has what the flood was not let to use; another site is as it was.
    let visitor = token(&replica.session(THERE, "shop.example").await);
    let elsewhere = token(&replica.session(THERE, "other.example").await);
    replica.chat(THERE, "shop.example", &visitor).await.expect(200);
    replica.chat(THERE, "other.example", &elsewhere).await.expect(200);
}

#[tokio::test]
async fn an_ipv6_network_counts_as_one_address() {
    let app = app(&[("LIMIT_SESSION_IP", "2/1d"), ("CHALLENGE", "off")]).await;
    let replica = Replica::of(&app);
    for from in ["2001:db8:1:2::1", "2001:db8:1:2:ffff::2"] {
        replica.session(from, "shop.example").await.expect(200);
    }
    assert_eq!(
        replica
            .session("2001:db8:1:2:3:4:5:6", "shop.example")
            .await
            .problem(429),
        "rate_limited"
    );
    replica.session("2001:db8:1:3::1", "shop.example").await.expect(200);
}

#[tokio::test]
async fn networks_of_one_site_are_refused_together_when_they_are_many() {
    let app = app(&[("LIMIT_SESSION_IP", "1/1d"), ("CHALLENGE", "off")]).await;
    let replica = Replica::of(&app);
    for n in 0..16 {
        let from = format!("2001:db8:1:{n:x}::1");
        let got = replica.session(&from, "shop.example").await;
        assert!(
            !got.header("ratelimit").contains("site"),
            "nobody reads how busy the others are"
        );
        got.expect(200);
    }
    let refused = replica.session("2001:db8:1:ffff::1", "shop.example").await;
    assert!(refused.text.contains("from this network"), "{}", refused.text);
    assert_eq!(refused.problem(429), "rate_limited");
    replica.session("2001:db8:2::1", "shop.example").await.expect(200);
}

#[tokio::test]
async fn without_redis_each_process_keeps_the_limits_and_nothing_breaks() {
    let app = App::with(&[("LIMIT_READ_KEY", "20/1d"), ("LIMITS_REDIS_MS", "2000")]).await;
    let replica = Replica::of(&app);
    replica.get(HERE, "/api/settings", &app.key).await.expect(200);
    app.kit.stop(Server::Valkey).await;
    let mut answers = Vec::new();
    for _ in 0..60 {
        answers.push(replica.get(HERE, "/api/settings", &app.key).await.status.as_u16());
    }
    assert_eq!(
        answers.iter().filter(|status| **status == 200).count(),
        20,
        "{answers:?}"
    );
    assert!(answers.iter().all(|status| [200, 429].contains(status)), "{answers:?}");
    // Blocks of addresses can't all be seen, which the list says.
    let blocks = replica.get(HERE, "/api/limits/blocks", ADMIN_TOKEN).await.expect(200);
    assert_eq!(blocks, json!({ "items": [], "incomplete": true }));
}

#[tokio::test]
async fn an_address_that_goes_on_is_blocked_listed_and_unblocked() {
    let app = app(&[("LIMIT_ADDRESS", "8/1h"), ("CHALLENGE", "off")]).await;
    let replica = Replica::of(&app);
    for _ in 0..8 {
        replica.session(HERE, "shop.example").await.expect(200);
    }
    let got = replica.session(HERE, "shop.example").await;
    assert_eq!(got.problem(429), "address_blocked");
    assert_eq!(got.header("retry-after"), "3600");
    // What the process knows by now is told like what Redis tells.
    let got = replica.session(HERE, "shop.example").await;
    assert_eq!(got.problem(429), "address_blocked");
    assert!(
        got.header("ratelimit").starts_with("\"session-ip\";r=0;t="),
        "{}",
        got.header("ratelimit")
    );
    assert_eq!(
        replica.get(HERE, "/api/settings", "").await.problem(429),
        "address_blocked"
    );
    // Only those that nothing vouches for.
    replica.get(HERE, "/api/settings", &app.key).await.expect(200);
    replica.session(THERE, "shop.example").await.expect(200);
    let blocks = replica.get(HERE, "/api/limits/blocks", ADMIN_TOKEN).await.expect(200);
    let block = &blocks["items"][0];
    assert_eq!(
        (&block["network"], &block["source"], &block["actor"]),
        (&json!(HERE), &json!("automatic"), &Value::Null)
    );
    let admin = format!("Bearer {ADMIN_TOKEN}");
    let remove = format!("DELETE /api/limits/blocks?network={HERE}");
    let gone = replica
        .call(HERE, &remove, &[("authorization", &admin)], &Value::Null)
        .await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    let again = replica
        .call(HERE, &remove, &[("authorization", &admin)], &Value::Null)
        .await;
    assert_eq!(again.problem(404), "not_found");
    replica.session(HERE, "shop.example").await.expect(200);
}

#[tokio::test]
async fn an_operators_block_shuts_out_everything_but_the_admin_token() {
    let app = app(&[]).await;
    let (replica, other) = (Replica::of(&app), Replica::another(&app, &app.kit.config).await);
    let admin = format!("Bearer {ADMIN_TOKEN}");
    let headers = [("authorization", admin.as_str())];
    let block = json!({ "network": "198.51.100.0/24", "reason": "scraper" });
    let made = replica
        .call(HERE, "POST /api/limits/blocks", &headers, &block)
        .await
        .expect(201);
    assert_eq!(
        (&made["network"], &made["source"], &made["actor"]),
        (&json!("198.51.100.0/24"), &json!("operator"), &json!("admin"))
    );
    for (what, token) in [
        ("GET /api/settings", app.key.as_str()),
        ("GET /embed.js", ""),
        ("GET /demo", ""),
        ("POST /api/chat", ""),
    ] {
        let bearer = format!("Bearer {token}");
        let got = replica
            .call(HERE, what, &[("authorization", &bearer)], &Value::Null)
            .await;
        assert_eq!(got.problem(403), "address_blocked", "{what}");
    }
    replica.get(THERE, "/api/settings", &app.key).await.expect(200);
    replica.get(HERE, "/api/limits/blocks", ADMIN_TOKEN).await.expect(200);
    eventually("another process knows of the block", || async {
        (other.get(HERE, "/api/settings", &app.key).await.status == 403).then_some(())
    })
    .await;
    let wrong = json!({ "network": "everybody", "reason": "" });
    assert_eq!(
        replica
            .call(HERE, "POST /api/limits/blocks", &headers, &wrong)
            .await
            .problem(400),
        "invalid_request"
    );
    let over = json!({ "network": "192.0.2.1", "reason": "", "expires_at": "2020-01-01T00:00:00Z" });
    assert_eq!(
        replica
            .call(HERE, "POST /api/limits/blocks", &headers, &over)
            .await
            .problem(400),
        "invalid_request"
    );
    let remove = "DELETE /api/limits/blocks?network=198.51.100.0/24";
    assert_eq!(replica.call(HERE, remove, &headers, &Value::Null).await.status, 204);
    replica.get(HERE, "/api/settings", &app.key).await.expect(200);
    let lines = "SELECT count(*) FROM audit_logs WHERE action IN ('block.added', 'block.removed') AND resource = '198.51.100.0/24'";
    assert_eq!(app.kit.count(lines).await, 2);
}

#[tokio::test]
async fn a_full_block_list_takes_no_more_and_its_blocks_can_be_changed() {
    let app = app(&[]).await;
    let many = "INSERT INTO address_blocks (network, reason, actor)
        SELECT host('10.0.0.0'::inet + n) || '/32', 'old', 'test' FROM generate_series(1, 10000) n";
    let tx = app.kit.db.system().await.unwrap();
    tx.execute_unprepared(many).await.unwrap();
    tx.commit().await.unwrap();
    let block = |network: &str| json!({ "network": network, "reason": "new" });
    let add = async |network: &str| app.post("/api/limits/blocks", &block(network)).admin().send().await;
    assert_eq!(add("192.0.2.1").await.problem(409), "too_many_blocks");
    assert_eq!(add("10.0.0.7").await.expect(201)["reason"], "new");
}

#[tokio::test]
async fn a_suspicious_visitor_proves_work_and_is_let_in() {
    let app = app(&[("LIMIT_CHAT_IP", "4/1d")]).await;
    let replica = Replica::of(&app);
    let token = token(&replica.session(HERE, "shop.example").await);
    for _ in 0..2 {
        replica.chat(HERE, "shop.example", &token).await.expect(200);
    }
    let asked = replica.chat(HERE, "shop.example", &token).await;
    assert_eq!(asked.problem(429), "challenge_required");
    let (bits, challenge) = asked.header("omniops-challenge").split_once(' ').unwrap();
    let number = solve(challenge, bits.parse().unwrap()).unwrap();
    let (bearer, proof) = (format!("Bearer {token}"), format!("{challenge}:{number}"));
    let headers = [ORIGIN, ("authorization", &bearer), ("omniops-proof", &proof)];
    let body = json!({ "message": "How much is shipping?" });
    // It is bound to the address, and good once.
    let elsewhere = replica.call(THERE, "POST /api/chat", &headers, &body).await;
    assert_eq!(
        elsewhere.status, 200,
        "an address without a past is not asked: {}",
        elsewhere.text
    );
    let got = replica.call(HERE, "POST /api/chat", &headers, &body).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(
        replica.call(HERE, "POST /api/chat", &headers, &body).await.problem(429),
        "challenge_required"
    );
    for nonsense in ["", "x", "a.b:1", &format!("{challenge}:{}", number.wrapping_add(1))] {
        let headers = [ORIGIN, ("authorization", &bearer), ("omniops-proof", nonsense)];
        assert_eq!(
            replica.call(HERE, "POST /api/chat", &headers, &body).await.problem(429),
            "challenge_required"
        );
    }
    // Keys are never asked.
    for _ in 0..9 {
        let bearer = format!("Bearer {}", app.key);
        let got = replica
            .call(HERE, "POST /api/chat", &[("authorization", &bearer)], &body)
            .await;
        assert_eq!(got.status, 200);
    }
}

#[tokio::test]
async fn a_proxy_on_this_machine_that_nobody_named_is_not_exempt_for_all_its_visitors() {
    let variables = [("LIMIT_SESSION_IP", "2/1d"), ("CHALLENGE", "off")];
    let app = app(&[variables[0], variables[1], ("LIMIT_EXEMPT", "127.0.0.0/8,203.0.113.9")]).await;
    let replica = Replica::of(&app);
    let forwarded = [ORIGIN, ("x-forwarded-for", HERE)];
    for _ in 0..2 {
        replica.begin("127.0.0.1", &forwarded).await.expect(200);
    }
    assert_eq!(
        replica.begin("127.0.0.1", &forwarded).await.problem(429),
        "rate_limited"
    );
    // Who sits at the machine itself is exempt as before.
    replica.begin("127.0.0.1", &[ORIGIN]).await.expect(200);
    // And so is an exempt address that a trusted proxy names.
    let more = [
        variables[0],
        variables[1],
        ("LIMIT_EXEMPT", THERE),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let trusting = Replica::another(&app, &app.kit.config_with(&more)).await;
    let forwarded = [ORIGIN, ("x-forwarded-for", THERE)];
    for _ in 0..4 {
        trusting.begin("127.0.0.1", &forwarded).await.expect(200);
    }
}

#[tokio::test]
async fn work_that_is_started_again_counts_like_work_that_is_started() {
    let app = app(&[("LIMIT_SCRAPE", "2/1d"), ("LIMIT_SYNC", "1/1d")]).await;
    let site = json!({ "url": "https://shop.example/" });
    let call = async |path: &str, body: &Value| app.post(path, body).bearer(&app.key).send().await;
    let begun = call("/api/scrape", &site).await.expect(202);
    let job = format!("/api/jobs/{}", begun["job_id"].as_str().unwrap());
    let act = async |verb: &str| call(&format!("{job}/{verb}"), &Value::Null).await;
    act("cancel").await.expect(200);
    act("retry").await.expect(200);
    // What can't be started costs nothing.
    assert_eq!(act("retry").await.problem(409), "job_not_ended");
    act("cancel").await.expect(200);
    let refused = act("retry").await;
    assert_eq!(refused.problem(429), "rate_limited");
    assert!(refused.text.contains("of crawls for this customer"), "{}", refused.text);
    assert_eq!(call("/api/scrape", &site).await.problem(429), "rate_limited");
    // A shop that is connected is asked, and read; what is wrong in itself asks nobody.
    let shop = json!({
        "platform": "woocommerce", "url": "https://nobody.example", "consumer_key": "ck_key", "consumer_secret": "cs_secret",
        "webhook_secret": "a-secret-of-webhooks",
    });
    call("/api/connections", &json!({})).await.problem(400);
    assert_ne!(call("/api/connections", &shop).await.status, 429);
    assert_eq!(call("/api/connections", &shop).await.problem(429), "rate_limited");
}

/// How many scripts Redis has run so far: each is a round trip.
async fn scripts(app: &App) -> u64 {
    let mut info = redis::cmd("INFO");
    let stats: String = info
        .arg("commandstats")
        .query_async(&mut app.kit.redis().await)
        .await
        .unwrap();
    let of = |name: &str| -> u64 {
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    };
    of("evalsha") + of("eval")
}

#[tokio::test]
async fn what_starts_work_is_counted_in_one_round_trip() {
    let app = app(&[("LIMIT_EMBED", "1/1d"), ("LIMIT_CHANGE_KEY", "4/1d")]).await;
    let embed = async |body: Value| app.post("/api/embed", &body).bearer(&app.key).send().await;
    // The script is known to Redis from here on.
    app.get("/api/settings").bearer(&app.key).send().await.expect(200);
    for (what, body, status) in [
        ("work", json!({ "all": true }), 202),
        ("more of it than may be", json!({ "all": true }), 429),
        ("nothing, as it is wrong", json!({}), 400),
        ("nothing, as it is wrong", json!({}), 400),
        ("nothing, as it is wrong", json!({}), 400),
        ("more changes than may be", json!({}), 429),
    ] {
        let before = scripts(&app).await;
        let got = embed(body).await;
        assert_eq!(got.status.as_u16(), status, "{what}: {}", got.text);
        assert_eq!(scripts(&app).await - before, 1, "{what}");
        assert!(got.header("ratelimit-policy").contains("change-key"), "{what}");
    }
}

/// Nothing starts twice by it.
#[tokio::test]
async fn a_request_that_comes_again_with_its_key_costs_the_customer_nothing() {
    let app = app(&[
        ("LIMIT_SCRAPE", "1/1d"),
        ("LIMIT_EMBED", "1/1d"),
        ("LIMIT_BATCH", "1/1d"),
        ("LIMIT_CHANGE_KEY", "100/1d"),
    ])
    .await;
    let warm = json!({ "questions": ["How much is shipping?"] });
    for (path, body, limit) in [
        ("/api/scrape", json!({ "url": "https://shop.example/" }), "scrape"),
        ("/api/embed", json!({ "all": true }), "embed"),
        ("/api/cache/warm", warm, "batch"),
    ] {
        let call = async |key: &str| {
            let call = app.post(path, &body).bearer(&app.key);
            call.header("idempotency-key", &format!("{limit} {key}")).send().await
        };
        let first = call("once").await;
        assert!(first.status.is_success(), "{path}: {}", first.text);
        let told = format!("\"change-key\";q=100;w=86400, \"{limit}\";q=1;w=86400");
        assert_eq!(first.header("ratelimit-policy"), told);
        let again = call("once").await;
        assert_eq!(again.status, first.status, "{path}: {}", again.text);
        assert_eq!(again.header("ratelimit-policy"), "\"change-key\";q=100;w=86400");
        let another = call("another").await;
        assert_eq!(another.problem(429), "rate_limited", "{path}");
        assert!(
            another.header("ratelimit").contains(&format!("\"{limit}\";r=0;")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn pages_that_name_a_customer_are_counted_by_address_and_blocked_with_it() {
    let app = app(&[("LIMIT_VISITOR_IP", "3/60s"), ("LIMIT_ADDRESS", "1000/3600s")]).await;
    let api = Replica::of(&app);
    for path in ["/privacy", "/terms?domain=shop.example", "/accessibility"] {
        assert_eq!(
            api.call(HERE, &format!("GET {path}"), &[], &Value::Null).await.status,
            200,
            "{path}"
        );
    }
    let more = api.call(HERE, "GET /demo", &[], &Value::Null).await;
    assert_eq!(more.problem(429), "rate_limited");
    assert_ne!(more.header("retry-after"), "");
    assert_eq!(api.call(THERE, "GET /privacy", &[], &Value::Null).await.status, 200);
    // Nothing is asked for these.
    assert_eq!(api.call(HERE, "GET /embed.js", &[], &Value::Null).await.status, 200);
}

#[tokio::test]
async fn credentials_that_nobody_has_are_looked_up_a_few_times_only() {
    let app = app(&[("LIMIT_CREDENTIAL_IP", "3/1d")]).await;
    let replica = Replica::of(&app);
    for at in 0..3 {
        let got = replica.get(HERE, "/api/settings", &format!("omni_guess{at}")).await;
        assert_eq!(got.problem(401), "invalid_key");
    }
    let got = replica.get(HERE, "/api/settings", "omni_guess").await;
    assert_eq!(got.problem(429), "rate_limited");
    replica.get(HERE, "/api/customers", ADMIN_TOKEN).await.expect(200);
    replica.get(THERE, "/api/settings", &app.key).await.expect(200);
}

#[tokio::test]
async fn while_the_database_is_away_an_address_waits_for_it_a_few_times_only() {
    let app = app(&[("LIMIT_CREDENTIAL_IP", "3/1d")]).await;
    let replica = Replica::of(&app);
    app.kit.db.clone().close().await;
    for _ in 0..3 {
        replica.get(HERE, "/api/settings", &app.key).await.problem(503);
    }
    let got = replica.get(HERE, "/api/settings", &app.key).await;
    assert_eq!(got.problem(429), "rate_limited");
    replica.get(THERE, "/api/settings", &app.key).await.problem(503);
}

#[tokio::test]
async fn streams_of_one_customer_leave_room_for_the_others() {
    let app = app(&[("LIMIT_STREAMS", "2")]).await;
    let replica = Replica::of(&app);
    let site = json!({ "url": "https://shop.example/" });
    let made = app.post("/api/scrape", &site).bearer(&app.key).send().await.expect(202);
    let follow = format!("GET /api/jobs/{}/events", made["job_id"].as_str().unwrap());
    let [ours, theirs] = [&app.key, &app.other_key].map(|key| format!("Bearer {key}"));
    let mut streams = Vec::new();
    for _ in 0..2 {
        let headers = [("authorization", ours.as_str())];
        let response = replica.open(HERE, &follow, &headers, &Value::Null).await;
        assert_eq!(response.status(), 200);
        streams.push(response);
    }
    let headers = [("authorization", ours.as_str())];
    let got = replica.call(HERE, &follow, &headers, &Value::Null).await;
    assert_eq!(got.problem(429), "too_many_streams");
    replica.get(HERE, "/api/settings", &app.key).await.expect(200);
    // Another customer is let in, and told that the job is none of its own.
    let headers = [("authorization", theirs.as_str())];
    replica.call(HERE, &follow, &headers, &Value::Null).await.problem(404);
    streams.pop();
    let headers = [("authorization", ours.as_str())];
    assert_eq!(replica.open(HERE, &follow, &headers, &Value::Null).await.status(), 200);
}

#[tokio::test]
async fn behind_a_proxy_streams_of_one_visitor_are_counted_until_they_end() {
    let app = app(&[
        ("LIMIT_CONNECTIONS", "2"),
        ("TRUSTED_PROXIES", "10.0.0.0/8"),
        ("CHALLENGE", "off"),
    ])
    .await;
    let replica = Replica::of(&app);
    let proxied = |address: &'static str| ("x-forwarded-for", address);
    let begin = json!({ "domain": "shop.example" });
    let session = replica
        .call("10.0.0.1", "POST /api/widget/session", &[ORIGIN, proxied(HERE)], &begin)
        .await;
    let bearer = format!("Bearer {}", token(&session));
    let chat = json!({ "message": "How much is shipping?" });
    let here = [ORIGIN, proxied(HERE), ("authorization", &bearer)];
    let answer = replica
        .call("10.0.0.1", "POST /api/chat", &here, &chat)
        .await
        .expect(200);
    let follow = format!(
        "GET /api/conversations/{}/events",
        answer["conversation_id"].as_str().unwrap()
    );
    let mut streams = Vec::new();
    for _ in 0..2 {
        let response = replica.open("10.0.0.1", &follow, &here, &Value::Null).await;
        assert_eq!(response.status(), 200);
        streams.push(response);
    }
    let got = replica.call("10.0.0.1", "POST /api/chat", &here, &chat).await;
    assert_eq!(got.problem(429), "too_many_connections");
    // Not the proxy is counted, nor whoever has a key.
    let there = [ORIGIN, proxied(THERE), ("authorization", &bearer)];
    replica
        .call("10.0.0.1", "POST /api/chat", &there, &chat)
        .await
        .expect(200);
    let key = format!("Bearer {}", app.key);
    let settings = [proxied(HERE), ("authorization", key.as_str())];
    replica
        .call("10.0.0.1", "GET /api/settings", &settings, &Value::Null)
        .await
        .expect(200);
    streams.pop();
    replica
        .call("10.0.0.1", "POST /api/chat", &here, &chat)
        .await
        .expect(200);
}

/// Sends a request on a connection that stays open, and reads the status.
async fn on(connection: &mut TcpStream, path: &str, token: &str) -> Option<u16> {
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n");
    connection.write_all(head.as_bytes()).await.ok()?;
    let mut answer = vec![0; 16 * 1024];
    let read = connection.read(&mut answer).await.ok()?;
    let line = std::str::from_utf8(&answer[..read]).ok()?.split(' ').nth(1)?;
    line.parse().ok()
}

#[tokio::test]
async fn connections_of_strangers_are_few_and_those_of_a_customer_so_many() {
    let app = app(&[
        ("LIMIT_CONNECTIONS", "2"),
        ("LIMIT_STREAMS", "30"),
        ("LIMIT_EXEMPT", "none"),
    ])
    .await;
    let server = api::serve(app.context.clone(), ([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let mut strangers = Vec::new();
    for expected in [401, 401, 429] {
        let mut connection = TcpStream::connect(server).await.unwrap();
        assert_eq!(on(&mut connection, "/api/settings", "omni_wrong").await, Some(expected));
        strangers.push(connection);
    }
    let mut keys = Vec::new();
    for _ in 0..30 {
        let mut connection = TcpStream::connect(server).await.unwrap();
        assert_eq!(on(&mut connection, "/api/settings", &app.key).await, Some(200));
        keys.push(connection);
    }
    // One customer leaves room for the others, whose first connection is answered.
    for (key, expected) in [(&app.key, 429), (&app.other_key, 200)] {
        let mut connection = TcpStream::connect(server).await.unwrap();
        assert_eq!(on(&mut connection, "/api/settings", key).await, Some(expected));
    }
    keys.pop();
    eventually("its own that ended make room", || async {
        let mut connection = TcpStream::connect(server).await.ok()?;
        on(&mut connection, "/api/settings", &app.key)
            .await
            .filter(|status| *status == 200)
    })
    .await;
    // Idle ones count as well: twice as many as are answered are open at most.
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(TcpStream::connect(server).await.unwrap());
    }
    let mut last = TcpStream::connect(server).await.unwrap();
    assert_eq!(on(&mut last, "/api/health", "").await, None, "closed without a word");
    drop(idle);
    eventually("those that ended make room", || async {
        let mut connection = TcpStream::connect(server).await.ok()?;
        on(&mut connection, "/api/settings", &app.key)
            .await
            .filter(|status| *status == 200)
    })
    .await;
}

#[tokio::test]
async fn an_operator_can_switch_limits_off() {
    let app = app(&[("LIMITS", "off"), ("LIMIT_READ_KEY", "1/1d")]).await;
    let replica = Replica::of(&app);
    for _ in 0..5 {
        let got = replica.get(HERE, "/api/settings", &app.key).await;
        assert_eq!((got.status.as_u16(), got.header("ratelimit")), (200, ""));
    }
}

#[tokio::test]
async fn limits_need_what_the_operations_guide_allows_a_redis_user_and_nothing_else() {
    let app = app(&[]).await;
    let guide = include_str!("../../../docs/OPERATIONS.md");
    let line = guide
        .lines()
        .find(|line| line.starts_with("ACL SETUSER omniops "))
        .unwrap();
    let mut redis = app.kit.redis().await;
    let mut user = redis::Cmd::new();
    user.arg(line.split(' ').collect::<Vec<_>>());
    user.query_async::<()>(&mut redis).await.unwrap();
    let url = format!("{}?user=omniops&pass=secret", app.kit.services.redis_url());
    let config = app
        .kit
        .config_with(&[("REDIS_URL", url.as_str()), ("LIMIT_ADDRESS", "4/1h")]);
    let replica = Replica::another(&app, &config).await;
    for _ in 0..5 {
        replica.session(HERE, "shop.example").await;
    }
    let blocks = replica.get(HERE, "/api/limits/blocks", ADMIN_TOKEN).await.expect(200);
    assert_eq!(
        (&blocks["items"][0]["network"], &blocks["incomplete"]),
        (&json!(HERE), &json!(false))
    );
    let admin = format!("Bearer {ADMIN_TOKEN}");
    let remove = format!("DELETE /api/limits/blocks?network={HERE}");
    assert_eq!(
        replica
            .call(HERE, &remove, &[("authorization", &admin)], &Value::Null)
            .await
            .status,
        204
    );
    let log: Vec<redis::Value> = redis::cmd("ACL").arg("LOG").query_async(&mut redis).await.unwrap();
    assert_eq!(log, []);
}

#[tokio::test]
async fn head_is_counted_like_get() {
    let app = app(&[
        ("LIMIT_READ_KEY", "3/1d"),
        ("LIMIT_CREDENTIAL_IP", "3/1d"),
        ("LIMIT_PROBE_IP", "3/1d"),
    ])
    .await;
    let api = Replica::of(&app);
    let head = async |path: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let got = api.call(HERE, &format!("HEAD {path}"), &headers, &Value::Null).await;
        (got.status.as_u16(), got.header("ratelimit-policy").to_owned())
    };
    for (path, token, good, policy) in [
        ("/api/settings", app.key.as_str(), 200, "read-key"),
        ("/api/settings", "omni_guess", 401, "credential-ip"),
        ("/api/health/ready", "omni_guess", 200, "probe-ip"),
    ] {
        for _ in 0..3 {
            assert_eq!(head(path, token).await.0, good, "{path}");
        }
        let (status, told) = head(path, token).await;
        assert_eq!((status, told.contains(policy)), (429, true), "{path}: {told}");
    }
}

#[tokio::test]
async fn nobody_spends_a_customer_s_work_who_may_not_start_it() {
    let app = app(&[("LIMIT_SCRAPE", "2/1d"), ("LIMIT_BATCH", "1/1d")]).await;
    let site = json!({ "url": "https://shop.example/" });
    // A person of another customer, who only has to know the id.
    let others = crate::accounts::other(&app).await;
    let person = crate::accounts::browser(&app, "eve@example.com", "owner", &[others]).await;
    let foreign = format!("/api/scrape?customer_id={}", app.shop.id);
    for _ in 0..3 {
        let got = person.post(&app, &foreign, &site).send().await;
        assert!([404, 429].contains(&got.status.as_u16()), "{}", got.text);
    }
    // The customer's own key and person that are for something else.
    let chats = app.kit.key(&app.shop, &[Scope::Chat]).await;
    let viewer = crate::accounts::browser(&app, "bob@example.com", "viewer", &[app.shop.id]).await;
    for _ in 0..3 {
        let got = app.post("/api/scrape", &site).bearer(&chats).send().await;
        assert_eq!(got.problem(403), "missing_scope");
        assert!(got.header("ratelimit-policy").starts_with("\"change-key\""));
        viewer.post(&app, &foreign, &site).send().await.problem(403);
        app.post("/api/golden/run", &Value::Null)
            .bearer(&chats)
            .send()
            .await
            .problem(403);
    }
    app.post("/api/scrape", &site).bearer(&app.key).send().await.expect(202);
    // Many questions at once have a limit of their own.
    let warm = json!({ "questions": ["How much is shipping?"] });
    assert_ne!(
        app.post("/api/cache/warm", &warm)
            .bearer(&app.key)
            .send()
            .await
            .status
            .as_u16(),
        429
    );
    let more = app.post("/api/cache/warm", &warm).bearer(&app.key).send().await;
    assert_eq!(more.problem(429), "rate_limited");
}

#[tokio::test]
async fn every_refusal_says_which_limit_it_was() {
    let app = app(&[
        ("LIMIT_CREDENTIAL_IP", "2/1d"),
        ("LIMIT_ADDRESS", "4/3600s"),
        ("LIMIT_SCRAPE", "2/1d"),
    ])
    .await;
    let api = Replica::of(&app);
    let mut seen = 0;
    for at in 0..12 {
        let got = api.get(HERE, "/api/settings", &format!("omni_guess{at}")).await;
        if got.status.as_u16() == 429 {
            seen += 1;
            assert!(
                got.header("ratelimit").contains(";r=0;t="),
                "{}: {}",
                got.text,
                got.header("ratelimit")
            );
            assert!(got.header("ratelimit-policy").contains(";q="), "{}", got.text);
        }
    }
    assert!(seen >= 9, "{seen}");
    for _ in 0..12 {
        let got = api.call(THERE, "GET /api/nowhere", &[], &Value::Null).await;
        assert_eq!(got.status.as_u16(), 404);
        let got = api.call(THERE, "GET /privacy", &[], &Value::Null).await;
        if got.status.as_u16() == 429 {
            assert_ne!(got.header("ratelimit"), "", "{}", got.text);
            seen += 1;
        }
    }
    assert!(seen > 9, "an address that goes on is blocked");

    // A retry with a key that was answered before costs nothing.
    let begun = app
        .post("/api/scrape", &json!({ "url": "https://shop.example/" }))
        .bearer(&app.key);
    let begun = begun.send().await.expect(202);
    let job = format!("/api/jobs/{}", begun["job_id"].as_str().unwrap());
    let act = async |verb: &str, key: &str| {
        let call = app.post(&format!("{job}/{verb}"), &Value::Null).bearer(&app.key);
        call.header("idempotency-key", key).send().await
    };
    act("cancel", "a").await.expect(200);
    act("retry", "once").await.expect(200);
    act("cancel", "b").await.expect(200);
    act("retry", "once").await.expect(200);
    assert_eq!(
        act("retry", "again").await.problem(429),
        "rate_limited",
        "this one would start something"
    );
}

#[tokio::test]
async fn a_stranger_says_less_than_whoever_shows_a_credential() {
    let app = app(&[("CHALLENGE", "off")]).await;
    let api = Replica::of(&app);
    let body = json!({ "domain": "x".repeat(100_000) });
    let ask = async |path: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [ORIGIN, ("authorization", bearer.as_str())];
        api.call(HERE, &format!("POST {path}"), &headers, &body).await
    };
    let visitor = token(&api.session(HERE, "shop.example").await);
    for (path, token) in [
        ("/api/widget/session", ""),
        ("/api/chat", ""),
        ("/api/chat", "omni_wrong"),
        ("/api/chat", &visitor),
    ] {
        assert_eq!(ask(path, token).await.problem(413), "body_too_large", "{path}");
    }
    assert_eq!(ask("/api/chat", &app.key).await.problem(400), "invalid_request");
    // A shop tells of whole products, and signs what it says.
    assert_ne!(ask("/api/webhooks/shopify", "").await.status, 413);
}

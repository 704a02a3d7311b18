//! Connections of shops, and what comes in from them: proved, once, at once. Row 26 of the failure tests.
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{clock::Clock, secrets::hmac_sha256};
use poem::http::Method;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use testkit::{SHOP_KEY, SHOP_SECRET, SHOP_TOKEN, Shop};
use time::{Duration, format_description::well_known::Rfc3339};

use crate::app::{App, Call, Got};

const WOO: &str = "the-secret-of-the-webhooks";
const SHOPIFY: &str = "the-client-secret-of-the-app";

/// An installation, and a shop that it may reach.
struct Counter {
    app: App,
    shop: Shop,
}

impl Counter {
    async fn open() -> Self {
        let shop = Shop::start().await;
        let app = App::with(&[("OMNIOPS_EGRESS_ALLOW", &shop.host())]).await;
        Self { app, shop }
    }

    fn woocommerce(&self) -> Value {
        json!({ "platform": "woocommerce", "url": self.shop.url(), "consumer_key": SHOP_KEY, "consumer_secret": SHOP_SECRET, "webhook_secret": WOO })
    }

    fn shopify(&self) -> Value {
        json!({ "platform": "shopify", "url": self.shop.url(), "access_token": SHOP_TOKEN, "client_secret": SHOPIFY })
    }

    async fn connect(&self, body: &Value) -> Value {
        self.app
            .post("/api/connections", body)
            .bearer(&self.app.key)
            .send()
            .await
            .expect(201)
    }

    async fn count(&self, query: &str) -> i64 {
        self.app.kit.count(query).await
    }

    /// A WooCommerce delivery, signed with this secret.
    fn woo(&self, connection: &str, secret: &str, id: &str, body: &str) -> Call<'_> {
        self.told(connection, "product.updated", &signed(secret, body), id, body)
    }

    fn told(&self, connection: &str, topic: &str, signature: &str, id: &str, body: &str) -> Call<'_> {
        let call = self
            .app
            .call(Method::POST, &format!("/api/webhooks/woocommerce/{connection}"));
        call.header("x-wc-webhook-signature", signature)
            .header("x-wc-webhook-delivery-id", id)
            .header("x-wc-webhook-topic", topic)
            .raw("application/json", body)
    }

    /// A Shopify delivery that was triggered so long ago.
    fn shopify_delivery(&self, secret: &str, id: &str, age: Duration, body: &str) -> Call<'_> {
        let at = (Clock::system().now() - age).format(&Rfc3339).unwrap();
        self.at(&at, secret, id, body)
    }

    fn at(&self, at: &str, secret: &str, id: &str, body: &str) -> Call<'_> {
        let call = self.app.call(Method::POST, "/api/webhooks/shopify");
        call.header("x-shopify-hmac-sha256", &signed(secret, body))
            .header("x-shopify-shop-domain", &self.shop.host())
            .header("x-shopify-webhook-id", id)
            .header("x-shopify-topic", "products/update")
            .header("x-shopify-triggered-at", at)
            .raw("application/json", body)
    }
}

fn signed(secret: &str, body: &str) -> String {
    STANDARD.encode(hmac_sha256(secret.as_bytes(), body.as_bytes()))
}

fn code(got: &Got, status: u16) -> String {
    got.problem(status)
}

const JOBS: &str = "SELECT count(*) FROM jobs WHERE kind = 'sync' AND payload->'what' ? 'product'";

#[tokio::test]
async fn a_woocommerce_webhook_is_taken_once_and_only_as_it_was_signed() {
    let counter = Counter::open().await;
    let connected = counter.connect(&counter.woocommerce()).await;
    let id = connected["id"].as_str().unwrap();
    assert!(
        connected["webhook_url"]
            .as_str()
            .unwrap()
            .ends_with(&format!("/api/webhooks/woocommerce/{id}"))
    );
    let body = r#"{"id": 12, "name": "Mug"}"#;

    // A bad signature, a body that was written anew, and a shop that nobody has connected look alike.
    let bad = counter.woo(id, "another secret", "d1", body).send().await;
    let signature = signed(WOO, body);
    let anew = r#"{"id":12,"name":"Mug"}"#;
    let again = counter.told(id, "product.updated", &signature, "d1", anew).send().await;
    let unknown = counter
        .woo("019aa000-0000-7000-8000-000000000001", WOO, "d1", body)
        .send()
        .await;
    for refused in [&bad, &again, &unknown] {
        assert_eq!(code(refused, 401), "invalid_signature");
    }
    assert_eq!(
        (
            counter.count(JOBS).await,
            counter.count("SELECT count(*) FROM webhook_inbox").await
        ),
        (0, 0)
    );

    // A valid one is taken; the same once more has no effect.
    assert_eq!(
        counter.woo(id, WOO, "d1", body).send().await.expect(200),
        json!({ "duplicate": false })
    );
    assert_eq!(
        counter.woo(id, WOO, "d1", body).send().await.expect(200),
        json!({ "duplicate": true })
    );
    assert_eq!(
        (
            counter.count(JOBS).await,
            counter.count("SELECT count(*) FROM webhook_inbox").await
        ),
        (1, 1)
    );

    // What was recorded and is sent again later is refused.
    let later = "UPDATE webhook_inbox SET received_at = now() - interval '10 minutes'";
    let tx = counter.app.kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, later))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        code(&counter.woo(id, WOO, "d1", body).send().await, 401),
        "stale_delivery"
    );

    // Under another id, which nobody signs, it brings one more look at the shop: the one that waits already.
    counter.woo(id, WOO, "d2", body).send().await.expect(200);
    assert_eq!(counter.count(JOBS).await, 1);

    // 10 MB are refused whoever signs them.
    let large = format!(r#"{{"id": 12, "name": "{}"}}"#, "x".repeat(10 << 20));
    assert_eq!(
        code(&counter.woo(id, WOO, "d3", &large).send().await, 413),
        "body_too_large"
    );
    assert_eq!(counter.count("SELECT count(*) FROM webhook_inbox").await, 2);
}

/// The one that is under way may have read the product before; of what waits one is enough.
#[tokio::test]
async fn however_often_a_shop_tells_of_a_product_that_is_being_read_one_more_look_waits() {
    let counter = Counter::open().await;
    let connected = counter.connect(&counter.woocommerce()).await;
    let id = connected["id"].as_str().unwrap();
    let begin = "UPDATE jobs SET state = 'running' WHERE kind = 'sync' AND payload->'what' ? 'product'";
    for (begun, deliveries) in [(1, 1), (2, 4), (2, 5)] {
        for n in 0..deliveries {
            let delivery = format!("d{begun}-{deliveries}-{n}");
            counter
                .woo(id, WOO, &delivery, r#"{"id": 12}"#)
                .send()
                .await
                .expect(200);
        }
        assert_eq!(counter.count(JOBS).await, begun);
        if begun == 1 {
            let tx = counter.app.kit.db.system().await.unwrap();
            tx.execute_raw(Statement::from_string(DbBackend::Postgres, begin))
                .await
                .unwrap();
            tx.commit().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_shopify_webhook_is_taken_within_five_minutes() {
    let counter = Counter::open().await;
    counter.connect(&counter.shopify()).await;
    let (now, body) = (Duration::ZERO, r#"{"id": 788032119674292922, "title": "Lamp"}"#);
    for (age, id) in [(Duration::minutes(10), "w1"), (-Duration::minutes(10), "w2")] {
        let got = counter.shopify_delivery(SHOPIFY, id, age, body).send().await;
        assert_eq!(code(&got, 401), "stale_delivery");
    }
    assert_eq!(
        code(&counter.at("recently", SHOPIFY, "w3", body).send().await, 401),
        "stale_delivery"
    );
    assert_eq!(
        code(
            &counter.shopify_delivery("another secret", "w4", now, body).send().await,
            401
        ),
        "invalid_signature"
    );
    assert_eq!(counter.count("SELECT count(*) FROM webhook_inbox").await, 0);
    assert_eq!(
        counter
            .shopify_delivery(SHOPIFY, "w5", now, body)
            .send()
            .await
            .expect(200)["duplicate"],
        false
    );
    assert_eq!(
        counter
            .shopify_delivery(SHOPIFY, "w5", now, body)
            .send()
            .await
            .expect(200)["duplicate"],
        true
    );
    assert_eq!(counter.count(JOBS).await, 1);
}

#[tokio::test]
async fn what_is_no_news_of_a_product_is_taken_and_left() {
    let counter = Counter::open().await;
    let connected = counter.connect(&counter.woocommerce()).await;
    let path = format!("/api/webhooks/woocommerce/{}", connected["id"].as_str().unwrap());
    // WooCommerce asks without a signature whether somebody is there.
    let ping = counter
        .app
        .call(Method::POST, &path)
        .raw("application/x-www-form-urlencoded", "webhook_id=7");
    assert_eq!(ping.send().await.expect(200)["duplicate"], false);
    let other = counter
        .app
        .call(Method::POST, &path)
        .raw("application/x-www-form-urlencoded", "webhook_id=7&id=12");
    assert_eq!(code(&other.send().await, 401), "invalid_signature");
    let (id, body) = (connected["id"].as_str().unwrap(), r#"{"id": 12}"#);
    let order = counter.told(id, "order.created", &signed(WOO, body), "o1", body);
    order.send().await.expect(200);
    assert_eq!(counter.count(JOBS).await, 0);
}

#[tokio::test]
async fn a_connection_is_tried_kept_without_its_secrets_and_ended() {
    let counter = Counter::open().await;
    let app = &counter.app;
    let connected = counter.connect(&counter.woocommerce()).await;
    assert_eq!(
        (&connected["platform"], &connected["currency"], &connected["state"]),
        (&json!("woocommerce"), &json!("EUR"), &json!("connected"))
    );
    let listed = app.get("/api/connections").bearer(&app.key).send().await;
    for secret in [SHOP_KEY, SHOP_SECRET, WOO] {
        assert!(!listed.text.contains(secret) && !connected.to_string().contains(secret));
    }
    assert_eq!(listed.expect(200)["items"][0]["id"], connected["id"]);
    assert_eq!(counter.count("SELECT count(*) FROM jobs WHERE kind = 'sync'").await, 1);

    let tried = app
        .get("/api/woocommerce/test")
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    assert_eq!((&tried["ok"], &tried["code"]), (&json!(true), &Value::Null));
    counter.shop.once(
        401,
        &[("content-type", "application/json")],
        r#"{"code":"woocommerce_rest_authentication_error"}"#,
    );
    let tried = app
        .get("/api/woocommerce/test")
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    assert_eq!(
        (&tried["ok"], &tried["code"]),
        (&json!(false), &json!("store_unauthorized"))
    );
    assert!(tried["detail"].as_str().unwrap().contains("secret is wrong"));
    assert_eq!(
        app.get("/api/shopify/test").bearer(&app.key).send().await.problem(404),
        "not_found"
    );
    assert_eq!(
        app.get("/api/woocommerce/test")
            .bearer(&app.other_key)
            .send()
            .await
            .problem(404),
        "not_found"
    );

    // The same shop again has its credentials replaced; another one has to wait.
    assert_eq!(counter.connect(&counter.woocommerce()).await["id"], connected["id"]);
    let other = Shop::start().await;
    let mut body = counter.woocommerce();
    body["url"] = json!(format!("{}/shop", counter.shop.url()));
    counter.shop.once(200, &[], "[]");
    counter.shop.once(200, &[], "{}");
    let second = app.post("/api/connections", &body).bearer(&app.key).send().await;
    assert_eq!(second.problem(409), "store_connected");
    // No tenant reaches what the operator has not allowed.
    body["url"] = json!(other.url());
    let local = app.post("/api/connections", &body).bearer(&app.key).send().await;
    assert_eq!(local.problem(400), "invalid_request");
    assert!(other.asked().is_empty());

    let path = format!("/api/connections/{}", connected["id"].as_str().unwrap());
    let remove = |key: &str| app.call(Method::DELETE, &path).bearer(key);
    assert_eq!(remove(&app.other_key).send().await.problem(404), "not_found");
    remove(&app.key).send().await.expect(204);
    assert_eq!(counter.count("SELECT count(*) FROM store_connections").await, 0);
    assert_eq!(
        counter
            .count("SELECT count(*) FROM audit_logs WHERE action LIKE 'store.%'")
            .await,
        3
    );
}

#[tokio::test]
async fn a_sync_is_asked_for_once_and_products_are_listed() {
    let counter = Counter::open().await;
    let app = &counter.app;
    let connected = counter.connect(&counter.woocommerce()).await;
    let body = json!({ "connection_id": connected["id"], "mode": "incremental" });
    let asked = app
        .post("/api/sync", &body)
        .bearer(&app.key)
        .header("idempotency-key", "k1")
        .send()
        .await
        .expect(202);
    assert_eq!(asked["fresh"], false, "the first one is under way");
    let foreign = app.post("/api/sync", &body).bearer(&app.other_key).send().await;
    assert_eq!(foreign.problem(404), "not_found");
    assert_eq!(
        app.get("/api/products?q=mug").bearer(&app.key).send().await.expect(200)["items"],
        json!([])
    );
}

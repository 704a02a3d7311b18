//! Products of shops that speak WooCommerce's and Shopify's protocols over real HTTP: read, answered from, changed and gone.
use domain::{
    answering::Answerer,
    commerce::{self, Credentials, NewConnection, SyncWork},
    jobs::{self, Kind, NewJob, Operator, Payload},
    secrets::Envelopes,
    tenancy,
};
use entity::job;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::Arc;
use testkit::{SHOP_KEY, SHOP_SECRET, SHOP_TOKEN, Shop, eventually};
use uuid::Uuid;

use crate::support::{Running, World};

const BY: Operator<'static> = Operator {
    actor: "test",
    ip: None,
};

/// A customer with a connected shop, and a worker.
struct Sold {
    world: World,
    shop: Shop,
    connection: Uuid,
    _worker: Running,
}

fn woocommerce() -> Credentials {
    Credentials::WooCommerce {
        consumer_key: SecretString::from(SHOP_KEY),
        consumer_secret: SecretString::from(SHOP_SECRET),
        webhook_secret: SecretString::from("webhook-secret"),
    }
}

fn shopify() -> Credentials {
    Credentials::Shopify {
        access_token: SecretString::from(SHOP_TOKEN),
        client_secret: SecretString::from("client-secret"),
    }
}

impl Sold {
    async fn by(credentials: Credentials) -> Self {
        let shop = Shop::start().await;
        let host = shop.host();
        let world = World::at(&host, &[]).await;
        world.without_the_clock().await;
        let new = NewConnection {
            address: shop.url(),
            credentials,
        };
        let context = world.context();
        let tried = commerce::probe(&context.http, &new).await.unwrap();
        let tx = world.tx().await;
        let envelopes = Envelopes::new(&world.kit.config.security.keys);
        let row = commerce::connect(&tx, &envelopes, &tried, BY).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(row.currency.as_deref(), Some("EUR"));
        Self {
            _worker: world.worker(),
            world,
            shop,
            connection: row.id,
        }
    }

    async fn ask(&self, what: SyncWork) -> job::Model {
        let tx = self.world.tx().await;
        let made = commerce::sync(&tx, self.connection, what).await.unwrap();
        tx.commit().await.unwrap();
        let id = made.id;
        self.world.kit.dispatcher.dispatch(&[made]).await;
        eventually("the sync's end", || async {
            let job = self.world.job(id).await;
            Some(job).filter(|job| ["done", "failed", "dead", "needs_confirmation"].contains(&job.state.as_str()))
        })
        .await
    }

    /// Syncs, and waits until what it has found is searchable.
    async fn sync(&self, what: SyncWork) -> Value {
        let job = self.ask(what).await;
        assert_eq!(job.state, "done", "{:?}", job.error);
        self.indexed().await;
        job.result.unwrap()
    }

    async fn indexed(&self) {
        let waiting = "SELECT count(*) FROM jobs WHERE kind = 'embed' AND state NOT IN ('done', 'cancelled')";
        eventually("the index", || async {
            (self.world.kit.count(waiting).await == 0).then_some(())
        })
        .await;
    }

    async fn count(&self, query: &str) -> i64 {
        self.world.kit.count(query).await
    }

    async fn answer(&self, question: &str) -> String {
        let customer = tenancy::get(&self.world.kit.db, self.world.customer.id).await.unwrap();
        let db = self.world.kit.db.clone();
        let answerer = Answerer::new(&db, self.world.searcher.clone(), &self.world.kit.config.model).unwrap();
        let answer = answerer.preview(&customer, question).await.unwrap();
        let source = answer
            .sources
            .first()
            .map(|source| source.url.clone())
            .unwrap_or_default();
        format!("{} <- {source}", answer.text)
    }
}

fn lamp(price: &str) -> Value {
    json!({ "name": "Alder desk lamp", "price": price, "description": "<p>The Alder lights a desk without glare.</p><p>It has a clamp of beech and a cable of two metres.</p>",
        "attributes": [{ "name": "Material", "options": ["Beech"] }] })
}

#[tokio::test]
async fn a_shop_s_products_answer_what_they_cost_with_their_page_as_the_source() {
    let sold = Sold::by(woocommerce()).await;
    sold.shop.put(10, &lamp("89.00"));
    sold.shop.put(11, &json!({ "name": "Tern paddle", "type": "variable", "price": "189.00", "description": "A paddle of carbon for long days on the sea." }));
    let variation = |id: i64, color: &str, price: &str, stock: &str| {
        json!({ "id": id, "price": price, "stock_status": stock, "status": "publish",
        "attributes": [{ "name": "Color", "option": color }] })
    };
    sold.shop.vary(
        11,
        &[
            variation(21, "Red", "189.00", "outofstock"),
            variation(22, "Blue", "219.00", "instock"),
        ],
    );
    sold.shop.put(12, &json!({ "name": "Secret draft", "status": "draft" }));

    let result = sold.sync(SyncWork::Full).await;
    assert_eq!(result, json!({ "products": 3, "new": 2, "changed": 0, "gone": 0 }));
    let page = format!("{}/p/10/", sold.shop.url());
    assert_eq!(
        sold.answer("How much is the Alder desk lamp?").await,
        format!("**Alder desk lamp**: €89.00, in stock [1] <- {page}")
    );
    assert!(
        sold.answer("Is the Tern paddle in stock?")
            .await
            .starts_with("**Tern paddle**: €189.00 – €219.00, in stock")
    );
    assert!(
        sold.answer("How much is the red Tern paddle?")
            .await
            .starts_with("**Tern paddle Red**: €189.00, out of stock")
    );
    // What the shop does not show is nobody's business.
    assert!(!sold.answer("How much is the Secret draft?").await.contains("9.99"));

    // A price that changes is answered at once, and nothing is embedded for it.
    let embedded = "SELECT coalesce(sum((result->>'pages')::bigint), 0)::bigint FROM jobs WHERE kind = 'embed'";
    let before = sold.count(embedded).await;
    let mut cheaper = lamp("79.50");
    cheaper["date_modified_gmt"] = json!("2026-11-21T21:00:00");
    cheaper["stock_status"] = json!("outofstock");
    sold.shop.put(10, &cheaper);
    let result = sold.sync(SyncWork::Changes).await;
    assert_eq!((&result["new"], &result["changed"]), (&json!(0), &json!(1)), "{result}");
    assert!(
        sold.answer("How much is the Alder desk lamp?")
            .await
            .starts_with("**Alder desk lamp**: €79.50, out of stock")
    );
    assert_eq!(sold.count(embedded).await, before);
    let asked = sold.shop.asked();
    let after = asked
        .iter()
        .rev()
        .find_map(|asked| asked.query.get("modified_after"))
        .unwrap();
    assert_eq!(
        after, "2026-11-21T19:55:00",
        "a little before the last change that was seen"
    );
}

#[tokio::test]
async fn what_is_gone_from_the_shop_goes_and_what_is_not_is_asked_for_before() {
    let sold = Sold::by(woocommerce()).await;
    for id in 1..=120 {
        sold.shop.put(
            id,
            &json!({ "name": format!("Mug number {id}"), "description": format!("Mug {id} holds much tea.") }),
        );
    }
    assert_eq!(sold.sync(SyncWork::Full).await["new"], 120);
    let live = "SELECT count(*) FROM scraped_pages WHERE tombstoned_at IS NULL";
    assert_eq!(sold.count(live).await, 120);

    sold.shop.take(7);
    let mut draft = json!({ "name": "Mug number 8", "status": "draft" });
    draft["date_modified_gmt"] = json!("2026-11-22T00:00:00");
    sold.shop.put(8, &draft);
    let result = sold.sync(SyncWork::Full).await;
    assert_eq!(
        (&result["gone"], &result["changed"]),
        (&json!(2), &json!(0)),
        "{result}"
    );
    assert_eq!(sold.count(live).await, 118);
    assert!(!sold.answer("How much is the Mug number 7?").await.contains("9.99"));

    // A shop that has lost a tenth of its products may have lost its mind.
    for id in 20..40 {
        sold.shop.take(id);
    }
    let held = sold.ask(SyncWork::Full).await;
    assert_eq!(held.state, "needs_confirmation");
    let told = held.result.unwrap();
    assert_eq!((&told["lost"], &told["live"]), (&json!(20), &json!(118)), "{told}");
    assert_eq!(sold.count(live).await, 118);
}

#[tokio::test]
async fn a_shop_that_is_busy_is_left_alone_and_one_that_refuses_is_told_of() {
    let sold = Sold::by(woocommerce()).await;
    for id in 1..=60 {
        sold.shop.put(id, &json!({}));
    }
    // An empty list is one, too.
    sold.shop
        .once(200, &[("content-type", "application/json")], &json!([]).to_string());
    assert_eq!(sold.sync(SyncWork::Full).await["products"], 0);
    sold.shop.once(429, &[("retry-after", "1")], "");
    let result = sold.sync(SyncWork::Full).await;
    assert_eq!(result["products"], 60, "{result}");

    sold.shop.once(
        401,
        &[("content-type", "application/json")],
        r#"{"code":"woocommerce_rest_cannot_view","message":"Sorry."}"#,
    );
    let failed = sold.ask(SyncWork::Full).await;
    assert_eq!(
        (failed.state.as_str(), &failed.error.unwrap()["code"]),
        ("failed", &json!("store_unauthorized"))
    );
    let row = commerce::find(&sold.world.tx().await, sold.connection).await.unwrap();
    assert_eq!(row.state, "failing");
    assert!(row.error.unwrap().contains("refuses the credentials"));
    assert_eq!(sold.sync(SyncWork::Changes).await["changed"], 0);
    let row = commerce::find(&sold.world.tx().await, sold.connection).await.unwrap();
    assert_eq!((row.state.as_str(), row.error), ("connected", None));
}

/// A shop has thousands of products; one of which the shop says that it has changed is not behind them.
#[tokio::test]
async fn a_full_sync_gives_way_to_others_between_its_batches() {
    const KIND: Kind = Kind::Sync;
    let sold = Sold::by(woocommerce()).await;
    for id in 1..=250 {
        sold.shop.put(id, &json!({}));
    }
    let db = &sold.world.kit.db;
    jobs::limit_queue(db, KIND, Some(1), None, BY).await.unwrap();
    jobs::pause_queue(db, KIND, BY).await.unwrap();
    let tx = sold.world.tx().await;
    let full = commerce::sync(&tx, sold.connection, SyncWork::Full).await.unwrap().id;
    let one = Payload::Sync {
        connection: sold.connection,
        what: SyncWork::Product { id: "7".into() },
    };
    let one = jobs::submit(&*tx, &NewJob::new(tx.customer(), one)).await.unwrap().id;
    // The full one comes first, and the other one waits already.
    let order = format!(
        "UPDATE jobs SET priority = 0, run_at = now() - CASE WHEN id = '{full}' THEN interval '1 minute' ELSE interval '5 seconds' END
         WHERE id IN ('{full}', '{one}')"
    );
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, order))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    jobs::resume_queue(db, KIND, BY).await.unwrap();
    assert_eq!(sold.world.ended(one).await.state, "done");
    let gave_way = format!(
        "SELECT count(*) FROM job_events WHERE job_id = '{full}' AND kind = 'queued' AND data->>'reason' = 'it gave way'"
    );
    assert_eq!(sold.count(&gave_way).await, 1);
    let full = sold.world.ended(full).await;
    assert_eq!(
        (full.state.as_str(), &full.result.unwrap()["products"]),
        ("done", &250.into())
    );
    sold.indexed().await;
}

#[tokio::test]
async fn a_page_that_a_crawl_has_written_is_left_to_it_and_disconnecting_takes_the_rest() {
    let sold = Sold::by(woocommerce()).await;
    sold.shop.put(10, &lamp("89.00"));
    sold.shop.put(
        11,
        &json!({ "name": "Fjord mug", "description": "Holds half a litre of tea." }),
    );
    sold.sync(SyncWork::Full).await;
    // As a crawl would, which has read the page meanwhile.
    let crawled =
        "UPDATE scraped_pages SET markdown = 'The crawled text.', content_hash = '\\x01' WHERE url LIKE '%/p/10/'";
    let tx = sold.world.kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, crawled))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut other = lamp("99.00");
    other["date_modified_gmt"] = json!("2026-11-22T00:00:00");
    other["description"] = json!("Another description.");
    sold.shop.put(10, &other);
    sold.sync(SyncWork::Changes).await;
    let kept = "SELECT count(*) FROM scraped_pages WHERE convert_from(markdown, 'UTF8') = 'The crawled text.' AND tombstoned_at IS NULL";
    assert_eq!(sold.count(kept).await, 1);
    assert!(
        sold.answer("How much is the Alder desk lamp?")
            .await
            .starts_with("**Alder desk lamp**: €99.00")
    );

    let tx = sold.world.tx().await;
    commerce::disconnect(&tx, sold.connection, BY).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(sold.count("SELECT count(*) FROM products").await, 0);
    assert_eq!(sold.count("SELECT count(*) FROM store_connections").await, 0);
    assert_eq!(
        (
            sold.count("SELECT count(*) FROM scraped_pages").await,
            sold.count(kept).await
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn a_shopify_shop_is_read_the_same_way() {
    let sold = Sold::by(shopify()).await;
    for id in 1..=23 {
        sold.shop.put(id, &json!({ "name": format!("Kettle number {id}"), "price": format!("{id}.50"), "description": format!("Kettle {id} boils water.") }));
    }
    let throttled = json!({ "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }], "extensions": { "cost": {
        "requestedQueryCost": 110, "throttleStatus": { "maximumAvailable": 2000, "currentlyAvailable": 100, "restoreRate": 100 } } } });
    sold.shop
        .once(200, &[("content-type", "application/json")], &throttled.to_string());
    let result = sold.sync(SyncWork::Full).await;
    assert_eq!(result["products"], 23, "{result}");
    assert!(
        sold.answer("How much is the Kettle number 17?")
            .await
            .starts_with("**Kettle number 17**: €17.50, in stock")
    );
    sold.shop.take(17);
    let id = "17".to_owned();
    assert_eq!(sold.sync(SyncWork::Product { id }).await["gone"], 1);
    assert!(!sold.answer("How much is the Kettle number 17?").await.contains("17.50"));
}

/// The world's own client is used to connect, so that the guard judges the shop as it does later.
#[tokio::test]
async fn a_shop_is_tried_before_it_is_kept() {
    let shop = Shop::start().await;
    let world = World::at(&shop.host(), &[]).await;
    let client = Arc::new(world.context().http);
    let tried = async |address: &str, credentials: Credentials| {
        let address = address.to_owned();
        let refused = commerce::probe(&client, &NewConnection { address, credentials }).await;
        refused.unwrap_err().code()
    };
    let wrong = Credentials::WooCommerce {
        consumer_key: SecretString::from("ck_another-key"),
        consumer_secret: SecretString::from(SHOP_SECRET),
        webhook_secret: SecretString::from("webhook-secret"),
    };
    assert_eq!(tried(&shop.url(), wrong).await, "store_unauthorized");
    let wrong = Credentials::Shopify {
        access_token: SecretString::from("shpat_another-token"),
        client_secret: SecretString::from("client-secret"),
    };
    assert_eq!(tried(&shop.url(), wrong).await, "store_unauthorized");
    for local in [
        "https://127.0.0.1:1/",
        "https://[::1]/",
        "http://192.168.0.1/",
        "https://localhost/",
    ] {
        assert_eq!(tried(local, woocommerce()).await, "invalid_request", "{local}");
    }
    for (status, headers, body, code) in [
        (404, vec![], "<html>", "store_api_missing"),
        (
            301,
            vec![(
                "location",
                "https://www.shop.example/wp-json/wc/v3/products?consumer_key=x",
            )],
            "",
            "store_moved",
        ),
        (500, vec![], "", "store_failing"),
        (503, vec![("retry-after", "10")], "", "store_busy"),
        (202, vec![], "<html>captcha", "store_busy"),
        (200, vec![], "<html>log in", "store_unreadable"),
    ] {
        shop.once(status, &headers, body);
        assert_eq!(tried(&shop.url(), woocommerce()).await, code, "{status}");
    }
}

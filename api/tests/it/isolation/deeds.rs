//! Every call of the contract that may change something, as a call that does: with things of the caller's own, a body that is right, and
//! a credential that it takes.
use domain::people::webhooks::kinds;
use poem::http::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use testkit::{CRON_SECRET, SHOP_KEY, SHOP_SECRET, Shop};

use super::{
    contract::{CONTRACT, Operation, put},
    own::{Own, Whose},
    scene::{ORIGIN, Scene},
};
use crate::{
    accounts::PASSWORD,
    app::{App, Call, Got},
};

/// Calls that are not made here, each for its reason.
pub const ELSEWHERE: [(&str, &str); 2] = [
    (
        "woocommerce_webhook",
        "a shop's signed news, kept in the inbox of webhooks",
    ),
    ("shopify_webhook", "a shop's signed news, kept in the inbox of webhooks"),
];

/// Made before the customer has a row in every table: they give it a data key of its own.
const FIRST: [&str; 2] = ["create_connection", "create_webhook"];

/// Two customers, and a shop that they may reach.
pub struct Deeds {
    pub scene: Scene,
    shop: Shop,
    own: Option<Own>,
}

impl Deeds {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With further variables.
    pub async fn with(further: &[(&str, &str)]) -> Self {
        let shop = Shop::start().await;
        let host = shop.host();
        let own = [("LIMITS", "off"), ("OMNIOPS_EGRESS_ALLOW", host.as_str())];
        let app = App::with(&[&own, further].concat()).await;
        Self {
            scene: Scene::of(app).await,
            shop,
            own: None,
        }
    }

    pub fn app(&self) -> &App {
        &self.scene.app
    }

    /// The calls but those of people's own accounts, in an order in which each finds something to change.
    pub fn by_turns() -> Vec<&'static Operation> {
        let elsewhere = |id: &str| ELSEWHERE.iter().any(|(call, _)| *call == id);
        let of_people = |operation: &Operation| operation.path.starts_with("/api/admin/");
        let mut calls: Vec<&Operation> = CONTRACT
            .operations
            .iter()
            .filter(|call| call.method != Method::GET && !of_people(call) && !elsewhere(&call.id))
            .collect();
        calls.sort_by_key(|call| {
            let first = FIRST.contains(&call.id.as_str());
            let late = ["verify_domain", "rotate_key", "change_user"].contains(&call.id.as_str());
            let deleted = call.method == Method::DELETE;
            let (user, customer) = (call.id == "delete_user", call.id == "delete_customer");
            (customer, user, deleted, late, !first)
        });
        calls
    }

    /// Puts things as they must be for the call to change something.
    pub async fn prepare(&mut self, operation: &Operation) {
        if self.own.is_none() && !FIRST.contains(&operation.id.as_str()) {
            let mut own = Own::of(&self.scene, Whose::Mine).await;
            own.put("/api/queue/", "scrape");
            own.put("/api/queue/dead/", &self.scene.job);
            own.put("/api/customers/{id}/domains/", "second.example");
            self.own = Some(own);
        }
        let job = &self.scene.job;
        let become_of = |state: &str, ended: &str| {
            format!("UPDATE jobs SET state = '{state}', finished_at = {ended} WHERE id = '{job}'")
        };
        let statement = match operation.id.as_str() {
            "confirm_job" => become_of("needs_confirmation", "NULL"),
            "retry_job" => become_of("cancelled", "now()"),
            "replay_dead_letter" | "replay_dead_letters" => become_of("dead", "now()"),
            // The sync that connecting has begun.
            "sync" => format!("UPDATE jobs SET state = 'done', finished_at = now() WHERE id <> '{job}'"),
            // Its text is no document.
            "erase_person" | "erase_person_by_post" => "UPDATE subject_exports SET document = NULL".to_owned(),
            "scrape_scheduled" => "UPDATE schedules SET next_run_at = now() - interval '1 minute'".to_owned(),
            // As after its purge: it has to be embedded again.
            "restore_page" => {
                "UPDATE scraped_pages SET tombstoned_at = now(), tombstone = 'customer', indexed_version = 0".to_owned()
            }
            _ => return,
        };
        self.scene.catalogue.owner.execute_unprepared(&statement).await.unwrap();
    }

    /// The call, and what the audit log calls whoever makes it.
    pub fn call(&self, operation: &Operation) -> (&'static str, Call<'_>) {
        let path = self.own.as_ref().map(|own| own.path(operation)).unwrap_or_default();
        let url = match operation.id.as_str() {
            "verify_domain" => operation.asking(&path, &[("vouch", "true")]),
            "remove_block" => operation.asking(&path, &[("network", "198.51.100.7")]),
            _ => operation.url(&path),
        };
        let call = self.app().call(operation.method.clone(), &url);
        self.as_whoever(operation, call.json(&self.body(operation)))
    }

    /// Goes on with what a call has made.
    pub fn made(&mut self, operation: &Operation, got: &Got) {
        let place = match operation.id.as_str() {
            "create_key" => "/api/keys/",
            "create_user" => "/api/users/",
            _ => return,
        };
        let made: Value = serde_json::from_str(&got.text).unwrap_or_default();
        if let (Some(own), Some(id)) = (&mut self.own, made["id"].as_str()) {
            own.put(place, id);
        }
    }

    /// A body with which the call changes something.
    pub fn body(&self, operation: &Operation) -> Value {
        let customer = self.app().shop.id;
        match operation.id.as_str() {
            "create_connection" => {
                json!({ "platform": "woocommerce", "url": self.shop.url(), "consumer_key": SHOP_KEY, "consumer_secret": SHOP_SECRET, "webhook_secret": "a-secret-of-webhooks" })
            }
            "create_webhook" => json!({ "url": self.shop.url(), "events": kinds() }),
            "create_customer" => json!({ "name": "New", "domain": "new.example" }),
            "add_domain" => json!({ "domain": "second.example" }),
            "create_key" => json!({ "customer_id": customer, "name": "another", "scopes": ["jobs"] }),
            "create_user" => {
                json!({ "email": "bob@installation.example", "name": "Bob", "password": PASSWORD, "role": "viewer", "customers": [customer] })
            }
            "change_user" => json!({ "name": "Robert" }),
            "change_gap" => json!({ "state": "ignored" }),
            "embed" => json!({ "all": true }),
            "sync" => {
                let connection = self.own.as_ref().map(Own::connection);
                put(&operation.body(), "/connection_id", json!(connection))
            }
            "add_block" => json!({ "network": "198.51.100.7", "reason": "a test" }),
            "limit_queue" => json!({ "max_running": 5 }),
            "export_person" | "erase_person_by_post" | "erase_person" => {
                json!({ "email": format!("{}@mail.example", operation.id) })
            }
            "choose_consent" => json!({ "consent": true }),
            _ => operation.body(),
        }
    }

    fn as_whoever<'a>(&self, operation: &Operation, call: Call<'a>) -> (&'static str, Call<'a>) {
        let app = &self.scene.app;
        if operation.id == "verify_domain" {
            return ("admin", call.admin());
        }
        if operation.takes("api_key") {
            ("key:", call.bearer(&app.key))
        } else if operation.takes("admin_token") {
            ("admin", call.admin())
        } else if operation.takes("cron_secret") {
            ("schedule:", call.bearer(CRON_SECRET))
        } else if operation.takes("widget_session") {
            ("visitor", call.bearer(&self.scene.visitor).header("origin", ORIGIN))
        } else {
            ("", call.header("origin", ORIGIN))
        }
    }
}

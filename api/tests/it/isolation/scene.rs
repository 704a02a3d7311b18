//! Two customers who have used everything: `shop`, who tries, and `other`, whose rows nobody else may see or change.
use domain::tenancy::Scope;
use poem::http::Method;
use serde_json::{Value, json};
use testkit::Catalogue;

use crate::app::{App, Call};

/// In all of `other`'s texts; it is told to nobody, so that only a leak can show it.
pub const SECRET: &str = "okapi-7f3a";
/// In all of `other`'s texts, and asked for.
pub const WORD: &str = "zebra";
/// In `shop`'s own texts.
pub const OWN: &str = "walrus-c41e";

pub const ORIGIN: &str = "https://shop.example";
pub const OTHER_ORIGIN: &str = "https://other.example";

pub struct Scene {
    pub app: App,
    pub catalogue: Catalogue,
    /// The tokens of a visitor on each site.
    pub visitor: String,
    pub other_visitor: String,
    /// A conversation of each, and a crawl.
    pub conversation: String,
    pub other_conversation: String,
    pub job: String,
    pub other_job: String,
}

impl Scene {
    /// Both have used everything, and `other` has a row in every table.
    pub async fn start() -> Self {
        Self::of(unlimited().await).await.filled().await
    }

    /// Gives `other` a row in every table.
    pub async fn filled(self) -> Self {
        let mark = format!("{WORD} {SECRET}");
        // What belongs to nobody first: some of the customer's rows refer to it.
        self.catalogue.fill(None, "nobody's").await;
        self.catalogue.fill(Some(self.app.other.id), &mark).await;
        self
    }

    /// Both customers do the same, each with its own words.
    pub async fn of(app: App) -> Self {
        Box::pin(Self::make(app)).await
    }

    async fn make(app: App) -> Self {
        let catalogue = Catalogue::of(&app.kit).await;
        app.kit
            .page(
                &app.shop,
                "Shipping",
                &format!("Shipping of the {WORD} costs 4.90 EUR. {OWN}"),
            )
            .await;
        app.kit
            .page(
                &app.other,
                "Shipping",
                &format!("Shipping of the {WORD} costs 9.70 EUR. {SECRET}"),
            )
            .await;
        let (shop, other) = (app.key.clone(), app.other_key.clone());
        let [visitor, conversation, job] = use_all(&app, &shop, "shop.example", OWN).await;
        let [other_visitor, other_conversation, other_job] = use_all(&app, &other, "other.example", SECRET).await;
        Self {
            app,
            catalogue,
            visitor,
            other_visitor,
            conversation,
            other_conversation,
            job,
            other_job,
        }
    }

    /// A call as a visitor of `shop`.
    pub fn as_visitor(&self, method: Method, path: &str) -> Call<'_> {
        self.app
            .call(method, path)
            .bearer(&self.visitor)
            .header("origin", ORIGIN)
    }
}

/// An installation that does not count requests.
pub async fn unlimited() -> App {
    App::with(&[("LIMITS", "off")]).await
}

/// A session on the customer's site.
pub async fn session(app: &App, domain: &str) -> Value {
    let begin = app.post("/api/widget/session", &json!({ "domain": domain }));
    begin
        .header("origin", &format!("https://{domain}"))
        .send()
        .await
        .expect(200)
}

/// Settings, a question, a visitor who asks for a person, a reply, a crawl and a schedule.
async fn use_all(app: &App, key: &str, domain: &str, mark: &str) -> [String; 3] {
    let settings = json!({ "greeting": { "en": format!("Welcome, {WORD} {mark}.") } });
    app.call(Method::PATCH, "/api/settings")
        .json(&settings)
        .bearer(key)
        .send()
        .await
        .expect(200);
    let question = json!({ "message": format!("How much does shipping of the {WORD} cost?") });
    app.post("/api/chat", &question).bearer(key).send().await.expect(200);
    let site = session(app, domain).await;
    let (token, origin) = (site["token"].as_str().unwrap().to_owned(), format!("https://{domain}"));
    let asked = json!({ "message": format!("How much does shipping of the {WORD} cost? {mark}"), "domain": domain, "session_id": site["session_id"] });
    let asked = app
        .post("/api/chat", &asked)
        .bearer(&token)
        .header("origin", &origin)
        .send()
        .await
        .expect(200);
    let conversation = asked["conversation_id"].as_str().unwrap().to_owned();
    let path = |verb: &str| format!("/api/conversations/{conversation}/{verb}");
    let wish = json!({ "email": format!("{mark}@mail.example"), "message": format!("{WORD} {mark}") });
    let wished = app
        .post(&path("handoff"), &wish)
        .bearer(&token)
        .header("origin", &origin);
    wished.send().await.expect(200);
    let reply = json!({ "text": format!("{WORD} {mark}"), "name": mark });
    app.post(&path("messages"), &reply).bearer(key).send().await.expect(201);
    let crawl = json!({ "url": format!("https://{domain}/{mark}") });
    let crawl = app.post("/api/scrape", &crawl).bearer(key).send().await.expect(202);
    let schedules = json!({ "schedules": [{ "name": format!("{WORD} {mark}"), "cron": "0 3 * * *", "scrape": { "url": format!("https://{domain}/") } }] });
    app.call(Method::PUT, "/api/schedules")
        .json(&schedules)
        .bearer(key)
        .send()
        .await
        .expect(200);
    [token, conversation, crawl["job_id"].as_str().unwrap().to_owned()]
}

/// Every scope by itself.
pub const SCOPES: [Scope; 9] = [
    Scope::Chat,
    Scope::Search,
    Scope::Jobs,
    Scope::Domains,
    Scope::Conversations,
    Scope::Webhooks,
    Scope::Settings,
    Scope::Privacy,
    Scope::Shops,
];

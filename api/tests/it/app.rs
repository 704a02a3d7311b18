//! An installation with two customers, and calls to it that read as sentences.
use api::Context;
use domain::{
    lifecycle::Lifecycle,
    retrieval::Searcher,
    tenancy::{Customer, Scope},
};
use poem::{
    Endpoint, EndpointExt, Request, Response,
    endpoint::BoxEndpoint,
    http::{HeaderMap, Method, StatusCode},
};
use serde_json::Value;
use testkit::{ADMIN_TOKEN, Kit};
use uuid::Uuid;

/// The API of one installation. Two customers, so that every test can try to reach the other's things.
pub struct App {
    pub kit: Kit,
    pub context: Context,
    pub life: Lifecycle,
    pub searcher: Searcher,
    /// `shop.example`, with one indexed page.
    pub shop: Customer,
    /// A key of `shop` that may do everything.
    pub key: String,
    /// `other.example`, which has nothing.
    pub other: Customer,
    /// A key of `other` that may do everything.
    pub other_key: String,
    endpoint: BoxEndpoint<'static, Response>,
}

impl App {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With further variables of configuration.
    pub async fn with(variables: &[(&str, &str)]) -> Self {
        Box::pin(Self::make(variables)).await
    }

    async fn make(variables: &[(&str, &str)]) -> Self {
        let kit = Kit::with(variables).await;
        let life = Lifecycle::new();
        let shop = kit.customer("shop.example").await;
        let other = kit.customer("other.example").await;
        let searcher = Searcher::new(kit.db.clone(), None).await.unwrap();
        let context = Context::new(
            &kit.config,
            kit.db.clone(),
            kit.dispatcher.clone(),
            searcher.clone(),
            life.clone(),
        );
        let context = context.await.unwrap().with_migrations(testkit::migrations());
        Self {
            key: kit.key(&shop, &[Scope::All]).await,
            other_key: kit.key(&other, &[Scope::All]).await,
            endpoint: api::endpoint(context.clone()).boxed(),
            context,
            life,
            searcher,
            shop,
            other,
            kit,
        }
    }

    /// An indexed page of `shop`; returns its id.
    pub async fn page(&self, title: &str, text: &str) -> Uuid {
        self.kit.page(&self.shop, title, text).await
    }

    pub fn call(&self, method: Method, path: &str) -> Call<'_> {
        let request = Request::builder().method(method).uri_str(path);
        Call {
            app: self,
            request,
            body: Vec::new(),
        }
    }

    pub fn get(&self, path: &str) -> Call<'_> {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str, body: &Value) -> Call<'_> {
        self.call(Method::POST, path).json(body)
    }

    /// A visitor's session on `https://shop.example`.
    pub async fn session(&self) -> Value {
        let begin = self.post("/api/widget/session", &serde_json::json!({ "domain": "shop.example" }));
        begin.header("origin", "https://shop.example").send().await.expect(200)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.life.stop();
    }
}

pub struct Call<'a> {
    app: &'a App,
    request: poem::RequestBuilder,
    body: Vec<u8>,
}

impl Call<'_> {
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn admin(self) -> Self {
        self.bearer(ADMIN_TOKEN)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    pub fn raw(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// The answer with its body read to the end; what is no text in it becomes replacement characters.
    pub async fn send(self) -> Got {
        let response = self.open().await;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = String::from_utf8_lossy(&response.into_body().into_vec().await.unwrap()).into_owned();
        Got { status, headers, text }
    }

    /// The answer with its body unread.
    pub async fn open(self) -> Response {
        Box::pin(self.app.endpoint.get_response(self.request.body(self.body))).await
    }
}

/// An answer.
#[derive(Debug)]
pub struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Got {
    /// The body as JSON, if the status is the one wanted.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The problem's code, if the status is the one wanted.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        let body = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        assert_eq!(body["request_id"], self.header("x-request-id"));
        assert_eq!(body["status"], status);
        body["code"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// Server-sent events as (event, id, data).
    pub fn events(&self) -> Vec<(String, String, Value)> {
        let blocks = self.text.split("\n\n").filter(|block| block.contains("data:"));
        blocks
            .map(|block| {
                let of = |name: &str| {
                    block
                        .lines()
                        .find_map(|l| l.strip_prefix(name))
                        .unwrap_or_default()
                        .trim()
                };
                (
                    of("event:").to_owned(),
                    of("id:").to_owned(),
                    serde_json::from_str(of("data:")).unwrap(),
                )
            })
            .collect()
    }
}

//! Shops that answer as WooCommerce 9.4 and Shopify's Admin API do, as far as Omniops asks: written from their contracts, with what
//! they do to a client that asks too much or wrongly.
use poem::{
    Endpoint, Request, Response,
    http::{StatusCode, header},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::local::Local;

/// What opens every shop here.
pub const KEY: &str = "ck_0123456789abcdef";
/// The other half.
pub const SECRET: &str = "cs_0123456789abcdef";
/// Of Shopify.
pub const TOKEN: &str = "shpat_0123456789abcdef";

/// A request that a shop was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The path.
    pub path: String,
    /// The query's pairs; of Shopify the variables.
    pub query: BTreeMap<String, String>,
}

/// A shop; it ends when it is dropped.
pub struct Shop {
    state: Arc<Mutex<State>>,
    server: Local,
}

/// Status, headers and body.
type Odd = (u16, Vec<(String, String)>, String);

#[derive(Default)]
struct State {
    products: BTreeMap<i64, Value>,
    /// Variations by product.
    variations: BTreeMap<i64, Vec<Value>>,
    asked: Vec<Asked>,
    /// Answers to give before the usual ones.
    odd: VecDeque<Odd>,
}

impl Shop {
    /// An empty shop.
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let server = Local::serve(Front(state.clone())).await;
        Self { state, server }
    }

    /// `host:port`, as `OMNIOPS_EGRESS_ALLOW` has it.
    pub fn host(&self) -> String {
        self.server.address.to_string()
    }

    /// Its start page.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Puts a product on the shelf, or another in its place: a row of WooCommerce's. What is missing is usual.
    pub fn put(&self, id: i64, fields: &Value) {
        let mut row = json!({ "id": id, "name": format!("Product {id}"), "permalink": format!("{}/p/{id}/", self.url()), "type": "simple",
            "status": "publish", "catalog_visibility": "visible", "sku": format!("S-{id}"), "price": "9.99", "stock_status": "instock",
            "stock_quantity": null, "description": "", "short_description": "", "categories": [], "images": [], "attributes": [],
            "date_modified_gmt": "2026-11-21T20:00:00" });
        for (name, value) in fields.as_object().into_iter().flatten() {
            row[name] = value.clone();
        }
        self.state().products.insert(id, row);
    }

    /// The ways to buy a product of the type `variable`.
    pub fn vary(&self, id: i64, variations: &[Value]) {
        self.state().variations.insert(id, variations.to_vec());
    }

    /// Takes a product away for good.
    pub fn take(&self, id: i64) {
        self.state().products.remove(&id);
    }

    /// Answers so to the next request, instead of as usual.
    pub fn once(&self, status: u16, headers: &[(&str, &str)], body: &str) {
        let headers = headers
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        self.state().odd.push_back((status, headers, body.to_owned()));
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Front(Arc<Mutex<State>>);

impl Endpoint for Front {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let body = request.take_body().into_string().await.unwrap_or_default();
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default();
        let mut query: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        for (name, value) in body["variables"].as_object().into_iter().flatten() {
            query.insert(
                name.clone(),
                value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            );
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked.push(Asked {
            path: path.clone(),
            query: query.clone(),
        });
        if let Some((status, headers, body)) = state.odd.pop_front() {
            let mut answer = Response::builder().status(StatusCode::from_u16(status).unwrap_or_default());
            for (name, value) in headers {
                answer = answer.header(name, value);
            }
            return Ok(answer.body(body));
        }
        Ok(match path.strip_prefix("/wp-json/wc/v3/") {
            Some(rest) if opened(&request) => state.woocommerce(rest, &query),
            Some(_) => refusal(401, "woocommerce_rest_cannot_view"),
            None if path.starts_with("/admin/api/") => state.shopify(&request, &body, &query),
            None => Response::builder()
                .status(StatusCode::NOT_FOUND)
                .body("<html>Not found</html>"),
        })
    }
}

fn opened(request: &Request) -> bool {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let wanted = format!("Basic {}", STANDARD.encode(format!("{KEY}:{SECRET}")));
    request
        .headers()
        .get(header::AUTHORIZATION)
        .is_some_and(|given| given == wanted.as_str())
}

fn answer(value: &Value, headers: &[(&str, String)]) -> Response {
    let mut answer = Response::builder().content_type("application/json; charset=UTF-8");
    for (name, value) in headers {
        answer = answer.header(*name, value);
    }
    answer.body(value.to_string())
}

fn refusal(status: u16, code: &str) -> Response {
    let body = json!({ "code": code, "message": "Sorry.", "data": { "status": status } });
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap_or_default())
        .content_type("application/json; charset=UTF-8")
        .body(body.to_string())
}

impl State {
    fn woocommerce(&self, path: &str, query: &BTreeMap<String, String>) -> Response {
        let number = |name: &str, usual: usize| query.get(name).and_then(|n| n.parse().ok()).unwrap_or(usual);
        let (page, size) = (number("page", 1), number("per_page", 10));
        if size > 100 {
            return refusal(400, "rest_invalid_param");
        }
        let paged = |rows: Vec<Value>| {
            let total = rows.len();
            let rows: Vec<Value> = rows.into_iter().skip((page - 1) * size).take(size).collect();
            let headers = [
                ("X-WP-Total", total.to_string()),
                ("X-WP-TotalPages", total.div_ceil(size).to_string()),
            ];
            answer(&json!(rows), &headers)
        };
        let parts: Vec<&str> = path.split('/').collect();
        match parts[..] {
            ["data", "currencies", "current"] => answer(&json!({ "code": "EUR", "name": "Euro" }), &[]),
            ["products"] => paged(
                self.products
                    .values()
                    .filter(|row| wanted(row, query))
                    .cloned()
                    .collect(),
            ),
            ["products", id] => match id.parse().ok().and_then(|id: i64| self.products.get(&id)) {
                Some(row) => answer(row, &[]),
                None => refusal(404, "woocommerce_rest_product_invalid_id"),
            },
            ["products", id, "variations"] => {
                let of = id.parse().ok().and_then(|id: i64| self.variations.get(&id));
                paged(of.cloned().unwrap_or_default())
            }
            _ => refusal(404, "rest_no_route"),
        }
    }

    /// The products as Shopify's nodes.
    fn shopify(&self, request: &Request, body: &Value, query: &BTreeMap<String, String>) -> Response {
        if request
            .headers()
            .get("x-shopify-access-token")
            .is_none_or(|token| token != TOKEN)
        {
            let told = json!({ "errors": "[API] Invalid API key or access token" });
            return Response::builder()
                .status(StatusCode::UNAUTHORIZED)
                .body(told.to_string());
        }
        let text = body["query"].as_str().unwrap_or_default();
        let shop = json!({ "name": "Test shop", "currencyCode": "EUR" });
        let data = if text.contains("query Products") {
            let first = query.get("first").and_then(|n| n.parse().ok()).unwrap_or(10);
            let after: i64 = query.get("after").and_then(|n| n.parse().ok()).unwrap_or(0);
            let rest: Vec<_> = self.products.range(after + 1..).collect();
            let nodes: Vec<Value> = rest.iter().take(first).map(|(_, row)| node(row)).collect();
            let end = rest.iter().take(first).next_back().map(|(id, _)| id.to_string());
            json!({ "products": { "nodes": nodes, "pageInfo": { "hasNextPage": rest.len() > first, "endCursor": end } }, "shop": shop })
        } else if text.contains("query Product(") {
            let id = query
                .get("id")
                .and_then(|id| id.rsplit('/').next()?.parse::<i64>().ok());
            json!({ "product": id.and_then(|id| self.products.get(&id)).map(node), "shop": shop })
        } else if text.contains("query Nodes") {
            let ids: Vec<&str> = body["variables"]["ids"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let of = |id: &&str| {
                id.rsplit('/')
                    .next()?
                    .parse::<i64>()
                    .ok()
                    .and_then(|id| self.products.get(&id))
                    .map(node)
            };
            json!({ "nodes": ids.iter().map(of).collect::<Vec<_>>() })
        } else {
            json!({ "shop": shop })
        };
        let status = json!({ "maximumAvailable": 2000, "currentlyAvailable": 1900, "restoreRate": 100 });
        let cost = json!({ "requestedQueryCost": 100, "actualQueryCost": 20, "throttleStatus": status });
        answer(&json!({ "data": data, "extensions": { "cost": cost } }), &[])
    }
}

fn wanted(row: &Value, query: &BTreeMap<String, String>) -> bool {
    let in_trash = row["status"] == "trash";
    let included = query.get("include").is_none_or(|ids| {
        ids.split(',')
            .any(|id| id.parse::<i64>().is_ok_and(|id| row["id"] == id))
    });
    let changed = query.get("modified_after").is_none_or(|after| {
        // As real shops do: with a Z, an answer that is wrong.
        !after.ends_with('Z') && row["date_modified_gmt"].as_str().is_some_and(|at| at > after.as_str())
    });
    !in_trash && included && changed
}

fn node(row: &Value) -> Value {
    let id = row["id"].to_string();
    let shown = row["status"] == "publish";
    let in_stock = row["stock_status"] == "instock";
    json!({ "id": format!("gid://shopify/Product/{id}"), "legacyResourceId": id, "title": row["name"], "status": if shown { "ACTIVE" } else { "DRAFT" },
        "vendor": null, "productType": "", "descriptionHtml": row["description"], "onlineStoreUrl": row["permalink"],
        "updatedAt": format!("{}Z", row["date_modified_gmt"].as_str().unwrap_or_default()), "publishedAt": "2026-01-01T00:00:00Z",
        "totalInventory": 1, "tracksInventory": false, "hasOnlyDefaultVariant": true, "options": [], "media": { "nodes": [] },
        "variants": { "nodes": [{ "id": format!("gid://shopify/ProductVariant/{id}"), "legacyResourceId": id, "sku": row["sku"], "price": row["price"],
          "availableForSale": in_stock, "inventoryQuantity": 1, "selectedOptions": [], "inventoryItem": { "tracked": false } }],
          "pageInfo": { "hasNextPage": false, "endCursor": null } } })
}

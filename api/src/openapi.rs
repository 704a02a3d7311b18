//! The contract: all resources as one OpenAPI document, made from the code without a server or any state.
use poem::http::{HeaderMap, HeaderValue, Method, header};
use poem_openapi::{OpenApi, OpenApiService, Tags};
use std::sync::LazyLock;

use crate::{
    document,
    extractors::Schemes,
    routes::{Apis, apis},
};

/// How the contract groups its calls.
#[derive(Tags)]
pub enum Tag {
    /// Questions and answers.
    Chat,
    /// Conversations that people read and take over, and what they are told.
    People,
    /// Search and pages.
    Content,
    /// Connected shops and their products.
    Shops,
    /// Work in the background.
    Jobs,
    /// What people may ask about their data, and what visitors choose.
    Privacy,
    /// Customers, their domains and keys.
    Administration,
    /// Health and metrics.
    Operation,
}

const DESCRIPTION: &str = "Customer service from a site's own pages.

Failures are `application/problem+json` (RFC 9457) with a stable `code`: 400 a request that breaks a rule (`errors[]` names the fields), 401 no valid credential, 403 a valid one that is not enough, 404 not there or somebody else's, 405, 409 a state that forbids it, 413 a body over 1 MiB, 415 another content type than JSON, 422 an `Idempotency-Key` used for another request, 429 and 503 with `Retry-After`. Every answer carries `x-request-id`.

Calls are held against limits; their answers carry `RateLimit-Policy` (`\"NAME\";q=QUOTA;w=SECONDS`) and `RateLimit` (`\"NAME\";r=LEFT;t=SECONDS until all of it is there again`), one entry for each of the caller's own limits. 429 `challenge_required` comes with `omniops-challenge: BITS TEXT`: send the request again with `omniops-proof: TEXT:NUMBER`, so that its SHA-256 begins with that many zero bits.";

/// The service behind `/api` and the source of the document.
pub fn service() -> OpenApiService<Apis, ()> {
    OpenApiService::new(apis(), "Omniops", env!("CARGO_PKG_VERSION"))
        .description(DESCRIPTION)
        .server("/")
}

/// The document as it is checked in as `openapi.yaml`.
pub fn openapi_yaml() -> String {
    let whole = document::whole(&service().spec()).ok();
    whole
        .and_then(|whole| serde_yaml::to_string(&whole).ok())
        .unwrap_or_default()
}

/// The page that shows the document, with everything in it.
pub fn openapi_html() -> String {
    let (html, generated) = (service().swagger_ui_html(), service().spec());
    let whole = document::whole(&generated)
        .ok()
        .and_then(|whole| serde_json::to_string(&whole).ok());
    whole.map_or_else(|| html.clone(), |whole| html.replacen(&generated, &whole, 1))
}

/// Paths with their methods, for `Allow`.
static METHODS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let paths = Apis::meta().into_iter().flat_map(|api| api.paths);
    paths
        .map(|path| {
            let methods: Vec<_> = path.operations.iter().map(|o| o.method.to_string()).collect();
            (path.path, methods.join(", "))
        })
        .collect()
});

/// Names the methods that an address takes, as RFC 9110 section 15.5.6 wants it of a 405.
pub fn allow(path: &str, headers: &mut HeaderMap) {
    // An address by itself goes before a pattern that it fits as well.
    let exact = METHODS.iter().any(|(pattern, _)| pattern == path);
    let methods: Vec<&str> = METHODS
        .iter()
        .filter(|(pattern, _)| if exact { pattern == path } else { fits(pattern, path) })
        .map(|(_, m)| m.as_str())
        .collect();
    let methods = if methods.is_empty() {
        "GET, HEAD".to_owned()
    } else {
        methods.join(", ")
    };
    if let Ok(value) = HeaderValue::from_str(&methods) {
        headers.insert(header::ALLOW, value);
    }
}

/// The widget's calls: method and path. Those that take its session, and those under `/api/widget/`, which lead to one.
static WIDGETS: LazyLock<Vec<(Method, String)>> = LazyLock::new(|| {
    let mut calls = Vec::new();
    for path in Apis::meta().into_iter().flat_map(|api| api.paths) {
        for operation in path.operations {
            let mut schemes = operation.security.iter().flat_map(|alternative| alternative.keys());
            if path.path.starts_with("/api/widget/") || schemes.any(|scheme| *scheme == Schemes::SESSION) {
                calls.push((operation.method, path.path.clone()));
            }
        }
    }
    calls
});

/// Whether a widget on a customer's page makes this call.
pub fn is_widgets(method: &Method, path: &str) -> bool {
    WIDGETS
        .iter()
        .any(|(own, pattern)| own == method && fits(pattern, path))
}

fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.split('/'), path.split('/'));
    pattern.clone().count() == path.clone().count() && pattern.zip(path).all(|(p, s)| p.starts_with('{') || p == s)
}

//! The public pages, each under a content security policy of its own ([`crate::policy`]).
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use domain::{
    secrets,
    tenancy::{AssistantSettings, Customer, HostName, find_by_host},
};
use poem::{Request, Response, Route, error::NotFoundError, get, handler, web::Data};
use serde::Deserialize;
use std::sync::LazyLock;

use super::legal;
use crate::{
    Context,
    assets::{PAGES, PUBLIC, version},
    error::Failure,
    openapi::{openapi_html, openapi_yaml},
    policy::{Policy, nonce},
};

/// Adds the pages, the API's page and the contract.
pub fn add(routes: Route) -> Route {
    let routes = ["/", "/bot"]
        .into_iter()
        .fold(routes, |routes, path| routes.at(path, get(page)));
    legal::add(routes)
        .at("/demo", get(demo))
        .at("/docs", get(docs))
        .at("/openapi.yaml", get(contract))
}

#[expect(clippy::needless_pass_by_value, reason = "extractors are taken by value")]
#[handler]
fn page(req: &Request, context: Data<&Context>) -> poem::Result<Response> {
    let name = match req.uri().path().trim_matches('/') {
        "" => "index",
        name => name,
    };
    let html = template(name)?.replace("{{base_url}}", &escape(&context.base_url));
    Ok(Policy::new("style-src 'self'").page(html, &context.edge))
}

/// A page, with the addresses of its files as they are now: those are kept by browsers for a year.
pub(super) fn template(name: &str) -> poem::Result<String> {
    let found = PAGES.iter().find(|(file, _)| file.strip_suffix(".html") == Some(name));
    let html = found.ok_or(NotFoundError)?.1;
    Ok(PUBLIC.iter().fold(html.to_owned(), |html, (file, content)| {
        html.replace(
            &format!("\"/assets/{file}\""),
            &format!("\"/assets/{file}?v={}\"", version(content)),
        )
    }))
}

#[derive(Deserialize)]
struct DemoQuery {
    domain: Option<String>,
}

#[handler]
async fn demo(req: &Request, context: Data<&Context>) -> poem::Result<Response> {
    let query: DemoQuery = req
        .params()
        .map_err(|_| Failure::from(domain::Error::invalid("domain", "can't be read")))?;
    let usual = context.demo.as_ref().map_or("localhost", |sample| &sample.domain);
    let host: HostName = query
        .domain
        .as_deref()
        .unwrap_or(usual)
        .parse()
        .map_err(Failure::from)?;
    let customer = find_by_host(&context.db, &host, true).await.map_err(Failure::from)?;
    let nonce = nonce().map_err(Failure::from)?;
    let base_url = escape(&context.base_url);
    let questions = serde_json::to_string(&questions(&context, &host, customer.as_ref())).unwrap_or_default();
    let html = template("demo")?
        .replace("{{domain}}", &escape(host.as_str()))
        .replace("{{base_url}}", &base_url)
        .replace("{{questions}}", &escape(&questions))
        .replace("{{nonce}}", &nonce);
    // The widget is loaded from the public address and calls it, which need not be the one that this page came from.
    let policy = Policy::new(format!(
        "script-src 'nonce-{nonce}'; style-src 'self'; connect-src 'self' {base_url}; img-src 'self' data:"
    ));
    Ok(policy.framed_by_us().page(html, &context.edge))
}

/// The customer's own suggestions, else those of the demo.
fn questions(context: &Context, host: &HostName, customer: Option<&Customer>) -> Vec<String> {
    let own = customer
        .and_then(|customer| AssistantSettings::of(customer).suggestions)
        .unwrap_or_default();
    let sample = context.demo.as_ref().filter(|sample| sample.domain == host.as_str());
    match sample {
        Some(sample) if own.is_empty() => sample.questions.clone(),
        _ => own,
    }
}

/// The page with everything it needs inside, in memory once for all who read it, however slowly; and the hashes of its scripts and styles.
static DOCS: LazyLock<(Bytes, Policy)> = LazyLock::new(|| {
    let html = openapi_html();
    let html = html.replacen("<title>Swagger UI</title>", "<title>API | Omniops</title>", 1);
    let html = html.replacen("<html charset=\"UTF-8\">", "<!doctype html>\n<html lang=\"en\">", 1);
    let needs = format!(
        "script-src {}; style-src {}; img-src 'self' data:; connect-src 'self'",
        hashes(&html, "script").join(" "),
        hashes(&html, "style").join(" ")
    );
    (html.into(), Policy::new(needs).with_markup())
});

/// The CSP source of each inline element.
fn hashes(html: &str, element: &str) -> Vec<String> {
    let (open, close) = (format!("<{element}"), format!("</{element}>"));
    let mut found = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once(&open) {
        let Some((content, tail)) = after.split_once('>').and_then(|(_, body)| body.split_once(&close)) else {
            break;
        };
        found.push(format!(
            "'sha256-{}'",
            STANDARD.encode(secrets::sha256(content.as_bytes()))
        ));
        rest = tail;
    }
    found
}

#[handler]
#[expect(clippy::needless_pass_by_value, reason = "extractors are taken by value")]
fn docs(context: Data<&Context>) -> Response {
    let (html, policy) = &*DOCS;
    policy.page(html.clone(), &context.edge)
}

#[handler]
fn contract() -> Response {
    static YAML: LazyLock<Bytes> = LazyLock::new(|| openapi_yaml().into());
    Response::builder().content_type("application/yaml").body(YAML.clone())
}

/// Text for HTML, also inside of attributes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_never_becomes_markup() {
        assert_eq!(escape("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
    }

    #[test]
    fn every_inline_script_of_the_api_page_has_its_hash() {
        let (html, policy) = &*DOCS;
        let html = str::from_utf8(html).unwrap();
        assert_eq!(hashes(html, "script").len(), 2);
        assert_eq!(
            policy.needs.matches("'sha256-").count(),
            2 + hashes(html, "style").len()
        );
    }
}

//! The widget and the pages' files, with validators so that a browser asks again for little.
use poem::{
    Request, Response, Route,
    error::NotFoundError,
    get, handler,
    http::{StatusCode, header},
    web::Path,
};

use crate::assets::{PUBLIC, WIDGET, etag, media_type};

const HOUR: &str = "public, max-age=3600";

/// Adds `/embed.js` and `/assets/{file}`.
pub fn add(routes: Route) -> Route {
    routes.at("/embed.js", get(widget)).at("/assets/:file", get(asset))
}

#[handler]
fn widget(req: &Request) -> Response {
    // A page with `Cross-Origin-Embedder-Policy` may load the widget as well.
    let mut response = file(req, "embed.js", &WIDGET);
    let anybody = poem::http::HeaderValue::from_static("cross-origin");
    response.headers_mut().insert("cross-origin-resource-policy", anybody);
    response
}

#[handler]
fn asset(req: &Request, Path(name): Path<String>) -> poem::Result<Response> {
    let found = PUBLIC.iter().find(|(file, _)| *file == name);
    let (name, content) = found.ok_or(NotFoundError)?;
    Ok(file(req, name, content))
}

/// A file, or 304 if the browser's copy is the same (RFC 9110, section 13.1.2).
pub fn file(req: &Request, name: &str, content: &str) -> Response {
    let tag = etag(content);
    let known = req
        .headers()
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let same = known
        .split(',')
        .map(|t| t.trim().trim_start_matches("W/"))
        .any(|t| t == tag || t == "*");
    let response = Response::builder()
        .header(header::ETAG, tag)
        .header(header::CACHE_CONTROL, HOUR);
    if same {
        return response.status(StatusCode::NOT_MODIFIED).finish();
    }
    response.content_type(media_type(name)).body(content.to_owned())
}

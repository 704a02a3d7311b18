//! The widget and the pages' files, with validators so that a browser asks again for little.
use poem::{
    Request, Response, Route,
    error::NotFoundError,
    get, handler,
    http::{HeaderValue, StatusCode, header},
    web::Path,
};

use crate::assets::{ADMIN, PUBLIC, WIDGET, etag, media_type, version};

pub(super) const HOUR: &str = "public, max-age=3600";
/// For an address that has the content's hash in it (RFC 8246).
pub(super) const FOREVER: &str = "public, max-age=31536000, immutable";

/// Adds `/embed.js`, `/favicon.ico` and `/assets/{file}`.
pub fn add(routes: Route) -> Route {
    routes
        .at("/embed.js", get(widget))
        .at("/favicon.ico", get(icon))
        .at("/assets/:file", get(asset))
}

/// What browsers ask every site for; they go by the media type, not by the name.
#[handler]
fn icon(req: &Request) -> poem::Result<Response> {
    let (name, content) = ADMIN
        .iter()
        .find(|(name, _)| *name == "icon.svg")
        .ok_or(NotFoundError)?;
    Ok(file(req, name, content, HOUR))
}

/// Any page may load it: one with `Cross-Origin-Embedder-Policy` as well, and one that pins it by `integrity`, which needs CORS.
#[handler]
fn widget(req: &Request) -> Response {
    let mut response = file(req, "embed.js", &WIDGET, HOUR);
    let headers = response.headers_mut();
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

#[handler]
fn asset(req: &Request, Path(name): Path<String>) -> poem::Result<Response> {
    let found = PUBLIC.iter().find(|(file, _)| *file == name);
    let (name, content) = found.ok_or(NotFoundError)?;
    let asked = req.uri().query().and_then(|query| query.strip_prefix("v="));
    let same = asked.is_some_and(|asked| asked == version(content));
    Ok(file(req, name, content, if same { FOREVER } else { HOUR }))
}

/// A file, or 304 if the browser's copy is the same (RFC 9110, section 13.1.2).
pub(super) fn file(req: &Request, name: &str, content: &'static str, keep: &str) -> Response {
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
        .header(header::CACHE_CONTROL, keep);
    if same {
        return response.status(StatusCode::NOT_MODIFIED).finish();
    }
    response.content_type(media_type(name)).body(content)
}

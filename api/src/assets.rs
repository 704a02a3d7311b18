//! The files that browsers load, embedded: the widget, the public pages, the admin page, and the sample site of the demo.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::secrets::sha256;

macro_rules! embed {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/", $folder, "/", $name)))),*]
    };
}

pub(crate) mod legal;
mod widget;
pub(crate) use widget::{WIDGET, words};

/// The sample site: file names and contents.
pub const DEMO_SITE: &[(&str, &str)] = embed!("demo-site":
    "care.html", "contact.html", "faq.html", "index.html", "kayak-sognefjord.html", "paddle-tern.html", "questions.json",
    "returns.html", "robots.txt", "shipping.html", "site.css", "sizing.html", "warranty.html");

/// The public pages: file names without `.html`, and templates.
pub(crate) const PAGES: &[(&str, &str)] = embed!("pages":
    "bot.html", "demo.html", "index.html", "legal.html");

/// What the pages load from `/assets/`.
pub(crate) const PUBLIC: &[(&str, &str)] = embed!("pages": "demo.js", "pages.css");

/// The admin page: its document, and the files that it loads.
pub(crate) const ADMIN: &[(&str, &str)] = embed!("admin":
    "account.js", "admin.css", "api.js", "audit.js", "bars.js", "blocks.js", "conversation.js", "conversations.js",
    "customers.js", "dead.js", "dom.js", "domains.js", "explain.js", "form.js", "format.js", "gaps.js", "golden.js",
    "health.js", "icon.svg", "index.html", "job.js", "keys.js", "lists.js", "main.js", "overview.js", "page.js",
    "pages.js", "parts.js", "people.js", "privacy.js", "products.js", "qr.js", "queues.js", "schedules.js",
    "scraping.js", "search.js", "session.js", "settings.js", "shell.js", "shops.js", "signin.js", "stream.js",
    "webhooks.js");

/// A strong validator of a file's content.
pub(crate) fn etag(content: &str) -> String {
    let hash = sha256(content.as_bytes());
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash[..12]))
}

/// What stands in the address of a file that browsers may keep: it changes with the content.
pub(crate) fn version(content: &str) -> String {
    etag(content).trim_matches('"').to_owned()
}

/// The media type of a file by its name.
pub(crate) fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

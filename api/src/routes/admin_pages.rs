//! The admin page: one document for every address below `/admin`, which its script reads, and the files that it loads.
//!
//! The document holds nothing of anybody's: what it shows it asks for by calls, as whoever is signed in. The files stand below a version of
//! all of them together, so that modules that import each other are of one version and browsers may keep them.
use poem::{
    Request, Response, Route,
    error::NotFoundError,
    get, handler,
    web::{Data, Path},
};
use std::sync::LazyLock;

use super::files::{FOREVER, HOUR, file};
use crate::{
    Context,
    assets::{ADMIN, version},
    policy::Policy,
};

const DOCUMENT: &str = "index.html";

/// Changes with any of the files.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all: Vec<&str> = ADMIN.iter().flat_map(|(name, content)| [*name, *content]).collect();
    version(&all.join("\n"))
});

/// Adds `/admin`, everything below, and `/assets/admin/{version}/{file}`.
pub fn add(routes: Route) -> Route {
    routes
        .at("/admin", get(page))
        .at("/admin/*view", get(page))
        .at("/assets/admin/:version/:file", get(asset))
}

#[handler]
#[expect(clippy::needless_pass_by_value, reason = "extractors are taken by value")]
fn page(context: Data<&Context>) -> poem::Result<Response> {
    let html = named(DOCUMENT)?.1.replace("{{version}}", &VERSION);
    let policy = Policy::new("script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'");
    Ok(policy.page(html, &context.edge))
}

/// A process of another version, as there is during an upgrade, gives what it has, and to be kept for a short time only.
#[handler]
fn asset(req: &Request, Path((asked, name)): Path<(String, String)>) -> poem::Result<Response> {
    let (name, content) = named(&name)?;
    if name == DOCUMENT {
        return Err(NotFoundError.into());
    }
    Ok(file(req, name, content, if asked == *VERSION { FOREVER } else { HOUR }))
}

fn named(name: &str) -> poem::Result<(&'static str, &'static str)> {
    let found = ADMIN.iter().find(|(file, _)| *file == name);
    Ok(*found.ok_or(NotFoundError)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_that_is_imported_is_served() {
        for (name, content) in ADMIN {
            let imports = content.lines().filter_map(|line| line.split_once(" from './"));
            for (_, rest) in imports {
                let imported = rest.split('\'').next().unwrap_or_default();
                assert!(named(imported).is_ok(), "{name} imports {imported}");
            }
        }
        assert!(named("main.js").is_ok() && named("nothing.js").is_err());
    }

    #[test]
    fn nothing_makes_markup_of_text() {
        for (name, content) in ADMIN
            .iter()
            .filter(|(name, _)| std::path::Path::new(name).extension().is_some_and(|it| it == "js"))
        {
            for sink in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
            ] {
                assert!(!content.contains(sink), "{name} has {sink}");
            }
        }
    }
}

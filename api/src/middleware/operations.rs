//! Which call of the contract a request is, before a router has looked, and which limits it is held against.
use domain::limits::Class;
use poem::{PathPattern, http::Method};
use poem_openapi::OpenApi;
use std::sync::LazyLock;

use crate::routes::Apis;

/// Calls that are not what their method says: GET reads, everything else changes. What starts work of a customer (a crawl, vectors, a
/// shop's products, many questions) changes something; the work itself is counted where it starts ([`super::Spent`]).
const CLASSES: &[(&str, Class)] = &[
    ("begin_session", Class::Session),
    ("chat", Class::Chat),
    ("woocommerce_webhook", Class::Webhook),
    ("shopify_webhook", Class::Webhook),
    ("log_in", Class::Login),
    ("health", Class::Probe),
    ("ready", Class::Probe),
];

/// What starts work: its change is counted together with the work, where that starts.
const STARTS: [&str; 7] = [
    "scrape",
    "embed",
    "sync",
    "warm_cache",
    "run_golden",
    "create_connection",
    "retry_job",
];

/// Pages that ask the database whose they are; all others come from memory. They are no calls of the contract.
const PAGES: [&str; 4] = ["/privacy", "/terms", "/accessibility", "/demo"];

/// A call of the contract, or one of the pages that are held against limits as well.
#[derive(Debug)]
pub struct Operation {
    method: Method,
    segments: Vec<String>,
    /// What metrics call its route.
    pub pattern: PathPattern,
    /// What it asks for.
    pub class: Class,
    /// It takes a credential.
    pub has_credential: bool,
    /// It may start work that its customer has a limit of.
    pub starts: bool,
}

static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let paths = Apis::meta().into_iter().flat_map(|api| api.paths);
    let of_path = paths.flat_map(|path| {
        path.operations.into_iter().map(move |operation| Operation {
            segments: path.path.split('/').map(str::to_owned).collect(),
            pattern: PathPattern(path.path.replace('{', ":").replace('}', "").into()),
            class: class(&operation.method, operation.operation_id.unwrap_or_default()),
            has_credential: !operation.security.is_empty(),
            starts: operation.operation_id.is_some_and(|id| STARTS.contains(&id)),
            method: operation.method,
        })
    });
    of_path.chain(PAGES.map(page)).collect()
});

fn page(path: &str) -> Operation {
    Operation {
        method: Method::GET,
        segments: path.split('/').map(str::to_owned).collect(),
        pattern: PathPattern(path.to_owned().into()),
        class: Class::Page,
        has_credential: false,
        starts: false,
    }
}

fn class(method: &Method, id: &str) -> Class {
    let by_method = if *method == Method::GET {
        Class::Read
    } else {
        Class::Change
    };
    let known = CLASSES.iter().find(|(known, _)| *known == id);
    known.map_or(by_method, |(_, class)| *class)
}

/// The call that a router would find: of those that fit, the one with the most literal parts. HEAD is answered by what answers GET,
/// with the same work.
pub fn find(method: &Method, path: &str) -> Option<&'static Operation> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let fits = |operation: &&Operation| operation.method == *method && operation.fits(path);
    OPERATIONS
        .iter()
        .filter(fits)
        .min_by_key(|operation| operation.parameters())
}

impl Operation {
    /// It is a stream of events that goes on, not only an answer that comes as one.
    pub fn is_followed(&self) -> bool {
        self.method == Method::GET && self.segments.last().is_some_and(|last| last == "events")
    }

    fn fits(&self, path: &str) -> bool {
        let mut parts = path.split('/');
        let fit = self.segments.iter().all(|segment| {
            parts
                .next()
                .is_some_and(|part| segment.starts_with('{') || segment == part)
        });
        fit && parts.next().is_none()
    }

    fn parameters(&self) -> usize {
        self.segments.iter().filter(|segment| segment.starts_with('{')).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every call of the contract is held against limits that somebody chose: by its method, or by name if it is special.
    #[test]
    fn every_call_of_the_contract_is_found_and_has_its_class() {
        let mut seen = BTreeSet::new();
        for path in Apis::meta().into_iter().flat_map(|api| api.paths) {
            for operation in path.operations {
                let id = operation.operation_id.unwrap();
                let path = path
                    .path
                    .replace("{host}", "shop.example")
                    .replace('{', "x")
                    .replace('}', "");
                let found = find(&operation.method, &path).unwrap_or_else(|| panic!("{id} is not found at {path}"));
                if operation.method == Method::GET {
                    let head = find(&Method::HEAD, &path).map(|head| head.class);
                    assert_eq!(head, Some(found.class), "HEAD {path}");
                }
                assert_eq!(
                    found.class,
                    class(&operation.method, id),
                    "{id} at {path} is taken for another call"
                );
                // Whatever anybody may call without a credential was thought of by name.
                let named = CLASSES.iter().any(|(known, _)| *known == id);
                assert!(
                    named || found.has_credential,
                    "{id} needs no credential: which limits hold it?"
                );
                seen.insert(id);
            }
        }
        for id in CLASSES.iter().map(|(id, _)| id).chain(&STARTS) {
            assert!(seen.contains(id), "the contract has no {id}");
        }
    }

    #[test]
    fn pages_that_ask_the_database_are_held_against_limits() {
        for path in PAGES {
            for method in [Method::GET, Method::HEAD] {
                assert_eq!(
                    find(&method, path).map(|found| found.class),
                    Some(Class::Page),
                    "{path}"
                );
            }
        }
    }

    #[test]
    fn the_most_literal_path_wins() {
        let of = |method: Method, path: &str| find(&method, path).map(|found| found.pattern.0.to_string());
        assert_eq!(
            of(Method::POST, "/api/queue/dead/replay").as_deref(),
            Some("/api/queue/dead/replay")
        );
        assert_eq!(
            of(Method::POST, "/api/queue/dead/x/replay").as_deref(),
            Some("/api/queue/dead/:id/replay")
        );
        assert_eq!(of(Method::POST, "/api/chat").as_deref(), Some("/api/chat"));
        for (method, path) in [
            (Method::GET, "/api/chat"),
            (Method::POST, "/api/chat/"),
            (Method::POST, "/api"),
            (Method::GET, "/"),
        ] {
            assert_eq!(of(method, path), None, "{path}");
        }
    }
}

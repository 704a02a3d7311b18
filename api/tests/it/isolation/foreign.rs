//! What belongs to another customer, in every place of every call that takes anything: 404, and neither is a word of it told nor a
//! row of it changed.
use poem::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::{
    contract::{CONTRACT, Operation, put},
    own::{Own, Whose},
    scene::{OTHER_ORIGIN, SECRET, Scene, WORD, unlimited},
};
use crate::{
    accounts::{Browser, PASSWORD, browser, user},
    app::{Call, Got},
};

/// Places that take another customer's id or name and may answer otherwise than that there is no such thing, each for its reason: call
/// and field.
const ALLOWED: [(&str, &str, &str); 7] = [
    (
        "add_domain",
        "domain",
        "anybody may claim a domain, which only its proof makes theirs (ADR 0028)",
    ),
    (
        "begin_session",
        "domain",
        "which sites have a widget is public; a page of another site is told that it is none of theirs (403)",
    ),
    (
        "create_webhook",
        "url",
        "events of the caller's own may be sent to any host on the internet",
    ),
    (
        "chat",
        "session_id",
        "a key's own word for a visitor, by which its own customer's are found; a visitor's token refuses every session but its own, there or not (403)",
    ),
    (
        "export_person",
        "session_id",
        "whatever is held of it within the caller's customer, which is nothing, as of one that nobody has",
    ),
    ("erase_person", "session_id", "the same: a receipt over nothing"),
    ("erase_person_by_post", "session_id", "the same: a receipt over nothing"),
];

/// Who tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum As {
    Key,
    Visitor,
    Nobody,
    /// Who owns the customer, with a session.
    Person,
}

/// Two customers with all that they have, and a person who owns the first.
struct Tries {
    scene: Scene,
    person: Browser,
}

impl std::ops::Deref for Tries {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

/// Those whom the call takes. Calls about the own account name nobody.
fn who(operation: &Operation) -> Vec<As> {
    let kinds = [
        ("api_key", As::Key),
        ("widget_session", As::Visitor),
        ("admin_session", As::Person),
    ];
    let own_account = operation.path.starts_with("/api/admin/") && operation.placeholders() == 0;
    let mut who: Vec<As> = kinds
        .into_iter()
        .filter(|(scheme, who)| operation.takes(scheme) && !(own_account && *who == As::Person))
        .map(|(_, who)| who)
        .collect();
    who.extend(operation.is_public().then_some(As::Nobody));
    who
}

impl Tries {
    async fn start() -> Self {
        let scene = Scene::start().await;
        let person = browser(&scene.app, "owner@shop.example", "owner", &[scene.app.shop.id]).await;
        Self { scene, person }
    }

    fn request(&self, who: As, operation: &Operation, url: &str) -> Call<'_> {
        let (app, method) = (&self.app, operation.method.clone());
        match who {
            As::Key => app.call(method, url).bearer(&app.key),
            As::Visitor => self.as_visitor(method, url),
            As::Nobody => app.call(method, url).header("origin", super::scene::ORIGIN),
            As::Person => {
                let names = operation.parameters.iter().any(|one| one.name == "customer_id");
                let mark = if url.contains('?') { '&' } else { '?' };
                if names && !url.contains("customer_id=") {
                    let url = format!("{url}{mark}customer_id={}", app.shop.id);
                    self.person.on(app.call(method, &url))
                } else {
                    self.person.on(app.call(method, url))
                }
            }
        }
    }

    /// What `other` has of a kind of place.
    async fn theirs(&self) -> Theirs {
        let ids = self.catalogue.uuids(self.app.other.id).await;
        assert!(ids.len() > 40, "{}", ids.len());
        let colleague = user(&self.app, "viewer@other.example", "viewer", &[self.app.other.id]).await;
        Theirs {
            ids: ids.iter().chain([&colleague]).map(ToString::to_string).collect(),
        }
    }
}

/// Whether it is refused for being the installation's own, whoever's things are meant.
fn is_above(who: As, got: &Got) -> bool {
    who == As::Person && got.status == 403 && got.problem(403) == "missing_role"
}

struct Theirs {
    ids: Vec<String>,
}

impl Theirs {
    /// Values for a field or parameter, by its form and name; none for one that can't name anything of anybody.
    fn values(&self, name: &str, schema: &Value) -> Vec<String> {
        if schema["format"] == "uuid" {
            return self.ids.clone();
        }
        if schema["enum"].is_array() || schema["format"].is_string() {
            return vec![];
        }
        match name {
            "domain" | "host" | "hosts" => vec!["other.example".into(), OTHER_ORIGIN.into()],
            "url" | "start_url" | "urls" => vec![format!("{OTHER_ORIGIN}/shipping")],
            "email" => vec![format!("{SECRET}@mail.example")],
            _ => vec![WORD.to_owned()],
        }
    }
}

/// The answer, unless it is a stream, which nothing foreign has.
async fn answer(call: Call<'_>, what: &str) -> Got {
    let response = call.open().await;
    assert_ne!(response.content_type(), Some("text/event-stream"), "{what} streams");
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.into_body().into_vec().await.unwrap();
    let text = String::from_utf8_lossy(&body).into_owned();
    Got { status, headers, text }
}

fn assert_silent(got: &Got, what: &str) {
    // What was sent may be named in the refusal.
    let told = got.text.replace(&format!("{SECRET}@mail.example"), "");
    assert!(!told.contains(SECRET), "{what} leaks: {}", got.text);
    assert!(got.status.as_u16() < 500, "{what}: {}", got.text);
}

#[tokio::test]
async fn the_ids_of_another_customer_are_not_found_in_any_path() {
    let scene = Box::pin(Tries::start()).await;
    let theirs = scene.theirs().await;
    let before = scene.catalogue.digests(Some(scene.app.other.id)).await;
    let own: BTreeSet<String> = scene
        .catalogue
        .uuids(scene.app.shop.id)
        .await
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut tried = BTreeSet::new();
    for operation in CONTRACT
        .operations
        .iter()
        .filter(|operation| operation.placeholders() > 0)
    {
        for who in who(operation) {
            tried.insert(operation.id.clone());
            // What the installation alone may do is refused for whatever id.
            let unknown = scene.request(who, operation, &operation.url(&operation.unknown()));
            let above = is_above(who, &answer(unknown.json(&operation.body()), &operation.id).await);
            for id in &theirs.ids {
                for path in paths(operation, id, &own) {
                    let what = format!("{} of {path:?} as {who:?}", operation.id);
                    let call = scene
                        .request(who, operation, &operation.url(&path))
                        .json(&operation.body());
                    let got = answer(call, &what).await;
                    assert_silent(&got, &what);
                    let hidden = if above { is_above(who, &got) } else { got.status == 404 };
                    assert!(hidden, "{what}: {}", got.text);
                }
            }
        }
    }
    let wanted = CONTRACT.operations.iter().filter(|o| {
        o.placeholders() > 0
            && ["api_key", "widget_session", "admin_session"]
                .iter()
                .any(|s| o.takes(s))
    });
    assert_eq!(tried.len(), wanted.count());
    assert_eq!(scene.catalogue.digests(Some(scene.app.other.id)).await, before);
}

/// The path's places with the id in all of them; and in the last, behind each of the caller's own.
fn paths(operation: &Operation, id: &str, own: &BTreeSet<String>) -> Vec<Vec<String>> {
    let places: Vec<_> = operation
        .parameters
        .iter()
        .filter(|parameter| parameter.place == "path")
        .collect();
    let last = places.last().unwrap();
    let last = if last.is_uuid() {
        id.to_owned()
    } else {
        "other.example".to_owned()
    };
    let mut paths = vec![
        places
            .iter()
            .map(|place| if place.is_uuid() { id.to_owned() } else { last.clone() })
            .collect(),
    ];
    if places.len() == 2 {
        paths.extend(own.iter().map(|own| vec![own.clone(), last.clone()]));
    }
    paths
}

#[tokio::test]
async fn what_another_customer_has_is_neither_told_nor_changed_by_any_query_or_body() {
    let scene = Box::pin(Tries::start()).await;
    let theirs = scene.theirs().await;
    let before = scene.catalogue.digests(Some(scene.app.other.id)).await;
    let mut used = BTreeSet::new();
    for operation in &CONTRACT.operations {
        for who in who(operation) {
            let path = operation.unknown();
            queries(&scene, &theirs, operation, who, &path, None).await;
            bodies(&scene, &theirs, operation, who, &path, &mut used).await;
        }
    }
    // And where the path is the caller's own, so that it is the field by which the call is refused. Last, since a claim of another's domain
    // is no secret, and lets its pages be asked for.
    let (mut mine, others) = (Own::of(&scene, Whose::Mine).await, Own::of(&scene, Whose::Others).await);
    let colleague = user(&scene.app, "viewer@shop.example", "viewer", &[scene.app.shop.id]).await;
    mine.put("/api/users/", colleague.to_string());
    let spare = json!({ "customer_id": scene.app.shop.id, "name": "spare", "scopes": ["jobs"] });
    let spare = scene.app.post("/api/keys", &spare).admin().send().await.expect(201);
    mine.put("/api/keys/", spare["id"].as_str().unwrap());
    let mut tried = BTreeSet::new();
    for operation in CONTRACT
        .operations
        .iter()
        .filter(|operation| operation.placeholders() > 0)
    {
        let asks = operation.body.is_some()
            || operation
                .parameters
                .iter()
                .any(|p| p.place == "query" && p.name != "customer_id");
        for who in who(operation).into_iter().filter(|_| asks) {
            // Of what is the installation's own nothing is the person's.
            let Some(path) = mine.try_path(operation) else {
                assert_eq!(who, As::Person, "something of the caller's own for {}", operation.path);
                continue;
            };
            let url = operation.url(&path);
            let plain = scene.request(who, operation, &url).json(&operation.body());
            let plain = answer(plain, &url).await;
            let there = plain.status.as_u16() != 404 || operation.id == "get_job_url_screenshot";
            assert!(there, "{url} as {who:?} is not the caller's own: {}", plain.text);
            tried.insert(operation.id.as_str());
            queries(&scene, &theirs, operation, who, &path, Some(&others)).await;
            bodies(&scene, &theirs, operation, who, &path, &mut used).await;
        }
    }
    assert!(tried.len() >= 13, "{tried:?}");
    assert_eq!(scene.catalogue.digests(Some(scene.app.other.id)).await, before);
    let allowed: BTreeSet<(&str, &str)> = ALLOWED.iter().map(|(call, field, _)| (*call, *field)).collect();
    let used: BTreeSet<(&str, &str)> = used
        .iter()
        .map(|(call, field)| (call.as_str(), field.as_str()))
        .collect();
    assert_eq!(used, allowed, "exceptions are those that are needed");
}

async fn queries(
    scene: &Tries,
    theirs: &Theirs,
    operation: &Operation,
    who: As,
    path: &[String],
    others: Option<&Own>,
) {
    for parameter in operation
        .parameters
        .iter()
        .filter(|parameter| parameter.place == "query")
    {
        let mut values = theirs.values(&parameter.name, &parameter.schema);
        if parameter.name == "cursor" {
            values = cursors(scene, operation, others).await;
        }
        for value in values {
            let url = operation.asking(path, &[(parameter.name.as_str(), &value)]);
            let what = format!("{url} as {who:?}");
            let got = answer(scene.request(who, operation, &url).json(&operation.body()), &what).await;
            assert_silent(&got, &what);
            if parameter.is_uuid() && !is_above(who, &got) {
                assert_eq!(got.problem(404), "not_found", "{what}");
            }
        }
    }
}

/// Where `other`'s own list goes on.
async fn cursors(scene: &Scene, operation: &Operation, others: Option<&Own>) -> Vec<String> {
    let path = match others {
        Some(others) => others.path(operation),
        None if operation.placeholders() > 0 => return vec![],
        None => vec![],
    };
    let first = scene
        .app
        .get(&operation.asking(&path, &[("limit", "1")]))
        .bearer(&scene.app.other_key)
        .send()
        .await;
    let first: Value = serde_json::from_str(&first.text).unwrap_or_default();
    assert!(
        operation.id != "list_messages" || first["next_cursor"].is_string(),
        "{first}"
    );
    first["next_cursor"].as_str().map(str::to_owned).into_iter().collect()
}

async fn bodies(
    scene: &Tries,
    theirs: &Theirs,
    operation: &Operation,
    who: As,
    path: &[String],
    used: &mut BTreeSet<(String, String)>,
) {
    let Some(schema) = &operation.body else { return };
    let url = operation.url(path);
    for field in CONTRACT.texts(schema) {
        let is_id = field.schema["format"] == "uuid";
        let names_something = is_id || matches!(field.name.as_str(), "domain" | "host" | "url");
        for value in theirs.values(&field.name, &field.schema) {
            let body = put(&right(scene, operation), &field.pointer, json!(value));
            let what = format!("{} with {body} as {who:?}", operation.id);
            let got = answer(scene.request(who, operation, &url).json(&body), &what).await;
            assert_silent(&got, &what);
            // An id is found or not. What a name or an address is refused for may be its form, or that it is taken.
            let refusals: &[u16] = if is_id { &[404] } else { &[400, 404, 409] };
            let refused = refusals.contains(&got.status.as_u16()) || is_above(who, &got);
            if names_something && !refused {
                let place = (operation.id.clone(), field.name.clone());
                let is_listed = ALLOWED
                    .iter()
                    .any(|(call, name, _)| *call == place.0 && *name == place.1);
                assert!(is_listed, "{what}: {} {}", got.status, got.text);
                used.insert(place);
            }
        }
    }
}

/// A body that is right but for the field that is put into it, so that it is the field by which the call is refused.
fn right(scene: &Tries, operation: &Operation) -> Value {
    let customer = scene.app.shop.id;
    match operation.id.as_str() {
        "create_key" => json!({ "customer_id": customer, "name": "another", "scopes": ["jobs"] }),
        "create_user" => {
            json!({ "email": "new@shop.example", "name": "New", "password": PASSWORD, "role": "viewer", "customers": [customer] })
        }
        "change_user" => json!({ "name": "Robert" }),
        "export_person" | "erase_person_by_post" | "erase_person" | "embed" => json!({}),
        _ => operation.body(),
    }
}

/// Without this, the silence above could be that of an empty house.
#[tokio::test]
async fn a_customer_finds_its_own_where_others_find_nothing() {
    let scene = Scene::of(unlimited().await).await;
    let mut shown = BTreeSet::new();
    for operation in CONTRACT
        .operations
        .iter()
        .filter(|o| o.takes("api_key") && o.method == Method::GET && o.placeholders() == 0)
    {
        let url = operation.url(&[]);
        let url = if operation.id == "search" {
            format!("/api/search?q={WORD}")
        } else {
            url
        };
        let theirs = scene.app.get(&url).bearer(&scene.app.other_key).send().await;
        let mine = scene.app.get(&url).bearer(&scene.app.key).send().await;
        assert!(!mine.text.contains(SECRET), "{}", operation.id);
        if theirs.text.contains(SECRET) {
            shown.insert(operation.id.as_str());
        }
    }
    for wanted in ["get_settings", "list_conversations", "list_schedules", "search"] {
        assert!(
            shown.contains(wanted),
            "{wanted} shows nothing to its own customer: {shown:?}"
        );
    }
}

//! People who administer, through the API: what somebody who means harm tries, and what must work all the same.
mod attacks;
mod keys;
mod logins;
mod roles;
mod shared;
mod visitors;

use poem::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, Call, Got};

pub const PASSWORD: &str = "a kayak under the stairs";

/// A person's browser: a cookie, and the token that its page was given.
#[derive(Clone)]
pub struct Browser {
    pub cookie: String,
    pub csrf: String,
    pub user: Uuid,
}

impl Browser {
    /// Out of a login's answer.
    pub fn of(got: &Got) -> Self {
        let body = got.expect(200);
        let cookie = got.header("set-cookie").split(';').next().unwrap();
        assert!(cookie.starts_with("omniops_local="), "{cookie}");
        Self {
            cookie: cookie.to_owned(),
            csrf: body["csrf_token"].as_str().unwrap().to_owned(),
            user: body["user"]["id"].as_str().unwrap().parse().unwrap(),
        }
    }

    /// A call as a page of the installation makes it.
    pub fn on<'a>(&self, call: Call<'a>) -> Call<'a> {
        call.header("cookie", &self.cookie).header("x-csrf-token", &self.csrf)
    }

    pub fn get<'a>(&self, app: &'a App, path: &str) -> Call<'a> {
        app.get(path).header("cookie", &self.cookie)
    }

    pub fn call<'a>(&self, app: &'a App, method: Method, path: &str, body: &Value) -> Call<'a> {
        self.on(app.call(method, path).json(body))
    }

    pub fn post<'a>(&self, app: &'a App, path: &str, body: &Value) -> Call<'a> {
        self.call(app, Method::POST, path, body)
    }
}

/// An account; `customers` of none are the whole installation.
pub async fn user(app: &App, email: &str, role: &str, customers: &[Uuid]) -> Uuid {
    let mut new = json!({ "email": email, "name": "Somebody", "password": PASSWORD, "role": role });
    if customers.is_empty() {
        new["installation"] = true.into();
    } else {
        new["customers"] = json!(customers);
    }
    let made = app.post("/api/users", &new).admin().send().await.expect(201);
    made["id"].as_str().unwrap().parse().unwrap()
}

pub fn log_in<'a>(app: &'a App, email: &str, password: &str) -> Call<'a> {
    app.post("/api/admin/login", &json!({ "email": email, "password": password }))
}

/// Somebody with an account who has logged in.
pub async fn browser(app: &App, email: &str, role: &str, customers: &[Uuid]) -> Browser {
    user(app, email, role, customers).await;
    Browser::of(&log_in(app, email, PASSWORD).send().await)
}

/// The customer of `other.example`.
pub async fn other(app: &App) -> Uuid {
    let all = app.get("/api/customers").admin().send().await.expect(200);
    let items = all["items"].as_array().unwrap();
    let other = items.iter().find(|one| one["domain"] == "other.example").unwrap();
    other["id"].as_str().unwrap().parse().unwrap()
}

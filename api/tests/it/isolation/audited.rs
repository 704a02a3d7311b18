//! Every call of the contract that may change something, made so that it does: what is answered with success leaves a line in the audit
//! log that names who, what and on what, in the transaction of the deed.
use domain::tenancy::code_at;
use poem::http::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

use super::{
    contract::CONTRACT,
    deeds::{Deeds, ELSEWHERE},
};
use crate::{
    accounts::{Browser, PASSWORD, log_in, user},
    app::{App, Call, Got},
};

/// Calls that leave no line, each for its reason.
const SILENT: [(&str, &str); 7] = [
    ("begin_session", "a visitor's, of whom no log is kept"),
    ("chat", "kept as a conversation, counted in usage"),
    (
        "warm_cache",
        "answers that are made sooner are those that would be made later",
    ),
    ("rate_message", "a visitor's, kept with the message"),
    ("choose_consent", "a visitor's, kept as a consent of its own"),
    ("verify_receipt", "it changes nothing"),
    (
        "begin_second_factor",
        "it changes nothing until the first code confirms it",
    ),
];

const EMAIL: &str = "ada@installation.example";

/// What was called, and what it left.
#[derive(Default)]
struct Ears {
    lines: BTreeSet<&'static str>,
    silent: BTreeSet<&'static str>,
    refused: BTreeMap<&'static str, String>,
}

impl Ears {
    /// Makes a call, and listens for lines by whom the log calls `who`.
    async fn hear(&mut self, app: &App, operation: &'static str, who: &str, call: Call<'_>) -> Got {
        let count = format!(
            "SELECT count(*) FROM audit_logs WHERE actor LIKE '{who}%' AND action LIKE '_%.%_' AND resource <> ''"
        );
        let before = app.kit.count(&count).await;
        let got = call.send().await;
        let more = app.kit.count(&count).await > before;
        match (got.status.is_success(), more) {
            (true, true) => {
                self.lines.insert(operation);
            }
            (true, false) => {
                self.silent.insert(operation);
            }
            (false, more) => {
                let told = format!("{} {}{}", got.status, got.text, if more { ", with a line" } else { "" });
                self.refused.insert(operation, told);
            }
        }
        got
    }
}

#[tokio::test]
async fn what_succeeds_leaves_a_line_in_the_audit_log() {
    let mut deeds = Deeds::start().await;
    let mut ears = Ears::default();
    // First, while the installation's data key is the one that it has made.
    people(deeds.app(), &mut ears).await;
    for operation in Deeds::by_turns() {
        deeds.prepare(operation).await;
        let (who, call) = deeds.call(operation);
        let got = ears.hear(deeds.app(), &operation.id, who, call).await;
        deeds.made(operation, &got);
    }
    assert!(ears.refused.is_empty(), "{:#?}", ears.refused);
    let reviewed: BTreeSet<&str> = SILENT.iter().map(|(call, _)| *call).collect();
    assert_eq!(
        ears.silent, reviewed,
        "calls without a line, and those that are known as such"
    );
    let elsewhere: BTreeSet<&str> = ELSEWHERE.iter().map(|(call, _)| *call).collect();
    let changing = CONTRACT.operations.iter().filter(|call| call.method != Method::GET);
    let untried: Vec<&str> = changing
        .map(|call| call.id.as_str())
        .filter(|id| !ears.lines.contains(id) && !ears.silent.contains(id) && !elsewhere.contains(id))
        .collect();
    assert!(untried.is_empty(), "not called: {untried:?}");
}

/// What people do with their own accounts.
async fn people(app: &App, ears: &mut Ears) {
    user(app, EMAIL, "owner", &[]).await;
    let in_first = ears.hear(app, "log_in", "user:", log_in(app, EMAIL, PASSWORD)).await;
    let ada = Browser::of(&in_first);
    let again = json!({ "password": PASSWORD });
    let call = ada.post(app, "/api/admin/second-factor", &again);
    let begun = ears.hear(app, "begin_second_factor", "user:", call).await.expect(200);
    let now = domain::clock::Clock::system().now().unix_timestamp();
    let confirm = json!({ "code": code_at(begun["secret"].as_str().unwrap(), now).unwrap() });
    let call = ada.post(app, "/api/admin/second-factor/confirm", &confirm);
    let on = ears.hear(app, "confirm_second_factor", "user:", call).await;
    let code = on.expect(200)["recovery_codes"][0].clone();
    let off = json!({ "password": PASSWORD, "code": code });
    let cookie = on.header("set-cookie").split(';').next().unwrap().to_owned();
    let csrf = on.expect(200)["csrf_token"].as_str().unwrap().to_owned();
    let ada = Browser { cookie, csrf, ..ada };
    let call = ada.call(app, Method::DELETE, "/api/admin/second-factor", &off);
    let ada = Browser::of(&ears.hear(app, "remove_second_factor", "user:", call).await);
    let change = json!({ "old_password": PASSWORD, "new_password": "a paddle under the stairs" });
    let call = ada.post(app, "/api/admin/password", &change);
    let ada = Browser::of(&ears.hear(app, "change_password", "user:", call).await);
    let call = ada.post(app, "/api/admin/logout", &Value::Null);
    ears.hear(app, "log_out", "user:", call).await;
}

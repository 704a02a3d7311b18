//! Domains that are claimed, proved and lost, as customers and their visitors meet them.
use domain::tenancy::{HostName, Verdict, settle};
use poem::http::Method;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use testkit::{NameServer, Names};

use crate::app::App;

async fn sql(app: &App, text: &str) {
    let tx = app.kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, text))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

fn path(app: &App, rest: &str) -> String {
    format!("/api/customers/{}/domains{rest}", app.shop.id)
}

#[tokio::test]
async fn a_claim_is_for_names_that_can_be_owned() {
    let app = App::start().await;
    let claim = |domain: &'static str| app.post(&path(&app, ""), &json!({ "domain": domain }));
    for reserved in [
        "127.0.0.1:3000",
        "localhost",
        "intranet",
        "co.uk",
        "github.io",
        "[::1]",
        "printer.local",
    ] {
        let refused = claim(reserved).bearer(&app.key).send().await;
        assert_eq!(refused.problem(400), "invalid_request", "{reserved}");
    }
    assert_eq!(
        claim("intranet").admin().send().await.expect(201)["verified"],
        false,
        "the operator may"
    );
    // Somebody else's domain may be claimed, which says nothing about it and gives nothing.
    let claimed = claim("other.example").bearer(&app.key).send().await.expect(201);
    assert_eq!(claimed["verified"], false);
    let remove = |host: &str| app.call(Method::DELETE, &path(&app, &format!("/{host}")));
    assert_eq!(
        remove("other.example").bearer(&app.other_key).send().await.problem(404),
        "not_found"
    );
    assert_eq!(remove("other.example").bearer(&app.key).send().await.status, 204);
    assert_eq!(
        remove("other.example").bearer(&app.key).send().await.problem(404),
        "not_found"
    );
    assert_eq!(
        remove("shop.example").bearer(&app.key).send().await.problem(409),
        "primary_domain"
    );
    let actions =
        "SELECT count(*) FROM audit_logs WHERE action IN ('domain.added', 'domain.removed') AND actor LIKE 'key:%'";
    assert_eq!(app.kit.count(actions).await, 2);
}

#[tokio::test]
async fn a_domain_is_proved_by_dns_and_a_second_proof_takes_it_from_nobody() {
    let names = NameServer::start().await;
    let app = App::with(&[("DNS_SERVERS", &names.address().to_string())]).await;
    let add = |key: &str, customer: &str| {
        let call = app.post(
            &format!("/api/customers/{customer}/domains"),
            &json!({ "domain": "late.example" }),
        );
        call.bearer(key).send()
    };
    let other: String = {
        let list = app.get("/api/customers").admin().send().await.expect(200);
        let items = list["items"].as_array().unwrap().clone();
        let other = items.iter().find(|item| item["domain"] == "other.example").unwrap();
        other["id"].as_str().unwrap().to_owned()
    };
    let mine = add(&app.key, &app.shop.id.to_string()).await.expect(201);
    let theirs = add(&app.other_key, &other).await.expect(201);
    let record = |claim: &Value| vec![format!("omniops-verification={}", claim["token"].as_str().unwrap())];
    names.set(
        "_omniops-challenge.late.example",
        Names::Txt(vec![record(&mine), record(&theirs)]),
    );
    let verify = |key: &str, customer: &str| {
        let path = format!("/api/customers/{customer}/domains/late.example/verify");
        app.post(&path, &Value::Null).bearer(key).send()
    };
    let proved = verify(&app.key, &app.shop.id.to_string()).await.expect(200);
    assert_eq!((&proved["method"], &proved["verified"]), (&json!("dns"), &json!(true)));
    let taken = verify(&app.other_key, &other).await;
    assert_eq!(taken.problem(409), "domain_taken");
    assert!(
        !taken.text.contains("shop.example"),
        "it is not said who has it: {}",
        taken.text
    );
}

#[tokio::test]
async fn before_a_proof_there_is_no_public_widget_and_after_its_end_no_session() {
    let app = App::start().await;
    app.page("Shipping", "Shipping of the zebra costs 4.90 EUR.").await;
    let claim = json!({ "domain": "new.example" });
    app.post(&path(&app, ""), &claim)
        .bearer(&app.key)
        .send()
        .await
        .expect(201);
    let begin = || {
        let call = app.post("/api/widget/session", &claim);
        call.header("origin", "https://new.example").send()
    };
    let early = begin().await;
    assert_eq!(early.problem(404), "unknown_domain");
    assert!(
        early.text.contains("/domains/new.example/verify"),
        "it says what to do: {}",
        early.text
    );
    // And a stranger can't tell a claim from what nobody has ever claimed.
    let unclaimed = app.post("/api/widget/session", &json!({ "domain": "nobody.example" }));
    let unclaimed = unclaimed.header("origin", "https://nobody.example").send().await;
    let (one, mut two) = (early.expect(404), unclaimed.expect(404));
    two["request_id"] = one["request_id"].clone();
    assert_eq!(
        one.to_string().replace("new.example", "nobody.example"),
        two.to_string()
    );
    let ask = json!({ "message": "What does shipping of the zebra cost?", "domain": "new.example" });
    let preview = app.post("/api/chat", &ask).bearer(&app.key).send().await.expect(200);
    assert_eq!(
        preview["refused"], false,
        "the customer's own key may try it: {preview}"
    );

    let vouch = app.post(&path(&app, "/new.example/verify?vouch=true"), &Value::Null);
    vouch.admin().send().await.expect(200);
    let session = begin().await.expect(200);
    let chat = || {
        let call = app.post("/api/chat", &ask).bearer(session["token"].as_str().unwrap());
        call.header("origin", "https://new.example").send()
    };
    chat().await.expect(200);
    sql(&app, "UPDATE customer_domains SET failures = 5, failing_since = now() - interval '4 days' WHERE host = 'new.example'").await;
    let host: HostName = "new.example".parse().unwrap();
    let gone = Verdict::Absent("it is gone".into());
    assert!(settle(&app.kit.db, &app.shop, host.as_str(), &gone).await.unwrap());
    assert_eq!(begin().await.problem(404), "unknown_domain");
    let refused = testkit::eventually("the end of the session", || async {
        let got = chat().await;
        (got.status == 401).then_some(got)
    });
    assert_eq!(refused.await.problem(401), "invalid_session");
}

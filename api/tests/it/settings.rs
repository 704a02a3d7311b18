//! The assistant's settings: who may change them, what is refused, and where they show.
use domain::tenancy::Scope;
use poem::http::Method;
use serde_json::{Value, json};

use crate::app::App;

async fn change(app: &App, body: &Value) -> crate::app::Got {
    app.call(Method::PATCH, "/api/settings")
        .json(body)
        .bearer(&app.key)
        .send()
        .await
}

#[tokio::test]
async fn settings_show_in_the_widget_and_in_what_the_assistant_says() {
    let app = App::start().await;
    let start = app.get("/api/settings").bearer(&app.key).send().await.expect(200);
    assert_eq!(
        (&start["tone"], &start["suggestions"]),
        (&json!("neutral"), &Value::Null)
    );

    let wanted = json!({
        "name": "Ada", "tone": "friendly", "greeting": { "de": "Moin!" }, "suggestions": ["Do you rent boats?"],
        "contact_email": "help@shop.example", "theme": { "color": "#112233", "position": "left" }, "texts": { "title": "Ask us" },
    });
    let changed = change(&app, &wanted).await.expect(200);
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&changed[name], value, "{name}");
    }
    let by_admin = format!("/api/settings?customer_id={}", app.shop.id);
    assert_eq!(app.get(&by_admin).admin().send().await.expect(200), changed);

    let session = |body: Value| {
        app.post("/api/widget/session", &body)
            .header("origin", "https://shop.example")
            .send()
    };
    let english = session(json!({ "domain": "shop.example", "page_locale": "en-GB" }))
        .await
        .expect(200);
    assert_eq!(english["greeting"], "Hi there! I'm Ada. What would you like to know?");
    assert_eq!(english["suggestions"], json!(["Do you rent boats?"]));
    assert_eq!(
        (&english["name"], &english["texts"]["title"]),
        (&json!("Ada"), &json!("Ask us"))
    );
    let german = session(json!({ "domain": "shop.example", "page_locale": "en", "locale": "de" }))
        .await
        .expect(200);
    assert_eq!(
        (&german["locale"], &german["greeting"]),
        (&json!("de"), &json!("Moin!"))
    );
    assert_eq!(german["words"]["tips"], "Vorgeschlagene Fragen");

    // The session's language decides where the words don't.
    let token = german["token"].as_str().unwrap();
    let ask = app.post("/api/chat", &json!({ "message": "Segelboote" })).bearer(token);
    let answer = ask.header("origin", "https://shop.example").send().await.expect(200);
    let text = answer["answer"].as_str().unwrap();
    assert!(
        text.starts_with("Diese Website") && text.contains("help@shop.example"),
        "{text}"
    );
    let who = app
        .post("/api/chat", &json!({ "message": "who are you?" }))
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    assert!(who["answer"].as_str().unwrap().starts_with("I'm Ada. "), "{who}");
    assert_eq!(
        (&who["refused"], &who["model"], &who["sources"]),
        (&json!(false), &json!("small_talk"), &json!([]))
    );

    let cleared = change(
        &app,
        &json!({ "name": null, "theme": { "color": null }, "suggestions": null }),
    )
    .await
    .expect(200);
    assert_eq!(
        (&cleared["name"], &cleared["suggestions"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(cleared["theme"], json!({ "position": "left" }));
    assert_eq!(cleared["tone"], "friendly", "what is left out stays");
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_of_it_is_stored() {
    let app = App::start().await;
    let wrong = json!({ "tone": "formal", "contact_email": "nobody", "greeting": { "tlh": "nuqneH" }, "theme": { "color": "red" } });
    let got = change(&app, &wrong).await;
    assert_eq!(got.problem(400), "invalid_request");
    let body = got.expect(400);
    let mut fields: Vec<&str> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].as_str().unwrap())
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, ["contact_email", "greeting.tlh", "theme.color"]);
    for unknown in [
        json!({ "prompt": "obey" }),
        json!({ "theme": { "font": "x" } }),
        json!({ "tone": "rude" }),
        json!({ "name": ["Ada"] }),
    ] {
        assert_eq!(
            change(&app, &unknown).await.problem(400),
            "invalid_request",
            "{unknown}"
        );
    }
    let now = app.get("/api/settings").bearer(&app.key).send().await.expect(200);
    assert_eq!(now["tone"], "neutral");
    assert_eq!(
        app.kit
            .count("SELECT count(*) FROM audit_logs WHERE action = 'settings.changed'")
            .await,
        0
    );

    let path = format!("/api/customers/{}", app.shop.id);
    let by_admin = app
        .call(Method::PATCH, &path)
        .json(&json!({ "settings": { "prompt": "obey" } }));
    assert_eq!(by_admin.admin().send().await.problem(400), "invalid_request");
}

#[tokio::test]
async fn a_key_changes_its_own_customer_only_and_needs_the_scope() {
    let app = App::start().await;
    change(&app, &json!({ "name": "Ada" })).await.expect(200);
    let rows = "SELECT count(*) FROM audit_logs WHERE action = 'settings.changed' AND actor LIKE 'key:%' AND metadata->'fields' = '[\"name\"]'";
    assert_eq!(app.kit.count(rows).await, 1);
    let other = app.get("/api/settings").bearer(&app.other_key).send().await.expect(200);
    assert_eq!(other["name"], Value::Null);
    let chat = app.kit.key(&app.shop, &[Scope::Chat]).await;
    assert_eq!(
        app.get("/api/settings").bearer(&chat).send().await.problem(403),
        "missing_scope"
    );
    let session = app.session().await;
    let visitor = app
        .get("/api/settings")
        .bearer(session["token"].as_str().unwrap())
        .header("origin", "https://shop.example");
    assert_eq!(visitor.send().await.problem(403), "key_only");
}

#[tokio::test]
async fn what_decides_about_visitors_data_is_for_owners() {
    let app = App::start().await;
    let small = app.kit.key(&app.shop, &[Scope::Settings]).await;
    let larger = app.kit.key(&app.shop, &[Scope::Settings, Scope::Privacy]).await;
    let editor = crate::accounts::browser(&app, "eve@example.com", "editor", &[app.shop.id]).await;
    let owner = crate::accounts::browser(&app, "ada@example.com", "owner", &[app.shop.id]).await;
    let path = format!("/api/settings?customer_id={}", app.shop.id);
    let by = async |person: &crate::accounts::Browser, body: &Value| {
        person.call(&app, Method::PATCH, &path, body).send().await
    };
    let with = async |key: &str, body: &Value| {
        let call = app.call(Method::PATCH, "/api/settings").json(body);
        call.bearer(key).send().await
    };
    for theirs in [
        json!({ "retention_days": 1 }),
        json!({ "handoff": { "email": "eve@elsewhere.example" } }),
        json!({ "handoff": null }),
        json!({ "privacy": { "ask_consent": true } }),
        json!({ "tone": "formal", "privacy": null }),
        // Hand-offs go there where nothing else is named, and people who ask for their data.
        json!({ "contact_email": "eve@elsewhere.example" }),
        json!({ "tone": "formal", "contact_email": null }),
        json!({ "contact_url": "https://elsewhere.example/" }),
    ] {
        assert_eq!(by(&editor, &theirs).await.problem(403), "missing_role", "{theirs}");
        assert_eq!(with(&small, &theirs).await.problem(403), "missing_scope", "{theirs}");
        by(&owner, &theirs).await.expect(200);
        with(&larger, &theirs).await.expect(200);
    }
    for anybodys in [json!({ "tone": "formal" }), json!({ "handoff": { "wait_minutes": 5 } })] {
        by(&editor, &anybodys).await.expect(200);
        with(&small, &anybodys).await.expect(200);
    }
}

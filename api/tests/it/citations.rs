//! Answers by the pages that they cite, and whether the pages have changed since.
use domain::tenancy::Scope;
use serde_json::{Value, json};

use crate::app::App;

async fn ask(app: &App, message: &str) -> Value {
    let ask = app.post("/api/chat", &json!({ "message": message })).bearer(&app.key);
    ask.send().await.expect(200)
}

#[tokio::test]
async fn a_page_leads_to_the_answers_that_cite_it_and_says_which_are_outdated() {
    let app = App::start().await;
    let shipping = app
        .page("Shipping", "Shipping costs 4.90 EUR within the country.")
        .await;
    let returns = app
        .page("Returns", "Returns are accepted within 60 days of buying.")
        .await;
    let question = "How much does shipping cost?";
    let first = ask(&app, question).await;
    ask(&app, "Are returns accepted within days?").await;
    ask(&app, "Who won the cup in 1974?").await;
    let path = format!("/api/pages/{shipping}/answers");
    let list = |path: &str| app.get(path).bearer(&app.key).send();
    let found = list(&path).await.expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
    let item = &found["items"][0];
    assert_eq!(
        (&item["message_id"], &item["question"]),
        (&first["message_id"], &json!(question))
    );
    assert_eq!(
        (&item["pages"][0]["version"], &item["outdated"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(list("/api/answers/outdated").await.expect(200)["items"], json!([]));

    // The page is crawled again and has changed.
    app.page("Shipping", "Shipping costs 5.90 EUR within the country.")
        .await;
    let second = ask(&app, question).await;
    assert!(second["answer"].as_str().unwrap().contains("5.90"), "{second}");
    let found = list(&format!("{path}?limit=1")).await.expect(200);
    assert_eq!(
        (&found["items"][0]["message_id"], &found["items"][0]["outdated"]),
        (&second["message_id"], &json!(false))
    );
    let next = list(&format!(
        "{path}?limit=1&cursor={}",
        found["next_cursor"].as_str().unwrap()
    ))
    .await
    .expect(200);
    let old = &next["items"][0];
    assert_eq!(
        (&old["message_id"], &old["outdated"], &next["next_cursor"]),
        (&first["message_id"], &json!(true), &Value::Null)
    );
    assert_eq!(
        (&old["pages"][0]["version"], &old["pages"][0]["current_version"]),
        (&json!(1), &json!(2))
    );
    let outdated = list("/api/answers/outdated").await.expect(200);
    let ids: Vec<&Value> = outdated["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| &i["message_id"])
        .collect();
    assert_eq!(ids, [&first["message_id"]]);

    // What is kept out of answers is outdated as well; nobody else sees any of it.
    let gone = app
        .call(poem::http::Method::DELETE, &format!("/api/pages/{returns}"))
        .bearer(&app.key)
        .send()
        .await;
    gone.expect(200);
    assert_eq!(
        list("/api/answers/outdated").await.expect(200)["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let foreign = app.get(&path).bearer(&app.other_key).send().await;
    assert_eq!(foreign.problem(404), "not_found");
    let theirs = app
        .get("/api/answers/outdated")
        .bearer(&app.other_key)
        .send()
        .await
        .expect(200);
    assert_eq!(theirs["items"], json!([]));
}

/// They hold visitors' words, and a key for the site's search reads none.
#[tokio::test]
async fn a_key_for_search_reads_no_answers() {
    let app = App::start().await;
    let page = app.page("Shipping", "Shipping costs 4.90 EUR.").await;
    let search = app.kit.key(&app.shop, &[Scope::Search]).await;
    for path in [format!("/api/pages/{page}/answers"), "/api/answers/outdated".to_owned()] {
        let got = app.get(&path).bearer(&search).send().await;
        assert_eq!(got.problem(403), "missing_scope", "{path}");
        app.get(&path).bearer(&app.key).send().await.expect(200);
    }
}

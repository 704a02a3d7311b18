//! Answers given before, as visitors and integrators see them; and answers made before anybody asks.
use serde_json::{Value, json};
use testkit::{Provider, Script, eventually};

use crate::app::App;

const QUESTION: &str = "How much does shipping cost?";

async fn indexed() -> App {
    let app = App::start().await;
    app.page("Shipping", "Shipping costs 4.90 EUR within the country.")
        .await;
    app
}

async fn ask(app: &App, question: &str) -> Value {
    let ask = app.post("/api/chat", &json!({ "message": question }));
    ask.bearer(&app.key).send().await.expect(200)
}

/// Warms until every question is through, as an integrator does who wants to know what became of each.
async fn warmed(app: &App, questions: &[&str]) -> Value {
    eventually("all questions to be through", || async {
        let got = app
            .post("/api/cache/warm", &json!({ "questions": questions }))
            .bearer(&app.key)
            .send()
            .await;
        (got.status == 202)
            .then(|| got.expect(202))
            .filter(|told| told["waiting"] == 0)
    })
    .await
}

fn states(told: &Value) -> Vec<(String, Value)> {
    let questions = told["questions"].as_array().unwrap();
    questions
        .iter()
        .map(|q| (q["state"].as_str().unwrap().to_owned(), q["reason"].clone()))
        .collect()
}

fn state(state: &str, reason: Option<&str>) -> (String, Value) {
    (state.to_owned(), json!(reason))
}

#[tokio::test]
async fn a_second_visitor_s_answer_says_that_it_is_cached_and_streams_like_the_first() {
    let app = indexed().await;
    let first = ask(&app, QUESTION).await;
    let again = ask(&app, QUESTION).await;
    assert_eq!((&first["cached"], &again["cached"]), (&json!(false), &json!(true)));
    assert_eq!(
        (&first["answer"], &first["sources"]),
        (&again["answer"], &again["sources"])
    );

    let ask = app.post("/api/chat", &json!({ "message": QUESTION })).bearer(&app.key);
    let events = ask.header("accept", "text/event-stream").send().await.events();
    let names: Vec<&str> = events.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["token", "sources", "products", "done"]);
    assert_eq!(events[0].2["text"], first["answer"]);
    assert_eq!(events[3].2["cached"], true);

    // A page or setting that changes is seen by the very next question.
    let change = app.call(poem::http::Method::PATCH, &format!("/api/customers/{}", app.shop.id));
    let settings = json!({ "settings": { "contact_email": "help@shop.example" } });
    change.json(&settings).admin().send().await.expect(200);
    assert_eq!(self::ask(&app, QUESTION).await["cached"], false);
}

#[tokio::test]
async fn metrics_tell_the_hits_of_each_layer_and_what_is_left_out() {
    let mut app = indexed().await;
    app.context = app.context.clone().with_metrics(api::install_metrics().unwrap());
    for question in [QUESTION, QUESTION, "Where is order 4711?"] {
        ask(&app, question).await;
    }
    let endpoint = api::endpoint(app.context.clone());
    let request = poem::Request::builder()
        .uri_str("/api/metrics")
        .header("authorization", format!("Bearer {}", testkit::ADMIN_TOKEN));
    let answer = Box::pin(poem::Endpoint::get_response(&endpoint, request.finish())).await;
    let told = answer.into_body().into_string().await.unwrap();
    for line in [
        "omniops_cache_requests_total{layer=\"process\",result=\"miss\"} 1",
        "omniops_cache_requests_total{layer=\"process\",result=\"hit\"} 1",
        "omniops_cache_requests_total{layer=\"redis\",result=\"miss\"} 1",
        "omniops_cache_requests_total{layer=\"database\",result=\"miss\"} 1",
        "omniops_cache_bypassed_total{reason=\"personal\"} 1",
        "omniops_cache_entries{layer=\"process\"} 1",
    ] {
        assert!(told.contains(line), "{line} is missing from\n{told}");
    }
}

#[tokio::test]
async fn warm_questions_are_answered_from_the_cache_and_the_others_are_told_with_the_reason() {
    let app = indexed().await;
    let questions = [
        QUESTION,
        "Who won the cup in 1974?",
        "Where is order 4711?",
        "Hello!",
        "I want to talk to a human",
        "   ",
    ];
    let told = warmed(&app, &questions).await;
    let reasons: Vec<_> = states(&told).into_iter().skip(2).collect();
    let unfit = ["personal", "small_talk", "handoff", "length"].map(|reason| state("unfit", Some(reason)));
    assert_eq!(reasons, unfit);
    assert_eq!(states(&told)[1].0, "refused");
    assert_eq!(
        (&told["kept"], &told["questions"][0]["question"]),
        (&json!(1), &json!(QUESTION))
    );
    assert_eq!(
        app.kit.count("SELECT count(*) FROM messages").await,
        0,
        "nobody has asked"
    );

    assert_eq!(states(&warmed(&app, &[QUESTION]).await), [state("known", None)]);
    let answer = ask(&app, QUESTION).await;
    assert_eq!(
        (&answer["cached"], &answer["usage"]["tokens_in"]),
        (&json!(true), &json!(0))
    );
    let receipts = "SELECT count(*) FROM answer_receipts WHERE cached AND origin IS NOT NULL";
    assert_eq!(app.kit.count(receipts).await, 1);
}

#[tokio::test]
async fn the_same_key_warms_once_and_tells_the_same() {
    let app = indexed().await;
    let warm = |key: &'static str, questions: Value| {
        let call = app
            .post("/api/cache/warm", &json!({ "questions": questions }))
            .bearer(&app.key);
        call.header("idempotency-key", key).send()
    };
    let first = warm("once", json!([QUESTION])).await.expect(202);
    assert_eq!(warm("once", json!([QUESTION])).await.expect(202), first);
    let words = format!("SELECT count(*) FROM idempotency_keys WHERE answer::text LIKE '%{QUESTION}%'");
    assert_eq!(app.kit.count(&words).await, 0, "what visitors ask is kept nowhere");
    let other = warm("once", json!(["Something else?"])).await;
    assert_eq!(other.problem(422), "idempotency_key_reused");
    for wrong in [json!([]), json!(vec!["x"; 101]), json!("x"), json!([{}])] {
        assert_eq!(warm("wrong", wrong).await.problem(400), "invalid_request");
    }
    let nobody = app
        .post("/api/cache/warm", &json!({ "questions": [QUESTION] }))
        .admin()
        .send()
        .await;
    assert_eq!(nobody.problem(400), "invalid_request");
    let by_admin = format!("/api/cache/warm?customer_id={}", app.shop.id);
    app.post(&by_admin, &json!({ "questions": [QUESTION] }))
        .admin()
        .send()
        .await
        .expect(202);
    let session = app.session().await;
    let visitor = app.post("/api/cache/warm", &json!({ "questions": [QUESTION] }));
    let visitor = visitor
        .bearer(session["token"].as_str().unwrap())
        .header("origin", "https://shop.example");
    assert_eq!(visitor.send().await.status, 403);
}

#[tokio::test]
async fn one_customer_warms_once_at_a_time_and_the_work_outlives_the_call() {
    let provider = Provider::start(Script::Hang("It costs 4.90 EUR [1]. It".into())).await;
    let app = App::with(&[("OPENAI_API_KEY", "stub"), ("OPENAI_BASE_URL", &provider.base_url())]).await;
    app.page("Shipping", "Shipping costs 4.90 EUR within the country.")
        .await;
    let warm = || {
        app.post("/api/cache/warm", &json!({ "questions": [QUESTION] }))
            .bearer(&app.key)
            .send()
    };
    let first = tokio::select! {
        got = warm() => Some(got.expect(202)),
        () = asked(&provider) => None,
    };
    assert!(first.is_none_or(|told| told["waiting"] == 1));
    let busy = warm().await;
    assert_eq!(busy.problem(429), "warming");
    assert!(!busy.header("retry-after").is_empty());
    app.life.kill();
    provider.left(1).await;
}

async fn asked(provider: &Provider) {
    eventually("the provider to be asked", || async {
        (!provider.asked().is_empty()).then_some(())
    })
    .await;
}

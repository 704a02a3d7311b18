//! What callers see of models that fail, of what answers cost, and of readers that do not read.
use serde_json::{Value, json};
use testkit::{Provider, Script, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use tracing_subscriber::{filter::LevelFilter, prelude::*};

use crate::{
    app::{App, Call, Got},
    privacy::Lines,
};

const QUESTION: &str = "How much does shipping cost?";
const COSTS: &str = "Shipping costs 4.90 EUR within the country [1]. ";

async fn written_by(provider: &Provider, more: &[(&str, &str)]) -> App {
    let base_url = provider.base_url();
    let mut variables = vec![("OPENAI_API_KEY", "stub"), ("OPENAI_BASE_URL", base_url.as_str())];
    variables.extend(more);
    let app = App::with(&variables).await;
    app.page("Shipping", "Shipping costs 4.90 EUR within the country.")
        .await;
    app
}

#[tokio::test]
async fn a_stream_that_breaks_ends_in_an_error_event_and_leaves_no_answer() {
    let provider = Provider::start(Script::breaking(&[COSTS, "Abroad it "])).await;
    let app = written_by(&provider, &[]).await;
    let ask = json!({ "message": QUESTION });
    let streamed = app
        .post("/api/chat", &ask)
        .bearer(&app.key)
        .header("accept", "text/event-stream");
    let events = streamed.send().await.events();
    let names: Vec<&str> = events.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(
        (names.first(), names.last()),
        (Some(&"token"), Some(&"error")),
        "{events:?}"
    );
    assert!(names[..names.len() - 1].iter().all(|name| *name == "token"));
    let problem = &events.last().unwrap().2;
    assert_eq!(
        (&problem["code"], &problem["status"]),
        (&json!("provider_broke_off"), &json!(503))
    );
    assert_eq!(
        app.post("/api/chat", &ask).bearer(&app.key).send().await.problem(503),
        "provider_broke_off"
    );
    assert_eq!(
        app.kit
            .count("SELECT count(*) FROM messages WHERE role = 'assistant'")
            .await,
        0
    );
}

/// The events of this name in the log, with what they say.
fn logged(lines: &Lines, name: &str) -> Vec<Value> {
    let all = lines.text();
    let events = all.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let fields = events.map(|mut event| event["fields"].take());
    fields.filter(|fields| fields["event"] == name).collect()
}

/// Everything runs on this thread, so that every line passes by.
#[tokio::test]
async fn each_call_of_a_model_is_in_the_log_when_it_answers_and_at_its_end_with_its_cost() {
    let lines = Lines::default();
    let json = tracing_subscriber::fmt::layer()
        .json()
        .with_writer(lines.clone())
        .with_filter(LevelFilter::INFO);
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(json));
    let provider = Provider::start(Script::Say(vec![COSTS.into()])).await;
    let app = written_by(&provider, &[("CHAT_PRICES", "gpt-4o=10/20,gpt-4o-mini=1/2")]).await;
    let ask = json!({ "message": QUESTION });
    let answer = app.post("/api/chat", &ask).bearer(&app.key).send().await.expect(200);
    provider.follow(Script::Fail(400));
    let ask = json!({ "message": "How much is the shipping cost of a parcel?" });
    let quoted = app.post("/api/chat", &ask).bearer(&app.key).send().await.expect(200);
    assert_eq!(
        (&answer["fallback"], &quoted["fallback"]),
        (&json!(false), &json!(true))
    );

    let (requests, usages) = (logged(&lines, "llm_request"), logged(&lines, "llm_usage"));
    let statuses: Vec<&Value> = requests.iter().map(|event| &event["status"]).collect();
    assert_eq!(statuses, ["answers", "rejected"], "{requests:?}");
    let [usage] = usages.as_slice() else {
        panic!("one call had an end: {usages:?}")
    };
    assert_eq!(usage["status"], "answered");
    for event in requests.iter().chain(&usages) {
        assert_eq!(event["customer.domain"], "shop.example", "{event}");
        assert_eq!(event["model"], requests[0]["model"], "{event}");
        assert!(
            event["duration_ms"].is_u64() && event["tokens_in"].as_u64() > Some(0),
            "{event}"
        );
    }
    let told = |name: &str| usage[name].as_u64();
    let spent = &answer["usage"];
    assert_eq!(
        (told("tokens_in"), told("tokens_out")),
        (spent["tokens_in"].as_u64(), spent["tokens_out"].as_u64())
    );
    assert!(usage["cost_usd"].as_f64() > Some(0.0), "{usage}");
    let text = lines.text();
    assert!(
        !text.contains("parcel") && !text.contains("4.90"),
        "no word of question or answer: {text}"
    );
}

#[tokio::test]
async fn an_answer_in_the_place_of_a_model_s_says_so_and_health_says_why() {
    let provider = Provider::start(Script::Fail(401)).await;
    let app = written_by(&provider, &[]).await;
    for n in 0..5 {
        let ask = json!({ "message": format!("{QUESTION}{}", " Shipping?".repeat(n)) });
        let answer = app.post("/api/chat", &ask).bearer(&app.key).send().await.expect(200);
        assert_eq!(
            (&answer["fallback"], &answer["notes"], &answer["model"]),
            (&json!(true), &json!(["provider_unavailable"]), &json!("extractive"))
        );
        assert!(answer["answer"].as_str().unwrap().contains("4.90 EUR"), "{answer}");
    }
    let health = app
        .get("/api/health/comprehensive?verbose=true")
        .admin()
        .send()
        .await
        .expect(200);
    let parts = health["parts"].as_array().unwrap();
    let model = parts.iter().find(|part| part["name"] == "model").unwrap();
    assert_eq!(
        (&model["state"], &health["status"]),
        (&json!("failing"), &json!("degraded"))
    );
    assert_eq!(model["detail"], "gpt-4o: left alone after failures");
}

#[tokio::test]
async fn use_and_cost_are_read_by_day_and_an_operator_limits_them() {
    let provider = Provider::start(Script::Say(vec![COSTS.into()])).await;
    let app = written_by(&provider, &[("CHAT_PRICES", "gpt-4o=10/20")]).await;
    let ask = |text: &str| {
        app.post("/api/chat", &json!({ "message": text }))
            .bearer(&app.key)
            .send()
    };
    let answer = ask(QUESTION).await.expect(200);
    assert_eq!((&answer["fallback"], &answer["notes"]), (&json!(false), &json!([])));
    assert!(
        answer["usage"].get("cost_usd").is_none(),
        "a visitor need not know what an answer cost"
    );

    let usage = app.get("/api/usage").bearer(&app.key).send().await.expect(200);
    let cost = (100.0 * 10.0 + 20.0) / 1e6;
    assert!(
        (usage["total"]["cost_usd"].as_f64().unwrap() - cost).abs() < 1e-9,
        "{usage}"
    );
    assert_eq!(
        (&usage["total"]["tokens_in"], &usage["days"][0]["chats"]),
        (&json!(100), &json!(1))
    );
    assert_eq!(usage["budget"], json!({ "soft_usd": null, "hard_usd": null }));
    let foreign = app.get("/api/usage").bearer(&app.other_key).send().await.expect(200);
    assert_eq!(foreign["days"], json!([]));
    for wrong in [
        "from=2026-02-02&to=2026-02-01",
        "from=2020-01-01&to=2026-01-01",
        "from=yesterday",
    ] {
        let got = app.get(&format!("/api/usage?{wrong}")).bearer(&app.key).send().await;
        assert_eq!(got.problem(400), "invalid_request", "{wrong}");
    }

    let budget = format!("/api/customers/{}/budget", app.shop.id);
    let set = |body: Value| app.call(poem::http::Method::PUT, &budget).json(&body).admin().send();
    for wrong in [
        json!({ "hard_usd": -1 }),
        json!({ "soft_usd": 2, "hard_usd": 1 }),
        json!({ "hard": 1 }),
    ] {
        assert_eq!(set(wrong).await.problem(400), "invalid_request");
    }
    assert_eq!(
        set(json!({ "hard_usd": 0 })).await.expect(200),
        json!({ "soft_usd": null, "hard_usd": 0.0 })
    );
    let answer = ask("What does shipping cost?").await.expect(200);
    assert_eq!(
        (&answer["fallback"], &answer["notes"]),
        (&json!(true), &json!(["budget_reached"]))
    );
    set(json!({})).await.expect(200);
    let answer = ask("What does the shipping cost?").await.expect(200);
    assert_eq!(answer["notes"], json!([]));
    let noted = "SELECT count(*) FROM audit_logs WHERE action = 'customer.budget_set'";
    assert_eq!(app.kit.count(noted).await, 2);
}

#[tokio::test]
async fn a_budget_that_could_not_be_kept_is_refused() {
    let provider = Provider::start(Script::Say(vec![COSTS.into()])).await;
    let app = written_by(&provider, &[("CHAT_MODEL", "llama3.3")]).await;
    let budget = format!("/api/customers/{}/budget", app.shop.id);
    let set = |body: Value| app.call(poem::http::Method::PUT, &budget).json(&body).admin().send();
    let got = set(json!({ "hard_usd": 1 })).await;
    assert!(got.text.contains("llama3.3"), "{}", got.text);
    assert_eq!(got.problem(409), "no_price");
    set(json!({})).await.expect(200);
}

/// Over real connections: two hundred readers have seen the first text and take nothing more. They hold no connection to the
/// database, others are answered meanwhile, and when they leave the provider is told of each.
#[tokio::test]
async fn readers_that_do_not_read_stand_in_nobody_s_way() {
    const READERS: usize = 200;
    let provider = Provider::start(Script::Hang(format!("{COSTS}Abroad "))).await;
    // However long a busy machine takes for all of them, none is given up on.
    let patient = [
        ("DATABASE_POOL_MAX", "5"),
        ("CHAT_SILENCE_SECONDS", "300"),
        ("CHAT_TOTAL_SECONDS", "300"),
    ];
    let app = written_by(&provider, &patient).await;
    let address = api::serve(app.context.clone(), ([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let mut readers = Vec::new();
    for n in 0..READERS {
        let body = json!({ "message": format!("{QUESTION}{}", " Ship".repeat(n)) }).to_string();
        let head = format!(
            "POST /api/chat HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\naccept: text/event-stream\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            app.key,
            body.len()
        );
        let mut reader = TcpStream::connect(address).await.unwrap();
        reader.write_all(head.as_bytes()).await.unwrap();
        let (mut seen, mut piece) = (String::new(), [0; 512]);
        while !seen.contains("event: token") {
            let read = reader.read(&mut piece).await.unwrap();
            assert!(read > 0, "{seen}");
            seen.push_str(&String::from_utf8_lossy(&piece[..read]));
        }
        readers.push(reader);
    }
    provider.follow(Script::Say(vec![COSTS.into()]));
    let ask = json!({ "message": "What does shipping cost?" });
    let answer = app.post("/api/chat", &ask).bearer(&app.key).send().await.expect(200);
    assert_eq!(
        (&answer["model"], &answer["fallback"]),
        (&json!("gpt-4o"), &json!(false))
    );
    drop(readers);
    provider.left(READERS).await;
    eventually("the cost of what was left to be counted", || async {
        let open = "SELECT count(*) FROM usage_daily WHERE reserved_usd > 1e-9";
        (app.kit.count(open).await == 0).then_some(())
    })
    .await;
    assert_eq!(
        app.kit
            .count("SELECT count(*) FROM messages WHERE role = 'assistant'")
            .await,
        1
    );
}

#[tokio::test]
async fn what_an_answer_was_made_from_and_cost_is_read_by_keys_alone() {
    let provider = Provider::start(Script::Say(vec![COSTS.into()])).await;
    let app = written_by(&provider, &[("CHAT_PRICES", "gpt-4o=10/20,gpt-4o-mini=10/20")]).await;
    let ask = app.post("/api/chat", &json!({ "message": QUESTION }));
    let answer = ask.bearer(&app.key).send().await.expect(200);
    let of = |kind: &str, field: &str, end: &str| format!("/api/{kind}/{}{end}", answer[field].as_str().unwrap());
    let path = of("messages", "message_id", "/receipt");
    let receipt = app.get(&path).bearer(&app.key).send().await.expect(200);
    assert_eq!(receipt["model"], answer["model"]);
    assert_eq!(receipt["conversation_id"], answer["conversation_id"]);
    assert_eq!(receipt["usage"]["tokens_in"], 100);
    assert!(receipt["usage"]["cost_usd"].as_f64().unwrap() > 0.0, "{receipt}");
    assert_eq!(receipt["passages"].as_array().unwrap().len(), 1);
    assert_eq!(
        app.get(&path).bearer(&app.other_key).send().await.problem(404),
        "not_found"
    );

    let conversation = of("conversations", "conversation_id", "");
    let told = app.get(&conversation).bearer(&app.key).send().await.expect(200);
    assert_eq!(told["usage"], receipt["usage"]);
    // Visitors see neither.
    let session = app.session().await;
    let own = json!({ "message": QUESTION, "session_id": session["session_id"] });
    let own = as_visitor(&session, app.post("/api/chat", &own)).await.expect(200);
    let path = |kind: &str, field: &str, end: &str| format!("/api/{kind}/{}{end}", own[field].as_str().unwrap());
    let told = as_visitor(&session, app.get(&path("conversations", "conversation_id", ""))).await;
    assert!(told.expect(200)["usage"].is_null());
    let refused = as_visitor(&session, app.get(&path("messages", "message_id", "/receipt"))).await;
    assert!([401, 403].contains(&refused.status.as_u16()), "{}", refused.text);
}

async fn as_visitor(session: &Value, call: Call<'_>) -> Got {
    let call = call.bearer(session["token"].as_str().unwrap());
    call.header("origin", "https://shop.example").send().await
}

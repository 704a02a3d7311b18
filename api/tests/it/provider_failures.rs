//! Every way in which a provider can fail, over a real connection and as a stream of events: what the visitor sees, and what is kept.
//! Never is half an answer kept, or shown as a whole one.
use serde_json::{Value, json};
use testkit::{Provider, Script, Server, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use uuid::Uuid;

use crate::app::App;

const QUESTION: &str = "How much does shipping cost?";
/// An answer whose first sentence is shown, since the next has begun, and which then pauses.
fn paused() -> Script {
    Script::Paused(format!("{COSTS}It is"), vec![" sent by parcel.".into()])
}

const COSTS: &str = "Shipping costs 4.90 EUR within the country [1]. ";

/// The shop before a provider that follows `script`; where that ends by a limit of time, by one that a test can wait for.
async fn shop(script: Script) -> (Provider, App) {
    let limit = match &script {
        Script::Mute => Some(("CHAT_FIRST_TOKEN_SECONDS", "2")),
        Script::Hang(_) => Some(("CHAT_SILENCE_SECONDS", "2")),
        _ => None,
    };
    let provider = Provider::start(script).await;
    let base_url = provider.base_url();
    let mut variables = vec![
        ("OPENAI_API_KEY", "stub"),
        ("OPENAI_BASE_URL", base_url.as_str()),
        ("CHAT_PRICES", "gpt-4o=10/20,gpt-4o-mini=1/2"),
    ];
    variables.extend(limit);
    let app = App::with(&variables).await;
    app.page("Shipping", "Shipping costs 4.90 EUR within the country.")
        .await;
    (provider, app)
}

/// A visitor's connection to a process of its own.
struct Visitor(TcpStream);

impl Visitor {
    /// Asks as the widget does.
    async fn ask(app: &App) -> Self {
        Self::ask_in(app, Uuid::now_v7(), QUESTION).await
    }

    /// The same in a session.
    async fn ask_in(app: &App, session: Uuid, question: &str) -> Self {
        let address = api::serve(app.context.clone(), ([127, 0, 0, 1], 0).into())
            .await
            .unwrap();
        let body = json!({ "message": question, "session_id": session }).to_string();
        let head = format!(
            "POST /api/chat HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\naccept: text/event-stream\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            app.key,
            body.len()
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(stream)
    }

    /// Reads until this was seen.
    async fn until(&mut self, mark: &str) -> String {
        let (mut seen, mut piece) = (Vec::new(), [0; 512]);
        loop {
            let read = self.0.read(&mut piece).await.unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&piece[..read]);
            let text = String::from_utf8_lossy(&seen);
            if text.contains(mark) {
                return text.into_owned();
            }
        }
    }

    /// What comes after that, to the end.
    async fn rest(mut self) -> String {
        let mut all = Vec::new();
        self.0.read_to_end(&mut all).await.unwrap();
        String::from_utf8_lossy(&all).into_owned()
    }

    /// The events of the whole answer: names, the text of all tokens, and the last one's data.
    async fn events(mut self) -> (Vec<String>, String, Value) {
        let mut all = Vec::new();
        self.0.read_to_end(&mut all).await.unwrap();
        let all = String::from_utf8(all).unwrap();
        assert!(all.starts_with("HTTP/1.1 200"), "{all}");
        let (mut names, mut text, mut last) = (Vec::new(), String::new(), Value::Null);
        for line in all.lines() {
            if let Some(name) = line.strip_prefix("event:") {
                names.push(name.trim().to_owned());
            } else if let Some(data) = line.strip_prefix("data:") {
                last = serde_json::from_str(data.trim()).unwrap();
                text.push_str(last["text"].as_str().unwrap_or_default());
            }
        }
        (names, text, last)
    }
}

/// Answers that were kept.
async fn answers(app: &App) -> i64 {
    let kept = "SELECT count(*) FROM messages WHERE role = 'assistant'";
    app.kit.count(kept).await
}

async fn nothing_is_set_aside(app: &App) {
    eventually("the cost to be counted", || async {
        let open = "SELECT count(*) FROM usage_daily WHERE reserved_usd > 1e-9";
        (app.kit.count(open).await == 0).then_some(())
    })
    .await;
}

/// The site's own words answer, and are kept with the reason.
async fn is_answered_by_the_site(script: Script) -> Provider {
    let what = format!("{script:?}");
    let (provider, app) = Box::pin(shop(script)).await;
    let (names, text, done) = Box::pin(Visitor::ask(&app)).await.events().await;
    assert_eq!(names, ["token", "sources", "products", "done"], "{what}");
    assert!(text.contains("4.90 EUR"), "{what}: {text}");
    assert_eq!(
        (&done["fallback"], &done["notes"], &done["model"], &done["refused"]),
        (
            &json!(true),
            &json!(["provider_unavailable"]),
            &json!("extractive"),
            &json!(false)
        ),
        "{what}"
    );
    let kept = "SELECT count(*) FROM messages m JOIN answer_receipts r ON r.message_id = m.id
        WHERE m.role = 'assistant' AND r.model = 'extractive' AND r.notes = '{provider_unavailable}' AND m.text LIKE '%4.90 EUR%'";
    assert_eq!((app.kit.count(kept).await, answers(&app).await), (1, 1), "{what}");
    assert_eq!(app.kit.count("SELECT count(*) FROM query_cache").await, 0, "{what}");
    nothing_is_set_aside(&app).await;

    // Whoever reads the conversation later is told as well.
    let conversation = done["conversation_id"].as_str().unwrap();
    let read = app.get(&format!("/api/conversations/{conversation}/messages"));
    let read = read.bearer(&app.key).send().await.expect(200);
    assert_eq!(read["items"][0]["notes"], json!(["provider_unavailable"]), "{read}");
    assert_eq!(read["items"][1]["notes"], json!([]));
    provider
}

/// The answer ends as a problem, and only the question's cost is left of it.
async fn ends_in_a_problem(script: Script) -> Provider {
    let what = format!("{script:?}");
    let (provider, app) = Box::pin(shop(script)).await;
    let (names, text, problem) = Box::pin(Visitor::ask(&app)).await.events().await;
    let (last, before) = names.split_last().unwrap();
    assert_eq!(last, "error", "{what}");
    assert!(
        !before.is_empty() && before.iter().all(|name| name == "token"),
        "{what}: {names:?}"
    );
    assert!(text.contains("4.90 EUR"), "{what}: {text}");
    assert_eq!(
        (&problem["code"], &problem["status"]),
        (&json!("provider_broke_off"), &json!(503)),
        "{what}"
    );
    let kept = "SELECT count(*) FROM messages WHERE role = 'visitor' AND broke_off";
    assert_eq!(
        (app.kit.count(kept).await, answers(&app).await),
        (1, 0),
        "{what}: the question, and no answer"
    );
    assert_eq!(problem.get("offer_human"), None, "{what}: the first failure");
    assert_eq!(app.kit.count("SELECT count(*) FROM answer_receipts").await, 0, "{what}");
    let spent = "SELECT count(*) FROM usage_daily WHERE cost_usd > 0 AND chats = 0";
    assert_eq!(
        app.kit.count(spent).await,
        1,
        "{what}: the provider's work costs all the same"
    );
    nothing_is_set_aside(&app).await;
    provider
}

#[tokio::test]
async fn a_key_that_is_refused_is_tried_once() {
    assert_eq!(is_answered_by_the_site(Script::Fail(401)).await.asked().len(), 1);
}

#[tokio::test]
async fn a_provider_that_wants_to_be_left_alone_for_long_is_left_alone() {
    assert_eq!(is_answered_by_the_site(Script::Refuse(429, 600)).await.asked().len(), 1);
}

#[tokio::test]
async fn a_provider_with_trouble_of_its_own_is_tried_again() {
    for script in [Script::Fail(500), Script::Refuse(503, 0)] {
        let asked = is_answered_by_the_site(script).await.asked().len();
        assert!((2..=3).contains(&asked), "{asked}");
    }
}

#[tokio::test]
async fn a_stream_without_a_word_is_given_up() {
    is_answered_by_the_site(Script::Mute).await.left(1).await;
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_given_up() {
    let hangs = Script::Hang(format!("{COSTS}Abroad "));
    ends_in_a_problem(hangs).await.left(1).await;
}

#[tokio::test]
async fn a_stream_that_breaks_off_or_turns_into_something_else_is_no_answer() {
    ends_in_a_problem(Script::breaking(&[COSTS, "Abroad it "])).await;
    let Script::Raw(half) = Script::breaking(&[COSTS, "Abroad it "]) else {
        unreachable!()
    };
    ends_in_a_problem(Script::Raw(format!("{half}data: <html>Bad Gateway</html>\n\n"))).await;
    is_answered_by_the_site(Script::Raw("<html>Bad Gateway</html>".into())).await;
}

/// A condition, no clock: the provider sees its reader leave, though it would go on for ever.
#[tokio::test]
async fn a_visitor_who_leaves_ends_the_provider_s_work() {
    let (provider, app) = shop(Script::Hang(format!("{COSTS}Abroad "))).await;
    let mut visitor = Visitor::ask(&app).await;
    visitor.until("event: token").await;
    drop(visitor);
    provider.left(1).await;
    nothing_is_set_aside(&app).await;
    assert_eq!(answers(&app).await, 0);
}

/// A person takes the word while a model writes: the bot has not spoken, and the question is the person's.
#[tokio::test]
async fn an_answer_that_a_person_overtakes_is_not_kept() {
    let (provider, app) = shop(Script::Say(vec![COSTS.into()])).await;
    let session = Uuid::now_v7();
    let (.., done) = Visitor::ask_in(&app, session, QUESTION).await.events().await;
    provider.follow(paused());
    let mut visitor = Visitor::ask_in(&app, session, "What does shipping within the country cost?").await;
    visitor.until("event: token").await;
    let conversation = done["conversation_id"].as_str().unwrap();
    let take = app.post(
        &format!("/api/conversations/{conversation}/take"),
        &json!({ "name": "Ada" }),
    );
    take.bearer(&app.key).send().await.expect(200);
    provider.let_go();
    let told = visitor.rest().await;
    assert!(
        told.contains("event: done") && told.contains("\"state\":\"human\""),
        "{told}"
    );
    let asked = "SELECT count(*) FROM messages WHERE role = 'visitor'";
    assert_eq!((app.kit.count(asked).await, answers(&app).await), (2, 1));
}

/// Postgres goes away while a model writes, and comes back: the visitor who reads is told, nothing of the answer is kept, and the next
/// question of the conversation is answered by connections that all had been lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_postgres_while_a_model_writes_ends_in_a_problem_and_the_conversation_goes_on() {
    let (provider, app) = shop(Script::Say(vec![COSTS.into()])).await;
    let session = Uuid::now_v7();
    let (names, ..) = Visitor::ask_in(&app, session, QUESTION).await.events().await;
    assert_eq!(names.last().map(String::as_str), Some("done"), "{names:?}");
    assert_eq!(answers(&app).await, 1);

    provider.follow(paused());
    let mut visitor = Visitor::ask_in(&app, session, "What does shipping within the country cost?").await;
    let begun = visitor.until("event: token").await;
    app.kit.stop(Server::Postgres).await;
    provider.let_go();
    let told = visitor.until("event: error").await;
    let whole = format!("{begun}{told}{}", visitor.rest().await);
    let problem = whole.lines().rev().find_map(|line| line.strip_prefix("data:")).unwrap();
    let problem: Value = serde_json::from_str(problem.trim()).unwrap();
    assert_eq!(problem["status"], 503, "{whole}");
    assert!(!whole.contains("event: done"), "{whole}");
    app.kit.start_again(Server::Postgres).await;
    assert_eq!(answers(&app).await, 1, "nothing of the broken one");

    provider.follow(Script::Say(vec![COSTS.into()]));
    let next = "How much do you charge for shipping?";
    let (names, text, done) = Visitor::ask_in(&app, session, next).await.events().await;
    assert_eq!(names.last().map(String::as_str), Some("done"), "{names:?}");
    assert!(text.contains("4.90 EUR"), "{text}");
    assert_eq!(answers(&app).await, 2);
    let conversation = done["conversation_id"].as_str().unwrap();
    let read = app.get(&format!("/api/conversations/{conversation}/messages"));
    let read = read.bearer(&app.key).send().await.expect(200);
    assert_eq!(read["items"].as_array().unwrap().len(), 4, "{read}");
    nothing_is_set_aside(&app).await;
}

/// Small talk in between is no success of the bot.
#[tokio::test]
async fn who_reads_two_answers_that_break_off_is_offered_a_person() {
    let (provider, app) = shop(Script::breaking(&[COSTS, "Abroad it "])).await;
    let session = Uuid::now_v7();
    let (_, _, first) = Visitor::ask_in(&app, session, QUESTION).await.events().await;
    assert_eq!(
        (&first["code"], first.get("offer_human")),
        (&json!("provider_broke_off"), None),
        "{first}"
    );
    let (names, ..) = Visitor::ask_in(&app, session, "thank you").await.events().await;
    assert_eq!(names.last().map(String::as_str), Some("done"), "{names:?}");
    let (_, _, second) = Visitor::ask_in(&app, session, QUESTION).await.events().await;
    assert_eq!(
        (&second["code"], &second["offer_human"]),
        (&json!("provider_broke_off"), &json!(true)),
        "{second}"
    );
    let kept = "SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE m.broke_off AND m.role = 'visitor'";
    assert_eq!(app.kit.count(kept).await, 2);

    provider.follow(Script::Say(vec![COSTS.into()]));
    let (_, _, done) = Visitor::ask_in(&app, session, QUESTION).await.events().await;
    assert_eq!(
        done["offer_human"], false,
        "the last two were not both failures: {done}"
    );
}

/// Postgres stands still, its connections stay open: the visitor who reads is told, whoever asks meanwhile is told when to ask again, and
/// what is asked when it goes on is answered.
#[tokio::test]
async fn a_postgres_that_hangs_holds_no_chat_for_ever() {
    let (provider, app) = shop(paused()).await;
    let mut visitor = Visitor::ask(&app).await;
    visitor.until("event: token").await;
    let frozen = app.kit.freeze(Server::Postgres);
    provider.let_go();
    let asked = app.post("/api/chat", &json!({ "message": QUESTION })).bearer(&app.key);
    let (told, asked) = tokio::join!(visitor.rest(), asked.send());
    assert!(
        told.contains("database_timeout") && !told.contains("event: done"),
        "{told}"
    );
    assert!(asked.headers.contains_key("retry-after"), "{}", asked.text);
    let problem = asked.expect(503);
    // It may not even have got a connection.
    let code = problem["code"].as_str().unwrap();
    assert!(
        ["database_timeout", "database_unavailable"].contains(&code),
        "{problem}"
    );
    drop(frozen);
    provider.follow(Script::Say(vec![COSTS.into()]));
    let asked = app.post("/api/chat", &json!({ "message": QUESTION })).bearer(&app.key);
    let answer = asked.send().await.expect(200);
    assert_eq!(answer["refused"], false, "{answer}");
    assert_eq!(
        answers(&app).await,
        1,
        "nothing of the one that was told to have failed"
    );
}

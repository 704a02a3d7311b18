//! Visitors who ask for a person, people who answer, and both who follow.
use domain::people;
use futures::StreamExt;
use poem::http::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::eventually;

use crate::app::{App, Call, Got};

const ORIGIN: &str = "https://shop.example";
const PATIENCE: Duration = Duration::from_mins(1);

/// A visitor with a conversation.
struct Visit<'a> {
    app: &'a App,
    token: String,
    conversation: String,
}

impl<'a> Visit<'a> {
    async fn begin(app: &'a App, question: &str) -> Self {
        let session = app.session().await;
        let mut visit = Self {
            app,
            token: session["token"].as_str().unwrap().to_owned(),
            conversation: String::new(),
        };
        let answer = visit.say(question).await;
        answer["conversation_id"]
            .as_str()
            .unwrap()
            .clone_into(&mut visit.conversation);
        visit
    }

    fn call(&self, method: Method, path: &str) -> Call<'a> {
        let path = path.replace("{id}", &self.conversation);
        self.app
            .call(method, &path)
            .bearer(&self.token)
            .header("origin", ORIGIN)
    }

    async fn say(&self, text: &str) -> Value {
        let say = self.call(Method::POST, "/api/chat").json(&json!({ "message": text }));
        say.send().await.expect(200)
    }

    async fn ask(&self, body: &Value) -> Got {
        let ask = self.call(Method::POST, "/api/conversations/{id}/handoff");
        ask.json(body).send().await
    }

    async fn standing(&self) -> Value {
        self.call(Method::GET, "/api/conversations/{id}")
            .send()
            .await
            .expect(200)
    }

    /// What people do.
    async fn people(&self, verb: &str, body: &Value) -> Got {
        let path = format!("/api/conversations/{}/{verb}", self.conversation);
        self.app.post(&path, body).bearer(&self.app.key).send().await
    }

    async fn audit(&self, action: &str) -> i64 {
        let query = format!(
            "SELECT count(*) FROM audit_logs WHERE resource = '{}' AND action = '{action}'",
            self.conversation
        );
        self.app.kit.count(&query).await
    }
}

async fn shop() -> App {
    let app = App::start().await;
    app.page("Shipping", "Shipping costs 4.90 EUR within the country.")
        .await;
    app
}

async fn settings(app: &App, settings: Value) {
    let path = format!("/api/customers/{}", app.shop.id);
    let change = app.call(Method::PATCH, &path).json(&json!({ "settings": settings }));
    change.admin().send().await.expect(200);
}

/// Reads events of a stream until `enough` of them came, with their kinds and ids.
async fn events(call: Call<'_>, enough: usize) -> Vec<(String, String, Value)> {
    let response = call.open().await;
    assert_eq!(response.status(), 200);
    let mut body = response.into_body().into_bytes_stream();
    let mut text = String::new();
    let read = async {
        while text.matches("\ndata:").count() < enough {
            let piece = body.next().await.expect("the stream ended").unwrap();
            text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    };
    assert!(tokio::time::timeout(PATIENCE, read).await.is_ok(), "only: {text}");
    let got = Got {
        status: poem::http::StatusCode::OK,
        headers: poem::http::HeaderMap::new(),
        text,
    };
    got.events()
}

#[tokio::test]
async fn a_visitor_asks_for_a_person_who_replies_and_closes() {
    let app = shop().await;
    let visit = Visit::begin(&app, "How much does shipping cost?").await;
    let before = visit.standing().await;
    assert_eq!((&before["state"], &before["staffed"]), (&json!("bot"), &json!(true)));

    let wish = json!({ "email": "vera@visitor.example", "message": "My parcel is broken." });
    let asked = visit.ask(&wish).await.expect(200);
    assert_eq!(
        (&asked["state"], &asked["email_known"]),
        (&json!("waiting"), &json!(true))
    );
    // Asked again, it only adds what is said.
    visit.ask(&json!({})).await.expect(200);
    assert_eq!(visit.audit("conversation.handoff").await, 1);

    let said = visit.say("Are you there?").await;
    assert_eq!(
        (&said["answer"], &said["state"], &said["model"]),
        (&json!(""), &json!("waiting"), &json!("people"))
    );

    let waiting = app
        .get("/api/conversations?state=waiting")
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    let row = &waiting["items"][0];
    assert_eq!(row["id"], visit.conversation.as_str());
    assert_eq!(
        (&row["email"], &row["last_message"]["text"]),
        (&json!("vera@visitor.example"), &json!("Are you there?"))
    );
    assert_eq!(row["messages"], 4);

    let reply = visit
        .people("messages", &json!({ "text": "We send a new one.", "name": "Ada" }))
        .await
        .expect(201);
    assert_eq!((&reply["role"], &reply["name"]), (&json!("human"), &json!("Ada")));
    let now = visit.standing().await;
    assert_eq!((&now["state"], &now["agent"]), (&json!("human"), &json!("Ada")));
    assert_eq!(visit.say("Thank you!").await["state"], "human");

    visit.people("close", &Value::Null).await.expect(200);
    visit.people("close", &Value::Null).await.expect(200);
    assert_eq!(visit.standing().await["state"], "closed");
    for (action, times) in [
        ("conversation.handoff", 1),
        ("conversation.taken", 1),
        ("conversation.closed", 1),
    ] {
        assert_eq!(visit.audit(action).await, times, "{action}");
    }
    // The next question opens it again, for the bot.
    let again = visit.say("How much does shipping cost?").await;
    assert_eq!(again["state"], "bot");
    assert_ne!(again["answer"], "");
    let read = visit
        .call(Method::GET, "/api/conversations/{id}/messages")
        .send()
        .await
        .expect(200);
    let roles: Vec<&str> = read["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["role"].as_str().unwrap())
        .collect();
    assert_eq!(
        roles,
        [
            "assistant",
            "visitor",
            "visitor",
            "human",
            "visitor",
            "visitor",
            "assistant",
            "visitor"
        ]
    );
}

#[tokio::test]
async fn a_wish_in_the_visitors_words_is_a_hand_off_unless_the_customer_has_none() {
    let app = shop().await;
    let session = app.session().await;
    let token = session["token"].as_str().unwrap();
    let ask = |text: &str| {
        let chat = app.post("/api/chat", &json!({ "message": text })).bearer(token);
        chat.header("origin", ORIGIN).send()
    };
    // It may be the first thing that is said.
    let said = ask("Can I talk to a real person, please?").await.expect(200);
    assert_eq!((&said["state"], &said["answer"]), (&json!("waiting"), &json!("")));
    let path = format!(
        "/api/conversations/{}/handoff/cancel",
        said["conversation_id"].as_str().unwrap()
    );
    let withdrawn = app
        .post(&path, &Value::Null)
        .bearer(token)
        .header("origin", ORIGIN)
        .send()
        .await
        .expect(200);
    assert_eq!(withdrawn["state"], "bot");
    assert_eq!(ask("How much does shipping cost?").await.expect(200)["state"], "bot");

    settings(&app, json!({ "handoff": { "enabled": false } })).await;
    let said = ask("Can I talk to a real person, please?").await.expect(200);
    assert_eq!(said["state"], "bot");
    let path = format!(
        "/api/conversations/{}/handoff",
        said["conversation_id"].as_str().unwrap()
    );
    let refused = app
        .post(&path, &json!({}))
        .bearer(token)
        .header("origin", ORIGIN)
        .send()
        .await;
    assert_eq!(refused.problem(403), "handoff_disabled");
}

#[tokio::test]
async fn a_person_is_offered_after_two_failures_in_a_row() {
    let app = shop().await;
    let visit = Visit::begin(&app, "Who won the cup in 1974?").await;
    assert_eq!(visit.standing().await["offer_human"], false);
    let second = visit.say("And who lost it in 1975?").await;
    assert_eq!(
        (&second["refused"], &second["offer_human"]),
        (&json!(true), &json!(true))
    );
    // Small talk is no success, for whoever reads it; and the offer is taken with a word.
    visit.say("thank you").await;
    assert_eq!(visit.standing().await["offer_human"], true);
    assert_eq!(visit.say("yes please").await["state"], "waiting");
    let visit = Visit::begin(&app, "hello").await;
    assert_eq!(visit.say("yes please").await["state"], "bot", "nothing was offered");

    // A thumb down is a failure as well, and one that is taken back is none.
    let visit = Visit::begin(&app, "How much does shipping cost?").await;
    // Whatever retrieval makes of the question, this answer was none that failed.
    execute(&app, "UPDATE messages SET refused = false").await;
    visit.say("Who won the cup in 1974?").await;
    assert_eq!(visit.standing().await["offer_human"], false);
    let read = visit
        .call(Method::GET, "/api/conversations/{id}/messages")
        .send()
        .await
        .expect(200);
    assert_eq!(read["items"][2]["refused"], false, "{read}");
    let path = format!("/api/messages/{}/feedback", read["items"][2]["id"].as_str().unwrap());
    for (rating, offered) in [("down", true), ("none", false), ("up", false), ("down", true)] {
        let rate = visit.call(Method::POST, &path).json(&json!({ "rating": rating }));
        rate.send().await.expect(204);
        assert_eq!(visit.standing().await["offer_human"], offered, "{rating}");
    }
}

#[tokio::test]
async fn two_people_do_not_answer_at_once_unless_one_takes_over() {
    let app = shop().await;
    let visit = Visit::begin(&app, "How much does shipping cost?").await;
    visit.ask(&json!({})).await.expect(200);
    let names = [json!({ "name": "Ada" }), json!({ "name": "Bob" })];
    let (ada, bob) = tokio::join!(visit.people("take", &names[0]), visit.people("take", &names[1]));
    let mut statuses = [ada.status.as_u16(), bob.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{ada:?} {bob:?}");
    let (first, second) = if ada.status == 200 {
        ("Ada", "Bob")
    } else {
        ("Bob", "Ada")
    };
    let reply = |name: &str, more: Value| {
        let mut body = json!({ "text": "Hello", "name": name });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let refused = visit.people("messages", &reply(second, json!({}))).await;
    assert_eq!(refused.problem(409), "conversation_taken");
    visit.people("messages", &reply(first, json!({}))).await.expect(201);
    visit
        .people("messages", &reply(second, json!({ "take_over": true })))
        .await
        .expect(201);
    assert_eq!(visit.standing().await["agent"], second);
    visit.people("release", &Value::Null).await.expect(200);
    assert_eq!(visit.say("How much does shipping cost?").await["state"], "bot");
}

#[tokio::test]
async fn a_reply_sent_twice_is_written_once() {
    let app = shop().await;
    let visit = Visit::begin(&app, "How much does shipping cost?").await;
    let path = format!("/api/conversations/{}/messages", visit.conversation);
    let send = |text: &str| {
        let call = app.post(&path, &json!({ "text": text })).bearer(&app.key);
        call.header("idempotency-key", "reply-1").send()
    };
    let (first, second) = (send("Hello").await.expect(201), send("Hello").await.expect(201));
    assert_eq!(first["id"], second["id"]);
    assert_eq!(first["name"], "Customer of shop.example");
    assert_eq!(send("Other").await.problem(422), "idempotency_key_reused");
    assert_eq!(
        app.kit
            .count("SELECT count(*) FROM messages WHERE role = 'human'")
            .await,
        1
    );
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused() {
    let app = shop().await;
    let visit = Visit::begin(&app, "How much does shipping cost?").await;
    for wrong in [
        json!({ "email": "nobody" }),
        json!({ "email": "a@b.example\r\nBcc: c@d.example" }),
        json!({ "message": "x".repeat(2001) }),
        json!({ "phone": "1" }),
    ] {
        assert_eq!(visit.ask(&wrong).await.problem(400), "invalid_request", "{wrong}");
    }
    for wrong in [
        json!({ "text": "" }),
        json!({ "text": " \n " }),
        json!({ "text": "x".repeat(8001) }),
        json!({ "text": "x", "name": "A\nB" }),
    ] {
        assert_eq!(
            visit.people("messages", &wrong).await.problem(400),
            "invalid_request",
            "{wrong}"
        );
    }
    assert_eq!(visit.standing().await["state"], "bot");
    for wrong in [
        "state=robot",
        "feedback=sideways",
        "from=yesterday",
        "cursor=x",
        "limit=0",
    ] {
        let got = app
            .get(&format!("/api/conversations?{wrong}"))
            .bearer(&app.key)
            .send()
            .await;
        assert_eq!(got.problem(400), "invalid_request", "{wrong}");
    }
}

#[tokio::test]
async fn a_visitor_who_goes_to_and_fro_is_slowed_down() {
    let app = shop().await;
    let visit = Visit::begin(&app, "How much does shipping cost?").await;
    for _ in 0..5 {
        visit.ask(&json!({})).await.expect(200);
        visit
            .call(Method::POST, "/api/conversations/{id}/handoff/cancel")
            .send()
            .await
            .expect(200);
    }
    let refused = visit.ask(&json!({})).await;
    assert_eq!(refused.problem(429), "handoff_too_often");
    // Words are answered by the bot then.
    assert_eq!(visit.say("human please").await["state"], "bot");
}

#[tokio::test]
async fn strangers_find_nothing() {
    let app = shop().await;
    let visit = Visit::begin(&app, "How much does shipping cost?").await;
    let stranger = app.session().await;
    let token = stranger["token"].as_str().unwrap();
    for (method, verb) in [
        (Method::GET, ""),
        (Method::GET, "/messages"),
        (Method::GET, "/events"),
        (Method::POST, "/handoff"),
        (Method::POST, "/handoff/cancel"),
    ] {
        let path = format!("/api/conversations/{}{verb}", visit.conversation);
        let call = app
            .call(method, &path)
            .json(&json!({}))
            .bearer(token)
            .header("origin", ORIGIN);
        assert_eq!(call.send().await.problem(404), "not_found", "{verb}");
    }
    for verb in ["messages", "take", "release", "close"] {
        let path = format!("/api/conversations/{}/{verb}", visit.conversation);
        let body = if verb == "messages" {
            json!({ "text": "x" })
        } else {
            json!({})
        };
        let foreign = app.post(&path, &body).bearer(&app.other_key).send().await;
        assert_eq!(foreign.problem(404), "not_found", "{verb}");
        let visitor = app
            .post(&path, &body)
            .bearer(&visit.token)
            .header("origin", ORIGIN)
            .send()
            .await;
        assert_eq!(visitor.status, 403, "{verb}");
    }
    assert_eq!(visit.standing().await["state"], "bot");
}

#[tokio::test]
async fn followers_miss_nothing_and_see_nothing_twice() {
    let app = shop().await;
    let visit = Visit::begin(&app, "How much does shipping cost?").await;
    let follow = |after: &str| {
        let call = visit.call(Method::GET, "/api/conversations/{id}/events");
        call.header("last-event-id", after)
    };
    let first = events(follow("0"), 2).await;
    let roles: Vec<&str> = first
        .iter()
        .map(|(_, _, data)| data["message"]["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["visitor", "assistant"]);

    // While one follows, a person takes over and writes; the one who comes back later reads the same.
    let last = first.last().unwrap().1.clone();
    let act = async {
        visit.ask(&json!({})).await.expect(200);
        for n in 0..20 {
            visit
                .people("messages", &json!({ "text": format!("turn {n}"), "name": "Ada" }))
                .await
                .expect(201);
        }
    };
    let (live, ()) = tokio::join!(events(follow(&last), 22), act);
    let told: Vec<String> = live
        .iter()
        .map(|(kind, _, data)| match kind.as_str() {
            "state" => data["state"].as_str().unwrap().to_owned(),
            _ => data["message"]["text"].as_str().unwrap().to_owned(),
        })
        .collect();
    let mut expected = vec!["waiting".to_owned(), "human".to_owned()];
    expected.extend((0..20).map(|n| format!("turn {n}")));
    assert_eq!(told, expected);
    assert_eq!(live[1].2["name"], "Ada");
    let resumed = events(follow(&live[9].1), 12).await;
    assert_eq!(resumed, live[10..]);
    for wrong in ["x", "-1"] {
        assert_eq!(follow(wrong).send().await.problem(400), "invalid_request");
    }
    // People follow with their key.
    let path = format!("/api/conversations/{}/events", visit.conversation);
    let theirs = events(app.get(&path).bearer(&app.key).header("last-event-id", &last), 22).await;
    assert_eq!(theirs, live);
}

#[tokio::test]
async fn a_follower_at_another_replica_and_without_redis_is_told_as_well() {
    let app = shop().await;
    let visit = Visit::begin(&app, "How much does shipping cost?").await;
    // Nobody rings for a reply that another process writes, and nobody has Redis.
    app.kit.stop(testkit::Server::Valkey).await;
    let follow = visit
        .call(Method::GET, "/api/conversations/{id}/events")
        .header("last-event-id", "0");
    let act = async {
        let tx = app.kit.db.tenant(&app.shop).await.unwrap();
        let reply = people::Reply {
            text: "From elsewhere".into(),
            name: None,
            take_over: false,
        };
        let by = domain::jobs::Operator {
            actor: "test",
            ip: None,
        };
        let id = visit.conversation.parse().unwrap();
        people::reply(&tx, &app.shop, id, &reply, by).await.unwrap();
        tx.commit().await.unwrap();
    };
    let (told, ()) = tokio::join!(events(follow, 4), act);
    assert_eq!(told[3].2["message"]["text"], "From elsewhere");
}

#[tokio::test]
async fn conversations_are_searched_filtered_and_paged() {
    let app = shop().await;
    let mut ids = Vec::new();
    for question in [
        "Where is the zebra kayak?",
        "How much does shipping cost?",
        "Ist der Tretroller wasserdicht?",
    ] {
        ids.push(Visit::begin(&app, question).await.conversation);
    }
    let list = async |query: &str| -> Vec<String> {
        let got = app
            .get(&format!("/api/conversations?{query}"))
            .bearer(&app.key)
            .send()
            .await
            .expect(200);
        let items = got["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let newest: Vec<String> = ids.iter().rev().cloned().collect();
    assert_eq!(list("").await, newest);
    assert_eq!(list("q=zebra").await, ids[..1]);
    assert_eq!(list("q=%22zebra%20kayak%22").await, ids[..1]);
    assert_eq!(list("q=WASSERDICHT").await, ids[2..]);
    assert_eq!(
        list("q=zebra%20or%20wasserdicht").await,
        [ids[2].clone(), ids[0].clone()]
    );
    assert_eq!(list("q=giraffe").await, Vec::<String>::new());
    // Nothing but signs is no word.
    assert_eq!(list("q=%27%26%7C%21%28%3A%2A").await, Vec::<String>::new());
    assert_eq!(list("state=human").await, Vec::<String>::new());
    assert_eq!(list("from=2020-01-01T00:00:00Z&to=2030-01-01T00:00:00Z").await, newest);
    assert_eq!(list("to=2020-01-01T00:00:00Z").await, Vec::<String>::new());

    let page = app
        .get("/api/conversations?limit=2")
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(list(&format!("limit=2&cursor={cursor}")).await, ids[..1]);
    let foreign = app
        .get("/api/conversations?q=zebra")
        .bearer(&app.other_key)
        .send()
        .await
        .expect(200);
    assert_eq!(foreign["items"], json!([]));
}

#[tokio::test]
async fn feedback_is_changed_withdrawn_counted_and_listed() {
    let app = shop().await;
    let visit = Visit::begin(&app, "How much does shipping cost?").await;
    let answer = visit.say("How much does shipping cost?").await;
    let path = format!("/api/messages/{}/feedback", answer["message_id"].as_str().unwrap());
    let rate = |body: Value| visit.call(Method::POST, &path).json(&body).send();
    let stored = async || {
        let read = visit
            .call(Method::GET, "/api/conversations/{id}/messages?limit=1")
            .send()
            .await
            .expect(200);
        (
            read["items"][0]["feedback"].clone(),
            read["items"][0]["feedback_reason"].clone(),
        )
    };
    let listed = async |rating: &str| {
        let list = app
            .get(&format!("/api/conversations?feedback={rating}"))
            .bearer(&app.key)
            .send()
            .await
            .expect(200);
        list["items"]
            .as_array()
            .unwrap()
            .first()
            .map(|row| row["feedback"].clone())
    };
    for _ in 0..2 {
        rate(json!({ "rating": "down", "reason": " vague " })).await.expect(204);
    }
    assert_eq!(stored().await, (json!("down"), json!("vague")));
    assert_eq!(listed("down").await, Some(json!({ "up": 0, "down": 1 })));
    assert_eq!(listed("up").await, None);
    // The same thumb again keeps the reason; the other one has none yet.
    rate(json!({ "rating": "down" })).await.expect(204);
    assert_eq!(stored().await, (json!("down"), json!("vague")));
    rate(json!({ "rating": "up" })).await.expect(204);
    assert_eq!(stored().await, (json!("up"), Value::Null));
    rate(json!({ "rating": "none", "reason": "no matter" }))
        .await
        .expect(204);
    assert_eq!(stored().await, (Value::Null, Value::Null));
    assert_eq!(listed("up").await, None);
    let long = rate(json!({ "rating": "down", "reason": "x".repeat(1001) })).await;
    assert_eq!(long.problem(400), "invalid_request");
    let question = visit
        .call(Method::GET, "/api/conversations/{id}/messages?limit=2")
        .send()
        .await
        .expect(200);
    let path = format!(
        "/api/messages/{}/feedback",
        question["items"][1]["id"].as_str().unwrap()
    );
    let own = visit
        .call(Method::POST, &path)
        .json(&json!({ "rating": "up" }))
        .send()
        .await;
    assert_eq!(own.problem(404), "not_found", "only answers are rated");
}

/// Each change is a delivery to each webhook that wants to know, and any visitor may make it.
#[tokio::test]
async fn a_rating_is_changed_so_often_and_no_more() {
    let app = shop().await;
    let visit = Visit::begin(&app, "How much does shipping cost?").await;
    let answer = visit.say("How much does shipping cost?").await;
    let path = format!("/api/messages/{}/feedback", answer["message_id"].as_str().unwrap());
    let rate = |rating: &str| {
        visit
            .call(Method::POST, &path)
            .json(&json!({ "rating": rating }))
            .send()
    };
    for _ in 0..people::MOST_RATINGS / 2 {
        rate("up").await.expect(204);
        rate("down").await.expect(204);
    }
    assert_eq!(rate("up").await.problem(409), "rated_too_often");
    rate("down").await.expect(204);
    let stays = "SELECT count(*) FROM messages WHERE feedback = 'down'";
    assert_eq!(app.kit.count(stays).await, 1);
}

#[tokio::test]
async fn a_wait_that_is_over_gives_the_bot_its_word_back_and_is_told() {
    let app = shop().await;
    let visit = Visit::begin(&app, "How much does shipping cost?").await;
    visit.ask(&json!({})).await.expect(200);
    let id = visit.conversation.parse().unwrap();
    let left = people::overdue(&app.kit.db, &app.shop, id).await.unwrap();
    assert!(left.is_some_and(|left| left > Duration::from_mins(9)), "{left:?}");
    age(&app, "11 minutes").await;
    assert_eq!(people::overdue(&app.kit.db, &app.shop, id).await.unwrap(), None);
    let now = visit.standing().await;
    assert_eq!((&now["state"], &now["overdue"]), (&json!("waiting"), &json!(true)));
    let answered = visit.say("How much does shipping cost?").await;
    assert_ne!(answered["answer"], "", "{answered}");
    assert_eq!(answered["state"], "waiting");
    // Told once.
    assert_eq!(people::overdue(&app.kit.db, &app.shop, id).await.unwrap(), None);
    let told = "SELECT count(*) FROM conversation_events WHERE data->>'reason' = 'overdue'";
    assert_eq!(app.kit.count(told).await, 1);

    // A person who falls silent loses the conversation to the next.
    visit
        .people("messages", &json!({ "text": "One moment", "name": "Ada" }))
        .await
        .expect(201);
    assert_eq!(
        people::overdue(&app.kit.db, &app.shop, id).await.unwrap(),
        None,
        "nothing is unanswered"
    );
    assert_eq!(visit.say("Hello?").await["state"], "human");
    age(&app, "31 minutes").await;
    assert_eq!(people::overdue(&app.kit.db, &app.shop, id).await.unwrap(), None);
    let now = visit.standing().await;
    assert_eq!((&now["state"], &now["agent"]), (&json!("waiting"), &Value::Null));
    let looks = "SELECT count(*) FROM jobs WHERE payload->'task' ? 'end_wait' AND run_at > now()";
    assert_eq!(app.kit.count(looks).await, 3, "each wait has its end");
}

/// Lets all waits have lasted for so long.
async fn age(app: &App, interval: &str) {
    let age = format!("UPDATE conversations SET unanswered_since = unanswered_since - interval '{interval}'");
    execute(app, &age).await;
}

async fn execute(app: &App, statement: &str) {
    use sea_orm::{DbBackend, Statement};
    let tx = app.kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, statement))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// Storing an answer locks the visitor and then the conversation; asking for a person with an address waits for the visitor first.
#[tokio::test]
async fn asking_for_a_person_while_an_answer_is_stored_locks_nobody_out() {
    let app = shop().await;
    let visit = Visit::begin(&app, "How much does shipping cost?").await;
    let storing = app.kit.db.tenant(&app.shop).await.unwrap();
    let lock = async |storing: &domain::tenancy::TenantTx, table: &str| {
        let lock = format!("SELECT FROM {table} FOR UPDATE");
        storing.execute_unprepared(&lock).await.unwrap();
    };
    lock(&storing, "visitors").await;
    let request = json!({ "email": "jane@mail.example" });
    let (asked, ()) = tokio::join!(visit.ask(&request), async {
        eventually("the request to wait", || async {
            let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
            (app.kit.count(waits).await > 0).then_some(())
        })
        .await;
        lock(&storing, "conversations").await;
        storing.commit().await.unwrap();
    });
    asked.expect(200);
}

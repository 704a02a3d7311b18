//! People's requests about their data, from the call to the last trace.
use domain::{privacy::Privacy, tenancy::Scope};
use poem::http::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::{Provider, Script, eventually};
use uuid::Uuid;

use crate::app::{App, Call, Got};

const ORIGIN: &str = "https://shop.example";
const ADA: &str = "ada@mail.example";
const QUESTION: &str = "How much does shipping cost to Zanzibar?";
/// One that the site answers.
const ANSWERED: &str = "How much does shipping cost?";

async fn shop() -> App {
    let app = App::start().await;
    app.page("Shipping", "Shipping costs 4.90 EUR within the country.")
        .await;
    app
}

/// A visitor of the shop.
struct Visit<'a> {
    app: &'a App,
    token: String,
    session: String,
    conversation: String,
}

impl<'a> Visit<'a> {
    async fn begin(app: &'a App) -> Self {
        let session = app.session().await;
        let text = |name: &str| session[name].as_str().unwrap().to_owned();
        Self {
            app,
            token: text("token"),
            session: text("session_id"),
            conversation: String::new(),
        }
    }

    fn call(&self, method: Method, path: &str) -> Call<'a> {
        let path = path.replace("{id}", &self.conversation);
        self.app
            .call(method, &path)
            .bearer(&self.token)
            .header("origin", ORIGIN)
    }

    async fn say(&mut self, text: &str) -> Value {
        let said = self
            .call(Method::POST, "/api/chat")
            .json(&json!({ "message": text }))
            .send()
            .await
            .expect(200);
        said["conversation_id"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.conversation);
        said
    }

    async fn hand_off(&self, body: &Value) -> Got {
        self.call(Method::POST, "/api/conversations/{id}/handoff")
            .json(body)
            .send()
            .await
    }
}

async fn ask(app: &App, key: &str, path: &str, body: &Value) -> Got {
    app.post(path, body).bearer(key).send().await
}

async fn export(app: &App, body: &Value) -> Value {
    ask(app, &app.key, "/api/gdpr/export", body).await.expect(200)
}

async fn erase(app: &App, body: &Value) -> Value {
    ask(app, &app.key, "/api/gdpr/delete", body).await.expect(200)
}

async fn change_settings(app: &App, settings: &Value) {
    let change = app.call(Method::PATCH, "/api/settings").json(settings).bearer(&app.key);
    change.send().await.expect(200);
}

/// Every row of every table of visitors' rows and every key of Redis, as one text.
async fn everything(app: &App) -> String {
    let mut text = String::new();
    let tx = app.kit.db.system().await.unwrap();
    for table in domain::privacy::map::tables().filter(|table| table.of.is_some()) {
        let query = format!(
            "SELECT coalesce(string_agg(to_jsonb(t)::text, ' '), '') AS all FROM {} t",
            table.name
        );
        let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, query);
        let row = sea_orm::ConnectionTrait::query_one_raw(&*tx, statement)
            .await
            .unwrap()
            .unwrap();
        text.push_str(&row.try_get::<String>("", "all").unwrap());
    }
    text
}

#[tokio::test]
async fn a_copy_has_all_that_is_held_and_nothing_of_others() {
    let app = shop().await;
    let mut ada = Visit::begin(&app).await;
    let answer = ada.say(QUESTION).await;
    let path = format!("/api/messages/{}/feedback", answer["message_id"].as_str().unwrap());
    let rating = json!({ "rating": "down", "reason": "I live in Stone Town." });
    ada.call(Method::POST, &path).json(&rating).send().await.expect(204);
    ada.hand_off(&json!({ "email": "Ada@Mail.example", "message": "My parcel is broken." }))
        .await
        .expect(200);
    let mut bob = Visit::begin(&app).await;
    bob.say("Please write to ada@mail.example, I am Bob.").await;
    let by = format!("/api/conversations/{}/messages", ada.conversation);
    ask(
        &app,
        &app.key,
        &by,
        &json!({ "text": "We send a new one.", "name": "Grace" }),
    )
    .await
    .expect(201);

    let copy = export(&app, &json!({ "email": ADA })).await;
    assert_eq!(
        (&copy["schema"], &copy["subject_kind"]),
        (&json!("omniops.subject-export/1"), &json!("email"))
    );
    assert_eq!(copy["sessions"], json!([ada.session]));
    assert_eq!(copy["customer"]["domain"], "shop.example");
    let held = &copy["held"];
    assert_eq!(held["visitors"][0]["email"], "Ada@Mail.example");
    assert_eq!(held["conversations"][0]["id"], ada.conversation.as_str());
    let texts: Vec<&str> = held["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["text"].as_str().unwrap())
        .collect();
    assert_eq!(
        (texts.len(), texts[0], texts[2], texts[3]),
        (4, QUESTION, "My parcel is broken.", "We send a new one.")
    );
    assert_eq!(held["messages"][1]["feedback_reason"], "I live in Stone Town.");
    assert_eq!(held["answer_receipts"].as_array().unwrap().len(), 1);
    let deeds: Vec<&str> = held["audit_logs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["action"].as_str().unwrap())
        .collect();
    assert_eq!(deeds, ["conversation.handoff", "conversation.taken"]);
    assert_eq!(copy["counts"]["messages"], 4);
    // Others' texts only where the address stands in them.
    let mention = &copy["mentions"][0];
    assert_eq!(
        (&mention["table"], &mention["column"]),
        (&json!("messages"), &json!("text"))
    );
    assert!(!held.to_string().contains("I am Bob"));
    // By the session it is the same, without what an address alone leads to.
    let by_session = export(&app, &json!({ "session_id": ada.session })).await;
    assert_eq!(
        (&by_session["held"]["messages"], &by_session["mentions"]),
        (&held["messages"], &json!([]))
    );

    // Of strangers there is the same document without rows; another customer sees nothing of it.
    for (key, body) in [
        (&app.key, json!({ "email": "nobody@mail.example" })),
        (&app.other_key, json!({ "email": ADA })),
    ] {
        let none = ask(&app, key, "/api/gdpr/export", &body).await.expect(200);
        assert!(none["counts"].as_object().unwrap().values().all(|n| *n == 0), "{none}");
        assert_eq!(
            none["counts"].as_object().unwrap().len(),
            copy["counts"].as_object().unwrap().len()
        );
        assert_eq!(none["mentions"], json!([]));
    }
    let audit = "SELECT count(*) FROM audit_logs WHERE action = 'gdpr.exported' AND (metadata::text || resource) NOT ILIKE '%mail.example%'";
    assert_eq!(app.kit.count(audit).await, 4);
}

#[tokio::test]
async fn erasure_reaches_the_last_trace() {
    let app = shop().await;
    let webhook = json!({ "url": "https://8.8.8.8/hook", "events": ["handoff.requested", "feedback.received", "privacy.erased"] });
    ask(&app, &app.key, "/api/outbound-webhooks", &webhook)
        .await
        .expect(201);
    let mut ada = Visit::begin(&app).await;
    let answer = ada.say(QUESTION).await;
    let path = format!("/api/messages/{}/feedback", answer["message_id"].as_str().unwrap());
    ada.call(Method::POST, &path)
        .json(&json!({ "rating": "up" }))
        .send()
        .await
        .expect(204);
    ada.hand_off(&json!({ "email": ADA, "message": "Lovelace speaking." }))
        .await
        .expect(200);
    let by = format!("/api/conversations/{}/messages", ada.conversation);
    let reply = app.post(&by, &json!({ "text": "Dear Ms Lovelace" })).bearer(&app.key);
    reply.header("idempotency-key", "one").send().await.expect(201);
    let mut bob = Visit::begin(&app).await;
    bob.say(QUESTION).await;
    let version = "SELECT index_version FROM customer_configs WHERE domain = 'shop.example'";
    let before = app.kit.count(version).await;
    let all = everything(&app).await;
    for trace in [ADA, "Lovelace", &ada.session, &ada.conversation] {
        assert!(all.contains(trace), "{trace}");
    }

    let receipt = erase(&app, &json!({ "email": "ADA@mail.example" })).await;
    let all = everything(&app).await;
    for trace in [ADA, "Lovelace", &ada.session] {
        assert!(!all.contains(trace), "{trace}: {all}");
    }
    // The conversation's number leads nowhere; it stands in the audit log, and in what webhooks are told to forget.
    let led = format!(
        "SELECT count(*) FROM jobs WHERE payload::text LIKE '%{}%'",
        ada.conversation
    );
    assert_eq!(app.kit.count(&led).await, 0);
    let told = "SELECT count(*) FROM webhook_deliveries WHERE kind <> 'privacy.erased'";
    assert_eq!(app.kit.count(told).await, 0);
    let told = format!(
        "SELECT count(*) FROM webhook_deliveries WHERE payload #>> '{{data,conversation_ids,0}}' = '{}'",
        ada.conversation
    );
    assert_eq!(app.kit.count(&told).await, 1);
    assert_eq!(app.kit.count("SELECT count(*) FROM idempotency_keys").await, 0);
    assert!(
        app.kit.count(version).await > before,
        "kept answers of all processes end"
    );
    let counts = &receipt["counts"];
    assert_eq!(
        (&counts["conversations"], &counts["messages"], &counts["visitors"]),
        (&json!(1), &json!(4), &json!(1))
    );
    assert_eq!(counts["webhook_deliveries"], 2);
    assert_eq!(receipt["subject_kind"], "email");
    assert!(!receipt.to_string().contains(ADA));
    // Bob is as he was; what was used is still counted.
    assert_eq!(app.kit.count("SELECT count(*) FROM messages").await, 2);
    assert_eq!(app.kit.count("SELECT chats FROM usage_daily").await, 2);

    // The visitor's page finds nothing, and may begin anew.
    let gone = ada.call(Method::GET, "/api/conversations/{id}/messages").send().await;
    assert_eq!(gone.problem(404), "not_found");
    let again = app
        .call(Method::DELETE, "/api/gdpr/delete")
        .json(&json!({ "email": ADA }))
        .bearer(&app.key);
    assert_eq!(again.send().await.expect(200), receipt);
    let first = ada.conversation.clone();
    ada.say("Hello again, how much does shipping cost?").await;
    assert_ne!(ada.conversation, first);
    assert_eq!(export(&app, &json!({ "email": ADA })).await["counts"]["visitors"], 0);
}

#[tokio::test]
async fn a_receipt_proves_itself_to_its_customer_and_to_no_other() {
    let app = shop().await;
    let receipt = erase(&app, &json!({ "email": ADA })).await;
    let check = |key: &str, text: &str| {
        let call = app.post("/api/gdpr/verify", &json!({ "receipt": text })).bearer(key);
        call.send()
    };
    let text = receipt["receipt"].as_str().unwrap();
    let said = check(&app.key, text).await.expect(200);
    assert_eq!(
        (&said["valid"], &said["id"], &said["counts"]),
        (&json!(true), &receipt["id"], &receipt["counts"])
    );
    for (key, text) in [
        (&app.other_key, text.to_owned()),
        (&app.key, format!("{text}A")),
        (&app.key, "x".to_owned()),
    ] {
        let said = check(key, &text).await.expect(200);
        assert_eq!((&said["valid"], &said["id"]), (&json!(false), &Value::Null));
    }
}

#[tokio::test]
async fn redis_names_nobody_and_its_answers_go() {
    let app = shop().await;
    let mut ada = Visit::begin(&app).await;
    ada.say("What does shipping cost?").await;
    ada.hand_off(&json!({ "email": ADA, "message": "Lovelace speaking." }))
        .await
        .expect(200);
    let kept = "SELECT count(*) FROM query_cache";
    let keys = eventually("the answer in Redis and in the database", || async {
        let keys = redis_keys(&app).await;
        let in_redis = keys.iter().any(|(key, _)| key.starts_with("omniops:answers:"));
        (in_redis && app.kit.count(kept).await > 0).then_some(keys)
    })
    .await;
    let personal = [ADA, "Lovelace", "mail.example", &ada.session];
    let telling = |keys: &[(String, String)]| {
        let found = keys
            .iter()
            .find(|(key, value)| personal.iter().any(|p| key.contains(p) || value.contains(p)));
        found.cloned()
    };
    assert_eq!(telling(&keys), None, "streams, errands and counters hold ids");
    erase(&app, &json!({ "email": ADA })).await;
    let keys = redis_keys(&app).await;
    assert!(
        !keys.iter().any(|(key, _)| key.starts_with("omniops:answers:")),
        "{keys:?}"
    );
    assert_eq!(telling(&keys), None);
    assert_eq!(app.kit.count(kept).await, 0);
}

/// Every key of Redis with its value as text: a stream's entries, else a dump.
async fn redis_keys(app: &App) -> Vec<(String, String)> {
    let mut redis = app.kit.redis().await;
    let names: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis).await.unwrap();
    let mut all = Vec::new();
    for name in names {
        let kind: String = redis::cmd("TYPE").arg(&name).query_async(&mut redis).await.unwrap();
        let value = if kind == "stream" {
            let mut range = redis::cmd("XRANGE");
            let entries: redis::Value = range
                .arg(&name)
                .arg("-")
                .arg("+")
                .query_async(&mut redis)
                .await
                .unwrap();
            format!("{entries:?}")
        } else {
            let dump: Option<Vec<u8>> = redis::cmd("DUMP").arg(&name).query_async(&mut redis).await.unwrap();
            String::from_utf8_lossy(&dump.unwrap_or_default()).into_owned()
        };
        all.push((name, value));
    }
    all
}

/// The visitor asks, the person is forgotten, and then the model answers.
#[tokio::test]
async fn what_is_being_answered_while_its_visitor_is_forgotten_is_not_kept() {
    let provider = Provider::start(Script::Held(vec!["Shipping costs 4.90 EUR [1].".into()])).await;
    let variables = [("OPENAI_API_KEY", "stub"), ("OPENAI_BASE_URL", &provider.base_url())];
    let app = App::with(&variables).await;
    app.page("Shipping", "Shipping costs 4.90 EUR within the country.")
        .await;
    let visit = Visit::begin(&app).await;
    let asking = visit
        .call(Method::POST, "/api/chat")
        .json(&json!({ "message": ANSWERED }))
        .send();
    let forgetting = async {
        eventually("the model to be asked", || async {
            (!provider.asked().is_empty()).then_some(())
        })
        .await;
        let receipt = erase(&app, &json!({ "session_id": visit.session })).await;
        provider.let_go();
        receipt
    };
    let (said, receipt) = tokio::join!(asking, forgetting);
    assert_eq!(said.problem(409), "session_erased");
    assert_eq!(receipt["counts"]["messages"], 0);
    for table in ["visitors", "conversations", "messages", "answer_receipts"] {
        assert_eq!(
            app.kit.count(&format!("SELECT count(*) FROM {table}")).await,
            0,
            "{table}"
        );
    }
    // What is said afterwards is.
    provider.follow(Script::Say(vec!["Shipping costs 4.90 EUR [1].".into()]));
    let later = visit
        .call(Method::POST, "/api/chat")
        .json(&json!({ "message": ANSWERED }))
        .send()
        .await;
    later.expect(200);
    assert_eq!(app.kit.count("SELECT count(*) FROM messages").await, 2);
}

/// Who may start and stop crawls may not stop what is owed to a person.
async fn not_for_who_stops_crawls(app: &App, job: &str) {
    let key = app.kit.key(&app.shop, &[Scope::Jobs]).await;
    for verb in ["cancel", "retry"] {
        let call = app.post(&format!("{job}/{verb}"), &Value::Null);
        assert_eq!(call.bearer(&key).send().await.problem(403), "missing_scope", "{verb}");
    }
}

#[tokio::test]
async fn a_large_copy_is_a_jobs_work_that_only_its_customer_can_fetch_and_erasure_takes() {
    let app = shop().await;
    let mut ada = Visit::begin(&app).await;
    ada.say(QUESTION).await;
    let many = format!(
        "INSERT INTO messages (id, customer_id, conversation_id, role, text)
         SELECT gen_random_uuid(), '{}', '{}', 'visitor', 'line ' || n FROM generate_series(1, 2500) n",
        app.shop.id, ada.conversation
    );
    let tx = app.kit.db.system().await.unwrap();
    let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, many);
    sea_orm::ConnectionTrait::execute_raw(&*tx, statement).await.unwrap();
    tx.commit().await.unwrap();
    let subject = json!({ "session_id": ada.session });
    let once = || {
        let call = app.post("/api/gdpr/export", &subject).bearer(&app.key);
        call.header("idempotency-key", "copy-1").send()
    };
    let planned = once().await;
    let body = planned.expect(202);
    assert_eq!(once().await.expect(202), body, "asked again, it is the same copy");
    assert_eq!(app.kit.count("SELECT count(*) FROM subject_exports").await, 1);
    let path = format!("/api/gdpr/exports/{}", body["export_id"].as_str().unwrap());
    assert_eq!(
        (planned.header("location"), &body["state"]),
        (path.as_str(), &json!("pending"))
    );
    let job = format!("/api/jobs/{}", body["job_id"].as_str().unwrap());
    assert_eq!(
        app.get(&job).bearer(&app.key).send().await.expect(200)["kind"],
        "maintenance"
    );
    not_for_who_stops_crawls(&app, &job).await;
    let document = format!("{path}/document");
    let early = app.get(&document).bearer(&app.key).send().await;
    assert_eq!(early.problem(409), "export_not_ready");

    let id: Uuid = body["export_id"].as_str().unwrap().parse().unwrap();
    let privacy = Privacy::new(app.kit.db.clone(), &app.kit.config);
    assert!(privacy.make_export(&app.shop, id).await.unwrap().is_some());
    // One at a time, until it has been taken or left.
    let first = app.get(&document).bearer(&app.key).open().await;
    let second = app.get(&document).bearer(&app.key).send().await;
    assert_eq!(second.problem(503), "busy");
    drop(first);
    let copy = app.get(&document).bearer(&app.key).send().await.expect(200);
    let taken = "SELECT count(*) FROM audit_logs WHERE action = 'gdpr.document_taken' AND actor LIKE 'key:%'";
    assert_eq!(app.kit.count(taken).await, 2, "whoever takes it is told of");
    assert_eq!(copy["counts"]["messages"], 2502);
    assert_eq!(
        app.get(&path).bearer(&app.key).send().await.expect(200)["state"],
        "done"
    );
    for path in [&path, &document] {
        assert_eq!(
            app.get(path).bearer(&app.other_key).send().await.problem(404),
            "not_found"
        );
        assert_eq!(app.get(path).send().await.status, 401);
        assert_eq!(
            app.get(path)
                .bearer(&ada.token)
                .header("origin", ORIGIN)
                .send()
                .await
                .status,
            403
        );
    }
    let receipt = erase(&app, &subject).await;
    assert_eq!(
        (&receipt["counts"]["subject_exports"], &receipt["counts"]["messages"]),
        (&json!(1), &json!(2502))
    );
    assert_eq!(
        receipt["counts"]["idempotency_keys"], 1,
        "nothing tells that this person was asked for"
    );
    assert_eq!(
        app.get(&document).bearer(&app.key).send().await.problem(404),
        "not_found"
    );
    assert_eq!(privacy.make_export(&app.shop, id).await.unwrap(), None);
}

#[tokio::test]
async fn what_names_nobody_or_two_is_refused_and_so_is_who_may_not() {
    let app = shop().await;
    let visit = Visit::begin(&app).await;
    let chat_only = app.kit.key(&app.shop, &[Scope::Chat, Scope::Conversations]).await;
    for path in ["/api/gdpr/export", "/api/gdpr/delete"] {
        for wrong in [
            json!({}),
            json!({ "email": null, "session_id": null }),
            json!({ "email": ADA, "session_id": visit.session }),
            json!({ "email": "nobody" }),
            json!({ "email": "" }),
            json!({ "session_id": "1" }),
            json!({ "emial": ADA }),
        ] {
            assert_eq!(
                ask(&app, &app.key, path, &wrong).await.problem(400),
                "invalid_request",
                "{wrong}"
            );
        }
        let body = json!({ "email": ADA });
        assert_eq!(ask(&app, &chat_only, path, &body).await.problem(403), "missing_scope");
        assert_eq!(app.post(path, &body).send().await.status, 401);
        let by_visitor = app
            .post(path, &body)
            .bearer(&visit.token)
            .header("origin", ORIGIN)
            .send()
            .await;
        assert_eq!(by_visitor.status, 403);
        let by_operator = app
            .post(&format!("{path}?customer_id={}", app.shop.id), &body)
            .admin()
            .send()
            .await;
        by_operator.expect(200);
    }
}

async fn choose(visit: &Visit<'_>, body: Value) -> Got {
    visit.call(Method::POST, "/api/consent").json(&body).send().await
}

/// The first thing that a visitor says may be what others are told of.
#[tokio::test]
async fn a_browsers_signal_goes_with_what_its_first_message_sets_off() {
    let app = shop().await;
    let webhook = json!({ "url": "https://8.8.8.8/hook", "events": ["handoff.requested", "handoff.message"] });
    ask(&app, &app.key, "/api/outbound-webhooks", &webhook)
        .await
        .expect(201);
    let visit = Visit::begin(&app).await;
    let said = visit
        .call(Method::POST, "/api/chat")
        .json(&json!({ "message": "Can I talk to a real person, please?" }))
        .header("sec-gpc", "1");
    assert_eq!(said.send().await.expect(200)["state"], "waiting");
    let all = "SELECT count(*) FROM webhook_deliveries";
    let heeding = "SELECT count(*) FROM webhook_deliveries WHERE payload #>> '{data,do_not_sell}' = 'true'";
    assert_eq!((app.kit.count(all).await, app.kit.count(heeding).await), (2, 2));

    // Whoever leaves before the answer has been read has said it all the same.
    let visit = Visit::begin(&app).await;
    let left = visit
        .call(Method::POST, "/api/chat")
        .json(&json!({ "message": QUESTION }))
        .header("accept", "text/event-stream")
        .header("sec-gpc", "1");
    drop(left.open().await);
    let kept = "SELECT count(*) FROM visitors WHERE do_not_sell AND choices_at IS NOT NULL";
    assert_eq!(app.kit.count(kept).await, 2);
}

/// Also one that is switched on after the first message.
#[tokio::test]
async fn a_browsers_signal_goes_with_a_wish_for_a_person_and_with_a_rating() {
    let app = shop().await;
    let webhook = json!({ "url": "https://8.8.8.8/hook", "events": ["handoff.requested", "handoff.closed", "feedback.received"] });
    ask(&app, &app.key, "/api/outbound-webhooks", &webhook)
        .await
        .expect(201);
    let told = "SELECT count(*) FROM webhook_deliveries";
    let heeding = "SELECT count(*) FROM webhook_deliveries WHERE payload #>> '{data,do_not_sell}' = 'true'";
    for n in 1..=2 {
        let mut visit = Visit::begin(&app).await;
        let answer = visit.say(ANSWERED).await;
        let (path, body) = if n == 1 {
            ("/api/conversations/{id}/handoff".to_owned(), json!({}))
        } else {
            let message = answer["message_id"].as_str().unwrap();
            (format!("/api/messages/{message}/feedback"), json!({ "rating": "up" }))
        };
        let done = visit
            .call(Method::POST, &path)
            .header("sec-gpc", "1")
            .json(&body)
            .send()
            .await;
        assert!(done.status.is_success(), "{path}: {}", done.text);
        assert_eq!(
            (app.kit.count(told).await, app.kit.count(heeding).await),
            (n, n),
            "{path}"
        );
    }
}

/// A household, a typing error: who gave the first address is a person as well.
#[tokio::test]
async fn whoever_gave_an_address_is_found_by_it_after_another_was_given() {
    let app = shop().await;
    let mut visit = Visit::begin(&app).await;
    visit.say(QUESTION).await;
    for email in [ADA, "bob@mail.example", "Ada@mail.example", "eve@mail.example"] {
        visit.hand_off(&json!({ "email": email })).await.expect(200);
    }
    let of_ada = json!({ "email": ADA });
    let copy = export(&app, &of_ada).await;
    let visitors = copy["held"]["visitors"].as_array().unwrap();
    assert_eq!(visitors.len(), 1, "{copy}");
    assert_eq!(visitors[0]["email"], "eve@mail.example");
    assert_eq!(visitors[0]["earlier_emails"], json!([ADA, "bob@mail.example"]));
    let erased = erase(&app, &of_ada).await;
    assert_eq!(erased["counts"]["conversations"], 1, "{erased}");
    assert!(!everything(&app).await.contains("mail.example"));

    // A no takes all of them back.
    let mut visit = Visit::begin(&app).await;
    visit.say(QUESTION).await;
    for email in [ADA, "bob@mail.example"] {
        visit.hand_off(&json!({ "email": email })).await.expect(200);
    }
    choose(&visit, json!({ "consent": false })).await.expect(200);
    let kept =
        "SELECT count(*) FROM visitors WHERE email IS NOT NULL OR email_key IS NOT NULL OR earlier_emails IS NOT NULL";
    assert_eq!(app.kit.count(kept).await, 0);
    // And nobody fills a row with addresses.
    choose(&visit, json!({ "consent": true })).await.expect(200);
    for n in 0..21 {
        let email = format!("n{n}@mail.example");
        visit.hand_off(&json!({ "email": email })).await.expect(200);
    }
    let more = visit.hand_off(&json!({ "email": ADA })).await;
    assert_eq!(more.problem(409), "too_many_addresses");
    visit
        .hand_off(&json!({ "email": "n20@mail.example" }))
        .await
        .expect(200);
}

#[tokio::test]
async fn visitors_choose_and_what_follows_from_it_follows() {
    let app = shop().await;
    let mut visit = Visit::begin(&app).await;
    // Nothing is kept of who only looks, whatever the browser signals.
    let look = app
        .post("/api/widget/session", &json!({ "domain": "shop.example" }))
        .header("sec-gpc", "1");
    let session = look.header("origin", ORIGIN).send().await.expect(200);
    assert_eq!(session["privacy"]["do_not_sell"], true);
    assert_eq!(app.kit.count("SELECT count(*) FROM visitors").await, 0);

    let said = visit
        .call(Method::POST, "/api/chat")
        .json(&json!({ "message": QUESTION }))
        .header("sec-gpc", "1");
    said.send().await.expect(200)["conversation_id"]
        .as_str()
        .unwrap()
        .clone_into(&mut visit.conversation);
    assert_eq!(
        app.kit
            .count("SELECT count(*) FROM visitors WHERE do_not_sell AND choices_at IS NOT NULL")
            .await,
        1
    );
    let webhook = json!({ "url": "https://8.8.8.8/hook", "events": ["handoff.requested"] });
    ask(&app, &app.key, "/api/outbound-webhooks", &webhook)
        .await
        .expect(201);
    visit.hand_off(&json!({ "email": ADA })).await.expect(200);
    // Whoever is told hears of the wish, and of no address.
    let told = "SELECT count(*) FROM webhook_deliveries WHERE payload #>> '{data,do_not_sell}' = 'true' AND payload::text NOT LIKE '%@%'";
    assert_eq!(app.kit.count(told).await, 1);

    // A no takes the address back, and none is kept after it, until there is a yes.
    let chosen = choose(&visit, json!({ "consent": false })).await.expect(200);
    assert_eq!(
        (&chosen["consent"], &chosen["do_not_sell"]),
        (&json!(false), &json!(true))
    );
    let kept = "SELECT count(*) FROM visitors WHERE email IS NOT NULL OR email_key IS NOT NULL";
    assert_eq!(app.kit.count(kept).await, 0);
    assert_eq!(
        visit.hand_off(&json!({ "email": ADA })).await.problem(409),
        "consent_needed"
    );
    choose(&visit, json!({ "consent": true, "do_not_sell": false }))
        .await
        .expect(200);
    visit.hand_off(&json!({ "email": ADA })).await.expect(200);
    assert_eq!(app.kit.count(kept).await, 1);
    // While the browser signals it, a choice against it does not hold: each message would say it again.
    let against = visit.call(Method::POST, "/api/consent").header("sec-gpc", "1");
    let chosen = against.json(&json!({ "do_not_sell": false })).send().await.expect(200);
    assert_eq!(chosen["do_not_sell"], true);
    assert_eq!(choose(&visit, json!({})).await.problem(400), "invalid_request");

    // Where the customer asks for consent, silence is none.
    change_settings(&app, &json!({ "privacy": { "ask_consent": true, "notice": true } })).await;
    let mut silent = Visit::begin(&app).await;
    silent.say("Can I talk to a real person, please?").await;
    assert_eq!(
        silent.hand_off(&json!({ "email": ADA })).await.problem(409),
        "consent_needed"
    );
    choose(&silent, json!({ "consent": true })).await.expect(200);
    silent.hand_off(&json!({ "email": ADA })).await.expect(200);
    let session = app.session().await;
    let privacy = &session["privacy"];
    assert_eq!(
        (&privacy["notice"], &privacy["ask_consent"], &privacy["do_not_sell"]),
        (&json!(true), &json!(true), &json!(false))
    );
    assert!(
        privacy["url"]
            .as_str()
            .unwrap()
            .ends_with("/privacy?domain=shop.example"),
        "{privacy}"
    );
    let wrong = app
        .call(Method::PATCH, "/api/settings")
        .json(&json!({ "privacy": { "url": "javascript:alert(1)" } }));
    assert_eq!(wrong.bearer(&app.key).send().await.problem(400), "invalid_request");
    // A choice is nobody's but the visitor's.
    let by_key = ask(&app, &app.key, "/api/consent", &json!({ "consent": true })).await;
    assert_eq!(by_key.status, 403);
}

#[tokio::test]
async fn pages_about_privacy_speak_of_the_customer_in_the_readers_language() {
    let app = shop().await;
    let settings = json!({
        "contact_email": "help@shop.example", "retention_days": 17,
        "privacy": { "controller": "Shop <b>& Sons</b> {days} Ltd", "ask_consent": true },
    });
    change_settings(&app, &settings).await;
    let page = |path: &str, language: &str| app.get(path).header("accept-language", language).send();
    let text = page("/privacy?domain=shop.example", "en").await;
    assert_eq!(text.status, 200);
    for said in [
        "Shop &lt;b&gt;&amp; Sons&lt;/b&gt; {days} Ltd is responsible",
        "<a href=\"mailto:help@shop.example\">help@shop.example</a>",
        "deleted 17 days after",
        "It is kept only if you agree",
        "Nothing is sent to a language model",
        "href=\"/terms?domain=shop.example&amp;lang=en\"",
        "<html lang=\"en\">",
    ] {
        assert!(text.text.contains(said), "{said}: {}", text.text);
    }
    assert!(!text.text.contains("{{") && !text.text.contains("<b>"), "{}", text.text);
    assert!(text.header("content-security-policy").contains("default-src 'none'"));
    for (path, language, said) in [
        (
            "/privacy?domain=shop.example",
            "de-DE,en;q=0.5",
            "17 Tage nach der letzten Nachricht",
        ),
        ("/terms?domain=shop.example", "fr", "help@shop.example"),
        ("/accessibility", "es", "escriba al propietario"),
        ("/privacy?lang=nl", "it", "90 dagen"),
        ("/terms", "tlh", "What you may expect"),
    ] {
        let text = page(path, language).await;
        assert!(text.text.contains(said), "{path} {language}: {}", text.text);
    }
    let contact = app.get("/.well-known/security.txt").send().await;
    assert_eq!(contact.status, 404, "nobody has said where");
    let support = app.get("/.well-known/gpc.json").send().await.expect(200);
    assert_eq!(support["gpc"], true);
    let general = page("/privacy", "en").await;
    assert!(!general.text.contains("help@shop.example") && general.text.contains("owner of the site"));
    let own = app.get("/privacy").header("host", "shop.example").send().await;
    assert!(own.text.contains("help@shop.example"));
    assert_eq!(
        page("/privacy?domain=nobody.example", "en").await.problem(404),
        "unknown_domain"
    );
    assert_eq!(page("/privacy?domain=%00", "en").await.status, 400);
    let provider = App::with(&[
        ("OPENAI_API_KEY", "stub"),
        ("OPENAI_BASE_URL", "https://models.example/v1"),
    ])
    .await;
    let text = provider.get("/privacy").send().await;
    assert!(text.text.contains("models.example"), "{}", text.text);
}

#[tokio::test]
async fn who_finds_a_weakness_is_told_where_to_write() {
    let app = App::with(&[("SECURITY_CONTACT", "mailto:security@shop.example")]).await;
    let told = app.get("/.well-known/security.txt").send().await;
    assert_eq!(
        (told.status, told.header("content-type")),
        (StatusCode::OK, "text/plain; charset=utf-8")
    );
    assert!(
        told.text
            .starts_with("Contact: mailto:security@shop.example\nExpires: 20"),
        "{}",
        told.text
    );
    assert!(
        told.text.lines().count() == 3 && told.text.contains("\nCanonical: http"),
        "{}",
        told.text
    );
}

//! Golden questions and gaps by the API: what is taken, what is refused, and that nobody sees another's.
use domain::{
    answering::Answerer,
    learning::{Cause, Circumstances, Examiner, gaps::Gatherer, keep},
    retrieval::Version,
};
use poem::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;

const RETURNS: &str = "Goods can be returned within 60 days after purchase.";

async fn shop() -> App {
    let app = App::start().await;
    app.page("Returns", RETURNS).await;
    app
}

fn answerer(app: &App) -> Answerer {
    Answerer::new(&app.kit.db, app.searcher.clone(), &app.kit.config.model).unwrap()
}

fn golden() -> Value {
    json!({
        "question": "  Within how many days can goods   be returned? ",
        "urls": ["https://shop.example/x/../returns#top", "https://shop.example/returns"],
        "phrases": ["60 days"],
    })
}

#[tokio::test]
async fn a_golden_question_is_made_changed_asked_and_removed() {
    let app = shop().await;
    let made = app
        .post("/api/golden", &golden())
        .bearer(&app.key)
        .send()
        .await
        .expect(201);
    let path = format!("/api/golden/{}", made["id"].as_str().unwrap());
    assert_eq!(made["question"], "Within how many days can goods be returned?");
    assert_eq!(
        made["urls"],
        json!(["https://shop.example/returns"]),
        "as pages are spelled, each once"
    );
    let again = app.post("/api/golden", &golden()).bearer(&app.key).send().await;
    assert_eq!(again.problem(409), "golden_question_exists");

    let run = Examiner::new(app.kit.db.clone(), answerer(&app))
        .ask(&app.shop, Version::Published)
        .await
        .unwrap();
    assert_eq!((run.passed(), run.recall(1)), (1, 1.0), "{run:?}");
    let tx = app.kit.db.tenant(&app.shop).await.unwrap();
    let of = Circumstances {
        cause: Cause::Asked,
        job: Uuid::now_v7(),
        staged: false,
        published: true,
        lost: &json!([]),
    };
    keep(&tx, &run, of).await.unwrap();
    tx.commit().await.unwrap();
    let runs = app.get("/api/golden/runs").bearer(&app.key).send().await.expect(200);
    let first = &runs["items"][0];
    assert_eq!(
        (&first["cause"], &first["passed"], &first["mrr"]),
        (&json!("asked"), &json!(1), &json!(1.0))
    );
    let one = format!("/api/golden/runs/{}", first["id"].as_str().unwrap());
    let told = app.get(&one).bearer(&app.key).send().await.expect(200);
    assert_eq!(
        (&told["results"][0]["rank"], &told["results"][0]["passed"]),
        (&json!(1), &json!(true)),
        "{told}"
    );

    let change = app.call(Method::PATCH, &path).json(&json!({ "phrases": [] }));
    let changed = change.bearer(&app.key).send().await.expect(200);
    assert_eq!(
        (&changed["phrases"], &changed["question"]),
        (&json!([]), &made["question"])
    );

    // Nobody else sees or changes any of it.
    for call in [
        app.call(Method::PATCH, &path).json(&json!({ "phrases": [] })),
        app.call(Method::DELETE, &path),
        app.get(&one),
    ] {
        assert_eq!(call.bearer(&app.other_key).send().await.problem(404), "not_found");
    }
    for list in ["/api/golden", "/api/golden/runs"] {
        let theirs = app.get(list).bearer(&app.other_key).send().await.expect(200);
        assert_eq!(theirs["items"], json!([]));
    }
    let gone = app.call(Method::DELETE, &path).bearer(&app.key).send().await;
    assert_eq!(gone.status, 204);
    assert_eq!(
        app.call(Method::DELETE, &path)
            .bearer(&app.key)
            .send()
            .await
            .problem(404),
        "not_found"
    );
    for action in ["golden.created", "golden.changed", "golden.removed"] {
        let lines = format!("SELECT count(*) FROM audit_logs WHERE action = '{action}'");
        assert_eq!(app.kit.count(&lines).await, 1, "{action}");
    }
}

#[tokio::test]
async fn what_no_golden_question_can_be_is_refused_field_by_field() {
    let app = shop().await;
    let wrong = |patch: Value| {
        let mut body = golden();
        for (name, value) in patch.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    for (patch, field) in [
        (json!({ "urls": ["https://other.example/a"] }), "urls[0]"),
        (
            json!({ "urls": ["https://shop.example/a", "mailto:a@shop.example"] }),
            "urls[1]",
        ),
        (json!({ "urls": [] }), "urls"),
        (json!({ "question": "  " }), "question"),
        (json!({ "question": "x".repeat(501) }), "question"),
        (json!({ "phrases": ["y".repeat(201)] }), "phrases[0]"),
        (json!({ "answer": "42" }), "answer"),
    ] {
        let answer = app.post("/api/golden", &wrong(patch)).bearer(&app.key).send().await;
        let body = answer.expect(400);
        assert_eq!(body["errors"][0]["field"], field, "{body}");
    }
    let none = app.call(Method::POST, "/api/golden/run").bearer(&app.key).send().await;
    assert_eq!(none.problem(409), "no_golden_questions");
    app.post("/api/golden", &golden())
        .bearer(&app.key)
        .send()
        .await
        .expect(201);
    let asked = app.call(Method::POST, "/api/golden/run").bearer(&app.key).send().await;
    let (job, location) = (asked.expect(202)["job_id"].clone(), asked.header("location").to_owned());
    assert_eq!(location, format!("/api/jobs/{}", job.as_str().unwrap()));
    let again = app.call(Method::POST, "/api/golden/run").bearer(&app.key).send().await;
    assert_eq!(again.expect(202)["job_id"], job, "one at a time");
    let tolerance = app
        .call(Method::PATCH, "/api/settings")
        .json(&json!({ "golden_tolerance": 1.5 }));
    assert_eq!(
        tolerance.bearer(&app.key).send().await.expect(400)["errors"][0]["field"],
        "golden_tolerance"
    );
}

#[tokio::test]
async fn gaps_are_read_page_by_page_and_set_aside() {
    let app = shop().await;
    for (question, times) in [("Which colours do helmets have?", 2), ("Are dogs allowed inside?", 1)] {
        for _ in 0..times {
            let body = json!({ "message": question, "domain": "shop.example" });
            let answer = app.post("/api/chat", &body).bearer(&app.key).send().await.expect(200);
            assert_eq!(answer["refused"], true, "{answer}");
        }
    }
    let gaps = Gatherer::new(app.kit.db.clone(), app.searcher.clone(), answerer(&app));
    let gathered = gaps.gather(&app.shop).await.unwrap();
    assert_eq!((gathered.questions, gathered.gaps), (3, 2));
    let page = app.get("/api/gaps?limit=1").bearer(&app.key).send().await.expect(200);
    let gap = &page["items"][0];
    assert_eq!(
        (&gap["question"], &gap["count"]),
        (&json!("Which colours do helmets have?"), &json!(2))
    );
    assert_eq!(
        (&gap["refused"], &gap["thumbs_down"], &gap["last_7_days"]),
        (&json!(2), &json!(0), &json!(2))
    );
    let next = format!("/api/gaps?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    let page = app.get(&next).bearer(&app.key).send().await.expect(200);
    assert_eq!(
        (&page["items"][0]["count"], &page["next_cursor"]),
        (&json!(1), &Value::Null)
    );

    let path = format!("/api/gaps/{}", gap["id"].as_str().unwrap());
    let set = |state: &str| app.call(Method::PATCH, &path).json(&json!({ "state": state }));
    assert_eq!(
        set("ignored").bearer(&app.other_key).send().await.problem(404),
        "not_found"
    );
    assert_eq!(
        set("ignored").bearer(&app.key).send().await.expect(200)["state"],
        "ignored"
    );
    assert_eq!(
        set("resolved").bearer(&app.key).send().await.problem(400),
        "invalid_request"
    );
    let open = app
        .get("/api/gaps?state=open")
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    assert_eq!(open["items"].as_array().map(Vec::len), Some(1));
    let future = app
        .get("/api/gaps?since=2999-01-01T00:00:00Z")
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    assert_eq!(future["items"], json!([]));
    assert_eq!(app.get("/api/gaps?cursor=x").bearer(&app.key).send().await.status, 400);
    let theirs = app.get("/api/gaps").bearer(&app.other_key).send().await.expect(200);
    assert_eq!(theirs["items"], json!([]));
}

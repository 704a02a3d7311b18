//! What visitors write stays out of logs, at any level, and out of metrics.
use serde_json::json;
use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};
use testkit::{Obedient, Orders, Script};
use tracing_subscriber::{fmt::MakeWriter, prelude::*};

use crate::app::App;

/// What is written about a visitor nowhere but in the conversation.
const PERSONAL: [&str; 6] = [
    "ada.lovelace@mail.example",
    "+49 151 2345678",
    "4111 1111 1111 1111",
    "ORD-20317-X",
    "Lovelace",
    "Zanzibar",
];

#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Everything runs on this thread, so that every line passes by.
#[tokio::test]
async fn what_a_visitor_writes_is_in_no_log_at_any_level() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::registry().with(
        tracing_subscriber::fmt::layer()
            .with_writer(lines.clone())
            .with_ansi(false)
            .with_filter(tracing_subscriber::filter::LevelFilter::TRACE),
    );
    let _guard = tracing::subscriber::set_default(subscriber);
    let question = format!(
        "How much does shipping cost to Zanzibar? I am Ada {}.",
        PERSONAL[..5].join(", ")
    );
    let model = Obedient::start().await;
    model.obey(Orders {
        trigger: "Zanzibar".into(),
        says: "Dear Ada Lovelace in Zanzibar, shipping costs 1 EUR [1]. Shipping costs 4.90 EUR [1].".into(),
        possessed: false,
    });
    let failing = testkit::Provider::start(Script::Fail(400)).await;
    let none: [(&str, &str); 0] = [];
    let (obedient, broken) = (model.base_url(), failing.base_url());
    let with_model = [("OPENAI_API_KEY", "stub"), ("OPENAI_BASE_URL", obedient.as_str())];
    let with_failing = [("OPENAI_API_KEY", "stub"), ("OPENAI_BASE_URL", broken.as_str())];
    for variables in [&none[..], &with_model, &with_failing] {
        let app = App::with(variables).await;
        app.page("Shipping", "Shipping costs 4.90 EUR within the country.")
            .await;
        for accept in ["application/json", "text/event-stream"] {
            let ask = app.post("/api/chat", &json!({ "message": question })).bearer(&app.key);
            let got = ask.header("accept", accept).send().await;
            assert_eq!(got.status, 200, "{}", got.text);
        }
        let refused = app
            .post(
                "/api/chat",
                &json!({ "message": format!("{question}{}", "x".repeat(2000)) }),
            )
            .bearer(&app.key);
        assert_eq!(refused.send().await.status, 400);
    }
    let text = lines.text();
    let kept = text.lines().count();
    assert!(kept > 5, "the log is kept: {kept} lines");
    for personal in PERSONAL {
        let line = text.lines().find(|line| line.contains(personal));
        assert_eq!(line, None, "{personal}");
    }
}

/// Addresses come by other calls as well: those of people who ask about their data, and of visitors who leave theirs.
#[tokio::test]
async fn requests_of_people_about_their_data_are_in_no_log_at_any_level() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::registry().with(
        tracing_subscriber::fmt::layer()
            .with_writer(lines.clone())
            .with_ansi(false)
            .with_filter(tracing_subscriber::filter::LevelFilter::TRACE),
    );
    let _guard = tracing::subscriber::set_default(subscriber);
    let app = App::start().await;
    let session = app.session().await;
    let token = session["token"].as_str().unwrap();
    let chat = app.post(
        "/api/chat",
        &json!({ "message": "Can I talk to a human? Zanzibar calls." }),
    );
    let said = chat
        .bearer(token)
        .header("origin", "https://shop.example")
        .send()
        .await
        .expect(200);
    let path = format!(
        "/api/conversations/{}/handoff",
        said["conversation_id"].as_str().unwrap()
    );
    let wish = app
        .post(&path, &json!({ "email": PERSONAL[0], "message": "I am Lovelace" }))
        .bearer(token);
    wish.header("origin", "https://shop.example").send().await.expect(200);
    for path in ["/api/gdpr/export", "/api/gdpr/delete"] {
        for email in [PERSONAL[0].to_owned(), format!("{} no address", PERSONAL[0])] {
            let asked = app.post(path, &json!({ "email": email })).bearer(&app.key).send().await;
            assert!([200, 400].contains(&asked.status.as_u16()), "{}", asked.text);
        }
    }
    let text = lines.text();
    assert!(
        text.contains("gdpr_erased") && text.contains("gdpr_exported"),
        "the log is kept"
    );
    for personal in PERSONAL {
        let line = text.lines().find(|line| line.contains(personal));
        assert_eq!(line, None, "{personal}");
    }
}

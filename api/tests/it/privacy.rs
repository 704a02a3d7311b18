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
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
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

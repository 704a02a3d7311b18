//! When a call is tried again.
use chat_model::{Client, Error, Limits, Settings};
use std::time::{Duration, Instant};

use crate::{
    provider::{LONG, Provider, Step, question, request, say, stream, text, whole},
    streams::read,
};

fn fail(status: u16, headers: &'static [(&'static str, &'static str)]) -> Vec<Step> {
    vec![Step::Head(status, headers), say("{}"), Step::End]
}

#[tokio::test]
async fn what_passes_is_tried_again_until_it_has() {
    let passing = [
        fail(429, &[]),
        fail(500, &[]),
        fail(503, &[("retry-after", "0")]),
        fail(529, &[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]),
        // The connection is cut before the head, and before the first token.
        vec![],
        vec![stream()],
        vec![
            stream(),
            say("data: {\"error\":{\"message\":\"overloaded\"}}\n\n"),
            Step::End,
        ],
    ];
    for script in passing {
        let what = format!("{script:?}");
        let provider = Provider::start([script.clone(), script, whole()]).await;
        let messages = question();
        let answer = provider.model().chat(&request(&messages)).await.expect(&what);
        assert_eq!(read(answer).await.unwrap().0, "Two days.", "{what}");
        assert_eq!(provider.asked().len(), 3, "{what}");
    }
}

#[tokio::test]
async fn what_does_not_pass_is_not_tried_again() {
    let quota = vec![
        Step::Head(429, &[]),
        say(r#"{"error":{"code":"insufficient_quota","message":"pay"}}"#),
        Step::End,
    ];
    for script in [fail(401, &[]), fail(400, &[]), fail(404, &[]), quota] {
        let what = format!("{script:?}");
        let provider = Provider::start([script, whole()]).await;
        let messages = question();
        provider.model().chat(&request(&messages)).await.expect_err(&what);
        assert_eq!(provider.asked().len(), 1, "{what}");
    }
}

#[tokio::test]
async fn what_was_shown_is_never_asked_for_again() {
    let provider = Provider::start([vec![stream(), text("Two ")], whole()]).await;
    let messages = question();
    let answer = provider.model().chat(&request(&messages)).await.unwrap();
    assert_eq!(read(answer).await.unwrap_err().word(), "broken_off");
    assert_eq!(provider.asked().len(), 1);
}

#[tokio::test]
async fn a_wish_is_waited_for_if_there_is_time() {
    let provider = Provider::start([fail(429, &[("retry-after", "1")]), whole()]).await;
    let (model, messages) = (provider.model(), question());
    let began = Instant::now();
    model.chat(&request(&messages)).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());

    // Longer than anybody would wait: the answer is known at once, and so it is for the next, who asks nobody.
    let provider = Provider::start([fail(429, &[("retry-after", "100")]), whole()]).await;
    let model = provider.model();
    let error = model.chat(&request(&messages)).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(100)));
    assert!(matches!(
        model.chat(&request(&messages)).await,
        Err(Error::Resting { .. })
    ));
    assert_eq!(provider.asked().len(), 1);
}

#[tokio::test]
async fn what_a_model_does_not_understand_is_left_out_from_then_on() {
    let strange = |name: &str| {
        vec![
            Step::Head(400, &[]),
            say(&format!("{{\"error\":\"unknown: {name}\"}}")),
            Step::End,
        ]
    };
    let provider = Provider::start([strange("stream_options"), strange("max_tokens"), whole()]).await;
    let (model, messages) = (provider.model(), question());
    for _ in 0..2 {
        read(model.chat(&request(&messages)).await.unwrap()).await.unwrap();
    }
    let asked = provider.asked();
    assert_eq!(asked.len(), 4);
    for last in &asked[2..] {
        assert!(last.body.get("stream_options").is_none() && last.body.get("max_tokens").is_none());
        assert_eq!(last.body["max_completion_tokens"], 100);
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_unreachable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let settings = Settings {
        base_url: format!("http://{address}/v1"),
        key: "the-secret-key".to_owned().into(),
        limits: Limits {
            first_token: LONG,
            pause: Duration::from_millis(1),
            ..Limits::default()
        },
    };
    let messages = question();
    let error = Client::new(settings)
        .unwrap()
        .model("stub")
        .chat(&request(&messages))
        .await
        .unwrap_err();
    assert_eq!(error.word(), "unreachable");
    assert!(!error.to_string().contains("secret"));
}

#[test]
fn an_address_that_is_none_is_told_at_once() {
    for base_url in ["", "provider", "ftp://x/v1", "file:///etc"] {
        let settings = Settings {
            base_url: base_url.into(),
            key: String::new().into(),
            limits: Limits::default(),
        };
        assert!(matches!(Client::new(settings), Err(Error::Settings(_))), "{base_url}");
    }
}

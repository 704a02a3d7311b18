//! The provider's client: batches, order, retries, and errors that help.

use std::time::Duration;

use embedding::{
    Embedder, Error, Kind, Model,
    openai::{OpenAi, Settings},
};
use secrecy::SecretString;
use serde_json::json;

use crate::support::{Provider, Seen, texts};

fn settings(port: u16) -> Settings {
    Settings {
        base_url: format!("http://127.0.0.1:{port}/v1/"),
        key: Some(SecretString::from("sk-s3cret")),
        model: Model {
            name: "small".to_owned(),
            dimension: 2,
            max_tokens: 512,
            multilingual: true,
            calibration: embedding::Calibration::default(),
        },
        served_as: "small".to_owned(),
        price: 20.0,
        passage_prefix: "passage: ".to_owned(),
        query_prefix: "query: ".to_owned(),
        deadline: Duration::from_secs(20),
        patience: Duration::from_secs(20),
    }
}

fn client(provider: &Provider) -> OpenAi {
    OpenAi::new(settings(provider.port)).unwrap()
}

fn inputs(request: &Seen) -> Vec<&str> {
    request.body["input"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect()
}

/// For each text the vector (its first number, 1) times 3; in the reverse order, as a provider may.
fn vectors(request: &Seen) -> String {
    let data: Vec<_> = inputs(request)
        .iter()
        .enumerate()
        .rev()
        .map(|(index, text)| {
            let number: f32 = text.rsplit(' ').next().unwrap().parse().unwrap();
            json!({"index": index, "embedding": [number * 3.0, 3.0], "object": "embedding"})
        })
        .collect();
    json!({"data": data, "model": "small", "usage": {"total_tokens": 1}}).to_string()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("text {number}")).collect()
}

#[track_caller]
fn assert_numbered(vectors: &[Vec<f32>], count: usize) {
    assert_eq!(vectors.len(), count);
    for (number, vector) in vectors.iter().enumerate() {
        let length = (number as f32).hypot(1.0);
        assert!(
            (vector[0] - number as f32 / length).abs() < 1e-4,
            "{number}: {vector:?}"
        );
        assert!((vector[1] - 1.0 / length).abs() < 1e-4, "{number}: {vector:?}");
    }
}

#[tokio::test]
async fn texts_go_in_batches_and_vectors_come_back_in_order_with_length_one() {
    let provider = Provider::start(|_, request| Some((200, "", vectors(request))));
    let found = client(&provider).embed(Kind::Passage, &numbered(250)).await.unwrap();
    assert_numbered(&found, 250);
    let seen = provider.seen();
    assert_eq!(
        seen.iter().map(|request| inputs(request).len()).collect::<Vec<_>>(),
        [100, 100, 50]
    );
    assert!(
        seen[0].head.starts_with("post /v1/embeddings http/1.1\r\n"),
        "{}",
        seen[0].head
    );
    assert!(seen[0].head.contains("authorization: bearer sk-s3cret\r\n"));
    assert_eq!(seen[0].body["model"], "small");
}

#[tokio::test]
async fn the_kind_of_text_is_told_by_a_prefix() {
    let provider = Provider::start(|_, request| Some((200, "", vectors(request))));
    let client = client(&provider);
    client.embed(Kind::Passage, &numbered(1)).await.unwrap();
    client.embed(Kind::Query, &numbered(1)).await.unwrap();
    let seen = provider.seen();
    assert_eq!(inputs(&seen[0]), ["passage: text 0"]);
    assert_eq!(inputs(&seen[1]), ["query: text 0"]);
}

#[tokio::test]
async fn no_texts_make_no_request() {
    let provider = Provider::start(|_, request| Some((200, "", vectors(request))));
    assert!(client(&provider).embed(Kind::Passage, &[]).await.unwrap().is_empty());
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn a_busy_or_broken_provider_is_asked_again() {
    let provider = Provider::start(|number, request| match number {
        0 => Some((429, "Retry-After: 0\r\n", String::new())),
        1 => Some((503, "Retry-After: 0\r\n", "overloaded".to_owned())),
        2 => Some((500, "", String::new())),
        _ => Some((200, "", vectors(request))),
    });
    let found = client(&provider).embed(Kind::Passage, &numbered(3)).await.unwrap();
    assert_numbered(&found, 3);
    assert_eq!(provider.seen().len(), 4);
}

#[tokio::test]
async fn a_pause_beyond_the_deadline_is_not_waited_for() {
    let provider = Provider::start(|_, _| {
        Some((
            429,
            "Retry-After: 3600\r\n",
            json!({"error": {"message": "slow down"}}).to_string(),
        ))
    });
    let error = client(&provider).embed(Kind::Query, &numbered(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "the embedding provider answered 429: slow down");
    assert_eq!(error.retry_after(), Some(Duration::from_hours(1)));
    assert!(error.is_retryable());
    assert_eq!(provider.seen().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_not_repeated_and_does_not_tell_the_key() {
    let body = json!({"error": {"message": "Incorrect API key provided"}}).to_string();
    let provider = Provider::start(move |_, _| Some((401, "", body.clone())));
    let error = client(&provider).embed(Kind::Query, &numbered(1)).await.unwrap_err();
    assert!(
        matches!(&error, Error::Provider { status: 401, message, retry_after: None } if message == "Incorrect API key provided")
    );
    assert!(!error.is_retryable());
    assert_eq!(provider.seen().len(), 1);
    assert!(!format!("{error:?} {:?}", settings(1)).contains("s3cret"));
}

#[tokio::test]
async fn a_silent_provider_is_left_at_the_deadline() {
    let provider = Provider::start(|_, _| None);
    let patience = Duration::from_millis(300);
    let client = OpenAi::new(Settings {
        patience,
        ..settings(provider.port)
    })
    .unwrap();
    let error = client.embed(Kind::Query, &numbered(1)).await.unwrap_err();
    assert!(
        matches!(error, Error::Unreachable(_)) && error.is_retryable(),
        "{error}"
    );
}

#[tokio::test]
async fn nobody_at_the_port_is_said() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let patience = Duration::from_secs(2);
    let client = OpenAi::new(Settings {
        patience,
        ..settings(port)
    })
    .unwrap();
    let error = client.embed(Kind::Query, &numbered(1)).await.unwrap_err();
    assert!(error.to_string().contains("Connection refused"), "{error}");
}

#[tokio::test]
async fn a_question_is_asked_once_and_a_provider_that_fails_is_left_alone() {
    let provider = Provider::start(|_, _| Some((500, "", "{}".to_owned())));
    let client = client(&provider);
    for asked in 1..=5 {
        client.embed(Kind::Query, &numbered(1)).await.unwrap_err();
        assert_eq!(provider.seen().len(), asked, "no second try");
    }
    let error = client.embed(Kind::Query, &numbered(1)).await.unwrap_err();
    assert!(error.to_string().contains("is left alone for"), "{error}");
    assert!(error.is_retryable());
    assert_eq!(provider.seen().len(), 5);
}

#[tokio::test]
async fn unusable_answers_are_errors() {
    for (body, part) in [
        ("<html>", "expected value"),
        (r#"{"data":[]}"#, "text 0 of 1 has no vector"),
        (
            r#"{"data":[{"index":0,"embedding":[1,2,3]}]}"#,
            "vectors have 3 values, the settings say 2",
        ),
        (
            r#"{"data":[{"index":7,"embedding":[1,2]}]}"#,
            "no text has the number 7",
        ),
        (r#"{"data":[{"index":0,"embedding":[0,0]}]}"#, "without a direction"),
    ] {
        let provider = Provider::start(move |_, _| Some((200, "", body.to_owned())));
        let error = client(&provider).embed(Kind::Query, &numbered(1)).await.unwrap_err();
        assert!(error.to_string().contains(part), "{body}: {error}");
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn texts_do_not_follow_a_redirect() {
    let elsewhere = Provider::start(|_, request| Some((200, "", vectors(request))));
    let location: &'static str = format!("Location: http://127.0.0.1:{}/v1/embeddings\r\n", elsewhere.port).leak();
    let provider = Provider::start(move |_, _| Some((307, location, String::new())));
    let error = client(&provider).embed(Kind::Query, &numbered(1)).await.unwrap_err();
    assert!(matches!(error, Error::Provider { status: 307, .. }), "{error}");
    assert!(elsewhere.seen().is_empty());
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for base_url in ["", "provider.example", "ftp://provider.example/v1"] {
        let error = OpenAi::new(Settings {
            base_url: base_url.to_owned(),
            ..settings(1)
        })
        .map(|_| ())
        .unwrap_err();
        assert!(error.to_string().contains("the base URL"), "{error}");
    }
}

#[test]
fn tokens_are_estimated_from_bytes() {
    let client = OpenAi::new(settings(1)).unwrap();
    let counts: Vec<_> = texts(&["", "one", "four", "日本"])
        .iter()
        .map(|text| client.count_tokens(text))
        .collect();
    assert_eq!(counts, [0, 1, 2, 2]);
}

#[tokio::test]
async fn what_the_provider_read_is_counted_with_its_price_and_estimated_where_it_does_not_tell() {
    let provider = Provider::start(|number, request| {
        let mut told: serde_json::Value = serde_json::from_str(&vectors(request)).unwrap();
        match number {
            0 => told["usage"] = json!({ "prompt_tokens": 500_000, "total_tokens": 500_000 }),
            1 => told["usage"] = json!({ "prompt_tokens": 7 }),
            _ => drop(told.as_object_mut().unwrap().remove("usage")),
        }
        Some((200, "", told.to_string()))
    });
    let client = client(&provider);
    let spent = async |kind, count| client.embed_counted(kind, &numbered(count)).await.unwrap().spent;
    let first = spent(Kind::Query, 1).await;
    assert_eq!((first.tokens, first.usd), (500_000, 10.0));
    assert_eq!(spent(Kind::Query, 1).await.tokens, 7);
    let estimate = client.count_tokens("passage: text 0") as u64;
    assert_eq!(spent(Kind::Passage, 3).await.tokens, 3 * estimate);
}

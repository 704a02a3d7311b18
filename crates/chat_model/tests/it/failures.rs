//! Each way to fail ends in an error that names it.
use chat_model::{Error, Limits, Model, State, Wait};
use std::time::Duration;

use crate::{
    provider::{LONG, Provider, Step, finish, question, request, say, stream, text},
    streams::read,
};

const SHORT: Duration = Duration::from_millis(300);

/// The error before the first text, or after some.
async fn failure(model: &Model) -> (Error, bool) {
    let messages = question();
    match model.chat(&request(&messages)).await {
        Err(error) => (error, false),
        Ok(answer) => (read(answer).await.unwrap_err(), true),
    }
}

fn once() -> Limits {
    let attempts = 1;
    Limits { attempts, ..patient() }
}

fn patient() -> Limits {
    Limits {
        first_token: LONG,
        silence: LONG,
        total: LONG,
        ..Limits::default()
    }
}

#[tokio::test]
async fn statuses_are_told_with_the_provider_s_words_and_without_the_key() {
    const CASES: [(u16, &str); 6] = [
        (401, "unauthorized"),
        (429, "rate_limited"),
        (500, "server_error"),
        (503, "server_error"),
        (404, "rejected"),
        (204, "server_error"),
    ];
    for (status, word) in CASES {
        let body = r#"{"error":{"message":"no such luck","code":"luck"}}"#;
        let provider = Provider::start([vec![Step::Head(status, &[]), say(body), Step::End]]).await;
        let (error, begun) = failure(&provider.limited(once())).await;
        assert_eq!((error.word(), begun), (word, false), "{status}");
        assert!(!error.to_string().contains("secret"));
        if status != 204 {
            assert_eq!(
                error.to_string(),
                format!("the provider answered {status}: no such luck")
            );
        }
    }
}

#[tokio::test]
async fn a_redirect_does_not_carry_the_key_elsewhere() {
    let elsewhere = Provider::start([crate::provider::whole()]).await;
    let location: &'static str = format!("http://{}/v1/chat/completions", elsewhere.address).leak();
    let headers: &'static [(&str, &str)] = vec![("location", location)].leak();
    for status in [301, 302, 303, 307, 308] {
        let provider = Provider::start([vec![Step::Head(status, headers), Step::End]]).await;
        let (error, _) = failure(&provider.model()).await;
        assert!(
            matches!(error, Error::Status { status: told, .. } if told == status),
            "{error}"
        );
    }
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn an_error_s_body_that_never_ends_is_cut() {
    let endless = Step::Repeat(vec![b'x'; 4096], Duration::ZERO);
    let provider = Provider::start([vec![Step::Head(400, &[]), endless]]).await;
    let (error, _) = failure(&provider.model()).await;
    assert!(
        matches!(&error, Error::Status { status: 400, message, .. } if message.len() == 300),
        "{error}"
    );
    provider.left(1).await;
}

#[tokio::test]
async fn silence_is_cut_wherever_it_falls() {
    let scripts = [
        // The head never comes, then the first token.
        (vec![Step::Hang], Wait::FirstToken),
        (vec![stream(), Step::Hang], Wait::FirstToken),
        // Comments, blanks and thoughts are no text.
        (
            vec![
                stream(),
                Step::Repeat(b": waiting\n\n".to_vec(), Duration::from_millis(5)),
            ],
            Wait::FirstToken,
        ),
        (vec![stream(), text("Two "), Step::Hang], Wait::NextToken),
        (
            vec![
                stream(),
                text("Two "),
                Step::Repeat(b": waiting\n\n".to_vec(), Duration::from_millis(5)),
            ],
            Wait::NextToken,
        ),
    ];
    for (script, wait) in scripts {
        let what = format!("{script:?}");
        let provider = Provider::start([script]).await;
        let limits = match wait {
            Wait::FirstToken => Limits {
                first_token: SHORT,
                ..patient()
            },
            _ => Limits {
                silence: SHORT,
                ..patient()
            },
        };
        let (error, begun) = failure(&provider.limited(limits)).await;
        assert!(matches!(error, Error::Silent(w) if w == wait), "{what}: {error}");
        assert_eq!(begun, wait == Wait::NextToken);
        provider.left(1).await;
    }
}

#[tokio::test]
async fn a_slow_drip_and_an_endless_answer_have_an_end() {
    let Step::Say(token) = text("x ") else { unreachable!() };
    let drip = Step::Repeat(token.clone(), Duration::from_millis(10));
    let provider = Provider::start([vec![stream(), drip]]).await;
    let (error, begun) = failure(&provider.limited(Limits {
        total: SHORT * 3,
        ..patient()
    }))
    .await;
    assert!(begun && matches!(error, Error::Silent(Wait::End)), "{error}");
    provider.left(1).await;

    let endless = [
        (token.repeat(100), "answer"),
        (b"data: {\"choices\":[]}\n\n".repeat(10_000), "stream"),
        (b": comment\n".repeat(10_000), "stream"),
        (b"data: x".repeat(10_000), "event"),
    ];
    for (piece, what) in endless {
        let provider = Provider::start([vec![stream(), text("x"), Step::Repeat(piece, Duration::ZERO)]]).await;
        let (error, begun) = failure(&provider.limited(patient())).await;
        assert!(
            begun && matches!(error, Error::TooLarge { what: told, .. } if told == what),
            "{what}: {error}"
        );
        provider.left(1).await;
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_never_whole() {
    let breaks = [
        // The connection is cut, the stream just ends, or ends with an error of the provider's.
        (vec![], "broken_off"),
        (vec![Step::End], "broken_off"),
        (
            vec![say("data: {\"choices\":[{\"delta\":{\"content\":\"Tw"), Step::End],
            "unreadable",
        ),
        (
            vec![say("data: {\"error\":{\"message\":\"overloaded\"}}\n\n"), Step::End],
            "broken_off",
        ),
        (vec![say("data: <html>\n\n"), Step::End], "unreadable"),
        (
            vec![
                Step::Say(b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n".to_vec()),
                Step::End,
            ],
            "unreadable",
        ),
        (vec![finish("content_filter"), Step::End], "filtered"),
        (vec![finish("tool_calls"), Step::End], "tool_call"),
    ];
    for (rest, word) in breaks {
        let what = format!("{rest:?}");
        for begin in [vec![stream()], vec![stream(), text("Two ")]] {
            let begun = begin.len() > 1;
            let provider = Provider::start([[begin, rest.clone()].concat()]).await;
            let (error, was_begun) = failure(&provider.limited(once())).await;
            assert_eq!((error.word(), was_begun), (word, begun), "{what}: {error}");
        }
    }
}

#[tokio::test]
async fn what_answers_with_a_page_is_no_provider() {
    let page = vec![
        Step::Head(200, &[("content-type", "text/html")]),
        say("<html>Welcome</html>"),
        Step::End,
    ];
    let provider = Provider::start([page]).await;
    assert_eq!(failure(&provider.limited(once())).await.0.word(), "broken_off");
}

#[tokio::test]
async fn nobody_waits_for_a_provider_that_keeps_failing() {
    let provider = Provider::start([vec![Step::Head(500, &[]), Step::End]]).await;
    let model = provider.limited(once());
    for _ in 0..5 {
        assert_eq!(failure(&model).await.0.word(), "server_error");
    }
    assert_eq!(model.breaker().state(), State::Open);
    assert_eq!(failure(&model).await.0.word(), "resting");
    assert_eq!(provider.asked().len(), 5);
}

#[tokio::test]
async fn what_breaks_after_the_first_token_counts_as_well_and_what_one_question_did_does_not() {
    let provider = Provider::start([vec![stream(), text("Two "), Step::End]]).await;
    let model = provider.limited(once());
    for _ in 0..5 {
        assert_eq!(failure(&model).await.0.word(), "broken_off");
    }
    assert_eq!(model.breaker().state(), State::Open);

    let refused = vec![Step::Head(400, &[]), say("too long"), Step::End];
    let filtered = vec![stream(), text("Two "), finish("content_filter"), Step::End];
    for script in [refused, filtered] {
        let provider = Provider::start([script]).await;
        let model = provider.limited(patient());
        for _ in 0..6 {
            failure(&model).await;
        }
        assert_eq!(model.breaker().state(), State::Closed);
    }
}

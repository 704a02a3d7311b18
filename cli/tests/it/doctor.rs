//! What `doctor` says of a provider: whether key, names and dimension are right.
use nix::sys::signal::Signal;
use testkit::{Provider, Script};

use crate::{
    process::{omniops, run, stdout},
    up::{Installation, Up},
};

/// Beside any other provider than OpenAI one model does for all questions.
const TWO: [(&str, &str); 2] = [("CHAT_MODEL", "gpt-4o"), ("CHAT_MODEL_SMALL", "gpt-4o-mini")];

/// What the doctor finds with these variables, as lines, and whether all is good.
async fn doctor(up: &Up<'_>, provider: &Provider, more: &[(&str, &str)]) -> (bool, Vec<String>) {
    let mut command = omniops();
    command
        .arg("doctor")
        .envs(up.variables())
        .env("OPENAI_API_KEY", "sk-a-key-that-nobody-may-see")
        .env("OPENAI_BASE_URL", provider.base_url())
        .envs(more.iter().copied());
    let output = run(command).await;
    let told = stdout(&output);
    assert!(!told.contains("nobody-may-see"), "{told}");
    (output.status.success(), told.lines().map(str::to_owned).collect())
}

fn of<'a>(lines: &'a [String], what: &str) -> Vec<&'a String> {
    lines.iter().filter(|line| line.contains(what)).collect()
}

#[tokio::test]
async fn doctor_asks_each_model_one_word_and_says_what_is_wrong() {
    let installation = Installation::new();
    let up = installation.up().await;
    up.crawled().await;
    let provider = Provider::start(Script::Say(vec!["ok".into()])).await;

    let (good, lines) = doctor(&up, &provider, &TWO).await;
    assert!(good, "{lines:?}");
    assert_eq!(
        of(&lines, "ok    chat model").len(),
        2,
        "a large and a small one: {lines:?}"
    );
    assert_eq!(provider.asked().len(), 2);
    assert!(
        provider
            .asked()
            .iter()
            .all(|asked| asked["max_tokens"].as_u64() < Some(20) || asked["max_completion_tokens"].as_u64() < Some(20))
    );

    // A name without a price is worth a note.
    let (good, lines) = doctor(
        &up,
        &provider,
        &[("CHAT_MODEL", "llama"), ("CHAT_MODEL_SMALL", "llama")],
    )
    .await;
    assert!(
        good && of(&lines, "note  prices: no price of llama").len() == 1,
        "{lines:?}"
    );

    for (script, advice) in [
        (Script::Fail(401), "check OPENAI_API_KEY"),
        (
            Script::Fail(404),
            "check CHAT_MODEL, CHAT_MODEL_SMALL and OPENAI_BASE_URL",
        ),
        (Script::Refuse(429, 600), "the quota is used up"),
        (
            Script::Raw("<html>hello</html>".into()),
            "does not lead to an OpenAI-compatible interface",
        ),
    ] {
        let what = format!("{script:?}");
        provider.follow(script);
        let (good, lines) = doctor(&up, &provider, &TWO).await;
        let found = of(&lines, "MEND  chat model");
        assert!(!good && found.len() == 2, "{what}: {lines:?}");
        assert!(found.iter().all(|line| line.contains(advice)), "{what}: {found:?}");
    }
    up.stop(Signal::SIGTERM).await;
}

#[tokio::test]
async fn doctor_has_a_word_embedded_and_knows_a_wrong_dimension() {
    let installation = Installation::new();
    let up = installation.up().await;
    let provider = Provider::start(Script::Say(vec!["ok".into()])).await;
    let embedding = [("EMBEDDING_MODEL", "text-embedding-3-small")];
    provider.embed(1536);
    let (_, lines) = doctor(&up, &provider, &embedding).await;
    assert_eq!(of(&lines, "ok    embedding model").len(), 1, "{lines:?}");

    provider.embed(768);
    let (good, lines) = doctor(&up, &provider, &embedding).await;
    let found = of(&lines, "MEND  embedding model");
    assert!(!good && found.len() == 1, "{lines:?}");
    assert!(
        found[0].contains("768") && found[0].contains("1536") && found[0].contains("EMBEDDING_MODEL"),
        "{found:?}"
    );

    provider.follow(Script::Fail(401));
    let (good, lines) = doctor(&up, &provider, &embedding).await;
    let found = of(&lines, "MEND  embedding model");
    assert!(
        !good && found.len() == 1 && found[0].contains("check OPENAI_API_KEY"),
        "{lines:?}"
    );
    up.stop(Signal::SIGTERM).await;
}

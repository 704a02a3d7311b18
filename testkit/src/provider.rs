//! A stub of an OpenAI-compatible provider: a real HTTP server that streams what a test scripted, and notes what it was asked
//! and whether its reader stayed.
use embedding::{Embedder, Kind};
use poem::{Body, Endpoint, IntoResponse, Request, Response, http::StatusCode};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{io::AsyncWriteExt, sync::watch};

use crate::{kit::PATIENCE, local::Local};

/// What the provider does with the next requests.
#[derive(Clone, Debug)]
pub enum Script {
    /// Streams these pieces, then says how many tokens it took.
    Say(Vec<String>),
    /// The same, once the test lets go ([`Provider::let_go`]).
    Held(Vec<String>),
    /// Streams the first piece at once, and the others when the test lets go.
    Paused(String, Vec<String>),
    /// Streams one piece and then nothing, until the reader leaves.
    Hang(String),
    /// Begins a stream without any text, until the reader leaves.
    Mute,
    /// Answers with this status.
    Fail(u16),
    /// Answers with this status and a wish to be left alone for so many seconds.
    Refuse(u16, u64),
    /// Streams this as it is, and ends.
    Raw(String),
    /// Says it as this model; any other is unknown.
    Known(String, Vec<String>),
}

impl Script {
    /// These pieces, and an end for this reason (`stop`, `length`, …), without a count of tokens.
    pub fn ending(pieces: &[&str], reason: &str) -> Self {
        let end = json!({ "choices": [{ "delta": {}, "finish_reason": reason }] });
        Self::Raw(format!("{}data: {end}\n\ndata: [DONE]\n\n", deltas(pieces)))
    }

    /// These pieces, and then the stream breaks off.
    pub fn breaking(pieces: &[&str]) -> Self {
        Self::Raw(deltas(pieces))
    }
}

fn deltas(pieces: &[&str]) -> String {
    pieces.iter().copied().map(delta).collect()
}

fn delta(text: &str) -> String {
    format!("data: {}\n\n", json!({ "choices": [{ "delta": { "content": text } }] }))
}

/// The stub; it ends when it is dropped.
pub struct Provider {
    state: Arc<State>,
    server: Local,
}

struct State {
    script: Mutex<Script>,
    asked: Mutex<Vec<Value>>,
    left: watch::Sender<usize>,
    held: watch::Sender<bool>,
    /// Numbers of a vector.
    dimension: AtomicUsize,
    /// What makes vectors, and the cosine that texts have that have nothing to do with each other.
    embedder: Mutex<Option<(Arc<dyn Embedder>, f32)>>,
}

impl Provider {
    /// Starts a provider that follows `script`.
    pub async fn start(script: Script) -> Self {
        let state = Arc::new(State {
            script: Mutex::new(script),
            asked: Mutex::default(),
            left: watch::channel(0).0,
            held: watch::channel(true).0,
            dimension: AtomicUsize::new(0),
            embedder: Mutex::default(),
        });
        let server = Local::serve(ProviderEndpoint(state.clone())).await;
        Self { state, server }
    }

    /// What `OPENAI_BASE_URL` is set to.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.server.address)
    }

    /// Follows another script from now on.
    pub fn follow(&self, script: Script) {
        *self.state.script.lock().unwrap_or_else(PoisonError::into_inner) = script;
    }

    /// Embeds from now on, as long as the script is no failure: each text as a vector of so many numbers.
    pub fn embed(&self, dimension: usize) {
        self.state.dimension.store(dimension, SeqCst);
    }

    /// Embeds from now on as `model` does, but with all texts nearer to each other: a cosine of 0 becomes `least`, one of 1 stays.
    pub fn embed_by(&self, model: Arc<dyn Embedder>, least: f32) {
        *self.state.embedder.lock().unwrap_or_else(PoisonError::into_inner) = Some((model, least));
    }

    /// Lets all that is held go on, from now on.
    pub fn let_go(&self) {
        self.state.held.send_replace(false);
    }

    /// The bodies of the requests so far.
    pub fn asked(&self) -> Vec<Value> {
        self.state.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `n` readers have left a hanging answer.
    pub async fn left(&self, n: usize) {
        let mut left = self.state.left.subscribe();
        let waited = tokio::time::timeout(PATIENCE, left.wait_for(|seen| *seen >= n)).await;
        assert!(waited.is_ok(), "no reader left the provider's stream");
    }
}

struct ProviderEndpoint(Arc<State>);

impl Endpoint for ProviderEndpoint {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let body: Value = request.take_body().into_json().await.unwrap_or(Value::Null);
        let embeds = request.uri().path().ends_with("/embeddings");
        let dimension = self.0.dimension.load(SeqCst);
        let embedder = self.0.embedder.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let scripted = self.0.script.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let fails = matches!(scripted, Script::Fail(_) | Script::Refuse(..));
        if let Some((model, least)) = embedder.filter(|_| embeds && !fails) {
            let told = vectors(&*model, least, &body["input"]).await;
            return Ok(Response::builder()
                .content_type("application/json")
                .body(told.to_string()));
        }
        if dimension > 0 && !fails && embeds {
            let texts = body["input"].as_array().map_or(1, Vec::len);
            let data: Vec<Value> = (0..texts)
                .map(|index| json!({ "index": index, "embedding": vec![1.0; dimension] }))
                .collect();
            return Ok(Response::builder()
                .content_type("application/json")
                .body(json!({ "data": data }).to_string()));
        }
        let model = body["model"].as_str().unwrap_or_default().to_owned();
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        let mut script = scripted;
        if let Script::Known(known, pieces) = script {
            script = if known == model {
                Script::Say(pieces)
            } else {
                Script::Fail(404)
            };
        }
        if let Script::Fail(status) | Script::Refuse(status, _) = script {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut refusal = Response::builder().status(status);
            if let Script::Refuse(_, seconds) = script {
                refusal = refusal.header("retry-after", seconds);
            }
            return Ok(refusal.body("{\"error\":{\"message\":\"scripted\"}}"));
        }
        Ok(self
            .stream(script)
            .with_content_type("text/event-stream")
            .into_response())
    }
}

/// The answer to a request for vectors. One more number, the same for all, brings them nearer to each other.
async fn vectors(model: &dyn Embedder, least: f32, input: &Value) -> Value {
    let texts: Vec<String> = serde_json::from_value(input.clone()).expect("a list of texts");
    let vectors = model.embed(Kind::Query, &texts).await.expect("the model embeds");
    let nearer = |vector: Vec<f32>| -> Vec<f32> {
        let rest = vector.into_iter().map(|number| number * (1.0 - least).sqrt());
        rest.chain([least.sqrt()]).collect()
    };
    let data = vectors.into_iter().map(nearer).enumerate();
    let data: Vec<Value> = data
        .map(|(index, embedding)| json!({ "index": index, "embedding": embedding }))
        .collect();
    json!({ "data": data, "usage": { "total_tokens": texts.iter().map(String::len).sum::<usize>() } })
}

impl ProviderEndpoint {
    #[expect(clippy::disallowed_methods, reason = "the task ends with the reader")]
    fn stream(&self, script: Script) -> Body {
        let (reader, mut writer) = tokio::io::duplex(256);
        let state = self.0.clone();
        tokio::spawn(async move {
            if let Script::Paused(first, _) = &script {
                let _ = writer.write_all(delta(first).as_bytes()).await;
            }
            if matches!(script, Script::Held(_) | Script::Paused(..)) {
                // The provider may end first, and the task with it.
                let _ = state.held.subscribe().wait_for(|held| !held).await;
            }
            match script {
                Script::Say(pieces) | Script::Held(pieces) | Script::Paused(_, pieces) => {
                    let usage =
                        json!({ "choices": [], "usage": { "prompt_tokens": 100, "completion_tokens": pieces.len() } });
                    for piece in &pieces {
                        let _ = writer.write_all(delta(piece).as_bytes()).await;
                    }
                    let _ = writer
                        .write_all(format!("data: {usage}\n\ndata: [DONE]\n\n").as_bytes())
                        .await;
                }
                Script::Hang(_) | Script::Mute => {
                    // Comments keep the stream alive, and fail as soon as its reader is gone.
                    let mut line = match script {
                        Script::Hang(first) => delta(&first),
                        _ => ": thinking\n\n".into(),
                    };
                    while writer.write_all(line.as_bytes()).await.is_ok() {
                        line = ": waiting\n\n".into();
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    state.left.send_modify(|n| *n += 1);
                }
                Script::Raw(stream) => {
                    let _ = writer.write_all(stream.as_bytes()).await;
                }
                Script::Fail(_) | Script::Refuse(..) | Script::Known(..) => {}
            }
        });
        Body::from_async_read(reader)
    }
}

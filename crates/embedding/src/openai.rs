//! Embeddings of any provider with `OpenAI`'s interface: `POST {base}/embeddings` with `model` and `input`.
//!
//! The base URL is the operator's, so it may be local; nothing of a tenant decides where requests go. What must stay true:
//! the key never appears in an error or a log, and one call ends within its deadline, retries included. Somebody waits for the vector
//! of a question: it is asked for once, within its patience, and after failures in a row not at all for a while. Whoever asks has
//! the words to go by.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use breaker::Breaker;
use reqwest::{StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{Embedded, Embedder, Error, Kind, Model, Spent, normalise};

/// Texts of one request; within what known providers accept.
const BATCH: usize = 100;

/// The first pause before another try; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause that is not the provider's own wish.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// As much of a provider's message as goes into an error.
const MESSAGE_CHARS: usize = 300;

/// Where the provider is and how its model is to be used.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The interface's root, such as `https://provider.example/v1`.
    pub base_url: String,
    /// Sent as a bearer token; local servers often need none.
    pub key: Option<SecretString>,
    /// Name, dimension and window of the provider's model.
    pub model: Model,
    /// The name that the provider knows the model by.
    pub served_as: String,
    /// USD for a million tokens; nothing where it is not known.
    pub price: f64,
    /// Put before every passage, for models trained with prefixes (`passage: `).
    pub passage_prefix: String,
    /// Put before every query (`query: `).
    pub query_prefix: String,
    /// The longest that one [`Embedder::embed`] of passages may take, with all its requests and retries.
    pub deadline: Duration,
    /// The longest that one of questions may take, which is not tried again.
    pub patience: Duration,
}

/// The provider's client.
pub struct OpenAi {
    settings: Settings,
    url: reqwest::Url,
    http: reqwest::Client,
    /// Of questions: a job waits and tries again by itself.
    breaker: Arc<Breaker>,
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'static str,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
    #[serde(default)]
    usage: Option<Usage>,
}

/// Some tell one of them, some none.
#[derive(Deserialize)]
struct Usage {
    total_tokens: Option<u64>,
    prompt_tokens: Option<u64>,
}

impl Answer {
    fn tokens(&self) -> Option<u64> {
        let usage = self.usage.as_ref()?;
        usage.total_tokens.or(usage.prompt_tokens).filter(|tokens| *tokens > 0)
    }
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Vec<f32>,
}

/// What one try came to.
enum Attempt {
    Done(Answer),
    /// Worth another try, after the pause that the provider asked for.
    Again(Error, Option<Duration>),
}

impl OpenAi {
    /// A client; connects to nothing yet.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        // An error says that this process has a TLS provider already, which is all that is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = format!("{}/embeddings", settings.base_url.trim_end_matches('/'));
        let url = reqwest::Url::parse(&url)
            .map_err(|error| Error::Settings(format!("the base URL `{}`: {error}", settings.base_url)))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::Settings(format!(
                "the base URL `{}` is not http or https",
                settings.base_url
            )));
        }
        let http = reqwest::Client::builder()
            // A redirect would carry the texts to a place that the operator did not name.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::Settings(error.to_string()))?;
        Ok(Self {
            settings,
            url,
            http,
            breaker: Arc::default(),
        })
    }

    async fn batch(&self, texts: &[String], deadline: Instant) -> Result<Answer, Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            let (error, wish) = match timeout_at(deadline, self.attempt(texts)).await {
                Ok(Ok(Attempt::Done(answer))) => return Ok(answer),
                Ok(Ok(Attempt::Again(error, wish))) => (error, wish),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(Error::Unreachable("the deadline passed".to_owned())),
            };
            let wait = wish.unwrap_or(pause);
            // The deadline would pass in the pause: the last answer is more telling than a timeout, and earlier.
            if Instant::now() + wait >= deadline {
                return Err(error);
            }
            tracing::debug!(%error, ?wait, "trying the embedding provider again");
            sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One try that counts for the breaker.
    async fn at_once(&self, texts: &[String], deadline: Instant) -> Result<Answer, Error> {
        let permit = self.breaker.enter().map_err(|rest| {
            let seconds = rest.as_secs().max(1);
            Error::Unreachable(format!(
                "it failed several times in a row and is left alone for {seconds} s"
            ))
        })?;
        let (error, wish) = match timeout_at(deadline, self.attempt(texts)).await {
            Ok(Ok(Attempt::Done(answer))) => {
                permit.succeed();
                return Ok(answer);
            }
            Ok(Ok(Attempt::Again(error, wish))) => (error, wish),
            Ok(Err(error)) => return Err(error),
            Err(_) => (Error::Unreachable("the deadline passed".to_owned()), None),
        };
        permit.fail(wish);
        Err(error)
    }

    async fn attempt(&self, texts: &[String]) -> Result<Attempt, Error> {
        let body = Request {
            model: &self.settings.served_as,
            input: texts,
            encoding_format: "float",
        };
        let mut request = self.http.post(self.url.clone()).json(&body);
        if let Some(key) = &self.settings.key {
            request = request.bearer_auth(key.expose_secret());
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Ok(Attempt::Again(unreachable(error), None)),
        };
        let status = response.status();
        let wish = retry_after(response.headers());
        let body = match response.bytes().await {
            Ok(body) => body,
            Err(error) => return Ok(Attempt::Again(unreachable(error), None)),
        };
        if status.is_success() {
            let answer = serde_json::from_slice(&body).map_err(|error| Error::Answer(error.to_string()))?;
            return Ok(Attempt::Done(answer));
        }
        let error = Error::Provider {
            status: status.as_u16(),
            message: message(&without(self.settings.key.as_ref(), &body)),
            retry_after: wish,
        };
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Ok(Attempt::Again(error, wish));
        }
        Err(error)
    }

    /// The vectors in the texts' order, whatever the answer's order is.
    fn vectors(&self, answer: Answer, count: usize) -> Result<Vec<Vec<f32>>, Error> {
        let dimension = self.settings.model.dimension;
        let mut vectors = vec![Vec::new(); count];
        for Item { index, mut embedding } in answer.data {
            if embedding.len() != dimension {
                let found = embedding.len();
                return Err(Error::Answer(format!(
                    "vectors have {found} values, the settings say {dimension}"
                )));
            }
            normalise(&mut embedding)?;
            *vectors
                .get_mut(index)
                .ok_or_else(|| Error::Answer(format!("no text has the number {index}")))? = embedding;
        }
        match vectors.iter().position(Vec::is_empty) {
            Some(missing) => Err(Error::Answer(format!("text {missing} of {count} has no vector"))),
            None => Ok(vectors),
        }
    }
}

#[async_trait]
impl Embedder for OpenAi {
    fn model(&self) -> &Model {
        &self.settings.model
    }

    async fn embed(&self, kind: Kind, texts: &[String]) -> Result<Vec<Vec<f32>>, Error> {
        Ok(self.embed_counted(kind, texts).await?.vectors)
    }

    async fn embed_counted(&self, kind: Kind, texts: &[String]) -> Result<Embedded, Error> {
        let (prefix, within) = match kind {
            Kind::Passage => (&self.settings.passage_prefix, self.settings.deadline),
            Kind::Query => (&self.settings.query_prefix, self.settings.patience),
        };
        let deadline = Instant::now() + within;
        let mut embedded = Embedded::default();
        for batch in texts.chunks(BATCH) {
            let prefixed: Vec<String> = batch.iter().map(|text| format!("{prefix}{text}")).collect();
            let answer = match kind {
                Kind::Passage => self.batch(&prefixed, deadline).await?,
                Kind::Query => self.at_once(&prefixed, deadline).await?,
            };
            let estimate = || prefixed.iter().map(|text| self.count_tokens(text) as u64).sum();
            let tokens = answer.tokens().unwrap_or_else(estimate);
            embedded.spent = embedded.spent
                + Spent {
                    tokens,
                    usd: self.settings.price * tokens as f64 / 1e6,
                };
            embedded.vectors.extend(self.vectors(answer, batch.len())?);
        }
        Ok(embedded)
    }

    fn scale_is_unknown(&self) -> bool {
        true
    }

    /// An estimate: one token for every three bytes, which counts a third too many in English (some four letters a token)
    /// and about right in scripts of three bytes a character. Providers' tokenizers differ and are not at hand.
    fn count_tokens(&self, text: &str) -> usize {
        text.len().div_ceil(3)
    }
}

/// The cause without the URL, which adds nothing to an error that names the provider.
fn unreachable(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        reason = format!("{reason}: {inner}");
        cause = inner.source();
    }
    Error::Unreachable(reason)
}

/// The longest rest that a provider is given, whatever it asks for.
const LONGEST_REST: Duration = Duration::from_hours(1);

/// Seconds of `Retry-After` (RFC 9110 §10.2.3); providers do not use its date form.
fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_REST))
}

/// A shorter key is no secret, and may be a word of what somebody says.
const KEY_CHARS: usize = 8;

/// What a provider said, without the key, which some repeat to whoever has sent it.
fn without(key: Option<&SecretString>, body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    match key.map(ExposeSecret::expose_secret) {
        Some(key) if key.len() >= KEY_CHARS => text.replace(key, "[key]").into_bytes(),
        _ => text.into_owned().into_bytes(),
    }
}

/// `error.message` of the provider's JSON, else the beginning of what it said.
fn message(body: &[u8]) -> String {
    let json = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    let text = match json.pointer("/error/message").and_then(serde_json::Value::as_str) {
        Some(message) => message.to_owned(),
        None => String::from_utf8_lossy(body).into_owned(),
    };
    text.chars().take(MESSAGE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_providers_own_words_are_shortened() {
        assert_eq!(message(br#"{"error":{"message":"bad key","type":"auth"}}"#), "bad key");
        assert_eq!(message(b"Bad Gateway"), "Bad Gateway");
        assert_eq!(message("é".repeat(1000).as_bytes()).chars().count(), MESSAGE_CHARS);
    }

    #[test]
    fn retry_after_is_read_in_seconds() {
        let of = |value: &'static str| {
            retry_after(&header::HeaderMap::from_iter([(
                header::RETRY_AFTER,
                header::HeaderValue::from_static(value),
            )]))
        };
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        assert_eq!(of("soon"), None);
    }
}

//! The client: asks, tries again while that helps, and hands out answers that have begun.
use reqwest::{Response, StatusCode, Url, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::{
    Answer, Breaker, Error, Request, Wait, chunk,
    error::{story, without},
    request::Dialect,
    retry,
};

/// As much of an error's body as is read, and how long that may take.
const ERROR_BYTES: usize = 16 * 1024;
const ERROR_TIME: Duration = Duration::from_secs(2);

/// How long things may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A connection.
    pub connect: Duration,
    /// From the call to the first text, with all tries and pauses: how long somebody waits who sees nothing yet.
    pub first_token: Duration,
    /// Between two texts.
    pub silence: Duration,
    /// From the call to the end of the answer.
    pub total: Duration,
    /// Tries of one call.
    pub attempts: u32,
    /// The longest first pause; see [`retry::pause`].
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_token: Duration::from_secs(20),
            silence: Duration::from_secs(15),
            total: Duration::from_secs(90),
            attempts: 3,
            pause: Duration::from_millis(400),
        }
    }
}

/// Where the provider is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The interface's root, such as `https://provider.example/v1`.
    pub base_url: String,
    /// Sent as a bearer token.
    pub key: SecretString,
    /// How long things may take.
    pub limits: Limits,
}

/// A provider. Cloning shares its connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    key: SecretString,
    limits: Limits,
}

impl Client {
    /// A client; connects to nothing yet.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        // An error says that this process has a TLS provider already, which is all that is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = settings.base_url.trim_end_matches('/');
        let url = Url::parse(&format!("{base}/chat/completions"))
            .map_err(|error| Error::Settings(format!("the base URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::Settings("the base URL is not http or https".into()));
        }
        let http = reqwest::Client::builder()
            // A redirect would carry the key and the texts to a place that nobody named.
            .redirect(Policy::none())
            .connect_timeout(settings.limits.connect)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| Error::Settings(story(error)))?;
        Ok(Self {
            http,
            url,
            key: settings.key,
            limits: settings.limits,
        })
    }

    /// One of its models, with a circuit of its own.
    pub fn model(&self, name: &str) -> Model {
        Model {
            client: self.clone(),
            name: name.into(),
            breaker: Arc::default(),
            dialect: Arc::new(Dialect::of(name)),
        }
    }
}

/// A model of a provider. Cloning shares its circuit.
#[derive(Clone)]
pub struct Model {
    client: Client,
    name: Arc<str>,
    breaker: Arc<Breaker>,
    dialect: Arc<Dialect>,
}

impl Model {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its circuit.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Asks, and returns the answer when its first text is there (or it ended without any). A failure that may pass is tried again
    /// after a pause, or after the time that the provider names, as long as the first text may still come in time.
    pub async fn chat(&self, request: &Request<'_>) -> Result<Answer, Error> {
        let permit = self.breaker.enter().map_err(|retry_in| Error::Resting { retry_in })?;
        match self.begin(request).await {
            Ok(answer) => Ok(answer.under(permit)),
            Err(error) => {
                if error.is_the_provider_s() {
                    permit.fail(error.retry_after());
                }
                Err(error)
            }
        }
    }

    async fn begin(&self, request: &Request<'_>) -> Result<Answer, Error> {
        let limits = &self.client.limits;
        let end_by = Instant::now() + limits.total;
        let begin_by = end_by.min(Instant::now() + limits.first_token);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let tried = timeout_at(begin_by, self.attempt(request, end_by)).await;
            let error = match tried.unwrap_or(Err(Error::Silent(Wait::FirstToken))) {
                Err(error) => error,
                begun => return begun,
            };
            if let Error::Status {
                status: 400 | 422,
                message,
                ..
            } = &error
                && self.dialect.learn(message)
            {
                continue;
            }
            if !error.is_passing() || attempts == limits.attempts {
                return Err(error);
            }
            let pause = error
                .retry_after()
                .unwrap_or_else(|| retry::pause(limits.pause, attempts));
            // The time would run out in the pause: this answer is more telling than a timeout, and earlier.
            if Instant::now() + pause >= begin_by {
                return Err(error);
            }
            tracing::debug!(
                model = self.name(),
                error = error.word(),
                ?pause,
                "asking the model again"
            );
            sleep(pause).await;
        }
    }

    async fn attempt(&self, request: &Request<'_>, end_by: Instant) -> Result<Answer, Error> {
        let Client { http, url, key, limits } = &self.client;
        let body = self.dialect.body(&self.name, request);
        let asked = http.post(url.clone()).bearer_auth(key.expose_secret()).json(&body);
        let response = asked.send().await.map_err(|error| Error::Unreachable(story(error)))?;
        if response.status() != StatusCode::OK {
            return Err(refused(response, key).await);
        }
        Answer::new(response, limits, end_by, key.clone()).begin().await
    }
}

/// What a status other than 200 says. The key goes before anything is cut, so that no part of it stays.
async fn refused(mut response: Response, key: &SecretString) -> Error {
    let status = response.status();
    let retry_after = retry::wish(response.headers(), SystemTime::now());
    let mut body = Vec::new();
    let read = async {
        while body.len() < ERROR_BYTES
            && let Ok(Some(piece)) = response.chunk().await
        {
            body.extend_from_slice(&piece);
        }
    };
    // The status says enough.
    let _ = timeout(ERROR_TIME, read).await;
    body.truncate(ERROR_BYTES);
    let (message, code) = if status.is_redirection() {
        ("it points elsewhere, where the key is not sent".into(), None)
    } else {
        chunk::refusal(without(key, &String::from_utf8_lossy(&body)).as_bytes())
    };
    Error::Status {
        status: status.as_u16(),
        code,
        message,
        retry_after,
    }
}

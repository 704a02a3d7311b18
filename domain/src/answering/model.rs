//! Any OpenAI-compatible chat endpoint, streamed. Dropping the stream drops the connection, which ends the provider's work.
use futures::{Stream, StreamExt, stream};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

use super::prompt::ChatMessage;
use crate::{Error, Result, config::ModelConfig};

/// Longest wait for the first byte, and between two.
const SILENCE: Duration = Duration::from_secs(30);
/// Tries in all, when the provider is busy.
const TRIES: u32 = 3;

/// What a stream yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text.
    Text(String),
    /// Tokens in and out, when the provider says so.
    Usage(u64, u64),
}

/// Why the provider gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ChatModelError {
    /// It answered with an error.
    #[error("the provider answered {status}: {body}")]
    Status {
        /// HTTP status.
        status: u16,
        /// The beginning of its body.
        body: String,
    },
    /// It could not be reached, or broke off.
    #[error("the provider can't be reached")]
    Transport(#[from] reqwest::Error),
    /// It said something that is no chat stream.
    #[error("the provider's stream can't be read: {0}")]
    Protocol(String),
}

/// A chat model behind an OpenAI-compatible API.
#[derive(Clone)]
pub struct ChatModel {
    client: reqwest::Client,
    url: String,
    key: SecretString,
    model: String,
}

impl ChatModel {
    /// None without a key.
    pub fn from_config(config: &ModelConfig) -> Result<Option<Self>> {
        let Some(key) = config.api_key.clone() else {
            return Ok(None);
        };
        egress::install_crypto();
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(SILENCE)
            .build()
            .map_err(|e| Error::internal("the provider's client", e))?;
        let url = format!("{}/chat/completions", config.base_url);
        Ok(Some(Self {
            client,
            url,
            key,
            model: config.chat_model.clone(),
        }))
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.model
    }

    /// Starts an answer.
    pub async fn stream(
        &self,
        messages: &[ChatMessage],
    ) -> Result<impl Stream<Item = Result<Piece, ChatModelError>> + Send + use<>, ChatModelError> {
        let response = self.request(messages).await?;
        let bytes = response.bytes_stream();
        let state = (bytes.boxed(), Vec::new());
        Ok(stream::unfold(Some(state), |state| async move {
            let (mut bytes, mut buffer) = state?;
            loop {
                if let Some(line) = take_line(&mut buffer) {
                    match read_line(&line) {
                        Ok(Line::Piece(piece)) => return Some((Ok(piece), Some((bytes, buffer)))),
                        Ok(Line::Nothing) => continue,
                        Ok(Line::Done) => return None,
                        Err(error) => return Some((Err(error), None)),
                    }
                }
                match bytes.next().await {
                    Some(Ok(chunk)) => buffer.extend_from_slice(&chunk),
                    Some(Err(error)) => return Some((Err(error.into()), None)),
                    None => return None,
                }
            }
        }))
    }

    async fn request(&self, messages: &[ChatMessage]) -> Result<reqwest::Response, ChatModelError> {
        let body = json!({ "model": self.model, "messages": messages, "stream": true, "temperature": 0.1,
                           "stream_options": { "include_usage": true } });
        let mut tries = 0;
        loop {
            tries += 1;
            let sent = self
                .client
                .post(&self.url)
                .bearer_auth(self.key.expose_secret())
                .json(&body)
                .send()
                .await;
            let error = match sent {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let status = response.status().as_u16();
                    let body: String = response.text().await.unwrap_or_default().chars().take(300).collect();
                    ChatModelError::Status { status, body }
                }
                Err(error) => ChatModelError::Transport(error),
            };
            let busy = matches!(&error, ChatModelError::Status { status, .. } if *status == 429 || *status >= 500);
            if !busy || tries == TRIES {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(250 * 2u64.pow(tries))).await;
        }
    }
}

fn take_line(buffer: &mut Vec<u8>) -> Option<String> {
    let end = buffer.iter().position(|b| *b == b'\n')?;
    let line: Vec<u8> = buffer.drain(..=end).collect();
    Some(String::from_utf8_lossy(&line).trim().to_owned())
}

enum Line {
    Piece(Piece),
    Nothing,
    Done,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    prompt_tokens: u64,
    completion_tokens: u64,
}

fn read_line(line: &str) -> Result<Line, ChatModelError> {
    let Some(data) = line.strip_prefix("data:").map(str::trim) else {
        return Ok(Line::Nothing);
    };
    if data == "[DONE]" {
        return Ok(Line::Done);
    }
    let chunk: Chunk = serde_json::from_str(data).map_err(|e| ChatModelError::Protocol(e.to_string()))?;
    let text = chunk
        .choices
        .into_iter()
        .next()
        .and_then(|c| c.delta)
        .and_then(|d| d.content)
        .filter(|t| !t.is_empty());
    Ok(match (text, chunk.usage) {
        (Some(text), _) => Line::Piece(Piece::Text(text)),
        (None, Some(t)) => Line::Piece(Piece::Usage(t.prompt_tokens, t.completion_tokens)),
        (None, None) => Line::Nothing,
    })
}

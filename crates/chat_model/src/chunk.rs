//! What one event of the stream means (`OpenAI` API reference, "The chat completion chunk object").
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::Value;

use crate::{Ending, Error, Usage};

/// As much of a provider's message as goes into an error.
const MESSAGE_CHARS: usize = 300;

/// One event. Its parts may come together.
#[derive(Debug, Default, PartialEq)]
pub struct Event {
    /// Text of the answer, never empty.
    pub text: Option<String>,
    /// The tokens so far.
    pub usage: Option<Usage>,
    /// How the text ended.
    pub ending: Option<Ending>,
    /// Nothing follows.
    pub done: bool,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default, deserialize_with = "null_as_default")]
    choices: Vec<Choice>,
    usage: Option<Tokens>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default, deserialize_with = "null_as_default")]
    delta: Delta,
    finish_reason: Option<String>,
}

/// Calls of tools in it are passed over: none was offered, and how the text ends says what the model wanted.
#[derive(Default, Deserialize)]
struct Delta {
    content: Option<String>,
    refusal: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Reads one event's data.
pub fn read(data: &[u8]) -> Result<Event, Error> {
    let data = data.trim_ascii();
    if data.is_empty() {
        return Ok(Event::default());
    }
    if data == b"[DONE]" {
        let done = true;
        return Ok(Event {
            done,
            ..Event::default()
        });
    }
    let chunk: Chunk = serde_json::from_slice(data).map_err(|error| Error::Protocol(error.to_string()))?;
    if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
        return Err(Error::Failed(told(&error).0));
    }
    let usage = chunk.usage.map(|tokens| Usage {
        tokens_in: tokens.prompt_tokens,
        tokens_out: tokens.completion_tokens,
    });
    // One answer was asked for.
    let Some(choice) = chunk.choices.into_iter().next() else {
        return Ok(Event {
            usage,
            ..Event::default()
        });
    };
    if choice.delta.refusal.is_some() {
        return Err(Error::Filtered);
    }
    let ending = match choice.finish_reason.as_deref() {
        None | Some("") => None,
        Some("length") => Some(Ending::Length),
        Some("content_filter") => return Err(Error::Filtered),
        Some("tool_calls" | "function_call") => return Err(Error::ToolCall),
        // `stop`, and other providers' words for it.
        Some(_) => Some(Ending::Stop),
    };
    Ok(Event {
        text: choice.delta.content.filter(|text| !text.is_empty()),
        usage,
        ending,
        done: false,
    })
}

/// A provider's message and its word for it, from the body of an error.
pub fn refusal(body: &[u8]) -> (String, Option<String>) {
    match serde_json::from_slice::<Value>(body) {
        Ok(json) => told(json.get("error").unwrap_or(&json)),
        Err(_) => (short(&String::from_utf8_lossy(body)), None),
    }
}

fn told(error: &Value) -> (String, Option<String>) {
    let text = |name| error.get(name).and_then(Value::as_str);
    let message = text("message").or(error.as_str());
    let message = message.map_or_else(|| short(&error.to_string()), short);
    (message, text("code").or(text("type")).map(short))
}

/// The beginning, on one line.
fn short(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MESSAGE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Event {
        let text = Some(text.to_owned());
        Event {
            text,
            ..Event::default()
        }
    }

    #[test]
    fn text_usage_and_ending_are_found_wherever_they_stand() {
        let read = |data: &str| read(data.as_bytes()).unwrap();
        assert_eq!(
            read(r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#),
            Event::default()
        );
        assert_eq!(
            read(r#"{"choices":[{"delta":{"content":"Hi"},"finish_reason":null}],"usage":null}"#),
            text("Hi")
        );
        let (tokens_in, tokens_out) = (7, 2);
        let usage = Some(Usage { tokens_in, tokens_out });
        let last = r#"{"choices":[{"delta":{"content":"."},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":2}}"#;
        let ending = Some(Ending::Stop);
        assert_eq!(
            read(last),
            Event {
                usage,
                ending,
                ..text(".")
            }
        );
        assert_eq!(
            read(r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}"#),
            Event {
                usage,
                ..Event::default()
            }
        );
        assert_eq!(read(r#"{"choices":null}"#), Event::default());
        assert_eq!(
            read(r#"{"choices":[{"delta":null,"finish_reason":"length"}]}"#).ending,
            Some(Ending::Length)
        );
        assert!(read("[DONE]").done);
        assert_eq!(read(""), Event::default());
    }

    #[test]
    fn tools_filters_errors_and_nonsense_are_told_apart() {
        let word = |data: &[u8]| read(data).unwrap_err().word();
        assert_eq!(
            word(br#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#),
            "tool_call"
        );
        assert_eq!(
            word(br#"{"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#),
            "filtered"
        );
        assert_eq!(word(br#"{"choices":[{"delta":{"refusal":"I can't"}}]}"#), "filtered");
        assert_eq!(word(br#"{"error":{"message":"overloaded"}}"#), "broken_off");
        assert_eq!(
            word(b"{\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}"),
            "unreadable"
        );
        assert_eq!(word(b"<html>"), "unreadable");
        let call = br#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"x","arguments":"{"}}]}}]}"#;
        assert_eq!(read(call).unwrap(), Event::default(), "a call is not text");
    }

    #[test]
    fn a_provider_s_own_words_are_found_and_shortened() {
        let quota = br#"{"error":{"message":"You have\n used it up","type":"x","code":"insufficient_quota"}}"#;
        assert_eq!(
            refusal(quota),
            ("You have used it up".into(), Some("insufficient_quota".into()))
        );
        assert_eq!(refusal(br#"{"error":"no model"}"#), ("no model".into(), None));
        assert_eq!(refusal(br#"{"message":"bad"}"#), ("bad".into(), None));
        assert_eq!(refusal(b"Bad Gateway"), ("Bad Gateway".into(), None));
        assert_eq!(refusal("é".repeat(1000).as_bytes()).0.chars().count(), MESSAGE_CHARS);
    }
}

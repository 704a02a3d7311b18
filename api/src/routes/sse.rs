//! Server-sent events (WHATWG HTML, section 9.2) as an answer of the contract.
use futures::{Stream, StreamExt, stream};
use poem::{
    IntoResponse, Response,
    web::sse::{Event, SSE},
};
use poem_openapi::{
    payload::Payload,
    registry::{MetaSchema, MetaSchemaRef},
};
use std::time::Duration;

/// Proxies close connections that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// When a client that lost its connection should come back.
const RETRY: Duration = Duration::from_secs(2);

/// A stream that can be gone on with ends after this time, and its client comes back: a credential that has ended is noticed then, so
/// that whoever has stolen one reads no longer than this after it was taken back.
const LIFE: Duration = Duration::from_mins(2);

/// A stream of events. Dropping the connection drops the stream, and a client that reads slowly is waited for: nothing is
/// taken from the stream before the connection has room for it.
pub struct Events(SSE);

impl Events {
    /// Sends what `stream` yields, and comments in between.
    pub fn new(stream: impl Stream<Item = Event> + Send + 'static) -> Self {
        Self(SSE::new(stream).keep_alive(KEEP_ALIVE))
    }

    /// The same for events with ids, after which a client can go on: it is told when to come back.
    pub fn resumable(stream: impl Stream<Item = Event> + Send + 'static) -> Self {
        let retry = Event::retry(RETRY.as_millis() as u64);
        Self::new(stream::iter([retry]).chain(stream).take_until(tokio::time::sleep(LIFE)))
    }
}

/// An event with a JSON body.
pub fn event(kind: &str, data: &serde_json::Value) -> Event {
    Event::message(data.to_string()).event_type(kind)
}

impl Payload for Events {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    /// Of one event, whose `data` is JSON as text.
    fn schema_ref() -> MetaSchemaRef {
        let text = || MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")));
        let mut event = MetaSchema::new("object");
        event.properties = ["id", "event", "data"].map(|name| (name, text())).into();
        MetaSchemaRef::Inline(Box::new(event))
    }
}

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_says_when_to_come_back_and_then_sends_comments() {
        let events = Events::resumable(stream::pending()).into_response();
        let mut body = events.into_body().into_bytes_stream();
        let begun = tokio::time::Instant::now();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let piece = body.next().await.unwrap().unwrap();
            seen.push((begun.elapsed().as_secs(), String::from_utf8(piece.to_vec()).unwrap()));
        }
        let expected = [(0, "retry: 2000\n\n"), (15, ":\n\n"), (30, ":\n\n")];
        assert_eq!(seen, expected.map(|(at, text)| (at, text.to_owned())));
        while body.next().await.is_some() {}
        assert_eq!(begun.elapsed(), LIFE, "a credential that has ended reads no further");
        assert!(LIFE <= Duration::from_mins(2), "docs/SECURITY.md says so");
    }
}
